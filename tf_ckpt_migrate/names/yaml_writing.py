"""Writes plain data as YAML that holds no invisible character, one line for a name."""

from __future__ import annotations

from functools import cache
from typing import Any

from tf_ckpt_migrate.escapes import escape_yaml
from tf_ckpt_migrate.names.yaml_lines import is_text

__all__ = ["write_yaml"]


def write_yaml(content: object, *, flow: bool = False) -> str:
    r"""Return plain data as YAML.

    Args:
      content: Lists, mappings, text and numbers.
      flow: Whether everything stands on one line.

    Example:
      >>> print(write_yaml({"größe": "zero\u200bwidth"}), end="")
      größe: "zero\u200bwidth"
    """
    import yaml

    untyped: Any = yaml  # the stubs leave types of its options out
    text: str = untyped.dump(
        content,
        Dumper=_dumper(),
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=flow,
        width=2**31 - 1,  # one line for one name, however long
    )
    return escape_yaml(text)


@cache
def _dumper() -> Any:
    import yaml

    untyped: Any = yaml
    base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

    class Dumper(base):
        """Puts what is not printable into double quotes, where it can be escaped."""

    def text(dumper: Any, value: str) -> Any:
        style = None if value.isprintable() and is_text(value) else '"'
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    untyped.add_representer(str, text, Dumper=Dumper)
    return Dumper
