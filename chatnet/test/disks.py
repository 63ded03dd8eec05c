"""Disks for tests: one that is quick, one that fails, and one that is cut off from its power."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from chatnet.stores.disk import Disk


class QuickDisk(Disk):
    """A disk that makes nothing durable, but counts how often it was asked to."""

    def __init__(self) -> None:
        self.syncs = 0

    def sync(self, path: str) -> None:
        os.stat(path)
        self.syncs += 1


class FailingDisk(QuickDisk):
    """A disk whose calls fail while ``fails`` says so of their number, which counts from 0.

    A write that fails leaves half of what it was given.
    """

    def __init__(self, fails: range = range(0)) -> None:
        super().__init__()
        self.fails = fails
        self.calls = 0

    def write(self, file: int, data: bytes, offset: int) -> None:
        try:
            self._count()
        except OSError:
            super().write(file, data[: len(data) // 2], offset)
            raise
        super().write(file, data, offset)

    def truncate(self, file: int, size: int) -> None:
        self._count()
        super().truncate(file, size)

    def sync(self, path: str) -> None:
        self._count()
        super().sync(path)

    def rename(self, old: str, new: str) -> None:
        self._count()
        super().rename(old, new)

    def remove(self, path: str) -> None:
        self._count()
        super().remove(path)

    def make_folder(self, path: str) -> None:
        self._count()
        super().make_folder(path)

    def remove_folder(self, path: str) -> None:
        self._count()
        super().remove_folder(path)

    def _count(self) -> None:
        self.calls += 1
        if self.calls - 1 in self.fails:
            raise OSError(errno.ENOSPC, "No space left on device")


@dataclass(slots=True)
class Call:
    """Something that was done to the disk. Paths are relative to its top."""

    what: str
    path: str
    data: bytes = b""
    offset: int = 0
    other: str = ""


class RecordingDisk(QuickDisk):
    """A disk that remembers what was done below ``top``, so that any beginning can be redone.

    The call of number ``fails``, which counts from 0, fails; of a write, half is done.
    """

    def __init__(self, top: str) -> None:
        super().__init__()
        self.top = top
        self.fails = -1
        self.calls: list[Call] = []
        self._paths: dict[int, str] = {}

    def open(self, path: str) -> int:
        if not os.path.exists(path):
            self._add("create", path)
        file = super().open(path)
        self._paths[file] = path
        return file

    def write(self, file: int, data: bytes, offset: int) -> None:
        fails = len(self.calls) == self.fails
        done = data[: len(data) // 2] if fails else data
        super().write(file, done, offset)
        self.calls.append(self._call("write", self._paths[file], done, offset))
        if fails:
            raise OSError(errno.ENOSPC, "No space left on device")

    def truncate(self, file: int, size: int) -> None:
        self._add("truncate", self._paths[file], offset=size)
        super().truncate(file, size)

    def sync(self, path: str) -> None:
        self._add("sync", path)
        super().sync(path)

    def rename(self, old: str, new: str) -> None:
        self._add("rename", old, other=os.path.relpath(new, self.top))
        super().rename(old, new)

    def remove(self, path: str) -> None:
        self._add("remove", path)
        super().remove(path)

    def make_folder(self, path: str) -> None:
        self._add("folder", path)
        super().make_folder(path)

    def remove_folder(self, path: str) -> None:
        self._add("remove", path)
        super().remove_folder(path)

    def _add(self, what: str, path: str, offset: int = 0, other: str = "") -> None:
        if len(self.calls) == self.fails:
            self.fails = -1
            raise OSError(errno.EIO, "Input/output error")
        self.calls.append(self._call(what, path, b"", offset, other))

    def _call(self, what: str, path: str, data: bytes, offset: int, other: str = "") -> Call:
        return Call(what, os.path.relpath(path, self.top), bytes(data), offset, other)


@dataclass(slots=True, eq=False)
class _Node:
    """A file or a folder: what is durable of it, and what was done since."""

    folder: bool = False
    data: bytes = b""
    names: dict[str, _Node] = field(default_factory=dict)
    since: list[tuple[str, bytes, int, _Node | None]] = field(default_factory=list)


def after_power_cut(calls: list[Call], random: Random) -> Iterator[tuple[str, bytes | None]]:
    """Yield what is on disk if the power goes after ``calls``: paths and bytes; None: a folder.

    Of what nobody made durable, each thing may have come to the disk, or not.
    """
    top = _Node(folder=True)
    seen: dict[str, _Node] = {".": top}
    for call in calls:
        above, name = seen.get(os.path.dirname(call.path) or "."), os.path.basename(call.path)
        node = seen.get(call.path)
        if call.what in ("create", "folder"):
            node = seen[call.path] = _Node(call.what == "folder")
            assert above is not None
            above.since.append((name, b"", 0, node))
        elif call.what == "remove":
            assert above is not None
            above.since.append((name, b"", 0, None))
            del seen[call.path]
        elif call.what == "rename":
            assert above is not None
            above.since.append((os.path.basename(call.other), b"", 0, seen.pop(call.path)))
            above.since.append((name, b"", 0, None))
            seen[call.other] = above.since[-2][3] or _Node()
        elif call.what == "sync":
            assert node is not None
            _settle(node, None)
        else:
            assert node is not None
            node.since.append((call.what, call.data, call.offset, None))
    yield from _walk(top, "", random)


def _settle(node: _Node, random: Random | None) -> None:
    for what, data, offset, other in node.since:
        if random is not None and random.random() < 0.5:
            continue
        if node.folder and other is not None:
            node.names[what] = other
        elif node.folder:
            node.names.pop(what, None)
        elif what == "truncate":
            node.data = node.data[:offset].ljust(offset, b"\0")
        else:
            before = node.data[:offset].ljust(offset, b"\0")
            node.data = before + data + node.data[offset + len(data) :]
    node.since = []


def _walk(node: _Node, path: str, random: Random) -> Iterator[tuple[str, bytes | None]]:
    _settle(node, random)
    for name, other in sorted(node.names.items()):
        below = os.path.join(path, name)
        yield below, None if other.folder else other.data
        yield from _walk(other, below, random) if other.folder else ()


def after_kill(calls: list[Call], top: str, torn: int | None = None) -> None:
    """Make below ``top`` what was there after ``calls``; of the last, only ``torn`` bytes."""
    disk = Disk()
    for call in calls:
        path = os.path.join(top, call.path)
        data = call.data if torn is None or call is not calls[-1] else call.data[:torn]
        if call.what == "folder":
            disk.make_folder(path)
        elif call.what == "rename":
            disk.rename(path, os.path.join(top, call.other))
        elif call.what == "remove":
            if os.path.isdir(path):
                disk.remove_folder(path)
            else:
                disk.remove(path)
        elif call.what != "sync":
            file = disk.open(path)
            if call.what == "write":
                disk.write(file, data, call.offset)
            elif call.what == "truncate":
                disk.truncate(file, call.offset)
            disk.close(file)


def put(found: Iterator[tuple[str, bytes | None]], top: str) -> None:
    """Make files and folders below ``top``."""
    for path, data in found:
        whole = os.path.join(top, path)
        if data is None:
            with suppress(FileExistsError):
                os.mkdir(whole)
        else:
            with open(whole, "wb") as file:
                file.write(data)
