"""The bytes in flight: what all connections together may have in memory at once."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

PACE_BYTES = 1024 * 1024  # between two looks, that count as headway
WATCH_SECONDS = 30.0  # between two looks at those who hold something while others wait for it


class Holder(Protocol):
    """Who takes of a budget, and gives all of it back when it is done."""

    def granted(self) -> None:
        """What it asked for is taken; it may go on."""

    def stuck(self) -> bool:
        """Return whether it is to blame that it made no headway since this was asked last.

        False for the first time.
        """

    def give_way(self) -> None:
        """Give back what it holds: it made no headway, and others wait."""


class Budget:
    """So many bytes for all. Who asks for more than there is waits, in the order of asking.

    The first of those who wait may have more than there is: else some could hold a part each, and
    all of them wait. So what is in memory is bounded by the budget and one unit, of any size.
    """

    def __init__(self, clock: IReactorTime, size: int) -> None:
        self.size = size
        self.used = 0
        self._clock = clock
        self._held: dict[Holder, int] = {}
        self._waiting: deque[tuple[Holder, int]] = deque()
        self._first: Holder | None = None  # that may have more than there is
        self._granting = False
        self._watch: IDelayedCall | None = None

    def take(self, holder: Holder, size: int) -> bool:
        """Take ``size`` bytes for ``holder``; return False if it must wait until it is granted."""
        if holder is not self._first and (self._waiting or self.used + size > self.size):
            self._waiting.append((holder, size))
            if self._first is None and not self._granting:  # then nobody waited
                self._promote()
                return True
            self._look_later()
            return False
        self._count(holder, size)
        return True

    def give_back(self, holder: Holder) -> None:
        """Take from ``holder`` what it holds or waits for."""
        self.used -= self._held.pop(holder, 0)
        self._waiting = deque([one for one in self._waiting if one[0] is not holder])
        if self._first is holder:
            self._first = None
        self._grant()

    def _count(self, holder: Holder, size: int) -> None:
        self._held[holder] = self._held.get(holder, 0) + size
        self.used += size

    def _promote(self) -> Holder:
        """Let the first who waits have what it asks for, whatever there is."""
        self._first, size = self._waiting.popleft()
        self._count(self._first, size)
        return self._first

    def _grant(self) -> None:
        """Let those go on for whom there is room now.

        They may be done at once, or ask for more. Whoever is next waits for the loop then: else
        each of them would be on the stack of the one before.
        """
        if self._granting:
            return
        self._granting = True
        try:
            while self._waiting:
                holder, size = self._waiting[0]
                if self.used + size <= self.size:
                    self._waiting.popleft()
                    self._count(holder, size)
                elif self._first is None:
                    self._promote()
                else:
                    return
                holder.granted()
        finally:
            self._granting = False
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _look_later(self) -> None:
        if self._watch is None:
            self._watch = self._clock.callLater(WATCH_SECONDS, self._look)

    def _look(self) -> None:
        self._watch = None
        waiting = {holder for holder, _ in self._waiting}
        stuck = [holder for holder in self._held if holder.stuck() and holder not in waiting]
        for holder in stuck:
            holder.give_way()
        if self._waiting:
            self._look_later()
