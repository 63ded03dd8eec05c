"""The site: the page and its files, facts about the server, and its state of health."""

from __future__ import annotations

import gzip
import json
from functools import cache
from hashlib import sha256
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IConsumer,
    IDelayedCall,
    IProtocol,
    IPushProducer,
    IReactorTime,
)
from twisted.internet.protocol import connectionDone
from twisted.web.http import HTTPChannel
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from chatnet import __version__
from chatnet.core.commands import PROTOCOL
from chatnet.core.limits import Registration
from chatnet.core.names import EVERYBODY
from chatnet.server.factory import ChatFactory
from chatnet.web.crypto import PACKAGES, folder, is_installed
from chatnet.web.downloads import DownloadResource
from chatnet.web.metrics import Metrics
from chatnet.web.request import ChatRequest, request_of
from chatnet.web.socket import SPEECHES, SocketResource
from chatnet.web.uploads import UploadResource
from chatnet.wires.certificates import Certificates
from chatnet.wires.oneport import OnePort

IDLE_SECONDS = 15.0  # between two requests, after which a connection is closed
BODY_SECONDS = 60.0  # without a byte of a file: who takes it looks earlier, and says why
HEALTH_SECONDS = 5.0  # for the store to answer
TURN_REQUESTS = 4  # of one connection that are answered in one turn of the reactor
_TOO_LONG = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Connection: close\r\n\r\n"
    b"A line of the request's head is too long: 16,384 bytes is the most, of an address as well.\n"
)
_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "wasm": "application/wasm",
}


class ChatSite:
    """Answers those who speak HTTP."""

    def __init__(self, factory: ChatFactory, certificates: Certificates | None = None) -> None:
        """Show what ``factory`` has to offer; through WebSockets, all of it."""
        clock = factory.host.clock
        root = _Folder()
        assets = _assets()
        root.putChild(b"", assets["index.html"])
        root.putChild(b"page", _tree(assets))
        root.putChild(b"ws", SocketResource(factory))
        root.putChild(b"about", About(factory))
        root.putChild(b"healthz", Health(factory, clock))
        root.putChild(b"metrics", Metrics(factory, certificates))
        uploads, downloads = UploadResource(factory), DownloadResource(factory)
        for path in (b"r", b"p", b"uploads"):
            root.putChild(path, uploads)
        for path in (b"files", b"get"):
            root.putChild(path, downloads)
        self._takes = uploads.take
        self._site = _QuietSite(root, clock)
        self._upstairs = _QuietSite(ToTls(), clock)
        self._tls_only = factory.host.settings.tls_only

    def answer(self, door: OnePort) -> IProtocol:
        """Return a protocol that answers the client at ``door``."""
        site = self._upstairs if self._tls_only and not door.encrypted else self._site
        channel = site.buildProtocol(None)
        channel.door = door
        takes = self._takes if site is self._site else None
        channel.requestFactory = lambda channel, _=0: ChatRequest(channel, door, takes)
        inner: IProtocol = channel
        return inner


class _Channel(HTTPChannel):
    """Takes requests from a connection, no faster than their answers are read.

    Of many that come at once, some are answered in each turn of the reactor: then others are heard.
    """

    door: OnePort
    _held = False
    _refused = False
    _answered = 0  # since it rested
    _rest: IDelayedCall | None = None

    def requestDone(self, request: Any) -> None:  # noqa: N802 -- Twisted's name
        """Go on to the next request, if not in the next turn."""
        self._answered += 1
        if self._answered == TURN_REQUESTS:
            self._answered = 0
            self._rest = cast(IReactorTime, self).callLater(0, self._rested)
            self.paused = True
        super().requestDone(request)
        if self._rest is not None:
            IPushProducer(self.transport).pauseProducing()

    def _rested(self) -> None:
        self._rest = None
        if not (
            self._held
            or self._waitingForTransport
            or getattr(self.transport, "disconnecting", False)
        ):
            self.resumeProducing()

    def connectionLost(self, reason: Any = connectionDone) -> None:
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
        super().connectionLost(reason)

    def hold(self) -> None:
        """Take no more of a body: who writes it on has enough to do."""
        if not self._held:
            self._held = self.paused = True
            self.setTimeout(None)
            IPushProducer(self.transport).pauseProducing()

    def release(self) -> None:
        """Take more of it."""
        if self._held:
            self._held = False
            self.setTimeout(BODY_SECONDS)
            if not (self._waitingForTransport or getattr(self.transport, "disconnecting", False)):
                self.resumeProducing()

    def dataReceived(self, data: bytes) -> None:
        """Take ``data``, until the connection is closing: over TLS more may come then."""
        if not (self._refused or getattr(self.transport, "disconnecting", False)):
            super().dataReceived(data)

    def lineLengthExceeded(self, line: bytes) -> None:
        """Say that a line was too long, in RFC 6585 section 5's way: Twisted would only close."""
        self._refused = True
        self.setTimeout(None)
        IConsumer(self.transport).unregisterProducer()  # or TLS would wait for it
        self.door.turn_away(_TOO_LONG)

    def pauseProducing(self) -> None:
        super().pauseProducing()
        self.paused = True  # what has come already waits as well
        IPushProducer(self.transport).pauseProducing()  # also amid a request

    def resumeProducing(self) -> None:
        super().resumeProducing()
        if self._held or self._rest is not None:
            IPushProducer(self.transport).pauseProducing()
            return
        self.paused = False
        self.dataReceived(b"")

    def rawDataReceived(self, data: bytes) -> None:  # noqa: N802 -- Twisted's name
        """Take what is no line; it is not for this one if the connection became a WebSocket."""
        inner: object = self.door.inner
        if inner is self:
            super().rawDataReceived(data)
        else:
            self.door.dataReceived(data)


