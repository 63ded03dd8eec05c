"""``python -m chatnet.client``: talk at a terminal, or pipe lines."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from collections.abc import Callable, Coroutine
from importlib.util import find_spec
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.error import ReactorNotRunning
from twisted.internet.stdio import StandardIO
from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogBeginner
from twisted.python.failure import Failure
from zope.interface import implementer

from chatnet.client.exits import INTERRUPTED, Exit, explain
from chatnet.client.link import Link
from chatnet.client.options import Options, parse
from chatnet.client.plain import PATIENCE_SECONDS, Plain, Printer
from chatnet.client.settings import BadSettings, read_settings, settings_path
from chatnet.client.tls import reach
from chatnet.client.trust import known_servers

_NO_SCREEN = (
    "The full-screen client needs Textual: pip install 'chatnet[tui]'. This is the line mode, which"
    " --plain asks for without this sentence."
)


class Face(Protocol):
    """What a person, or a pipe, talks to."""

    status: Exit

    def converse(self, *rooms: str) -> Coroutine[Deferred[Any], Any, None]:
        """Stay in ``rooms`` until all is said."""

    def close(self) -> Deferred[None] | None:
        """Give the terminal back."""


def main(words: list[str]) -> int:
    """Do what ``words``, the command line, say. Return the exit status."""
    _open_standard_descriptors()
    terminal = os.isatty(0) and os.isatty(1)
    try:
        options = parse(words, terminal, settings=read_settings(settings_path()))
    except BadSettings as error:
        Printer(2)(f"{error} Mend it, or move it away.")
        return Exit.USAGE
    except KeyboardInterrupt:
        return INTERRUPTED
    if terminal:
        from twisted.internet import asyncioreactor

        asyncioreactor.install(asyncio.new_event_loop())
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
    return _talk(options, terminal)


def _open_standard_descriptors() -> None:
    """See that no connection gets the place of a standard descriptor that was closed."""
    while (lowest := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(lowest)


def _talk(options: Options, terminal: bool) -> int:
    from twisted.internet import reactor  # noqa: TID251 -- a program begins here

    server, say = options.server, Printer(2)
    endpoint = reach(
        reactor,
        server.host,
        server.port,
        server.tls,
        server.ca,
        known_servers(),
        lambda text: link.dialogue.ear.notice(text),
    )
    patience = None if terminal else PATIENCE_SECONDS
    link = Link(
        endpoint, server.identity, reactor, os.urandom, options.history, patience, server.confides
    )
    client = _face(link, options, terminal, reactor, say)
    status: int = INTERRUPTED

    def ended(result: Failure | None) -> None:
        nonlocal status
        try:
            reactor.stop()
        except ReactorNotRunning:  # interrupted
            return
        status = client.status
        if isinstance(result, Failure):
            status, sentence = explain(result.value, server.host, server.port)
            say(sentence)

    reactor.addSystemEventTrigger("before", "shutdown", link.leave)
    reactor.addSystemEventTrigger("before", "shutdown", client.close)

    def begin() -> None:
        Deferred.fromCoroutine(client.converse(*options.rooms)).addBoth(ended)

    reactor.callLater(0, begin)  # in asyncio's loop, where there is one
    if terminal:
        reactor.run()
        return status
    blocking = os.get_blocking(0)
    nowhere = os.open(os.devnull, os.O_WRONLY)  # what is written, Printer writes
    StandardIO(client, stdout=nowhere, reactor=reactor)  # type: ignore[call-arg]
    try:
        reactor.run()
    finally:
        os.set_blocking(0, blocking)
    return status


def _face(link: Link, options: Options, terminal: bool, reactor: Any, say: Printer) -> Face:
    """Return what to talk to ``link`` with; what is a bug will be told there, or by ``say``."""
    if not terminal:
        _tell_bugs(say)
        return Plain(link, Printer(1), say)
    if not options.plain and not find_spec("textual"):
        say(_NO_SCREEN)
    elif not options.plain and os.isatty(2):  # where Textual draws
        from chatnet.client.full.client import full

        client = full(link, options, reactor)
        _tell_bugs(client.hearing.notice)
        return client
    from chatnet.client.prompt import Terminal

    _tell_bugs(say)
    return Terminal(link)


def _tell_bugs(say: Callable[[str], None]) -> None:
    globalLogBeginner.beginLoggingTo([_Bugs(say)], redirectStandardIO=False, discardBuffer=True)


@implementer(ILogObserver)
class _Bugs:
    """Says that there is a bug, if there is one; nothing else is worth a log."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def __call__(self, event: LogEvent) -> None:
        if event.get("log_level", LogLevel.info) >= LogLevel.critical:
            failure = event.get("log_failure")
            what = repr(failure.value) if isinstance(failure, Failure) else "something"
            self._say(f"Something broke in the client, which is a bug: {what}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
