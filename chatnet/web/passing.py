"""Who asks for files over HTTP, and how they are told no."""

from __future__ import annotations

from base64 import b64decode
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

from twisted.logger import Logger
from twisted.python.failure import Failure

from chatnet.core.refusals import (
    Malformed,
    NoSpace,
    NoSuchFile,
    NoSuchPerson,
    NoSuchRoom,
    NotWhole,
    Refused,
    TooLong,
    Unavailable,
)
from chatnet.server.factory import ChatFactory
from chatnet.server.passes import Pass
from chatnet.web.request import ChatRequest, Turned
from chatnet.web.socket import Origins

_STATUSES: dict[type[Refused], HTTPStatus] = {
    Malformed: HTTPStatus.BAD_REQUEST,
    NoSuchFile: HTTPStatus.NOT_FOUND,
    NoSuchPerson: HTTPStatus.NOT_FOUND,
    NoSuchRoom: HTTPStatus.NOT_FOUND,
    TooLong: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    NotWhole: HTTPStatus.UNPROCESSABLE_ENTITY,
    NoSpace: HTTPStatus.INSUFFICIENT_STORAGE,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
_UNKNOWN = (
    "Files take a token, which the chat gives: /token. It goes into the request as"
    " Authorization: Bearer TOKEN, or with curl as --oauth2-bearer TOKEN."
)
_NOT_GOOD = (
    "That is no token, or no more: it is good for a while, and as long as the connection is there"
    " that asked for it. Ask for another one: /token."
)
_NO_LINK = (
    "That link is good no more: it is for a while, and as long as the connection is there that"
    " asked for it. Ask for another one: /get ID, or what the page shows beside the file."
)
_PLAINTEXT = "That token was given over TLS, and is not taken without: use https://."


def status_of(refusal: Refused) -> int:
    """Return the HTTP status for ``refusal``."""
    return int(_STATUSES.get(type(refusal), HTTPStatus.FORBIDDEN))


def answer_to(failure: Failure, log: Logger) -> tuple[int, str]:
    """Return the HTTP status and the words for ``failure``, which is none of the asker's; log it.

    What is in it is the operator's business.
    """
    if failure.check(OSError):  # foreseen: a lost database
        log.error("a file cannot be had, or taken: {error}", error=str(failure.value))
        return 503, "That cannot be done now. Please try again later."
    log.failure("a file broke", failure)
    return 500, "Something broke here; the operator's log has it. Sorry."


class Gate:
    """Knows who asks."""

    def __init__(self, factory: ChatFactory) -> None:
        self._files = factory.host.files
        self._host = factory.host

    def admit(self, request: ChatRequest, secret: str = "") -> Pass:
        """Return the pass that ``request`` shows, or the link to one file that ``secret`` is.

        Raises:
            Turned: it has none, or comes from another site's page.
        """
        Origins(self._host.settings.origins).check(request)
        shown = secret or _shown(request)
        held = self._files.passes.find(shown)
        if held is None or bool(held.file) is not bool(secret):
            if secret:
                raise Turned(404, _NO_LINK)
            raise Turned(401, _NOT_GOOD if shown else _UNKNOWN)
        if held.session.secure and not request.door.private:
            raise Turned(403, _PLAINTEXT)
        return held


def _shown(request: ChatRequest) -> str:
    """Return the token that ``request`` shows; with HTTP Basic, it is the password."""
    kind, _, value = (request.getHeader(b"authorization") or b"").partition(b" ")
    if kind.lower() == b"bearer":
        return value.strip().decode("latin-1")
    if kind.lower() == b"basic":
        try:
            return b64decode(value).decode().partition(":")[2]
        except ValueError:
            return ""
    return ""


def segments(path: bytes) -> list[str]:
    """Return what stands behind each slash of ``path``, without what comes behind a ``?``.

    Of a path without any, like ``*``, that is one segment: nothing.

    Raises:
        Turned: it is not UTF-8.
    """
    try:
        parts = path.partition(b"?")[0].split(b"/")[1:] or [b""]
        return [unquote_to_bytes(part).decode() for part in parts]
    except UnicodeDecodeError:
        raise Turned(400, "The address is not UTF-8.") from None
