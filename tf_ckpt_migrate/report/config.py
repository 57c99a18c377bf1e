"""A report as plain data, as JSON holds it; what is empty is left out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tf_ckpt_migrate.report.content import (
        MigrationReport,
        Row,
        Side,
        Tensor,
        Values,
    )

__all__ = ["config_of"]

_VERSION = 1


def config_of(report: MigrationReport) -> dict[str, Any]:
    """Return a report as plain data.

    Example:
      >>> from tf_ckpt_migrate.report.content import MigrationReport, Side
      >>> config_of(MigrationReport("checkpoint", Side("w"), None, ()))["kind"]
      'checkpoint'
    """
    return {
        "report": _VERSION,
        "version": report.version,
        "kind": report.kind,
        "source": _side(report.source),
        "target": None if report.target is None else _side(report.target),
        "counts": dict(report.counts),
        "findings": [_filled(each._asdict()) for each in report.findings],
        "verdicts": [
            _filled(each.as_row()) | {"text": str(each)} for each in report.verdicts
        ],
        "notes": list(report.notes),
        "commands": [each._asdict() for each in report.commands],
        "values": report.values,
        "rows": [_row(row) for row in report.rows],
    }


def _side(side: Side) -> dict[str, Any]:
    return _filled(side._asdict())


def _row(row: Row) -> dict[str, Any]:
    content = row._asdict()
    content["sources"] = [_tensor(each) for each in row.sources]
    content["target"] = row.target and _tensor(row.target)
    content["before"], content["after"] = _values(row.before), _values(row.after)
    content["difference"] = row.difference and _plain(row.difference._asdict())
    content["exact"] = None if row.exact else False
    content["step"] = None if row.step == 1 else row.step
    return _filled(content)


def _tensor(tensor: Tensor) -> dict[str, Any]:
    """Return a tensor; its path only where it is not what the key says anyway."""
    content = tensor._asdict()
    if tensor.path == tuple(tensor.key.split("/")):
        del content["path"]
    return content


def _values(values: Values | None) -> dict[str, Any] | None:
    if values is None:
        return None
    statistics = _plain(values.statistics._asdict())
    return _filled({"statistics": statistics, "counts": values.counts})


def _plain(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return numbers as JSON has them: those that it lacks as text."""
    return {
        name: str(each) if isinstance(each, float) and not math.isfinite(each) else each
        for name, each in content.items()
        if each is not None
    }


def _filled(content: Mapping[str, Any]) -> dict[str, Any]:
    # False and 0 are answers; what nobody asked, or there is nothing of, is none.
    return _plain({n: each for n, each in content.items() if each not in ("", (), [])})
