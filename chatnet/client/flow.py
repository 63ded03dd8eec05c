"""What goes over a connection, and when: no faster than the server hears it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from chatnet.client.outbox import Pending

MOST = 16  # commands without an answer that are on their way
LONGEST_SECONDS = 60.0  # of a wait, whatever a server says
EASE_SECONDS = 12.0  # after a wait, for which it is one


class Flow:
    """Sends commands in their order: some at once, and one after the other where it has to wait.

    What a server holds back waits on the wire, and who fills that again and again is muted. So
    each ``Wait`` is kept here, where it costs nothing.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._write: Callable[[bytes], None] | None = None
        self._waiting: deque[Pending] = deque()
        self._flying: set[str] = set()  # cids
        self._timer: IDelayedCall | None = None
        self._eases_at = 0.0  # when it is some at once again

    def __len__(self) -> int:
        """How many are not on their way."""
        return len(self._waiting)

    def begin(self, write: Callable[[bytes], None]) -> None:
        """Send with ``write`` from now on."""
        self._write = write

    def end(self) -> None:
        """The connection is gone, and all that was to go over it."""
        self._write, self._eases_at = None, 0.0
        self._waiting.clear()
        self._flying.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def put(self, pending: Pending) -> None:
        """Send ``pending``, when its turn comes."""
        if self._write is not None:
            self._waiting.append(pending)
            self._go_on()

    def answered(self, cid: str) -> None:
        """The command named ``cid`` is done."""
        self._flying.discard(cid)
        self._go_on()

    def wait(self, seconds: float) -> None:
        """Send nothing for ``seconds``."""
        if self._write is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        seconds = min(max(0.0, seconds), LONGEST_SECONDS)
        self._timer = self._clock.callLater(seconds, self._waited)

    def _waited(self) -> None:
        self._timer, self._eases_at = None, self._clock.seconds() + EASE_SECONDS
        self._go_on()

    def _go_on(self) -> None:
        most = 1 if self._clock.seconds() < self._eases_at else MOST
        while self._waiting and self._timer is None and len(self._flying) < most:
            pending = self._waiting.popleft()
            self._flying.add(pending.cid)
            if self._write is not None:
                self._write(pending.line)
