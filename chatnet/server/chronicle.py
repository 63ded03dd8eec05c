"""The operator's log of what happens in rooms: who came, who went, who spoke; never what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from twisted.logger import Logger

from chatnet.core import events as e
from chatnet.core.durations import spell_span
from chatnet.core.plain import plain
from chatnet.core.room import Room

Transcript = Callable[[Room, e.Entry], None]


class Chronicle:
    """Logs entries; with a ``transcript``, that is told each of them as well."""

    _log = Logger()

    def __init__(self, transcript: Transcript | None = None) -> None:
        self._transcript = transcript

    def note(self, room: Room, entries: Sequence[e.Entry]) -> None:
        """Log ``entries``, which are some consecutive ones of ``room``."""
        spoke: Counter[str] = Counter()
        for entry in entries:
            match entry.event:
                case e.Said(by) | e.Rolled(by):
                    spoke[by] += 1
                case e.Opened(name, by):
                    self._log.info("{by} opened {room}", by=by, room=name)
                case e.Joined(who):
                    self._log.info("{who} joined {room}", who=who, room=room.name)
                case e.Left(who, dropped):
                    how = "lost the connection to" if dropped else "left"
                    self._log.info("{who} {how} {room}", who=who, how=how, room=room.name)
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
            times = "" if count == 1 else f", {count} times"
            self._log.info("{by} spoke in {room}{times}", by=by, room=room.name, times=times)
        if self._transcript is not None:
            for entry in entries:
                self._transcript(room, entry)
