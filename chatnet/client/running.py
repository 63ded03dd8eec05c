"""A face and a link, run in Twisted's reactor until all is said."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from twisted.internet import protocol
from twisted.internet.defer import Deferred
from twisted.internet.error import ReactorNotRunning
from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogBeginner
from twisted.python.failure import Failure
from zope.interface import implementer

from chatnet.client import standard
from chatnet.client.courier import Courier, site_of
from chatnet.client.exits import INTERRUPTED, Exit, explain
from chatnet.client.keys.home import keys_of
from chatnet.client.link import Link
from chatnet.client.options import Server
from chatnet.client.plain import Printer
from chatnet.client.tls import reach
from chatnet.client.transfers import Transfers
from chatnet.client.trust import known_servers
from chatnet.core.commands import Command
from chatnet.core.replies import Reply

Tell = Callable[[str], None]


class Face(Protocol):
    """What a person, or a pipe, talks to."""

    status: Exit

    def converse(self, *rooms: str) -> Coroutine[Deferred[Any], Any, None]:
        """Stay in ``rooms`` until all is said."""

    def close(self) -> Deferred[None] | None:
        """Give the terminal back."""


def run_face(
    server: Server,
    rooms: tuple[str, ...],
    history: int | None,
    patience: float | None,
    made: Callable[[Link, Transfers, Any], Face],
    label: str,
    piped: bool = False,
) -> int:
    """Let the face that is ``made`` of a link to ``server`` talk in ``rooms``.

    ``label`` is what its device is called, if it has keys. With ``piped``, it gets what comes from
    standard input. Returns the exit status. The others are
    as for ``Link``; ``made`` also gets what carries files, and the reactor.
    """
    from twisted.internet import reactor  # noqa: TID251 -- a program begins here

    say = Printer(2)
    endpoint = reach(
        reactor,
        server.host,
        server.port,
        server.tls,
        server.ca,
        known_servers(),
        lambda text: link.dialogue.ear.notice(text),
    )
    link = Link(
        endpoint,
        server.identity,
        reactor,
        os.urandom,
        history,
        patience,
        server.confides,
        server.wait,
    )
    keys = keys_of(
        link, reactor, f"{server.host}:{server.port}", server.passphrase, server.keys, label
    )

    def ask(command: Command) -> Deferred[Reply]:
        done: Deferred[Reply] = Deferred()
        link.submit(command, done)
        return done

    site = site_of(server.host, server.port, server.tls)
    courier = Courier(endpoint, site, ask, reactor)
    courier.keys = keys
    transfers = Transfers(link, courier)
    client = made(link, transfers, reactor)
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

    def begin() -> None:
        Deferred.fromCoroutine(client.converse(*rooms)).addBoth(ended)

    reactor.addSystemEventTrigger("before", "shutdown", link.leave)
    reactor.addSystemEventTrigger("before", "shutdown", client.close)
    if not piped:
        reactor.callLater(0, begin)  # in asyncio's loop, where that is the reactor's
        reactor.run()
        return status
    assert isinstance(client, protocol.Protocol)
    with standard.piped(client, reactor):
        reactor.callWhenRunning(begin)
        reactor.run()
    return status


def tell_bugs(say: Tell) -> None:
    """Have ``say`` told when there is a bug; nothing else is worth a log."""
    globalLogBeginner.beginLoggingTo([_Bugs(say)], redirectStandardIO=False, discardBuffer=True)


@implementer(ILogObserver)
class _Bugs:
    """Says that there is a bug, if there is one."""

    def __init__(self, say: Tell) -> None:
        self._say = say

    def __call__(self, event: LogEvent) -> None:
        if event.get("log_level", LogLevel.info) >= LogLevel.critical:
            failure = event.get("log_failure")
            what = repr(failure.value) if isinstance(failure, Failure) else "something"
            self._say(f"Something broke in the client, which is a bug: {what}")


def open_standard_descriptors() -> None:
    """See that no connection gets the place of a standard descriptor that was closed."""
    while (lowest := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(lowest)
