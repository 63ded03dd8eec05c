"""The brakes on guessing: tries cost time, more of them more."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from chatnet.core.addresses import party_of
from chatnet.core.durations import spell_duration
from chatnet.core.limits import UNLIMITED, Limit, Limits
from chatnet.core.refusals import TooManyTries

FREE_PER_SECRET = Limit(100, 9.0)  # tries from everywhere, before each one waits a little
LONGEST_STEP, LONGEST_WAIT = 30.0, 60.0  # seconds one try adds, and the most that is waited
SECRET_SECONDS = 2.0  # that little; it does not add up, so that nobody is locked out by others
_MOST_KEYS = 50_000


@dataclass(slots=True)
class _Tries:
    count: int
    since: float
    next_at: float


class Throttle:
    """Tells how long a try at a secret has to wait.

    By the address that tries, and by that address at that secret: these add up, and end in a
    refusal. By the secret alone, from everywhere: this only slows down. A try counts before its
    outcome is known, so that many at once gain nothing; a success takes its own back. Addresses
    count by their /64 in IPv6. This machine's own, which may be everybody's behind a proxy that
    nobody named, counts only at each secret, and has as much free there as all together.

    How many tries are free, and for how long they are remembered, is in ``limits``: ``logins`` and
    ``logins_address``.
    """

    def __init__(self, clock: IReactorTime, limits: Limits | None = None) -> None:
        self.delayed = 0  # how many tries had to wait
        self._clock = clock
        self._limits = limits or Limits()
        self._tries: dict[str, _Tries] = {}  # the oldest first

    async def brake(self, secret: str, address: str) -> None:
        """Count a try at ``secret``, and wait as long as it has to.

        Raises:
            TooManyTries: as ``take`` does.
        """
        wait = self.take(secret, address)
        if wait:
            await deferLater(self._clock, wait)

    def take(self, secret: str, address: str) -> float:
        """Count a try at ``secret``, any name of it; return the seconds to wait before making it.

        Raises:
            TooManyTries: the wait would be too long; the try does not count.
        """
        now, start = self._clock.seconds(), 0.0
        keys = self._keys(secret, address)
        for key, limit in keys:
            tries = self._held(key, limit, now)
            if tries is not None and tries.count >= limit.most:
                step = min(LONGEST_STEP, 2.0 ** min(tries.count - limit.most, 10))
                start = max(start, max(now, tries.next_at) + step)
                if start - now > LONGEST_WAIT:
                    wait = spell_duration(start - now)
                    raise TooManyTries(f"Too many wrong passwords. Try again in {wait}.")
        for key, limit in keys:
            tries = self._count(key, limit, now)
            if tries.count > limit.most:
                tries.next_at = start
        if self._limits.logins is UNLIMITED:
            return max(start - now, 0.0)
        everywhere = self._count(f"secret {secret}", FREE_PER_SECRET, now)
        slow = SECRET_SECONDS if everywhere.count > FREE_PER_SECRET.most else 0.0
        delay = max(start - now, slow)
        self.delayed += delay > 0
        return delay

    def tried(self, address: str) -> int:
        """Return how many tries from ``address``, besides the one that is made, were not right."""
        place = party_of(address)
        tries = self._held(place, self._limits.logins_address, self._clock.seconds())
        return max(0, tries.count - 1) if place and tries is not None else 0

    def succeeded(self, secret: str, address: str) -> None:
        """Take back a try that was right."""
        for key in [*(key for key, _ in self._keys(secret, address)), f"secret {secret}"]:
            tries = self._tries.get(key)
            if tries is not None:
                tries.count = max(0, tries.count - 1)

    def _held(self, key: str, limit: Limit, now: float) -> _Tries | None:
        tries = self._tries.get(key)
        if tries is not None and now - tries.since > limit.span and tries.next_at <= now:
            del self._tries[key]
            return None
        return tries

    def _count(self, key: str, limit: Limit, now: float) -> _Tries:
        tries = self._held(key, limit, now)
        if tries is None:
            if len(self._tries) >= _MOST_KEYS:
                del self._tries[next(iter(self._tries))]
            tries = self._tries[key] = _Tries(0, now, now)
        tries.count += 1
        return tries

    def _keys(self, secret: str, address: str) -> list[tuple[str, Limit]]:
        place, limits = party_of(address), self._limits
        if not place:  # it may be everybody's, but must not be anybody's way around the brakes
            free = [(f"this machine at {secret}", FREE_PER_SECRET)]
            return free if limits.logins is not UNLIMITED else []
        keys = [(f"{place} at {secret}", limits.logins), (place, limits.logins_address)]
        return [(key, limit) for key, limit in keys if limit is not UNLIMITED]
