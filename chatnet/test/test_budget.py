"""Large messages: in slices and parts, and within one budget for everybody."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from chatnet.admin.survey import Survey
from chatnet.admin.telling import Progress
from chatnet.admin.verify import verify_store
from chatnet.core import events as e, large
from chatnet.core.chain import START, Anchor, Record, bind
from chatnet.core.codec import decode_event, encode_event
from chatnet.core.large import LARGE, SLICE, decoding, finish, scanning
from chatnet.core.names import PIECES
from chatnet.core.refusals import Malformed
from chatnet.core.series import in_series
from chatnet.dialects.framed import framed
from chatnet.dialects.jsonl import JsonDialect, JsonStyle
from chatnet.dialects.styles import DATED, LIVE, PAST
from chatnet.dialects.text import TextDialect
from chatnet.interfaces import Batch, IStyle
from chatnet.server.session import LINE_BYTES
from chatnet.stores.journal import PIECE
from chatnet.stores.memory import MemoryStore
from chatnet.stores.pieces import orphans, page
from chatnet.test.properties import given, settings, st
from chatnet.test.rig import Client, Rig
from chatnet.test.test_lines import Listener
from chatnet.test.test_pressure import fills
from chatnet.test.test_websocket import Browser
from chatnet.wires.budget import WATCH_SECONDS, Budget
from chatnet.wires.lines import LineWire
from chatnet.wires.outlet import SHARE, STEP

MIB = 1024 * 1024
TEXT = ('grüße \U0001f600 \\ " \t' * 5 + "\r\nsecond\x1b line\n" + "x" * 60) * 2000


def same(one: object, other: object) -> None:
    """See that both are equal; what is large had better not be printed."""
    assert one == other, (repr(one)[:200], repr(other)[:200])


class SliceTests(SynchronousTestCase):
    @settings(deadline=None, derandomize=True)
    @given(
        st.text(st.sampled_from('"\\\né\U0001f600ux\ud83d'), max_size=900),
        st.booleans(),
        st.integers(101, 200),
    )
    def test_a_string_is_read_in_slices_as_at_once(
        self, text: str, ascii_only: bool, size: int
    ) -> None:
        self.patch(large, "SLICE", size)
        written = json.dumps(text, ensure_ascii=ascii_only)
        try:
            read, end = finish(scanning(written + ', "y"', 1))
        except ValueError:
            self.assertIn("\ud83d", text)
        else:
            same((read, end), (json.loads(written), len(written)))

    def test_what_is_no_string_is_told(self) -> None:
        for wrong in ("x" * 2 * SLICE, '\\"' * SLICE, "\x01" * 2 * SLICE, "\\u12" * SLICE):
            with self.assertRaises(ValueError):
                finish(scanning(wrong, 0))

    def test_characters_are_not_cut(self) -> None:
        text = "x" + "\U0001f600" * SLICE
        same(finish(decoding(text.encode())), text)
        with self.assertRaises(UnicodeDecodeError):
            finish(decoding(text.encode()[:-1]))

    def test_a_store_is_given_the_same_text(self) -> None:
        for event in (e.Said("ann", TEXT, True), e.Whispered("a\n", "b", TEXT)):
            kind, *values = [
                type(event).__name__.lower(),
                *map(event.__getattribute__, _names(event)),
            ]
            written = encode_event(event)
            self.assertGreater(len(written), LARGE)
            same(json.loads(written), [kind, *values])
            same(decode_event(written), event)

    def test_the_dialects_read_in_slices_as_at_once(self) -> None:
        asked = json.dumps({"do": "say", "room": "tea", "body": TEXT, "cid": "1"}).encode()
        body = TEXT.replace("\n", " ").encode()
        for dialect, units in (
            (JsonDialect(), (asked, asked + b" ,", b" " * LARGE)),
            (TextDialect(), (body, b"//" + body, b"/me " + body, body + b"\xff\xf1")),
        ):
            for unit in units:
                same(_told(dialect, unit, True), _told(dialect, unit, False))

    def test_a_reader_of_parts_reads_what_is_rendered(self) -> None:
        lines = TEXT[: SLICE - 4] + "\r\n\r\n" + TEXT[: SLICE - 1] + "\n"
        for body in (TEXT, lines, "\r\n" * SLICE, TEXT + "\r", "x" * SLICE):
            for event in (
                e.Said("ann", body, True), e.Said("ann", body), e.Whispered("ann", "bob", body),
                e.Announced('"body":"', body),
            ):  # fmt: skip
                entry = e.Entry("tea", 1, 1.5, event)
                for style in (LIVE, PAST, DATED, JsonStyle()):
                    verifyObject(IStyle, style)
                    same(b"".join(_parts(style, entry)), style.render(entry))

    def test_in_websocket_messages_they_are_fragments_of_one(self) -> None:
        entry = e.Entry("tea", 1, 1.5, e.Said("ann", TEXT))
        for style in (LIVE, JsonStyle()):
            browser = Browser(Rig())
            browser.hears()
            for part in _parts(framed(style), entry):
                browser.client.transport.write(part)
            same(browser.hears()[-1], style.render(entry).decode().rstrip("\r\n"))


class _Holder:
    def __init__(self, budget: Budget, then: Callable[[_Holder], object] = id) -> None:
        self.budget = budget
        self.log: list[str] = []
        self.idle = False
        self._then = then

    def granted(self) -> None:
        self.log.append("granted")
        self._then(self)

    def stuck(self) -> bool:
        return self.idle

    def give_way(self) -> None:
        self.log.append("gives way")
        self.budget.give_back(self)


class BudgetTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.budget = Budget(self.clock, 100)
        self.ann, self.bob, self.cat = [_Holder(self.budget) for _ in range(3)]

    def test_who_asks_for_more_than_there_is_waits_in_order(self) -> None:
        self.assertTrue(self.budget.take(self.ann, 60))
        self.assertTrue(self.budget.take(self.bob, 60))  # the first: else nobody could go on
        self.assertFalse(self.budget.take(self.cat, 10))
        self.assertFalse(self.budget.take(self.ann, 10))
        self.assertTrue(self.budget.take(self.bob, 1000))
        self.budget.give_back(self.bob)
        self.assertEqual((self.ann.log, self.cat.log), (["granted"], ["granted"]))
        self.assertEqual(self.budget.used, 80)
        for holder in (self.ann, self.cat):
            self.budget.give_back(holder)
        self.assertEqual((self.budget.used, self.clock.getDelayedCalls()), (0, []))

    def test_all_who_are_half_way_through_get_through(self) -> None:
        holders = [_Holder(self.budget) for _ in range(10)]
        going = [holder for holder in holders if self.budget.take(holder, 10)]
        going = [holder for holder in holders if self.budget.take(holder, 10)]
        self.assertEqual(going, holders[:1])
        done: list[_Holder] = []
        while going:
            holder = going.pop()
            self.budget.give_back(holder)
            done.append(holder)
            going += [one for one in holders if one.log and one not in [*done, *going]]
        self.assertEqual(sorted(map(id, done)), sorted(map(id, holders)))
        self.assertEqual(self.budget.used, 0)

    def test_who_makes_no_headway_gives_way_if_someone_waits(self) -> None:
        self.ann.idle = True
        self.budget.take(self.ann, 100)
        self.clock.advance(10 * WATCH_SECONDS)
        self.budget.take(self.bob, 10)
        self.assertEqual(self.ann.log, [])
        self.assertFalse(self.budget.take(self.cat, 10))
        self.clock.advance(WATCH_SECONDS)
        self.assertEqual((self.ann.log, self.cat.log), (["gives way"], ["granted"]))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_who_waits_gives_way_to_nobody(self) -> None:
        self.budget.take(self.ann, 100)
        self.budget.take(self.bob, 10)
        self.cat.idle = True
        self.budget.take(self.cat, 10)
        self.clock.advance(WATCH_SECONDS)
        self.assertEqual(self.cat.log, [])
        self.budget.give_back(self.cat)  # it hung up
        self.assertEqual(self.budget.used, 110)

    def test_any_number_may_be_done_as_soon_as_there_is_room(self) -> None:
        self.budget.take(self.ann, 1000)
        hasty = [_Holder(self.budget, self.budget.give_back) for _ in range(5000)]
        for holder in hasty:
            self.assertFalse(self.budget.take(holder, 90))
        self.budget.give_back(self.ann)
        self.assertEqual({tuple(holder.log) for holder in hasty}, {("granted",)})
        self.assertEqual((self.budget.used, self.clock.getDelayedCalls()), (0, []))

    def test_who_asks_for_more_when_there_is_room_takes_nobodys_turn(self) -> None:
        hungry = _Holder(self.budget, lambda one: self.budget.take(one, 90))
        self.budget.take(self.ann, 1000)
        self.assertFalse(self.budget.take(hungry, 20))
        self.assertFalse(self.budget.take(self.bob, 200))
        self.budget.give_back(self.ann)
        self.assertEqual((hungry.log, self.bob.log), (["granted"], ["granted"]))
        self.budget.give_back(self.bob)
        self.assertEqual(hungry.log, ["granted", "granted"])


class WireTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.budget = Budget(self.clock, 2 * STEP)
        self.wires = [self._wire() for _ in range(3)]

    def _wire(self) -> tuple[LineWire, Listener, Any]:
        wire = LineWire(self.clock, 0, self.budget)
        listener = Listener(wire, set())
        wire.session = listener
        client = Rig().connects()
        wire.makeConnection(client.transport)
        return wire, listener, client.transport

    def test_short_lines_count_for_nothing(self) -> None:
        for wire, *_ in self.wires:
            wire.dataReceived(b"x" * SHARE)
        self.assertEqual(self.budget.used, 0)

    def test_who_finds_no_room_is_not_read_until_there_is(self) -> None:
        (one, first, transport), (two, _, _), (three, third, third_transport) = self.wires
        for wire in (one, two, three):
            wire.dataReceived(b"x" * (SHARE + 1))
        self.assertEqual(third_transport.producerState, "producing")
        self.assertEqual(self.budget.used, 3 * STEP)
        one.dataReceived(b"x" * STEP)
        self.assertEqual(transport.producerState, "paused")
        third.receive = lambda unit: three.hold("busy")  # type: ignore[method-assign]
        three.dataReceived(b"x\n")
        self.assertEqual(transport.producerState, "paused", "it is not done with")
        three.release("busy")
        self.assertEqual(transport.producerState, "producing")
        one.dataReceived(b"x" * 9 * STEP + b"\nnext\n")
        self.assertEqual([len(unit) for unit in first.units], [10 * STEP + SHARE + 1, 4])
        two.connectionLost()
        self.assertEqual(self.budget.used, 0)

    def test_it_counts_until_the_session_is_done_with_it(self) -> None:
        wire, listener, _ = self.wires[0]
        listener.receive = lambda unit: wire.hold("slow")  # type: ignore[method-assign]
        wire.dataReceived(b"x" * STEP)
        wire.dataReceived(b"\n")
        self.assertEqual(self.budget.used, STEP)
        wire.connectionLost()
        self.assertEqual(self.budget.used, STEP)
        wire.release("slow")
        self.assertEqual(self.budget.used, 0)

    def test_who_does_not_go_on_while_others_wait_loses_the_line_and_stays(self) -> None:
        (one, first, _), (two, second, _), (three, _, _) = self.wires
        one.dataReceived(b"x" * 2 * STEP)
        two.dataReceived(b"y" * STEP)
        three.dataReceived(b"z" * STEP)
        for _ in range(2):
            two.dataReceived(b"y" * STEP)
            self.clock.advance(WATCH_SECONDS)
        self.assertEqual((first.over, second.over), (1, 0))
        one.dataReceived(b"x" * STEP + b"\nnext\n")
        self.assertEqual((first.units, first.over), ([b"next"], 1))


class SpoolTests(SynchronousTestCase):
    """A large message, and those who read it."""

    def setUp(self) -> None:
        self.rig = Rig(max_message=0, stall_seconds=100, budget=4 * MIB)
        self.ann, self.bob = self.rig.member("ann"), self.rig.member("bob")
        self.body = "x" * (3 * MIB)

    def goes_on(self, turns: int = 200) -> None:
        for _ in range(turns):
            self.rig.settle()

    def test_it_passes_whole_and_what_comes_later_comes_after_it(self) -> None:
        eve, web = self.rig.program("eve"), Browser(self.rig, "/ws/tea")
        eve.sends("join", room="tea")
        eve.receives()
        web.receives()
        self.ann.types(self.body, "after")
        self.goes_on()
        same(self.bob.hears()[-2:], [f"ann: {self.body}", "ann: after"])
        same([one["body"] for one in eve.receives()[-2:]], [self.body, "after"])
        same([one["body"] for one in web.receives()[-2:]], [self.body, "after"])
        self.assertEqual(self.rig.network.budget.used, 0)

    def test_who_reads_slowly_holds_a_part_and_a_place(self) -> None:
        fills(self.bob)
        self.ann.types(self.body, "after")
        self.goes_on()
        self.assertLess(len(self.bob.transport.value()), 4 * SLICE)
        self.assertEqual(self.rig.network.budget.used, len(self.body) + 200)
        self.assertFalse(self.rig.room("tea").log.between(self.rig.room("tea").log.tail, 99)[2:])
        self._reads(self.bob, f"ann: {self.body}\r\nann: after\r\n")
        self.assertEqual(self.rig.network.budget.used, 0)

    def test_who_finds_no_room_for_reading_reads_it_later_from_the_store(self) -> None:
        cat = self.rig.member("cat")
        fills(self.bob)
        self.ann.types(self.body)
        self.goes_on()
        fills(cat)
        cat.hears()
        self.ann.types("y" * len(self.body))
        self.goes_on()  # more than the budget, but the first one may
        dan = self.rig.member("dan")
        self.ann.types(self.body)
        self.goes_on()
        same(dan.hears(), [])
        self.assertLess(self.rig.network.budget.used, 2 * len(self.body) + 1000)
        cat.hangs_up()
        self.bob.hangs_up()
        self.goes_on(400)
        same(f"ann: {self.body}" in dan.hears(), True)
        self.assertEqual(self.rig.network.budget.used, 0)

    def test_reading_slowly_is_no_standing_still(self) -> None:
        fills(self.bob)
        self.ann.types(self.body)
        self.goes_on()
        for _ in range(10):
            self.rig.clock.advance(60)
            self.bob.hears()
            _room(self.bob)
            self.goes_on(3)
        self.assertFalse(self.bob.transport.disconnecting)
        for seconds in (101, 101, 10):
            self.rig.clock.advance(seconds)
        self.assertTrue(self.bob.transport.aborted)
        self.bob.hangs_up()
        self.assertEqual(self.rig.network.budget.used, 0)

    def test_the_last_word_comes_after_it(self) -> None:
        self.ann.types(self.body)
        self.bob.session.part("Goodbye.", "shutdown")
        self.goes_on()
        same(self.bob.hears()[-2:], [f"ann: {self.body}", "Goodbye."])
        self.assertTrue(self.bob.transport.disconnecting)

    def test_who_ignores_the_speaker_is_not_shown_it(self) -> None:
        self.bob.types("/ignore ann")
        self.ann.types(self.body, "after")
        self.goes_on()
        same([line[:10] for line in self.bob.hears()][1:], [])
        self.assertEqual(self.rig.network.budget.used, 0)

    def test_lines_are_bounded_by_the_length(self) -> None:
        eve = self.rig.program("eve")
        eve.sends("join", room="tea")
        eve.receives()
        eve.sends("say", room="tea", body="\n" * MIB, cid="1")
        self.goes_on()
        self.assertEqual(eve.receives()[-1]["error"], "too-long")
        eve.sends("say", room="tea", body=("x" * LINE_BYTES + "\n") * 60_000, cid="2")
        self.goes_on()
        self.assertIn("2", [one.get("ok") for one in eve.receives()])
        self.assertEqual(self.bob.hears().count(f"eve: {'x' * LINE_BYTES}"), 60_000)

    def test_what_is_wrong_with_it_is_told_with_its_cid(self) -> None:
        eve = self.rig.program("eve")
        eve.sends("say", room="tea", body=self.body, cid="mine")
        self.goes_on()
        heard = eve.receives()[-1]
        self.assertEqual((heard["error"], heard["cid"]), ("not-a-member", "mine"))

    def _reads(self, client: Client, text: str) -> None:
        heard = client.transport.value()
        while len(heard) < len(text):
            client.transport.clear()
            _room(client)
            self.goes_on(2)
            self.assertTrue(client.transport.value(), "nothing more comes")
            heard += client.transport.value()
        same(heard.decode(), text)


class ParkingTests(SynchronousTestCase):
    """A large message is stored in pieces, between what others say."""

    def setUp(self) -> None:
        self.rig = Rig(max_message=0)
        self.eve = self.rig.program("eve")
        self.eve.sends("join", room="tea")
        self.eve.receives()
        self.body = "x" * PIECE + "é" * PIECE + "\U0001f600"

    def says(self, cid: str = "1") -> None:
        self.eve.asks(json.dumps({"do": "say", "room": "tea", "body": self.body, "cid": cid}))
        for _ in range(100):
            self.rig.clock.advance(0)
            self.rig.reader.step()

    def test_others_speak_between_its_pieces(self) -> None:
        ann = self.rig.member("ann")
        self.eve.receives()
        self.says()
        self.assertEqual(len(self.rig.writer.calls), 1)
        ann.asks("not after that")
        self.rig.writer.step()
        self.rig.clock.advance(0)
        self.rig.writer.step()
        self.rig.clock.advance(0)
        self.assertEqual([one["body"] for one in self.eve.receives()], ["not after that"])
        self.rig.settle()
        same([one.get("body") for one in self._hears(self.eve)], [self.body, None])

    def test_it_is_whole_again_from_the_store(self) -> None:
        self.says()
        self.rig.settle()
        kept = self.rig.store.kept("tea")[-1].event
        assert isinstance(kept, e.Said)
        same((len(kept.body), decode_event(encode_event(kept))), (0, kept))
        parked = decode_event(encode_event(kept)).body  # type: ignore[union-attr]
        self.assertEqual((parked.key, parked.pieces), (kept.body.key, 3))  # type: ignore[union-attr,attr-defined]
        self.rig.restart()
        bob = self.rig.program("bob")
        bob.sends("join", room="tea", since=0)
        self.assertIn(self.body, [one.get("body") for one in self._hears(bob)])
        self.rig.restart()
        bob = self.rig.arrives("/join tea")
        same(f"eve: {self.body}" in [line for _ in range(50) for line in self._lines(bob)], True)

    def test_a_page_ends_behind_it(self) -> None:
        for cid in "12":
            self.says(cid)
            self.rig.settle()
        read = page(self.rig.store, "tea", 0, 99)
        self.assertEqual((read[-1].seq, len(self.rig.store.kept("tea"))), (3, 4))

    def test_what_could_not_be_stored_is_told_and_may_be_said_again(self) -> None:
        self.rig.store.fail_before = True
        self.says()
        self.assertEqual(self._hears(self.eve)[-1]["error"], "unavailable")
        self.rig.store.fail_before = False
        self.says()
        self.rig.settle()
        same([one.get("ok") for one in self._hears(self.eve)], [None, "1"])
        self.assertEqual(self.rig.network.budget.used, 0)
        self.flushLoggedErrors()

    def test_what_was_said_is_not_stored_again(self) -> None:
        for _ in range(2):
            self.says()
            self.rig.settle()
        self._hears(self.eve)
        self.assertEqual(len([key for key in self.rig.store.logs() if key.startswith("@=")]), 1)

    def test_what_may_not_be_said_is_not_stored(self) -> None:
        self.eve.sends("leave", room="tea")
        self.rig.member("ann")
        self.says()
        self.rig.settle()
        self.assertEqual(self.eve.receives()[-1]["error"], "not-a-member")
        self.assertFalse([key for key in self.rig.store.logs() if key.startswith("@=")])

    def test_what_is_told_to_all_is_stored_so_too_and_what_is_whispered_is_not(self) -> None:
        ann = self.rig.account("ann")
        ann.asks(f"/send all {self.body}")
        heard = [one.get("body") for one in self._hears(self.eve)]
        same(heard[-1:], [self.body])
        ann.asks(f"/whisper eve {self.body}")
        heard = [one.get("body") for one in self._hears(self.eve)]
        same(heard[-1:], [self.body])
        ann.asks(f"/spam eve 2 {self.body}")
        same("once at a time" in self._lines(ann)[-1], True)
        self.assertEqual(len([key for key in self.rig.store.logs() if key.startswith("@=")]), 1)

    def test_room_for_reading_that_nobody_uses_is_given_back(self) -> None:
        self.rig = Rig(max_message=0, budget=0)
        ann, bob, cat = [self.rig.member(name) for name in ("ann", "bob", "cat")]
        fills(bob)
        ann.types(self.body)
        self._lines(cat)
        ann.types(self.body)
        self.assertEqual(len(self._lines(cat)), 0)
        cat.stops_listening()
        bob.hangs_up()
        self._lines(ann)
        self.assertEqual(self.rig.network.budget.used, 0)
        cat.listens()
        self.assertEqual(len(self._lines(cat)), 2)
        self.assertEqual(self.rig.network.budget.used, 0)

    def test_who_hangs_up_meanwhile_has_said_it(self) -> None:
        ann = self.rig.member("ann")
        self.says()
        self.eve.hangs_up()
        same([line[:9] for line in self._lines(ann)], ["eve: xxxx", "eve has d"])
        self.assertEqual(self.rig.network.budget.used, 0)

    def test_what_was_deleted_is_gone_with_its_pieces(self) -> None:
        self.says()
        self.rig.settle()
        self.assertEqual((self._pieces(), self._faults()), (1, []))
        seq = self.rig.store.kept("tea")[-1].seq
        self.eve.sends("delete", room="tea", message=seq)
        self.assertEqual(self.rig.store.kept("tea")[seq - 1].event, e.Erased("eve"))
        self.assertEqual((self._pieces(), self._faults()), (0, []))

    def test_what_is_too_old_is_gone_with_its_pieces(self) -> None:
        self.says()
        self.rig.settle()
        self._hears(self.eve)
        self.eve.sends("retain", room="tea", seconds=3600)
        for _ in range(70):
            self.rig.clock.advance(60)
            self.rig.settle()
        self.assertGreater(self.rig.store.floor("tea"), 2)
        self.assertEqual((self._pieces(), self._faults()), (0, []))

    def test_pieces_of_what_was_never_said_are_found(self) -> None:
        self.says()
        self.assertEqual(orphans(self.rig.store), [])
        for _ in range(2):
            self.rig.writer.step()
            self.rig.clock.advance(0)
        self.assertEqual((len(orphans(self.rig.store)), self._pieces()), (1, 1))
        self.rig.settle()
        self.assertEqual((orphans(self.rig.store), self._pieces()), ([], 1))

    def test_pieces_that_changed_or_are_lost_are_found(self) -> None:
        self.says()
        self.rig.settle()
        [key] = [key for key in self.rig.store.logs() if key.startswith(PIECES)]
        self.assertEqual(self._faults(), [])
        records = self.rig.store.records(key, 0, 9)
        state = self.rig.store.load(key)
        other = log_of_a_changed(records)
        self.rig.store.write(Batch([], discards=[key]))
        self.assertEqual(self._faults(), ["tea: the pieces of entry 3 are not what was said"])
        self.rig.store.adopt(key, Anchor(), other)
        self.rig.store.write(Batch([], states={key: state}))
        self.assertEqual(self._faults(), ["tea: the pieces of entry 3 are not what was said"])

    def test_a_reader_who_comes_as_it_is_deleted_sees_that_it_was(self) -> None:
        self.says()
        self.rig.settle()
        entries = list(self.rig.store.read("tea", 0, 9, 9))
        self.eve.sends("delete", room="tea", message=3)
        with patch.object(MemoryStore, "read", _late(entries, MemoryStore.read)):
            self.assertEqual(page(self.rig.store, "tea", 0, 3)[-1].event, e.Erased("eve"))

    def _pieces(self) -> int:
        return len([key for key in self.rig.store.logs() if key.startswith(PIECES)])

    def _faults(self) -> list[str]:
        found: list[str] = []
        progress = Progress(lambda _: None, lambda: 0.0, "read")
        verify_store(self.rig.store, self.rig.store, Survey(found.append), progress)
        return found

    def _lines(self, client: Client) -> list[str]:
        for _ in range(50):
            self.rig.settle()
        return client.hears()

    def _hears(self, client: Client) -> list[dict[str, Any]]:
        for _ in range(50):
            self.rig.settle()
        return client.receives()


def log_of_a_changed(records: Sequence[Record]) -> list[Record]:
    """Return another log like ``records``, in which something else was said."""
    entries = [record.entry for record in records]
    entries[1] = replace(entries[1], event=e.Said("", "y" * PIECE))
    return bind(in_series(entries), {entries[0].room: START})


def _late(first: list[e.Entry], read: Any) -> Any:
    """Return ``read``, which returns ``first`` the first time."""
    answers = [first]

    def reads(*args: Any) -> Any:
        return answers.pop() if answers else read(*args)

    return reads


def _room(client: Client) -> None:
    """Let the transport of ``client`` be empty."""
    producer: Any = client.transport.producer
    producer.resumeProducing()


def _names(event: e.Event) -> tuple[str, ...]:
    return tuple(type(event).__dataclass_fields__)


def _told(dialect: Any, unit: bytes, at_once: bool) -> Any:
    try:
        return dialect.receive(unit, True) if at_once else finish(dialect.read(unit, True))
    except Malformed as refusal:
        return str(refusal)


def _parts(style: Any, entry: e.Entry) -> list[bytes]:
    parts, place = [], 0
    while place >= 0:
        part, place = style.part(entry, place)
        parts.append(part)
    return parts
