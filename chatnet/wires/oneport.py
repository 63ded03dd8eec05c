"""One port for every kind of client: the first bytes tell which it is."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from enum import Enum
from typing import Any, Protocol as Shape

from twisted.internet.interfaces import (
    IConsumer,
    IDelayedCall,
    IHalfCloseableProtocol,
    IHandshakeListener,
    INegotiated,
    IProtocol,
    IReactorTime,
    ISSLTransport,
    ITCPTransport,
    ITransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure
from zope.interface import implementer

from chatnet.core.addresses import party_of
from chatnet.core.refusals import Refused
from chatnet.wires.straight import Straight

GREET_SECONDS = 2.0  # of silence, after which a client is taken for a person who waits
HANDSHAKE_SECONDS = 20.0  # to say so much that it is known who speaks
HTTP_SECONDS = 120.0  # that a connection may go on asking for pages
LINGER_SECONDS = 2.0  # for one that is turned away to read why
PROBES = 5  # of TCP, that stay without an answer from one who is dead
LONGEST_PROBE = 30_000.0  # seconds that TCP counts
# Of Linux's tcp_info: the segments that are not acknowledged, and the milliseconds since the last
# time that something was.
_INFO = struct.Struct("=24xI28xI")
HTTP_ALPN = b"http/1.1"
_METHODS = tuple(
    method + b" "
    for method in (
        b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"CONNECT",
        b"PRI",
    )
)  # fmt: skip
_PROXY = (b"PROXY TCP4 ", b"PROXY TCP6 ", b"PROXY UNKNOWN")  # version 1
# What any of these may begin with, or TLS: then it takes more to know.
_BEGUN = frozenset(
    (b"\x16", *(word[:length] for word in (*_METHODS, *_PROXY) for length in range(len(word))))
)
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"  # of version 2
_PROXIED = (*_PROXY, SIGNATURE)


class Speech(Enum):
    """How a client speaks."""

    TLS = "tls"
    HTTP = "http"
    JSON = "json"
    TEXT = "text"
    PROXY = "proxy"  # it says for whom it is, which only those may who are asked before


def detect(first: bytes) -> Speech | None:
    """Return how a client speaks whose first bytes are ``first``; None if it takes more of them.

    TLS begins with a handshake record (RFC 8446 section 5.1), HTTP with a method (RFC 9110
    section 9), JSON with an object; anything else is a person, or a program that plays one. The
    PROXY protocol's version 2 is known only if its first bytes come together: they begin as a
    person does who presses Return.
    """
    if first[:1] == b"{":
        return Speech.JSON
    if first[:2] == b"\x16\x03":
        return Speech.TLS
    if first.startswith(_METHODS):
        return Speech.HTTP
    if first.startswith(_PROXIED):
        return Speech.PROXY
    if first in _BEGUN:
        return None
    return Speech.TEXT


class House(Shape):
    """What a port needs of those inside."""

    def admit(self, door: OnePort) -> None:
        """Count ``door`` in; or, if it is not let in, set its ``refusal``."""

    def depart(self, door: OnePort) -> None:
        """Count ``door`` out."""

    def receive(self, door: OnePort, speech: Speech) -> IProtocol | bytes:
        """Return the protocol of a client that speaks so, or what to turn it away with."""
        ...

    def mistaken(self, door: OnePort) -> None:
        """Close ``door``: its client was greeted as a person, and turns out to be none."""


@implementer(IHandshakeListener, IHalfCloseableProtocol)
class OnePort(Protocol):
    """Listens first, then hands the transport to the protocol that the client speaks.

    Inside TLS there is another one, which listens again.
    """

    def __init__(
        self, house: House, clock: IReactorTime, address: str, outer: OnePort | None = None
    ) -> None:
        self.id: str = outer.id if outer else ""  # given when it is let in
        self.address = address  # the client's, which another one may be connected for
        self.peer: str = outer.peer if outer else address  # of who is connected
        self.party = ""  # whose it is, where connections are counted
        self.unnamed: bool = outer.unnamed if outer else False  # a proxy that names no client
        self.overheard = False  # a proxy says that others can read what the client says to it
        self.outer = outer
        self.refusal: Refused | None = outer.refusal if outer else None  # why it is not let in
        self.inside: OnePort | None = None  # the one within TLS
        self.speech: Speech | None = None
        self.inner: IProtocol | None = None
        self._house = house
        self._clock = clock
        self._first = b""
        self._timer: IDelayedCall | None = None
        self._deaf = False  # it is being told to go

    @property
    def encrypted(self) -> bool:
        """Whether nobody on the way can read what is said."""
        return ISSLTransport.providedBy(self.transport)

    @property
    def speaks(self) -> Speech | None:
        """How the client speaks, within TLS if that is so; None if that is not known yet."""
        return self.inside.speaks if self.inside else self.speech

    @property
    def _closing(self) -> bool:
        return bool(getattr(self.transport, "disconnecting", False))

    @property
    def private(self) -> bool:
        """Whether nobody between the client and here can read what is said, as far as is known."""
        return (self.encrypted or not party_of(self.peer)) and not self.overheard

    def within(self) -> OnePort:
        """Return the one that listens within TLS."""
        self.inside = OnePort(self._house, self._clock, self.address, self)
        return self.inside

    def connectionMade(self) -> None:
        if self.outer is None:
            if ITCPTransport.providedBy(self.transport):
                ITCPTransport(self.transport).setTcpNoDelay(True)
                ITCPTransport(self.transport).setTcpKeepAlive(True)
            self._house.admit(self)
        if self.encrypted:
            self.hurry(HANDSHAKE_SECONDS)
        else:
            self.handshakeCompleted()

    def handshakeCompleted(self) -> None:
        """Both sides can speak; the client may go first."""
        if self.inner is not None or self._deaf:
            return
        self._stop_waiting()
        if self.encrypted and INegotiated(self.transport).negotiatedProtocol == HTTP_ALPN:
            self._begin(Speech.HTTP)  # browsers open connections in advance, and are silent then
        else:
            self._timer = self._clock.callLater(GREET_SECONDS, self._silence)

    def dataReceived(self, data: bytes) -> None:
        """Find out who speaks; this is not called any more once that is certain."""
        if self._deaf:
            return
        self._first += data
        speech = detect(self._first)
        if self.inner is None:
            if speech is not None:
                self._begin(speech)
            elif self._first == data:
                self.hurry(HANDSHAKE_SECONDS)
        elif speech is Speech.TEXT:
            self._hand_over(self.inner)
        elif speech is Speech.JSON and not self._closing:
            # Someone read the greeting, and tries that by hand.
            IConsumer(self.transport).unregisterProducer()
            self.inner.connectionLost(Failure(connectionDone.value))
            self.inner = None
            self._begin(speech)
        elif speech is not None:
            self._deaf = True
            self._house.mistaken(self)

    def readConnectionLost(self) -> None:
        """The client sends no more; it may have said all it wanted to."""
        if self.inner is None and not self._deaf:
            self._begin(Speech.TEXT)
        elif self.speech is Speech.TEXT and self._first and self.inner is not None:
            self._hand_over(self.inner)
        inner: object = self.inner
        if IHalfCloseableProtocol.providedBy(inner):
            IHalfCloseableProtocol(inner).readConnectionLost()
        else:  # one that is turned away has read why
            ITransport(self.transport).loseConnection()

    def writeConnectionLost(self) -> None:
        """The client reads no more; or it is being turned away."""
        inner: object = self.inner
        if IHalfCloseableProtocol.providedBy(inner):
            IHalfCloseableProtocol(inner).writeConnectionLost()
        elif not self._deaf:
            self.abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stop_waiting()
        try:
            if self.inner is not None:
                self.inner.connectionLost(reason)
        finally:  # or it would count for its address for good
            if self.outer is None:
                self._house.depart(self)
            # What holds each other is there until the garbage collector comes by.
            self._deaf, self.inner, self.inside = True, None, None
            vars(self).pop("dataReceived", None)

    def become(self, inner: IProtocol) -> None:
        """Let ``inner`` take the place of the protocol that was spoken so far."""
        self._stop_waiting()
        IConsumer(self.transport).unregisterProducer()
        before, self.inner = self.inner, inner
        if before is not None:
            before.connectionLost(Failure(connectionDone.value))
        inner.makeConnection(ITransport(self.transport))
        self.dataReceived = inner.dataReceived  # type: ignore[method-assign]

    def probe(self, idle: float, dead: float) -> None:
        """Let TCP ask for a sign of life after ``idle`` seconds, and give up after ``dead``.

        So it does for people behind ``nc``, who could not answer us.
        """
        if dead <= idle or dead > LONGEST_PROBE or not ITCPTransport.providedBy(self.transport):
            return
        each = max(1, round((dead - idle) / PROBES))
        handle = ITCPTransport(self.transport).getHandle()  # type: ignore[attr-defined]
        for name, value in (("IDLE", max(1, round(idle))), ("INTVL", each), ("CNT", PROBES)):
            option = getattr(socket, f"TCP_KEEP{name}", None)
            if option is not None:
                with suppress(OSError, AttributeError):  # a transport that is no socket
                    handle.setsockopt(socket.IPPROTO_TCP, option, value)

    def unheard(self) -> float:
        """Return for how many seconds nothing was acknowledged of what waits for that.

        0 if nothing waits, or if this system does not tell. Who is there and does not read
        acknowledges all the same: then what is to be sent waits with us.
        """
        option = getattr(socket, "TCP_INFO", None)
        if option is None or not ITCPTransport.providedBy(self.transport):
            return 0.0
        try:
            handle = ITCPTransport(self.transport).getHandle()  # type: ignore[attr-defined]
            told = handle.getsockopt(socket.IPPROTO_TCP, option, _INFO.size)
            waiting, since = _INFO.unpack(told)
        except (OSError, AttributeError, struct.error):  # a transport that is no socket, or no more
            return 0.0
        return since / 1000 if waiting else 0.0

    def hurry(self, seconds: float) -> None:
        """Cut the connection in so many seconds, unless it has become something by then."""
        self._stop_waiting()
        self._timer = self._clock.callLater(seconds, self.abort)

    def take_time(self) -> None:
        """Let the connection go on for as long as a file is on its way, which is watched itself."""
        self._stop_waiting()

    def go_on(self) -> None:
        """The file is through: what may be asked for now are pages again, for a while."""
        self.hurry(HTTP_SECONDS)

    def turn_away(self, words: bytes) -> None:
        """Say ``words`` to a client that has no session, and close.

        What it says itself is still read for a moment, and thrown away: to close with something
        unread would take the words back.
        """
        if self.inside is not None:
            self.inside.turn_away(words)
            return
        self._deaf = True
        self.hurry(LINGER_SECONDS)
        ITransport(self.transport).write(words)
        if ITCPTransport.providedBy(self.transport) and not self.encrypted:
            ITCPTransport(self.transport).loseWriteConnection()
        else:
            ITransport(self.transport).loseConnection()

    def abort(self) -> None:
        """Close now."""
        getattr(self.transport, "abortConnection", ITransport(self.transport).loseConnection)()

    def _silence(self) -> None:
        self._timer = None
        self._begin(Speech.TEXT)

    def _begin(self, speech: Speech) -> None:
        self._stop_waiting()
        self.speech = speech
        inner = self._house.receive(self, speech)
        if isinstance(inner, bytes):
            self.turn_away(inner)
            return
        self.inner = inner
        if speech is Speech.HTTP:
            self.hurry(HTTP_SECONDS)
        transport: Any = self.transport
        if speech is Speech.TLS and isinstance(transport, Connection):
            transport = Straight(transport)
        inner.makeConnection(transport)
        if self.encrypted and IHandshakeListener.providedBy(inner):
            IHandshakeListener(inner).handshakeCompleted()  # it was, before the first byte
        # A person who was greeted has not spoken yet. It may be none: then what it says is no
        # person's either.
        if self._first or speech is Speech.HTTP:
            self._hand_over(inner)

    def _hand_over(self, inner: IProtocol) -> None:
        self.dataReceived = inner.dataReceived  # type: ignore[method-assign]
        first, self._first = self._first, b""
        if first:
            inner.dataReceived(first)

    def _stop_waiting(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
