"""What rings in a turn of the reactor is served at its end; if that takes long, others go on."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from chatnet.server.turn import ASKED_SECONDS, SLICE_SECONDS, Turn


class Sleeper:
    """Says when it was served, which takes some time."""

    def __init__(self, name: str, clock: Clock, served: list[str], seconds: float) -> None:
        self.name, self.clock, self.served, self.seconds = name, clock, served, seconds

    def drain(self) -> None:
        self.served.append(self.name)
        self.clock.rightNow += self.seconds


class TurnTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.served = Clock(), list[str]()
        self.turn = Turn(self.clock)

    def rings(self, name: str, seconds: float = 0.0) -> Sleeper:
        sleeper = Sleeper(name, self.clock, self.served, seconds)
        self.turn.ring(sleeper)
        return sleeper

    def test_who_rings_often_is_served_once(self) -> None:
        ann = self.rings("ann")
        self.rings("bob")
        self.turn.ring(ann)
        self.clock.advance(0)
        self.assertEqual(self.served, ["ann", "bob"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_who_comes_while_many_are_served_does_not_wait_for_all_of_them(self) -> None:
        for number in range(40):
            self.rings(str(number), SLICE_SECONDS / 10)
        self.clock.callLater(SLICE_SECONDS, self.rings, "eve")
        self.clock.advance(0)
        self.assertIn(self.served.index("eve"), range(10, 30))
        self.assertEqual([name for name in self.served if name != "eve"], list(map(str, range(40))))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_who_asks_for_much_gets_it_at_once_or_in_its_turn(self) -> None:
        got: list[int] = []

        def takes(number: int) -> None:
            got.append(number)
            self.clock.rightNow += ASKED_SECONDS / 4

        def asks(number: int) -> None:
            slot = self.turn.slot()
            if slot is None:
                takes(number)
            else:
                slot.addCallback(lambda _: takes(number))

        for number in range(10):
            asks(number)
        self.assertEqual(got, [0, 1, 2, 3])
        self.rings("eve")
        self.clock.callLater(0, asks, 10)
        self.clock.advance(0)
        self.assertEqual(got, [*range(11)])
        self.assertEqual(self.served, ["eve"])
        self.clock.advance(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
