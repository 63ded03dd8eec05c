"""A room: its log, and the states that the log adds up to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import assert_never

from chatnet.core import devices, events as e
from chatnet.core.log import Log
from chatnet.core.names import fold
from chatnet.core.office import Office
from chatnet.core.roles import Rank
from chatnet.core.series import Series
from chatnet.core.values import value

MOST_SANCTIONS = 200  # bans, and mutes, that hold in one room
MOST_READERS = 500  # accounts for which a room's messages are encrypted
MOST_SPOKE = 10_000  # of whom it is known when they spoke last


@value
class Actor:
    """Someone who asks: as whom, from where, and of which rank."""

    name: str
    key: str
    registered: bool = False
    address: str = ""
    rank: Rank = Rank.USER

    @property
    def target(self) -> str:
        """Whom a ban holds against: the account, or a guest's address behind ``~``."""
        return self.key if self.registered else f"~{self.address}"


@dataclass(frozen=True, slots=True)
class Member:
    """Someone who is in a room."""

    name: str
    registered: bool = False


@dataclass(frozen=True, slots=True)
class Sanction:
    """A ban or a mute: of whom, by whom, until when (UTC seconds since the epoch; 0: for good)."""

    who: str
    by: str
    until: float
    reason: str

    def holds(self, now: float) -> bool:
        """Return whether it is in force at ``now``."""
        return not self.until or now < self.until


