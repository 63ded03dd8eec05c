"""Retention: what is older than it is to be kept is let go, from memory and from the store."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatnet.core.refusals import Unavailable
from chatnet.core.room import retention
from chatnet.interfaces import IJournal
from chatnet.server.audience import Audience

if TYPE_CHECKING:
    from chatnet.server.rooms import Rooms

ASLEEP_EVERY = 10  # sweeps, of which one looks at the rooms that are not in memory too
MANY = 50  # of those are looked at together


class Broom:
    """Sweeps what is too old out of the logs: a piece at a time, so that nobody waits for it."""

    _log = Logger()

    def __init__(
        self, rooms: Rooms, journal: IJournal, clock: IReactorTime, seconds: float
    ) -> None:
        """Keep what is said for ``seconds``, or as long as a room wants if that is shorter."""
        self._rooms = rooms
        self._journal = journal
        self._clock = clock
        self._seconds = seconds
        self._sweeps = count()
        self._sweeping = False

    def sweep(self) -> None:
        """Begin to sweep, unless that is still being done."""
        if not self._sweeping:
            self._sweeping = True
            done = Deferred.fromCoroutine(self._sweep(next(self._sweeps) % ASLEEP_EVERY == 0))
            done.addErrback(self._failed).addBoth(self._swept)

    async def _sweep(self, asleep: bool) -> None:
        for audience in list(self._rooms.audiences.values()):
            await self._clear(audience)
        keys = await self._journal.logs() if asleep else ()
        for first in range(0, len(keys), MANY):
            missing = [k for k in keys[first : first + MANY] if k not in self._rooms.audiences]
            for key in await self._journal.aged(missing, self._seconds, self._clock.seconds()):
                if self._rooms.closing:
                    return
                await self._clear(await self._rooms.open(key))
                self._rooms.let_go(key)

    async def _clear(self, audience: Audience) -> None:
        """Let go of what is too old in the log of ``audience``."""
        room, log = audience.room, audience.room.log
        kept = retention(self._seconds, room.state.retention)
        if not kept or log.floor == log.head:
            return
        upto = await self._journal.seq_at(room.key, self._clock.seconds() - kept)
        here = self._rooms.audiences.get(room.key) is audience and not self._rooms.closing
        if upto <= log.floor or not here:
            return
        floor = log.floor
        log.drop(upto)  # nobody is shown it any more, also while the store is still at it
        try:
            self._journal.keep(room.key, log.head, room.state)
            await self._journal.append(room.key, [], "")  # that is kept now
            before = -1
            while before < floor < upto and not self._rooms.closing:
                before, floor = floor, await self._journal.forget(room.key, upto)
        finally:
            log.floor = floor

    def _failed(self, failure: Failure) -> None:
        if failure.check(OSError, Unavailable):
            self._log.error("cannot let go of what is old: {why}", why=failure.getErrorMessage())
        else:
            self._log.failure("cannot let go of what is old", failure)

    def _swept(self, _: object) -> None:
        self._sweeping = False
