"""Files that are fetched over HTTP: whole, or from some byte on (RFC 9110 section 14)."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from chatnet.core.files import ANYTHING, File
from chatnet.core.refusals import Refused
from chatnet.server.factory import ChatFactory
from chatnet.server.files import Files
from chatnet.server.passes import Pass, is_good
from chatnet.web.passing import Gate, answer_to, segments, status_of
from chatnet.web.request import ChatRequest, Turned, request_of

SLICE = 128 * 1024  # bytes that are read from the disk at once
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")
_GONE = "Its bytes are not here any more."


class DownloadResource(Resource):
    """``/files/ID``, with a token, and ``/get/SECRET/NAME``, which is a link to one file."""

    isLeaf = True
    _log = Logger()

    def __init__(self, factory: ChatFactory) -> None:
        super().__init__()
        self._files = factory.host.files
        self._host = factory.host
        self._refusals = factory.host.network.meter.refusals
        self._gate = Gate(factory)

    def render(self, request: Any) -> int:
        """Send the file."""
        asked = request_of(request)
        Deferred.fromCoroutine(self._answer(asked)).addErrback(self._broke, asked)
        return NOT_DONE_YET

    def _broke(self, failure: Failure, request: ChatRequest) -> None:
        answer = answer_to(failure, self._log)
        if request.startedWriting:  # there is no other way to say that the rest will not come
            request.door.abort()
        elif not request._disconnected:  # Twisted has no other word for it
            request.turn_away(*answer)

    async def _answer(self, request: ChatRequest) -> None:
        gone: list[object] = []
        request.notifyFinish().addErrback(gone.append)
        try:
            held, id = self._asked(request)
            file = (await self._files.find(held.session, id)).file
            try:
                descriptor = await self._files.worker.run(self._files.shelf.open, id)
            except OSError:
                raise Turned(410, _GONE) from None
        except (Turned, Refused) as error:
            status = error.status if isinstance(error, Turned) else status_of(error)
            self._refusals[f"http-{status}"] += 1
            if status == 401:
                request.setHeader(b"www-authenticate", b'Bearer realm="chatnet"')
            body = request.refuse(status, str(error))
            if not gone:
                request.setHeader(b"content-length", b"%d" % len(body))
                request.write(body)
                request.finish()
            return
        start, end = self._head(request, file)
        stall = self._host.settings.stall_seconds
        flow = _Outflow(request, self._files, held, id, descriptor, start, end, stall)
        if gone or request.method == b"HEAD" or start >= end:
            flow.stopProducing()
            if not gone:
                request.write(b"")
                request.finish()
        else:
            flow.begin()

    def _asked(self, request: ChatRequest) -> tuple[Pass, str]:
        """Return by whom which file is asked for.

        Raises:
            Turned: nobody may.
        """
        first, *rest = segments(request.path)
        if first == "get" and 1 <= len(rest) <= 2 and rest[0]:
            held = self._gate.admit(request, rest[0])
            return held, held.file
        if first == "files" and 1 <= len(rest) <= 2:
            return self._gate.admit(request), rest[0]
        raise Turned(404, "Files are at /files/ID.")

    def _head(self, request: ChatRequest, file: File) -> tuple[int, int]:
        """Set the headers; return which bytes are to be sent."""
        request.setHeader(b"content-type", ANYTHING.encode())
        request.setHeader(b"content-disposition", _disposition(file.name))
        request.setHeader(b"content-security-policy", b"sandbox; default-src 'none'")
        request.setHeader(b"cache-control", b"private, no-store")
        request.setHeader(b"accept-ranges", b"bytes")
        tag = f'"{file.sha256}"'.encode()
        if request.setETag(tag):
            return 0, 0
        whole = request.getHeader(b"if-range") not in (None, tag)
        asked = None if whole else request.getHeader(b"range")
        start, end = 0, file.size
        found = wanted(asked.decode("latin-1"), file.size) if asked else None
        if found is not None:
            start, end = found
            if start >= end:
                request.setResponseCode(416)
                request.setHeader(b"content-range", b"bytes */%d" % file.size)
                request.setHeader(b"content-length", b"0")
                return 0, 0
            request.setResponseCode(206)
            told = b"bytes %d-%d/%d" % (start, end - 1, file.size)
            request.setHeader(b"content-range", told)
        request.setHeader(b"content-length", b"%d" % (end - start))
        return start, end


def wanted(asked: str, size: int) -> tuple[int, int] | None:
    """Return from which byte up to before which one is ``asked`` for; None if for all.

    Several ranges at once are answered with all of it, as RFC 9110 allows. Of one that is not
    there, nothing is between the two.
    """
    found = _RANGE.fullmatch(asked.replace(" ", ""))
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        return max(0, size - int(found[2])), size
    start = int(found[1])
    end = min(size, int(found[2]) + 1) if found[2] else size
    if found[2] and int(found[2]) < start:
        return None
    return (start, end) if start < size else (0, 0)


def _disposition(name: str) -> bytes:
    """Return how a file called ``name`` is to be kept, and not shown (RFC 6266, RFC 8187)."""
    plain = "".join(
        char if char.isascii() and char.isprintable() and char not in '"\\%' else "_"
        for char in name
    )
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}".encode()


@implementer(IPushProducer)
class _Outflow:
    """Bytes of a file on their way to who fetches it, no faster than they are taken."""

    def __init__(
        self,
        request: ChatRequest,
        files: Files,
        held: Pass,
        id: str,
        descriptor: int,
        start: int,
        end: int,
        stall: float,
    ) -> None:
        self._request = request
        self._files = files
        self._held = held
        self._id = id
        self._descriptor = descriptor
        self._at, self._end = start, end
        self._stall = stall
        self._paused = self._ahead = self._reading = self._over = False
        self._timer: IDelayedCall | None = None

    def begin(self) -> None:
        """Send it."""
        self._request.door.take_time()
        self._request.notifyFinish().addBoth(lambda _: self.stopProducing())
        self._request.registerProducer(self, True)
        self._go_on()

    def _go_on(self) -> None:
        if self._paused or self._ahead or self._reading or self._over:
            return
        self._reading = True
        count = min(SLICE, self._end - self._at)
        done = self._files.worker.run(os.pread, self._descriptor, count, self._at)
        done.addCallbacks(self._read, lambda _: self._read(b""))

    def _read(self, data: bytes) -> None:
        self._reading = False
        if self._over:
            self._close()
            return
        held, files = self._held, self._files
        if not (data and is_good(held) and files.may_read(held.session, self._id)):
            self._request.door.abort()  # there is no other way to say that the rest will not come
            return
        self._at += len(data)
        self._request.write(data)
        if self._at >= self._end:
            self._request.unregisterProducer()
            self._request.door.go_on()
            self._request.finish()
            return
        now = files.clock.seconds()
        wait = files.passes.purse(held.session).down.take(files.limits.file_bytes, len(data), now)
        self._ahead = wait > 0
        if self._ahead:
            files.clock.callLater(wait, self._waited)
        else:
            self._go_on()

    def _waited(self) -> None:
        self._ahead = False
        self._go_on()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with suppress(OSError):
                os.close(descriptor)

    # -- IPushProducer ---------------------------------------------------------------

    def pauseProducing(self) -> None:
        """The wire is full."""
        self._paused = True
        if self._timer is None and not self._over:
            self._timer = self._files.clock.callLater(self._stall, self._stalled)

    def resumeProducing(self) -> None:
        """The wire has room again."""
        self._paused = False
        self._stop_waiting()
        self._go_on()

    def stopProducing(self) -> None:
        """The wire is gone, or all is sent."""
        self._over = True
        self._stop_waiting()
        if not self._reading:
            self._close()

    def _stalled(self) -> None:
        self._timer = None
        self._request.door.abort()

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
