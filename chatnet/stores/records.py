"""How a record of a room's log stands in a file, and how records are found there.

A record is a head of fixed size, a text, and what is left of its place when the text became
shorter. The head has a checksum of itself and one of the text: a head that is whole tells where the
next one stands, even if the text is damaged, and names what is.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

from chatnet.core.chain import Record
from chatnet.stores.disk import read_at

# The mark, the checksum of all behind it, that of the text; whether it is a message; the bytes of
# the text and of its place; seq, at, digest and link. 0xff is in no UTF-8, so in no text.
_HEAD = struct.Struct("<4sIIIIIQd32s32s")
_MARK = b"\xffrec"
HEAD = _HEAD.size
_CHUNK = 256 * 1024  # bytes that are read at a time


class Place(NamedTuple):
    """The head of a record, and the offset at which it stands."""

    offset: int
    checksum: int  # of the text
    message: bool
    length: int  # of the text, in bytes
    space: int  # that the text had, when it was first kept
    seq: int
    at: float
    digest: bytes
    link: bytes

    @property
    def end(self) -> int:
        """The offset of the next record."""
        return self.offset + HEAD + self.space

    def record(self, room: str, text: bytes) -> Record:
        """Return the record of ``room``, with ``text`` as it is."""
        readable = text.decode("utf-8", "replace")
        return Record(room, self.seq, self.at, readable, self.digest, self.link)


@dataclass(frozen=True, slots=True)
class Gap:
    """Bytes from ``offset`` to ``end`` that are no record, and records go on behind them."""

    offset: int
    end: int


@dataclass(frozen=True, slots=True)
class Torn:
    """Bytes from ``offset`` to the end of the file that are no whole record."""

    offset: int


def pack(record: Record, message: bool, space: int | None = None) -> bytes:
    """Return ``record`` as it stands in a file, in a place for ``space`` bytes of text."""
    text = record.text.encode()
    room = len(text) if space is None else space
    tail = _HEAD.pack(
        _MARK, 0, crc32(text), message, len(text), room,
        record.seq, record.at, record.digest, record.link,
    )[8:]  # fmt: skip
    return b"%b%b%b%b%b" % (
        _MARK,
        crc32(tail).to_bytes(4, "little"),
        tail,
        text,
        bytes(room - len(text)),
    )


def intact(place: Place, text: bytes) -> bool:
    """Return whether ``text`` is what was kept at ``place``."""
    return len(text) == place.length and crc32(text) == place.checksum


def text_of(file: int, place: Place) -> bytes:
    """Return the text at ``place``, as it is."""
    return read_at(file, place.length, place.offset + HEAD)


def walk(file: int, start: int, stop: int) -> Iterator[Place | Gap | Torn]:
    """Yield the heads of the records of ``file`` between the offsets ``start`` and ``stop``.

    Texts are passed over: a large one is not even read.
    """
    for found, _ in walk_texts(file, start, stop, 0):
        yield found


def walk_texts(
    file: int, start: int, stop: int, most: int
) -> Iterator[tuple[Place | Gap | Torn, bytes]]:
    """Yield like ``walk``, each with its text; ``b""`` for one of more than ``most`` bytes."""
    offset = base = start
    chunk = b""
    while offset < stop:
        if offset + HEAD > base + len(chunk):
            base, chunk = offset, read_at(file, min(_CHUNK, stop - offset), offset)
        place = _parse(chunk, offset - base, offset)
        if place is None:
            onward = _next(file, offset + 1, stop)
            if onward is None:
                yield Torn(offset), b""
                return
            yield Gap(offset, onward), b""
            offset = onward
            continue
        if place.end > stop:
            yield Torn(offset), b""
            return
        text = b""
        if place.length <= most:
            first = offset - base + HEAD
            text = chunk[first : first + place.length]
            if len(text) < place.length:
                text = text_of(file, place)
        yield place, text
        offset = place.end


def _parse(chunk: bytes, first: int, offset: int) -> Place | None:
    head = chunk[first : first + HEAD]
    if len(head) < HEAD:
        return None
    mark, checksum, text, message, length, space, seq, at, digest, link = _HEAD.unpack(head)
    if mark != _MARK or crc32(head[8:]) != checksum:
        return None
    return Place(offset, text, bool(message), length, space, seq, at, digest, link)


def _next(file: int, start: int, stop: int) -> int | None:
    """Return the offset of the first whole head behind ``start``."""
    while start < stop:
        chunk = read_at(file, min(_CHUNK, stop - start) + HEAD, start)
        first = chunk.find(_MARK)
        while 0 <= first < _CHUNK:
            if _parse(chunk, first, start + first):
                return start + first
            first = chunk.find(_MARK, first + 1)
        start += _CHUNK
    return None
