"""The brakes on guessing: tries cost time, more of them more."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from twisted.internet.interfaces import IReactorTime

from chatnet.core.durations import spell_duration
from chatnet.core.refusals import TooManyTries

WINDOW_SECONDS = 15 * 60.0  # after which tries are forgotten
FREE_PER_ACCOUNT, FREE_PER_ADDRESS = 5, 20  # tries that cost nothing
LONGEST_STEP, LONGEST_WAIT = 30.0, 60.0  # seconds one try adds, and the most that is waited
_MOST_KEYS = 50_000


@dataclass(slots=True)
class _Tries:
    count: int
    since: float
    next_at: float


class Throttle:
    """Tells how long a try has to wait, by account and by address.

    A try counts before its outcome is known, so that many at once gain nothing. A success takes
    its own back, and clears its account.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._tries: dict[str, _Tries] = {}

    def take(self, account: str, address: str) -> float:
        """Count a try; return the seconds to wait before making it.

        ``account`` may be empty. Addresses of this machine are not counted.

        Raises:
            TooManyTries: the wait would be too long; the try does not count.
        """
        now = self._clock.seconds()
        held = self._held(account, address, now)
        starts = [self._start(tries, free, now) for tries, free in held]
        start = max(starts, default=now)
        if start - now > LONGEST_WAIT:
            wait = spell_duration(min(start - now, WINDOW_SECONDS))
            raise TooManyTries(f"Too many wrong passwords. Try again in {wait}.")
        for (tries, free), at in zip(held, starts, strict=True):
            tries.count += 1
            if tries.count > free:
                tries.next_at = at
        return start - now

    def succeeded(self, account: str, address: str) -> None:
        """Take back a try that was right."""
        self._tries.pop(f"account {account}", None)
        tries = self._tries.get(f"address {address}")
        if tries is not None:
            tries.count = max(0, tries.count - 1)

    def _held(self, account: str, address: str, now: float) -> list[tuple[_Tries, int]]:
        held = []
        if account:
            held.append((self._get(f"account {account}", now), FREE_PER_ACCOUNT))
        if not _is_local(address):
            held.append((self._get(f"address {address}", now), FREE_PER_ADDRESS))
        return held

    def _get(self, key: str, now: float) -> _Tries:
        if len(self._tries) > _MOST_KEYS:
            self._tries = {k: t for k, t in self._tries.items() if now - t.since < WINDOW_SECONDS}
        tries = self._tries.get(key)
        if tries is None or (now - tries.since > WINDOW_SECONDS and tries.next_at <= now):
            tries = self._tries[key] = _Tries(0, now, now)
        return tries

    def _start(self, tries: _Tries, free: int, now: float) -> float:
        if tries.count < free:
            return now
        step = min(LONGEST_STEP, 2.0 ** min(tries.count - free, 10))
        return max(now, tries.next_at) + step


def _is_local(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:  # a UNIX socket
        return True
