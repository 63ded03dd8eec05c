"""Finds connections whose other side is gone while something was on its way to it.

TCP's keepalive asks only where nothing is: what is sent and not acknowledged is repeated for a
quarter of an hour. ``TCP_USER_TIMEOUT`` would shorten that, and also cut off those who are there
and do not read. So it is looked for how long nothing was acknowledged.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from chatnet.core.limits import Limits

ROUND = 10  # seconds in which all are looked at once, in as many parts


class Line(Protocol):
    """A connection."""

    id: str

    def unheard(self) -> float:
        """Return for how many seconds nothing was acknowledged of what waits for that."""
        ...

    def abort(self) -> None:
        """Cut it."""


class Lost:
    """Cuts those who are gone."""

    _log = Logger()

    def __init__(self, clock: IReactorTime, lines: Iterable[Line], limits: Limits) -> None:
        """Look at ``lines``, for those that were silent as long as ``limits`` allow."""
        self._clock = clock
        self._lines = lines
        self._limits = limits
        self._next: list[Line] = []
        self._portion = 1
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Begin."""
        self._call = self._clock.callLater(1, self._look)

    def stop(self) -> None:
        """End."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _look(self) -> None:
        self.start()
        if not self._next:
            self._next = list(self._lines)
            self._portion = 1 + len(self._next) // ROUND
        portion, self._next = self._next[: self._portion], self._next[self._portion :]
        for line in portion:
            if line.unheard() >= self._limits.silence.most:
                self._log.info("connection {id} is lost: nobody answers", id=line.id)
                line.abort()
