"""``chatnet tail``: prints what is said in a room, and knows the next time where it was."""

from __future__ import annotations

import argparse
import os
import select
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from chatnet.client import cursors
from chatnet.client.chat import Chat, connect
from chatnet.client.cursors import BadCursor, Cursor
from chatnet.client.exits import INTERRUPTED
from chatnet.client.frames import Strange
from chatnet.client.options import Parser, Server, add_server, ask_hidden, server_of
from chatnet.client.places import Manner
from chatnet.client.plain import PATIENCE_SECONDS, Printer
from chatnet.client.program import run
from chatnet.client.room import Room
from chatnet.client.running import open_standard_descriptors
from chatnet.client.screen import lines_of
from chatnet.client.settings import BadSettings, read_settings, settings_path
from chatnet.core import events as e
from chatnet.core.names import room_name
from chatnet.core.refusals import BadName
from chatnet.core.times import NO_TIME, parse_time
from chatnet.dialects.jsonl import JsonStyle

PAGE = 256  # entries that are read again at once
SAVE_SECONDS = 1.0  # between two times that the cursor is saved
_STYLE = JsonStyle()
_MORE = """\
With --resume, or --cursor FILE, it goes on where it ended the last time, and misses nothing: the
cursor is saved after what is printed, at least once a second, so what was printed in the second
before a crash is printed again. The first time it begins at --since.

  chatnet tail ops --since 1h                    what was said in the last hour
  chatnet tail ops --resume --json | ./handle    in a cron job: what is new since it ran last
  chatnet tail ops --follow --resume             as it comes, also after a restart

To read a room one has to be in it: the others see you come and go. Times are in UTC.
"""


@dataclass(frozen=True, slots=True)
class Wish:
    """What to print: of ``room`` at ``place``, from where on, and how."""

    room: str
    place: str
    since: str = ""
    lines: int = 10
    follow: bool = False
    as_json: bool = False
    cursor: Path | None = None
    resume: bool = False  # with the cursor that is kept for the room


