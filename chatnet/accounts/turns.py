"""Whose password is computed next."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from chatnet.core.refusals import Refused, TooManyTries
from chatnet.interfaces import Gone

T = TypeVar("T")

MOST_WAITING = 512  # bounds what a flood of them costs
_TOO_MANY = "Too many people are logging in. Try again in a minute."


@dataclass(order=True, slots=True)
class _Try:
    place: float
    number: int
    gone: Gone = field(compare=False)
    let_in: Deferred[None] = field(compare=False)


class Turns:
    """Lets so many be computed at once, and the others wait, fairly by address.

    This is "self-clocked fair queueing" (Golestani, 1994): a try has its place behind the last one
    of its address, or behind the one that was let in last, by what it costs. So who tries once
    waits for one try of each other address at most, and for none of those whose tries cost more.
    Who is gone when its turn comes is passed over. Of too many, the one that would be last is
    refused.
    """

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._waiting: list[_Try] = []  # a heap
        self._numbers = count()
        self._now = 0.0  # the place of who was let in last
        self._last: dict[str, float] = {}  # places, by address

    async def do(
        self, work: Coroutine[Deferred[Any], Any, T], address: str, cost: float, gone: Gone
    ) -> T:
        """Return what ``work`` does when it is its turn, which is for ``address``.

        Raises:
            TooManyTries: too many are before it.
            Refused: who wanted that is ``gone``.
        """
        try:
            await self._turn(address, cost, gone)
        except BaseException:
            work.close()
            raise
        try:
            return await work
        finally:
            self._free += 1
            self._go_on()

    def _turn(self, address: str, cost: float, gone: Gone) -> Deferred[None]:
        place = max(self._now, self._last.get(address, 0.0)) + cost
        mine = _Try(place, next(self._numbers), gone, Deferred())
        if len(self._waiting) >= MOST_WAITING:
            self._make_room(mine)
        if len(self._last) >= 2 * MOST_WAITING:
            self._last = {key: last for key, last in self._last.items() if last > self._now}
        self._last[address] = place
        heappush(self._waiting, mine)
        self._go_on()
        return mine.let_in

    def _make_room(self, mine: _Try) -> None:
        """Let go of who is gone or, if nobody is, of who would be last.

        Raises:
            TooManyTries: that is ``mine``.
        """
        here = [one for one in self._waiting if not one.gone()]
        out = [one for one in self._waiting if one.gone()] or [max(here)]
        if len(here) == len(self._waiting) and mine > out[0]:
            raise TooManyTries(_TOO_MANY)
        self._waiting = [one for one in here if one is not out[0]]
        heapify(self._waiting)
        for one in out:
            one.let_in.errback(TooManyTries(_TOO_MANY))

    def _go_on(self) -> None:
        while self._free and self._waiting:
            one = heappop(self._waiting)
            if one.gone():
                one.let_in.errback(Refused("Whoever tried that is gone."))
                continue
            self._free -= 1
            self._now = one.place
            one.let_in.callback(None)
