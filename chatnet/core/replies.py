"""What only the asker hears. Replies never enter a log."""

from __future__ import annotations

from dataclasses import dataclass, field

from chatnet.core.refusals import Refused
from chatnet.core.room import Sanction
from chatnet.core.values import value


@value
class Hello:
    """What server this is, and who the asker is on it."""

    protocol: int
    server: str
    version: str
    motd: str
    you: str
    session: str  # unique while the server runs
    password_needed: bool  # nothing else is done before it is said
    passwords: bool  # may be told over this connection
    registration: bool  # accounts can be made
    max_message: int  # bytes of UTF-8; 0: any
    password_length: tuple[int, int]  # characters, fewest and most
    features: tuple[str, ...] = ()  # what programs may make use of


@dataclass(frozen=True, slots=True)
class YouAre:
    """The asker is called ``name``, with an account or as a guest."""

    name: str
    registered: bool


@dataclass(frozen=True, slots=True)
class Present:
    """Someone who is in a room."""

    name: str
    registered: bool
    moderator: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How it is in a room: the sum of its entries up to and including ``seq``.

    Whoever adds the entries behind ``seq`` to it has what a later snapshot says.
    """

    seq: int
    topic: str
    locked: bool
    members: tuple[Present, ...]
    moderators: tuple[str, ...]  # those who are absent as well
    encrypted: bool = False
    epoch: int = 0  # see ``RoomState``, as for the next one
    readers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entered:
    """The asker is in ``room``, whose entries up to ``seq`` are its past.

    ``since`` is where reading starts: entries with a greater seq follow, then come the new ones.
    What is said there is kept for ``retention`` seconds; 0: for good.
    """

    room: str
    name: str
    seq: int
    since: int
    state: Snapshot
    retention: float = 0.0


@dataclass(frozen=True, slots=True)
class AlreadyIn:
    """The asker reads ``room`` already."""

    room: str
    name: str


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """The past of ``room`` that was asked for has been read, up to ``seq``.

    With ``more``, there are more messages behind it that could have been asked for.
    """

    room: str
    name: str
    seq: int
    more: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """The entries of ``room`` behind ``since``, up to ``upto``, follow, then ``CaughtUp``.

    They hold its last ``count`` messages (-1: all) up to there or, if ``ahead``, the first ones.
    If ``room`` is the asker's own log, they are those whispers alone that were with ``name``.
    """

    room: str
    name: str
    since: int
    upto: int
    count: int
    ahead: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """A message that was found: the one at ``seq`` in ``room``.

    ``at`` is UTC seconds since the epoch. Of a long ``body``, it is what stands around the words.
    """

    room: str
    name: str
    seq: int
    at: float
    by: str
    body: str
    action: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What was found: the last messages, the oldest of them first; ``more`` if there are others.

    They have all of ``words``.
    """

    words: tuple[str, ...]
    hits: tuple[Hit, ...]
    more: bool


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

    room: str
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
class SettingLine:
    """One setting of a room: 0 is off, 1 on, anything else a number of seconds."""

    setting: str
    value: float


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be set in ``room``, and what it is."""

    room: str
    name: str
    settings: tuple[SettingLine, ...]


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
class Token:
    """With this ``token`` one sends and fetches files over HTTP, for ``seconds``.

    ``url`` is where the server is; if it is empty, the same place as this connection. A file has
    at most ``most`` bytes (0: any number).
    """

    token: str = field(repr=False)
    seconds: float
    url: str
    most: int


@dataclass(frozen=True, slots=True)
class Link:
    """The file ``id`` is at ``url`` for ``seconds``: for the asker alone, who is in its room.

    The other fields are those of ``files.File``.
    """

    id: str
    name: str
    size: int
    type: str
    sha256: str
    sealed: str
    url: str = field(repr=False)
    seconds: float


@dataclass(frozen=True, slots=True)
class Pong:
    """The sign of life that was asked for."""


@dataclass(frozen=True, slots=True)
class Attached:
    """The connection is ``device`` of ``account``, a key, whose ``log`` follows up to ``upto``.

    It begins behind ``since``; then comes ``CaughtUp``. The server has so many one-time ``keys`` of
    it, and perhaps a ``fallback`` that nobody has. ``backup`` is the version of the account's.
    """

    account: str
    device: str
    epoch: int
    log: str
    since: int
    upto: int
    keys: int
    fallback: bool
    backup: str = ""


@dataclass(frozen=True, slots=True)
class DeviceLine:
    """A device in a list, with its public keys; see ``commands.BeDevice``."""

    device: str
    label: str
    identity: str
    signing: str
    signature: str


@dataclass(frozen=True, slots=True)
class Devices:
    """Which devices ``account``, a key, has, which is called ``name``."""

    account: str
    name: str
    epoch: int
    devices: tuple[DeviceLine, ...]


@dataclass(frozen=True, slots=True)
class Claimed:
    """The asker has this ``key`` of ``device``, and nobody else, unless it is a ``fallback``."""

    account: str
    device: str
    key: str
    signature: str
    fallback: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept in the backup ``version``, up to the seq ``upto``; perhaps there is ``more``."""

    version: str
    chunks: tuple[str, ...]
    upto: int
    more: bool


@dataclass(frozen=True, slots=True)
class Typing:
    """``who`` is writing something in ``room``. A signal: it is not kept, and may not come."""

    room: str
    who: str


@dataclass(frozen=True, slots=True)
class Wait:
    """What is sent now is heard in ``seconds``. A signal: who heeds it is never muted for haste."""

    seconds: float


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
    """The server closes the connection, for the reason in ``text``.

    ``code`` is one of ``quit``, ``logout``, ``shutdown``, ``replaced`` (by a newer connection),
    ``removed`` (the device that it is), ``stalled`` (it read nothing), ``late`` (it did not say the
    password in time), ``refused`` and ``broken``.
    """

    text: str
    code: str


Reply = (
    Hello | YouAre | Entered | AlreadyIn | CaughtUp | History | Found | Out | Members | Rooms
    | Bans | Topic | Settings | Whoami | Ignored | Token | Link | Noted | Typing | Wait | Pong
    | Done | Sorry | Bye | Attached | Devices | Claimed | Kept
)  # fmt: skip
