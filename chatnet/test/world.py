"""What a simulated server stands on: a disk, threads and wires that fail when they are told to."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, ParamSpec, TypeVar, cast

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer

from chatnet.accounts import passwords
from chatnet.core import commands as c, replies as r
from chatnet.core.names import Name
from chatnet.core.room import RoomState
from chatnet.core.series import Series
from chatnet.dialects.jsonl import JsonDialect
from chatnet.interfaces import Account, Batch
from chatnet.tap import GATHER_SECONDS
from chatnet.test.follower import Follower, Frame
from chatnet.test.plug import Plug
from chatnet.test.rig import ByHand, FailingStore, Rig, Wire
from chatnet.wires.oneport import OnePort

P = ParamSpec("P")
T = TypeVar("T")


class Disk(FailingStore):
    """A store in which nothing at all can be read, or written, when that is told to fail."""

    writes_left = -1  # until it heals by itself; -1: it does not

    def write(self, batch: Batch) -> None:
        try:
            super().write(batch)
        finally:
            self.writes_left -= 1
            if not self.writes_left:
                self.heal()

    def heal(self) -> None:
        self.fail_before = self.fail_after = self.fail_reads = False

    def _check(self) -> None:
        if self.fail_reads:
            raise OSError("cannot read")

    def add(self, name: Name, verifier: str, at: float) -> bool:
        if self.fail_before:
            raise OSError("disk full")
        added = super().add(name, verifier, at)
        if self.fail_after:
            raise OSError("connection lost during commit")
        return added

    def load(self, room: str) -> tuple[int, RoomState]:
        self._check()
        return super().load(room)

    def back(self, room: str, upto: int, count: int) -> int:
        self._check()
        return super().back(room, upto, count)

    def rooms(self, limit: int) -> Mapping[str, RoomState]:
        self._check()
        return super().rooms(limit)

    def recall(self, origin: str, limit: int) -> Any:
        self._check()
        return super().recall(origin, limit)

    def holders(self, claims: Iterable[str]) -> Mapping[str, Account]:
        self._check()
        return super().holders(claims)

    def has_account(self, key: str) -> bool:
        """Return whether there is an account called ``key``."""
        return key in self._accounts

    def every_room(self) -> list[str]:
        """Return the keys of all rooms of which something is kept."""
        return list(self.logs())


class PlainHasher(ByHand):
    """Makes verifiers that a processor need not sweat for."""

    def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        if call is passwords.derive:
            return super().run(lambda: cast(T, _verifier(str(args[0]))))
        return super().run(lambda: cast(T, _verifier(str(args[0])) == args[1]))


def _verifier(password: str) -> str:
    return f"{passwords._PARAMETERS}{password}"


class QuietDialect(JsonDialect):
    """Says things to programs in the way that people are told them."""

    echo = False
    alone = True

    def receive(self, unit: bytes, in_room: bool) -> c.Request | r.Reply | None:
        asked = super().receive(unit, in_room)
        if isinstance(asked, c.Request) and isinstance(asked.command, c.Join):
            return replace(asked, command=replace(asked.command, alone=True))
        return asked


class Server(Rig):
    """Forgets early, and is watched showing nothing that is not kept."""

    hashes = PlainHasher
    _quiet = False  # whether the one who came last is

    def __init__(self, chance: random.Random, traced: Callable[[str], None]) -> None:
        self._chance, self._traced = chance, traced
        self.disk = Disk()
        self.gather = chance.choice((0.0, GATHER_SECONDS))
        super().__init__(self.disk)

    def restart(self) -> None:
        super().restart()
        deliver = self.network._deliver

        def watched(entries: Series) -> None:
            kept = self.disk.kept(entries[0].room)[entries[0].seq - 1 : entries[-1].seq]
            assert kept == list(entries), "shown too early"
            self.network.audiences[entries[0].room].room.log._keep = 4
            deliver(entries)

        self.factory._json = lambda: QuietDialect() if self._quiet else JsonDialect()
        self.journal.subscribe(watched, self.network.rooms.rewind)

    def dies(self) -> None:
        """Lose all but what is on the disk, and start again."""
        self.began = self.clock.seconds() + 1
        self.disk.heal()
        self.restart()

    def entropy(self, count: int) -> bytes:
        drawn: bytes = self._chance.randbytes(count)
        return drawn

    def links(self, follower: Follower, address: str, space: int) -> Link:
        """Return a connection, of TCP or not, whose wire holds ``space`` bytes."""
        self._quiet = follower.quiet
        door = self.factory.buildProtocol(IPv4Address("TCP", address, 1))
        wire: Plug | NarrowWire
        if self._chance.random() < 0.6:
            wire = Plug(door, space)
            wire.startReading()
        else:
            wire = NarrowWire()
            wire.space = space
        door.makeConnection(wire)
        return Link(door, wire, follower, self._traced)


class NarrowWire(Wire):
    """A transport that holds ``space`` bytes which its peer has not read, then is full."""

    space = 1 << 20
    waits = False

    @property
    def over(self) -> bool:
        """Whether it is to be closed, and all was sent."""
        return bool(self.disconnecting)

    def write(self, data: bytes) -> None:
        super().write(data)
        self.weigh()

    def weigh(self) -> None:
        """Tell the session to wait if there is no space."""
        if len(self.value()) > self.space:
            self.fill()

    def fill(self) -> None:
        """Have no more space until the peer reads."""
        if not self.waits and self.producer is not None:
            self.waits = True
            cast(IPushProducer, self.producer).pauseProducing()

    def taken(self) -> bytes:
        """Return what the peer reads now; there is space again."""
        data: bytes = self.value()
        self.clear()
        return data

    def wake(self) -> None:
        """Tell the session that there is space."""
        if self.waits and not self.value():
            self.waits = False
            if self.producer is not None:
                cast(IPushProducer, self.producer).resumeProducing()


class Link:
    """One connection of somebody."""

    def __init__(
        self,
        door: OnePort,
        wire: Plug | NarrowWire,
        follower: Follower,
        traced: Callable[[str], None],
    ) -> None:
        self.door, self.wire, self.follower, self.traced = door, wire, follower, traced

    def asks(self, frame: Frame) -> None:
        self.door.dataReceived(json.dumps(frame).encode() + b"\n")

    def reads(self, part: float = 1.0) -> None:
        """Take ``part`` of the frames that came; the rest is lost."""
        lines = self.wire.taken().split(b"\n")[:-1]
        for line in lines[: round(len(lines) * part)]:
            self.traced(f"    {self.follower.id} <- {line.decode():.300}")
            self.follower.hear(json.loads(line))
