"""``chatnet send``: says something, and ends when it is stored."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from chatnet.client.exits import INTERRUPTED
from chatnet.client.link import Link
from chatnet.client.options import Parser, add_server, ask_hidden, server_of
from chatnet.client.places import Manner
from chatnet.client.plain import PATIENCE_SECONDS, Plain, Printer
from chatnet.client.running import open_standard_descriptors, run_face, tell_bugs
from chatnet.client.settings import BadSettings, read_settings, settings_path
from chatnet.core import commands as c, events as e, replies as r
from chatnet.core.names import person_name, room_name
from chatnet.core.plain import plain
from chatnet.core.refusals import BadName, Refused
from chatnet.core.search import excerpt

_SHOWN = 60  # characters of a line that was refused
_MORE = """\
Each line of standard input is a message, sent as it comes; empty ones are none. What begins with a
/ is a message like any other. It exits with 0 once all of it is stored, and else with a sentence,
and the status that chatnet client --help explains.

  chatnet send ops deployed v2.1            make 2>&1 | chatnet send ci --whole
  tail -f /var/log/app | chatnet send logs  chatnet send @bob 'the build is red'
"""


class Sender(Plain):
    """Says what it is given, and shows nothing."""

    def __init__(self, link: Link, where: str, whole: bool, err: Callable[[str], None]) -> None:
        """Say it to ``where``, a room or ``@`` and a person; ``whole``: as one message."""
        super().__init__(link, lambda line: None, err)
        self._where = where
        self._whole = whole

    def give(self, text: str) -> None:
        """Say ``text``, and nothing else."""
        self._input += text.encode(errors="replace")
        self._ended = self._whole = True

    def entry(self, entry: e.Entry, manner: Manner, mine: bool) -> None:
        pass

    def answered(self, reply: r.Reply, command: c.Command | None) -> None:
        if isinstance(reply, r.Noted):  # somebody is away
            super().answered(reply, command)

    def refused(self, refusal: Refused, command: c.Command | None) -> None:
        super().refused(refusal, command)
        if isinstance(command, c.Say | c.Whisper) and not self._whole:
            self._err(f"The line was: {plain(excerpt(command.body, (), _SHOWN))}")

    def _wants_room(self) -> bool:
        return not self._where.startswith("@")

    def _next(self) -> bytes | None:
        if not self._whole:
            return super()._next()
        self._limit()
        if not (self._ended and self._input):
            return None
        text = bytes(self._input)
        self._input.clear()
        return text.removesuffix(b"\n")

    def _say(self, line: str) -> None:
        if not line.strip():
            return
        if self._wants_room():
            self._link.submit(c.Say(self._where, line))
        else:
            self._link.submit(c.Whisper(self._where[1:], line))


def main(words: Sequence[str]) -> int:
    """Do what ``words`` say. Return the exit status."""
    open_standard_descriptors()
    parser = Parser(
        prog="chatnet send",
        description="Say something in a room, or to one person: @USER.",
        epilog=_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("where", metavar="ROOM", help="the room, or @ and a person")
    parser.add_argument("text", nargs="*", metavar="TEXT", help="what to say; else standard input")
    parser.add_argument("--whole", action="store_true", help="standard input is one message")
    add_server(parser)
    given = parser.parse_args(words)
    try:
        person = given.where.startswith("@")
        name = (person_name if person else room_name)(given.where.removeprefix("@")).text
        server = server_of(parser, given, ask_hidden, read_settings(settings_path()))
    except BadName as error:
        parser.error(str(error).rstrip("."))
    except BadSettings as error:
        parser.error(str(error).rstrip("."))
    except KeyboardInterrupt:  # at the password
        return INTERRUPTED
    say = Printer(2)
    tell_bugs(say)
    text = " ".join(given.text)
    if given.text and not text.strip():
        parser.error("there is nothing to say in TEXT")

    def made(link: Link, transfers: object, reactor: object) -> Sender:
        sender = Sender(link, f"@{name}" if person else name, given.whole, say)
        if given.text:
            sender.give(text)
        return sender

    rooms = () if person else (name,)
    return run_face(server, rooms, 0, PATIENCE_SECONDS, made, "script", piped=not given.text)
