"""People whose clients have keys, and a whole server between them, all of it in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Coroutine
from itertools import count
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from chatnet.client.dialogue import Identity
from chatnet.client.keys.causes import Cause
from chatnet.client.keys.keys import Keys
from chatnet.client.keys.news import News
from chatnet.client.keys.vault import Vault
from chatnet.client.link import Link
from chatnet.client.places import Manner
from chatnet.core import commands as c, events as e, replies as r
from chatnet.core.names import fold
from chatnet.core.refusals import Refused
from chatnet.test.rig import Rig
from chatnet.test.test_client_chat import Way

PASSWORD = "password"


class Box(Vault):
    """A vault in memory, which outlasts its client."""

    def __init__(self) -> None:
        super().__init__(":memory:", b"secret", memory=32, iterations=1)

    def close(self) -> None:
        self.flush()


class Tapped(Way):
    """A way on which somebody listens, and may change what comes back."""

    def __init__(self, rig: Rig, traffic: list[bytes]) -> None:
        super().__init__(rig)
        self.traffic = traffic

    def _carry_once(self) -> bool:
        self.rig.settle()
        if self.far is not None:
            self.traffic += [self.near.value(), self.far.transport.value()]
            changed = self.change(self.far.transport.value())
            self.far.transport.clear()
            self.far.transport.write(changed)
        return super()._carry_once()

    def change(self, back: bytes) -> bytes:
        """Return what is brought to the client in place of ``back``."""
        return back


class Person:
    """One device of an account, and what was shown there."""

    def __init__(self, world: World, name: str, box: Box, rooms: tuple[str, ...] = ()) -> None:
        self.world = world
        self.name = name
        self.box = box
        self.way = Tapped(world.rig, world.traffic)
        self.shown: list[tuple[e.Entry, Manner]] = []
        self.notices: list[str] = []
        self.news: list[News] = []
        self.refusals: list[Refused] = []
        self.replies: list[r.Reply] = []
        self.link = Link(
            self.way, Identity(name, PASSWORD), world.rig.clock, world.chance, 0, None, True
        )
        self.keys = Keys(self.link, world.rig.clock, world.chance, lambda _: succeed(box), "test")
        self.keys.tell = self.news.append
        self.link.dialogue.ear = self
        self.done = self.link.run(*rooms)
        self.done.addErrback(lambda failure: None)

    # -- what is shown ---------------------------------------------------------------

    def online(self) -> None:
        pass

    def entry(self, entry: e.Entry, manner: Manner, mine: bool) -> None:
        self.shown.append((entry, manner))

    def answered(self, reply: r.Reply, command: c.Command | None) -> None:
        self.replies.append(reply)

    def refused(self, refusal: Refused, command: c.Command | None) -> None:
        self.refusals.append(refusal)

    def signalled(self, signal: r.Typing) -> None:
        pass

    def concluded(self) -> None:
        pass

    def silent(self) -> None:
        pass

    def notice(self, text: str) -> None:
        self.notices.append(text)

    @property
    def read(self) -> list[str]:
        """What was said, as far as it could be read; each place in a log once."""
        said = {}
        for entry, _ in self.shown:
            if isinstance(entry.event, e.Said | e.Whispered):
                said[entry.room, entry.seq] = entry.event.body
        return list(said.values())

    @property
    def causes(self) -> list[Cause | None]:
        """Why what could not be read could not be."""
        sealed = (e.Sealed, e.SealedWhisper)
        return [self.keys.why(n) for n, _ in self.shown if isinstance(n.event, sealed)]

    # -- what it does ------------------------------------------------------------------

    def does(self, command: c.Command) -> None:
        """Ask for ``command``, and let all happen that comes of it."""
        self.link.submit(command)
        self.world.carry()

    def says(self, body: str, room: str = "tea") -> None:
        self.does(c.Say(room, body))

    def waits_for(self, work: Coroutine[Deferred[Any], Any, Any]) -> Any:
        """Return what ``work`` comes to."""
        done = Deferred.fromCoroutine(work)
        self.world.carry()
        result: list[Any] = []
        done.addBoth(result.append)
        assert result, "it is not done"
        if isinstance(result[0], Failure):
            result[0].raiseException()
        return result[0]

    def loses_the_link(self) -> None:
        self.way.drop()
        self.world.carry()

    def ends(self) -> None:
        """Be gone, as a program that was killed."""
        self.way.open = False
        self.way.drop()
        self.world.people.remove(self)
        self.done.cancel()
        self.world.carry()

    def leaves_for_good(self) -> None:
        self.link.leave()
        self.world.carry()
        if self in self.world.people:
            self.world.people.remove(self)
        self.world.carry()


class World:
    """A server, and the devices of people."""

    def __init__(self, **settings: Any) -> None:
        self.rig = Rig(name="chatbox", **settings)
        self.traffic: list[bytes] = []
        self.people: list[Person] = []
        self._numbers = count(1)

    def chance(self, n: int) -> bytes:
        """Return bytes that look like chance, and are the same in each run."""
        return hashlib.shake_256(str(next(self._numbers)).encode()).digest(n)

    def registers(self, name: str) -> None:
        """Make an account."""
        client = self.rig.arrives(f"/newuser {name} {PASSWORD}")
        client.hangs_up()
        self.rig.settle()

    def comes(self, name: str, box: Box | None = None, room: str = "tea") -> Person:
        """Return a device of ``name``, which has an account, in ``room`` if that is given."""
        person = Person(self, name, box or Box(), (room,) if room else ())
        self.people.append(person)
        self.carry()
        return person

    def carry(self) -> None:
        """Carry all there is to and fro, between all."""
        quiet = False
        while not quiet:
            quiet = True
            for person in list(self.people):
                quiet = not person.way._carry_once() and quiet

    def passes(self, seconds: float) -> None:
        """Let time pass."""
        self.rig.clock.advance(seconds)
        self.carry()

    @property
    def epoch(self) -> int:
        return self.rig.room("tea").state.epoch

    def kept(self) -> str:
        """Return all that the server keeps."""
        logs = self.rig.store.logs()
        return "".join(repr(self.rig.store.kept(log)) for log in logs) + repr(
            [state for _, _, state in self.rig.store.states()]
        )


def key(name: str) -> str:
    """Return the key of the account ``name``."""
    return fold(name)
