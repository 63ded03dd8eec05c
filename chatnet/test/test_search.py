"""What a word is, what a search finds, and who may search where."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from chatnet.core.events import Entry, Erased, Said, Whispered
from chatnet.core.search import Search, excerpt, finds, words_of
from chatnet.test.properties import given, settings, st
from chatnet.test.rig import Client, Rig


class WordTests(SynchronousTestCase):
    def test_words_are_what_people_mean_by_it(self) -> None:
        for text, words in (
            ("", []),
            ("Hello, hello WORLD!", ["hello", "world"]),
            ("e-mail: a_b@c.org", ["e", "mail", "a", "b", "c", "org"]),
            ("Grüße, Café", ["grusse", "cafe"]),
            ("\uff57\uff49\uff44\uff45", ["wide"]),
            ("綠茶 好喝", ["綠", "茶", "好", "喝"]),
            ("한국어", ["한국어"]),
            ("<b>\x1b[31m</b>", ["b", "31m"]),
            ("☕ 🦊", []),
        ):
            self.assertEqual(words_of(text), words, text)

    def test_a_long_word_is_cut(self) -> None:
        self.assertEqual(words_of("x" * 100), ["x" * 64])

    @settings(deadline=None, derandomize=True, max_examples=200)
    @given(st.text())
    def test_words_of_words_are_the_same(self, text: str) -> None:
        words = words_of(text)
        self.assertEqual(words_of(" ".join(words)), words)


class SearchTests(SynchronousTestCase):
    def test_it_finds_what_has_all_words(self) -> None:
        entry = Entry("tea", 1, 10.0, Said("Ann", "Green tea, please"))
        self.assertTrue(finds(Search(("tea", "green")), entry))
        self.assertTrue(finds(Search((), "ann", 10.0), entry))
        self.assertFalse(finds(Search(("te",)), entry))
        self.assertFalse(finds(Search(("tea",), "bob"), entry))
        self.assertFalse(finds(Search(("tea",), "", 10.5), entry))

    def test_it_finds_nothing_but_what_was_said(self) -> None:
        for event in (Erased("ann"), Whispered("ann", "bob", "tea")):
            self.assertFalse(finds(Search((), "ann"), Entry("tea", 1, 1.0, event)))


class ExcerptTests(SynchronousTestCase):
    def test_a_long_text_is_cut_around_the_first_word(self) -> None:
        text = f"{'a ' * 500}green tea{' b' * 500}"
        cut = excerpt(text, ("tea", "green"), 60)
        self.assertTrue(cut.startswith("… a") and cut.endswith("b …"), cut)
        self.assertIn("green tea", cut)
        self.assertLess(len(cut), 66)
        self.assertEqual(excerpt(text, ("b",), 60)[-3:], "b …")
        self.assertEqual(excerpt(text, ("none",), 60)[:3], "a a")
        self.assertEqual(excerpt("green tea", ("tea",), 60), "green tea")
        self.assertIn("綠茶", excerpt(f"{'好' * 500}綠茶{'好' * 500}", ("茶",), 60))

    @settings(deadline=None, derandomize=True, max_examples=100)
    @given(st.text(max_size=300), st.lists(st.text(max_size=5), max_size=3), st.integers(3, 90))
    def test_it_is_never_longer(self, text: str, words: list[str], most: int) -> None:
        self.assertLessEqual(len(excerpt(text, tuple(words), most)), most + 4)


class FindingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()
        self.ann, self.bob = self.rig.member("ann"), self.rig.member("bob")
        self.ann.types("Green tea, please")
        self.bob.types("no tea for me", "/me drinks GREEN milk")
        self.ann.hears()
        self.bob.hears()

    def found(self, line: str) -> list[str]:
        self.ann.types(line)
        return self.ann.hears()

    def refused(self, who: Client, why: str, **asked: Any) -> None:
        who.sends("search", cid="1", **asked)
        [told] = who.receives()
        self.assertIn(why, told["text"], asked)

    def program(self, room: str = "tea") -> Client:
        bot = self.rig.program("bot")
        bot.sends("join", room=room, replay=0)
        bot.receives()
        return bot

    def test_people_find_what_was_said(self) -> None:
        self.assertEqual(
            self.found("/search green"),
            [
                "--- 2 messages found ---",
                "[2027-01-15 08:00 #4] tea: ann: Green tea, please",
                "[2027-01-15 08:00 #6] tea: * bob drinks GREEN milk",
                "--- end of what was found ---",
            ],
        )
        self.assertEqual(len(self.found("/search tea from:BOB")), 3)
        self.assertEqual(len(self.found("/find from:bob")), 4)
        self.assertEqual(len(self.found("/search tea in:Tea since:1h")), 4)
        self.assertEqual(self.found("/search tea since:2027-01-16"), ["Nothing was found."])
        self.assertEqual(self.found("/search coffee"), ["Nothing was found."])

    def test_what_was_said_just_now_is_found(self) -> None:
        self.ann.asks("unique words", "/search unique")
        self.rig.settle()
        self.assertIn("--- 1 message found ---", self.ann.hears())

    def test_refusals_say_why(self) -> None:
        self.assertIn("/search WORDS [from:USER]", self.found("/search")[0])
        self.assertIn("/search WORDS [from:USER]", self.found("/search in:tea")[0])
        self.assertIn("no word to look for", self.found("/search ?!")[0])
        self.assertIn("16 words", self.found(f"/search {' '.join(map(str, range(17)))}")[0])
        self.assertIn("A time is like", self.found("/search tea since:soon")[0])
        self.assertIn("not in milk", self.found("/search tea in:milk")[0])
        bot = self.program()
        self.refused(bot, "no word")
        self.refused(bot, "1 to 100", words="tea", limit=101)
        self.refused(bot, "too much", words="x" * 5000)
        self.refused(self.rig.program("cat"), "You are in no room", words="tea")

    def test_only_rooms_that_one_is_in_are_looked_through(self) -> None:
        zoe = self.rig.member("zoe", "milk")
        zoe.types("tea with milk")
        bot = self.program()
        bot.sends("search", words="tea")
        self.assertEqual({hit["room"] for hit in bot.receives()[0]["hits"]}, {"tea"})
        bot.sends("join", room="milk", replay=0)
        bot.receives()
        bot.sends("search", words="tea")
        hits = bot.receives()[0]["hits"]
        self.assertEqual({hit["room"] for hit in hits}, {"tea", "milk"})
        self.assertEqual([hit["at"] for hit in hits], sorted(hit["at"] for hit in hits))
        bot.sends("search", words="tea", room="Milk")
        self.assertEqual([hit["by"] for hit in bot.receives()[0]["hits"]], ["zoe"])
        bot.sends("leave", room="milk")
        bot.receives()
        self.refused(bot, "You are not in", words="tea", room="milk")

    def test_whispers_are_not_found(self) -> None:
        self.bob.types("/whisper ann a secret")
        self.ann.hears()
        self.assertEqual(self.found("/search secret"), ["Nothing was found."])

    def test_it_is_told_that_there_is_more(self) -> None:
        self.ann.types(*[f"number {n}" for n in range(60)])
        heard = self.found("/search number")
        self.assertEqual((len(heard), heard[0]), (52, "--- the last 50 messages found ---"))
        self.assertTrue(heard[-2].endswith("number 59"))
        bot = self.program()
        bot.sends("search", words="number", limit=60)
        self.assertIs(bot.receives()[0]["more"], False)
        bot.sends("search", words="number", limit=59)
        self.assertIs(bot.receives()[0]["more"], True)

    def test_ignored_people_are_left_out(self) -> None:
        self.bob.types(*["number"] * 60)
        self.ann.types("number", "/ignore bob")
        self.ann.hears()
        self.assertEqual(len(self.found("/search number")), 3)
        self.assertEqual(len(self.found("/search tea")), 3)
        self.assertEqual(self.found("/search milk"), ["Nothing was found."])

    def test_what_was_deleted_is_not_found(self) -> None:
        self.bob.types("a secret", "/delete")
        self.ann.hears()
        self.assertEqual(self.found("/search secret"), ["Nothing was found."])

    def test_long_messages_are_shortened(self) -> None:
        self.bob.types(f"{'x ' * 5000}needle{' y' * 5000}")
        self.ann.hears()
        [line] = self.found("/search needle")[1:-1]
        self.assertIn("needle", line)
        self.assertLess(len(line), 400)
        bot = self.program()
        bot.sends("search", words="needle")
        [hit] = bot.receives()[0]["hits"]
        self.assertIn("needle", hit["body"])
        self.assertLess(len(hit["body"]), 2010)

    def test_what_others_wrote_is_harmless_on_a_terminal(self) -> None:
        bot = self.program()
        bot.sends("say", room="tea", body="needle \x1b[31m\nand more")
        self.ann.hears()
        [line] = self.found("/search needle")[1:-1]
        self.assertNotIn("\x1b", line)
        self.assertIn("and more", line)
