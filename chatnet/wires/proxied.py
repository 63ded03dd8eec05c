"""Connections of proxies, which first say for whom they are: the PROXY protocol, version 1 or 2.

It is specified in doc/proxy-protocol.txt of HAProxy. Twisted's own parsers are private, take
``PROXY UNKNOWN`` for an error, and a header that comes in two parts too.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Protocol as Shape, cast

from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHalfCloseableProtocol,
    IHandshakeListener,
    IReactorTime,
    ITransport,
)
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from chatnet.core.addresses import Named, bare_address, party_of
from chatnet.wires.oneport import HANDSHAKE_SECONDS, SIGNATURE, OnePort

LONGEST_LINE = 107  # bytes of a header of version 1, with its end
LONGEST = 4096  # bytes of one of version 2; with everything that is defined it takes less than 1000
_WORD = b"PROXY "
_HEAD = 16  # bytes of version 2 before the addresses, the last two of which are what follows
_LOCAL, _FOR_ANOTHER = 0x20, 0x21  # the version, and the command: what the connection is for
_SOURCES = {0: (0, 0), 1: (4, 12), 2: (16, 36), 3: (0, 216)}  # by the family of addresses: how
# long the client's is, as far as it is one, and how long all of them are
_TLS, _CLIENT_TLS = 0x20, 0x01  # what is said of TLS, and that the client used it


class NoHeader(Exception):
    """What came is no header of the PROXY protocol."""


@dataclass(frozen=True, slots=True)
class Client:
    """For whom a connection is: ``address``; empty if it is the proxy's own, or it cannot know.

    ``tls`` is whether it says that the client came to it over TLS.
    """

    address: str
    tls: bool = False


def read_header(first: bytes) -> tuple[Client, bytes] | None:
    """Return what the header says that ``first`` begins with, and what comes behind it.

    None if it takes more bytes.

    Raises:
        NoHeader: it begins with none, or with one that makes no sense.
    """
    if first.startswith(SIGNATURE[: len(first)]):
        return _read_binary(first)
    if not first.startswith(_WORD[: len(first)]):
        raise NoHeader
    line, end, rest = first[:LONGEST_LINE].partition(b"\r\n")
    if end:
        return _read_line(line), rest + first[LONGEST_LINE:]
    if len(first) >= LONGEST_LINE:
        raise NoHeader
    return None


def _read_line(line: bytes) -> Client:
    match line.split(b" "):
        case [_, b"UNKNOWN", *_]:
            return Client("")
        case [_, (b"TCP4" | b"TCP6"), source, _, port, other] if (port + other).isdigit():
            return Client(_address(source.decode("latin-1")))
        case _:
            raise NoHeader


def _read_binary(first: bytes) -> tuple[Client, bytes] | None:
    if len(first) < _HEAD:
        return None
    size = _HEAD + int.from_bytes(first[14:16])
    if size > LONGEST or first[12] not in (_LOCAL, _FOR_ANOTHER):
        raise NoHeader
    if len(first) < size:
        return None
    family, body, rest = first[13] >> 4, first[_HEAD:size], first[size:]
    if first[12] == _LOCAL:
        return Client(""), rest
    if family not in _SOURCES:
        raise NoHeader
    source, length = _SOURCES[family]
    if len(body) < length:
        raise NoHeader
    address = _address(body[:source]) if source else ""
    return Client(address, _says_tls(body[length:])), rest


def _address(written: str | bytes) -> str:
    try:
        return bare_address(str(ip_address(written)))
    except ValueError:
        raise NoHeader from None


def _says_tls(values: bytes) -> bool:
    """Return whether among ``values`` (section 2.2) is that the client came over TLS."""
    while len(values) >= 3:
        kind, size = struct.unpack("!BH", values[:3])
        value, values = values[3 : 3 + size], values[3 + size :]
        if kind == _TLS:
            return bool(value and value[0] & _CLIENT_TLS)
    return False


class House(Shape):
    """Who gives those inside a door, and may be closing."""

    stopping: bool

    def buildProtocol(self, addr: IAddress | None) -> OnePort:
        """Return a door."""
        ...


class Proxies(ServerFactory):
    """Stands before a house: lets proxies that were named speak for others, and nobody else."""

    noisy = False

    def __init__(self, house: House, clock: IReactorTime, named: Named, most: int) -> None:
        """Let up to ``most`` connections of those who are ``named`` be no more than begun."""
        self._house = house
        self._clock = clock
        self._named = named
        self._most = most
        self.begun: set[Proxied] = set()  # that have not said for whom they are

    def buildProtocol(self, addr: IAddress | None) -> OnePort | Proxied | None:
        """Return a door; None if too many are begun and do not go on."""
        door = self._house.buildProtocol(addr)
        if door.address not in self._named():
            return door
        return Proxied(door, self._clock, self) if len(self.begun) < self._most else None

    def enters(self, proxied: Proxied) -> bool:
        """Return whether ``proxied``, which goes on, may."""
        self.begun.discard(proxied)
        return not self._house.stopping


@implementer(IHandshakeListener, IHalfCloseableProtocol)
class Proxied(Protocol):
    """Opens a door for the client that the proxy names. Whoever is no more than begun is cut."""

    def __init__(self, door: OnePort, clock: IReactorTime, proxies: Proxies) -> None:
        self._door = door
        self._clock = clock
        self._proxies = proxies
        self._first = b""
        self._open = False
        self._timer: IDelayedCall | None = None

    def connectionMade(self) -> None:
        self._proxies.begun.add(self)
        self._timer = self._clock.callLater(HANDSHAKE_SECONDS, self._abort)

    def handshakeCompleted(self) -> None:
        """Go on waiting: this is TLS around the header."""

    def dataReceived(self, data: bytes) -> None:
        """Find out for whom this is; then pass everything on."""
        if self._open:
            self._door.dataReceived(data)
            return
        self._first += data
        try:
            found = read_header(self._first)
        except NoHeader:
            self._door.unnamed = True  # then it has to be HTTP, where a header of that names it
            found = Client(""), self._first
        if found is not None:
            self._enter(*found)

    def readConnectionLost(self) -> None:
        """The client sends no more."""
        if self._open:
            self._door.readConnectionLost()
        else:
            ITransport(self.transport).loseConnection()

    def writeConnectionLost(self) -> None:
        """The client reads no more."""
        if self._open:
            self._door.writeConnectionLost()
        else:
            self._abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stop_waiting()
        self._proxies.begun.discard(self)
        if self._open:
            self._door.connectionLost(reason)

    def _enter(self, client: Client, rest: bytes) -> None:
        self._stop_waiting()
        if not self._proxies.enters(self):
            self._abort()
            return
        door, self._open, self._first = self._door, True, b""
        if client.address:
            door.address = client.address
            door.overheard = not client.tls and bool(party_of(client.address))
        door.makeConnection(ITransport(self.transport))
        if door.encrypted:
            door.handshakeCompleted()  # it was, before the first byte
        if rest:
            door.dataReceived(rest)

    def _abort(self) -> None:
        self._timer = None
        transport = ITransport(self.transport)
        cast(Callable[[], None], getattr(transport, "abortConnection", transport.loseConnection))()

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
