"""The line wire: splitting, holding, ending."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from chatnet.interfaces import ISession
from chatnet.test.properties import given, settings, st
from chatnet.test.rig import Wire
from chatnet.wires.lines import LineWire
from chatnet.wires.outlet import CLOSE_SECONDS, Outlet


@implementer(ISession)
class Listener:
    """A session that writes down its units, and holds the wire after some of them."""

    def __init__(self, wire: Outlet, hold_after: set[int]) -> None:
        self.units: list[bytes] = []
        self.wire, self.hold_after = wire, hold_after
        self.finished: list[bool] = []
        self.over = 0

    def begin(self) -> None:
        pass

    def receive(self, unit: bytes) -> None:
        assert not self.wire._gate.shut, "a held wire must not speak"
        self.units.append(unit)
        if len(self.units) in self.hold_after:
            self.wire.hold("test")

    def hear(self, units: Sequence[bytes]) -> int:
        """Take about half of them at once."""
        for count, unit in enumerate(units[: len(units) // 2 + 1], 1):
            self.receive(unit.removesuffix(b"\r"))
            if len(self.units) in self.hold_after:
                return count
        return min(len(units), len(units) // 2 + 1)

    def overlong(self, limit: int) -> None:
        self.over += 1

    def late(self) -> None:
        self.over += 1

    def finish(self, cut: bool) -> None:
        self.finished.append(cut)

    def queued(self) -> None:
        pass

    def end(self) -> None:
        pass

    def pauseProducing(self) -> None:
        pass

    def resumeProducing(self) -> None:
        pass

    def stopProducing(self) -> None:
        pass


def connect(
    longest: int = 0, hold_after: set[int] | None = None
) -> tuple[LineWire, Listener, Wire, Clock]:
    clock = Clock()
    wire, transport = LineWire(clock, longest), Wire()
    listener = Listener(wire, hold_after or set())
    wire.session = listener
    wire.makeConnection(transport)
    return wire, listener, transport, clock


lines = st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\n", b".").rstrip(b"\r")))


class SplittingTests(SynchronousTestCase):
    def test_the_listener_here_is_a_session(self) -> None:
        verifyObject(ISession, connect()[1])

    @settings(deadline=None, derandomize=True)
    @given(lines, st.lists(st.integers(1, 9)), st.sets(st.integers(1, 20)))
    def test_a_stream_cut_and_held_anywhere_gives_the_same_units(
        self, units: list[bytes], cuts: list[int], holds: set[int]
    ) -> None:
        wire, listener, _, _ = connect(hold_after=holds)
        stream = b"".join(unit + b"\n" for unit in units)
        for cut in [*cuts, len(stream)]:
            wire.dataReceived(stream[:cut])
            stream = stream[cut:]
            if len(cuts) % 2:
                wire.release("test")
        while wire._gate.shut:
            wire.release("test")
        self.assertEqual(listener.units, units)

    @settings(deadline=None, derandomize=True)
    @given(lines, st.lists(st.integers(1, 9)), st.integers(1, 8))
    def test_lines_too_long_are_dropped_and_told_however_they_come(
        self, units: list[bytes], cuts: list[int], longest: int
    ) -> None:
        wire, listener, _, _ = connect(longest)
        stream = b"".join(unit + b"\n" for unit in units)
        for cut in [*cuts, len(stream)]:
            wire.dataReceived(stream[:cut])
            stream = stream[cut:]
        self.assertEqual(listener.units, [unit for unit in units if len(unit) <= longest])
        self.assertEqual(listener.over, len([unit for unit in units if len(unit) > longest]))

    def test_a_line_that_never_ends_takes_no_memory(self) -> None:
        wire, listener, _, _ = connect(100)
        for _ in range(1000):
            wire.dataReceived(b"x" * 1000)
        self.assertEqual((listener.over, wire._line, wire._length), (1, b"", 0))
        wire.dataReceived(b"\nnext\n")
        self.assertEqual(listener.units, [b"next"])

    def test_both_line_ends_are_taken(self) -> None:
        wire, listener, _, _ = connect()
        wire.dataReceived(b"one\r\ntwo\nthree\r\n")
        self.assertEqual(listener.units, [b"one", b"two", b"three"])

    def test_an_error_in_the_session_closes_this_connection_only(self) -> None:
        wire, listener, transport, _ = connect()
        listener.receive = lambda unit: 1 / 0  # type: ignore[method-assign,assignment]
        wire.dataReceived(b"boom\n")
        self.assertTrue(transport.disconnecting)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class EndingTests(SynchronousTestCase):
    def test_the_end_of_input_is_told_once_and_after_all_of_it(self) -> None:
        wire, listener, _, _ = connect(hold_after={1})
        wire.dataReceived(b"one\ntwo\nthr")
        wire.readConnectionLost()
        self.assertEqual(listener.finished, [])
        wire.release("test")
        wire.readConnectionLost()
        self.assertEqual((listener.units, listener.finished), ([b"one", b"two"], [True]))

    def test_a_wire_held_for_a_moment_in_the_middle_loses_nothing_at_the_end(self) -> None:
        wire, listener, _, _ = connect(hold_after={1})
        wire.dataReceived(b"one\n")
        wire.dataReceived(b"two\nthree\n")
        wire.readConnectionLost()
        take = listener.receive

        def receive(unit: bytes) -> None:
            take(unit)
            wire.hold("moment")
            wire.release("moment")

        listener.receive = receive  # type: ignore[method-assign]
        wire.release("test")
        self.assertEqual(listener.units, [b"one", b"two", b"three"])
        self.assertEqual(listener.finished, [False])

    def test_a_whole_last_line_is_not_cut(self) -> None:
        wire, listener, _, _ = connect()
        wire.dataReceived(b"one\n")
        wire.readConnectionLost()
        self.assertEqual(listener.finished, [False])

    def test_who_does_not_take_the_last_words_is_cut_off(self) -> None:
        wire, _, transport, clock = connect()
        wire.close()
        self.assertFalse(transport.aborted)
        clock.advance(CLOSE_SECONDS)
        self.assertTrue(transport.aborted)

    def test_nothing_stays_scheduled_after_the_end(self) -> None:
        wire, _, _, clock = connect()
        wire.close()
        wire.connectionLost()
        self.assertEqual(clock.getDelayedCalls(), [])
