"""What is so in a room, as the one who is in it can tell. Pure."""

from __future__ import annotations

from dataclasses import replace

from chatnet.core.events import Entry, Locked
from chatnet.core.names import fold
from chatnet.core.replies import Present, Snapshot
from chatnet.core.room import Member, RoomState

_SOME_LOCK = "*"  # in place of the verifier of a room's password, which nobody is shown


class RoomView:
    """A snapshot of a room and the entries behind it: what a later snapshot would say.

    The sum is made by the same function as the server's, and knows nothing of bans and mutes.
    """

    __slots__ = ("_state", "seq")

    def __init__(self, snapshot: Snapshot) -> None:
        self.seq = snapshot.seq
        self._state = RoomState(
            topic=snapshot.topic,
            lock=_SOME_LOCK if snapshot.locked else "",
            members={fold(p.name): Member(p.name, p.registered) for p in snapshot.members},
            moderators={fold(name): name for name in snapshot.moderators},
            encrypted=snapshot.encrypted,
            epoch=snapshot.epoch,
            readers={fold(name): name for name in snapshot.readers},
        )

    def apply(self, entry: Entry) -> None:
        """Take ``entry`` into account, unless it is in already."""
        if entry.seq <= self.seq:
            return
        self.seq = entry.seq
        event = entry.event
        if isinstance(event, Locked):
            event = replace(event, lock=_SOME_LOCK)
        self._state.evolve(event)

    @property
    def members(self) -> tuple[Present, ...]:
        """Who is in the room."""
        moderators = self._state.moderators
        return tuple(
            Present(member.name, member.registered, key in moderators)
            for key, member in self._state.members.items()
        )

    @property
    def moderators(self) -> tuple[str, ...]:
        """Who moderates it; accounts also while they are absent."""
        return tuple(self._state.moderators.values())

    @property
    def topic(self) -> str:
        """What it is about."""
        return self._state.topic

    @property
    def locked(self) -> bool:
        """Whether it takes a password to enter."""
        return bool(self._state.lock)

    @property
    def encrypted(self) -> bool:
        """Whether what is said in it is encrypted."""
        return self._state.encrypted

    @property
    def epoch(self) -> int:
        """How often it changed for whom that is so, see ``RoomState``."""
        return self._state.epoch

    @property
    def readers(self) -> dict[str, str]:
        """The accounts for whom it is encrypted: names, by key."""
        return dict(self._state.readers)

    def has(self, name: str) -> bool:
        """Return whether someone called ``name`` is in the room."""
        return fold(name) in self._state.members

    def snapshot(self) -> Snapshot:
        """Return all of this at once."""
        readers = tuple(self._state.readers.values())
        return Snapshot(
            self.seq, self.topic, self.locked, self.members, self.moderators,
            self.encrypted, self.epoch, readers,
        )  # fmt: skip
