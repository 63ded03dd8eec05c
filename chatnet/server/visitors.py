"""Who was here lately: so that what staff is about to do can be tried out on those as well."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from chatnet.core import events as e
from chatnet.core.names import GUEST, VISITS, fold
from chatnet.core.refusals import Unavailable
from chatnet.core.room import Actor
from chatnet.core.series import Series
from chatnet.interfaces import IJournal
from chatnet.server.audience import Audience

DAY = 86_400.0  # seconds
DAYS = 7
MOST_VISITS = 20_000  # that are looked at, the last ones; and that wait to be written
WRITE_SECONDS = 60.0  # from a visit until it is written, with all that came since


class Keeper(Protocol):
    """What keeps the log of visits."""

    journal: IJournal

    def open(self, key: str) -> Deferred[Audience]: ...
    def write(self, key: str, events: Sequence[e.Event]) -> Deferred[Series]: ...


class Visitors:
    """The log of visits, which holds each name and address about once a day, for some days.

    It is a log like others, whose retention lets it forget. What the server itself named is one
    visitor for each address, so that a flood writes no more than it has addresses.
    """

    _log = Logger()

    def __init__(self, keeper: Keeper, clock: IReactorTime) -> None:
        self._keeper = keeper
        self._clock = clock
        self._seen: dict[tuple[str, str], float] = {}  # when it was last noted; the oldest first
        self._new: list[e.Visited] = []
        self._writing: list[e.Visited] = []
        self._call: IDelayedCall | None = None

    def sees(self, actor: Actor) -> None:
        """``actor`` comes, or goes."""
        now, place = self._clock.seconds(), _place(actor.name, actor.address)
        if not actor.name or now - self._seen.get(place, -DAY) < DAY:
            return
        self._seen.pop(place, None)
        self._seen[place] = now
        if len(self._seen) > MOST_VISITS:
            del self._seen[next(iter(self._seen))]
        self._new.append(e.Visited(actor.name, actor.registered, actor.address))
        del self._new[:-MOST_VISITS]
        if self._call is None or not self._call.active():
            self._call = self._clock.callLater(WRITE_SECONDS, self._write)

    def _write(self) -> None:
        done = Deferred.fromCoroutine(self.write())
        done.addErrback(lambda bug: self._log.failure("visits were not noted", bug))

    async def write(self) -> None:
        """Write who was seen since the last time; what cannot be stored waits for the next time."""
        new, self._new = self._new, []
        if not new:
            return
        self._writing = new
        try:
            room = (await self._keeper.open(VISITS)).room
            kept = room.decided.retention == DAYS * DAY
            first = [] if kept else [e.RetentionSet("", DAYS * DAY)]
            await self._keeper.write(VISITS, [*first, *new])
        except Unavailable:
            self._new = [*new, *self._new][-MOST_VISITS:]
        finally:
            self._writing = []

    async def lately(self) -> AsyncIterator[list[Actor]]:
        """Yield those who were here in the last days, some at a time, maybe more than once.

        Each time another thread has read them, and the reactor its turns in between.
        """
        journal = self._keeper.journal
        head = (await self._keeper.open(VISITS)).room.log.head
        after = await journal.seq_at(VISITS, self._clock.seconds() - DAYS * DAY)
        after = max(after, head - MOST_VISITS)
        while after < head and (page := await journal.read(VISITS, after, head)):
            after = page[-1].seq
            yield [_actor(entry.event) for entry in page if isinstance(entry.event, e.Visited)]
        yield [_actor(visit) for visit in (*self._writing, *self._new)]


def _place(name: str, address: str) -> tuple[str, str]:
    return ("" if name.startswith(GUEST) else fold(name), address)


def _actor(visit: e.Visited) -> Actor:
    return Actor(visit.who, fold(visit.who), visit.registered, visit.address)