@dataclass(slots=True)
class RoomState:
    """What is so in a room; a pure function of its log.

    ``members`` and ``moderators`` are by key. An account moderates for good, a guest while it is
    here. One of them is the ``owner``, a key, whenever there are any. ``deleted`` is how the room
    was deleted, while it is. ``bans`` and ``mutes`` are by
    whom they hold against, see ``Actor.target``. ``office`` is what the staff's own log adds up to.

    In an ``encrypted`` room, ``readers`` are those for whom messages are encrypted: accounts that
    came and did not leave, nor were put out. Who lost the link stays one. ``epoch`` counts how
    often it changed who they are, or what devices they have; in an account's own log, how often
    its ``devices`` changed. ``told`` is how often those of each reader had, when the room learned
    of it last, by key; who is not in it, of that nothing is known, or it never had any.
    ``backup`` is the version of what is kept in the log of a backup.
    """

    name: str = ""
    topic: str = ""
    lock: str = ""  # the verifier of the room's password
    seen: int = 0  # in a person's own log: how far it was read
    members: dict[str, Member] = field(default_factory=dict)
    moderators: dict[str, str] = field(default_factory=dict)
    bans: dict[str, Sanction] = field(default_factory=dict)
    mutes: dict[str, Sanction] = field(default_factory=dict)
    retention: float = 0.0  # seconds that messages are kept; 0: as long as the server keeps them
    owner: str = ""
    voices: dict[str, str] = field(default_factory=dict)  # like ``moderators``
    office: Office | None = None
    invited: dict[str, str] = field(default_factory=dict)  # names, by whom it holds for
    settings: dict[str, float] = field(default_factory=dict)  # those that are on
    deleted: e.RoomDeleted | None = None
    encrypted: bool = False
    epoch: int = 0
    readers: dict[str, str] = field(default_factory=dict)  # names, by key, the oldest first
    devices: dict[str, devices.Device] = field(default_factory=dict)
    backup: str = ""
    told: dict[str, int] = field(default_factory=dict)

    def evolve(self, event: e.Event) -> None:
        """Take ``event`` into account. Total: accepts any event in any state."""
        match event:
            case e.Said() | e.Rolled() | e.Shared() | e.Whispered() | e.Announced() | e.Noticed():
                pass
            case (
                e.Sealed() | e.SealedWhisper() | e.Letter() | e.Deleted() | e.Erased() | e.Visited()
            ):
                pass
            case e.Opened(name):
                self.name = name
            case e.Joined(who, registered, told):
                if not self.members and not self.moderators:
                    self._promote(who)  # whoever opens a room owns it
                self.members[fold(who)] = Member(who, registered)
                self._read(who, registered, told)
            case e.Left(who, dropped):
                self._remove(fold(who))
                if not dropped:
                    self._read_no_more(fold(who))
            case e.Kicked(who):
                self._remove(fold(who))
                self._uninvite(fold(who))
                self._read_no_more(fold(who))
            case e.Renamed(old, new, registered, told):
                moderator = self.moderators.pop(fold(old), None)
                self.members.pop(fold(old), None)
                self.members[fold(new)] = Member(new, registered)
                if moderator is not None:
                    self.moderators[fold(new)] = new
                    if self.owner == fold(old):
                        self.owner = fold(new)
                if self.voices.pop(fold(old), None) is not None:
                    self.voices[fold(new)] = new
                self._read(new, registered, told)
            case e.Banned(who, by, target, until, reason):
                _hold(self.bans, target, Sanction(who, by, until, reason))
                self._demote(fold(who))
                self._remove(fold(who))
                self.voices.pop(fold(who), None)
                self._uninvite(fold(who))
                self._read_no_more(fold(who))
            case e.Unbanned(_, _, target):
                self.bans.pop(target, None)
            case e.Muted(who, by, target, until, reason):
                _hold(self.mutes, target, Sanction(who, by, until, reason))
            case e.Unmuted(_, _, target):
                self.mutes.pop(target, None)
            case e.Promoted(who):
                self._promote(who)
            case e.Demoted(who):
                self._demote(fold(who))
            case e.Voiced(who):
                self.voices[fold(who)] = who
            case e.Devoiced(who):
                self.voices.pop(fold(who), None)
            case e.Invited(who, _, target):
                self.invited[target] = who
            case e.Configured(_, setting, value):
                self.settings.pop(setting, None)
                if value:
                    self.settings[setting] = value
            case e.RoomRenamed(_, _, new):
                self.name = new
            case e.RoomDeleted():
                self.deleted = event
                for key in list(self.members):
                    self._remove(key)
                self.epoch += self.encrypted
                self.readers.clear()
                self.told.clear()
            case e.RoomRestored():
                self.deleted = None
            case e.RoomDiscarded():
                fresh = RoomState()
                for name in self.__slots__:
                    setattr(self, name, getattr(fresh, name))
            case e.Owned(who):
                self._promote(who)
                self.owner = fold(who)
            case e.TopicSet(_, topic):
                self.topic = topic
            case e.Locked(_, lock):
                self.lock = lock
            case e.Unlocked():
                self.lock = ""
            case e.RetentionSet(_, seconds):
                self.retention = seconds
            case e.Acted():
                self.office = self.office or Office()
                self.office.evolve(event)
            case e.Seen(upto):
                self.seen = max(self.seen, upto)
            case e.Encrypted(_, told):
                self.encrypted, self.epoch = True, self.epoch + 1
                self.readers = {k: one.name for k, one in self.members.items() if one.registered}
                self.told = {key: n for key, n in zip(self.readers, told, strict=False) if n}
            case e.Rekeyed(who, _, _, told):
                if fold(who) in self.readers:
                    self.epoch += 1
                    self._learn(fold(who), told)
            case e.DeviceAdded() | e.DeviceRemoved() | e.KeysPublished() | e.KeyTaken():
                self.epoch += devices.evolve(self.devices, event)
            case e.Kept(version):
                self.backup = version
            case _:
                assert_never(event)

    def _remove(self, key: str) -> None:
        member = self.members.pop(key, None)
        if member is not None and not member.registered:
            self._demote(key)
            self.voices.pop(key, None)

    def _read(self, who: str, registered: bool, told: int) -> None:
        """Let messages be encrypted for ``who`` as well, if it has an account."""
        if not (self.encrypted and registered) or fold(who) in self.readers:
            return
        self.readers[fold(who)] = who
        self.epoch += 1
        self._learn(fold(who), told)
        if len(self.readers) > MOST_READERS:
            absent = next((key for key in self.readers if key not in self.members), None)
            if absent is not None:
                del self.readers[absent]
                self.told.pop(absent, None)

    def _read_no_more(self, key: str) -> None:
        self.epoch += self.readers.pop(key, None) is not None
        self.told.pop(key, None)

    def _learn(self, key: str, told: int) -> None:
        """Note that the devices of the reader ``key`` changed ``told`` times so far."""
        self.told.pop(key, None)
        if told:
            self.told[key] = told

    def _uninvite(self, key: str) -> None:
        if self.invited:
            self.invited = {to: who for to, who in self.invited.items() if fold(who) != key}

    def _promote(self, who: str) -> None:
        self.moderators[fold(who)] = who
        self.owner = self.owner or fold(who)

    def _demote(self, key: str) -> None:
        """Take the room from ``key``; who has moderated it longest inherits it."""
        self.moderators.pop(key, None)
        if self.owner == key:
            self.owner = next(iter(self.moderators), "")

    def copy(self) -> RoomState:
        """Return an equal state that changes by itself."""
        return RoomState(
            self.name,
            self.topic,
            self.lock,
            self.seen,
            dict(self.members),
            dict(self.moderators),
            dict(self.bans),
            dict(self.mutes),
            self.retention,
            self.owner,
            dict(self.voices),
            self.office.copy() if self.office else None,
            dict(self.invited),
            dict(self.settings),
            self.deleted,
            self.encrypted,
            self.epoch,
            dict(self.readers),
            dict(self.devices),
            self.backup,
            dict(self.told),
        )


