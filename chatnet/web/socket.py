"""``/ws``: from an HTTP request to a session in WebSocket messages (RFC 6455 section 4.2)."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

import h11
from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from wsproto.connection import ConnectionType
from wsproto.events import AcceptConnection, Request as Opening
from wsproto.handshake import H11Handshake
from wsproto.utilities import RemoteProtocolError

from chatnet.core.addresses import is_near
from chatnet.core.commands import Join
from chatnet.core.refusals import Refused
from chatnet.dialects.framed import Framed
from chatnet.server.factory import ChatFactory
from chatnet.web.asker import Asker, Askers, Contradiction
from chatnet.web.request import ChatRequest, Turned, request_of
from chatnet.wires.oneport import Speech
from chatnet.wires.websocket import WebSocketWire

JSON, TEXT = "chatnet.json.v1", "chatnet.text.v1"
SPEECHES = {JSON: Speech.JSON, TEXT: Speech.TEXT}  # by subprotocol
# Ends of names that mean something near only: RFC 6761, RFC 6762, RFC 8375, and what routers use.
_NEAR = (".localhost", ".local", ".internal", ".home.arpa", ".lan", ".home", ".test")


class SocketResource(Resource):
    """Opens WebSockets: ``/ws``, ``/ws/ROOM`` and ``/ws?room=ROOM``."""

    isLeaf = True
    _log = Logger()

    def __init__(self, factory: ChatFactory) -> None:
        """Let those in who speak as to ``factory`` in lines."""
        super().__init__()
        self._factory = factory
        self._askers = Askers(factory.host.proxies)

    def render_GET(self, request: ChatRequest) -> bytes | int:
        """Open a WebSocket; or say what is wrong with the wish to."""
        asked = request_of(request)
        try:
            self._open(asked)
        except Turned as error:
            self._factory.host.network.meter.refusals[f"http-{error.status}"] += 1
            if error.status == 426:
                asked.setHeader(b"upgrade", b"websocket")
            return asked.refuse(error.status, str(error))
        return NOT_DONE_YET

    def _see(self, asker: Asker) -> None:
        """Say it, once, if ``asker`` seems to be a proxy that the operator forgot to name."""
        meter = self._factory.host.network.meter
        forgotten = asker.forwarded and not asker.vouched and is_near(asker.address)
        if forgotten and not meter.strange_proxy:
            meter.strange_proxy = asker.address
            self._log.warn(
                "{address} says for whom it asks, and was not named with --proxy: whoever comes"
                " through it counts as {address}",
                address=asker.address,
            )

    def _open(self, request: ChatRequest) -> None:
        if request.method != b"GET":
            raise Turned(426, "Here WebSocket is spoken, and opened with GET.")
        if request.content is not None and request.content.read(1):
            raise Turned(400, "A WebSocket is opened without a body.")
        Origins(self._factory.host.settings.origins).check(request)
        door = request.door
        try:
            asker = self._askers.of(request)
        except Contradiction as error:
            raise Turned(400, str(error)) from None
        self._see(asker)
        wishes = _wishes(request)
        handshake, opening = _handshake(request)
        protocol = _protocol(opening)
        answer = handshake.send(AcceptConnection(subprotocol=protocol))
        frames = handshake.connection
        assert frames is not None, "accepted, but not open"
        host = self._factory.host
        wire = WebSocketWire(
            host.clock, frames, budget=host.network.budget, limits=host.defence.limits
        )
        dialect = Framed(self._factory.dialect(SPEECHES[protocol or JSON]))
        if door.unnamed and not asker.vouched:
            raise Turned(400, "Your proxy has to say for whom it asks, by X-Forwarded-For.")
        if asker.vouched:
            door.overheard = asker.overheard
            barred = self._factory.barred(asker.address)
            if barred is not None:
                raise Turned(403, str(barred))
            try:
                self._factory.introduce(door, asker.address)
            except Refused as refusal:
                raise Turned(429, str(refusal)) from None
            self._log.info("connection {id} is for {address}", id=door.id, address=door.address)
        wire.session = self._factory.converse(door, wire, dialect, wishes)
        door.transport.write(answer)  # type: ignore[union-attr]
        door.become(wire)


class Origins:
    """Whose pages may open a WebSocket here: a browser says so, and lets any page try."""

    def __init__(self, others: tuple[str, ...]) -> None:
        """Let the pages of ``others`` in besides those from here."""
        self._others = frozenset(other.lower() for other in others)

    def check(self, request: ChatRequest) -> None:
        """See that the page ``request`` comes from, if it does, is from here.

        Raises:
            Turned: it is another site's.
        """
        origin = (request.getHeader(b"origin") or b"").decode("latin-1").lower()
        if not origin or origin in self._others:
            return
        host = (request.getHeader(b"host") or b"").decode("latin-1").lower()
        scheme, site = _site(origin)
        if site != host or not host or (request.door.encrypted and scheme != "https"):
            raise Turned(
                403,
                f"A page of {origin[:200]} may not connect to this server."
                " Its operator can allow that with --origin.",
            )
        # A site may give its own name the address of a server that only those can reach who are
        # near it. TLS would tell their browsers; a proxy says for whom it asks.
        proxied = request.getHeader(b"x-forwarded-for") or request.getHeader(b"forwarded")
        near = not request.door.encrypted and not proxied and is_near(request.door.address)
        if near and not _is_near_name(host):
            raise Turned(
                403,
                f"This server is not known as {host[:200]}. If it is called that, the operator can"
                f" say so with --origin {origin[:200]}; or use https://.",
            )


def _is_near_name(host: str) -> bool:
    """Return whether ``host`` is an address, or a name that no site can have."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").removesuffix(".")
    except ValueError:
        return False
    try:
        ip_address(name)
    except ValueError:
        return "." not in name or name.endswith(_NEAR)
    return True


