"""HTTP requests as chatnet takes them: small, watched, and answered with strict headers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.interfaces import IConsumer
from twisted.web.http import NO_BODY_CODES
from twisted.web.server import NOT_DONE_YET, Request

from chatnet.core.plain import plain
from chatnet.web.crypto import is_installed

if TYPE_CHECKING:
    from chatnet.wires.oneport import OnePort

LARGEST_BODY = 64 * 1024  # bytes that come with a request; nothing here wants any

# Nothing but what comes from here, and no page may frame it.
POLICY = (
    "default-src 'none'; script-src 'self'{wasm}; style-src 'self'; img-src 'self' blob:;"
    " connect-src 'self'{sockets}; manifest-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cache-control", b"no-cache"),
)


@cache
def _wasm() -> str:
    """Return what lets the page run WebAssembly, if there is some for it."""
    return " 'wasm-unsafe-eval'" if is_installed() else ""


class Turned(Exception):
    """A request is refused, with an HTTP status and a sentence."""

    def __init__(self, status: int, text: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(text)
        self.status = status
        self.headers = headers


class Body(Protocol):
    """Takes what comes with a request, as it comes."""

    def write(self, data: bytes) -> None:
        """Take ``data``."""

    def cut(self) -> None:
        """The connection is gone."""


# Returns what takes the body of a request, of which the method, the path and the length (None: not
# known) are given; None if it is one like any other. Raises ``Turned``.
Takes = Callable[["ChatRequest", bytes, bytes, "int | None"], "Body | None"]


class ChatRequest(Request):
    """A request that came through ``door``."""

    refused = False  # it was turned away

    def __init__(self, channel: Any, door: OnePort, takes: Takes | None = None) -> None:
        """Let ``takes`` say who takes its body."""
        super().__init__(channel)
        self.door = door
        self.body: Body | None = None
        self._takes = takes

    def gotLength(self, length: int | None) -> None:
        """Find who takes the body; else take it only if it is small and its length is known.

        Twisted would write any other one to a temporary file.
        """
        try:
            if self._takes is not None:
                # Twisted tells the request itself only when all of it is here.
                self.body = self._takes(self, self.channel._command, self.channel._path, length)
            if self.body is None and length is None:
                raise Turned(411, "Say how long it is.")
            if self.body is None and length is not None and length > LARGEST_BODY:
                raise Turned(413, "That is too much.")
        except Turned as error:
            self.turn_away(error.status, str(error), error.headers)
        super().gotLength(0 if self.refused or self.body is not None else length)

    def turn_away(
        self, status: int, text: str, headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> None:
        """Answer now, whatever is still to come of the body, and close."""
        self.refused = True
        self.requestHeaders.removeHeader(b"expect")  # it is not to continue
        IConsumer(self.door.transport).unregisterProducer()  # TLS would wait for it to end
        body = f"{plain(text)}\n".encode()
        lines = [
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode(),
            b"Content-Type: text/plain; charset=utf-8",
            b"Content-Length: %d" % len(body),
            *(name + b": " + value for name, value in (*_HEADERS, *headers)),
            b"Connection: close",
        ]
        self.door.turn_away(b"\r\n".join(lines) + b"\r\n\r\n" + body)

    def handleContentChunk(self, data: bytes) -> None:
        """Keep ``data``, unless it is too much, or pass it on."""
        if self.refused:
            return
        if self.body is not None:
            self.body.write(data)
        else:
            super().handleContentChunk(data)

    def connectionLost(self, reason: Any) -> None:
        """The connection is gone."""
        if self.body is not None:
            self.body.cut()
        super().connectionLost(reason)

    def process(self) -> None:
        """Answer, with headers that let nobody misuse the answer."""
        if self.refused:
            return
        for name, value in _HEADERS:
            self.setHeader(name, value)
        if self.isSecure():  # elsewhere browsers only complain about it
            self.setHeader(b"cross-origin-opener-policy", b"same-origin")
        self.setHeader(b"content-security-policy", self._policy())
        if self.path == b"*":  # to which Twisted has an answer of its own
            self.path = b"/*"
        super().process()

    def render(self, resrc: Any) -> None:
        """Answer with ``resrc``. Which release of what runs here is nobody's business."""
        self.setHeader(b"server", b"chatnet")
        methods = getattr(resrc, "methods", (b"GET", b"HEAD"))
        if self.method in methods:
            body = resrc.render(self)
        else:
            self.setHeader(b"allow", b", ".join(methods))
            named = " and ".join(", ".join(m.decode() for m in methods).rsplit(", ", 1))
            body = self.refuse(405, f"This answers {named}.")
        if body is not NOT_DONE_YET:
            if self.code not in NO_BODY_CODES:
                self.setHeader(b"content-length", str(len(body)).encode())
            self.write(body)  # of which HEAD gets nothing
            self.finish()

    def _policy(self) -> bytes:
        # Some browsers do not count WebSockets to 'self'.
        host = (self.getHeader(b"host") or b"").decode("ascii", "replace")
        scheme = "wss" if self.isSecure() else "ws"
        plain = host and all(char.isalnum() or char in ".-:[]" for char in host)
        sockets = f" {scheme}://{host}" if plain else ""
        return POLICY.format(sockets=sockets, wasm=_wasm()).encode()

    @property
    def text_arguments(self) -> dict[str, str]:
        """The last of each argument of the query; raises ``UnicodeDecodeError``."""
        arguments: dict[bytes, list[bytes]] = self.args or {}
        return {name.decode(): values[-1].decode() for name, values in arguments.items()}

    def refuse(self, status: int, text: str) -> bytes:
        """Set ``status``; return ``text`` as the body."""
        self.setResponseCode(status, HTTPStatus(status).phrase.encode())
        self.setHeader(b"content-type", b"text/plain; charset=utf-8")
        return f"{plain(text)}\n".encode()


def request_of(request: Any) -> ChatRequest:
    """Return ``request``, of which Twisted does not know that it is one of these."""
    assert isinstance(request, ChatRequest)
    return request
