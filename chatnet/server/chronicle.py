"""The operator's log of what happens in rooms: who came, who went, who spoke; never what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from operator import attrgetter

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from chatnet.core import events as e
from chatnet.core.durations import spell_span
from chatnet.core.plain import plain
from chatnet.core.room import Room
from chatnet.core.series import Series

SPOKE_SECONDS = 5.0  # in which what one says in a room is logged once at first, and then once more

_SPOKEN = {e.Said, e.Sealed, e.Rolled}
_speaker: Callable[[e.Event], str] = attrgetter("by")

Transcript = Callable[[Room, e.Entry], None]


class Chronicle:
    """Logs entries; with a ``transcript``, that is told each of them as well."""

    _log = Logger()

    def __init__(self, clock: IReactorTime, transcript: Transcript | None = None) -> None:
        self._clock = clock
        self._transcript = transcript
        # Who spoke lately, and how often since that was last logged.
        self._spoke: dict[Room, dict[str, int]] = {}
        self._timer: IDelayedCall | None = None

    def note(self, room: Room, entries: Series) -> None:
        """Log ``entries``, which are of ``room``."""
        spoke: Counter[str] = Counter()
        words = entries.kinds <= _SPOKEN  # nearly always
        if words:
            spoke.update(map(_speaker, entries.events))
        for entry in entries if not words else ():
            event = entry.event
            if type(event) in _SPOKEN:
                spoke[_speaker(event)] += 1
                continue
            self._catch_up(room)
            match event:
                case e.Opened(name, by):
                    self._log.info("{by} opened {room}", by=by, room=name)
                case e.Joined(who):
                    self._log.info("{who} joined {room}", who=who, room=room.name)
                case e.Left(who, dropped):
                    how = "lost the connection to" if dropped else "left"
                    self._log.info("{who} {how} {room}", who=who, how=how, room=room.name)
                case e.Encrypted(by):
                    self._log.info("{by} had {room} encrypted", by=by, room=room.name)
                case e.DeviceAdded(device) | e.DeviceRemoved(device):
                    has = "has" if isinstance(event, e.DeviceAdded) else "has no more"
                    self._log.info("{who} {has} the device {id}", who=room.key, has=has, id=device)
                case e.Kicked(who, by):
                    self._log.info("{by} kicked {who}, {room}", by=by, who=who, room=room.name)
                case e.Banned(who, by):
                    self._log.info("{by} banned {who}, {room}", by=by, who=who, room=room.name)
                case e.Deleted(by, seq, _, author):
                    what = f"message {seq} by {author}"
                    self._log.info("{by} deleted {what}, {room}", by=by, what=what, room=room.name)
                case e.Acted(by, verb, whom, where, to):
                    self._log.info(
                        "{by}, of the staff: {verb} {what} (act {id})",
                        by=by, verb=verb, what=plain(" ".join(filter(None, (whom, where, to)))),
                        id=entry.seq,
                    )  # fmt: skip
                case e.RoomRenamed(by, old, new):
                    self._log.info("{by} renamed {room}: {new}", by=by, room=old, new=new)
                case e.RoomDeleted(by):
                    self._log.info("{by} deleted {room}", by=by, room=room.name)
                case e.RetentionSet(by, seconds):
                    long = spell_span(seconds) if seconds else "as long as the server does"
                    self._log.info("{by} has {room} kept {long}", by=by, long=long, room=room.name)
        for by, count in spoke.items():
            lately = self._spoke.setdefault(room, {})
            if by in lately:
                lately[by] += count
            else:
                lately[by] = 0
                self._tell(room, by, count)
        if self._spoke and self._timer is None:
            self._timer = self._clock.callLater(SPOKE_SECONDS, self._look_again)
        if self._transcript is not None:
            for entry in entries:
                self._transcript(room, entry)

    def stop(self) -> None:
        """Log what was not logged yet."""
        for room in self._spoke:
            self._catch_up(room)
        self._spoke.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_again(self) -> None:
        self._timer = None
        for room, lately in list(self._spoke.items()):
            self._spoke[room] = {by: 0 for by, count in lately.items() if count}
            self._tell_all(room, lately)
            if not self._spoke[room]:
                del self._spoke[room]
        if self._spoke:
            self._timer = self._clock.callLater(SPOKE_SECONDS, self._look_again)

    def _catch_up(self, room: Room) -> None:
        """Log who spoke in ``room`` before anything else happens there."""
        if lately := self._spoke.get(room):
            self._tell_all(room, lately)
            self._spoke[room] = dict.fromkeys(lately, 0)

    def _tell_all(self, room: Room, lately: dict[str, int]) -> None:
        for by, count in lately.items():
            if count:
                self._tell(room, by, count)

    def _tell(self, room: Room, by: str, count: int) -> None:
        times = "" if count == 1 else f", {count} times"
        self._log.info("{by} spoke in {room}{times}", by=by, room=room.name, times=times)
