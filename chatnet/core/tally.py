"""How long things take: what a histogram is made of, counted as cheaply as can be."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

BOUNDS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip


class Tally:
    """Durations in seconds, counted by the least of ``bounds`` that they do not exceed."""

    __slots__ = ("_counts", "bounds", "total")

    def __init__(self, bounds: Sequence[float] = BOUNDS) -> None:
        self.bounds = bounds  # in rising order
        self.total = 0.0  # of all durations
        self._counts = [0] * (len(bounds) + 1)

    def note(self, seconds: float) -> None:
        """Count a duration; one below 0, of a clock that was set back, as 0."""
        seconds = max(0.0, seconds)
        self._counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds

    @property
    def count(self) -> int:
        """How many durations were counted."""
        return sum(self._counts)

    def cumulative(self) -> Sequence[tuple[float, int]]:
        """Return, for each bound and for infinity, how many durations do not exceed it."""
        bounds = (*self.bounds, float("inf"))
        return list(zip(bounds, accumulate(self._counts), strict=True))
