"""What an operator who watches is told: what the server's log is told of the chat, but no words."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogPublisher
from zope.interface import implementer

from chatnet.admin.calls import Happened, packed, page

MOST_WAITING = 2000  # rows for an operator who does not read


class Caller(Protocol):
    """What is needed of the connection."""

    def callRemote(  # noqa: N802 -- Twisted's name
        self,
        commandType: type[Happened],  # noqa: N803
        *args: object,
        **kw: object,
    ) -> Deferred[object] | None:
        """Call ``commandType`` at the other end."""


@implementer(ILogObserver)
class Watch:
    """Passes on what is logged, a page at a time; what is too much is counted."""

    def __init__(
        self,
        caller: Caller,
        clock: IReactorTime,
        may: Callable[[], bool],
        keeps: Callable[[LogEvent], bool],
    ) -> None:
        """Tell ``caller``, as long as it ``may`` know, of what the log ``keeps``."""
        self._may = may
        self._keeps = keeps
        self._caller = caller
        self._clock = clock
        self._waiting: deque[str] = deque()
        self._missed = 0
        self._busy = False  # a page is on its way, or about to be
        globalLogPublisher.addObserver(self)

    def stop(self) -> None:
        """Pass on nothing more."""
        self._waiting.clear()
        globalLogPublisher.removeObserver(self)

    def __call__(self, event: LogEvent) -> None:
        """Note that something was logged."""
        namespace = str(event.get("log_namespace", ""))
        if not namespace.startswith("chatnet.") or namespace == "chatnet.transcript":
            return
        if not self._keeps(event):
            return
        if len(self._waiting) >= MOST_WAITING:
            self._missed += 1
            return
        level = event.get("log_level", LogLevel.info)
        row = {
            "at": float(event.get("log_time", 0.0)),
            "level": getattr(level, "name", "info"),
            "text": formatEvent(event),
        }
        self._waiting.append(packed(row))
        if not self._busy:
            self._busy = True
            self._clock.callLater(0, self._pass_on)

    def _pass_on(self, _: object = None) -> None:
        if not self._may():
            self.stop()
            return
        if self._missed and len(self._waiting) < MOST_WAITING:
            missed, self._missed = self._missed, 0
            text = f"{missed:,} lines were left out"
            self._waiting.append(
                packed({"at": self._clock.seconds(), "level": "warn", "text": text})
            )
        rows = list(self._waiting)
        fit = page(rows)
        self._busy = bool(fit)
        if not fit:
            return
        for _row in range(fit):
            self._waiting.popleft()
        sent = self._caller.callRemote(Happened, rows=rows[:fit])
        if sent is not None:
            sent.addCallbacks(self._pass_on, lambda _: None)
