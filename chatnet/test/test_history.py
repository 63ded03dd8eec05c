"""History by count, by number and by time, a page at a time."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from chatnet.core import commands as c
from chatnet.core.refusals import Malformed
from chatnet.core.times import parse_time
from chatnet.dialects.text import TextDialect
from chatnet.server import errands
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
        ):
            got = TextDialect().receive(line.encode(), True)
            assert isinstance(got, c.Request)
            self.assertEqual(got.command, asked)
        for line in ("/history soon", "/history -1", "/history 0", "/history #x", "/history 5 6"):
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
