"""What the network knows of a session: who it is, where it sits, and how it reads there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from chatnet.core.names import GUEST_LOG
from chatnet.core.room import Actor, Room
from chatnet.interfaces import IStyle
from chatnet.server.cursors import Cursor, Reader
from chatnet.server.people import Person

if TYPE_CHECKING:
    from chatnet.server.audience import Audience


class Hold(Enum):
    """How a seat is held."""

    WISHED = "wished"  # its session's arrival is on its way
    TAKEN = "taken"  # its session reads in the room
    GONE = "gone"  # it is nobody's any more


@dataclass(slots=True, eq=False)
class Seat:
    """A session's place in a room, or its wish for one, and how it wants to read there.

    Reading starts behind ``since``, or with the last ``replay`` messages (-1: all). ``back`` is
    where those begin if that is further back than what is in memory.
    """

    audience: Audience
    since: int | None = None
    replay: int = 0
    back: int = 0
    hold: Hold = Hold.WISHED
    leaving: bool = False  # to give it up is on its way, while its person stays
    put_out: bool = False  # its person's departure is on its way, and others want it
    name: str = ""  # the key of what its person is called in the room
    start: int = 0  # it reads from behind this seq,
    here: int = 0  # and what is behind this one is new to it
    past: Cursor | None = None  # what it reads first, once its wish is answered


class Participant(Reader, Protocol):
    """What the network needs of a session."""

    id: str
    actor: Actor
    person: Person
    rooms: dict[str, Seat]  # where it sits, or wishes to
    quitting: bool  # it leaves of its own accord
    device: str  # the id of that of the account's devices that it is
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

    def tell(self, text: str) -> None:
        """Say ``text`` to it alone."""

    def leave_for_good(self, words: str, code: str, of_own_accord: bool = True) -> None:
        """Close, and say ``words``, when all that was asked for was read; see ``Bye``."""

    def replaced(self) -> None:
        """Make way for the same person on a newer connection."""


class Asker(Participant, Protocol):
    """What deciding for a session takes besides."""

    async def settled(self) -> None:
        """Wait until all that was asked for before has happened, or was refused."""


class Seats:
    """Who sits in one room, by what they are called there; those who only wish to as well.

    A person's wish for a seat is decided only while nothing else about that person is on its way
    to the room (see ``chatnet.server.seating``). So an arrival is that of all who wish to be in,
    and a departure is that of all who are, or wish to be.
    """

    def __init__(self) -> None:
        self._by_name: dict[str, dict[Participant, Seat]] = {}

    def add(self, name: str, session: Participant, seat: Seat) -> None:
        """Let ``session``, whose person is called ``name``, a key, have ``seat``."""
        seat.name = name
        self._by_name.setdefault(name, {})[session] = seat
        session.rooms[seat.audience.room.key] = seat

    def remove(self, session: Participant, seat: Seat) -> None:
        """Take ``seat`` from ``session``."""
        seat.hold = Hold.GONE
        if session.rooms.get(seat.audience.room.key) is seat:
            del session.rooms[seat.audience.room.key]
        self._file_out(session, seat)

    def rename(self, session: Participant, seat: Seat, name: str) -> None:
        """Let the person of ``session`` be called ``name``, a key, in this room."""
        self._file_out(session, seat)
        self.add(name, session, seat)

    def _file_out(self, session: Participant, seat: Seat) -> None:
        seats = self._by_name.get(seat.name, {})
        if seats.get(session) is seat:
            del seats[session]
            if not seats:
                del self._by_name[seat.name]

    def of(self, name: str) -> list[tuple[Participant, Seat]]:
        """Return the seats of who is called ``name``, a key."""
        return list(self._by_name.get(name, {}).items())

    def rewind(self) -> None:
        """What was on its way to the room has failed: no wish comes true."""
        for name in list(self._by_name):
            for session, seat in self.of(name):
                seat.leaving = seat.put_out = False
                if seat.hold is Hold.WISHED:
                    self.remove(session, seat)


def inbox_of(person: Person) -> str:
    """Return the key of the log of what is told to ``person`` alone."""
    return f"@{person.name.key}" if person.registered else f"{GUEST_LOG}{person.tag}"
