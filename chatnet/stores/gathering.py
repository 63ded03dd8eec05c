"""When a commit begins: at once after a quiet time, and in a while where that pays."""

from __future__ import annotations

from collections.abc import Callable, Sized

from twisted.internet.interfaces import IDelayedCall, IReactorTime

ENOUGH = 16  # appends that wait share the cost of a commit well enough
FEW = 4  # if less than one in so many comes in a wait's second half, it was for nothing
MOST_HASTE = 1.0  # seconds without a wait after one that was


class Gathering:
    """Lets at least so many seconds lie between two commits, if something comes meanwhile.

    A commit, a turn of the reactor and a write to each reader cost the same for one message as for
    ten. Where many speak, one waits a little for the others then; not if the commit itself took so
    long that they are here. Where nobody else does, because those who speak wait for what they said
    themselves, a wait brings little in its second half. Then there is none for a while, and if the
    next one is for nothing as well, for twice as long.
    """

    def __init__(self, clock: IReactorTime, seconds: float, begin: Callable[[], object]) -> None:
        """Call ``begin`` to commit after a wait; there is none if ``seconds`` is 0."""
        self._clock = clock
        self._seconds = seconds
        self._begin = begin
        self.begun = 0.0  # when the last commit began
        self._haste = 0.0  # seconds, for which there was no wait the last time
        self._hasty_until = 0.0  # there is no wait before that
        self._timer: IDelayedCall | None = None

    def wait(self, waiting: Sized) -> bool:
        """Return whether to wait with what is ``waiting``; then ``begin`` is called."""
        now = self._clock.seconds()
        seconds = self.begun + self._seconds - now
        if seconds <= self._seconds / 2:  # nearly always
            return False
        hasty = 0 < self._hasty_until - now <= MOST_HASTE
        if hasty or not 0 < len(waiting) < ENOUGH:
            return False
        seconds = min(seconds, self._seconds)  # whatever became of the clock
        self._timer = self._clock.callLater(seconds / 2, self._go_on, waiting, seconds / 2)
        return True

    def grew(self, waiting: Sized) -> None:
        """More is ``waiting``."""
        if self._timer is not None and len(waiting) >= ENOUGH:
            self._timer.cancel()
            self._timer = None
            self._clock.callLater(0, self._begin)

    def _go_on(self, waiting: Sized, seconds: float) -> None:
        self._timer = self._clock.callLater(seconds, self._end, waiting, len(waiting))

    def _end(self, waiting: Sized, before: int) -> None:
        self._timer = None
        late = len(waiting) - before
        if late * FEW >= len(waiting):
            self._haste = 0.0
        else:
            self._haste = min(max(2 * self._haste, 2 * self._seconds), MOST_HASTE)
            self._hasty_until = self._clock.seconds() + self._haste
        self._begin()