class Tail:
    """Prints a room, with all that was said before it came."""

    def __init__(
        self,
        wish: Wish,
        out: Callable[[bytes], None],
        err: Callable[[str], None],
        clock: IReactorTime,
    ) -> None:
        """Print with ``out``, which raises ``OSError`` if nobody reads any more."""
        self._wish = wish
        self._out = out
        self._err = err
        self._clock = clock
        self._room = ""  # the room's key
        self._path = wish.cursor
        self._printed: int | None = None
        self._saved: int | None = None
        self._timer: IDelayedCall | None = None

    async def print(self, chat: Chat) -> None:
        """Print it all; with ``follow``, until the link ends.

        Raises:
            BadCursor, Refused: that is not possible; the sentence says why.
            OSError: nobody reads any more.
        """
        wish = self._wish
        room = await chat.join(wish.room)
        self._room = room.key
        if self._path is None and wish.resume:
            self._path = cursors.kept_for(wish.place, room.key)
        if self._path is not None:
            self._saved = cursors.load(self._path, wish.place, room.key)
        try:
            async for entry in self._past(room):
                self._show(entry)
            self._reached(room.since)
            if wish.follow:
                async for entry in room:
                    self._show(entry)
        finally:
            self._save()

    async def _past(self, room: Room) -> AsyncIterator[e.Entry]:
        """Tell what is to be printed of what was before one came."""
        head, after = room.since, self._saved
        if after is None and not self._wish.since:
            for entry in await room.history(head + 1, self._wish.lines):
                yield entry
            return
        if after is None:
            first = await room.history(at=self._wish.since, count=1)
            after = first[0].seq - 1 if first else head
        elif after > head:
            raise BadCursor(
                f"{room.name} ends at #{head}, but #{after} was printed: this is another server, or"
                f" one that has lost something. Remove {self._path} to begin anew."
            )
        expected = after + 1
        while after < head:
            upto = min(after + PAGE, head)
            for entry in await room.reread(after, upto):
                if entry.seq > expected:
                    self._err(
                        f"#{expected} to #{entry.seq - 1} of {room.name} are not kept any more."
                    )
                expected = entry.seq + 1
                yield entry
            after = upto

    def _show(self, entry: e.Entry) -> None:
        if isinstance(entry.event, Strange) and self._wish.as_json:
            self._out(entry.event.line.rstrip() + b"\n")
        elif self._wish.as_json:
            self._out(_STYLE.render(entry))
        else:
            lines = lines_of(entry, Manner.RECALLED, False, "")
            if lines:
                self._out("".join(f"{line}\n" for line in lines).encode(errors="replace"))
        self._reached(entry.seq)

    def _reached(self, seq: int) -> None:
        """All up to ``seq`` is printed; save that soon."""
        self._printed = max(seq, self._printed or 0)
        if self._path is not None and self._timer is None:
            self._timer = self._clock.callLater(SAVE_SECONDS, self._save_in_time)

    def _save_in_time(self) -> None:
        try:
            self._save()
        except BadCursor as error:  # the next time, more will be printed again
            self._err(str(error))

    def _save(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        path, seq = self._path, self._printed
        if path is not None and seq is not None and seq != self._saved:
            cursors.save(path, Cursor(self._wish.place, self._room, seq))
            self._saved = seq


def main(words: Sequence[str]) -> int:
    """Do what ``words`` say. Return the exit status."""
    open_standard_descriptors()
    try:
        wish, server = _asked(words)
    except KeyboardInterrupt:
        return INTERRUPTED
    return run(lambda: _tail(wish, server))


def _asked(words: Sequence[str]) -> tuple[Wish, Server]:
    parser = Parser(
        prog="chatnet tail",
        description="Print what is said in a room.",
        epilog=_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("room", metavar="ROOM", help="the room")
    add("--since", default="", metavar="TIME", help="begin there: 1h, 7d, 2026-11-20, or"
        " 2026-11-20T18:30 (UTC)")  # fmt: skip
    add("--lines", type=int, default=10, metavar="N", help="without --since, begin with the last N"
        " messages (10)")  # fmt: skip
    add("--follow", action="store_true", help="go on as it comes, until Ctrl-C")
    add("--json", action="store_true", help="an object a line, as docs/protocol.md has them, for"
        " everything that happens and not only messages")  # fmt: skip
    add("--resume", action="store_true", help="go on where the last --resume for this room ended")
    add("--cursor", default="", metavar="FILE", help="the same, and keep in FILE where that is")
    add_server(parser)
    given = parser.parse_args(words)
    try:
        room = room_name(given.room).text
        server = server_of(parser, given, ask_hidden, read_settings(settings_path()))
    except BadName as error:
        parser.error(str(error).rstrip("."))
    except BadSettings as error:
        parser.error(str(error).rstrip("."))
    if given.since and parse_time(given.since, 0) is None:
        parser.error(f"--since {given.since} is no time. {NO_TIME.rstrip('.')}")
    if given.lines < 0:
        parser.error("--lines is a number of messages")
    place = f"{server.host}:{server.port}"
    path = Path(given.cursor) if given.cursor else None
    how = given.since, given.lines, given.follow, given.json, path, given.resume
    return Wish(room, place, *how), server


async def _tail(wish: Wish, server: Server) -> None:
    from twisted.internet import reactor  # noqa: TID251 -- a program begins here

    clock: Any = reactor
    who = server.identity
    chat = await connect(
        server.host,
        server.port,
        name="" if who.password else who.name,
        user=who.name if who.password else "",
        password=who.password,
        server_password=who.server_password,
        tls=server.tls,
        ca=server.ca,
        allow_plaintext_passwords=server.confides,
        wait=server.wait,
        patience=None if wish.follow else PATIENCE_SECONDS,
        keys=server.keys if who.password and find_spec("vodozemac") else None,
        passphrase=server.passphrase,
    )
    try:
        with suppress(BrokenPipeError):
            await Tail(wish, _write, Printer(2), clock).print(chat)
    finally:
        await chat.close()


def _write(data: bytes) -> None:
    """Write ``data`` to standard output, whole.

    Raises:
        OSError: nobody reads it.
    """
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(1, left) :]
        except BlockingIOError:
            select.select([], [1], [])
