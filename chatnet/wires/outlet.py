"""The sending half of a wire, and its gate: what lines and WebSocket messages have in common."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import (
    IConsumer,
    IDelayedCall,
    IPushProducer,
    IReactorTime,
    ITransport,
)
from twisted.internet.tcp import Connection

from chatnet.interfaces import ISession
from chatnet.wires.gate import Gate
from chatnet.wires.gone import GONE

SHORT = 4096  # bytes of a unit, until the session allows more
CLOSE_SECONDS = 5.0  # from the wish to close until the connection is cut


class Outlet:
    """Writes what a session says, and stops reading when the session wants it to."""

    session: ISession
    transport: ITransport | None
    _plain: Connection | None = None  # the transport, if it is TCP without TLS
    _cutting: IDelayedCall | None = None

    def __init__(
        self,
        clock: IReactorTime,
        longest: int,
        shut: Callable[[], None],
        open_: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._longest = longest
        self._gate = Gate(shut, open_)
        self.hold = self._gate.hold
        self.release = self._gate.release

    def allow(self, longest: int) -> None:
        """Take units of up to ``longest`` bytes from now on; 0: of any length."""
        self._longest = longest

    def write(self, data: bytes) -> None:
        """Send ``data``: at once if nothing waits before it, without asking the reactor twice."""
        plain = self._plain
        if (
            plain is None
            or plain.dataBuffer
            or plain._tempDataBuffer
            or plain.disconnecting
            or not plain.connected
            or plain.TLS
        ):
            ITransport(self.transport).write(data)
            return
        try:
            sent = plain.socket.send(data)
        except OSError:  # full, or broken: the reactor finds out which
            sent = 0
        if sent < len(data):
            plain.write(data[sent:])

    def close(self) -> None:
        """Close once everything is sent, or in a few seconds."""
        if self._cutting is None and self.transport is not None:
            IConsumer(self.transport).unregisterProducer()  # TLS waits for a registered producer
            self.session.stopProducing()  # for nobody says when to wait any more
            self._cutting = self._clock.callLater(CLOSE_SECONDS, self._cut)
            IPushProducer(self.transport).resumeProducing()  # to hear the other side close
            self._say_goodbye()

    def abort(self) -> None:
        """Close now; what was not sent is lost."""
        transport = ITransport(self.transport)
        abort: Callable[[], None] = getattr(transport, "abortConnection", transport.loseConnection)
        abort()

    def _begin(self) -> None:
        """Let the session speak: both sides can."""
        transport: object = self.transport
        if isinstance(transport, Connection):
            self._plain = transport
        # The session and not self: a wire's own pauseProducing means "pause input".
        IConsumer(self.transport).registerProducer(self.session, True)
        self.session.begin()

    def _say_goodbye(self) -> None:
        ITransport(self.transport).loseConnection()

    def _end(self) -> None:
        """Let the session know that the connection is gone."""
        if self._cutting is not None:
            self._cutting.cancel()
            self._cutting = None
        self.session.end()
        self._detach()

    def _detach(self) -> None:
        """Let go of the transport, and what it could not send.

        Wire and session hold each other until the garbage collector comes by, which is seldom.
        """
        self._plain, self.transport = None, GONE

    def _cut(self) -> None:
        self._cutting = None
        self.abort()
