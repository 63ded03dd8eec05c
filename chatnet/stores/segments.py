"""Rooms' logs in files: each room is a folder, each segment of its log a file in it.

A segment is called by the seq of the entry before its first. Its head tells the room's key, and
behind which place its log begins now, since what is old is let go. Nothing is known of a room
before it is asked for, and then its newest segment is walked through once, or an older one that is
read: an index keeps every place in about 32 KiB, and no index is on disk. Segments may be
removed or changed by the writer while others read: who finds one gone, or not whole, looks again.
"""

from __future__ import annotations

import os
import struct
import time
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple, TypeVar
from urllib.parse import unquote
from zlib import crc32

from chatnet.core.chain import START
from chatnet.stores.disk import read_at, reading
from chatnet.stores.records import Gap, Place, Torn, intact, text_of, walk, walk_texts

T = TypeVar("T")
_HEAD = struct.Struct("<8sIIQQQ32sQ")  # mark, checksum, bytes of the key; see Head
_MARK = b"chatlog1"
_STRIDE = 32 * 1024  # bytes between the places that an index keeps
_MOST_INDICES = 256
_SMALL = 64 * 1024  # bytes of a text that is read together with others
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-")
_LONGEST = 120  # characters of a folder's name
_TRIES = 3  # to read what is being changed
_TRY_SECONDS = 0.01


class Damaged(OSError):
    """What was kept is not there, or not as it was; the sentence says where."""


@dataclass(frozen=True, slots=True)
class Head:
    """What stands at the beginning of a segment."""

    number: int  # of the commit that made it, so another for each segment that ever had its path
    base: int  # the seq before its first entry
    floor: int  # the seq up to which entries were let go
    link: bytes  # of that entry
    start: int  # the offset of the first record behind the floor
    key: str

    def pack(self) -> bytes:
        """Return it as it stands in the file."""
        key = self.key.encode()
        whole = _HEAD.pack(
            _MARK, 0, len(key), self.number, self.base, self.floor, self.link, self.start
        )
        checksum = crc32(key, crc32(whole[12:]))
        return b"%b%b%b%b" % (_MARK, checksum.to_bytes(4, "little"), whole[12:], key)


def first_head(number: int, base: int, link: bytes, key: str) -> Head:
    """Return the head of a new segment, whose first entry follows the one at ``base``."""
    return Head(number, base, base, link, _HEAD.size + len(key.encode()), key)


def _read_head(file: int, path: str) -> Head:
    whole = read_at(file, 4096, 0)
    if len(whole) >= _HEAD.size:
        mark, checksum, length, number, base, floor, link, start = _HEAD.unpack_from(whole)
        key = whole[_HEAD.size : _HEAD.size + length]
        if mark == _MARK and crc32(key, crc32(whole[12 : _HEAD.size])) == checksum:
            return Head(number, base, floor, link, start, key.decode())
    raise Damaged(f"{path}: the head of the segment is damaged")


def folder_of(key: str) -> str:
    """Return what the folder of the room ``key`` is called: it is so on every file system."""
    plain = "".join(
        [c if c in _PLAIN else "".join([f"%{byte:02x}" for byte in c.encode()]) for c in key]
    )
    return plain if 0 < len(plain) <= _LONGEST else f"={sha256(key.encode()).hexdigest()}"


def segment_name(base: int) -> str:
    """Return what the segment behind the seq ``base`` is called."""
    return f"{base:012d}.log"


class _Mark(NamedTuple):
    """A place that an index keeps, and how many messages stand before it in the segment."""

    seq: int
    offset: int
    at: float
    messages: int


@dataclass(slots=True)
class Index:
    """What is known of a segment from walking through it once; it grows with the segment."""

    end: int
    seq: int  # of the last record, or the floor
    link: bytes  # of that
    marks: list[_Mark] = field(default_factory=list)
    messages: int = 0
    gaps: list[tuple[int, int, int]] = field(default_factory=list)  # offset, end, seq before
    torn: bool = False

    def extend(self, file: int, size: int) -> None:
        """Take in what stands behind ``end``, in a segment of ``size`` bytes."""
        self.torn = False
        for found in walk(file, self.end, size):
            match found:
                case Place():
                    if not self.marks or found.offset - self.marks[-1].offset >= _STRIDE:
                        self.marks.append(_Mark(found.seq, found.offset, found.at, self.messages))
                    self.messages += found.message
                    self.end, self.seq, self.link = found.end, found.seq, found.link
                case Gap(offset, end):
                    self.gaps.append((offset, end, self.seq))
                case Torn():
                    self.torn = True


@dataclass(frozen=True, slots=True)
class Segment:
    """An open segment."""

    path: str
    file: int
    head: Head
    index: Index

    def texts(self, after: int) -> Iterator[tuple[Place, bytes]]:
        """Yield the records with ``seq > after``, each with its text as it is."""
        marks = self.index.marks
        first = max(0, bisect_right(marks, after + 1, key=lambda mark: mark.seq) - 1)
        if marks:
            for place, text in self.stretch_texts(marks[first].offset, self.index.end):
                if place.seq > after:
                    yield place, text if text is not None else text_of(self.file, place)

    def stretch_texts(self, offset: int, end: int) -> Iterator[tuple[Place, bytes | None]]:
        """Yield the records between two offsets, each with its text; None for a large one."""
        for place, text in walk_texts(self.file, offset, end, _SMALL):
            if isinstance(place, Place):
                yield place, text if place.length <= _SMALL else None

    def between(self, offset: int, end: int | None = None) -> Iterator[Place]:
        """Yield the places of the records from ``offset`` on."""
        for place in walk(self.file, offset, self.index.end if end is None else end):
            if isinstance(place, Place):
                yield place

    def stretch(self, number: int) -> tuple[int, int]:
        """Return from which offset to which the index keeps no place in between."""
        marks = self.index.marks
        last = number + 1 == len(marks)
        return marks[number].offset, self.index.end if last else marks[number + 1].offset


