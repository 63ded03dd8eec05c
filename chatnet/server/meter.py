"""What a server counts while it works: plain numbers, which are read when somebody asks."""

from __future__ import annotations

from collections import Counter

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from chatnet.core import events as e
from chatnet.core.series import Series
from chatnet.core.tally import Tally

PULSE_SECONDS = 1.0  # between two looks at how late the reactor is


class Meter:
    """Numbers that only grow; and what an operator should look at."""

    __slots__ = (
        "connections", "delays", "disorders", "entries", "partings", "refusals", "strange_proxy",
        "turns",
    )  # fmt: skip

    def __init__(self) -> None:
        self.connections = 0  # that were let in
        self.entries: Counter[type[e.Event]] = Counter()  # that were shown
        self.refusals: Counter[str] = Counter()  # by their codes
        self.partings: Counter[str] = Counter()  # closed by the server, by their codes
        self.turns = 0  # of the reactor in which somebody asked for so much that it had to wait
        self.disorders = 0  # times that entries came which did not follow those before: never
        self.strange_proxy = ""  # an address that seems to speak for others, and was not named
        self.delays = Tally()  # by which the reactor came late to what was to be done

    def deliver(self, entries: Series, head: int) -> None:
        """Count ``entries``, which are to follow the one at ``head`` without a gap."""
        if entries.first != head + 1:
            self.disorders += 1
        if len(entries.kinds) == 1:  # nearly always
            self.entries[next(iter(entries.kinds))] += len(entries.events)
        else:
            self.entries.update(map(type, entries.events))


class Pulse:
    """Looks each second how late the reactor is: as late as everything else that it does."""

    def __init__(self, clock: IReactorTime, delays: Tally) -> None:
        self._clock = clock
        self._delays = delays
        self._due = 0.0
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Begin."""
        self._due = self._clock.seconds() + PULSE_SECONDS
        self._call = self._clock.callLater(PULSE_SECONDS, self._beat)

    def stop(self) -> None:
        """End."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _beat(self) -> None:
        self._delays.note(self._clock.seconds() - self._due)
        self.start()
