"""How a server is reached: over TCP, and over TLS if it is not on this machine.

A connection over TLS is one only when the server is trusted; before that there is nothing that
could say anything to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import ConnectionClosed
from twisted.internet.interfaces import (
    IDelayedCall,
    IHandshakeListener,
    IOpenSSLClientConnectionCreator,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
    ITransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import CertificateOptions, TLSVersion
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from chatnet.client.trust import UNSIGNED, KnownServers, Trust, hostname, is_address

HANDSHAKE_SECONDS = 20.0
_DOUBTS = {9: "is not valid yet", 10: "has expired"}  # OpenSSL's X509_V_ERR_..., besides


class NoTLS(Exception):
    """Whatever listens there does not speak TLS; the sentence says it."""


def reach(
    reactor: object,
    host: str,
    port: int,
    tls: bool,
    ca: str,
    known: KnownServers,
    tell: Callable[[str], None],
) -> IStreamClientEndpoint:
    """Return the way to the server at ``host`` and ``port``; see ``Trust`` for the others."""
    plain = HostnameEndpoint(reactor, host, port)
    if not tls:
        return plain
    return SecureEndpoint(plain, Trust(host, port, ca, known, tell), cast(IReactorTime, reactor))


@implementer(IStreamClientEndpoint)
class SecureEndpoint:
    """Connects over TLS 1.2 or newer, to a server that is trusted.

    Connecting fails with ``Untrusted`` or ``NoTLS``, or as connecting to ``endpoint`` does.
    """

    def __init__(self, endpoint: IStreamClientEndpoint, trust: Trust, clock: IReactorTime) -> None:
        self._endpoint = endpoint
        self._trust = trust
        self._clock = clock

    def connect(
        self,
        protocolFactory: IProtocolFactory,  # noqa: N803 -- Twisted's name
    ) -> Deferred[IProtocol]:
        """Connect, and build a protocol once the server is trusted."""
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        creator = _Creator(self._trust)
        handshake = _Handshake(factory, self._trust, creator, self._clock)
        tls = TLSMemoryBIOFactory(creator, True, _Only(handshake), self._clock)
        await self._endpoint.connect(tls)
        return await handshake.done


@implementer(IOpenSSLClientConnectionCreator)
class _Creator:
    """Makes one connection, and notes what is wrong with the certificate that is shown on it."""

    def __init__(self, trust: Trust) -> None:
        self.doubt = ""
        self._trust = trust

    def clientConnectionForTLS(  # noqa: N802 -- Twisted's name
        self,
        tlsProtocol: TLSMemoryBIOProtocol,  # noqa: N803
    ) -> SSL.Connection:
        """Return a connection on which the server has to say who it is."""
        options = CertificateOptions(raiseMinimumTo=TLSVersion.TLSv1_2)
        context: SSL.Context = options.getContext()
        if self._trust.ca:
            context.load_verify_locations(self._trust.ca)
        else:
            context.set_default_verify_paths()
        context.set_verify(SSL.VERIFY_PEER, self._note)
        connection = SSL.Connection(context, None)
        if not is_address(self._trust.host):
            connection.set_tlsext_host_name(hostname(self._trust.host))
        return connection

    def _note(
        self, connection: SSL.Connection, certificate: object, error: int, depth: int, good: int
    ) -> bool:
        """Go on whatever it is: ``Trust`` decides, when there is all to decide by."""
        if not good:
            self.doubt = self.doubt or _DOUBTS.get(error, UNSIGNED)
        return True


class _Only(Factory):
    """Builds the one protocol that there is."""

    noisy = False

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol

    def buildProtocol(self, addr: object) -> Protocol:
        return self._protocol


@implementer(IHandshakeListener)
class _Handshake(Protocol):
    """Waits for the handshake, and then gives the transport to what is built for it."""

    transport: TLSMemoryBIOProtocol

    def __init__(
        self, factory: IProtocolFactory, trust: Trust, creator: _Creator, clock: IReactorTime
    ) -> None:
        self.done: Deferred[IProtocol] = Deferred(lambda _: self.transport.abortConnection())
        self._factory = factory
        self._trust = trust
        self._creator = creator
        self._clock = clock
        self._timer: IDelayedCall | None = None
        self._inner: IProtocol | None = None

    def connectionMade(self) -> None:
        self._timer = self._clock.callLater(HANDSHAKE_SECONDS, self._late)

    def handshakeCompleted(self) -> None:
        """The server has shown who it is."""
        self._stop_waiting()
        try:
            shown = self.transport.getHandle().get_peer_certificate(as_cryptography=True)
            self._trust.judge(shown, self._creator.doubt)
        except Exception as error:  # whatever it is, nothing is said to this server
            self._fail(error)
            return
        self._inner = inner = self._factory.buildProtocol(self.transport.getPeer())
        assert inner is not None
        inner.makeConnection(cast(ITransport, self.transport))
        if IHandshakeListener.providedBy(inner):
            IHandshakeListener(inner).handshakeCompleted()
        self.dataReceived = inner.dataReceived  # type: ignore[method-assign]
        self.done.callback(inner)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stop_waiting()
        if self._inner is not None:
            self._inner.connectionLost(reason)
        elif not self.done.called:
            self.done.errback(NoTLS(self._explain(reason)))

    def _late(self) -> None:
        place = self._trust.place
        self._fail(
            NoTLS(
                f"{place} did not answer in TLS within {HANDSHAKE_SECONDS:.0f} seconds. Does that"
                " port speak it?"
            )
        )

    def _fail(self, error: Exception) -> None:
        if not self.done.called:
            self.done.errback(error)
        self.transport.abortConnection()

    def _explain(self, reason: Failure) -> str:
        place = self._trust.place
        if reason.check(ConnectionClosed):
            return f"{place} hung up instead of answering in TLS. Does that port speak it?"
        said = reason.value.args[0] if isinstance(reason.value, SSL.Error) else ()
        words = "; ".join(str(one[-1]) for one in said or ()) or repr(reason.value)
        return f"{place} does not speak TLS on that port, or none of ours ({words})."

    def _stop_waiting(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
