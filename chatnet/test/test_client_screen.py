from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chatnet.client.places import Manner
from chatnet.client.screen import lines_of, lines_of_reply
from chatnet.client.writing import unsent
from chatnet.core import events as e, replies as r

HOSTILE = "\x1b[2J\x07\u202eevil\r\nann: lies\x9b"


def entry(event: e.Event, room: str = "tea") -> e.Entry:
    return e.Entry(room, 1, 0.5, event)


class ScreenTests(SynchronousTestCase):
    def show(self, event: e.Event, manner: Manner = Manner.LIVE, mine: bool = False) -> list[str]:
        return lines_of(entry(event), manner, mine, "ann")

    def test_speech_looks_as_in_the_text_dialect(self) -> None:
        self.assertEqual(self.show(e.Said("bob", "hi")), ["bob: hi"])
        self.assertEqual(self.show(e.Said("bob", "waves", True)), ["* bob waves"])

    def test_what_was_said_here_is_on_the_screen_already(self) -> None:
        self.assertEqual(self.show(e.Said("ann", "hi"), mine=True), [])
        self.assertEqual(self.show(e.Said("ann", "hi"), Manner.PAST), ["ann: hi"])

    def test_ones_own_coming_and_going_is_known(self) -> None:
        for event in (e.Joined("Ann"), e.Left("ann"), e.Renamed("ann", "anna")):
            self.assertEqual(self.show(event), [])
        self.assertEqual(self.show(e.Joined("bob")), ["bob has joined the room."])

    def test_of_what_was_missed_the_coming_and_going_is_left_out(self) -> None:
        self.assertEqual(self.show(e.Left("bob", True), Manner.MISSED), [])
        self.assertEqual(
            self.show(e.Kicked("bob", "eve", ""), Manner.MISSED), ["bob was kicked by eve."]
        )

    def test_the_past_is_what_was_said(self) -> None:
        self.assertEqual(self.show(e.Joined("bob"), Manner.PAST), [])

    def test_what_is_recalled_has_its_time(self) -> None:
        self.assertEqual(
            self.show(e.Said("bob", "hi"), Manner.RECALLED), ["[1970-01-01 00:00 #1] bob: hi"]
        )

    def test_nobody_steers_the_screen(self) -> None:
        events = (
            e.Said("bob", HOSTILE),
            e.Said("bob", HOSTILE, True),
            e.Whispered("bob", "ann", HOSTILE),
            e.Announced("bob", HOSTILE),
            e.TopicSet("bob", HOSTILE),
            e.Kicked("eve", "bob", HOSTILE),
            e.Joined(HOSTILE),
        )
        for event in events:
            for manner in Manner:
                for line in self.show(event, manner):
                    self.assertEqual([c for c in line if c in "\x1b\x07\u202e\r\n\x9b"], [], line)

    def test_nobody_speaks_in_anothers_name(self) -> None:
        lines = self.show(e.Said("bob", "hi\nann: lies"))
        self.assertEqual(lines, ["bob: hi", "bob: ann: lies"])

    def test_replies_look_as_in_the_text_dialect(self) -> None:
        self.assertEqual(lines_of_reply(r.Topic("tea", "tea", "")), ["tea has no topic."])
        self.assertEqual(lines_of_reply(r.Noted("one\ntwo")), ["one", "two"])
        self.assertEqual(lines_of_reply(r.Done("x", "tea", 1)), [])

    def test_of_lines_without_an_answer_nobody_says_that_they_were_not_sent(self) -> None:
        self.assertEqual(
            [unsent(count).partition(":")[0] for count in (1, 5)],
            [f"The server has not confirmed {lines}" for lines in ("1 line", "5 lines")],
        )
