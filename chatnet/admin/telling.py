"""How an operator is told: sentences on standard error, and how far it is."""

from __future__ import annotations

from collections.abc import Callable

Tell = Callable[[str], None]

PROGRESS_SECONDS = 5.0


class Unable(Exception):
    """It cannot be done; the sentence says why."""


class Progress:
    """Says now and then how far it is; ``seconds`` is any clock that only goes forward."""

    def __init__(self, tell: Tell, seconds: Callable[[], float], done: str) -> None:
        """``done`` is what is done to entries, as a participle."""
        self._tell = tell
        self._done = done
        self._seconds = seconds
        self._began = self._told = seconds()
        self._steps = 0

    @property
    def took(self) -> float:
        """The seconds since it began."""
        return self._seconds() - self._began

    def step(self, where: str) -> None:
        """One more entry was dealt with, in ``where``."""
        self._steps += 1
        if not self._steps & 0xFF and self._seconds() - self._told >= PROGRESS_SECONDS:
            self._told = self._seconds()
            self._tell(f"{self._steps:,} entries {self._done}, {self.took:.0f} s; now in {where}")


def size(count: int) -> str:
    """Return ``count`` bytes as a person reads them."""
    return f"{count:,} bytes" if count < 10_000 else f"{count / 1e6:,.2f} MB"
