"""Says in flags and subcommands what an error advises in Python."""

from __future__ import annotations

import re
import shlex

__all__ = ["in_shell"]

_TEXT = r"(?P<{0}_quote>['\"])(?P<{0}>(?:(?!(?P={0}_quote)).)*)(?P={0}_quote)"
_OLD, _NEW = _TEXT.format("old"), _TEXT.format("new")
_RENAME = r"--rename '\g<old>=\g<new>'"
_FLAGS = "unused|missing|data|precedence|names|averages"
# A rule of a list ends in a comma, which is none of the shell's.
_SPELLINGS = (
    (
        r"\bconvert\(plan_migration\([^()]*\), output_prefix\)",
        "`tf-ckpt-migrate convert SOURCE OUTPUT --rename A=B`",
    ),
    (rf"(?:\btcm\.)?\bDrop\(role={_TEXT.format('role')}\),?", r"--drop_role=\g<role>"),
    (rf"(?:\btcm\.)?\bDrop\(pattern={_TEXT.format('it')}\),?", r"--drop '\g<it>'"),
    (rf"(?:\btcm\.)?\bRename(?:Scope)?\({_OLD}, {_NEW}\),?", _RENAME),
    (rf"\bnames=\{{{_OLD}: {_NEW}\}}", _RENAME),
    (rf'\b({_FLAGS})="(\w+)"', r"--\1=\2"),
    (r'--(\w+)=(\w+) or "(\w+)"', r"--\1=\2 or --\1=\3"),
    (r"\boverwrite=True \(--overwrite\)", "--overwrite"),
    (r"^like=", "--like="),
    # No flag lets a damaged value through.
    (r", or read with verify=False to see what is there", ""),
)
_DROP = re.compile(rf"(?:\btcm\.)?\bDrop\((?:source=)?{_TEXT.format('key')}\),?")
_RECIPE = re.compile(
    rf"(?:\btcm\.)?\bRecipe\({_TEXT.format('kind')}, {_TEXT.format('source')}, "
    rf"{_TEXT.format('target')}(?P<options>(?:, \w+=[^,()]+)*)\)"
)
_COMMANDS = {
    "add_name_keys": "add-name-keys CHECKPOINT",
    "add_object_keys": "add-object-keys CHECKPOINT",
    "convert_tf1_to_tf2": "convert SOURCE OUTPUT --to=tf2",
    "convert_tf2_to_tf1": "convert SOURCE OUTPUT --to=tf1",
    "plan_migration": "plan SOURCE",
    "suggest_assignment_map": "suggest SOURCE TARGET",
    "remove_name_keys": "remove-name-keys CHECKPOINT",
}
# Not within a path or a name.
_CALL = re.compile(
    rf"(?<![\w/'\"-])(?:tcm\.)?(?P<name>{'|'.join(_COMMANDS)})"
    r"(?:\((?P<arguments>[^()]*)\))?(?![\w/'\"-])"
)


def in_shell(message: str) -> str:
    """Return an error's message with the calls that it advises as they are typed.

    Example:
      >>> in_shell('add Drop("step") or pass unused="keep"')
      "add --drop 'step' or pass --unused=keep"
    """
    for call, flag in _SPELLINGS:
        message = re.sub(call, flag, message)
    for call, spelled in ((_DROP, _drop), (_RECIPE, _recipe), (_CALL, _command)):
        message = call.sub(spelled, message)
    return message


def _drop(found: re.Match[str]) -> str:
    """Spell a name as the pattern that fits it, or a scope as it is."""
    key = found["key"]
    return (
        f"--drop '{key if key.endswith('/') or _fits_itself(key) else re.escape(key)}'"
    )


def _fits_itself(key: str) -> bool:
    try:
        return re.fullmatch(key, key) is not None
    except re.error:
        return False


def _recipe(found: re.Match[str]) -> str:
    options = "".join(f" {each}" for each in (found["options"] or "").split(", ")[1:])
    flag = f"{found['kind']} {found['source']}={found['target']}{options}"
    return f"--recipe {shlex.quote(flag)}"


def _command(found: re.Match[str]) -> str:
    like = " --like=CHECKPOINT" if "like=" in (found["arguments"] or "") else ""
    return f"`tf-ckpt-migrate {_COMMANDS[found['name']]}{like}`"
