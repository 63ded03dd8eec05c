"""Lengths of time as people write and read them."""

from __future__ import annotations

import re

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_WRITTEN = re.compile(r"(?:\d{1,6}[smhdw])+", re.ASCII)
_NAMES = ((604800, "week"), (86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def parse_duration(text: str) -> int | None:
    """Return the seconds in ``text``, like ``90s``, ``10m`` or ``1d12h``; None if it is none."""
    if not _WRITTEN.fullmatch(text):
        return None
    return sum(int(n) * _UNITS[unit] for n, unit in re.findall(r"(\d+)([smhdw])", text))


def spell_duration(seconds: float) -> str:
    """Return ``seconds`` in words, in its two largest units, like ``1 hour 30 minutes``."""
    left, words = max(1, round(seconds)), []
    for size, name in _NAMES:
        count, left = divmod(left, size)
        if count:
            words.append(f"{count} {name}" + ("s" if count != 1 else ""))
    return " ".join(words[:2])


def spell_span(seconds: float) -> str:
    """Return ``seconds`` in words, in the largest unit up to days that fits, like ``30 days``."""
    whole = max(1, round(seconds))
    size, name = next((size, name) for size, name in _NAMES[1:] if not whole % size)
    return f"{whole // size:,} {name}" + ("s" if whole != size else "")
