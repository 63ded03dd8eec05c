"""What is to be changed in rooms' logs: entries added, bodies erased, what is old let go."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from chatnet.core.chain import START, Anchor, Record, bind, erased, follow
from chatnet.core.codec import decode_event, encode_event
from chatnet.core.events import MESSAGES, Deleted, Erased, Event
from chatnet.core.series import Series
from chatnet.stores.changes import Changes
from chatnet.stores.commits import Commits
from chatnet.stores.records import Place, pack
from chatnet.stores.segments import (
    Segment,
    Segments,
    first_head,
    folder_of,
    segment_name,
)

SEGMENT_BYTES = 4 * 1024 * 1024  # behind which the next segment begins
_MOST_TAILS = 10_000  # rooms whose end is remembered


@dataclass(frozen=True, slots=True)
class _Tail:
    """Where a log goes on: its newest segment, where that ends, and the last entry."""

    base: int = -1  # -1: there is no segment
    end: int = 0
    seq: int = 0
    link: bytes = START


class Logs:
    """The logs of all rooms, to be changed. For the one who writes."""

    def __init__(
        self, segments: Segments, commits: Commits, notice: Callable[[str], object]
    ) -> None:
        self._segments, self._commits, self._notice = segments, commits, notice
        self._tails: dict[str, _Tail] = {}
        self._next: dict[str, _Tail] = {}  # how they are when the commit has happened

    def done(self) -> None:
        """The commit has happened."""
        self._tails |= self._next
        self._next = {}
        if len(self._tails) > _MOST_TAILS:
            self._tails.clear()

    def doubt(self) -> None:
        """It has not, or nobody knows: look again before anything else."""
        self._tails, self._next = {}, {}

    def add(self, changes: Changes, runs: Sequence[Series], discards: Sequence[str]) -> None:
        """Add ``runs``, and let the rooms ``discards`` go.

        Raises:
            ValueError: the place of an entry is taken, or not the next.
        """
        events: dict[str, list[Event]] = {}  # by room
        for run in runs:
            known = events.setdefault(run.room, [])
            follow(self._tail(run.room).seq + len(known), run.room, run.places)
            known += run.events
        records: dict[str, list[Record]] = {room: [] for room in events}
        for record in bind(runs, {room: self._tail(room).link for room in events}):
            records[record.room].append(record)
        gone = set(discards)
        for room in (room for room in events if room not in gone):
            self._erase(changes, room, events[room], records[room])
            messages = [isinstance(event, MESSAGES) for event in events[room]]
            last = records[room][-1]
            packed = map(pack, records[room], messages)
            self._append(changes, room, self._tail(room), packed, last.seq, last.link)
        for room in gone:
            if self._segments.bases(room):
                changes.removes.append(f"rooms/{folder_of(room)}")
            self._next[room] = _Tail()

    def adopt(self, changes: Changes, room: str, anchor: Anchor, records: Sequence[Record]) -> None:
        """Add ``records`` as they are; a log of which there is nothing begins at ``anchor``."""
        tail = self._tail(room)
        if tail.base < 0:
            tail = self._tails[room] = _Tail(-1, 0, anchor.seq, anchor.link)
        follow(tail.seq, room, [record.seq for record in records])
        if records or (tail.base < 0 and anchor.seq):
            packed = [pack(record, _is_message(record)) for record in records]
            seq, link = (records[-1].seq, records[-1].link) if records else (tail.seq, tail.link)
            self._append(changes, room, tail, packed, seq, link)

    def forget(self, changes: Changes, room: str, upto: int, limit: int) -> int:
        """Let up to ``limit`` entries with ``seq <= upto`` go; return the new floor."""
        tail = self._tail(room)
        floor, _ = self._segments.floor(room)
        target = min(upto, floor + limit, tail.seq)
        if target <= floor:
            return floor
        bases = self._segments.bases(room)
        near = bisect_right(bases, target) - 1
        if target == tail.seq and bases[-1] < target:
            self._append(changes, room, replace(tail, base=-1), [], tail.seq, tail.link)
            near = len(bases)
        elif bases[near] < target:
            with self._segments.open(room, bases[near]) as segment:
                self._raise_floor(changes, room, segment, target)
        gone = [_path(room, base) for base in bases[:near]]
        changes.removes += gone
        if any(self._commits.holds(path) for path in gone):
            changes.wipe = True
        return target

    def _append(
        self,
        changes: Changes,
        room: str,
        tail: _Tail,
        packed: Iterable[bytes],
        seq: int,
        link: bytes,
    ) -> None:
        """Add the records ``packed`` behind ``tail``; the last is at ``seq`` and has ``link``."""
        data = b"".join(packed)
        base, end = tail.base, tail.end
        if base < 0 or (data and end >= SEGMENT_BYTES):
            base, end = tail.seq, 0
            data = first_head(self._commits.number, base, tail.link, room).pack() + data
        changes.append(_path(room, base), end, data)
        self._next[room] = _Tail(base, end + len(data), seq, link)

    def _raise_floor(self, changes: Changes, room: str, segment: Segment, target: int) -> None:
        last: Place | None = None
        for place, _ in segment.texts(segment.head.floor):
            if place.seq > target:
                break
            last = place
        if last is not None:
            head = replace(segment.head, floor=target, link=last.link, start=last.end)
            path = _path(room, head.base)
            changes.puts.append((path, 0, head.pack()))
            changes.clears.append((path, segment.head.start, last.end))
            if self._commits.holds(path, last.end):
                changes.wipe = True

    def _erase(
        self,
        changes: Changes,
        room: str,
        events: Sequence[Event],
        records: list[Record],
    ) -> None:
        """Erase the bodies of what ``events`` delete, in ``records``, which they are, or before."""
        for place, event in enumerate(events):
            if isinstance(event, Deleted):
                number = event.message - records[0].seq
                if 0 <= number < place:
                    text = encode_event(erased(events[number]))
                    records[number] = replace(records[number], text=text)
                elif number < 0 < event.message:
                    self._erase_kept(changes, room, event.message)

    def _erase_kept(self, changes: Changes, room: str, seq: int) -> None:
        bases = self._segments.bases(room)
        near = bisect_right(bases, seq - 1) - 1
        if near < 0:
            return
        with self._segments.open(room, bases[near]) as segment:
            place, text = next(iter(segment.texts(seq - 1)), (None, b""))
        if place is None or place.seq != seq or not place.message:
            return
        record = place.record(room, text)
        event = _read(record)
        empty = Erased("") if event is None else erased(event)
        if empty is not event:
            data = pack(replace(record, text=encode_event(empty)), True, place.space)
            changes.puts.append((_path(room, bases[near]), place.offset, data))
            changes.wipe = True

    def _tail(self, room: str) -> _Tail:
        if room not in self._tails:
            self._tails[room] = self._find(room)
        return self._tails[room]

    def _find(self, room: str) -> _Tail:
        """Return where the log of ``room`` ends; cut off what is behind its last whole record."""
        bases = self._segments.bases(room)
        while bases:
            path, base = _path(room, bases[-1]), bases[-1]
            whole = os.path.join(os.path.dirname(self._segments.folder), path)
            size = os.path.getsize(whole)
            least = len(first_head(0, 0, START, room).pack())
            if size < least and (len(bases) > 1 or not base):
                self._commits.drop(path)
                self._notice(f"{whole}: removed, its {size} bytes are less than a segment's head")
                bases.pop()
                continue
            with self._segments.open(room, base) as segment:
                index = segment.index
            if size > index.end:
                self._commits.cut(path, index.end)
                self._notice(
                    f"{whole}: cut {size - index.end} bytes behind entry {index.seq} of {room}"
                    " that were no whole record"
                )
            return _Tail(base, index.end, index.seq, index.link)
        return _Tail()


def _path(room: str, base: int) -> str:
    return f"rooms/{folder_of(room)}/{segment_name(base)}"


def _read(record: Record) -> Event | None:
    try:
        return decode_event(record.text)
    except (ValueError, KeyError, TypeError):
        return None


def _is_message(record: Record) -> bool:
    return isinstance(_read(record), MESSAGES)
