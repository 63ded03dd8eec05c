"""A room's log: the recent tail in memory, oldest entries forgotten first."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Set

from chatnet.core.events import MESSAGES, Event, erased, weigh, weight
from chatnet.core.series import Series

KEEP_ENTRIES = 1024
KEEP_BYTES = 1024 * 1024
_MESSAGES: Set[type[Event]] = set(MESSAGES)


class Log:
    """An append-only sequence of entries of the room ``key``, of which the last are in memory.

    At least the last ``keep`` entries are kept, unless they weigh more than ``keep_bytes``.
    """

    __slots__ = (
        "_bytes", "_events", "_keep", "_keep_bytes", "_said", "_times", "floor", "head", "key",
        "tail",
    )  # fmt: skip

    def __init__(
        self,
        key: str,
        head: int = 0,
        keep: int = KEEP_ENTRIES,
        keep_bytes: int = KEEP_BYTES,
        floor: int = 0,
    ) -> None:
        self.key = key
        self._events: list[Event] = []  # of each entry, and when it was
        self._times: list[float] = []
        self._said: list[int] = []  # where the messages are
        self._keep = keep
        self._keep_bytes = keep_bytes
        self._bytes = 0
        self.head = head  # seq of the newest entry; 0 when there never was one
        self.tail = head  # every entry with seq > tail is here
        self.floor = floor  # every entry with seq <= floor was let go for good, here and elsewhere

    def extend(self, entries: Series) -> int:
        """Add ``entries``, which go on where ``head`` is; return their weight."""
        assert entries.first == self.head + 1, (entries.first, self.head)
        self._events += entries.events
        self._times += entries.times
        heavy = entries.weight
        if entries.kinds <= _MESSAGES:  # nearly always
            self._said += entries.places
        else:
            self._said += [entry.seq for entry in entries if type(entry.event) in _MESSAGES]
        self._bytes += heavy
        self.head = entries.last
        return heavy

    def forget(self) -> None:
        """Drop all but the newest entries. Call only after every ready reader was served."""
        many, heavy = 2 * self._keep, 2 * self._keep_bytes
        if len(self._events) < many and self._bytes < heavy:  # amortised: half at a time
            return
        drop = max(0, len(self._events) - self._keep)
        left = self._bytes - weigh(self._events[:drop])
        while left > self._keep_bytes:
            left -= weight(self._events[drop])
            drop += 1
        self._let_go(drop, self._bytes - left)

    def drop(self, upto: int) -> None:
        """Let the entries with ``seq <= upto`` go, for good."""
        self.floor = max(self.floor, min(upto, self.head))
        gone = max(0, self.floor - self.tail)
        self._let_go(gone, weigh(self._events[:gone]))

    def _let_go(self, count: int, heavy: int) -> None:
        """Drop the oldest ``count`` entries, which weigh ``heavy``, from memory."""
        self._bytes -= heavy
        del self._events[:count], self._times[:count]
        self.tail += count
        del self._said[: bisect_right(self._said, self.tail)]

    def erase(self, seq: int) -> None:
        """Drop the body of the message at ``seq``."""
        if self.tail < seq <= self.head:
            place = seq - self.tail - 1
            event = self._events[place]
            self._events[place] = erased(event)
            self._bytes += weight(self._events[place]) - weight(event)

    def between(self, after: int, upto: int) -> Series:
        """Return the entries with ``after < seq <= upto``; ``after`` is ``tail`` or later."""
        assert after >= self.tail, (after, self.tail)
        some = slice(after - self.tail, upto - self.tail)
        return Series(self.key, after + 1, self._times[some], self._events[some])

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
