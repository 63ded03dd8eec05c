"""The line wire: one line, one unit, over TCP or TLS."""

from __future__ import annotations

from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IHandshakeListener,
    IReactorTime,
    ISSLTransport,
)
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

from chatnet.wires.budget import Budget
from chatnet.wires.outlet import SHORT, Outlet

AT_ONCE = 512  # lines of a chunk that are split: of one who is held back, one may be heard


@implementer(IHandshakeListener, IHalfCloseableProtocol)
class LineWire(Outlet, LineReceiver):
    """Carries lines between a transport and a session.

    Takes ``LineReceiver``'s place in splitting: a chunk is split once, what a held wire has left
    over is put back, and a line in many chunks grows in one place.
    """

    delimiter = b"\n"
    _log = Logger()

    def __init__(
        self, clock: IReactorTime, longest: int = SHORT, budget: Budget | None = None
    ) -> None:
        """Take lines of up to ``longest`` bytes, or, if that is 0, of any length."""
        super().__init__(clock, longest, self.pauseProducing, self._opened, budget)
        self._line = bytearray()  # whose end has not come
        self._overlong = False  # the line that is coming is too long, and is dropped
        self._waiting: list[bytes] = []  # what came while the gate was shut
        self._splitting = False
        self._ended = self._finished = False  # the other side sends no more; the session knows
        self._lost = False  # and reads no more; but what it said before is not all heard yet

    # -- in ------------------------------------------------------------------------

    def connectionMade(self) -> None:
        # On TLS a write before the handshake counts as a full wire, which stops its input, and
        # with it the handshake.
        if not ISSLTransport.providedBy(self.transport):
            self.handshakeCompleted()

    def handshakeCompleted(self) -> None:
        """Both sides can speak now."""
        self._begin()

    def dataReceived(self, data: bytes) -> None:
        """Split ``data`` into lines, as far as the session takes them."""
        if self._cutting is not None:
            return
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
            self._part()

    def lineReceived(self, line: bytes) -> None:
        self.session.receive(line.removesuffix(b"\r"))
        self._ease()

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
        # What was said before hanging up is heard: TLS has no half-closed connections.
        self._lost = self._ended = True
        if self._cutting is None:
            self.session.stopProducing()
            self._detach()
        else:
            self._waiting.clear()
        self._part()

    def close(self) -> None:
        if self._lost:
            self._waiting.clear()
            self._part()
        else:
            super().close()

    def _part(self) -> None:
        """End, if the other side is gone and no more of what it said will be heard."""
        more = self._splitting or (self._waiting and not self._gate.for_good)
        if self._lost and not more:
            self._lost, self._finished = False, True
            self._waiting.clear()
            self._end()

    def _split(self, data: bytes) -> None:
        lines = data.split(self.delimiter, AT_ONCE)
        rest = lines.pop()
        if not lines:
            self._keep(rest)
            return
        more = len(lines) == AT_ONCE  # the rest may be many
        size = len(data)
        if self._line or self._overlong:
            self._keep(lines[0], True)
            lines[0] = bytes(self._line)
            size += len(lines[0])
            if self._overlong:
                del lines[0]
            self._overlong = False
            self._line.clear()
            self._complete()
        receive, longest = self.lineReceived, self._longest or size
        heard = 0
        if lines and not self._claim and (size <= longest or max(map(len, lines)) <= longest):
            heard = self.session.hear(lines)
            if heard and self._gate.shut:
                self._waiting.insert(0, self.delimiter.join([*lines[heard:], rest]))
                return
        for count, line in enumerate(lines[heard:] if heard else lines, heard + 1):
            if len(line) > longest:
                self.lineLengthExceeded(line)
            else:
                receive(line)
            if self._gate.shut:  # what is left waits until it opens
                self._waiting.insert(0, self.delimiter.join([*lines[count:], rest]))
                return
        if more:
            self._waiting.insert(0, rest)
        else:
            self._keep(rest)

    def _keep(self, part: bytes, last: bool = False) -> None:
        if self._overlong or not part:
            return
        self._line += part
        if self._longest and len(self._line) > self._longest:
            self._drop()
            self.lineLengthExceeded(part)
        elif not last:
            self._weigh(len(self._line))

    def _drop(self) -> None:
        self._line.clear()
        self._overlong = True
        super()._drop()

    def _opened(self) -> None:
        """Go on with what waits, then with what the transport has."""
        if self._waiting and not self._splitting:
            self.paused = False
            waiting, self._waiting = self._waiting, []
            self.dataReceived(b"".join(waiting))
        elif self._ended:
            self._finish()
        self._part()
        if not (self._ended or self._gate.shut):
            self.resumeProducing()

    def _finish(self) -> None:
        """Tell the session that its input has ended, once it has taken all of it."""
        if not (self._splitting or self._waiting or self._gate.shut or self._finished):
            self._finished = True
            self.session.finish(bool(self._line) or self._overlong)
