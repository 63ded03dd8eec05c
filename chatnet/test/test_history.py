"""History by count, by number and by time, a page at a time."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from chatnet.core import commands as c, events as e
from chatnet.core.refusals import Malformed
from chatnet.core.times import parse_time
from chatnet.dialects.text import TextDialect
from chatnet.server import errands, whispers
from chatnet.test.properties import given, settings, st
from chatnet.test.rig import Rig

NOON = 1_795_262_400.0  # 2026-11-21 12:00


class TimeTests(SynchronousTestCase):
    def test_times_are_what_people_write(self) -> None:
        for text, at in (
            ("2026-11-21", NOON - 12 * 3600),
            ("2026-11-21 12:00", NOON),
            ("2026-11-21T12:00", NOON),
            ("2026-11-21t12:00:30z", NOON + 30),
            ("2h", NOON - 7200),
            ("1d12h", NOON - 36 * 3600),
            ("1795262400", NOON),
            ("1795262400.5", NOON + 0.5),
            ("999999w", 0.0),
        ):
            self.assertEqual(parse_time(text, NOON), at, text)

    def test_what_is_no_time_is_none(self) -> None:
        for text in (
            "",
            "2026",
            "2026-13-01",
            "2026-02-30",
            "0000-01-01",
            "now",
            "2026-11-21 25:00",
        ):
            self.assertIsNone(parse_time(text, NOON), text)

    @settings(deadline=None, derandomize=True, max_examples=100)
    @given(st.text(), st.floats(0, 1e11))
    def test_any_text_is_a_time_or_none(self, text: str, now: float) -> None:
        parse_time(text, now)


class WordsTests(SynchronousTestCase):
    def test_history_is_asked_for_by_count_number_and_time(self) -> None:
        for line, asked in (
            ("/history", c.History()),
            ("/history 5", c.History("", 5)),
            ("/history all", c.History("", -1)),
            ("/history #12", c.History("", 50, first=12)),
            ("/history 5 #12", c.History("", 5, first=12)),
            ("/history 2h", c.History("", 50, at="2h")),
            ("/history all 2026-11-20", c.History("", -1, at="2026-11-20")),
            ("/history 2026-11-20 18:30", c.History("", 50, at="2026-11-20 18:30")),
            ("/history @bob", c.History(who="bob")),
            ("/history 5 @bob", c.History("", 5, who="bob")),
            ("/history all @bob #3", c.History("", -1, first=3, who="bob")),
            ("/history @bob 2h", c.History("", 50, at="2h", who="bob")),
        ):
            got = TextDialect().receive(line.encode(), True)
            assert isinstance(got, c.Request)
            self.assertEqual(got.command, asked)
        for line in (
            "/history soon",
            "/history -1",
            "/history 0",
            "/history #x",
            "/history 5 6",
            "/history @",
            "/history @bob soon",
        ):
            with self.assertRaisesRegex(Malformed, "Use it like this"):
                TextDialect().receive(line.encode(), True)


class HistoryTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()
        self.ann = self.rig.member("ann")
        for n in range(6):
            self.ann.types(f"message {n}")  # at #3 and on
            self.rig.clock.advance(3600)
            self.rig.settle()

    def types(self, line: str) -> list[str]:
        self.ann.hears()
        self.ann.types(line)
        return self.ann.hears()

    def test_from_a_number_on_page_by_page(self) -> None:
        self.assertEqual(
            self.types("/history 2 #4"),
            [
                "--- tea from #4 on ---",
                "[2027-01-15 09:00 #4] ann: message 1",
                "[2027-01-15 10:00 #5] ann: message 2",
                "--- there is more: /history #6 ---",
            ],
        )
        self.assertEqual(
            self.types("/history #8"),
            [
                "--- tea from #8 on ---",
                "[2027-01-15 13:00 #8] ann: message 5",
                "--- end of history ---",
            ],
        )
        self.assertEqual(
            self.types("/history #99"), ["--- tea from #9 on ---", "--- end of history ---"]
        )

    def test_from_a_time_on(self) -> None:
        for line in ("/history 150m", "/history 2027-01-15T11:30", "/history all 2027-01-15 12:00"):
            heard = self.types(line)
            self.assertEqual(heard[1][18:20], "#7", line)
            self.assertEqual(len(heard), 4, line)
        self.assertEqual(len(self.types("/history 2027-01-15")), 8)
        self.assertEqual(len(self.types("/history 2028-01-15")), 2)

    def test_a_time_that_is_none_is_refused(self) -> None:
        bot = self.rig.program("bot")
        bot.sends("join", room="tea", replay=0)
        bot.receives()
        bot.sends("history", room="tea", at="tomorrow", cid="1")
        [told] = bot.receives()
        self.assertEqual((told["error"], told["cid"]), ("malformed", "1"))

    def test_programs_page_both_ways(self) -> None:
        bot = self.rig.program("bot")
        bot.sends("join", room="tea", replay=0)
        bot.receives()
        seen: list[int] = []
        first, more = 1, True
        while more:
            bot.sends("history", room="tea", first=first, count=2)
            told, *events, end = bot.receives()
            self.assertTrue(told["ahead"])
            seen += [event["seq"] for event in events]
            first, more = end["seq"] + 1, end["more"]
        self.assertEqual(seen, list(range(1, self.rig.room("tea").log.head + 1)))
        bot.sends("history", room="tea", first=4, before=7, count=-1)
        told, *events, end = bot.receives()
        self.assertEqual([event["seq"] for event in events], [4, 5, 6])
        bot.sends("history", room="tea", count=0, first=4)
        told, end = bot.receives()
        self.assertEqual((told["since"], told["upto"], end["more"]), (3, 3, True))

    def test_it_is_counted_in_the_store_too(self) -> None:
        self.patch(errands, "MOST_AHEAD", 300)
        self.ann.types(*[f"number {n}" for n in range(3000)])
        bot = self.rig.program("bot")
        bot.sends("join", room="tea", replay=0)
        bot.receives()
        got: list[Any] = []
        for count in (5, 280, 9999):
            bot.sends("history", room="tea", first=3, count=count)
            _, *events, end = bot.receives()
            got.append((len(events), end["more"]))
        self.assertEqual(got, [(5, True), (280, True), (300, True)])


class WhispersTests(SynchronousTestCase):
    """What two whispered is read again by each of them, out of its own log."""

    def setUp(self) -> None:
        self.rig = Rig()
        self.ann, self.bob, self.eve = (self.rig.account(who) for who in ("ann", "bob", "eve"))
        self.ann.types("/whisper bob one")
        self.eve.types("/whisper ann aside")
        self.bob.types("/whisper ann two")
        self.ann.types("/whisper eve another aside")
        self.ann.types("/whisper bob three")
        for one in (self.ann, self.bob, self.eve):
            one.hears()

    def program(self, who: str = "ann") -> Any:
        bot = self.rig.connects()
        bot.sends("login", name=who, password="secret")
        bot.receives()
        return bot

    def bodies(self, frames: list[Any]) -> list[str]:
        return [frame["body"] for frame in frames if "body" in frame]

    def test_people_read_them_both_ways(self) -> None:
        self.ann.types("/history @Bob")
        told = self.ann.hears()
        self.assertEqual(told[0], "--- whispers with Bob ---")
        self.assertEqual(
            [line.partition("] ")[2] for line in told[1:-1]],
            ["[whisper to bob] ann: one", "[whisper] bob: two", "[whisper to bob] ann: three"],
        )
        self.assertEqual(told[-1], "--- end of history ---")

    def test_people_go_on_where_they_were(self) -> None:
        self.bob.types("/history 2 @ann #1")
        *_, last = self.bob.hears()
        self.assertRegex(last, r"^--- there is more: /history @ann #\d+ ---$")
        self.bob.types(last[len("--- there is more: ") : -4])
        _, *told, _ = self.bob.hears()
        self.assertEqual([line.partition("] ")[2] for line in told], ["[whisper] ann: three"])

    def test_programs_page_backwards_and_each_whisper_comes_once(self) -> None:
        self.patch(whispers, "_PAGE", 1)
        bot, before, seen = self.program(), None, list[str]()
        while before != 1:
            bot.sends("history", who="bob", count=2, before=before, cid="1")
            told, *events, end = bot.receives()
            self.assertEqual(
                (told["reply"], told["room"], told["name"]), ("history", "@ann", "bob")
            )
            self.assertEqual(end["reply"], "caughtup")
            seen[:0] = self.bodies(events)
            before = told["since"] + 1
        self.assertEqual(seen, ["one", "two", "three"])

    def test_it_is_ones_own_log_alone(self) -> None:
        eve = self.program("eve")
        for asked in ({"who": "bob"}, {"who": "bob", "room": "@ann"}, {"who": "bob", "first": 1}):
            eve.sends("history", **asked)
            told, *events, _ = eve.receives()
            self.assertEqual((told["room"], events), ("@eve", []))
        eve.sends("history", room="@ann")
        self.assertEqual([frame["error"] for frame in eve.receives()], ["bad-name"])

    def test_only_so_much_is_looked_through_at_once(self) -> None:
        self.patch(whispers, "MOST", 2)
        bot = self.program()
        head = self.rig.room("@ann").log.head
        bot.sends("history", who="eve", count=-1)
        told, *events, _ = bot.receives()
        self.assertEqual((told["since"], self.bodies(events)), (head - 2, ["another aside"]))
        bot.sends("history", who="bob", first=1, count=-1)
        told, *events, end = bot.receives()
        self.assertEqual((self.bodies(events), end["seq"], end["more"]), (["one"], 2, True))

    def test_what_is_sealed_stays_so_and_files_come_along(self) -> None:
        log = self.rig.network.audiences["@ann"]
        shared = e.Shared("bob", "8c8c765edbca", "x.txt", 1, "text/plain", "0" * 64, "", "ann")
        sealed = e.SealedWhisper("bob", "ann", "A" * 10, "s" * 43, "AAAA")
        log.room.expect([shared, sealed])
        self.rig.journal.append("@ann", [shared, sealed], "")
        self.rig.settle()
        bot = self.program()
        bot.sends("history", who="bob", count=2)
        _, *events, _ = bot.receives()
        self.assertEqual([event["event"] for event in events], ["shared", "sealedwhisper"])

    def test_guests_read_what_this_connection_was_told(self) -> None:
        guy = self.rig.program("guy")
        guy.sends("history", who="ann")
        _, *events, _ = guy.receives()
        self.assertEqual(events, [])
        self.ann.types("/whisper guy hello")
        guy.receives()
        guy.sends("history", who="ann")
        _, *events, _ = guy.receives()
        self.assertEqual(self.bodies(events), ["hello"])

    def test_it_takes_somebody_else(self) -> None:
        bot = self.program()
        for who in ("ann", "x" * 257):
            bot.sends("history", who=who)
            self.assertEqual([frame["error"] for frame in bot.receives()], ["malformed"])

    def test_who_goes_in_the_middle_is_not_told_again_what_it_read(self) -> None:
        log, session = self.rig.network.audiences["@ann"], self.ann.session
        self.ann.asks("/history @bob")
        while log.stretches(session) < 2:
            self.rig.clock.advance(0)
            self.rig.writer.step()
            self.rig.reader.step()
        self.ann.hangs_up()
        self.rig.settle()
        again = self.rig.connects()
        again.sends("login", name="ann", password="secret")
        self.assertEqual(self.bodies(again.receives()), [])
