"""The folder of a store in files: which release it is of, and who writes there."""

from __future__ import annotations

import fcntl
import os

from chatnet.stores.disk import Disk

VERSION = "chatnet files 1\n"  # in the file ``format``


def check(path: str) -> bool:
    """Return whether there is a store in the folder ``path``.

    Raises:
        ValueError: there is, of another release.
    """
    try:
        with open(os.path.join(path, "format"), encoding="utf-8", errors="replace") as file:
            version = file.read(100)
    except FileNotFoundError:
        return False
    if version != VERSION:
        raise ValueError(
            f"{path} was written by another release of chatnet (its format is"
            f" {version.strip()!r}, this one's is {VERSION.strip()!r})"
        )
    return True


def take(path: str, disk: Disk) -> int:
    """Make the folder ``path`` a store if it is none; return a file that locks it while open.

    Raises:
        OSError: another process writes there, or the folder cannot be used.
        ValueError: it is of another release.
    """
    if not os.path.isdir(path):
        above = os.path.dirname(os.path.abspath(path))
        os.makedirs(above, 0o700, exist_ok=True)
        disk.make_folder(path)
        disk.sync(above)
    lock = disk.open(os.path.join(path, "lock"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not check(path):
            _write_format(path, disk)
    except BlockingIOError:
        os.close(lock)
        raise OSError("another process writes there") from None
    except BaseException:
        os.close(lock)
        raise
    return lock


def _write_format(folder: str, disk: Disk) -> None:
    path = os.path.join(folder, "format")
    file = disk.open(path + ".new")
    try:
        disk.write(file, VERSION.encode(), 0)
    finally:
        disk.close(file)
    disk.sync(path + ".new")
    disk.rename(path + ".new", path)
    disk.sync(folder)
