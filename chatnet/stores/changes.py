"""Changes of files, and how a commit of some stands in the commit log."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple
from zlib import crc32

from chatnet.stores.disk import read_at

_FILE = struct.Struct("<8sIQ")  # how a file begins: a mark, a checksum, its first commit's number
_FILE_MARK = b"chatcmt1"
_COMMIT = struct.Struct("<4sIQQ")  # a mark, the checksum of all behind, its number, its bytes
_MARK = b"\xffcmt"
_CHANGE = struct.Struct("<cHQQ")  # what, the bytes of its path, where, and how many bytes
BEGIN = _FILE.size  # the offset of the first commit


class What(Enum):
    """What a change does."""

    APPEND = b"a"  # the file is cut to the offset, or made, and goes on with the data
    PUT = b"p"  # the data takes the place of what stands at the offset
    CLEAR = b"c"  # zeros do
    REMOVE = b"r"  # the file, or the folder with all that is in it, is removed


class Change(NamedTuple):
    """One change. ``size`` is in bytes; paths are relative to the folder of the store."""

    what: What
    path: str
    offset: int
    size: int
    data: bytes


class Commit(NamedTuple):
    """A commit that was found in a commit log, where it begins and where it ends."""

    number: int
    offset: int
    end: int
    changes: Sequence[Change]


@dataclass(slots=True)
class Changes:
    """What is to be changed together. Appends come first: they alone may lack space."""

    appends: dict[str, tuple[int, list[bytes]]] = field(default_factory=dict)
    puts: list[tuple[str, int, bytes]] = field(default_factory=list)
    clears: list[tuple[str, int, int]] = field(default_factory=list)  # from offset to offset
    removes: list[str] = field(default_factory=list)
    wipe: bool = False  # nothing is to be kept of what stood there before

    def append(self, path: str, offset: int, data: bytes) -> None:
        """Add ``data`` to ``path``, which ends at ``offset`` before this commit."""
        self.appends.setdefault(path, (offset, []))[1].append(data)

    def __bool__(self) -> bool:
        return bool(self.appends or self.puts or self.clears or self.removes)

    def flat(self) -> Iterator[Change]:
        """Yield the changes one by one."""
        for path, (offset, parts) in self.appends.items():
            whole = b"".join(parts)
            yield Change(What.APPEND, path, offset, len(whole), whole)
        for path, offset, data in self.puts:
            yield Change(What.PUT, path, offset, len(data), data)
        for path, offset, end in self.clears:
            yield Change(What.CLEAR, path, offset, end - offset, b"")
        for path in self.removes:
            yield Change(What.REMOVE, path, 0, 0, b"")


def pack(number: int, changes: Changes) -> bytes:
    """Return ``changes`` as the commit ``number``, as it stands in a commit log."""
    parts: list[bytes] = []
    for what, path, offset, size, data in changes.flat():
        name = path.encode()
        parts += [_CHANGE.pack(what.value, len(name), offset, size), name, data]
    tail = _COMMIT.pack(_MARK, 0, number, sum(map(len, parts)))[8:]
    checksum = crc32(tail)
    for part in parts:  # put together once: one of them may be a message of 64 MiB
        checksum = crc32(part, checksum)
    return b"".join([_MARK, checksum.to_bytes(4, "little"), tail, *parts])


def head(number: int) -> bytes:
    """Return how a commit log begins whose first commit will be ``number``."""
    checksum = crc32(number.to_bytes(8, "little"))
    return _FILE.pack(_FILE_MARK, checksum, number)


def first(file: int) -> int | None:
    """Return the number with which the commit log ``file`` begins; None if that is damaged."""
    whole = read_at(file, _FILE.size, 0)
    if len(whole) < _FILE.size:
        return None
    number: int = _FILE.unpack(whole)[2]
    return number if whole == head(number) else None


def commits(file: int) -> Iterator[Commit]:
    """Yield the commits in the commit log ``file``; pass over what is none."""
    size, offset = os.fstat(file).st_size, BEGIN
    while offset < size:
        found = _commit(file, offset, size)
        if found is not None:
            yield found
            offset = found.end
        else:
            onward = read_at(file, size - offset, offset).find(_MARK, 1)
            offset = offset + onward if onward > 0 else size


def _commit(file: int, offset: int, size: int) -> Commit | None:
    whole = read_at(file, _COMMIT.size, offset)
    if len(whole) < _COMMIT.size:
        return None
    mark, checksum, number, length = _COMMIT.unpack(whole)
    end = offset + _COMMIT.size + length
    if mark != _MARK or end > size:
        return None
    body = read_at(file, length, offset + _COMMIT.size)
    if crc32(body, crc32(whole[8:])) != checksum:
        return None
    return Commit(number, offset, end, list(_changes(body)))


def _changes(body: bytes) -> Iterator[Change]:
    place = 0
    while place < len(body):
        what, length, offset, size = _CHANGE.unpack_from(body, place)
        place += _CHANGE.size
        path = body[place : place + length].decode()
        place += length
        kind = What(what)
        data = body[place : place + size] if kind in (What.APPEND, What.PUT) else b""
        place += len(data)
        yield Change(kind, path, offset, size, data)
