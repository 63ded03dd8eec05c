"""Retention: what is older than it is to be kept is let go, from memory and from the store.

So are the rooms that were deleted, when it is too late to restore them.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from chatnet.core.directory import DISCARDED, Sign
from chatnet.core.events import Acted, RoomDiscarded
from chatnet.core.names import SERVER, STAFF
from chatnet.core.refusals import Unavailable
from chatnet.core.room import Room, retention
from chatnet.interfaces import IJournal
from chatnet.server.audience import Audience

if TYPE_CHECKING:
    from chatnet.server.rooms import Rooms

ASLEEP_EVERY = 10  # sweeps, of which one looks at the rooms that are not in memory too


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
        self.seconds = seconds
        self._sweeps = count()
        self._sweeping = False

    def sweep(self) -> None:
        """Begin to sweep, unless that is still being done."""
        if not self._sweeping:
            self._sweeping = True
            done = Deferred.fromCoroutine(self._sweep(next(self._sweeps) % ASLEEP_EVERY == 0))
            done.addErrback(lambda bug: self._log.failure("a sweep broke", bug))
            done.addBoth(self._swept)

    async def _sweep(self, asleep: bool) -> None:
        await self._discard_rooms()
        for key in list(self._rooms.audiences):
            await self._clear(key)
        if not asleep:
            return
        try:
            async for key in self._journal.aged(self.seconds, self._clock.seconds()):
                if key not in self._rooms.audiences:
                    await self._clear(key, asleep=True)
                    self._rooms.let_go(key)
        except OSError as error:
            self._log.error("cannot see what is old: {error}", error=str(error))

    async def _clear(self, key: str, asleep: bool = False) -> None:
        """Let go of what is too old in the log ``key``, which is brought in if it is ``asleep``."""
        if self._rooms.closing or key == STAFF:  # what was done is not what was said
            return
        try:
            audience = await self._rooms.open(key) if asleep else self._rooms.audiences.get(key)
            if audience is not None:
                await self._let_go(audience)
        except (OSError, Unavailable) as error:  # foreseen; the next sweep tries again
            self._log.error("{room} keeps what is old: {error}", room=key, error=str(error))

    async def _let_go(self, audience: Audience) -> None:
        room, log = audience.room, audience.room.log
        kept = retention(self.seconds, room.state.retention)
        read = min(room.state.seen, log.head) if "/" in room.key else 0  # letters that were taken
        if not (kept or read > log.floor) or log.floor == log.head:
            return
        upto = read
        if kept:
            old = await self._journal.seq_at(room.key, self._clock.seconds() - kept)
            upto = max(upto, old)
        here = self._rooms.audiences.get(room.key) is audience and not self._rooms.closing
        if upto <= log.floor or not here:
            return
        await self._forget(room, upto)

    async def _forget(self, room: Room, upto: int) -> None:
        log, floor = room.log, room.log.floor
        log.drop(upto)  # nobody is shown it any more, also while the store is still at it
        try:
            self._journal.keep(room.key, log.head, room.state)
            await self._journal.append(room.key, [], "")  # that is kept now
            before = -1
            while before < floor < upto and not self._rooms.closing:
                before, floor = floor, await self._journal.forget(room.key, upto)
        finally:
            log.floor = floor
            self._rooms.forgot(room.key, floor)

    async def _discard_rooms(self) -> None:
        """Discard the logs of deleted rooms whose time is over; then their names are free."""
        for sign in self._rooms.directory.deleted():
            if self._rooms.closing or not 0 < sign.until <= self._clock.seconds():
                continue
            try:
                await self._discard(sign)
            except (OSError, Unavailable) as error:
                self._log.error("{room} stays: {error}", room=sign.key, error=str(error))

    async def _discard(self, sign: Sign) -> None:
        """Let all go that was in the room that ``sign`` tells of; then it was never opened.

        Its log stays, without entries: so no place in it is ever given twice.
        """
        audience = await self._rooms.open(sign.key)
        await self._journal.settle()  # it may be restored at the last moment
        if not self._is_over(audience, sign):
            return
        room = audience.room
        await self._forget(room, room.log.head)
        if room.log.floor < room.log.head or not self._is_over(audience, sign):
            return
        room.expect([RoomDiscarded()])
        done = self._journal.append(room.key, [RoomDiscarded()], "")
        done.addErrback(lambda _: None)  # it falls with what is noted of it
        act = Acted(SERVER, DISCARDED, room.key, sign.name)
        await self._rooms.note(act)

    def _is_over(self, audience: Audience, sign: Sign) -> bool:
        """Return whether the room that ``sign`` tells of is deleted, and nobody reads there."""
        gone = audience.room.decided.deleted
        here = self._rooms.audiences.get(sign.key) is audience and not len(audience)
        return here and gone is not None and gone.until == sign.until

    def _swept(self, _: object) -> None:
        self._sweeping = False
