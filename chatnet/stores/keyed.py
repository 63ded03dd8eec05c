"""What is kept by key, in files that grow: the last text that was put for a key holds.

A table knows where each text stands, and reads on in its file before it answers: the reader sees
what the writer appended. When most of a file is no longer needed, another one takes its place.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from zlib import crc32

from chatnet.stores.changes import Changes
from chatnet.stores.commits import Commits
from chatnet.stores.disk import read_at, reading

_HEAD = struct.Struct("<8sIQQ")  # of a file: a mark, a checksum, its number, its size when made
_FILE_MARK = b"chattbl1"
_RECORD = struct.Struct("<4sIII")  # a mark, a checksum, the bytes of the key and of the text
_MARK = b"\xffkey"
_SLACK = 256 * 1024  # bytes that a file may grow before it is made anew

Row = tuple[int, int, str, bytes]  # where a record begins and ends, its key and its text


def pack(key: str, text: str) -> bytes:
    """Return a record; an empty ``text`` says that there is nothing for ``key`` any more."""
    name, value = key.encode(), text.encode()
    sizes = _RECORD.pack(_MARK, 0, len(name), len(value))[8:]
    checksum = crc32(value, crc32(name, crc32(sizes)))
    return b"%b%b%b%b%b" % (_MARK, checksum.to_bytes(4, "little"), sizes, name, value)


def head(number: int, size: int = 0) -> bytes:
    """Return how a file begins: one made by the commit ``number``, with ``size`` bytes in it."""
    rest = struct.pack("<QQ", number, size + _HEAD.size)
    return _FILE_MARK + crc32(rest).to_bytes(4, "little") + rest


class Growing:
    """A file of records by key, and how far it was read."""

    def __init__(self, path: str, notice: Callable[[str], object]) -> None:
        self.path = path
        self._notice = notice
        self._number = 0
        self._last = b""  # the head of the last record that was read
        self._last_at = 0
        self.settled = 0  # bytes that it had when it was made
        self.end = 0  # how far it was read; 0 if it is not there
        self.damaged = False

    @contextmanager
    def open(self) -> Iterator[tuple[int, Iterator[Row], bool] | None]:
        """Open the file; give it, the records that are new, and whether all are."""
        try:
            with reading(self.path) as file:
                fresh = self._is_another(file)
                yield file, self._on(file), fresh
        except FileNotFoundError:
            self.end = 0
            yield None

    def skim(self) -> None:
        """Find out where it ends."""
        with self.open() as opened:
            for _ in opened[1] if opened is not None else ():
                pass

    def grown(self) -> bool:
        """Return whether most of the file may be needed no more."""
        return self.end > 2 * self.settled + _SLACK and not self.damaged

    def _is_another(self, file: int) -> bool:
        """Return whether it is not the file that was read before; then begin with it."""
        whole = read_at(file, _HEAD.size, 0)
        if len(whole) < _HEAD.size or crc32(whole[12:]) != _HEAD.unpack(whole)[1]:
            raise OSError(f"{self.path}: the first {_HEAD.size} bytes are damaged")
        _, _, number, settled = _HEAD.unpack(whole)
        same = number == self._number and self.end >= _HEAD.size
        if same and read_at(file, len(self._last), self._last_at) == self._last:
            return False
        self._number, self.settled, self.end = number, settled, _HEAD.size
        self._last, self._last_at, self.damaged = b"", 0, False
        return True

    def _on(self, file: int) -> Iterator[Row]:
        """Yield what stands behind ``end``."""
        size = os.fstat(file).st_size
        data = read_at(file, size - self.end, self.end)
        begin, place = self.end, 0
        while place < len(data):
            found = _parse(data, place)
            if found is None:
                onward = _next(data, place + 1)
                if onward < 0:
                    return
                self.damaged = True
                self._notice(f"{self.path}: bytes {begin + place} to {begin + onward} are damaged")
                place = onward
                continue
            key, text = found
            after = place + _RECORD.size + len(key) + len(text)
            self._last, self._last_at = data[place : place + _RECORD.size], begin + place
            self.end = begin + after
            yield begin + place, begin + after, key.decode(), text
            place = after


def _parse(data: bytes, place: int) -> tuple[bytes, bytes] | None:
    if place + _RECORD.size > len(data):
        return None
    mark, checksum, key, text = _RECORD.unpack_from(data, place)
    first = place + _RECORD.size
    end = first + key + text
    if mark != _MARK or end > len(data):
        return None
    if crc32(data[first:end], crc32(data[place + 8 : first])) != checksum:
        return None
    return data[first : first + key], data[first + key : end]


def _next(data: bytes, place: int) -> int:
    """Return where the next whole record begins; -1 if there is none."""
    while (place := data.find(_MARK, place)) >= 0 and _parse(data, place) is None:
        place += 1
    return place


class Table:
    """The last text by key, in the order in which keys came first."""

    def __init__(
        self,
        path: str,
        notice: Callable[[str], object],
        hear: Callable[[str, bytes], object] = lambda key, text: None,
    ) -> None:
        """``hear`` is told each key and text that is read."""
        self.file = Growing(path, notice)
        self._hear = hear
        self._places: dict[str, tuple[int, int]] = {}  # the offset of a text, and its bytes

    def get(self, key: str) -> str:
        """Return the text of ``key``; an empty one if there is none."""
        with self._read() as file:
            return self._text(file, key) if file is not None and key in self._places else ""

    def refresh(self) -> None:
        """Take in what is new."""
        with self._read():
            pass

    def names(self) -> list[str]:
        """Return all keys that have a text, the oldest first."""
        with self._read():
            return list(self._places)

    def texts(self, keys: list[str]) -> list[tuple[str, str]]:
        """Return those of ``keys`` that have a text, each with it."""
        with self._read() as file:
            if file is None:
                return []
            return [(key, self._text(file, key)) for key in keys if key in self._places]

    def anew(self) -> Iterator[bytes]:
        """Yield what is needed of the file, as records."""
        for key in self.names():
            for _, text in self.texts([key]):
                yield pack(key, text)

    @contextmanager
    def _read(self) -> Iterator[int | None]:
        with self.file.open() as opened:
            if opened is None:
                self._places.clear()
                yield None
                return
            file, rows, fresh = opened
            if fresh:
                self._places.clear()
            for _, end, key, text in rows:
                if text:
                    self._places[key] = (end - len(text), len(text))
                else:
                    self._places.pop(key, None)
                self._hear(key, text)
            yield file

    def _text(self, file: int, key: str) -> str:
        offset, size = self._places[key]
        return read_at(file, size, offset).decode()


class TableWriter:
    """Changes such files, which were read to their end before."""

    def __init__(self, folder: str, commits: Commits, notice: Callable[[str], object]) -> None:
        self._folder, self._commits, self._notice = folder, commits, notice

    def append(self, changes: Changes, file: Growing, data: bytes) -> None:
        """Add ``data``, some records, to ``file`` with ``changes``."""
        if not file.end:
            data = head(self._commits.number) + data
        changes.append(self._name(file), file.end, data)

    def cut(self, file: Growing) -> None:
        """Cut off what is behind the last whole record."""
        torn = (os.path.getsize(file.path) if file.end else 0) - file.end
        if torn > 0:
            self._commits.cut(self._name(file), file.end)
            self._notice(f"{file.path}: cut {torn} bytes that were no whole record")

    def renew(self, file: Growing, parts: Iterator[bytes]) -> None:
        """Make ``file`` anew, of the records ``parts``, if most of it may be needed no more."""
        if not file.grown():
            return
        try:
            whole = b"".join(parts)
            self._commits.replace(self._name(file), (head(self._commits.number, len(whole)), whole))
        except OSError as error:  # nothing is lost by that, and it is tried again
            self._notice(f"{file.path}: cannot be made smaller: {error}")

    def _name(self, file: Growing) -> str:
        return os.path.relpath(file.path, self._folder)
