"""How far each log was read: nothing is shown twice, and nothing is left out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from chatnet.client.state import RoomView
from chatnet.core.events import Entry, RoomRenamed
from chatnet.core.names import EVERYBODY, fold, room_name
from chatnet.core.replies import Entered


class Manner(Enum):
    """Why an entry is shown."""

    LIVE = "it happened just now"
    PAST = "it was before one came"
    MISSED = "it happened while the link was down"
    RECALLED = "one asked to read it again, or was away when it was told"


@dataclass(slots=True)
class Place:
    """Where one is in a room. Everything up to ``last`` was shown."""

    name: str
    password: str = ""
    last: int | None = None  # None: one was never in it
    past: int = 0  # what comes up to here was before
    back: bool = False  # that past is what was missed while the link was down
    view: RoomView | None = None  # None: one was never in it


class Places:
    """The rooms one is in, or wants to be in, and the logs one reads besides."""

    def __init__(self) -> None:
        self.here = ""  # the key of the room one speaks in
        self.rooms: dict[str, Place] = {}
        self._besides: dict[str, int] = {}  # how far one's own log and everybody's were read
        self._recalls: dict[str, str] = {}  # by log: as what its past was asked for that is coming

    @property
    def room(self) -> str:
        """The name of the room one speaks in; empty if there is none."""
        return self.rooms[self.here].name if self.here in self.rooms else ""

    def key_of(self, name: str) -> str:
        """Return the key of the room called ``name``: where one is, or what it is as far as known.

        Raises:
            BadName: no room can be called that.
        """
        wanted = room_name(name).key
        called = (key for key, place in self.rooms.items() if fold(place.name) == wanted)
        return next(called, wanted)

    def reconnected(self) -> None:
        """Expect what a new connection sends. It reads some logs from now on only.

        Letters come again that were shown, and not safe: who takes them knows which.
        """
        for key in [k for k in self._besides if k == EVERYBODY or k.startswith("@~") or "/" in k]:
            del self._besides[key]
        self._recalls.clear()

    def entered(self, reply: Entered, password: str, alone: bool) -> bool:
        """Be in a room; ``alone``, and in no other. Return whether the server forgot part of it."""
        place = self.rooms.get(reply.room, Place(reply.name))
        place.name, place.password, place.past = reply.name, password, reply.seq
        place.view = RoomView(reply.state)
        place.back = place.last is not None
        forgot = place.last is not None and reply.seq < place.last
        if place.last is None or forgot:
            place.last = reply.since
        if forgot:
            self._besides.clear()
        self.rooms[reply.room] = place
        if alone:
            self.rooms = {reply.room: place}
        self.here = reply.room
        return forgot

    def left(self, key: str) -> None:
        """Be in the room ``key`` no more."""
        self.rooms.pop(key, None)
        self._recalls.pop(key, None)
        if self.here == key:
            self.here = next(reversed(self.rooms), "")

    def recalls(self, key: str, cid: str | None) -> None:
        """Expect a stretch of the history of the log ``key``, asked for under ``cid``."""
        if key in self.rooms or key.startswith("@"):
            self._recalls[key] = cid or ""

    def recall(self, key: str) -> str | None:
        """Return the cid of the stretch of history of the log ``key`` that is coming."""
        return self._recalls.get(key)

    def caught_up(self, key: str) -> bool:
        """A stretch of the past of the log ``key`` has ended. Return whether it was history."""
        if self._recalls.pop(key, None) is not None:
            return True
        place = self.rooms.get(key)
        return place is not None and not place.back

    def take(self, entry: Entry, away: bool) -> Manner | None:
        """Return how to show ``entry``; None if it was shown. ``away``: one has no name yet."""
        if entry.room in self._recalls:
            return Manner.RECALLED
        if entry.room == EVERYBODY or entry.room.startswith("@"):
            if entry.seq <= self._besides.get(entry.room, 0):
                return None
            self._besides[entry.room] = entry.seq
            return Manner.RECALLED if away and entry.room != EVERYBODY else Manner.LIVE
        place = self.rooms.get(entry.room)
        if place is None or place.last is None:
            return None
        if entry.seq <= place.last:
            return None
        place.last = entry.seq
        if place.view is not None:
            place.view.apply(entry)
        if isinstance(entry.event, RoomRenamed):
            place.name = entry.event.new
        if entry.seq > place.past:
            return Manner.LIVE
        return Manner.MISSED if place.back else Manner.PAST
