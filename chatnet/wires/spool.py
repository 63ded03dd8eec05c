"""What is sent in parts, as the transport takes them: a large message waits as a place in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from zope.interface import implementer


class Source(Protocol):
    """Something large, of which one takes part after part."""

    def take(self) -> bytes:
        """Return the next part; ``b""`` if that was all."""

    def close(self) -> None:
        """Take no more."""


@implementer(IPushProducer)
class Spool:
    """What the transport takes for the producer: it holds the session back while parts go out."""

    __slots__ = ("_clock", "_full", "_next", "_session", "_then", "_write", "queue", "sent")

    def __init__(
        self, clock: IReactorTime, session: IPushProducer, write: Callable[[bytes], None]
    ) -> None:
        self.sent = 0  # parts so far
        self._clock = clock
        self._session = session
        self._write = write
        self.queue: list[bytes | Source] = []  # to be sent before anything new
        self._full = False  # the transport takes no more for now
        self._next: IDelayedCall | None = None
        self._then: Callable[[], None] | None = None  # what to do instead of letting go on

    def add(self, item: bytes | Source) -> None:
        """Send ``item`` after all that is here: a part in each turn of the reactor."""
        first = not self.queue
        self.queue.append(item)
        if first:
            self._session.pauseProducing()
            self._later()

    def finish(self, then: Callable[[], None]) -> None:
        """Do ``then`` when all is sent."""
        self._then = then
        if not self.queue:
            then()

    def clear(self) -> None:
        """Send no more."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        while self.queue:
            self._drop()

    def pauseProducing(self) -> None:
        """The transport is full."""
        self._full = True
        if not self.queue:
            self._session.pauseProducing()

    def resumeProducing(self) -> None:
        """The transport has room again."""
        self._full = False
        if self.queue:
            self._later()
        else:
            self._session.resumeProducing()

    def stopProducing(self) -> None:
        """The transport is gone."""
        self._session.stopProducing()

    def _later(self) -> None:
        if self._next is None:
            self._next = self._clock.callLater(0, self._send)

    def _send(self) -> None:
        self._next = None
        if self._full:
            return
        item = self.queue[0]
        part = item if isinstance(item, bytes) else item.take()
        if not part or part is item:
            self._drop()
        if part:
            self.sent += 1
            self._write(part)
        if self.queue:
            self._later()
        elif self._then is not None:
            self._then()
        elif not self._full:
            self._session.resumeProducing()

    def _drop(self) -> None:
        item = self.queue.pop(0)
        if not isinstance(item, bytes):
            item.close()
