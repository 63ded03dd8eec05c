"""Consecutive entries, printed once in a style for all who read them there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from chatnet.core.events import Entry, characters, weight
from chatnet.core.large import LARGE
from chatnet.interfaces import MAX_BYTES, IStyle

MAX_RUN = 256  # entries per write: with MAX_BYTES it bounds what a slow reader can make us buffer


@dataclass(slots=True)
class Run:
    """Consecutive entries in one style; or one that is large, and is printed as it is read.

    ``sizes`` says of how many bytes of the ``whole`` each of them is.
    """

    upto: int
    entries: Sequence[Entry]
    whole: bytes
    sizes: Sequence[int]
    ends: list[int] | None = None  # where they end in the whole, once somebody asks

    def behind(self, after: int) -> Run:
        """Return the rest of it, behind ``after``."""
        first = len(self.sizes) - (self.upto - after)
        begin = self._cut()[first]
        return Run(self.upto, self.entries[first:], self.whole[begin:], self.sizes[first:])

    def _cut(self) -> list[int]:
        if self.ends is None:
            self.ends = [0, *accumulate(self.sizes)]
        return self.ends

    def without(self, places: Iterable[int]) -> bytes:
        """Return all but what is at ``places``: stretches of the whole, not piece by piece."""
        ends, first, begin, left = self._cut(), self.upto - len(self.sizes) + 1, 0, []
        for stretch in _stretches(sorted(places)):
            start, stop = max(0, stretch.start - first), min(stretch.stop - first, len(self.sizes))
            if start < stop:
                left.append(self.whole[begin : ends[start]])
                begin = ends[stop]
        left.append(self.whole[begin:])
        return b"".join(left)


def _stretches(places: Sequence[int]) -> Iterable[range]:
    """Return ``places``, which are in order, as stretches without gaps: often it is one."""
    if places and places[-1] - places[0] == len(places) - 1:
        return [range(places[0], places[-1] + 1)]
    return [range(place, place + 1) for place in places]


def is_large(entries: Sequence[Entry]) -> bool:
    """Return whether the first of ``entries`` is shown in parts, as its readers take them."""
    return bool(entries) and weight(entries[0].event) >= LARGE


def render(style: IStyle, entries: Sequence[Entry]) -> Run:
    """Return as many of ``entries`` as make one write, at least one; a large one goes alone."""
    if is_large(entries):
        return Run(entries[0].seq, entries[:1], b"", [])
    some = entries if characters(entries) < MAX_BYTES else _first(entries)
    whole, sizes = style.run(some)
    done = some[: len(sizes)]
    return Run(done[-1].seq, done, whole, sizes)


def _first(entries: Sequence[Entry]) -> Sequence[Entry]:
    """Return the first of ``entries``, until they are long together, or one is large."""
    count = size = 0
    for entry in entries:
        if size >= MAX_BYTES or weight(entry.event) >= LARGE:
            break
        size += characters([entry])
        count += 1
    return entries[:count]
