"""Files that are whole or not there, and for their owner alone."""

from __future__ import annotations

import fcntl
import gzip
import io
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import IO, TYPE_CHECKING, cast

from chatnet.admin.telling import Unable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

STANDARD = "-"  # in the place of a file's name: standard input or output
_BUFFER_BYTES = 1024 * 1024
_UNPACKED_BYTES = 8 * 1024  # at once: where damage is found, what was unpacked with it is lost
_GZIP = b"\x1f\x8b"  # what a compressed file begins with
_LEVEL = 6  # of 9: what gzip itself does


@contextmanager
def made(path: str, force: bool) -> Iterator[IO[bytes]]:
    """Lend what becomes the file at ``path`` if all goes well; compressed if that ends in .gz.

    Raises:
        Unable: there is such a file, and no ``force``.
        OSError: it cannot be written.
    """
    if path == STANDARD:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if os.path.lexists(path) and not force:
        raise Unable(f"{path} is there already; --force puts the backup in its place")
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise Unable(f"there is no folder {folder}: make it first, or name another file")
    part = f"{path}.part"
    with _own(part) as file:
        try:
            if path.endswith(".gz"):
                with gzip.GzipFile("", "wb", _LEVEL, file, 0) as inner:
                    out = io.BufferedWriter(cast(io.RawIOBase, inner), _BUFFER_BYTES)
                    yield out
                    out.flush()
            else:
                yield file
            file.flush()
            os.fsync(file.fileno())
            os.replace(part, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(part)
            raise
    _sync_folder(path)


@contextmanager
def _own(part: str) -> Iterator[IO[bytes]]:
    """Lend the file at ``part``, empty, which nobody else writes to or may read."""
    flags = os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW
    with open(
        part, "wb", _BUFFER_BYTES, opener=lambda path, _: os.open(path, flags, 0o600)
    ) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unable(f"another backup is writing {part}") from None
        os.fchmod(file.fileno(), 0o600)
        file.truncate(0)
        yield file


def _sync_folder(path: str) -> None:
    folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def opened(path: str) -> Iterator[IO[bytes]]:
    """Lend what is in the file at ``path``, compressed or not.

    Raises:
        OSError: it cannot be read.
    """
    with ExitStack() as stack:
        if path == STANDARD:
            raw = cast(io.BufferedReader, sys.stdin.buffer)
        else:
            raw = stack.enter_context(io.BufferedReader(io.FileIO(path), _BUFFER_BYTES))
        if raw.peek(len(_GZIP)).startswith(_GZIP):
            inner = stack.enter_context(gzip.GzipFile(fileobj=raw))
            yield io.BufferedReader(_Unpacked(inner), _UNPACKED_BYTES)
        else:
            yield raw


class _Unpacked(io.RawIOBase):
    """What is in a compressed file, as it is unpacked.

    ``GzipFile`` reads on until it has all that it was asked for, and if the file is cut before
    that, forgets what it has.
    """

    def __init__(self, packed: gzip.GzipFile) -> None:
        self._packed = packed

    def readable(self) -> bool:
        return True

    def readinto(self, into: WriteableBuffer) -> int:
        view = memoryview(into)
        data = self._packed.read1(len(view))
        view[: len(data)] = data
        return len(data)
