"""What encrypted rooms know of the devices of those for whom they encrypt.

A room in memory is told of each change, in the same commit. One that is not sleeps through it, and
is told when it is opened, before anybody can ask for anything in it: so changes cost nothing in
rooms that nobody uses, and nothing is encrypted for devices that are gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatnet.core import events as e
from chatnet.core.names import fold
from chatnet.core.refusals import Unavailable
from chatnet.core.room import Room, RoomState
from chatnet.interfaces import IJournal
from chatnet.server.audience import Audience

if TYPE_CHECKING:
    from chatnet.server.rooms import Rooms

RETRY_SECONDS = 1.0  # until a room is told again, when that could not be stored


class Rekeying:
    """Tells rooms what they slept through, by the logs of those accounts."""

    _log = Logger()

    def __init__(self, rooms: Rooms, journal: IJournal, clock: IReactorTime) -> None:
        self._rooms = rooms
        self._journal = journal
        self._clock = clock
        self._telling: set[str] = set()  # rooms that were told, which is on its way to their logs
        self._untold: set[str] = set()  # those for which that failed

    def changes(self, account: str) -> int:
        """Return how often the devices of ``account`` changed; 0 if its log is not in memory."""
        audience = self._audiences.get(f"@{account}")
        return audience.room.decided.epoch if audience is not None else 0

    def noting(self, state: RoomState, event: e.Event) -> e.Event:
        """Return ``event``, with how often devices changed of those whom it lets read the room."""
        match event:
            case e.Joined(who, True) if state.encrypted:
                return e.Joined(who, True, self.changes(fold(who)))
            case e.Renamed(old, new, True) if state.encrypted:
                return e.Renamed(old, new, True, self.changes(fold(new)))
            case e.Encrypted(by):
                accounts = [key for key, one in state.members.items() if one.registered]
                return e.Encrypted(by, tuple(map(self.changes, accounts)))
            case _:
                return event

    async def prepare(self, room: Room) -> None:
        """See that the logs of those who read ``room`` are in memory.

        Raises:
            Unavailable: they cannot be read.
        """
        logs = [f"@{account}" for account in room.decided.readers]
        while closed := [log for log in logs if log not in self._audiences]:
            for log in closed:
                await self._rooms.open(log)

    def tell(self, room: Room) -> None:
        """Tell ``room``, which is prepared, of what it has slept through."""
        self._untold.discard(room.key)
        decided = room.decided
        missed = [
            e.Rekeyed(name, "", False, self.changes(account))
            for account, name in decided.readers.items()
            if self.changes(account) != decided.told.get(account, 0)
        ]
        if missed:
            self._telling.add(room.key)
            room.expect(missed)
            done = self._journal.append(room.key, missed, "")
            done.addCallbacks(
                lambda _: self._telling.discard(room.key), self._failed, errbackArgs=(room,)
            )

    def rewind(self, key: str) -> None:
        """What was on its way to the room ``key`` has failed."""
        if key in self._telling:
            self._telling.discard(key)
            self._untold.add(key)

    def check(self, room: Room) -> None:
        """See that ``room`` was told, so that it is right about for whom is encrypted.

        Raises:
            Unavailable: it was not yet.
        """
        if room.key in self._untold:
            raise Unavailable(
                "The room could not yet be told whose devices have changed. Please try again."
            )

    @property
    def _audiences(self) -> Mapping[str, Audience]:
        return self._rooms.audiences

    def _failed(self, failure: Failure, room: Room) -> None:
        self._clock.callLater(RETRY_SECONDS, self._again, room)

    def _again(self, room: Room) -> None:
        done = Deferred.fromCoroutine(self._tell_again(room))
        done.addErrback(lambda bug: self._log.failure("{room} is not told", bug, room=room.key))

    async def _tell_again(self, room: Room) -> None:
        try:
            await self.prepare(room)
        except Unavailable:
            self._clock.callLater(RETRY_SECONDS, self._again, room)
            return
        audience = self._audiences.get(room.key)
        if audience is not None and audience.room is room and room.key in self._untold:
            self.tell(room)
