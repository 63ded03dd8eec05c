"""The verbs as they travel: an ``amp.Command`` for each, and those that carry their answers.

Any program with Twisted can call them. An answer is a sentence and rows, each an object of JSON;
where more rows follow, ``next`` is what ``More`` takes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from types import new_class
from typing import Any, ClassVar, TypeAlias

from twisted.protocols import amp

from chatnet.admin.grammar import Kind, Value, Verb
from chatnet.admin.verbs import ALL_VERBS
from chatnet.core import refusals

PAGE = 60_000  # bytes of rows in one answer: a value of AMP has at most 65,535
LONGEST = 4000  # characters of one value in a row
_TYPES = {Kind.SPAN: amp.Float, Kind.NUMBER: amp.Integer, Kind.FLAG: amp.Boolean}

Row = Mapping[str, Value]
Arguments: TypeAlias = "list[tuple[bytes, amp.Argument]]"


def _refusals() -> Iterator[tuple[type[Exception], bytes]]:
    """Yield each way to say no with its code; the one that all others are comes last."""
    for kind in refusals.Refused.__subclasses__():
        if kind.__module__ == refusals.__name__:  # a client has others, which no server sends
            yield kind, kind.code.encode()
    yield refusals.Refused, refusals.Refused.code.encode()


ERRORS: dict[type[Exception], bytes] = dict(_refusals())


def _command(verb: Verb) -> type[amp.Command]:
    arguments = [
        (a.name.encode(), _TYPES.get(a.kind, amp.Unicode)(optional=a.optional or bool(a.option)))
        for a in verb.arguments
    ]
    body: dict[str, Any] = {
        "__doc__": verb.about,
        "commandName": verb.name.encode(),
        "arguments": arguments,
        "response": ANSWER,
        "errors": ERRORS,
    }
    return new_class(
        verb.name.title().replace(" ", ""), (amp.Command,), {}, lambda space: space.update(body)
    )


ANSWER: Arguments = [
    (b"said", amp.Unicode()),
    (b"rows", amp.ListOf(amp.Unicode())),
    (b"next", amp.Unicode()),
]
COMMANDS = {verb.name: _command(verb) for verb in ALL_VERBS}


class More(amp.Command):
    """The rows that follow those of an answer whose ``next`` is given."""

    arguments: ClassVar[Arguments] = [(b"next", amp.Unicode())]
    response = ANSWER
    errors = ERRORS


class Login(amp.Command):
    """Be an account. What comes through a socket of the machine itself need not be one."""

    arguments: ClassVar[Arguments] = [(b"name", amp.Unicode()), (b"password", amp.Unicode())]
    response: ClassVar[Arguments] = [(b"rank", amp.Unicode())]
    errors = ERRORS


class Happened(amp.Command):
    """What the server tells those who watch; each row has ``at`` and ``text`` at least."""

    arguments: ClassVar[Arguments] = [(b"rows", amp.ListOf(amp.Unicode()))]


def packed(row: Row) -> str:
    """Return ``row`` as it travels, with what is too long cut."""
    short = {
        key: value[:LONGEST] + "..." if isinstance(value, str) and len(value) > LONGEST else value
        for key, value in row.items()
    }
    return json.dumps(short, ensure_ascii=False)


def page(rows: Sequence[str]) -> int:
    """Return how many of ``rows`` fit into one answer: one at least, if there is one."""
    size = count = 0
    for row in rows:
        size += len(row.encode(errors="replace")) + 2
        if size > PAGE and count:
            break
        count += 1
    return count
