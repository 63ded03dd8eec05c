"""Consecutive entries of one log, of which only what differs is kept for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from itertools import chain, count, repeat
from typing import overload

from chatnet.core.events import WEIGHT, Entry, Event, bodies


class Series(Sequence[Entry]):
    """The entries of the log ``room`` from the one at ``first`` on.

    ``times`` (UTC seconds since the epoch) and ``events`` say of each when it was and what it
    holds, and ``kinds`` of which kinds these are: nearly always words. ``places`` is where they
    stand, and ``last`` the place of the last of them; that before the first if there is none.
    Nobody changes them.
    """

    __slots__ = ("_bodies", "events", "first", "kinds", "last", "places", "room", "times")
    __hash__ = None  # type: ignore[assignment]  # it equals any sequence of the same entries

    def __init__(
        self, room: str, first: int, times: Sequence[float], events: Sequence[Event]
    ) -> None:
        self.room, self.first = room, first
        self.places = range(first, first + len(events))
        self.last = self.places.stop - 1
        self.times, self.events = times, events
        self.kinds: Set[type[Event]] = set(map(type, events))
        self._bodies: list[str] | None = None

    @property
    def bodies(self) -> Sequence[str]:
        """The words of each; of one without any, none."""
        if self._bodies is None:
            self._bodies = bodies(self.events)
        return self._bodies

    @property
    def weight(self) -> int:
        """About how many bytes they take in memory."""
        return WEIGHT * len(self.events) + sum(map(len, self.bodies))

    def __len__(self) -> int:
        return len(self.events)

    def __iter__(self) -> Iterator[Entry]:
        return map(Entry, repeat(self.room), count(self.first), self.times, self.events)

    @overload
    def __getitem__(self, place: int) -> Entry: ...
    @overload
    def __getitem__(self, place: slice) -> Series: ...
    def __getitem__(self, place: int | slice) -> Entry | Series:
        if isinstance(place, slice):
            start, _, step = place.indices(len(self.events))
            assert step == 1, "they would not be consecutive"
            return Series(self.room, self.first + start, self.times[place], self.events[place])
        at = range(len(self.events))[place]
        return Entry(self.room, self.first + at, self.times[at], self.events[at])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.room!r}, {self.first}, {list(self)})"


def joined(parts: Sequence[Series]) -> Series:
    """Return as one ``parts``, each of which goes on where the one before it ended."""
    if len(parts) == 1:
        return parts[0]
    times = list(chain.from_iterable([part.times for part in parts]))
    events = list(chain.from_iterable([part.events for part in parts]))
    return Series(parts[0].room, parts[0].first, times, events)


def in_series(entries: Iterable[Entry]) -> list[Series]:
    """Return ``entries`` as series, each as long as one goes on where the one before it ended."""
    parts: list[list[Entry]] = []
    room, seq = None, 0
    for entry in entries:
        if entry.room != room or entry.seq != seq:
            parts.append([])
        parts[-1].append(entry)
        room, seq = entry.room, entry.seq + 1
    return [
        Series(part[0].room, part[0].seq, [one.at for one in part], [one.event for one in part])
        for part in parts
    ]
