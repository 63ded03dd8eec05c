"""A checker that cannot fail checks nothing: every kind of fault is found."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from chatnet.core import events as e
from chatnet.core.codec import encode_event
from chatnet.dialects.jsonl import JsonStyle
from chatnet.test.checker import Checker, Fact, fact_in, fact_of

OPENED = Fact(1, "opened", "ann tea")
JOINED = Fact(2, "joined", "ann")
HELLO = Fact(3, "said", "ann", "hello")
AGAIN = Fact(4, "said", "ann", "again")
LOG = [OPENED, JOINED, HELLO, AGAIN]


class CheckerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.checker = Checker()
        self.checker.sent("ann", "1", "tea", "hello")
        self.checker.sent("ann", "2", "tea", "again")
        self.checker.begins("ann#1", "tea", 1)
        for fact in LOG[1:]:
            self.checker.shown("ann#1", "tea", fact)
        self.checker.acknowledged("ann", "1", "tea", 3)
        self.checker.acknowledged("ann", "2", "tea", 4)
        self.checker.quiet("ann#1", "tea")

    def finds(self, *words: str, log: list[Fact] = LOG) -> None:
        """See that there are faults, and that one of them has all ``words`` in it."""
        self.checker.kept("tea", log)
        faults = self.checker.faults()
        self.assertTrue(any(all(word in one for word in words) for one in faults), faults)

    def test_a_contract_that_was_kept_has_no_faults(self) -> None:
        self.checker.sent("ann", "1", "tea", "hello")  # again, and answered alike
        self.checker.acknowledged("ann", "1", "tea", 3)
        self.checker.begins("bob#1", "tea", 2)  # history, then what is new
        self.checker.recalled("bob#1", "tea", OPENED)
        self.checker.shown("bob#1", "tea", HELLO)
        self.checker.ends("bob#1", "tea")
        self.checker.sent("ann", "3", "tea", "never said")
        self.checker.refused("ann", "3")
        self.checker.kept("tea", LOG)
        self.assertEqual(self.checker.faults(), [])

    def test_an_acknowledged_message_that_is_lost_is_found(self) -> None:
        self.finds("told that 2 is at tea/4", "there is nothing", log=LOG[:3])

    def test_a_message_at_another_place_than_was_told_is_found(self) -> None:
        self.checker.sent("bob", "1", "tea", "hi")
        self.checker.acknowledged("bob", "1", "tea", 3)
        self.finds("bob was told that 1 is at tea/3", "'hello'")

    def test_a_message_in_another_room_than_was_asked_for_is_found(self) -> None:
        self.checker.sent("bob", "1", "tea", "hi")
        self.checker.kept("den", [Fact(1, "said", "bob", "hi")])
        self.checker.acknowledged("bob", "1", "den", 1)
        self.finds("bob was told that 1 is at den/1")

    def test_an_answer_to_what_nobody_asked_is_found(self) -> None:
        self.checker.acknowledged("bob", "7", "tea", 3)
        self.finds("bob", "never asked")

    def test_two_answers_to_one_cid_that_differ_are_found(self) -> None:
        self.checker.acknowledged("ann", "1", "tea", 4)
        self.finds("told that 1 is at tea/3, then at tea/4")

    def test_what_happened_twice_is_found(self) -> None:
        self.finds("ann named 1 is in tea 2 times", log=[*LOG, Fact(5, "said", "ann", "hello")])

    def test_what_happened_in_a_room_that_it_was_not_for_is_found(self) -> None:
        self.checker.kept("den", [Fact(1, "said", "ann", "hello")])
        self.finds("ann wanted in tea is in den")

    def test_a_whisper_may_stand_in_two_logs_and_once_in_each(self) -> None:
        self.checker.sent("ann", "3", "", "psst")
        whisper = Fact(1, "whispered", "ann bob", "psst")
        self.checker.kept("tea", LOG)
        for log in ("@ann", "@bob"):
            self.checker.kept(log, [whisper])
        self.checker.acknowledged("ann", "3", "@ann", 1)
        self.assertEqual(self.checker.faults(), [])
        self.checker.kept("@bob", [whisper, Fact(2, "whispered", "ann bob", "psst")])
        self.finds("ann named 3 is in @bob 2 times")

    def test_what_was_refused_and_happened_is_found(self) -> None:
        self.checker.sent("bob", "1", "tea", "hi")
        self.checker.refused("bob", "1")
        self.finds("1 was refused, and it happened", log=[*LOG, Fact(5, "said", "bob", "hi")])

    def test_what_was_refused_once_and_tried_again_may_have_happened(self) -> None:
        for _ in range(2):
            self.checker.sent("bob", "1", "tea", "hi")
        self.checker.refused("bob", "1")
        self.checker.ends("ann#1", "tea")
        self.checker.kept("tea", [*LOG, Fact(5, "said", "bob", "hi")])
        self.assertEqual(self.checker.faults(), [])

    def test_two_readers_who_were_shown_different_things_are_found(self) -> None:
        self.checker.begins("bob#1", "tea", 2)
        self.checker.shown("bob#1", "tea", Fact(3, "said", "ann", "goodbye"))
        self.finds("tea/3 is said ann 'hello' to ann#1", "'goodbye' to bob#1")

    def test_the_same_words_of_someone_else_are_another_thing(self) -> None:
        self.checker.recalled("bob#1", "tea", Fact(3, "said", "eve", "hello"))
        self.finds("said ann 'hello'", "said eve 'hello'")

    def test_what_was_shown_and_is_something_else_in_the_log_is_found(self) -> None:
        self.finds("tea/4 was said ann 'again'", "muted", log=[*LOG[:3], Fact(4, "muted", "eve")])

    def test_what_was_shown_and_is_not_in_the_log_is_found(self) -> None:
        self.finds("tea/4 was said ann 'again' to ann#1 and is nothing", log=LOG[:3])

    def test_a_gap_in_what_is_shown_is_found(self) -> None:
        self.checker.begins("bob#1", "tea", 0)
        self.checker.shown("bob#1", "tea", OPENED)
        self.checker.shown("bob#1", "tea", HELLO)
        self.finds("bob#1 was shown tea/3 after tea/1")

    def test_what_is_shown_twice_is_found(self) -> None:
        self.checker.shown("ann#1", "tea", AGAIN)
        self.finds("ann#1 was shown tea/4 after tea/4")

    def test_what_is_shown_in_another_order_is_found(self) -> None:
        self.checker.begins("bob#1", "tea", 3)
        self.checker.shown("bob#1", "tea", AGAIN)
        self.checker.shown("bob#1", "tea", HELLO)
        self.finds("bob#1 was shown tea/3 after tea/4")

    def test_a_reading_that_begins_elsewhere_than_it_should_is_found(self) -> None:
        self.checker.begins("bob#1", "tea", 1)
        self.checker.shown("bob#1", "tea", HELLO)
        self.finds("bob#1 was shown tea/3 after tea/1")

    def test_one_who_is_shown_what_it_does_not_read_is_found(self) -> None:
        self.checker.ends("ann#1", "tea")
        self.checker.shown("ann#1", "tea", AGAIN)
        self.finds("ann#1 was shown tea/4 and did not read")

    def test_a_deaf_reader_is_found(self) -> None:
        self.finds("ann#1 is deaf", "tea/4 of 5", log=[*LOG, Fact(5, "left", "ann")])

    def test_ones_own_words_may_be_left_out_and_nothing_else(self) -> None:
        self.checker.begins("ann#2", "tea", 1, own=["ann"])
        self.checker.shown("ann#2", "tea", AGAIN)
        self.checker.begins("bob#1", "tea", 1, own=["bob"])
        self.checker.quiet("bob#1", "tea")
        self.checker.kept("tea", LOG)
        self.assertEqual(
            self.checker.faults(),
            [
                "bob#1 was not shown tea/2, joined ann",
                "bob#1 was not shown tea/3, said ann 'hello'",
                "bob#1 was not shown tea/4, said ann 'again'",
            ],
        )

    def test_a_reader_who_never_began_is_deaf(self) -> None:
        self.checker.quiet("bob#1", "tea")
        self.finds("bob#1 is deaf")

    def test_a_gap_in_the_log_is_found(self) -> None:
        self.finds("tea/2 is missing", log=[OPENED, HELLO, AGAIN])

    def test_a_place_taken_twice_is_found(self) -> None:
        self.finds("tea/4 is missing: 3 stands there", log=[*LOG[:3], HELLO, AGAIN])

    def test_one_body_for_two_wishes_is_a_mistake_of_the_test(self) -> None:
        with self.assertRaises(ValueError):
            self.checker.sent("bob", "1", "tea", "hello")
        with self.assertRaises(ValueError):
            self.checker.sent("ann", "1", "tea", "something else")


class FactTests(SynchronousTestCase):
    def test_an_entry_and_what_is_shown_of_it_are_the_same_fact(self) -> None:
        for event in (
            e.Opened("Tea", "ann"),
            e.Said("ann", "hello"),
            e.Rolled("ann", "2d6", (1, 2)),
            e.Left("ann", True),
            e.Renamed("ann", "bob"),
            e.Banned("ann", "bob", "~192.0.2.1", 0, "rude"),
            e.TopicSet("ann", "green"),
            e.Whispered("ann", "bob", "psst"),
            e.Seen(3),
        ):
            entry = e.Entry("tea", 7, 0.0, event)
            told = json.loads(JsonStyle().render(entry))
            self.assertEqual(fact_in(told), fact_of(entry), encode_event(event))
