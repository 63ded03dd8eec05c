"""One connection to a server: lines out, lines in, and a watch on its silence."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime
from twisted.internet.protocol import Factory
from zope.interface import implementer

from chatnet.client.frames import encode
from chatnet.core.commands import Command, Ping
from chatnet.interfaces import ISession
from chatnet.wires.lines import LineWire

PING_SECONDS = 45.0  # between two signs of life that are asked for
SILENT_SECONDS = 120.0  # without any, after which a link is dead
GREETING_SECONDS = 20.0  # until the first
ANSWER_SECONDS = 10.0  # without any, after which one that was asked for is overdue
LOOK_SECONDS = 5.0  # between two looks at it
LATE_SECONDS = 5.0  # after which it was us who slept, and not the other side that was silent


@implementer(ISession)
class Connection:
    """Passes on each line that comes, and cuts a wire on which none comes for too long.

    Before that ``silent`` is told how many seconds nothing came though something was asked for; 0
    when something comes again.
    """

    def __init__(
        self,
        wire: LineWire,
        clock: IReactorTime,
        hear: Callable[[bytes], None],
        silent: Callable[[float], None],
    ) -> None:
        self.closed: Deferred[None] = Deferred(lambda _: self.abort())
        self.greeted = False  # something came
        self._wire = wire
        self._clock = clock
        self._hear = hear
        self._silent = silent
        self._silence = 0.0  # that was told
        self._heard_at = 0.0
        self._asked_at: float | None = None  # first, since something was heard
        self._coming = 0  # bytes of a line that had come when we looked last
        self._due = 0.0  # when to look next
        self._timers: list[IDelayedCall] = []

    def send(self, command: Command, cid: str | None = None) -> None:
        """Send ``command``, named ``cid``."""
        self._put(encode(command, cid))

    def write(self, line: bytes) -> None:
        """Send ``line``, to which there is an answer."""
        if self._asked_at is None:
            self._asked_at = self._clock.seconds()
        self._put(line)

    def _put(self, line: bytes) -> None:
        if self._wire.connected:
            self._wire.write(line)

    def abort(self) -> None:
        """Cut the wire."""
        if self._wire.connected:
            self._wire.abort()

    def begin(self) -> None:
        self._heard_at = self._clock.seconds()
        self._timers.append(self._clock.callLater(PING_SECONDS, self._ask))
        self._look()

    def hear(self, units: Sequence[bytes]) -> int:
        return 0

    def receive(self, unit: bytes) -> None:
        self.greeted = True
        self._heard_at, self._asked_at = self._clock.seconds(), None
        if self._silence:
            self._tell(0.0)
        self._hear(unit)

    def overlong(self, limit: int) -> None:
        """Cannot be: lines may have any length."""

    def late(self) -> None:
        """Cannot be: lines may take their time."""

    def finish(self, cut: bool) -> None:
        self._wire.close()

    def queued(self) -> None:
        """Go on: the transport sends it when it can."""

    def end(self) -> None:
        for timer in self._timers:
            if timer.active():
                timer.cancel()
        if not self.closed.called:
            self.closed.callback(None)

    def pauseProducing(self) -> None:
        """The wire is full; what is sent now waits in it, and is bounded by the outbox."""

    def resumeProducing(self) -> None:
        """The wire has room again."""

    def stopProducing(self) -> None:
        """The wire is gone."""

    def _ask(self) -> None:
        self.write(encode(Ping()))
        self._timers.append(self._clock.callLater(PING_SECONDS, self._ask))

    def _look(self) -> None:
        """Look whether the other side lives, and when to look again."""
        now = self._clock.seconds()
        limit = SILENT_SECONDS if self.greeted else GREETING_SECONDS
        if self._due and now - self._due > LATE_SECONDS:
            self._heard_at = now
        if self._wire.coming != self._coming:  # a large message, on a slow line
            self._coming, self._heard_at = self._wire.coming, now
        silence = now - self._heard_at
        if silence >= limit:
            self.abort()
            return
        asked = self._asked_at
        overdue = asked is not None and now - max(asked, self._heard_at) >= ANSWER_SECONDS
        self._tell(silence if overdue else 0.0)
        self._due = min(now + LOOK_SECONDS, self._heard_at + limit)
        self._timers.append(self._clock.callLater(self._due - now, self._look))
        self._timers = [timer for timer in self._timers if timer.active()]

    def _tell(self, silence: float) -> None:
        if silence != self._silence:
            self._silence = silence
            self._silent(silence)


class Connections(Factory):
    """Builds a connection for a link."""

    noisy = False

    def __init__(
        self,
        clock: IReactorTime,
        hear: Callable[[bytes], None],
        silent: Callable[[float], None],
    ) -> None:
        self._clock = clock
        self._hear = hear
        self._silent = silent

    def buildProtocol(self, addr: IAddress | None) -> LineWire:
        """Return a wire with a connection behind it."""
        wire = LineWire(self._clock, 0)
        wire.session = Connection(wire, self._clock, self._hear, self._silent)
        return wire
