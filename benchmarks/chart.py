"""Draws what was measured: how many times faster than each peer, and how time grows.

Few lines of SVG, as no library's picture is legible on white and on black alike: these
colours are, whatever a page lies on.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from benchmarks.timing import Row, Seconds

__all__ = ["chart"]

_WIDTH, _LABELS, _ROW, _TOP = 960, 510, 26, 66
_PLOT = _WIDTH - _LABELS - 110
_SIDE = 200  # of a plot of a curve
_STYLE = """
text { font: 13px -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif;
  fill: #757a81 }
.title { font-size: 15px; font-weight: 600 }
.peer, .tick { font-size: 11px }
.ratio { font-weight: 600 }
.grid { stroke: #80858c; stroke-opacity: .3 }
.even { stroke: #80858c }
.ours { fill: #e8710a }
.slower { fill: #80858c }
.spread, .line { stroke: #80858c; stroke-width: 1.5; fill: none }
.line { stroke: #e8710a; stroke-width: 2 }
"""


def chart(rows: Sequence[Row], machine: str) -> str:
    """Return the SVG of rows.

    Args:
      rows: What was measured; those beside a peer become bars, the others none.
      machine: Where, for those who read the text of the picture.
    """
    bars = [row for row in rows if len(row.samples) == 2 and not _is_own(row)]
    curves = [row.curve for row in rows if row.curve is not None]
    height = _TOP + _ROW * len(bars) + 30
    parts = [*_bars(bars)]
    if curves:
        parts += _curves(curves, height + 20)
        height += _SIDE + 104
    box = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {box} role="img">',
            "<title>tf-ckpt-migrate beside its peers</title>",
            f"<desc>{escape(machine)}</desc>",
            f"<style>{_STYLE}</style>",
            *parts,
            "</svg>\n",
        ]
    )


def _is_own(row: Row) -> bool:
    return any(name.startswith("ours,") for name in row.samples)


def _bars(rows: Sequence[Row]) -> Iterator[str]:
    """Yield a bar for the time of each peer over ours."""
    ratios = [_ratios(row) for row in rows]
    ends = [number for each in ratios for number in each]
    low = math.floor(math.log10(min([0.1, *ends])))
    high = math.ceil(math.log10(max([10, *ends])))
    bottom = _TOP + _ROW * len(rows)

    def x(ratio: float) -> float:
        return _LABELS + _PLOT * (math.log10(ratio) - low) / (high - low)

    yield _text(10, 24, "How many times faster than the peer, on a log scale", "title")
    yield _text(10, 44, "Medians; whiskers: the spread of the rounds", "peer")
    for power in range(low, high + 1):
        at = x(10.0**power)
        kind = "even" if power == 0 else "grid"
        yield f'<path class="{kind}" d="M{at:.1f} {_TOP - 8}V{bottom}"/>'
        yield _text(at, bottom + 16, f"{10.0**power:,g}x", "tick", "middle")
    for number, (row, (least, middle, most)) in enumerate(
        zip(rows, ratios, strict=True)
    ):
        y = _TOP + _ROW * number
        peer = next(name for name in row.samples if name != "ours")
        label = escape(_short(row.what, 52))
        yield (
            f'<text x="10" y="{y + 13}">{label} '
            f'<tspan class="peer">{escape(_short(peer, 32))}</tspan></text>'
        )
        start, end = sorted((x(1), x(middle)))
        kind = "ours" if middle >= 1 else "slower"
        yield (
            f'<rect class="{kind}" x="{start:.1f}" y="{y}" rx="2" '
            f'width="{max(1.0, end - start):.1f}" height="{_ROW - 9}"/>'
        )
        yield (
            f'<path class="spread" d="M{x(least):.1f} {y + 8.5}H{x(most):.1f}'
            f'M{x(least):.1f} {y + 4}v9M{x(most):.1f} {y + 4}v9"/>'
        )
        beside = max(x(most), end) + 7
        yield _text(beside, y + 13, f"{_figure(middle)}x", "ratio")


def _ratios(row: Row) -> tuple[float, float, float]:
    theirs, ours = (row.samples[name] for name in sorted(row.samples, key=_last))
    rounds = [a / b for a, b in zip(theirs, ours, strict=True)]
    return min(rounds), statistics.median(theirs) / statistics.median(ours), max(rounds)


def _last(name: str) -> bool:
    return name == "ours"


def _curves(
    curves: Sequence[tuple[str, Mapping[int, Seconds]]], top: float
) -> Iterator[str]:
    """Yield a small plot of seconds for each thing that grows."""
    yield _text(10, top + 14, "Seconds of a conversion, as its input grows", "title")
    medians = [
        {size: statistics.median(all_) for size, all_ in seconds.items()}
        for _, seconds in curves
    ]
    every = [second for each in medians for second in each.values()]
    low, high = math.floor(math.log10(min(every))), math.ceil(math.log10(max(every)))
    step = (_WIDTH - 40) / len(curves)
    for number, ((of, _), each) in enumerate(zip(curves, medians, strict=True)):
        left = 60 + number * step
        yield from _curve(of, each, left, top + 34, step - 70, (low, high))


def _curve(  # noqa: PLR0913, PLR0917 where it is, and how large
    of: str,
    seconds: Mapping[int, float],
    left: float,
    top: float,
    width: float,
    powers: tuple[int, int],
) -> Iterator[str]:
    low, high = powers
    first, last = math.log10(min(seconds)), math.log10(max(seconds))

    def x(size: float) -> float:
        return left + width * (math.log10(size) - first) / ((last - first) or 1)

    def y(second: float) -> float:
        return top + _SIDE * (high - math.log10(second)) / ((high - low) or 1)

    for power in range(low, high + 1):
        at = y(10.0**power)
        yield f'<path class="grid" d="M{left:.1f} {at:.1f}h{width:.1f}"/>'
        yield _text(left - 6, at + 4, f"{10.0**power:,g} s", "tick", "end")
    points = " ".join(f"{x(size):.1f},{y(each):.1f}" for size, each in seconds.items())
    yield f'<polyline class="line" points="{points}"/>'
    for size, each in seconds.items():
        yield f'<circle class="ours" cx="{x(size):.1f}" cy="{y(each):.1f}" r="3.5"/>'
        yield _text(x(size), top + _SIDE + 18, _size(of, size), "tick", "middle")
    yield _text(left + width / 2, top + _SIDE + 38, of, "peer", "middle")


def _size(of: str, size: int) -> str:
    units = ("", " KB", " MB", " GB", " TB") if of == "bytes" else ("", "k", "M")
    power = min(len(units) - 1, (len(str(size)) - 1) // 3)
    return f"{size / 1000**power:.3g}{units[power]}"


def _figure(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2g}"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {place}>{escape(text)}</text>'
