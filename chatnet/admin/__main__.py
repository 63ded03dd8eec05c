"""``python -m chatnet.admin``: the operator's console, one thing at a time, or a store's care."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ReactorNotRunning
from twisted.logger import globalLogBeginner
from twisted.python.failure import Failure

from chatnet.admin import importing
from chatnet.admin.calling import Calls
from chatnet.admin.commandline import USAGE, Asked, by_itself, parse, secret
from chatnet.admin.grammar import Given, Kind, Verb
from chatnet.admin.oneshot import DONE, OneShot
from chatnet.admin.verbs import help_on, help_text, understand
from chatnet.core.refusals import Malformed

_BROKEN, _INTERRUPTED = 70, 130  # the exit statuses of a bug, and of Ctrl-C


def main(words: list[str]) -> int:
    """Do what ``words`` say. Return the exit status."""
    alone = by_itself(words)
    if alone:
        from chatnet.admin.keeping import main as keep

        return keep(alone)
    try:
        asked = parse(words)
        if not asked.words:
            return (
                _console(asked) if sys.stdin is not None and sys.stdin.isatty() else _piped(asked)
            )
        if asked.words[0] == "help":
            sys.stdout.write((help_on(asked.words[1:]) if asked.words[1:] else help_text()) + "\n")
            return DONE
        return _once(asked)
    except Malformed as error:
        sys.stderr.write(f"chatnet: {error}\n")
        return USAGE
    except KeyboardInterrupt:  # at a password
        return _INTERRUPTED


def _once(asked: Asked) -> int:
    if asked.words[-1] in ("--help", "-h"):
        sys.stdout.write(help_on(asked.words[:-1]) + "\n")
        return DONE
    laying = list(asked.words[:2]) == importing.WORDS
    if laying and len(asked.words) != 3:
        raise Malformed("Use it like this: ban import FILE")
    verb, given = understand(asked.words)
    _ask_secrets(verb, given)  # before the reactor runs, which would swallow Ctrl-C
    from twisted.internet import reactor  # noqa: TID251 -- a program begins here

    shot = OneShot(Calls(reactor, asked.where, _tell), asked.json)
    if laying:
        clock: Any = reactor
        return _run(reactor, shot.lay(asked.words[2], clock.seconds()), _INTERRUPTED)
    return _run(reactor, shot.do(verb, given), DONE if verb.name == "watch" else _INTERRUPTED)


def _ask_secrets(verb: Verb, given: Given) -> None:
    for argument in verb.arguments:
        if argument.kind is Kind.SECRET:
            if argument.name in given.values:
                raise Malformed(f"A {argument.name} is not for the command line: it is asked for.")
            given.values[argument.name] = secret(f"{argument.name.capitalize()}: ")


def _console(asked: Asked) -> int:
    from twisted.internet import asyncioreactor

    asyncioreactor.install(asyncio.new_event_loop())
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    from twisted.internet import reactor  # noqa: TID251 -- a program begins here

    from chatnet.admin.console import Console

    console = Console(Calls(reactor, asked.where, _tell), asked.where)
    return _run(reactor, console.converse(), _INTERRUPTED)


def _piped(asked: Asked) -> int:
    if sys.stdin is None:
        raise Malformed("Without a VERB, standard input says what to do, and it is closed.")
    from twisted.internet import reactor  # noqa: TID251 -- a program begins here

    from chatnet.admin.piped import Lines, Piped
    from chatnet.client import standard

    lines = Lines()
    shot = OneShot(Calls(reactor, asked.where, _tell), asked.json)
    with standard.piped(lines, reactor):
        return _run(reactor, Piped(shot, lines).converse(), _INTERRUPTED)


def _run(reactor: Any, work: Coroutine[Deferred[Any], Any, int], interrupted: int) -> int:
    """Return what ``work`` does, or ``interrupted``."""
    globalLogBeginner.beginLoggingTo([], redirectStandardIO=False, discardBuffer=True)
    status, stopping = interrupted, False
    going: Deferred[None] | None = None

    def start() -> None:
        nonlocal going
        going = Deferred.fromCoroutine(work).addBoth(ended)

    def stop() -> Deferred[None] | None:
        nonlocal stopping
        stopping = True
        if going is not None:
            going.cancel()  # or it would say that the server is gone, and leave a terminal as it is
        return going

    def ended(result: int | Failure) -> None:
        nonlocal status
        if stopping:
            return
        if isinstance(result, Failure):
            sys.stderr.write(f"chatnet: something broke, which is a bug: {result.value!r}\n")
            status = _BROKEN
        else:
            status = result
        with suppress(ReactorNotRunning):
            reactor.stop()

    reactor.addSystemEventTrigger("before", "shutdown", stop)
    reactor.callWhenRunning(start)
    reactor.run()
    return status


def _tell(sentence: str) -> None:
    sys.stderr.write(f"chatnet: {sentence}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
