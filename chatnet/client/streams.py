"""Files as they are read and written here: slice by slice, and never whole in memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone, ResponseFailed
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer

from chatnet.core.refusals import NotWhole

SLICE = 256 * 1024  # bytes that are read at once
HASHED = 8 * 1024 * 1024  # bytes that are hashed at once
Aside = Callable[..., Deferred[Any]]


class Source:
    """The file at ``path``, to be sent. Its methods block."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self.size = os.fstat(self._file.fileno()).st_size
        self._hash = sha256()
        self._hashed = 0

    @property
    def sha256(self) -> str:
        """The SHA-256 of what was hashed."""
        return self._hash.hexdigest()

    def hash_on(self) -> bool:
        """Hash on; return whether there is more."""
        data = self.read(self._hashed, min(HASHED, self.size - self._hashed))
        self._hash.update(data)
        self._hashed += len(data)
        return bool(data) and self._hashed < self.size

    def read(self, at: int, count: int = SLICE) -> bytes:
        """Return up to ``count`` bytes from ``at`` on."""
        return os.pread(self._file.fileno(), count, at)

    def close(self) -> None:
        """Read no more."""
        self._file.close()


@implementer(IBodyProducer)
class FileBody:
    """What is in ``source`` from ``offset`` on, as the body of a request."""

    def __init__(
        self, source: Source, offset: int, aside: Aside, progress: Callable[[int, int], object]
    ) -> None:
        self.length = source.size - offset
        self.sent = offset
        self._source = source
        self._aside = aside
        self._progress = progress
        self._consumer: IConsumer | None = None
        self._done: Deferred[None] = Deferred()
        self._paused = self._reading = False

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:  # noqa: N802 -- Twisted's name
        """Begin; fires when all is written."""
        self._consumer = consumer
        self._go_on()
        return self._done

    def _go_on(self) -> None:
        if self._paused or self._reading or self._consumer is None:
            return
        self._reading = True
        left = self._source.size - self.sent
        done = self._aside(self._source.read, self.sent, min(SLICE, left))
        done.addCallbacks(self._read, self._failed)

    def _read(self, data: bytes) -> None:
        self._reading = False
        if self._consumer is None:
            return
        if not data and self.sent < self._source.size:
            self._failed(Failure(NotWhole("The file became shorter while it was sent.")))
            return
        self._consumer.write(data)
        self.sent += len(data)
        self._progress(self.sent, self._source.size)
        if self.sent >= self._source.size:
            self._consumer = None
            self._done.callback(None)
        else:
            self._go_on()

    def _failed(self, failure: Failure) -> None:
        self._reading = False
        if self._consumer is not None:
            self._consumer = None
            self._done.errback(failure)

    def pauseProducing(self) -> None:
        """The wire is full."""
        self._paused = True

    def resumeProducing(self) -> None:
        """The wire has room again."""
        self._paused = False
        self._go_on()

    def stopProducing(self) -> None:
        """The wire is gone."""
        self._consumer = None


class Partial:
    """What came of a file that is fetched, beside where it is to be. Its methods block."""

    def __init__(self, target: Path, id: str, size: int, digest: str) -> None:
        self.path = target.with_name(f"{target.name}.{id}.part")
        self.size = size
        self._digest = digest
        flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW
        self._descriptor = os.open(self.path, flags, 0o666)
        self.have = min(os.fstat(self._descriptor).st_size, size)
        self._hash, self._hashed = sha256(), 0

    def read_on(self) -> bool:
        """Hash what was here before; return whether there is more of it."""
        count = min(HASHED, self.have - self._hashed)
        data = os.pread(self._descriptor, count, self._hashed)
        self._hash.update(data)
        self._hashed += len(data)
        return bool(data) and self._hashed < self.have

    def restart(self) -> None:
        """Begin again: what came is of another file."""
        os.ftruncate(self._descriptor, 0)
        self.have, self._hash = 0, sha256()

    def write(self, data: bytes) -> int:
        """Put ``data`` behind what came; return how much that is."""
        left, at = memoryview(data), self.have
        while left:
            count = os.pwrite(self._descriptor, left, at)
            left, at = left[count:], at + count
        self._hash.update(data)
        self.have = at
        return at

    def finish(self) -> None:
        """See that it is what was sent, and make it durable.

        Raises:
            NotWhole: it is not; it is dropped.
        """
        if self.have != self.size or self._hash.hexdigest() != self._digest:
            with suppress(OSError):
                self.path.unlink()
            raise NotWhole("What came is not the file that was sent. Fetch it again.")
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Write no more."""
        os.close(self._descriptor)


def free_name(path: Path, target: Path) -> Path:
    """Let the file at ``path`` be at ``target``, or, if something is there, beside it; return it.

    Blocks.
    """
    number = 1
    while True:
        name = target.name if number == 1 else f"{target.stem} ({number}){target.suffix}"
        try:
            os.link(path, target.with_name(name))
        except FileExistsError:
            number += 1
            continue
        except OSError:  # a file system without links
            if target.with_name(name).exists():
                number += 1
                continue
            path.rename(target.with_name(name))
            return target.with_name(name)
        path.unlink()
        return target.with_name(name)


class BodySink(Protocol):
    """Writes the body of an answer to ``partial``, no faster than the disk is."""

    def __init__(
        self,
        partial: Partial,
        aside: Aside,
        progress: Callable[[int, int], object],
        reactor: Any,
        quiet: float,
    ) -> None:
        """Give up when nothing came for ``quiet`` seconds."""
        self.done: Deferred[None] = Deferred(lambda _: self._abort())
        self._partial = partial
        self._aside = aside
        self._progress = progress
        self._waiting: list[bytes] = []
        self._writing = False
        self._end: Failure | None = None
        self._over = False
        self._quiet = quiet
        self._watch = reactor.callLater(quiet, self._abort)

    def dataReceived(self, data: bytes) -> None:
        self._watch.reset(self._quiet)
        self._waiting.append(data)
        if sum(map(len, self._waiting)) > SLICE:
            self._producer().pauseProducing()
        self._go_on()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._watch.active():
            self._watch.cancel()
        self._end = reason
        self._go_on()

    def _go_on(self) -> None:
        if self._writing or self._over:
            return
        if self._waiting:
            self._writing = True
            data, self._waiting = b"".join(self._waiting), []
            self._aside(self._partial.write, data).addCallbacks(self._wrote, self._failed)
        elif self._end is not None:
            self._over = True
            if self.done.called:
                return
            if self._end.check(ResponseDone):
                self.done.callback(None)
            else:
                self.done.errback(ResponseFailed([self._end]))

    def _wrote(self, have: int) -> None:
        self._writing = False
        self._progress(have, self._partial.size)
        if self._end is None and not self._waiting:
            self._producer().resumeProducing()
        self._go_on()

    def _failed(self, failure: Failure) -> None:
        self._writing, self._over = False, True
        self._abort()
        if not self.done.called:
            self.done.errback(failure)

    def _producer(self) -> IPushProducer:
        return cast(IPushProducer, self.transport)

    def _abort(self) -> None:
        if self._watch.active():
            self._watch.cancel()
        abort = getattr(self.transport, "abortConnection", None)
        (abort or self._producer().stopProducing)()
