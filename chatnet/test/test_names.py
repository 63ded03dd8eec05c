"""What people and rooms may be called."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chatnet.core.durations import parse_duration, spell_duration, spell_span
from chatnet.core.names import _PLAIN, _precis, fold, person_name, room_name, skeleton
from chatnet.core.plain import plain
from chatnet.core.refusals import BadName
from chatnet.test.properties import given, settings, st


class NameTests(SynchronousTestCase):
    def test_names_of_many_scripts_are_fine_and_keep_their_case(self) -> None:
        for text in ("Tom", "Zoë", "Юля", "李小龙", "محمد", "a-b_c.d", "x1y"):
            self.assertEqual(person_name(text).text, text)

    def test_what_steers_a_screen_or_a_command_is_no_name(self) -> None:
        hostile = ["a b", "a\tb", "a\x1b[", "a\u202eb", "a\u200bb", "a\ud800b", "\U0001f600" * 3]
        for text in [*hostile, "a#b", "@bob", "*bob", "a:b", "a,b", "-abc", ".abc", ""]:
            with self.assertRaises(BadName, msg=repr(text)):
                person_name(text)
            with self.assertRaises(BadName, msg=repr(text)):
                room_name(text.replace("#", "##"))

    @settings(deadline=None, derandomize=True, max_examples=300)
    @given(st.text(max_size=40))
    def test_any_text_is_a_name_or_is_refused(self, text: str) -> None:
        for make in (person_name, room_name):
            try:
                name = make(text)
            except BadName as refusal:
                self.assertTrue(str(refusal))
            else:
                self.assertEqual(plain(name.text), name.text)
                self.assertEqual(make(name.text), name)
                self.assertEqual(make(name.text).key, fold(name.text))

    @settings(deadline=None, derandomize=True, max_examples=300)
    @given(st.from_regex(_PLAIN, fullmatch=True))
    def test_plain_names_are_what_precis_makes_of_them(self, text: str) -> None:
        self.assertEqual(_precis.enforce(text), text)

    def test_a_room_may_be_written_with_a_hash(self) -> None:
        self.assertEqual(room_name("#Tea").key, room_name("tea").key)
        self.assertEqual(room_name("x").text, "x")

    def test_look_alikes_share_a_claim(self) -> None:
        pairs = [
            ("paul", "PauI"),
            ("bob", "b0b"),
            ("admin", "adrnin"),
            ("tom", "t\u043em"),
            ("ann", "\uff41nn"),
            ("lili", "1i1i"),
            ("cl0ud", "CLOUD"),
        ]
        for one, two in pairs:
            self.assertTrue(person_name(one).claims & person_name(two).claims, (one, two))
        self.assertFalse(person_name("ann").claims & person_name("anna").claims)

    def test_a_skeleton_is_the_same_for_what_looks_the_same(self) -> None:
        self.assertEqual(skeleton("1lI"), skeleton("lll"))
        self.assertNotEqual(skeleton("ann"), skeleton("anm"))

    def test_what_is_too_long_for_a_name_is_not_looked_at(self) -> None:
        marks = "a" + "\u0316\u0301" * 1000
        self.assertEqual(skeleton(marks), marks)


class DurationTests(SynchronousTestCase):
    def test_durations_are_read_and_told(self) -> None:
        for text, seconds in (("90s", 90), ("10m", 600), ("1d12h", 129600), ("2w", 1209600)):
            self.assertEqual(parse_duration(text), seconds)
        for text in ("", "10", "m", "10x", "1m ", "\u0661m", "-1m"):
            self.assertIsNone(parse_duration(text))
        self.assertEqual(spell_duration(5400), "1 hour 30 minutes")
        self.assertEqual(spell_duration(0), "1 second")
        self.assertEqual(spell_span(30 * 86400), "30 days")
        self.assertEqual(spell_span(86400), "1 day")
        self.assertEqual(spell_span(5400), "90 minutes")
        self.assertEqual(spell_duration(1209600 + 86400 + 5), "2 weeks 1 day")
