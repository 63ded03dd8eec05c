"""The line wire: one line, one unit, over TCP or TLS."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import (
    IConsumer,
    IDelayedCall,
    IHalfCloseableProtocol,
    IHandshakeListener,
    IReactorTime,
    ISSLTransport,
    ITransport,
)
from twisted.internet.protocol import connectionDone
from twisted.internet.tcp import Connection
from twisted.logger import Logger
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

from chatnet.interfaces import ISession
from chatnet.wires.gate import Gate

SHORT = 4096  # bytes of a line, until the session allows more
CLOSE_SECONDS = 5.0  # from the wish to close until the connection is cut


@implementer(IHandshakeListener, IHalfCloseableProtocol)
class LineWire(LineReceiver):
    """Carries lines between a transport and a session.

    Takes ``LineReceiver``'s place in splitting: a chunk is split once, what a held wire has left
    over is put back, and a line in many chunks is joined once.
    """

    delimiter = b"\n"
    session: ISession
    _log = Logger()
    _plain: Connection | None = None  # the transport, if it is TCP without TLS

    def __init__(self, clock: IReactorTime, longest: int = SHORT) -> None:
        """Take lines of up to ``longest`` bytes, or, if that is 0, of any length."""
        self._clock = clock
        self._longest = longest
        self._parts: list[bytes] = []  # of a line whose end has not come
        self._length = 0  # of those parts
        self._overlong = False  # the line that is coming is too long, and is dropped
        self._waiting: list[bytes] = []  # what came while the gate was shut
        self._splitting = False
        self._ended = self._finished = False  # the other side sends no more; the session knows
        self._cutting: IDelayedCall | None = None
        self._gate = Gate(self.pauseProducing, self._opened)
        self.hold = self._gate.hold
        self.release = self._gate.release

    # -- in ------------------------------------------------------------------------

    def connectionMade(self) -> None:
        # On TLS a write before the handshake counts as a full wire, which stops its input, and
        # with it the handshake.
        if not ISSLTransport.providedBy(self.transport):
            self.handshakeCompleted()

    def handshakeCompleted(self) -> None:
        """Both sides can speak now."""
        transport: object = self.transport
        if isinstance(transport, Connection):
            self._plain = transport
        # The session and not self: LineReceiver.pauseProducing means "pause input".
        IConsumer(self.transport).registerProducer(self.session, True)
        self.session.begin()

    def dataReceived(self, data: bytes) -> None:
        """Split ``data`` into lines, as far as the session takes them."""
        if self._splitting or self._gate.shut:
            self._waiting.append(data)
            return
        self._splitting = True
        try:
            self._split(data)
            while self._waiting and not self._gate.shut:
                waiting, self._waiting = self._waiting, []
                self._split(b"".join(waiting))
        except Exception:
            self._log.failure("a session broke")
            self.close()
        finally:
            self._splitting = False
        if self._ended:
            self._finish()

    def lineReceived(self, line: bytes) -> None:
        self.session.receive(line.removesuffix(b"\r"))

    def lineLengthExceeded(self, line: bytes) -> None:
        """Tell the sender that its line is lost; the connection lives on."""
        self.session.overlong(self._longest)

    def readConnectionLost(self) -> None:
        """The other side sends no more, but may still read."""
        if not self._ended:
            self._ended = True
            self._finish()

    def writeConnectionLost(self) -> None:
        """The other side reads no more."""
        self.abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._cutting is not None:
            self._cutting.cancel()
            self._cutting = None
        self._waiting.clear()
        self.session.end()

    def _split(self, data: bytes) -> None:
        first, *lines = data.split(self.delimiter)
        if not lines:
            self._keep(first)
            return
        if self._parts or self._overlong:
            self._keep(first)
            first = b"".join(self._parts)
            overlong, self._overlong = self._overlong, False
            self._parts, self._length = [], 0
            if overlong:
                first, lines = lines[0], lines[1:]
        lines.insert(0, first)
        rest = lines.pop()
        receive, longest = self.lineReceived, self._longest or len(data) + self._length + len(first)
        for count, line in enumerate(lines, 1):
            if len(line) > longest:
                self.lineLengthExceeded(line)
            else:
                receive(line)
            if self._gate.shut:  # what is left waits until it opens
                self._waiting.insert(0, self.delimiter.join([*lines[count:], rest]))
                return
        self._keep(rest)

    def _keep(self, part: bytes) -> None:
        if self._overlong or not part:
            return
        self._parts.append(part)
        self._length += len(part)
        if self._longest and self._length > self._longest:
            self._parts, self._length, self._overlong = [], 0, True
            self.lineLengthExceeded(part)

    def _opened(self) -> None:
        """Go on with what waits, then with what the transport has."""
        if self._waiting and not self._splitting:
            self.paused = False
            waiting, self._waiting = self._waiting, []
            self.dataReceived(b"".join(waiting))
        elif self._ended:
            self._finish()
        if not (self._ended or self._gate.shut):
            self.resumeProducing()

    def _finish(self) -> None:
        """Tell the session that its input has ended, once it has taken all of it."""
        if not (self._splitting or self._waiting or self._gate.shut or self._finished):
            self._finished = True
            self.session.finish(bool(self._parts) or self._overlong)

    # -- out -----------------------------------------------------------------------

    def allow(self, longest: int) -> None:
        """Take lines of up to ``longest`` bytes from now on; 0: of any length."""
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
        if self._cutting is None and self.connected:
            IConsumer(self.transport).unregisterProducer()  # TLS waits for a registered producer
            ITransport(self.transport).loseConnection()
            self._cutting = self._clock.callLater(CLOSE_SECONDS, self._cut)

    def abort(self) -> None:
        """Close now; what was not sent is lost."""
        abort: Callable[[], None] = getattr(
            self.transport, "abortConnection", ITransport(self.transport).loseConnection
        )
        abort()

    def _cut(self) -> None:
        self._cutting = None
        self.abort()
