"""What was found, as docs/performance.md shows it: tables and plots, each between two marks."""

from __future__ import annotations

import math
import os
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"
PAGE = DOCS / "performance.md"
WIDTH, HEIGHT, LEFT, TOP = 720, 360, 60, 30
COLOURS = (
    "#777", "#2c3e50", "#c0392b", "#e67e22", "#2980b9", "#27ae60", "#8e44ad", "#16a085",
)  # fmt: skip

Series = dict[str, list[tuple[float, float]]]  # by name, places


def put(name: str, lines: Sequence[str]) -> None:
    """Let ``lines`` be what the page says between the marks called ``name``."""
    text = PAGE.read_text()
    begin, end = f"<!-- measured: {name} -->\n", f"<!-- end: {name} -->"
    whole = begin + "\n".join(lines) + "\n" + end
    found = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    text, count = found.subn(lambda _: whole, text)
    if not count:
        raise ValueError(f"{PAGE} has no place for {name}")
    PAGE.write_text(text)


def where() -> str:
    """Return when and on what this was measured."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores"
        f" ({model[1] if model else platform.machine()}), Linux {platform.release().split('-')[0]},"
        f" CPython {platform.python_version()}."
    )


def bars(name: str, title: str, groups: Sequence[str], series: dict[str, list[float]]) -> None:
    """Draw ``docs/NAME.svg``: for each group a bar of each of ``series``, on a scale of powers."""
    values = [value for row in series.values() for value in row if value > 0]
    low, high = _powers(values)
    wide = (WIDTH - LEFT - 10) / len(groups)
    bar = wide * 0.8 / len(series)
    drawn = []
    for number, row in enumerate(series.values()):
        for group, value in enumerate(row):
            if value > 0:
                x, y = LEFT + group * wide + wide * 0.1 + number * bar, _y(value, low, high)
                drawn.append(
                    f'<rect x="{x:.1f}" y="{y:.1f}" width="{bar - 1:.1f}"'
                    f' height="{TOP + HEIGHT - y:.1f}" fill="{COLOURS[number]}"/>'
                )
    for group, word in enumerate(groups):
        drawn.append(_text(LEFT + (group + 0.5) * wide, TOP + HEIGHT + 18, word, "middle"))
    _write(name, title, drawn, low, high, list(series))


def lines(name: str, title: str, series: Series, unit: str) -> None:
    """Draw ``docs/NAME.svg``: lines through ``series``, both scales of powers of ten."""
    series = {name: [at for at in row if at[1] > 0] for name, row in series.items()}
    across = [x for places in series.values() for x, _ in places]
    low, high = _powers([y for places in series.values() for _, y in places])
    first, last = _powers([max(1.0, x) for x in across])

    def at(x: float) -> float:
        share = (math.log10(max(1.0, x)) - first) / (last - first)
        return LEFT + share * (WIDTH - LEFT - 20)

    drawn = []
    for number, places in enumerate(series.values()):
        path = " ".join(f"{at(x):.1f},{_y(y, low, high):.1f}" for x, y in places)
        drawn.append(
            f'<polyline points="{path}" fill="none" stroke="{COLOURS[number]}" stroke-width="2"/>'
        )
    drawn += [
        _text(at(10**power), TOP + HEIGHT + 18, f"{10**power:,}", "end")
        for power in range(first, last + 1)
    ]
    drawn.append(_text(WIDTH - 20, TOP + HEIGHT + 34, unit, "end"))
    _write(name, title, drawn, low, high, list(series))


def _powers(values: Sequence[float]) -> tuple[int, int]:
    """Return between which powers of ten ``values`` are."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _y(value: float, low: int, high: int) -> float:
    return TOP + HEIGHT * (1 - (math.log10(value) - low) / (high - low))


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{words}</text>'


def _write(
    name: str, title: str, drawn: Sequence[str], low: int, high: int, names: Sequence[str]
) -> None:
    tall = TOP + HEIGHT + 50 + 20 * math.ceil(len(names) / 4)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {tall}"'
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{tall}" fill="white"/>',
        _text(LEFT, 18, title),
    ]
    for power in range(low, high + 1):
        y = _y(10.0**power, low, high)
        out.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - 10}" stroke="#ddd"/>')
        out.append(_text(LEFT - 6, y + 4, f"{10.0**power:g}", "end"))
    out += drawn
    for number, word in enumerate(names):
        x, y = LEFT + number % 4 * 165, TOP + HEIGHT + 52 + number // 4 * 20
        out.append(f'<rect x="{x}" y="{y - 10}" width="10" height="10" fill="{COLOURS[number]}"/>')
        out.append(_text(x + 16, y, word))
    (DOCS / f"{name}.svg").write_text("\n".join([*out, "</svg>"]) + "\n")
