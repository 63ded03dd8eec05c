"""What happened. A room is the sequence of these, and its state is their sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chatnet.core.values import value


@dataclass(frozen=True, slots=True)
class Opened:
    """``by`` opened the room, and called it ``name``."""

    name: str
    by: str


@value
class Said:
    """``by`` spoke ``body``, or, if it is an ``action``, did it."""

    by: str
    body: str
    action: bool = False


@dataclass(frozen=True, slots=True)
class Rolled:
    """``by`` threw ``dice``, and the server saw ``faces``."""

    by: str
    dice: str
    faces: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Shared:
    """``by`` sent a file; the fields are those of ``files.File``.

    Its bytes are as said, and on the server's disk. If it is ``to`` one person, this stands in both
    people's logs.
    """

    by: str
    id: str
    name: str
    size: int
    type: str
    sha256: str
    sealed: str = ""
    to: str = ""


@dataclass(frozen=True, slots=True)
class Joined:
    """``who`` entered, with an account of that name or as a guest.

    ``told`` is, in an encrypted room, how often the account's devices had changed by then, as far
    as that was known; no dialect shows it.
    """

    who: str
    registered: bool = False
    told: int = 0


@dataclass(frozen=True, slots=True)
class Left:
    """``who`` left of their own accord, or, if ``dropped``, lost their connection."""

    who: str
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class Renamed:
    """``old`` is called ``new`` from here on; for ``told`` see ``Joined``."""

    old: str
    new: str
    registered: bool = False
    told: int = 0


@dataclass(frozen=True, slots=True)
class Kicked:
    """``by`` put ``who`` out."""

    who: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Banned:
    """``by`` put ``who`` out for good, or until ``until`` (UTC seconds since the epoch; 0: never).

    ``target`` is whom it holds against, see ``Actor.target``. It may be an address: no dialect
    shows it.
    """

    who: str
    by: str
    target: str
    until: float
    reason: str


@dataclass(frozen=True, slots=True)
class Unbanned:
    """``by`` lifted the ban on ``who``."""

    who: str
    by: str
    target: str


@dataclass(frozen=True, slots=True)
class Muted:
    """``by`` took ``who`` the word, like ``Banned``."""

    who: str
    by: str
    target: str
    until: float
    reason: str


@dataclass(frozen=True, slots=True)
class Unmuted:
    """``by`` gave ``who`` the word again."""

    who: str
    by: str
    target: str


@dataclass(frozen=True, slots=True)
class Promoted:
    """``by`` made ``who`` a moderator."""

    who: str
    by: str


@dataclass(frozen=True, slots=True)
class Demoted:
    """``by`` made ``who`` an ordinary member."""

    who: str
    by: str


@dataclass(frozen=True, slots=True)
class TopicSet:
    """``by`` said what the room is about."""

    by: str
    topic: str


@dataclass(frozen=True, slots=True)
class Locked:
    """``by`` gave the room a password, of which ``lock`` is the verifier: no dialect shows it."""

    by: str
    lock: str


@dataclass(frozen=True, slots=True)
class Unlocked:
    """``by`` took the room's password away."""

    by: str


@dataclass(frozen=True, slots=True)
class Whispered:
    """``by`` told ``to`` alone ``body``. Stands in both people's logs."""

    by: str
    to: str
    body: str


@dataclass(frozen=True, slots=True)
class Announced:
    """``by`` told everyone on the server ``body``."""

    by: str
    body: str


@dataclass(frozen=True, slots=True)
class Noticed:
    """The server itself told those in the room ``text``."""

    text: str


@dataclass(frozen=True, slots=True)
class Deleted:
    """``by`` deleted the message at the seq ``message``, whose body is nowhere any more.

    ``author`` is who had said it.
    """

    by: str
    message: int
    reason: str = ""
    author: str = ""


@dataclass(frozen=True, slots=True)
class Erased:
    """Here ``by`` had spoken, until it was deleted. Never appended.

    Takes the place of ``Said`` and ``Shared``.
    """

    by: str


@dataclass(frozen=True, slots=True)
class RetentionSet:
    """``by`` let what is said here be kept for ``seconds``; 0: as long as the server keeps it."""

    by: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Owned:
    """``by`` let the room belong to ``who``."""

    who: str
    by: str


@dataclass(frozen=True, slots=True)
class Voiced:
    """``by`` gave ``who`` a voice: it speaks also where others may not, or not so often."""

    who: str
    by: str


@dataclass(frozen=True, slots=True)
class Devoiced:
    """``by`` took the voice of ``who``."""

    who: str
    by: str


@dataclass(frozen=True, slots=True)
class Invited:
    """``by`` lets ``who`` in; ``target`` is whom that holds for, as in ``Banned``."""

    who: str
    by: str
    target: str


@dataclass(frozen=True, slots=True)
class Configured:
    """``by`` let ``setting``, one of ``terms.SETTINGS``, be ``value``; 0: it is off."""

    by: str
    setting: str
    value: float


@dataclass(frozen=True, slots=True)
class RoomRenamed:
    """``by`` let the room, which was called ``old``, be called ``new``. Its log goes on."""

    by: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class RoomDeleted:
    """``by`` deleted the room: nobody is in it any more, and nobody enters it.

    It can be restored until ``until`` (UTC seconds since the epoch; 0: for good).
    """

    by: str
    reason: str
    until: float


@dataclass(frozen=True, slots=True)
class RoomRestored:
    """``by`` restored the room, which was deleted."""

    by: str


@dataclass(frozen=True, slots=True)
class RoomDiscarded:
    """All that was in the room before this was let go: it is one that nobody ever opened."""


