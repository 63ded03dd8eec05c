"""One after the other, in the order in which they came, however many wait."""

from __future__ import annotations

from collections import deque

from twisted.internet.defer import Deferred


class Lock:
    """Lets in one at a time: ``async with lock``.

    Twisted's ``DeferredLock`` lets the next one in from within the release of the one before. If
    none of them has to wait for anything else, each is on the stack of the one before it, and of
    some hundred there are, the last ones are lost to a ``RecursionError`` that nobody hears of.
    """

    def __init__(self) -> None:
        self._held = False
        self._waiting: deque[Deferred[None]] = deque()
        self._letting_in = False

    @property
    def held(self) -> bool:
        """Whether somebody is in."""
        return self._held

    async def __aenter__(self) -> None:
        if self._held or self._waiting:
            mine: Deferred[None] = Deferred()
            self._waiting.append(mine)
            await mine
        self._held = True

    async def __aexit__(self, *_: object) -> None:
        self._held = False
        if self._letting_in:  # by who was let in before this one
            return
        self._letting_in = True
        while self._waiting and not self._held:
            self._waiting.popleft().callback(None)
        self._letting_in = False
