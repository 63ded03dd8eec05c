"""The ear of a chat for programs: passes on what comes to those who iterate."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatnet.client.link import Link
from chatnet.client.places import Manner
from chatnet.client.room import Room
from chatnet.client.stream import Stream
from chatnet.core import commands as c, events as e, replies as r
from chatnet.core.names import fold, room_name
from chatnet.core.refusals import Refused, Unavailable

if TYPE_CHECKING:
    from chatnet.client.chat import Chat

Tell = Callable[[str], None]


class Listening:
    """The ear of a chat: passes on what comes to those who iterate."""

    _log = Logger()

    def __init__(self, chat: Chat, link: Link, tell: Tell | None) -> None:
        self.stream = Stream(chat.reread)
        self.rooms: dict[str, Room] = {}
        self.arrived: Deferred[None] = Deferred(lambda _: link.leave())
        self._chat = chat
        self._link = link
        self._tell = tell
        link.dialogue.ear = self

    def online(self) -> None:
        if not self.arrived.called:
            self.arrived.callback(None)

    def entry(self, entry: e.Entry, manner: Manner, mine: bool) -> None:
        room = self.rooms.get(entry.room)
        if room is not None:
            room.stream.put(entry)
        self.stream.put(entry)

    def answered(self, reply: r.Reply, command: c.Command | None) -> None:
        match reply:
            case r.Entered(key, since=since):
                place = self._link.dialogue.places.rooms[key]
                self.rooms[key] = Room(self._chat, key, place, since)
                self.stream.begin(key, since)
            case r.Out(key):
                self._out(key, None)
            case r.Bye(text) | r.Noted(text) if text and not self._link.leaving:
                self.notice(text)

    def refused(self, refusal: Refused, command: c.Command | None) -> None:
        self.notice(str(refusal))
        if isinstance(command, c.Join):  # a room that one was in, and that is shut now
            wanted = room_name(command.room).key
            for key, room in list(self.rooms.items()):
                if wanted in (key, fold(room.name)):
                    self._out(key, refusal)

    def signalled(self, signal: r.Typing) -> None:
        pass

    def concluded(self) -> None:
        pass

    def silent(self) -> None:
        pass

    def notice(self, text: str) -> None:
        self._log.info("{text}", text=text)
        if self._tell is not None:
            self._tell(text)

    def end(self, result: Failure | None) -> None:
        """The link has ended, for good."""
        why = result.value if isinstance(result, Failure) else None
        error = why if isinstance(why, Exception) else None
        for stream in (self.stream, *(room.stream for room in self.rooms.values())):
            stream.close(error, at_once=error is None)
        if not self.arrived.called:
            self.arrived.errback(error or Unavailable("It was closed before there was a link."))

    def _out(self, key: str, why: Refused | None) -> None:
        self.stream.end(key)
        room = self.rooms.pop(key, None)
        if room is not None:
            room.stream.close(why)
