"""What only the asker hears. Replies never enter a log."""

from __future__ import annotations

from dataclasses import dataclass

from chatnet.core.refusals import Refused
from chatnet.core.room import Sanction


@dataclass(frozen=True, slots=True)
class Welcome:
    """What server this is, and who the asker is on it."""

    server: str
    version: str
    motd: str
    you: str
    session: str  # unique while the server runs
    password_needed: bool  # nothing else is done before it is said
    registration: bool  # accounts can be made
    max_message: int  # bytes of UTF-8; 0: any
    password_length: tuple[int, int]  # characters, fewest and most


@dataclass(frozen=True, slots=True)
class YouAre:
    """The asker is called ``name``, with an account or as a guest."""

    name: str
    registered: bool


@dataclass(frozen=True, slots=True)
class Entered:
    """The asker is in ``room``, whose entries up to ``seq`` are its past.

    ``since`` is where reading starts: entries with a greater seq follow, then come the new ones.
    """

    room: str
    name: str
    people: tuple[str, ...]
    moderators: tuple[str, ...]
    topic: str
    locked: bool
    seq: int
    since: int


@dataclass(frozen=True, slots=True)
class AlreadyIn:
    """The asker reads ``room`` already."""

    room: str
    name: str


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """The past of ``room`` that was asked for has been read, up to ``seq``."""

    room: str
    name: str
    seq: int


@dataclass(frozen=True, slots=True)
class Out:
    """The asker is no longer in ``room``; ``put_out`` if that was not its own wish."""

    room: str
    name: str
    put_out: bool = False


@dataclass(frozen=True, slots=True)
class PersonLine:
    """One person in a list."""

    name: str
    registered: bool
    moderator: bool = False
    muted: bool = False


@dataclass(frozen=True, slots=True)
class Members:
    """Who is in ``room``, or, if that is empty, on the server."""

    room: str
    name: str
    people: tuple[PersonLine, ...]


@dataclass(frozen=True, slots=True)
class RoomLine:
    """One room in a list."""

    name: str
    people: int
    topic: str
    locked: bool


@dataclass(frozen=True, slots=True)
class Rooms:
    """What rooms there are, the busiest first; ``more`` of them are not listed."""

    rooms: tuple[RoomLine, ...]
    more: int


@dataclass(frozen=True, slots=True)
class Bans:
    """Who is banned from ``room``, and who is muted there."""

    room: str
    name: str
    bans: tuple[Sanction, ...]
    mutes: tuple[Sanction, ...]


@dataclass(frozen=True, slots=True)
class Topic:
    """What ``room`` is about."""

    room: str
    name: str
    topic: str


@dataclass(frozen=True, slots=True)
class Whoami:
    """Who ``name`` is: for ``seconds`` connected, ``idle`` of them silent; in which rooms."""

    name: str
    registered: bool
    online: bool
    sessions: tuple[str, ...] = ()
    rooms: tuple[str, ...] = ()
    seconds: float = 0
    idle: float = 0


@dataclass(frozen=True, slots=True)
class Ignored:
    """Whom the asker ignores."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Noted:
    """It was done; ``text`` says what."""

    text: str


@dataclass(frozen=True, slots=True)
class Pong:
    """The sign of life that was asked for."""


@dataclass(frozen=True, slots=True)
class Done:
    """The command named ``cid`` is in ``room``'s log, up to and including ``seq``."""

    cid: str
    room: str
    seq: int


@dataclass(frozen=True, slots=True)
class Sorry:
    """The command was refused."""

    refusal: Refused


@dataclass(frozen=True, slots=True)
class Bye:
    """The server closes the connection, for the reason in ``text``."""

    text: str


Reply = (
    Welcome | YouAre | Entered | AlreadyIn | CaughtUp | Out | Members | Rooms | Bans | Topic
    | Whoami | Ignored | Noted | Pong | Done | Sorry | Bye
)  # fmt: skip
