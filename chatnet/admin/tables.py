"""Answers as an operator reads them: tables that fit the screen, or an object of JSON a line."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime

from chatnet.admin.grammar import Value
from chatnet.core.plain import plain

WIDTH = 80  # columns, where nobody says how many there are
_NARROW = 4  # columns, that a column of words keeps if it needs them
_SPANS = frozenset(("uptime", "here", "idle", "seconds", "retention"))
_TIMES = frozenset(("until", "made", "at", "expires", "certificate"))
_SIZES = frozenset(("memory",))
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))

Shown = dict[str, Value]


def lines_of(
    said: str, rows: Sequence[Shown], columns: int = WIDTH, upright: bool = False
) -> list[str]:
    """Return an answer as lines of at most ``columns``; ``upright``, with one for each value."""
    lines: list[str] = []
    if upright:
        shown = [row for row in rows if not (said and _is_place(row))]
        lines = [line for row in shown for line in _upright(row, columns)]
        rows = ()
    alike: list[Shown] = []
    for row in rows:  # those of one kind after each other are one table
        if alike and list(alike[0]) != list(row):
            lines += [*_table(alike, columns), ""]
            alike = []
        alike.append(row)
    if alike and not (said and _is_place(alike[0])):
        lines += _table(alike, columns)
    if said:
        lines += [plain(line) for line in said.split("\n")]
    return lines


def _is_place(row: Shown) -> bool:
    """Return whether ``row`` only repeats what the sentence says."""
    return set(row) <= {"room", "entry", "act", "account", "id", "connections", "seconds"}


def _table(rows: Sequence[Shown], columns: int) -> list[str]:
    names = [name for name in rows[0] if any(row[name] != "" for row in rows)]
    cells = [[cell(name, row[name]) for name in names] for row in rows]
    widths = [max(map(width, column)) for column in zip(names, *cells, strict=True)]
    words = [isinstance(rows[0][name], str) for name in names]
    right = [isinstance(rows[0][name], int | float) and name not in _TIMES for name in names]
    while sum(widths) + 2 * (len(widths) - 1) > columns:
        widest = max(range(len(widths)), key=lambda at: words[at] * widths[at])
        if not words[widest] or widths[widest] <= _NARROW:
            break
        widths[widest] -= 1
    return [
        "  ".join(map(_fitted, line, widths, right)).rstrip()[:columns]
        for line in ([name.upper() for name in names], *cells)
    ]


def _upright(row: Shown, columns: int) -> list[str]:
    """Return ``row`` with a line for each of its values."""
    wide = max(map(len, row))
    lines = []
    for name, value in row.items():
        label, room = f"{name:{wide}}  ", max(_NARROW, columns - wide - 2)
        for line in value.split("\n") if isinstance(value, str) else (value,):
            text = cell(name, line)
            while True:
                part = cut(text, room)
                lines.append(f"{label}{part}".rstrip())
                text, label = text[len(part) :], " " * (wide + 2)
                if not text:
                    break
    return lines


def cell(name: str, value: Value) -> str:
    """Return ``value``, which is called ``name``, as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return plain(value) or "-"
    if name in _SPANS:
        return brief(value) if value or name != "retention" else "for good"
    if name in _TIMES:
        return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M}" if value else "for good"
    if name in _SIZES:
        return f"{value / 1e6:,.0f} MB"
    return f"{value:,}"


def brief(seconds: float) -> str:
    """Return ``seconds`` in its two largest units, like ``2h05m``."""
    whole = max(0, round(seconds))
    for place, (size, unit) in enumerate(_UNITS[:-1]):
        if whole >= size:
            smaller, name = _UNITS[place + 1]
            return f"{whole // size}{unit}{whole % size // smaller:02}{name}"
    return f"{whole}s"


def width(text: str) -> int:
    """Return how many columns ``text`` takes."""
    if text.isascii():
        return len(text)
    return sum(map(_wide, text))


def _wide(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def cut(text: str, columns: int) -> str:
    """Return as much of the beginning of ``text`` as fits into ``columns``."""
    if width(text) <= columns:
        return text
    taken, kept = 0, 0
    for char in text:
        taken += _wide(char)
        if taken > columns:
            break
        kept += 1
    return text[: max(1, kept)]


def _fitted(text: str, columns: int, right: bool) -> str:
    if width(text) > columns:
        text = cut(text, columns - 1) + "…"
    gap = " " * (columns - width(text))
    return gap + text if right else text + gap
