"""``python -m chatnet.client``: talk at a terminal, or pipe lines."""

from __future__ import annotations

import asyncio
import io
import os
import sys

from twisted.internet.defer import Deferred
from twisted.internet.error import ReactorNotRunning
from twisted.internet.stdio import StandardIO
from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogBeginner
from twisted.python.failure import Failure
from zope.interface import implementer

from chatnet.client.courier import Courier, site_of
from chatnet.client.exits import INTERRUPTED, explain
from chatnet.client.keys.home import keys_of
from chatnet.client.link import Link
from chatnet.client.options import Options, parse
from chatnet.client.plain import PATIENCE_SECONDS, Plain, Printer
from chatnet.client.tls import reach
from chatnet.client.transfers import Transfers
from chatnet.client.trust import known_servers
from chatnet.core.commands import Command
from chatnet.core.replies import Reply


def main() -> int:
    """Do what the command line says. Return the exit status."""
    _open_standard_descriptors()
    terminal = os.isatty(0) and os.isatty(1)
    try:
        options = parse(sys.argv[1:], terminal)
    except KeyboardInterrupt:
        return INTERRUPTED
    globalLogBeginner.beginLoggingTo([_Bugs()], redirectStandardIO=False, discardBuffer=True)
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

    endpoint = reach(
        reactor,
        options.host,
        options.port,
        options.tls,
        options.ca,
        known_servers(),
        lambda text: link.dialogue.ear.notice(text),
    )
    link = Link(
        endpoint,
        options.identity,
        reactor,
        os.urandom,
        options.history,
        None if terminal else PATIENCE_SECONDS,
        options.confides,
    )
    keys_of(
        link, reactor, f"{options.host}:{options.port}", options.passphrase, options.keys,
        "terminal" if terminal else "pipe",
    )  # fmt: skip
    say = Printer(2)

    def ask(command: Command) -> Deferred[Reply]:
        done: Deferred[Reply] = Deferred()
        link.submit(command, done)
        return done

    site = site_of(options.host, options.port, options.tls)
    transfers = Transfers(link, Courier(endpoint, site, ask, reactor))
    status = INTERRUPTED

    def ended(result: Failure | None) -> None:
        nonlocal status
        try:
            reactor.stop()
        except ReactorNotRunning:  # interrupted
            return
        status = client.status
        if isinstance(result, Failure):
            status, sentence = explain(result.value, options.host, options.port)
            say(sentence)

    reactor.addSystemEventTrigger("before", "shutdown", link.leave)

    def begin() -> None:
        Deferred.fromCoroutine(client.converse(options.room)).addBoth(ended)

    if terminal:
        from chatnet.client.prompt import Terminal

        client: Terminal | Plain = Terminal(link, transfers)
        reactor.callWhenRunning(begin)
        reactor.run()
        return status
    client = Plain(link, Printer(1), say, transfers)
    blocking = os.get_blocking(0)
    nowhere = os.open(os.devnull, os.O_WRONLY)  # what is written, Printer writes
    StandardIO(client, stdout=nowhere, reactor=reactor)  # type: ignore[call-arg]
    reactor.callWhenRunning(begin)
    try:
        reactor.run()
    finally:
        os.set_blocking(0, blocking)
    return status


@implementer(ILogObserver)
class _Bugs:
    """Says that there is a bug, if there is one; nothing else is worth a log."""

    def __call__(self, event: LogEvent) -> None:
        if event.get("log_level", LogLevel.info) >= LogLevel.critical:
            failure = event.get("log_failure")
            what = repr(failure.value) if isinstance(failure, Failure) else "something"
            Printer(2)(f"Something broke in the client, which is a bug: {what}")


if __name__ == "__main__":
    sys.exit(main())
