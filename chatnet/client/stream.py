"""Entries for one who takes them one after the other, and may take its time."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from itertools import count

from twisted.internet.defer import Deferred

from chatnet.core.events import Entry, weight
from chatnet.core.names import EVERYBODY
from chatnet.core.refusals import Refused

MOST, MOST_BYTES = 1000, 1 << 20  # entries of a room that wait, or that large together
MOST_TOLD, MOST_TOLD_BYTES = 10_000, 1 << 24  # likewise of one's own log, which is not read again
MOST_PAST = 11  # stays in rooms of which something waits, besides those that go on
FIRST_PAGE, PAGE = 4, 256  # entries that are read again at once: at first, and at the most

Fetch = Callable[[str, int, int], Awaitable[Sequence[Entry]]]


class Missed(Refused):
    """Entries were not taken in time, and cannot be read any more. Go on: the next ones follow."""


class _Feed:
    """What waits of one log: some entries in a row, and then perhaps more that did not fit."""

    def __init__(self, key: str, last: int) -> None:
        self.key = key
        self.waiting: deque[tuple[int, Entry]] = deque()  # with the order of arrival, over all logs
        self.fetching = False
        self.ended = False
        self.can_read_again = not (key.startswith("@") or key == EVERYBODY)
        self._page = FIRST_PAGE
        self._weight = 0
        self._last = last  # what came up to this seq waits, or was taken
        self._head = last  # and this came last

    @property
    def behind(self) -> bool:
        """Whether something did not fit."""
        return self._head > self._last

    def put(self, entry: Entry, arrival: int) -> None:
        """Let ``entry`` wait, if it fits."""
        if entry.seq <= self._head:  # the server lost part of its data, and goes on from there
            self._last = entry.seq - 1
        fits = self._head <= self._last and self._has_room()
        self._head = entry.seq
        if fits:
            self._append(entry, arrival)

    def take(self) -> Entry:
        """Return what waits longest."""
        _, entry = self.waiting.popleft()
        self._weight -= weight(entry.event)
        return entry

    async def catch_up(self, fetch: Fetch, arrivals: Iterator[int]) -> None:
        """Read again what did not fit, as much as one takes at once."""
        self.fetching = True
        upto = self._last + self._page
        try:
            for entry in await fetch(self.key, self._last, upto):
                self._append(entry, next(arrivals))
            self._last = min(upto, self._head)
            twice = 2 * self._weight <= MOST_BYTES
            self._page = min(2 * self._page, PAGE) if twice else max(1, self._page // 2)
        finally:
            self.fetching = False

    def lose(self) -> None:
        """Let go of what waits: nobody takes it."""
        self.waiting.clear()
        self._head = self._last + 1

    def give_up(self) -> None:
        """Go on behind what did not fit."""
        self._last = self._head

    def _has_room(self) -> bool:
        if self.can_read_again:
            return len(self.waiting) < MOST and self._weight < MOST_BYTES
        return len(self.waiting) < MOST_TOLD and self._weight < MOST_TOLD_BYTES

    def _append(self, entry: Entry, arrival: int) -> None:
        self.waiting.append((arrival, entry))
        self._weight += weight(entry.event)
        self._last = entry.seq


class Stream(AsyncIterator[Entry]):
    """The entries of one log or more: each once, those of a log in the order of ``seq``.

    Who takes them slowly costs a bounded amount of memory: what does not fit is let go, and what
    is let go of a room is read again later. Nobody else waits for it meanwhile, and neither do the
    answers that come over the same link.
    """

    def __init__(self, fetch: Fetch) -> None:
        """Read again with ``fetch``: of a room, the entries behind a seq up to another one."""
        self._fetch = fetch
        self._feeds: dict[str, _Feed] = {}
        self._past: list[_Feed] = []  # of rooms that one has left, and is in again
        self._arrivals = count()
        self._waiters: list[Deferred[None]] = []
        self._over = False
        self._why: Exception | None = None

    # -- for who has the entries -----------------------------------------------------

    def begin(self, key: str, seq: int) -> None:
        """Expect the entries of the log ``key`` behind ``seq``."""
        self._shelve(key)
        self._feeds[key] = _Feed(key, seq)

    def put(self, entry: Entry) -> None:
        """Pass on ``entry``, now or when it is wanted."""
        feed = self._feeds.get(entry.room)
        if feed is None:
            feed = self._feeds[entry.room] = _Feed(entry.room, entry.seq - 1)
        feed.put(entry, next(self._arrivals))
        self._ring()

    def end(self, key: str) -> None:
        """Expect no more of the log ``key``."""
        self._shelve(key)
        self._ring()

    def _shelve(self, key: str) -> None:
        """Keep what waits of the log ``key``, of which no more is expected; of few logs."""
        feed = self._feeds.pop(key, None)
        if feed is None:
            return
        feed.ended = True
        self._past = [one for one in self._past if one.waiting or one.behind]
        if feed.waiting or feed.behind:
            self._past.append(feed)
        if len(self._past) > MOST_PAST:
            self._past[0].lose()
            del self._past[1]

    def close(self, why: Exception | None = None, at_once: bool = False) -> None:
        """End: with what waits and then, if there is one, with ``why``; or ``at_once``."""
        self._over, self._why = True, self._why or why
        if at_once:
            self._past, self._feeds = [], {}
        for feed in self._feeds.values():
            feed.ended = True
        self._ring()

    # -- for who wants them ----------------------------------------------------------

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Entry:
        """Return the next entry.

        Raises:
            Missed: not all could be read again.
            StopAsyncIteration: there will be no more.
            Exception: what ended the link.
        """
        while True:
            feeds = [*self._past, *self._feeds.values()]
            late = [feed for feed in feeds if feed.behind and not feed.waiting]
            ready = [feed for feed in feeds if feed.waiting]
            lost = [feed for feed in late if feed.ended or not feed.can_read_again]
            if lost:
                lost[0].give_up()
                raise Missed(f"Part of {lost[0].key} was not taken in time, and is lost.")
            if late and not late[0].fetching:
                await self._catch_up(late[0])
            elif ready:
                return min(ready, key=lambda feed: feed.waiting[0][0]).take()
            elif self._is_over():
                raise self._why or StopAsyncIteration
            else:
                await self._rung()

    def _is_over(self) -> bool:
        self._past = []
        self._feeds = {key: feed for key, feed in self._feeds.items() if not feed.ended}
        return self._over

    async def _catch_up(self, feed: _Feed) -> None:
        try:
            await feed.catch_up(self._fetch, self._arrivals)
        except Refused:
            if not feed.ended:
                raise
        finally:
            self._ring()

    async def _rung(self) -> None:
        waiter: Deferred[None] = Deferred(self._waiters.remove)
        self._waiters.append(waiter)
        await waiter

    def _ring(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.callback(None)
