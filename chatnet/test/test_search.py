"""What a word is, and what a search finds."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chatnet.core.events import Entry, Erased, Said, Whispered
from chatnet.core.search import Search, finds, words_of
from chatnet.test.properties import given, settings, st


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
