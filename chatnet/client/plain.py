"""The client at a pipe: lines from standard input are sent, messages go to standard output."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import cast

from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Protocol
from zope.interface import implementer

from chatnet.client.checks import too_long
from chatnet.client.exits import Exit
from chatnet.client.frames import Strange
from chatnet.client.keys.keys import Keys
from chatnet.client.keys.news import Made, News, spell
from chatnet.client.keys.shown import Shown
from chatnet.client.link import Link
from chatnet.client.places import Manner
from chatnet.client.screen import lines_of_reply
from chatnet.client.talk import Talk
from chatnet.client.transfers import Transfers
from chatnet.client.writing import unsent
from chatnet.core import commands as c, events as e, replies as r
from chatnet.core.plain import plain
from chatnet.core.refusals import Malformed, Refused

MOST_PENDING, MOST_BYTES = 256, 1 << 20  # unanswered, at which no more is read
PATIENCE_SECONDS = 60.0  # for a lost link to come back

_MESSAGES = (*e.MESSAGES, e.Whispered, e.SealedWhisper, e.Announced)
_COMMON = (e.Joined, e.Left, e.Renamed)  # of no interest to a program
_ANSWERS = (  # what was asked for
    r.Found | r.Members | r.Rooms | r.Bans | r.Topic | r.Settings | r.Whoami | r.Ignored | r.Pong
)


@implementer(IHalfCloseableProtocol)
class Plain(Protocol):
    """Sends what is piped to it, and leaves when all of it is answered."""

    def __init__(
        self,
        link: Link,
        out: Callable[[str], None],
        err: Callable[[str], None],
        transfers: Transfers | None = None,
    ) -> None:
        """Write messages with ``out``, and notices and errors with ``err``."""
        self.status = Exit.FINE
        link.dialogue.ear = self
        if isinstance(link.keys, Keys):
            link.keys.tell = self._told_of_keys
        self._link = link
        self._talk = Talk(link, transfers)
        self._transfers = transfers
        self._shown = Shown()
        self._out = out
        self._err = err
        self._input = bytearray()
        self._searched = 0  # bytes of it that hold no end of a line
        self._overlong = False  # the line that comes is too long, and is dropped
        self._ended = False
        self._paused = True

    async def converse(self, *rooms: str) -> None:
        """Stay until the input has ended and is answered.

        Raises:
            CannotConnect, LinkLost, Refused: as ``Link.run`` does.
        """
        try:
            await self._link.run(*rooms)
        finally:
            if count := len(self._link.dialogue.outbox):
                self._err(unsent(count))
                self.status = self.status or Exit.LOST

    def close(self) -> None:
        """Nothing has to be given back."""

    # -- standard input ------------------------------------------------------------

    def connectionMade(self) -> None:
        self._reader().pauseProducing()  # until there is a link

    def dataReceived(self, data: bytes) -> None:
        self._input += data
        self._go_on()

    def readConnectionLost(self) -> None:
        """All was read."""
        self._ended = True
        self._go_on()

    def writeConnectionLost(self) -> None:
        """Nothing is written this way."""

    def _go_on(self) -> None:
        """Send what was read, as far as the answers keep up."""
        while not self._is_full() and (line := self._next()) is not None:
            self._send(line)
        if not self._ended:
            self._pause(self._is_full())
        elif self._transfers is not None and self._transfers.running:
            return  # each of them tells when it has ended
        elif not (self._input or self._link.dialogue.outbox or self._link.leaving):
            if self._transfers is not None and self._transfers.failed:
                self.status = Exit.REFUSED
            self._link.leave()

    def _next(self) -> bytes | None:
        """Return the next line of what was read; None if there is none."""
        end = self._input.find(b"\n", self._searched)
        if end < 0 and not (self._ended and self._input):
            self._searched = len(self._input)
            self._limit()
            return None
        line = bytes(self._input[:end] if end >= 0 else self._input)
        del self._input[: len(line) + 1]
        self._searched = 0
        return line

    def _limit(self) -> None:
        """Drop what no message can hold."""
        most = self._link.dialogue.hello.max_message if self._link.dialogue.hello else 0
        if most and len(self._input) > most + 2:
            if not self._overlong:
                self._refuse(too_long(most))
            self._overlong = True
            self._input.clear()
            self._searched = 0

    def _is_full(self) -> bool:
        outbox = self._link.dialogue.outbox
        return (
            self._link.leaving
            or len(outbox) >= MOST_PENDING
            or (len(outbox) > 0 and outbox.weight >= MOST_BYTES)
        )

    def _pause(self, paused: bool) -> None:
        if paused is not self._paused and not self._ended:
            reader = self._reader()
            (reader.pauseProducing if paused else reader.resumeProducing)()
        self._paused = paused

    def _reader(self) -> IPushProducer:
        return cast(IPushProducer, self.transport)  # StandardIO is one, and does not say so

    def _send(self, line: bytes) -> None:
        overlong, self._overlong = self._overlong, False
        if overlong:
            return
        try:
            self._say(line.removesuffix(b"\r").decode())
        except UnicodeDecodeError:
            self._refuse(Malformed("That line is not UTF-8, so it was not sent."))
        except Refused as refusal:
            self._refuse(refusal)

    def _say(self, line: str) -> None:
        answer = self._talk.typed(line)
        if answer is not None:
            self._write(self._out, lines_of_reply(answer))

    def _wants_room(self) -> bool:
        """Return whether one has to be in a room."""
        return True

    def _refuse(self, refusal: Refused) -> None:
        self.status = Exit.REFUSED
        self._err(plain(str(refusal)))

    # -- chatnet.client.link.Ear ---------------------------------------------------

    def online(self) -> None:
        if self._paused and self._wants_room() and not self._link.dialogue.places.here:
            self._link.leave()  # refused, of which the status tells
        self._go_on()

    def entry(self, entry: e.Entry, manner: Manner, mine: bool) -> None:
        lines = self._shown.lines(self._link.keys, entry, manner, mine, self._link.dialogue.name)
        if isinstance(entry.event, _MESSAGES) and not isinstance(entry.event, Strange):
            self._write(self._out, lines)
        elif not isinstance(entry.event, _COMMON):
            self._write(self._err, lines)

    def answered(self, reply: r.Reply, command: c.Command | None) -> None:
        match reply:
            case r.Bye() if self._link.leaving:
                pass
            case r.Noted() | r.Bye() | r.Out(put_out=True):
                self._write(self._err, lines_of_reply(reply))
            case _ if isinstance(reply, _ANSWERS):
                self._write(self._out, lines_of_reply(reply))

    def refused(self, refusal: Refused, command: c.Command | None) -> None:
        self._refuse(refusal)

    def signalled(self, signal: r.Typing) -> None:
        pass

    def concluded(self) -> None:
        self._go_on()

    def silent(self) -> None:
        pass

    def notice(self, text: str) -> None:
        self._err(text)

    def _told_of_keys(self, news: News) -> None:
        if not isinstance(news, Made):  # nobody is here who could write the words down
            self.notice(spell(news))

    def _write(self, write: Callable[[str], None], lines: list[str]) -> None:
        for line in lines:
            write(line)


class Printer:
    """Writes lines to standard output or error, at once; nothing is said to who went away.

    It waits for a slow reader, and with it waits all the rest: nothing piles up here.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._closed = False

    def __call__(self, line: str) -> None:
        """Write ``line``."""
        left = memoryview(f"{line}\n".encode(errors="replace"))
        while left and not self._closed:
            try:
                left = left[os.write(self._descriptor, left) :]
            except OSError:  # closed, or full and not ours to wait for
                self._closed = True
