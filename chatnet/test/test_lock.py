"""Many who wait for one thing."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from chatnet.lock import Lock

MANY = 5000


class LockTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.lock = Lock()
        self.inside: list[str] = []
        self.order: list[str] = []

    async def goes(self, name: str, first: Deferred[Any] | None = None) -> None:
        async with self.lock:
            self.inside.append(name)
            self.assertEqual(self.inside, [name])
            self.order.append(name)
            if first is not None:
                await first
            self.inside.remove(name)

    def starts(self, name: str, first: Deferred[Any] | None = None) -> Deferred[None]:
        return Deferred.fromCoroutine(self.goes(name, first))

    def test_one_at_a_time_in_the_order_in_which_they_came(self) -> None:
        waits: dict[str, Deferred[None]] = {name: Deferred() for name in "abc"}
        for name, first in waits.items():
            self.starts(name, first)
        self.assertEqual(self.order, ["a"])
        waits["b"].callback(None)
        self.assertEqual(self.order, ["a"])
        waits["a"].callback(None)
        self.assertEqual(self.order, ["a", "b", "c"])
        self.assertEqual(self.inside, ["c"])
        waits["c"].callback(None)
        self.starts("d")
        self.assertEqual((self.order, self.inside), (["a", "b", "c", "d"], []))

    def test_any_number_may_wait_for_nothing_else(self) -> None:
        first: Deferred[None] = Deferred()
        done = [self.starts("first", first)] + [self.starts(str(n)) for n in range(MANY)]
        first.callback(None)
        for one in done:
            self.successResultOf(one)
        self.assertEqual(self.order, ["first", *map(str, range(MANY))])

    def test_who_comes_from_within_goes_behind_those_who_wait(self) -> None:
        first: Deferred[None] = Deferred()
        first.addCallback(lambda _: None)
        self.starts("a", first)

        async def comes_again() -> None:
            await self.goes("b")
            await self.goes("d")

        Deferred.fromCoroutine(comes_again())
        self.starts("c")
        first.callback(None)
        self.assertEqual(self.order, ["a", "b", "c", "d"])

    def test_who_fails_lets_the_next_one_in(self) -> None:
        first: Deferred[None] = Deferred()
        failed = self.starts("a", first)
        after = self.starts("b")
        self.inside.clear()
        first.errback(OSError("gone"))
        self.failureResultOf(failed, OSError)
        self.inside.clear()
        self.assertEqual(self.order[0], "a")
        self.assertTrue(after.called)

    def test_who_gave_up_waiting_is_passed_over(self) -> None:
        first: Deferred[None] = Deferred()
        self.starts("a", first)
        given_up = self.starts("b")
        self.starts("c")
        given_up.cancel()
        self.failureResultOf(given_up)
        first.callback(None)
        self.assertEqual(self.order, ["a", "c"])