class _QuietSite(Site):
    """A site that keeps no log of requests: who connects stands in the server's."""

    protocol = _Channel  # type: ignore[assignment]  # a channel without HTTP/2 before it
    displayTracebacks = False

    def __init__(self, root: Resource, clock: IReactorTime) -> None:
        super().__init__(root, timeout=IDLE_SECONDS, reactor=clock)

    def log(self, request: Any) -> None:
        """Keep nothing."""


class _Missing(Resource):
    isLeaf = True

    def render(self, request: Any) -> bytes:
        return request_of(request).refuse(404, "There is nothing here. The chat is at /.")


class _Folder(Resource):
    """Holds others; has nothing to show itself."""

    def getChild(self, path: bytes, request: Any) -> Resource:
        return _Missing()

    def render(self, request: Any) -> bytes:
        return _Missing().render(request)


class Asset(Resource):
    """A file of the page, in memory."""

    isLeaf = True

    def __init__(self, data: bytes, kind: str) -> None:
        super().__init__()
        self._data, self._packed = data, gzip.compress(data, 9, mtime=0)
        self._kind = kind.encode()
        self._tag = b'"' + sha256(data).hexdigest()[:32].encode() + b'"'

    def render_GET(self, request: Any) -> bytes:
        asked = request_of(request)
        asked.setHeader(b"content-type", self._kind)
        asked.setHeader(b"vary", b"accept-encoding")
        if asked.setETag(self._tag):  # the browser has it
            return b""
        if b"gzip" in (asked.getHeader(b"accept-encoding") or b""):
            asked.setHeader(b"content-encoding", b"gzip")
            return self._packed
        return self._data


class About(Resource):
    """Facts about this server, for programs and the curious."""

    isLeaf = True

    def __init__(self, factory: ChatFactory) -> None:
        super().__init__()
        self._factory = factory

    def render_GET(self, request: Any) -> bytes:
        asked = request_of(request)
        host = self._factory.host
        settings = host.settings
        facts = {
            "server": settings.name,
            "software": "chatnet",
            "version": __version__,
            "protocol": PROTOCOL,
            "websocket": {"path": "/ws", "subprotocols": list(SPEECHES)},
            "tls": settings.tls,
            "tls_only": settings.tls_only,
            "registration": host.invitations.registration is not Registration.CLOSED,
            "password_needed": bool(settings.password),
            "max_message": settings.max_message,
            "max_clients": settings.max_clients,
            "page_encrypts": is_installed(),
            "page_recovers": is_installed(*PACKAGES),
            "connections": len(self._factory.registry),
        }
        asked.setHeader(b"content-type", b"application/json")
        return json.dumps(facts, indent=2).encode() + b"\n"


class Health(Resource):
    """Whether the server can do its work: it is not stopping, and its store answers."""

    isLeaf = True

    def __init__(self, factory: ChatFactory, clock: IReactorTime) -> None:
        super().__init__()
        self._factory = factory
        self._clock = clock

    def render_GET(self, request: Any) -> bytes | int:
        asked = request_of(request)
        if self._factory.stopping:
            return asked.refuse(503, "stopping")
        asked.setHeader(b"content-type", b"text/plain; charset=utf-8")
        Deferred.fromCoroutine(self._answer(asked))
        return NOT_DONE_YET

    async def _answer(self, request: ChatRequest) -> None:
        gone: list[object] = []
        request.notifyFinish().addErrback(gone.append)
        look = self._factory.host.network.journal.back(EVERYBODY, 0, 1)
        look.addTimeout(HEALTH_SECONDS, self._clock)
        try:
            await look
            body = b"ok\n"
        except Exception:  # whatever it is, the server cannot do its work
            body = request.refuse(503, "the store does not answer")
        if not gone:
            request.setHeader(b"content-length", str(len(body)).encode())
            request.write(body)
            request.finish()


class ToTls(Resource):
    """Sends browsers to the same address over TLS."""

    isLeaf = True

    def render(self, request: Any) -> bytes:
        asked = request_of(request)
        host = asked.getHeader(b"host") or b""
        hostile = any(byte in b" \t/\\@?#%<>\"'" or byte > 126 for byte in host)
        upgrade = asked.getHeader(b"upgrade")  # which would be sent on to https://, not to wss://
        if hostile or upgrade or not host or not asked.uri.startswith(b"/"):
            return asked.refuse(426, "This server speaks TLS only: use https:// or wss://.")
        asked.setHeader(b"location", b"https://" + host + asked.uri)
        return asked.refuse(308, "This server speaks TLS only: use https://.")


@cache
def _assets() -> dict[str, Asset]:
    """Return the files of the page by their paths in it; what was fetched has folders."""
    here = folder()
    return {
        file.relative_to(here).as_posix(): Asset(file.read_bytes(), _TYPES[file.suffix[1:]])
        for file in here.rglob("*")
        if file.suffix[1:] in _TYPES
    }


def _tree(assets: dict[str, Asset]) -> _Folder:
    """Return a folder with ``assets``, and those inside it."""
    top = _Folder()
    inside: dict[str, _Folder] = {"": top}
    for path, asset in assets.items():
        place, _, name = path.rpartition("/")
        if place not in inside:
            top.putChild(place.encode(), inside.setdefault(place, _Folder()))
        inside[place].putChild(name.encode(), asset)
    return top
