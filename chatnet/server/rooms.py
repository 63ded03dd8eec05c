"""The rooms in memory: brought in when they are needed, let go when nobody needs them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatnet.core import events as e
from chatnet.core.directory import Directory
from chatnet.core.names import EVERYBODY, GUEST_LOG, STAFF
from chatnet.core.refusals import Unavailable
from chatnet.core.room import Room
from chatnet.interfaces import IJournal
from chatnet.server.audience import Audience
from chatnet.server.broom import Broom
from chatnet.server.likeness import Likeness
from chatnet.server.rekeying import Rekeying
from chatnet.wires.budget import Budget

RETRY_SECONDS = 1.0  # until what could not be stored is tried again
SWEEP_SECONDS, IDLE_SECONDS = 60.0, 300.0  # how often idle rooms are looked for; what idle is


class Rooms:
    """Audiences by the key of their room."""

    _log = Logger()

    def __init__(
        self,
        journal: IJournal,
        clock: IReactorTime,
        budget: Budget,
        retention: float = 0.0,
    ) -> None:
        """Keep what is said for ``retention`` seconds; 0: for good."""
        self.audiences: dict[str, Audience] = {}
        self.likeness = Likeness()
        self.forgot: Callable[[str, int], object] = lambda _key, _upto: None  # hears what is let go
        self.closing = False  # the server stops: nobody's departure is noted any more
        self._journal = journal
        self._budget = budget
        self._clock = clock
        self._opening: dict[str, list[Deferred[Audience]]] = {}
        self._broom = Broom(self, journal, clock, retention)
        self.rekeying = Rekeying(self, journal, clock)

    def keep(self, seconds: float) -> None:
        """Keep what is said for ``seconds`` from now on; 0: for good."""
        self._broom.seconds = seconds

    def start(self, everybody: Room, staff: Room) -> None:
        """Begin: ``everybody`` is the log that all read, ``staff`` that of those in charge."""
        for room in (everybody, staff):
            self.audiences[room.key] = Audience(room, self._journal.read, self._budget)
        self._clock.callLater(SWEEP_SECONDS, self._sweep)

    def stop(self) -> None:
        """The server stops: note nobody's departure; keep all states, and nothing of guests'."""
        self.closing = True
        for key, audience in self.audiences.items():
            if key.startswith(GUEST_LOG):
                self.discard(key)
            elif audience.room.log.head:
                self._journal.keep(key, audience.room.log.head, audience.room.state)

    def open(self, key: str) -> Deferred[Audience]:
        """Return the room ``key``, brought into memory if it is not there.

        Errbacks:
            Unavailable: the store cannot be read.
        """
        done: Deferred[Audience] = Deferred()
        if key in self.audiences:
            self.audiences[key].used_at = self._clock.seconds()
            done.callback(self.audiences[key])
        elif key in self._opening:
            self._opening[key].append(done)
        else:
            self._opening[key] = [done]
            opened = Deferred.fromCoroutine(self._bring(key)).addBoth(self._opened, key)
            opened.addErrback(lambda bug: self._log.failure("{room} broke", bug, room=key))
        return done

    def let_go(self, key: str) -> None:
        """Take the room ``key`` out of memory, unless somebody is in it; it stays stored."""
        audience = self.audiences.get(key)
        if audience is None or len(audience):
            return
        room = audience.room
        if room.state.members or room.decided.members or not self._journal.close(key):
            return
        del self.audiences[key]
        if key.startswith(GUEST_LOG):
            self.discard(key)  # what was whispered to a guest goes with it
        elif room.log.head:
            self._journal.keep(key, room.log.head, room.state)

    def discard(self, key: str) -> None:
        """Forget the log ``key``, with the next commit."""
        self._journal.discard(key)
        self.forgot(key, sys.maxsize)

    @property
    def directory(self) -> Directory:
        """What rooms are called, and which are deleted, when all that was decided has happened."""
        office = self.audiences[STAFF].room.decided.office
        return office.rooms if office is not None else Directory()

    def note(self, act: e.Acted) -> Deferred[Any]:
        """Put ``act``, which is the server's own, into the staff's log."""
        self.audiences[STAFF].room.expect([act])
        return self._journal.append(STAFF, [act], "")

    def reap_later(self, key: str) -> None:
        """See to it that those leave ``key`` in whose place nobody is."""
        self._clock.callLater(RETRY_SECONDS, self._reap, key)

    def rewind(self, keys: Iterable[str]) -> None:
        """What was on its way to the rooms ``keys`` has failed."""
        for key in keys:
            audience = self.audiences[key]
            audience.room.rewind()
            self.rekeying.rewind(key)
            audience.seats.rewind()

    def _sweep(self) -> None:
        self._clock.callLater(SWEEP_SECONDS, self._sweep)
        long_ago = self._clock.seconds() - IDLE_SECONDS
        for key, audience in list(self.audiences.items()):
            if key not in (EVERYBODY, STAFF) and audience.used_at <= long_ago:
                self.let_go(key)
        if not self.closing:
            self._broom.sweep()

    async def _bring(self, key: str) -> Room:
        """Return the room ``key`` when all is in memory that it takes to decide on it."""
        room = await self._journal.open(key)
        try:
            await self.rekeying.prepare(room)
        except BaseException:
            self._journal.close(key)
            raise
        return room

    def _opened(self, room: Room | Failure, key: str) -> None:
        waiting = self._opening.pop(key)
        if isinstance(room, Room):
            try:
                self._take_in(room)
            except Exception:  # a bug; those who wait for the room are told as well
                if self._journal.close(key):
                    self.audiences.pop(key, None)
                room = Failure()
        if isinstance(room, Failure):
            if room.check(OSError, Unavailable):  # foreseen: a lost database
                self._log.error("cannot open {room}: {error}", room=key, error=str(room.value))
            else:
                self._log.failure("cannot open {room}", room, room=key)
            for done in waiting:
                done.errback(Unavailable("That cannot be read now. Please try again later."))
            return
        for done in waiting:
            done.callback(self.audiences[key])

    def _take_in(self, room: Room) -> None:
        """Let ``room``, which is in memory now, be one of those that are open."""
        audience = self.audiences[room.key] = Audience(room, self._journal.read, self._budget)
        audience.used_at = self._clock.seconds()
        if room.state.name:
            self.likeness.note(room.key, room.state)
        self._reap(room.key)  # they were here when the server ended
        self._mend(room)
        self.rekeying.tell(room)

    def _mend(self, room: Room) -> None:
        """See that the staff's log agrees with that of ``room`` about what it is called."""
        act = self.directory.amiss(room.key, room.decided) if room.key[0] not in "@*" else None
        if act is not None:
            self.note(act).addErrback(lambda _: None)  # it is seen again when it opens again

    def _reap(self, key: str) -> None:
        audience = self.audiences.get(key)
        if audience is None or self.closing:
            return
        room = audience.room
        for folded in list(room.state.members):
            if folded not in room.decided.members and not audience.seats.of(folded):
                self.reap_later(key)  # it is about to leave, which may fail
            self.reap(audience, folded)

    def reap(self, audience: Audience, name: str) -> None:
        """Let whoever is called ``name``, a key, leave the room, and has no seat in it."""
        room = audience.room
        events = ghosts(audience, name)
        if events:
            room.expect(events)
            done: Deferred[Any] = self._journal.append(room.key, events, "")
            done.addErrback(lambda _: self.reap_later(room.key))


def ghosts(audience: Audience, name: str) -> list[e.Event]:
    """Return how whoever is called ``name``, a key, leaves a room, if it has no seat in it.

    So it is with those whom the end of the server, or a commit of unknown outcome, left behind.
    """
    state, decided = audience.room.state, audience.room.decided
    if name not in state.members or name not in decided.members or audience.seats.of(name):
        return []
    return [e.Left(decided.members[name].name, True)]
