"""Bans and exemptions of another server, or of before: laid as ``bans --export`` printed them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite

from chatnet.admin.calling import Calls
from chatnet.admin.grammar import Given, Value, Verb
from chatnet.admin.verbs import VERBS
from chatnet.core import commands as c, staff
from chatnet.core.office import Office, spell
from chatnet.core.refusals import Malformed, Refused

WORDS = ["ban", "import"]
_VERBS = {"banned": VERBS["ban"], "exempt": VERBS["exempt"]}
_NONSENSE = (Refused, ValueError, TypeError, AttributeError, OverflowError, RecursionError)
_TEXTS = ("is", "kind", "who", "reason", "note")

Place = tuple[str, str, str]  # whether it is banned or exempt, its kind, what it is


@dataclass(frozen=True, slots=True)
class Line:
    """What one line of the file asks for, and where it is to stand."""

    number: int
    place: Place
    verb: Verb
    given: Given


def read(text: str, now: float) -> list[Line]:
    """Return what the lines of ``text`` ask for that still holds at ``now``.

    Raises:
        Malformed: one makes no sense; the sentence has its number.
    """
    return list(_lines(text, now))


def _lines(text: str, now: float) -> Iterator[Line]:
    for number, written in enumerate(text.split("\n"), 1):
        if not written.strip():
            continue
        try:
            line = _line(number, written, now)
        except _NONSENSE as error:
            why = error if isinstance(error, Refused) else "It is not as bans --export prints it."
            raise Malformed(f"Line {number}: {why} Nothing was done.") from None
        if line is not None:
            yield line


def _line(number: int, written: str, now: float) -> Line | None:
    """Return what ``written`` asks for; None if it is over."""
    row = json.loads(written)
    what, kind, who, reason, note = (row.get(name, "") for name in _TEXTS)
    until = row.get("until", 0.0)
    if not all(isinstance(value, str) for value in (what, kind, who, reason, note)):
        raise TypeError
    "".join((who, reason, note)).encode()  # half a character cannot travel
    if isinstance(until, bool) or not isfinite(until) or what not in _VERBS:
        raise ValueError
    seconds = until - now if until else 0.0
    if seconds < 0:
        return None
    command: c.Governing = c.ServerBan(kind, who, seconds, reason, note)
    values: dict[str, Value] = {"who": who, "kind": kind, "seconds": seconds, "reason": reason}
    if what == "exempt":
        command = c.Exempt(kind, who, seconds, reason)
    else:
        values["note"] = note
    staff.decide(Office(), staff.OPERATOR_ACTOR, command, now)
    verb = _VERBS[what]
    for argument in verb.arguments:
        if argument.name in values:
            argument.check(values[argument.name])
    return Line(number, (what, kind, spell(kind, who)), verb, Given(values))


async def lay(calls: Calls, lines: Sequence[Line]) -> tuple[str, list[str]]:
    """Lay what ``lines`` ask for, and return how many that were, and what was refused.

    Raises:
        Refused: the bans that are there are not for who asks.
        Unreachable: the server says nothing any more.
    """
    there = {_place(row) for row in (await calls.ask(VERBS["bans"], Given({}))).rows}
    laid, skipped, refused = 0, 0, list[str]()
    for line in lines:
        if line.place in there:
            skipped += 1
            continue
        try:
            await calls.ask(line.verb, line.given)
        except Refused as refusal:
            refused.append(f"Line {line.number}: {refusal}")
            continue
        there.add(line.place)
        laid += 1
    return f"Done: {laid} laid; {skipped} there already; {len(refused)} refused.", refused


def _place(row: object) -> Place:
    assert isinstance(row, dict)
    return str(row.get("is")), str(row.get("kind")), str(row.get("who"))
