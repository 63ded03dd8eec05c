"""One port for every kind of client: the first bytes tell which it is."""

from __future__ import annotations

from typing import Protocol as Shape

from twisted.internet.interfaces import (
    IDelayedCall,
    IHalfCloseableProtocol,
    IHandshakeListener,
    IProtocol,
    IReactorTime,
    ISSLTransport,
    ITCPTransport,
    ITransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

GREET_SECONDS = 1.0  # of silence, after which a client is taken for a person who waits
HANDSHAKE_SECONDS = 20.0
LINGER_SECONDS = 2.0  # for one that is turned away to read why


class House(Shape):
    """What a port needs of those inside."""

    def admit(self, door: OnePort) -> bytes | None:
        """Count ``door`` in; or return what to tell it before it is closed."""
        ...

    def depart(self, door: OnePort) -> None:
        """Count ``door`` out."""

    def recognise(self, door: OnePort, first: bytes) -> IProtocol | None:
        """Return the protocol of a client whose first bytes are ``first``.

        Without any, that of a person who waits to be spoken to; None if it takes more bytes.
        """
        ...


@implementer(IHandshakeListener, IHalfCloseableProtocol)
class OnePort(Protocol):
    """Listens first, then hands the transport to the protocol that the client speaks."""

    def __init__(self, house: House, clock: IReactorTime, address: str) -> None:
        self.id = ""  # given when it is let in
        self.address = address
        self.inner: IProtocol | None = None
        self._house = house
        self._clock = clock
        self._first = b""
        self._timer: IDelayedCall | None = None
        self._admitted = False
        self._deaf = False  # it is being told to go

    def connectionMade(self) -> None:
        if ITCPTransport.providedBy(self.transport):
            ITCPTransport(self.transport).setTcpNoDelay(True)
            ITCPTransport(self.transport).setTcpKeepAlive(True)
        refusal = self._house.admit(self)
        if refusal is not None:
            self.turn_away(refusal)
            return
        self._admitted = True
        if ISSLTransport.providedBy(self.transport):
            self._timer = self._clock.callLater(HANDSHAKE_SECONDS, self.abort)
        else:
            self.handshakeCompleted()

    def handshakeCompleted(self) -> None:
        """Both sides can speak; the client may go first."""
        self._stop_waiting()
        if self.inner is None and not self._deaf:
            self._timer = self._clock.callLater(GREET_SECONDS, self._silence)

    def dataReceived(self, data: bytes) -> None:
        if self._deaf:
            return
        self._first += data
        self._choose()

    def readConnectionLost(self) -> None:
        """The client sends no more; it may have said all it wanted to."""
        if self.inner is None and not self._deaf:
            self._silence()
        inner: object = self.inner
        if IHalfCloseableProtocol.providedBy(inner):
            IHalfCloseableProtocol(inner).readConnectionLost()
        else:
            ITransport(self.transport).loseConnection()

    def writeConnectionLost(self) -> None:
        """The client reads no more; or it is being turned away."""
        if not self._deaf:
            self.abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stop_waiting()
        if self._admitted:
            self._house.depart(self)
        if self.inner is not None:
            self.inner.connectionLost(reason)

    def turn_away(self, words: bytes) -> None:
        """Say ``words`` to a client of whom nothing is known, and close.

        What it says itself is still read for a moment, and thrown away: to close with something
        unread would take the words back.
        """
        self._deaf = True
        ITransport(self.transport).write(words)
        if ITCPTransport.providedBy(self.transport):
            ITCPTransport(self.transport).loseWriteConnection()
            self._stop_waiting()
            self._timer = self._clock.callLater(LINGER_SECONDS, self.abort)
        else:
            ITransport(self.transport).loseConnection()

    def abort(self) -> None:
        """Close now."""
        getattr(self.transport, "abortConnection", ITransport(self.transport).loseConnection)()

    def _silence(self) -> None:
        if not (self._deaf or self._first):
            self._choose()

    def _choose(self) -> None:
        inner = self._house.recognise(self, self._first)
        if inner is None:
            return
        self._stop_waiting()
        self.inner, first, self._first = inner, self._first, b""
        inner.makeConnection(ITransport(self.transport))
        if ISSLTransport.providedBy(self.transport) and IHandshakeListener.providedBy(inner):
            IHandshakeListener(inner).handshakeCompleted()  # it was, before the first byte
        self.dataReceived = inner.dataReceived  # type: ignore[method-assign]
        if first:
            inner.dataReceived(first)

    def _stop_waiting(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
