"""HTTP requests as chatnet takes them: small, watched, and answered with strict headers."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IConsumer
from twisted.web.http import NO_BODY_CODES
from twisted.web.server import NOT_DONE_YET, Request

if TYPE_CHECKING:
    from chatnet.wires.oneport import OnePort

LARGEST_BODY = 64 * 1024  # bytes that come with a request; nothing here wants any

# Nothing but what comes from here, and no page may frame it.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'"
    "{sockets}; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cache-control", b"no-cache"),
)


class ChatRequest(Request):
    """A request that came through ``door``."""

    _refused = False

    def __init__(self, channel: Any, door: OnePort) -> None:
        super().__init__(channel)
        self.door = door

    def gotLength(self, length: int | None) -> None:
        """Take a body only if it is small and its length is known.

        Twisted would write any other one to a temporary file.
        """
        self._refused = length is None or length > LARGEST_BODY
        if self._refused:
            status = b"411 Length Required" if length is None else b"413 Content Too Large"
            self.requestHeaders.removeHeader(b"expect")  # it is not to continue
            IConsumer(self.door.transport).unregisterProducer()  # TLS would wait for it to end
            self.door.turn_away(
                b"HTTP/1.1 " + status + b"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            )
            length = 0
        super().gotLength(length)

    def handleContentChunk(self, data: bytes) -> None:
        """Keep ``data``, unless it is too much."""
        if not self._refused:
            super().handleContentChunk(data)

    def process(self) -> None:
        """Answer, with headers that let nobody misuse the answer."""
        if self._refused:
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
        if self.method in (b"GET", b"HEAD"):
            body = resrc.render(self)
        else:
            self.setHeader(b"allow", b"GET, HEAD")
            body = self.refuse(405, "This server answers GET and HEAD.")
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
        return POLICY.format(sockets=f" {scheme}://{host}" if plain else "").encode()

    @property
    def text_arguments(self) -> dict[str, str]:
        """The last of each argument of the query; raises ``UnicodeDecodeError``."""
        arguments: dict[bytes, list[bytes]] = self.args or {}
        return {name.decode(): values[-1].decode() for name, values in arguments.items()}

    def refuse(self, status: int, text: str) -> bytes:
        """Set ``status``; return ``text`` as the body."""
        self.setResponseCode(status, HTTPStatus(status).phrase.encode())
        self.setHeader(b"content-type", b"text/plain; charset=utf-8")
        return f"{text}\n".encode()


def request_of(request: Any) -> ChatRequest:
    """Return ``request``, of which Twisted does not know that it is one of these."""
    assert isinstance(request, ChatRequest)
    return request
