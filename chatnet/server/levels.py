"""How careful the server is with those who are new: more so while a flood of them comes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from chatnet.core.dials import HIGHEST_LEVEL
from chatnet.core.durations import spell_duration
from chatnet.core.limits import Bucket, Limits
from chatnet.core.refusals import Closed, NeedsAccount, Refused

RISE_SECONDS = 10.0  # at least, from one level to the next


@dataclass(frozen=True, slots=True)
class Level:
    """What holds at a level besides what holds at those below it, and what is said to whom."""

    about: str
    refusal: Refused | None = None


PACED, UNREGISTERED, ACCOUNTS_ONLY, NOBODY_NEW = 1, 2, 3, 4
LEVELS = (
    Level("all is as usual"),
    Level("new guests are heard slowly"),
    Level(
        "no new accounts",
        Closed("So many come at this moment that no accounts are made. Please try again later."),
    ),
    Level(
        "new guests have to log in",
        NeedsAccount(
            "So many come at this moment that only those with accounts can take part: /login NAME"
            " PASSWORD. Guests are welcome again in some minutes."
        ),
    ),
    Level(
        "nobody new is let in",
        Closed("So many come at this moment that nobody else is let in. Please try in 10 minutes."),
    ),
)


class Levels:
    """The level that holds: raised by a flood, lowered when it is quiet; or set by hand."""

    _log = Logger()

    def __init__(self, clock: IReactorTime, limits: Limits) -> None:
        self.level = 0
        self.since = inf  # since when it is not 0: who came before is not new
        self.told: list[Callable[[str], object]] = []  # who hear when it changes
        self._clock = clock
        self._limits = limits
        self._arrivals = Bucket()
        self._flooded_at = -inf
        self._risen_at = -inf
        self._by_hand = False
        self._timer: IDelayedCall | None = None

    def arrived(self, now: float) -> None:
        """Count a connection, from wherever it is."""
        if self._arrivals.take(self._limits.flood, 1, now) > 0:
            self._arrivals.full_at = now + self._limits.flood.span  # it is owed nothing
            self._flood(now)

    def set(self, level: int | None, seconds: float = 0.0) -> None:
        """Let ``level`` hold, whatever comes, for ``seconds`` (0: for good); None: as it comes.

        Who sets it sees to it that it ends.

        Raises:
            ValueError: there is no such level.
        """
        if level is not None and not 0 <= level <= HIGHEST_LEVEL:
            raise ValueError(f"a level is 0 to {HIGHEST_LEVEL}")
        self.stop()
        self._by_hand = level is not None
        span = f" for {spell_duration(seconds)}" if seconds else ""
        self._become(
            level or 0, f"was set by hand{span}" if self._by_hand else "is left to itself again"
        )

    def refuse(self, level: int) -> None:
        """See that what ``level`` puts an end to is allowed now.

        Raises:
            Refused: not so.
        """
        refusal = LEVELS[level].refusal
        if self.level >= level and refusal is not None:
            raise type(refusal)(str(refusal))

    def stop(self) -> None:
        """Stop the clock."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _flood(self, now: float) -> None:
        self._flooded_at = now
        if self._by_hand or now - self._risen_at < RISE_SECONDS:
            return
        if self.level < min(self._limits.level.most, HIGHEST_LEVEL):
            self._risen_at = now
            self._become(self.level + 1, "rose, for very many come")
            self._look_later()

    def _look_later(self) -> None:
        self.stop()
        if self.level:
            seconds = min(self._limits.quiet.most, 1e6)
            self._timer = self._clock.callLater(seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._clock.seconds() - self._flooded_at >= self._limits.quiet.most:
            self._become(self.level - 1, "sank, for it is quiet")
        self._look_later()

    def _become(self, level: int, why: str) -> None:
        now = self._clock.seconds()
        if not level:
            self.since = inf
        elif not self.level:
            self.since = now
        self.level = level
        text = f"The level {why}: it is {level}, {LEVELS[level].about}."
        self._log.warn("{text}", text=text)
        for tell in self.told:
            tell(text)
