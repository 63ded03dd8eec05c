"""What would become of people, as an operator reads it."""

from __future__ import annotations

from collections.abc import Sequence

from chatnet.admin.calls import Row
from chatnet.admin.desk import Answer
from chatnet.server.foresight import Fate
from chatnet.server.visitors import DAYS

MOST_SHOWN = 1000  # people in an answer


def told(fates: Sequence[Fate], about: str = "") -> Answer:
    """Return ``fates`` as an operator reads them, behind a sentence ``about`` what else is so."""
    now = sum(fate.here for fate in fates)
    rows: list[Row] = [
        {
            "name": fate.actor.name,
            "account": fate.actor.registered,
            "address": fate.actor.address,
            "here": fate.here,
            "is": fate.before,
            "becomes": fate.after,
        }
        for fate in fates[:MOST_SHOWN]
    ]
    words = f"{now:,} who {_are(now)} here would be hit, and {len(fates) - now:,} who"
    words += f" {_were(len(fates) - now)} here in the last {DAYS} days"
    return Answer(f"{about}{words}; nothing was done.", rows)


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
