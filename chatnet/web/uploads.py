"""Files that come over HTTP: by tus 1.0 (https://tus.io), which goes on after a cut, or by PUT.

::

    POST   /r/ROOM/ or /p/USER/    begin:    201, Location: /uploads/ID
    HEAD   /uploads/ID             how far:  200, Upload-Offset
    PATCH  /uploads/ID             go on:    204, Upload-Offset; at the end Chatnet-Entry: its seq
    DELETE /uploads/ID             give up:  204
    PUT    /r/ROOM/NAME            at once:  201
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Coroutine
from dataclasses import replace
from math import ceil
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from chatnet.core.durations import spell_duration
from chatnet.core.files import File
from chatnet.core.refusals import Refused, Unavailable
from chatnet.server.factory import ChatFactory
from chatnet.server.intake import Intake
from chatnet.server.passes import Pass
from chatnet.server.session import Session
from chatnet.server.uploads import Misplaced, Upload
from chatnet.web.passing import Gate, answer_to, segments, status_of
from chatnet.web.request import ChatRequest, Turned, request_of

VERSION = b"1.0.0"
_PATCH_TYPE = b"application/offset+octet-stream"
_LARGEST = 2**53


class UploadResource(Resource):
    """``/r/``, ``/p/`` and ``/uploads/``."""

    isLeaf = True
    methods = (b"POST", b"HEAD", b"PATCH", b"DELETE", b"PUT", b"OPTIONS")
    _log = Logger()

    def __init__(self, factory: ChatFactory) -> None:
        super().__init__()
        self._files = factory.host.files
        self._uploads = factory.host.files.uploads
        self._refusals = factory.host.network.meter.refusals
        self._gate = Gate(factory)

    def take(
        self, request: ChatRequest, method: bytes, path: bytes, length: int | None
    ) -> _Flow | None:
        """Return what takes the body of ``request``, if that is part of a file.

        Raises:
            Turned: it is not taken.
        """
        if method not in (b"PUT", b"PATCH"):
            return None
        first, *rest = segments(path)
        putting = method == b"PUT" and first in ("r", "p") and len(rest) == 2
        if not putting and not (method == b"PATCH" and first == "uploads" and len(rest) == 1):
            return None
        held = self._gate.admit(request)
        try:
            _check_version(request)
            flow = _Flow(request, held)
            if putting:
                _pace(held)
                _check_length(request)
                file = _put_file(request, rest[1], length)
                to = self._to(first, rest[0])
                self._uploads.check(held.session, to, file)
                flow.open(self._begin(flow, to, file))
            else:
                upload = self._uploads.find(held.session, rest[0])
                flow.open(self._go_on(flow, upload, length))
        except Refused as refusal:
            raise Turned(status_of(refusal), str(refusal)) from None
        return flow

    def render(self, request: Any) -> bytes | int:
        """Answer when all is done."""
        asked = request_of(request)
        asked.setHeader(b"tus-resumable", VERSION)
        if asked.method == b"OPTIONS":
            return self._options(asked)
        done = Deferred.fromCoroutine(self._answer(asked))
        done.addErrback(self._broke, asked)
        return NOT_DONE_YET

    def _options(self, request: ChatRequest) -> bytes:
        most = self._files.limits.file_size.most
        request.setHeader(b"tus-version", VERSION)
        request.setHeader(b"tus-extension", b"creation,termination")
        if most < _LARGEST:
            request.setHeader(b"tus-max-size", b"%d" % most)
        request.setResponseCode(204)
        return b""

    async def _answer(self, request: ChatRequest) -> None:
        flow = request.body
        gone: list[object] = []
        request.notifyFinish().addErrback(gone.append)
        try:
            if isinstance(flow, _Flow):
                text = await self._took(request, flow)
            else:
                text = await self._do(request)
        except Misplaced as error:
            request.setHeader(b"upload-offset", b"%d" % error.have)
            body = request.refuse(409, str(error))
        except Turned as error:
            for name, value in error.headers:
                request.setHeader(name, value)
            body = self._refused(request, error.status, str(error))
        except Refused as refusal:
            body = self._refused(request, status_of(refusal), str(refusal))
        else:
            body = text.encode()
        if not gone and not request.refused:
            if request.code != 204:
                request.setHeader(b"content-length", b"%d" % len(body))
            if isinstance(flow, _Flow):
                request.door.go_on()
            request.write(body)
            request.finish()

    def _refused(self, request: ChatRequest, status: int, text: str) -> bytes:
        self._refusals[f"http-{status}"] += 1
        if status == 401:
            request.setHeader(b"www-authenticate", b'Bearer realm="chatnet"')
        return request.refuse(status, text)

    def _broke(self, failure: Failure, request: ChatRequest) -> None:
        answer = answer_to(failure, self._log)
        if not request._disconnected and not request.refused:  # Twisted has no other word for it
            request.turn_away(*answer)

    # -- what is asked for -----------------------------------------------------------

    async def _do(self, request: ChatRequest) -> str:
        """Do what has no body: begin, tell how far it is, or give up."""
        first, *rest = segments(request.path)
        held = self._gate.admit(request)
        session = held.session
        _check_version(request)
        if request.method != b"HEAD":
            _pace(held)
        if request.method == b"POST" and first in ("r", "p") and rest[1:] in ([], [""]) and rest:
            file = _tus_file(request)
            upload = await self._uploads.begin(session, self._to(first, rest[0]), file)
            request.setHeader(b"location", f"/uploads/{upload.sheet.id}".encode())
            request.setResponseCode(201)
            return ""
        if first != "uploads" or len(rest) != 1:
            raise Turned(404, "Files go to /r/ROOM/NAME with PUT, or to /r/ROOM/ by tus.")
        upload = self._uploads.find(session, rest[0])
        if request.method == b"DELETE":
            await self._uploads.give_up(upload)
            request.setResponseCode(204)
            return ""
        await self._uploads.quiet(upload)
        request.setHeader(b"cache-control", b"no-store")
        request.setHeader(b"upload-length", b"%d" % upload.size)
        self._tell(request, upload)
        return ""

    def _to(self, kind: str, name: str) -> str:
        """Return where a file goes that is for the room (``r``) or person (``p``) called ``name``.

        Raises:
            BadName: no room can be called that.
        """
        return self._files.network.key_of(name) if kind == "r" else f"@{name}"

    async def _begin(self, flow: _Flow, to: str, file: File) -> tuple[Upload, Intake]:
        upload = await self._uploads.begin(flow.session, to, file)
        flow.whole = True
        try:
            return upload, await self._uploads.take(flow.session, upload, flow, 0)
        except BaseException:
            await self._uploads.drop(upload)
            raise

    async def _go_on(
        self, flow: _Flow, upload: Upload, length: int | None
    ) -> tuple[Upload, Intake | None]:
        request = flow.request
        if request.getHeader(b"content-type") != _PATCH_TYPE:
            raise Turned(415, f"The type has to be {_PATCH_TYPE.decode()}.")
        offset = _number(request, b"upload-offset")
        if upload.seq:  # it was sent, and its sender did not hear of it
            if offset != upload.size or length:
                raise Misplaced(upload.size)
            return upload, None
        return upload, await self._uploads.take(flow.session, upload, flow, offset)

    async def _took(self, request: ChatRequest, flow: _Flow) -> str:
        """All of a body came: see what that makes of the file."""
        upload, intake = await flow.opened
        if intake is not None:
            await intake.end()
        if request.refused:
            return ""
        if flow.whole:
            try:
                seq = await self._uploads.finish(flow.session, upload)
            except Unavailable:
                raise  # it may turn up in the log
            except Refused:
                await self._uploads.drop(upload)
                raise
            file = upload.sheet.file
            request.setHeader(b"location", f"/files/{file.id}".encode())
            request.setHeader(b"chatnet-entry", b"%d" % seq)
            request.setHeader(b"content-type", b"text/plain; charset=utf-8")
            request.setResponseCode(201)
            return f"Sent: {file.name}, {file.size:,} bytes, SHA-256 {file.sha256}, ID {file.id}\n"
        if upload.have == upload.size:
            await self._uploads.finish(flow.session, upload)
        request.setResponseCode(204)
        self._tell(request, upload)
        return ""

    def _tell(self, request: ChatRequest, upload: Upload) -> None:
        request.setHeader(b"upload-offset", b"%d" % upload.have)
        if upload.seq:
            request.setHeader(b"chatnet-entry", b"%d" % upload.seq)


class _Flow:
    """The body of ``request``, on its way to the disk: held until there is where to write it."""

    _log = Logger()

    def __init__(self, request: ChatRequest, held: Pass) -> None:
        self.request = request
        self.session: Session = held.session
        self.whole = False  # a PUT: what is cut off is of no use
        self.opened: Deferred[tuple[Upload, Intake | None]] = Deferred()
        self._intake: Intake | None = None
        self._upload: Upload | None = None
        self._gone = False

    def open(self, opening: Coroutine[Any, Any, tuple[Upload, Intake | None]]) -> None:
        """Begin to take what comes when ``opening`` has returned where to."""
        self.hold()
        self.request.door.take_time()
        Deferred.fromCoroutine(opening).addCallbacks(self._opened, self._unopened)

    def _opened(self, open: tuple[Upload, Intake | None]) -> None:
        self._upload, self._intake = open
        if self._gone:
            self.cut()
        self.release()
        self.opened.callback(open)

    def _unopened(self, failure: Failure) -> None:
        self.opened.addErrback(lambda _: None)
        error, headers = failure.value, list[tuple[bytes, bytes]]()
        if isinstance(error, Misplaced):
            answer, headers = (409, str(error)), [(b"upload-offset", b"%d" % error.have)]
        elif isinstance(error, Turned):
            answer, headers = (error.status, str(error)), [*error.headers]
        elif isinstance(error, Refused):
            answer = status_of(error), str(error)
        else:
            answer = answer_to(failure, self._log)
        if not self._gone:
            self.request.turn_away(*answer, headers)
            self.release()
        self.opened.errback(failure)

    # -- chatnet.web.request.Body ----------------------------------------------------

    def write(self, data: bytes) -> None:
        assert self._intake is not None, "it was held"
        self._intake.write(data)

    def cut(self) -> None:
        self._gone = True
        if self._intake is not None and self._upload is not None:
            done = self._intake.cut()
            if self.whole and not self._upload.seq:
                done.addCallback(lambda _: self._drop())

    def _drop(self) -> Deferred[None]:
        assert self._upload is not None, "it was opened"
        uploads = self.session.host.files.uploads
        return Deferred.fromCoroutine(uploads.drop(self._upload))

    # -- chatnet.server.intake.Tap ---------------------------------------------------

    def hold(self) -> None:
        cast(Any, self.request.channel).hold()

    def release(self) -> None:
        if self.request.channel is not None:
            cast(Any, self.request.channel).release()

    def fail(self, refusal: Refused, late: bool = False) -> None:
        if not self._gone:
            self.request.turn_away(408 if late else status_of(refusal), str(refusal))
            self.release()


def _pace(held: Pass) -> None:
    """Count a request that begins or gives up a file as what its connection sends in the chat.

    Raises:
        Turned: it sends too much for now.
    """
    wait = held.session.pace.request()
    if wait > 0:
        seconds = ceil(wait)
        raise Turned(
            429,
            "That is faster than you may send. It was not done: try again in"
            f" {spell_duration(seconds)}.",
            (b"retry-after", b"%d" % seconds),
        )


def _check_version(request: ChatRequest) -> None:
    if request.getHeader(b"tus-resumable") not in (None, VERSION):
        raise Turned(412, "The version of tus that is spoken here is 1.0.0.")


def _check_length(request: ChatRequest) -> None:
    """See that ``request`` says where it ends; else HTTP takes it for empty, whatever comes."""
    if not (request.getHeader(b"content-length") or request.getHeader(b"transfer-encoding")):
        raise Turned(411, "Say how long it is, with Content-Length.")


def _number(request: ChatRequest, name: bytes) -> int:
    written = request.getHeader(name) or b""
    if not (written.isdigit() and len(written) < 16):
        raise Turned(400, f"{name.decode()} is a number of bytes.")
    return int(written)


def _put_file(request: ChatRequest, name: str, length: int | None) -> File:
    """Return what a PUT says of its file."""
    if not name:
        raise Turned(400, "The address has to end with the file's name: /r/ROOM/NAME.")
    kind = (request.getHeader(b"content-type") or b"").decode("latin-1")
    file = File("", name, -1 if length is None else length, kind)
    digest = (request.getHeader(b"repr-digest") or b"").decode("latin-1")  # RFC 9530
    if not digest.startswith("sha-256=:"):
        return file
    try:
        return replace(file, sha256=b64decode(digest[9:].partition(":")[0], validate=True).hex())
    except ValueError:
        raise Turned(400, "Repr-Digest is like sha-256=:BASE64:") from None


def _tus_file(request: ChatRequest) -> File:
    """Return what the headers of a tus creation say of its file."""
    size = _number(request, b"upload-length")
    said: dict[str, str] = {}
    try:
        for pair in (request.getHeader(b"upload-metadata") or b"").split(b","):
            key, _, value = pair.strip().partition(b" ")
            said[key.decode()] = b64decode(value, validate=True).decode()
    except ValueError:
        raise Turned(400, "Upload-Metadata is like: filename BASE64,filetype BASE64") from None
    kind = said.get("filetype", "")
    sealed = said.get("sealed", "")
    return File("", said.get("filename", ""), size, kind, said.get("sha256", ""), sealed)
