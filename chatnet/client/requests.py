"""Requests over HTTP at the port of a link, with a token: and which of them may be repeated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.web.client import (
    Agent,
    RequestTransmissionFailed,
    ResponseFailed,
    readBody,
)
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IBodyProducer, IResponse
from zope.interface import implementer

from chatnet.client.streams import FileBody
from chatnet.core.refusals import (
    Malformed,
    NoSpace,
    NoSuchFile,
    NotAllowed,
    NotWhole,
    Refused,
    TooLong,
    Unavailable,
)

QUIET_SECONDS = 60.0  # without a byte, after which a connection is taken for dead
LOST = (ResponseFailed, RequestTransmissionFailed, ConnectError, ConnectionClosed)
_REFUSALS: dict[int, type[Refused]] = {
    400: Malformed, 404: NoSuchFile, 410: NoSuchFile, 413: TooLong, 422: NotWhole, 507: NoSpace,
}  # fmt: skip
_AGAIN = (401, 408, 409, 423, 429, 500, 503)  # statuses after which it may be tried again


class Again(Exception):
    """It did not work now, and may work soon."""


@implementer(IAgentEndpointFactory)
class _OneWay:
    """Whatever is asked for, this is the way there."""

    def __init__(self, endpoint: IStreamClientEndpoint) -> None:
        self._endpoint = endpoint

    def endpointForURI(self, uri: object) -> IStreamClientEndpoint:  # noqa: N802 -- Twisted's name
        return self._endpoint


class Requests:
    """Asks the server at ``endpoint``."""

    def __init__(
        self,
        endpoint: IStreamClientEndpoint,
        site: str,
        token: Callable[[], Awaitable[str]],
        reactor: Any,
    ) -> None:
        """``site`` is the server's address as in ``http://host:port``; ``token`` gets a token."""
        self._agent = Agent.usingEndpointFactory(reactor, _OneWay(endpoint))
        self._site = site
        self._token = token
        self._reactor = reactor

    async def ask(
        self,
        method: bytes,
        path: str,
        said: dict[str, str],
        body: FileBody | None = None,
        token: bool = True,
    ) -> IResponse:
        """Return the answer to a request, with a token, if that went well.

        Raises:
            Again: it may go well soon.
            Refused: it will not.
        """
        headers = Headers({name: [value] for name, value in said.items()})
        headers.setRawHeaders("tus-resumable", ["1.0.0"])
        if token:
            headers.setRawHeaders("authorization", [f"Bearer {await self._token()}"])
        producer = IBodyProducer(body) if body is not None else None
        asked = self._agent.request(method, f"{self._site}{path}".encode(), headers, producer)
        watch = _Watch(asked, body, self._reactor)
        try:
            answer: IResponse = await asked
        except Exception as error:
            cause = _cause(error)
            if watch.late:
                raise Again("The server is silent.") from None
            if isinstance(cause, CancelledError | Refused | OSError):
                raise cause from None
            raise
        finally:
            watch.stop()
            if body is not None:
                body.stopProducing()
        if answer.code < 300:
            return answer
        text = (await readBody(answer)).decode(errors="replace").strip()
        if answer.code in _AGAIN:
            raise Again(text)
        raise _REFUSALS.get(answer.code, NotAllowed)(text or f"The server says {answer.code}.")


class _Watch:
    """Cancels a request of which nothing is heard, and of whose body nothing moves."""

    def __init__(self, asked: Deferred[Any], body: FileBody | None, reactor: Any) -> None:
        self.late = False
        self._asked = asked
        self._body = body
        self._reactor = reactor
        self._sent = -1
        self._call = reactor.callLater(QUIET_SECONDS, self._look)

    def stop(self) -> None:
        """Watch no more."""
        if self._call.active():
            self._call.cancel()

    def _look(self) -> None:
        sent = self._body.sent if self._body is not None else -1
        if sent == self._sent:
            self.late = True
            self._asked.cancel()
            return
        self._sent = sent
        self._call = self._reactor.callLater(QUIET_SECONDS, self._look)


def _cause(error: Exception) -> BaseException:
    """Return why a request failed, which Twisted wraps: cancelled, or its body cannot be read."""
    for reason in getattr(error, "reasons", ()):
        if reason.check(CancelledError, Refused, OSError):
            cause: BaseException = reason.value
            return cause
    return error


def header(answer: IResponse, name: str) -> str:
    """Return what ``answer`` says under ``name``.

    Raises:
        Unavailable: nothing.
    """
    values = answer.headers.getRawHeaders(name)
    if not values:
        raise Unavailable("What answers there takes no files.")
    return str(values[0])
