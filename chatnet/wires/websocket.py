"""The WebSocket wire: one message, one unit (RFC 6455)."""

from __future__ import annotations

from twisted.internet import tcp
from twisted.internet.interfaces import (
    IDelayedCall,
    IHalfCloseableProtocol,
    IPushProducer,
    IReactorTime,
    ITransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from wsproto.connection import Connection, ConnectionState
from wsproto.events import (
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    TextMessage,
)
from wsproto.frame_protocol import CloseReason
from zope.interface import implementer

from chatnet.core.limits import Limits
from chatnet.wires.budget import Budget
from chatnet.wires.outlet import SHORT, Outlet

LONGEST = 3600.0  # seconds between two looks, if nobody is asked for signs of life
TURN_FRAMES = 512  # that are taken in one turn of the reactor, whatever is in them
_HEARS = (ConnectionState.OPEN, ConnectionState.LOCAL_CLOSING)


@implementer(IHalfCloseableProtocol)
class WebSocketWire(Outlet, Protocol):
    """Carries text messages between a transport and a session.

    What the session writes is whole frames already, see ``chatnet.dialects.framed``: they are made
    once for all readers. A message that is too long is dropped while it arrives.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        frames: Connection,
        longest: int = SHORT,
        budget: Budget | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Begin where the handshake, of which ``frames`` came, has ended.

        ``limits`` say when a sign of life is asked for, and when the other side is dead.
        """
        super().__init__(clock, longest, self._shut, self._opened, budget)
        self._frames = frames
        self._limits = limits or Limits()
        self._message = bytearray()  # of which more is to come
        self._overlong = False  # the message that is coming is too long, and is dropped
        self._receiving = False
        self._tired = False  # enough frames were taken for one turn of the reactor
        self._failed = False  # what comes cannot be understood any more
        self._heard_at = 0.0
        self._watch: IDelayedCall | None = None

    # -- in ------------------------------------------------------------------------

    def connectionMade(self) -> None:
        self._heard_at = self._clock.seconds()
        self._watch_later()
        IPushProducer(self.transport).resumeProducing()  # HTTP may have paused it
        self._begin()

    def dataReceived(self, data: bytes) -> None:
        """Take what frames are in ``data``, as far as the session takes them."""
        self._heard_at = self._clock.seconds()
        if not self._failed and self._frames.state in _HEARS:
            self._frames.receive_data(data)
            self._receive()

    def readConnectionLost(self) -> None:
        """The other side sends no more: not even that it closes."""
        ITransport(self.transport).loseConnection()

    def writeConnectionLost(self) -> None:
        """The other side reads no more, or was told all there is to tell."""
        if not self._failed:
            self.abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        self._failed = True  # what was not taken yet is not heard any more
        self._end()

    def _receive(self) -> None:
        if self._receiving:
            return
        self._receiving = True
        try:
            # What is not taken while the gate is shut stays with the frames.
            while self._listens() and self._receive_some():
                pass
        except Exception:
            self._log.failure("a session broke")
            self.close()
        finally:
            self._receiving = False

    def _receive_some(self) -> bool:
        """Take frames until there are no more, or the gate is shut; return whether any came."""
        came = 0
        for event in self._frames.events():
            came += 1
            self._happened(event)
            if came == TURN_FRAMES:  # most of them are no messages, which the session counts
                self._tired = True
                self.hold("frames")
                self._clock.callLater(0, self._rested)
            if not self._listens():
                break
        return bool(came)

    def _listens(self) -> bool:
        if self._failed or self._tired:
            return False
        return self._cutting is not None or not self._gate.shut

    def _rested(self) -> None:
        self._tired = False
        self.release("frames")
        self._receive()  # also if another reason holds it, while it closes

    def _happened(self, event: Event) -> None:
        match event:
            case CloseConnection():
                self._closed(event)
            case _ if self._cutting is not None:
                pass
            case TextMessage():
                self._said(event.data, event.message_finished)
            case Ping():
                self.write(self._frames.send(event.response()))
            case BytesMessage():
                self._fail(CloseReason.UNSUPPORTED_DATA, "text messages only")

    def _said(self, data: str, finished: bool) -> None:
        if self._overlong:
            self._overlong = not finished
            return
        part = data.encode()
        if self._longest and self._length + len(part) > self._longest:
            self._drop()
            self._overlong = not finished
            self.session.overlong(self._longest)
            return
        if not finished:
            self._message += part
            self._weigh(len(self._message))
            return
        if self._message:
            self._message += part
            part = bytes(self._message)
            self._message.clear()
        self._complete()
        self.session.receive(part)
        self._ease()

    def _drop(self) -> None:
        self._message.clear()
        self._overlong = True
        super()._drop()

    def _closed(self, event: CloseConnection) -> None:
        """The other side closes, or sent what is no frame."""
        if self._frames.state is ConnectionState.REMOTE_CLOSING:
            self.write(self._frames.send(event.response()))
        elif self._frames.state is ConnectionState.OPEN:
            self._fail(event.code, event.reason)
            return
        if self._cutting is None:
            super().close()
        else:
            super()._say_goodbye()
            self._failed = True  # that was the end of it, or is no frame

    def _fail(self, code: int, reason: str | None) -> None:
        self.write(self._frames.send(CloseConnection(code, reason)))
        self._failed = True
        super().close()

    def _shut(self) -> None:
        IPushProducer(self.transport).pauseProducing()

    def _opened(self) -> None:
        self._receive()
        if not self._gate.shut:
            IPushProducer(self.transport).resumeProducing()

    def _watch_later(self) -> None:
        self._watch = self._clock.callLater(min(self._limits.ping.most, LONGEST), self._look)

    def _look(self) -> None:
        """Ask for a sign of life, or take the other side for dead.

        Whoever is not listened to cannot give one.
        """
        self._watch_later()
        silent = self._clock.seconds() - self._heard_at
        if self._gate.shut:
            self._heard_at = self._clock.seconds()
        elif silent >= self._limits.silence.most:
            self.abort()
        elif silent >= self._limits.ping.most and self._frames.state is ConnectionState.OPEN:
            self.write(self._frames.send(Ping()))

    # -- out -----------------------------------------------------------------------

    def _say_goodbye(self) -> None:
        """Close as RFC 6455 section 7.1.2 has it: the other side closes as well, then it ends."""
        transport: object = self.transport
        if self._frames.state is ConnectionState.OPEN:
            self.write(self._frames.send(CloseConnection(CloseReason.NORMAL_CLOSURE)))
        elif self._failed and isinstance(transport, tcp.Connection):
            # To close with something unread would take back what it was told.
            transport.loseWriteConnection()
        else:
            ITransport(self.transport).loseConnection()
