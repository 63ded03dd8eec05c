"""Pages of rooms' logs: what is read, in order, and what is searched, backwards."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import islice
from typing import NamedTuple

from chatnet.core.chain import Record
from chatnet.core.events import Entry
from chatnet.core.search import Search, finds
from chatnet.stores.records import Place, intact, text_of
from chatnet.stores.segments import Damaged, Segments

_PAGE_BYTES = 1024 * 1024  # about how much one page has at most
_MOST_ENTRIES = 20_000  # that one search looks at
_MOST_BYTES = 16 * 1024 * 1024  # of their texts, likewise


class _Found(NamedTuple):
    """A record in a segment, and the seq of the one before it."""

    path: str
    before: int
    place: Place
    text: bytes


class _Candidate(NamedTuple):
    """A record that a search may find; its text is None if it is large."""

    at: float
    room: str
    seq: int
    base: int
    place: Place
    text: bytes | None


def read(segments: Segments, room: str, after: int, upto: int, limit: int) -> Sequence[Entry]:
    """Return up to ``limit`` entries of ``room`` with ``after < seq <= upto``, in order.

    Raises:
        Damaged: the first of them cannot be read.
    """

    def look() -> list[Entry]:
        entries: list[Entry] = []
        size = 0
        try:
            for found in _run(segments, room, after, upto):
                entries.append(_entry(room, found))
                size += len(found.text)
                if len(entries) >= limit or size >= _PAGE_BYTES:
                    break
        except Damaged:
            if not entries:
                raise
        return entries

    return segments.steady(look)


def records(segments: Segments, room: str, after: int, limit: int) -> Sequence[Record]:
    """Return up to ``limit`` records of ``room`` with ``seq > after``, in order, as they are."""

    def look() -> list[Record]:
        kept: list[Record] = []
        size = 0
        for found in _run(segments, room, after, None):
            kept.append(found.place.record(room, found.text))
            size += len(found.text)
            if len(kept) >= limit or size >= _PAGE_BYTES:
                break
        return kept

    return segments.steady(look)


def search(segments: Segments, rooms: Sequence[str], search: Search, limit: int) -> Sequence[Entry]:
    """Return the last ``limit`` entries of ``rooms`` that ``search`` finds, the latest first.

    Gives up after looking at 20,000 entries, or 16 MiB.
    """
    plain = [word for word in search.words if word.isascii()]
    runs = [_backwards(segments, room, search.since) for room in dict.fromkeys(rooms)]
    merged = merge(*runs, key=lambda one: (one.at, one.room, one.seq), reverse=True)
    entries: list[Entry] = []
    size = 0
    for candidate in islice(merged, _MOST_ENTRIES):
        entry = _candidate(segments, candidate, plain)
        if entry is not None and finds(search, entry):
            entries.append(entry)
        size += candidate.place.length
        if len(entries) >= limit or size >= _MOST_BYTES:
            break
    return entries


def _run(segments: Segments, room: str, after: int, upto: int | None) -> Iterator[_Found]:
    bases = segments.bases(room)
    first = max(0, bisect_right(bases, after) - 1)
    last = after
    for number in range(first, len(bases)):
        if upto is not None and bases[number] >= upto:
            return
        with segments.open(room, bases[number]) as segment:
            if not number:
                last = max(last, segment.head.floor)
            for place, text in segment.texts(last):
                if upto is not None and place.seq > upto:
                    return
                yield _Found(segment.path, last, place, text)
                last = place.seq


def _entry(room: str, found: _Found) -> Entry:
    place = found.place
    if place.seq != found.before + 1:
        raise Damaged(
            f"{found.path}: entries {found.before + 1} to {place.seq - 1} of {room}, before byte"
            f" {place.offset}, cannot be read"
        )
    if not intact(place, found.text):
        raise Damaged(
            f"{found.path}: entry {place.seq} of {room}, at byte {place.offset}, is damaged"
        )
    return place.record(room, found.text).entry


def _backwards(segments: Segments, room: str, since: float) -> Iterator[_Candidate]:
    """Yield the records of ``room`` from ``since`` on, the latest first, a stretch at a time."""
    for base in reversed(segments.bases(room)):
        number: int | None = None
        while number is None or number >= 0:
            try:
                with segments.open(room, base) as segment:
                    marks = segment.index.marks
                    number = len(marks) - 1 if number is None else min(number, len(marks) - 1)
                    if number < 0:
                        break
                    found = list(segment.stretch_texts(*segment.stretch(number)))
            except (FileNotFoundError, Damaged):  # let go meanwhile, or for ``verify`` to tell
                break
            for place, text in reversed(found):
                if place.at < since:
                    return
                yield _Candidate(place.at, room, place.seq, base, place, text)
            number -= 1


def _candidate(segments: Segments, one: _Candidate, plain: Sequence[str]) -> Entry | None:
    """Return the entry of ``one``; None if it is gone, or cannot have the words ``plain``."""
    text = one.text
    if text is None:
        try:
            with segments.open(one.room, one.base) as segment:
                text = text_of(segment.file, one.place)
        except (FileNotFoundError, Damaged):
            return None
    if text.isascii():
        lower = text.lower()
        if any(word.encode() not in lower for word in plain):
            return None
    if not intact(one.place, text):
        return None
    return one.place.record(one.room, text).entry