class Segments:
    """The logs of all rooms in ``folder``, to be read."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._indices: OrderedDict[tuple[str, int, int], Index] = OrderedDict()

    def rooms(self, prefix: str = "") -> Iterator[str]:
        """Yield the key of each room that has a folder, and begins with ``prefix``."""
        for name in sorted(os.listdir(self.folder)) if os.path.isdir(self.folder) else []:
            if not (name.startswith("=") or unquote(name).startswith(prefix)):
                continue
            for base in self._bases(name)[:1]:
                try:
                    with self._peek(name, base) as (_, _, head):
                        if head.key.startswith(prefix):
                            yield head.key
                except FileNotFoundError:  # discarded meanwhile
                    continue
                except Damaged:
                    if name.startswith("="):
                        raise
                    yield unquote(name)

    def bases(self, room: str) -> list[int]:
        """Return what the segments of ``room`` are called by, in order."""
        return self._bases(folder_of(room))

    def _bases(self, name: str) -> list[int]:
        try:
            names = os.listdir(os.path.join(self.folder, name))
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted([int(n[:-4]) for n in names if n.endswith(".log")])

    @contextmanager
    def open(self, room: str, base: int) -> Iterator[Segment]:
        """Open a segment.

        Raises:
            FileNotFoundError: it is gone.
            Damaged: its head cannot be read.
        """
        with self._peek(folder_of(room), base) as (path, file, head):
            key = (path, head.number, head.floor)
            index = self._indices.get(key)
            size = os.fstat(file).st_size
            if index is None or index.end > size:
                index = self._indices[key] = Index(head.start, head.floor, head.link)
                if len(self._indices) > _MOST_INDICES:
                    self._indices.popitem(last=False)
            self._indices.move_to_end(key)
            if size > index.end:
                index.extend(file, size)
            yield Segment(path, file, head, index)

    @contextmanager
    def _peek(self, name: str, base: int) -> Iterator[tuple[str, int, Head]]:
        """Open a segment, and read nothing but its head."""
        path = os.path.join(self.folder, name, segment_name(base))
        with reading(path) as file:
            yield path, file, _read_head(file, path)

    def steady(self, look: Callable[[], T]) -> T:
        """Return what ``look`` finds, and let it look again at what is being changed."""
        for left in reversed(range(_TRIES)):
            try:
                return look()
            except (FileNotFoundError, Damaged):
                if not left:
                    raise
                time.sleep(_TRY_SECONDS)
        raise AssertionError

    def floor(self, room: str) -> tuple[int, bytes]:
        """Return behind which seq the log of ``room`` begins, and the link of that."""

        def look() -> tuple[int, bytes]:
            for base in self.bases(room):
                with self._peek(folder_of(room), base) as (_, _, head):
                    return head.floor, head.link
            return 0, START

        return self.steady(look)

    def back(self, room: str, upto: int, count: int) -> int:
        """Return the seq behind which the last ``count`` messages up to ``upto`` begin."""
        first = upto
        for base in reversed(self.bases(room)):
            if base >= upto or count <= 0:
                continue
            with self.open(room, base) as segment:
                marks = segment.index.marks
                near = bisect_right(marks, upto, key=lambda mark: mark.seq) - 1
                if near < 0:
                    continue
                stretch = segment.between(*segment.stretch(near))
                here = marks[near].messages + sum([p.message for p in stretch if p.seq <= upto])
                if here:
                    first = _message(segment, max(0, here - count)) - 1
                    count -= here
        return first

    def seq_at(self, room: str, at: float) -> int:
        """Return the seq of the last entry of ``room`` from before ``at``; its floor if none."""
        bases = self.bases(room)

        def begins(base: int) -> float:
            with self._peek(folder_of(room), base) as (_, file, head):
                places = walk(file, head.start, os.fstat(file).st_size)
                return next((p.at for p in places if isinstance(p, Place)), float("inf"))

        while bases:
            near = max(0, bisect_left(bases, at, key=begins) - 1)
            with self.open(room, bases[near]) as segment:
                marks, found = segment.index.marks, segment.head.floor
                first = max(0, bisect_left(marks, at, key=lambda mark: mark.at) - 1)
                for place in segment.between(marks[first].offset) if marks else ():
                    if place.at >= at:
                        break
                    found = place.seq
                return found
        return 0

    def damage(self, room: str) -> Sequence[str]:
        """Return a sentence on each stretch of the log of ``room`` that is no record."""
        found = []
        for base in self.bases(room):
            with self.open(room, base) as segment:
                gaps = list(segment.index.gaps)
                if segment.index.torn:
                    size = os.fstat(segment.file).st_size
                    gaps.append((segment.index.end, size, segment.index.seq))
                found += [
                    f"{segment.path}: bytes {offset} to {end}, behind entry {seq} of {room}, are"
                    " no record"
                    for offset, end, seq in gaps
                ]
                found += [
                    f"{segment.path}: entry {place.seq} of {room}, at byte {place.offset}, is"
                    " damaged"
                    for place, text in segment.texts(segment.head.floor)
                    if not intact(place, text)
                ]
        return found


def _message(segment: Segment, number: int) -> int:
    """Return the seq of the message in ``segment`` before which there are ``number``."""
    marks = segment.index.marks
    near = max(0, bisect_right(marks, number, key=lambda mark: mark.messages) - 1)
    before = marks[near].messages
    for place in segment.between(marks[near].offset):
        if place.message:
            if before == number:
                return place.seq
            before += 1
    raise Damaged(f"{segment.path}: a message is gone")