def _hold(held: dict[str, Sanction], target: str, sanction: Sanction) -> None:
    """Add ``sanction``; of too many, those are forgotten that end first: they ended already."""
    held[target] = sanction
    if len(held) > MOST_SANCTIONS:
        first = min(held, key=lambda one: held[one].until or float("inf"))
        del held[first]


def retention(server: float, room: float) -> float:
    """Return for how long messages are kept of which both limits hold, in seconds; 0: for good."""
    return min(filter(None, (server, room)), default=0.0)


class Room:
    """A log with a key, the state it adds up to, and the state once everything decided is in it.

    ``state`` is what people see and queries describe; ``decided`` is what rules decide against.
    They are equal whenever nothing is on its way to the log. Keys that begin with ``@`` are
    people's own logs, and ``*`` is everybody's. ``named`` is at which seq who is in the room came
    to be called so, by key, as far as that is known here: what was said under a name since then
    was said by nobody else. ``spoke`` is when its members spoke last, while they may not do so at
    any time: in UTC seconds since the epoch, by key. ``called_at`` is when it was renamed last, as
    far as that is known here.
    """

    __slots__ = ("called_at", "decided", "key", "log", "named", "spoke", "state")

    def __init__(self, key: str, log: Log | None = None, state: RoomState | None = None) -> None:
        self.key = key
        self.log = log or Log(key)
        self.state = state or RoomState()
        self.decided = self.state.copy()
        self.named: dict[str, int] = {}
        self.spoke: dict[str, float] = {}
        self.called_at = 0.0

    @property
    def name(self) -> str:
        """What the room is called; its key until it was opened."""
        return self.state.name or self.decided.name or self.key

    def expect(self, events: Sequence[e.Event]) -> None:
        """Let later decisions see ``events``, which are on their way to the log."""
        if set(map(type, events)) == {e.Said}:  # which changes nothing, and is nearly all there is
            return
        for event in events:
            self.decided.evolve(event)

    def apply(self, entries: Series) -> None:
        """Append ``entries`` and bring the state up to date with them.

        What is missing before them the store has lost: that is what stands there then.
        """
        lost = entries.first - self.log.head - 1
        if lost > 0:
            times = [entries.times[0]] * lost
            self.log.extend(Series(self.key, self.log.head + 1, times, [e.LOST] * lost))
        self.log.extend(entries)
        for entry in entries:
            self.evolve(entry)

    def evolve(self, entry: e.Entry) -> None:
        """Bring the state, and what is remembered besides, up to date with ``entry``."""
        if type(entry.event) is not e.Said:
            self.state.evolve(entry.event)
            self._note(entry)

    def _note(self, entry: e.Entry) -> None:
        match entry.event:
            case e.Joined(who):
                self.named[fold(who)] = entry.seq
            case e.Left(who) | e.Kicked(who) | e.Banned(who):
                self.named.pop(fold(who), None)
            case e.Renamed(old, new):
                before = self.named.pop(fold(old), entry.seq)
                if fold(old) in self.spoke:
                    self.spoke[fold(new)] = self.spoke.pop(fold(old))
                self.named[fold(new)] = before if fold(old) == fold(new) else entry.seq
            case e.Deleted(_, message):
                self.log.erase(message)
            case e.RoomRenamed():
                self.called_at = entry.at
            case e.RoomDeleted():
                self.named.clear()

    def speaks(self, key: str, now: float) -> None:
        """``key`` speaks ``now``, in a room where it counts when it did so."""
        self.spoke.pop(key, None)
        self.spoke[key] = now
        if len(self.spoke) > MOST_SPOKE:
            del self.spoke[next(iter(self.spoke))]

    def rewind(self) -> None:
        """Nothing is on its way any more: decide against what is in the log."""
        self.decided = self.state.copy()
