"""What the network knows of a session: who it is, where it sits, and how it reads there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from chatnet.core.names import GUEST_LOG
from chatnet.core.room import Actor, Room
from chatnet.interfaces import IStyle
from chatnet.server.audience import Audience, Reader
from chatnet.server.people import Person


@dataclass(slots=True, eq=False)
class Seat:
    """A session's wish to be in a room, and how it wants to read there.

    Reading starts behind ``since``, or with the last ``replay`` messages (-1: all). ``back`` is
    where those begin if that is further back than what is in memory.
    """

    audience: Audience
    since: int | None = None
    replay: int = 0
    back: int = 0
    answering: bool = True  # the answer to the wish is still to come
    taken: bool = False  # it reads, or has read, in the room:
    start: int = 0  # from behind this seq,
    here: int = 0  # and what is behind this one is new to it


class Participant(Reader, Protocol):
    """What the network needs of a session."""

    id: str
    actor: Actor
    person: Person
    rooms: dict[str, Seat]  # all it asked to be in and may still be in
    quitting: bool  # it leaves of its own accord
    secret: str  # what its next connection can show to take its name over
    since: float  # when it came, and when it last was heard, on the network's clock
    heard_at: float

    @property
    def past(self) -> IStyle:
        """How it reads what was before it came."""

    @property
    def recall(self) -> IStyle:
        """How it reads what it missed, or asks to read again."""

    @property
    def echo(self) -> bool:
        """Whether it wants to be shown its own words."""

    def reading(self) -> Iterable[Audience]:
        """Return where it reads."""

    def closing(self, room: Room, upto: int) -> bytes:
        """Return what to say when it has read the past of ``room``, up to ``upto``."""

    def replaced(self) -> None:
        """Make way for the same person on a newer connection."""


def inbox_of(person: Person) -> str:
    """Return the key of the log of what is told to ``person`` alone."""
    return f"@{person.name.key}" if person.registered else f"{GUEST_LOG}{person.tag}"
