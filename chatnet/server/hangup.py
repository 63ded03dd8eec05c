"""SIGHUP, by which a server is told to read its configuration again."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol


class Threads(Protocol):
    """What of a reactor may be called from anywhere."""

    def callFromThread(self, call: Callable[[], object]) -> object:  # noqa: N802 -- Twisted's name
        """Call ``call`` in the reactor's turn."""


class Hangup:
    """Takes the signal, unless somebody has it: in a terminal it ends the server, as ever."""

    def __init__(self) -> None:
        self._ours: Any = None

    def start(self, reactor: Threads, call: Callable[[], object]) -> None:
        """Call ``call`` each time."""
        if sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty():
            return
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL:
            return

        def ours(*_: object) -> None:
            reactor.callFromThread(call)

        with suppress(ValueError):  # this is not the main thread
            signal.signal(signal.SIGHUP, ours)
            self._ours = ours

    def stop(self) -> None:
        """Let it go, unless somebody else has it by now."""
        if self._ours is not None and signal.getsignal(signal.SIGHUP) is self._ours:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
        self._ours = None
