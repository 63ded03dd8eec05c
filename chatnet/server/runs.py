"""Consecutive entries, printed once in a style for all who read them there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from itertools import accumulate

from chatnet.core.events import WEIGHT, weight
from chatnet.core.large import LARGE
from chatnet.core.series import Series
from chatnet.interfaces import MAX_BYTES, IStyle

MAX_RUN = 256  # entries per write: with MAX_BYTES it bounds what a slow reader can make us buffer


@dataclass(slots=True)
class Run:
    """Consecutive entries in one style; or one that is large, and is printed as it is read.

    ``sizes`` says of how many bytes of the ``whole`` each of them is; it is empty for a large one.
    """

    upto: int
    entries: Series
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

    def without(self, places: range | Set[int]) -> bytes:
        """Return all but what is at ``places``: stretches of the whole, not piece by piece."""
        ends, first, begin, left = self._cut(), self.upto - len(self.sizes) + 1, 0, []
        for stretch in _stretches(places):
            start, stop = max(0, stretch.start - first), min(stretch.stop - first, len(self.sizes))
            if start < stop:
                left.append(self.whole[begin : ends[start]])
                begin = ends[stop]
        left.append(self.whole[begin:])
        return b"".join(left)


def _stretches(places: range | Set[int]) -> Iterable[range]:
    """Return ``places``, in order, as stretches without gaps: often it is one."""
    if isinstance(places, range):
        return (places,)
    if places and max(places) - min(places) == len(places) - 1:
        return (range(min(places), max(places) + 1),)
    return [range(place, place + 1) for place in sorted(places)]


def render(style: IStyle, entries: Series) -> Run:
    """Return as many of ``entries`` as make one write, at least one; a large one goes alone."""
    if weight(entries.events[0]) >= LARGE:
        return Run(entries.first, entries[:1], b"", [])
    some = entries if sum(map(len, entries.bodies)) < MAX_BYTES else _first(entries)
    whole, sizes = style.run(some)
    done = some if len(sizes) == len(some.events) else some[: len(sizes)]
    return Run(done.last, done, whole, sizes)


def _first(entries: Series) -> Series:
    """Return the first of ``entries``, until they are long together, or one is large."""
    count = size = 0
    for event in entries.events:
        if size >= MAX_BYTES or weight(event) >= LARGE:
            break
        size += weight(event) - WEIGHT
        count += 1
    return entries[:count]