def _site(origin: str) -> tuple[str, str]:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return "", ""
    return parts.scheme, parts.netloc


def _handshake(request: ChatRequest) -> tuple[H11Handshake, Opening]:
    handshake = H11Handshake(ConnectionType.SERVER)
    headers = [
        (name, value)
        for name, values in request.requestHeaders.getAllRawHeaders()
        for value in values
    ]
    try:
        handshake.initiate_upgrade_connection(headers, b"/ws")
    except (h11.ProtocolError, UnicodeError):
        raise Turned(400, "Its headers are none that HTTP knows; one Host is needed.") from None
    except RemoteProtocolError:
        raise Turned(426, "Here WebSocket is spoken, version 13 (RFC 6455).") from None
    opening = next(iter(handshake.events()), None)
    if not isinstance(opening, Opening):
        raise Turned(426, "Here WebSocket is spoken, version 13 (RFC 6455).")
    return handshake, opening


def _protocol(opening: Opening) -> str | None:
    """Return the first that both sides speak; None if the other side does not care."""
    for wanted in opening.subprotocols:
        if wanted in SPEECHES:
            return wanted
    if opening.subprotocols:
        raise Turned(400, f"This server speaks {' and '.join(SPEECHES)}.")
    return None


def _wishes(request: ChatRequest) -> tuple[Join, ...]:
    """Return the room to enter, if one is named."""
    try:
        arguments = request.text_arguments
        path = b"/".join(request.postpath or []).decode()
    except UnicodeDecodeError:
        raise Turned(400, "The address is not UTF-8.") from None
    room = path or arguments.get("room", "")
    if not room:
        return ()
    numbers = {name: _number(name, arguments.get(name)) for name in ("since", "replay")}
    return (Join(room, since=numbers["since"], replay=numbers["replay"]),)


def _number(name: str, written: str | None) -> int | None:
    if written is None:
        return None
    try:
        number = int(written[:20])
    except ValueError:
        number = -2
    if not -1 <= number <= 2**53 or (number < 0 and name == "since"):
        raise Turned(400, f"{name} is a number, not {written[:20]!r}.")
    return number
