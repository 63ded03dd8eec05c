"""A program that is one coroutine: started, watched, and ended in good order."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogBeginner
from twisted.python.failure import Failure
from zope.interface import implementer

from chatnet.client.exits import INTERRUPTED, Exit, status_of
from chatnet.client.link import CannotConnect, LinkLost
from chatnet.client.trust import Untrusted
from chatnet.core.plain import plain_lines
from chatnet.core.refusals import Refused


def run(main: Callable[[], Coroutine[Deferred[Any], Any, object]]) -> int:
    """Run ``main`` in Twisted's reactor until it returns, or is interrupted; once in a process.

    Chats that are still open then say goodbye. News about links, and what ends ``main`` besides
    its own end, go to standard error: a sentence, or, of what is a bug, where it happened.
    Returns an exit status, as ``python -m chatnet.client --help`` explains them; 130 after Ctrl-C,
    and 0 after SIGTERM, by which services are ended.
    """
    from twisted.internet import reactor as installed  # noqa: TID251 -- a program begins here

    reactor: Any = installed
    status: int = INTERRUPTED
    work: Deferred[object] | None = None
    stopping = False
    globalLogBeginner.beginLoggingTo([_News()], redirectStandardIO=False, discardBuffer=True)

    def begin() -> None:
        nonlocal work
        signal.signal(signal.SIGTERM, lambda *_: reactor.callFromThread(ended_by_service))
        reactor.addSystemEventTrigger("before", "shutdown", interrupted)
        work = Deferred.fromCoroutine(main())
        work.addBoth(ended)

    def interrupted() -> None:
        nonlocal stopping
        stopping = True
        if work is not None:
            work.cancel()

    def ended_by_service() -> None:
        nonlocal status
        if not stopping:
            status = Exit.FINE
            reactor.stop()

    def ended(result: object) -> None:
        nonlocal status
        if stopping:
            return
        status = _tell(result) if isinstance(result, Failure) else Exit.FINE
        reactor.stop()

    reactor.callWhenRunning(begin)
    reactor.run()
    return status


def _tell(failure: Failure) -> int:
    """Say what ``failure`` is. Return the exit status for it."""
    error = failure.value
    if isinstance(error, Refused | CannotConnect | LinkLost | Untrusted):
        sys.stderr.write(f"{error}\n")
    else:
        traceback.print_exception(error)
    return status_of(error)


@implementer(ILogObserver)
class _News:
    """Prints what a person should know."""

    def __call__(self, event: LogEvent) -> None:
        if str(event.get("log_namespace")).startswith("chatnet.client.") and "text" in event:
            for line in plain_lines(str(event["text"])):
                sys.stderr.write(f"{line}\n")
        elif event.get("log_level", LogLevel.info) >= LogLevel.critical:
            failure = event.get("log_failure")
            if isinstance(failure, Failure):
                traceback.print_exception(failure.value)
