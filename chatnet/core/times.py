"""Times as people and programs write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from chatnet.core.durations import parse_duration

NO_TIME = "A time is like 2026-11-20, 2026-11-20T18:30 (in UTC), or 7d: so long ago."

_WRITTEN = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2}))?Z?)?",
    re.ASCII | re.IGNORECASE,
)
_COUNTED = re.compile(r"\d{9,11}(?:\.\d{1,9})?", re.ASCII)


def parse_time(text: str, now: float) -> float | None:
    """Return the time that ``text`` means at ``now``; None if it is none.

    A date, ``2026-11-20``, which begins at midnight; a date and time, ``2026-11-20 18:30`` or with
    a ``T`` between; so long ago, ``7d``; or a count of seconds. All times are in UTC, and what is
    counted is seconds since the epoch.
    """
    if _COUNTED.fullmatch(text):
        return float(text)
    ago = parse_duration(text)
    if ago is not None:
        return max(0.0, now - ago)
    match = _WRITTEN.fullmatch(text)
    if match is None:
        return None
    try:
        year, month, day, hour, minute, second = [int(part or 0) for part in match.groups()]
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        return None
