"""A room's log: the recent tail in memory, oldest entries forgotten first."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence, Set
from dataclasses import replace

from chatnet.core.events import MESSAGES, Entry, Event, erased, weigh, weight

KEEP_ENTRIES = 1024
KEEP_BYTES = 1024 * 1024
_MESSAGES: Set[type[Event]] = set(MESSAGES)


class Log:
    """An append-only sequence of entries, of which the last are in memory.

    At least the last ``keep`` entries are kept, unless they weigh more than ``keep_bytes``.
    """

    __slots__ = ("_bytes", "_entries", "_keep", "_keep_bytes", "_said", "floor", "head", "tail")

    def __init__(
        self,
        head: int = 0,
        keep: int = KEEP_ENTRIES,
        keep_bytes: int = KEEP_BYTES,
        floor: int = 0,
    ) -> None:
        self._entries: list[Entry] = []
        self._said: list[int] = []  # where the messages are
        self._keep = keep
        self._keep_bytes = keep_bytes
        self._bytes = 0
        self.head = head  # seq of the newest entry; 0 when there never was one
        self.tail = head  # every entry with seq > tail is here
        self.floor = floor  # every entry with seq <= floor was let go for good, here and elsewhere

    def extend(self, entries: Sequence[Entry], kinds: Set[type[Event]]) -> int:
        """Add ``entries``, whose ``seq`` go on from ``head`` without a gap; return their weight.

        Their events are of these ``kinds``.
        """
        assert entries[0].seq == self.head + 1, (entries[0].seq, self.head)
        self._entries += entries
        heavy, head = weigh(entries), entries[-1].seq
        if kinds <= _MESSAGES:  # nearly always
            self._said += range(self.head + 1, head + 1)
        else:
            self._said += [entry.seq for entry in entries if type(entry.event) in _MESSAGES]
        self._bytes += heavy
        self.head = head
        return heavy

    def forget(self) -> None:
        """Drop all but the newest entries. Call only after every ready reader was served."""
        many, heavy = 2 * self._keep, 2 * self._keep_bytes
        if len(self._entries) < many and self._bytes < heavy:  # amortised: half at a time
            return
        drop = max(0, len(self._entries) - self._keep)
        left = self._bytes - weigh(self._entries[:drop])
        while left > self._keep_bytes:
            left -= weight(self._entries[drop].event)
            drop += 1
        del self._entries[:drop]
        self._bytes = left
        self.tail += drop
        del self._said[: bisect_right(self._said, self.tail)]

    def drop(self, upto: int) -> None:
        """Let the entries with ``seq <= upto`` go, for good."""
        self.floor = max(self.floor, min(upto, self.head))
        gone = self._entries[: max(0, self.floor - self.tail)]
        del self._entries[: len(gone)]
        self._bytes -= weigh(gone)
        self.tail += len(gone)
        del self._said[: bisect_right(self._said, self.tail)]

    def erase(self, seq: int) -> None:
        """Drop the body of the message at ``seq``."""
        if self.tail < seq <= self.head:
            place = seq - self.tail - 1
            entry = self._entries[place]
            self._entries[place] = replace(entry, event=erased(entry.event))
            self._bytes += weight(self._entries[place].event) - weight(entry.event)

    def between(self, after: int, upto: int) -> Sequence[Entry]:
        """Return the entries with ``after < seq <= upto``; ``after`` is ``tail`` or later."""
        assert after >= self.tail, (after, self.tail)
        return self._entries[after - self.tail : upto - self.tail]

    def says(self, after: int, upto: int) -> bool:
        """Return whether there is a message with ``after < seq <= upto``, all in memory."""
        return bisect_right(self._said, after) < bisect_right(self._said, upto)

    def back(self, upto: int, count: int) -> int | None:
        """Return the seq behind which the last ``count`` messages up to ``upto`` begin.

        ``upto`` if there are none; None if they are further back than what is in memory.
        """
        if count <= 0:
            return upto
        end = bisect_right(self._said, upto)
        if end >= count:
            return self._said[end - count] - 1
        if self.tail > self.floor:
            return None
        return self._said[0] - 1 if end else upto