@dataclass(frozen=True, slots=True)
class Acted:
    """``by``, of the staff, did ``verb``: what stands in the staff's own log, and nowhere else.

    ``whom`` it was done to, in the room ``where`` (empty: on the server), until when (UTC seconds
    since the epoch; 0: for good). ``to`` is what is so now, ``was`` what was so before. ``reason``
    may be told to whoever it hits, ``note`` to staff alone.
    """

    by: str
    verb: str
    whom: str = ""
    where: str = ""
    to: str = ""
    was: str = ""
    until: float = 0.0
    reason: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """The person whose log it is has read it up to and including ``upto``, a seq."""

    upto: int


@dataclass(frozen=True, slots=True)
class Visited:
    """``who`` was here, from ``address``, with an account or as a guest: for staff alone."""

    who: str
    registered: bool
    address: str


@dataclass(frozen=True, slots=True)
class Encrypted:
    """``by`` let what is said here be encrypted from now on.

    For ``told`` see ``Joined``: one for each account in the room, in the order of its members.
    """

    by: str
    told: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Sealed:
    """``by`` spoke on ``device``: ``body``, encrypted with the Megolm ``session`` of that device.

    The server cannot read it.
    """

    by: str
    device: str
    session: str
    body: str


@dataclass(frozen=True, slots=True)
class SealedWhisper:
    """``by`` told ``to`` alone what is encrypted, as in ``Sealed``. Stands in both logs."""

    by: str
    to: str
    device: str
    session: str
    body: str


@dataclass(frozen=True, slots=True)
class Rekeyed:
    """``who``, for whom is encrypted what is said here, has one ``device`` more, or less.

    Without a ``device``, some changed while the room was not in memory. For ``told`` see
    ``Joined``.
    """

    who: str
    device: str
    added: bool
    told: int = 0


@dataclass(frozen=True, slots=True)
class DeviceAdded:
    """The account whose log it is has one ``device`` more; see ``commands.BeDevice``."""

    device: str
    label: str
    identity: str
    signing: str
    signature: str


@dataclass(frozen=True, slots=True)
class DeviceRemoved:
    """The account whose log it is has no ``device`` of that id any more."""

    device: str


@dataclass(frozen=True, slots=True)
class KeysPublished:
    """``device`` has more one-time ``keys``, and, unless that is empty, a new ``fallback``."""

    device: str
    keys: tuple[str, ...]
    fallback: str = ""


@dataclass(frozen=True, slots=True)
class KeyTaken:
    """``by`` has the one-time ``key`` of ``device``, or, if it had none left, its fallback."""

    device: str
    key: str
    by: str
    fallback: bool = False


@dataclass(frozen=True, slots=True)
class Letter:
    """The device ``device`` of ``by`` left ``body`` to the device whose log it is."""

    by: str
    device: str
    body: str


@dataclass(frozen=True, slots=True)
class Kept:
    """The account keeps ``body`` in the backup ``version``, which the server cannot read."""

    version: str
    body: str


Event = (
    Opened | Said | Rolled | Shared | Joined | Left | Renamed | Kicked | Banned | Unbanned | Muted
    | Unmuted | Promoted | Demoted | TopicSet | Locked | Unlocked | Whispered | Announced
    | Noticed | Deleted | Erased | RetentionSet | Owned | Voiced | Devoiced | Invited | Configured
    | RoomRenamed | RoomDeleted | RoomRestored | RoomDiscarded | Acted | Seen | Visited | Encrypted
    | Sealed | SealedWhisper | Rekeyed | DeviceAdded | DeviceRemoved | KeysPublished | KeyTaken
    | Letter | Kept
)  # fmt: skip

WEIGHT = 200  # of an entry without a body
_Spoken = Said | Sealed | Rolled | Shared | Whispered | SealedWhisper | Announced | Erased
WRITTEN = (Said, Sealed, Shared)  # what somebody brought into a room, and may delete
LOST = Noticed("What stood here was lost.")  # in the place of what a store has no more
MESSAGES = (*WRITTEN, Rolled, Noticed, Erased)  # what a room's history is made of
OWN = (
    Said,
    Sealed,
    Joined,
    Left,
    Renamed,
    Whispered,
    SealedWhisper,
    Announced,
)  # what its author need not be shown


@value
class Entry:
    """One event at its place in one room's log.

    ``room`` is the room's key. ``seq`` counts its entries from 1, without gaps; ``at`` is UTC
    seconds since the epoch.
    """

    room: str
    seq: int
    at: float
    event: Event


def speaker(event: Event) -> str:
    """Return whose words ``event`` carries, or an empty string."""
    if isinstance(event, _Spoken):
        return event.by
    return ""


def erased(event: Event) -> Event:
    """Return what stands in the place of ``event`` when its body is erased."""
    return Erased(event.by) if isinstance(event, WRITTEN) else event


def body_of(event: Event) -> str:
    """Return the words that ``event`` carries, which may be many, or an empty string."""
    if type(event) is Said:  # nearly always
        return event.body
    return event.body if isinstance(event, Whispered | Announced) else ""


def weight(event: Event) -> int:
    """Return about how many bytes ``event`` takes in memory."""
    return WEIGHT + len(getattr(event, "body", ""))


# -- many at once: nearly always they are words, and nothing is to be asked of each -------


def bodies(events: Sequence[Event]) -> list[str]:
    """Return the words of each of ``events``; of one without any, none."""
    some: Sequence[Any] = events
    try:
        return [event.body for event in some]
    except AttributeError:  # not all of them have some
        return [getattr(event, "body", "") for event in some]


def weigh(events: Sequence[Event]) -> int:
    """Return about how many bytes the entries of ``events`` take in memory."""
    return WEIGHT * len(events) + sum(map(len, bodies(events)))
