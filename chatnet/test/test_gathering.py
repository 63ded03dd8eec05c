"""When a commit waits for what others say, and when it does not."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from chatnet.stores.gathering import ENOUGH, MOST_HASTE, Gathering
from chatnet.test.rig import Rig

SECONDS = 0.02


class GatheringTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.rightNow = 1000.0
        self.begun: list[float] = []
        self.waiting: list[str] = []
        self.gathering = self.made(SECONDS)

    def made(self, seconds: float) -> Gathering:
        return Gathering(self.clock, seconds, self.begin)

    def begin(self) -> None:
        self.begun.append(round(self.clock.seconds() - 1000, 6))
        self.waiting.clear()
        self.gathering.begun = self.clock.seconds()

    def comes(self, what: str = "x") -> bool:
        """Let something come, and ask what to do if it is the first; return whether it waits."""
        self.waiting.append(what)
        self.gathering.grew(self.waiting)
        if len(self.waiting) > 1 or self.gathering.wait(self.waiting):
            return True
        self.begin()
        return False

    def test_after_a_quiet_time_there_is_no_wait(self) -> None:
        for _ in range(3):
            self.assertFalse(self.comes())
            self.clock.advance(SECONDS)

    def test_where_many_speak_the_next_commit_waits_for_them(self) -> None:
        for _ in range(13):
            self.comes()
            self.clock.pump([0.0025, 0.0025])
        self.assertEqual([round(at, 2) for at in self.begun], [0, 0.02, 0.04, 0.06])

    def test_a_wait_that_brings_little_late_is_the_last_one_for_a_while(self) -> None:
        self.assertFalse(self.comes())
        self.clock.advance(0.004)
        for _ in range(4):
            self.assertTrue(self.comes())  # not late: as who had waited for an answer
        self.clock.advance(0.008)
        self.assertTrue(self.comes())
        self.clock.advance(0.008)
        self.assertEqual(len(self.begun), 2)
        for _ in range(9):
            self.clock.advance(0.004)
            self.assertFalse(self.comes())
        self.clock.advance(0.008)
        self.assertTrue(self.comes())

    def test_the_more_of_them_follow_each_other_the_longer_that_is(self) -> None:
        pauses = []
        for _ in range(7):
            self.clock.advance(2)
            self.comes()
            self.clock.advance(0.001)
            self.assertTrue(self.comes())
            self.clock.pump([0.01, 0.01])
            pauses.append(round(self.gathering._hasty_until - self.clock.seconds(), 2))
        self.assertEqual(pauses, [0.04, 0.08, 0.16, 0.32, 0.64, MOST_HASTE, MOST_HASTE])

    def test_one_that_brings_something_ends_that(self) -> None:
        self.comes()
        for late in (False, False, True, False):
            self.clock.advance(1.5)
            self.comes()
            self.clock.advance(0.001)
            self.assertTrue(self.comes())
            self.clock.advance(0.01)
            if late:
                self.comes()
            self.clock.advance(0.01)
        self.assertEqual(self.gathering._haste, 2 * SECONDS)

    def test_a_commit_that_takes_long_has_gathered_enough(self) -> None:
        self.comes()
        self.clock.advance(0.012)
        self.assertFalse(self.comes())

    def test_enough_is_not_kept_waiting(self) -> None:
        self.comes()
        self.clock.advance(0.001)
        for _ in range(ENOUGH - 1):
            self.comes()
        self.clock.advance(0)
        self.assertEqual(self.begun, [0])
        self.comes()
        self.clock.advance(0)
        self.assertEqual(self.begun, [0, 0.001])
        self.clock.advance(1)
        self.assertEqual(len(self.begun), 2)
        self.assertFalse(self.gathering.wait(range(ENOUGH)))

    def test_what_nobody_waits_for_has_no_wait(self) -> None:
        self.comes()
        self.assertFalse(self.gathering.wait(()))

    def test_without_seconds_there_is_none(self) -> None:
        self.gathering = self.made(0)
        self.assertEqual([self.comes(), self.comes()], [False, False])

    def test_a_clock_that_is_set_back_makes_no_wait_longer(self) -> None:
        self.comes()
        self.clock.rightNow -= 500
        self.assertTrue(self.comes())
        self.clock.pump([SECONDS / 2, SECONDS / 2])
        self.assertEqual(len(self.begun), 2)
        self.clock.rightNow -= 500
        self.assertTrue(self.comes())  # it was pointless at a time that has not come yet


class GatheringRig(Rig):
    gather = SECONDS


class RoomTests(SynchronousTestCase):
    """In a room: what is gathered is one commit, and one write to each reader."""

    def setUp(self) -> None:
        self.rig = GatheringRig()
        self.ann, self.bob = self.rig.member("ann"), self.rig.member("bob")
        self.ann.hears()
        self.rig.clock.advance(5)

    def commits(self) -> int:
        return self.rig.journal.commits.count

    def test_who_speaks_alone_is_heard_at_once(self) -> None:
        self.rig.settle()
        self.rig.clock.advance(5)
        self.ann.asks("hello")
        self.rig.clock.advance(0)
        self.rig.writer.step()
        self.rig.clock.advance(0)
        self.assertEqual(self.bob.hears(), ["ann: hello"])

    def test_what_many_say_is_heard_together_in_its_order_soon_after(self) -> None:
        before = self.commits()
        for number in range(8):
            (self.ann, self.bob)[number % 2].asks(f"number {number}")
            self.rig.clock.advance(0)
            self.rig.writer.step()
            self.rig.clock.advance(SECONDS / 4)
        self.rig.clock.advance(SECONDS)
        self.rig.settle()
        self.assertEqual(self.commits() - before, 3)
        self.assertEqual(self.bob.hears(), [f"ann: number {number}" for number in range(0, 8, 2)])

    def test_who_asks_meanwhile_is_answered_after_it(self) -> None:
        self.ann.types("one")
        self.ann.asks("two", "/who")
        self.rig.clock.advance(0)
        self.assertEqual(self.ann.hears(), [])
        self.rig.settle()
        self.assertEqual(self.bob.hears(), ["ann: one", "ann: two"])
        self.assertIn("ann", self.ann.hears()[0])
