"""What changes the disk, in one place: so that a test can fail it, or cut it short, anywhere."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def reading(path: str) -> Iterator[int]:
    """Open ``path`` to be read, a file or a folder.

    Raises:
        FileNotFoundError: it is not there.
    """
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield file
    finally:
        os.close(file)


def read_at(file: int, size: int, offset: int) -> bytes:
    """Return ``size`` bytes of ``file`` at ``offset``; fewer where it ends."""
    data = os.pread(file, size, offset)
    while 0 < len(data) < size:  # no call returns more than 2 GiB
        more = os.pread(file, size - len(data), offset + len(data))
        if not more:
            break
        data += more
    return data


class Disk:
    """All calls that change files and folders. Each may raise ``OSError``.

    Files are for their owner alone, and so are folders.
    """

    def open(self, path: str) -> int:
        """Return a file to be written, made if it is not there."""
        flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(path, flags, 0o600)

    def close(self, file: int) -> None:
        """Let ``file`` go."""
        os.close(file)

    def write(self, file: int, data: bytes, offset: int) -> None:
        """Write all of ``data`` at ``offset``; if it raises, some of it may be there."""
        left = memoryview(data)
        while left:
            count = os.pwrite(file, left, offset)
            if not count:
                raise OSError(errno.ENOSPC, "nothing was written")
            left, offset = left[count:], offset + count

    def truncate(self, file: int, size: int) -> None:
        """Cut ``file`` to ``size`` bytes."""
        os.ftruncate(file, size)

    def sync(self, path: str) -> None:
        """Make what is in ``path`` durable: the bytes of a file, the names in a folder."""
        with reading(path) as file:
            os.fsync(file)

    def rename(self, old: str, new: str) -> None:
        """Put ``old`` in the place of ``new``."""
        os.replace(old, new)

    def remove(self, path: str) -> None:
        """Remove the file ``path``."""
        os.unlink(path)

    def make_folder(self, path: str) -> None:
        """Make the folder ``path``."""
        os.mkdir(path, 0o700)

    def remove_folder(self, path: str) -> None:
        """Remove the folder ``path``, which is empty."""
        os.rmdir(path)
