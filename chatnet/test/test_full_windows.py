from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chatnet.client.full import windows as w
from chatnet.client.full.items import Item, Kind, answer, item_of, mentions, shown
from chatnet.client.full.recalling import Cycle, Typed
from chatnet.client.offers import Offers, about_rooms, veiled
from chatnet.core import events as e

HOSTILE = "\x1b[2J\x07\u202e[bold]evil\r\n\tann: lies\x9b"


def said(seq: int, body: str = "hi", by: str = "bob") -> Item:
    item = item_of(e.Entry("tea", seq, 0.5, e.Said(by, body)), "ann")
    assert item is not None
    return item


class ItemTests(SynchronousTestCase):
    def test_nothing_that_steers_a_terminal_is_in_an_item(self) -> None:
        events = (
            e.Said(HOSTILE, HOSTILE),
            e.Said(HOSTILE, HOSTILE, True),
            e.Whispered(HOSTILE, "ann", HOSTILE),
            e.Announced(HOSTILE, HOSTILE),
            e.Noticed(HOSTILE),
            e.TopicSet(HOSTILE, HOSTILE),
            e.Kicked(HOSTILE, HOSTILE, HOSTILE),
            e.Joined(HOSTILE),
            e.Erased(HOSTILE),
        )
        for event in events:
            item = item_of(e.Entry("tea", 1, 0.5, event), "ann")
            assert item is not None
            for line in (item.who, *item.lines, *answer([HOSTILE], 0).lines):
                self.assertEqual([c for c in line if c in "\x1b\x07\u202e\r\n\t\x9b"], [], line)

    def test_each_line_of_a_message_is_one(self) -> None:
        self.assertEqual(said(1, "one\n\ttwo").lines, ("one", "    two"))

    def test_signs_are_as_wide_as_every_terminal_has_them(self) -> None:
        self.assertEqual(said(1, "\u2602\ufe0f 👍").lines, ("\u2602 👍",))

    def test_a_mention_is_a_whole_word_in_any_case(self) -> None:
        for body in ("ann", "hi Ann!", "@ann: tea?", "joanna and ANN"):
            self.assertTrue(mentions(body, ("ann",)), body)
        for body in ("joanna", "annual", "an n", ""):
            self.assertFalse(mentions(body, ("ann", "")), body)
        self.assertTrue(said(1, "hi ann").mention)
        self.assertFalse(said(1, "ann is here", by="Ann").mention)

    def test_of_a_huge_message_the_beginning_is_shown_and_the_rest_counted(self) -> None:
        lines, rest = shown("x" * 20_000)
        self.assertEqual((sum(map(len, lines)), rest), (16_384, 3_616))
        lines, rest = shown("\n" * 150)
        self.assertEqual((len(lines), rest), (100, 51))
        self.assertEqual(said(1, "x" * 20_000).body, "x" * 20_000)

    def test_what_is_nothing_to_see_is_no_item(self) -> None:
        self.assertIsNone(item_of(e.Entry("tea", 1, 0, e.Opened("tea", "ann")), "ann"))


class WindowTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.alerts: list[str] = []
        self.windows = w.Windows("here", lambda window, item: self.alerts.append(window.key))
        self.tea = self.windows.open("tea", "Tea")
        self.cake = self.windows.open("cake", "cake")
        self.windows.show(self.tea)

    def hear(self, window: w.Window, item: Item, fresh: bool = True, known: bool = False) -> None:
        self.windows.heard(window, item, fresh, known)

    def test_what_is_said_elsewhere_is_unread_until_one_looks(self) -> None:
        self.hear(self.tea, said(1))
        self.hear(self.cake, said(1))
        self.hear(self.cake, said(2, "hi ann"))
        self.assertEqual((self.tea.unread, self.cake.unread), (0, 2))
        self.assertTrue(self.cake.mentioned)
        self.assertEqual(self.alerts, ["cake"])
        self.windows.show(self.cake)
        self.assertEqual((self.cake.unread, self.cake.mentioned), (0, False))

    def test_a_line_stands_before_what_is_new_until_one_looks_away(self) -> None:
        first, second = said(1), said(2)
        self.hear(self.cake, first)
        self.hear(self.cake, second)
        self.windows.show(self.cake)
        self.assertIs(self.cake.mark, first)
        self.hear(self.cake, said(3))
        self.assertIs(self.cake.mark, first)
        self.windows.show(self.tea)
        self.assertIsNone(self.cake.mark)

    def test_who_looks_away_from_the_terminal_misses_what_comes(self) -> None:
        self.windows.watch(False)
        item = said(1, "ann?")
        self.hear(self.tea, item)
        self.assertEqual((self.tea.unread, self.tea.mark), (1, item))
        self.windows.watch(True)
        self.assertEqual((self.tea.unread, self.tea.mark), (0, item))

    def test_who_speaks_has_read_all(self) -> None:
        self.windows.watch(False)
        self.hear(self.tea, said(1))
        self.hear(self.tea, said(2, by="ann"))
        self.assertIsNone(self.tea.mark)

    def test_what_was_read_before_is_not_new(self) -> None:
        self.hear(self.cake, said(1), fresh=False, known=True)
        self.assertEqual((self.cake.unread, self.cake.mark), (0, None))

    def test_whispers_are_always_meant(self) -> None:
        bob = self.windows.person("Bob")
        self.hear(bob, said(1))
        self.assertEqual((bob.key, bob.mentioned, self.alerts), ("@bob", True, ["@bob"]))

    def test_memory_is_bounded_and_what_fell_out_can_be_read_again(self) -> None:
        for seq in range(1, 4000):
            self.tea.add(said(seq))
        self.assertLessEqual(len(self.tea.items), w.MOST_ITEMS + 500)
        self.assertEqual((self.tea.items[-1].seq, self.tea.older), (3999, w.Older.MORE))
        for seq in range(4000, 4010):
            self.tea.add(said(seq, "x" * 4_000_000))
        self.assertLess(sum(item.weight for item in self.tea.items), 20_000_000)

    def test_a_page_comes_before_and_nothing_twice(self) -> None:
        for seq in (5, 6):
            self.tea.add(said(seq))
        self.tea.prepend([said(3), said(4), said(5)])
        self.assertEqual([item.seq for item in self.tea.items], [3, 4, 5, 6])

    def test_what_is_deleted_is_shown_no_more(self) -> None:
        self.tea.add(said(1, "ann, secret"))
        self.tea.erase(1)
        [item] = self.tea.items
        self.assertEqual((item.lines, item.body, item.kind), (("(deleted)",), "", Kind.EVENT))
        self.tea.erase(99)

    def test_someone_with_a_new_name_keeps_the_window(self) -> None:
        bob = self.windows.person("bob")
        self.windows.rename("bob", "Rob")
        self.assertIs(self.windows.get("@rob"), bob)
        self.assertEqual((bob.key, bob.name, self.windows.get("@bob")), ("@rob", "Rob", None))
        eve = self.windows.person("eve")
        self.windows.rename("eve", "rob")
        self.assertIs(self.windows.get("@eve"), eve)

    def test_windows_are_listed_in_the_order_of_opening_and_the_server_last(self) -> None:
        self.windows.person("bob")
        self.assertEqual([one.key for one in self.windows], ["tea", "cake", "@bob", "*"])
        third = self.windows.at(3)
        assert third is not None
        self.assertEqual(third.key, "@bob")
        self.assertEqual([self.windows.at(n) for n in (0, 5, -1)], [None] * 3)
        self.assertIs(self.windows.step(-1), self.windows.server)
        self.assertIs(self.windows.step(1), self.cake)

    def test_the_next_active_window_is_where_one_is_meant_and_in_the_end_where_one_was(
        self,
    ) -> None:
        bob = self.windows.person("bob")
        self.hear(self.cake, said(1))
        self.hear(bob, said(1))
        for wanted in (bob, self.cake):
            found = self.windows.next_active()
            assert found is not None
            self.assertIs(found, wanted)
            self.windows.show(found)
        self.assertIs(self.windows.next_active(), bob)

    def test_a_closed_window_is_no_more_and_the_servers_stays(self) -> None:
        self.windows.close(self.tea)
        self.assertIsNone(self.windows.get("tea"))
        self.assertIs(self.windows.current, self.windows.server)
        self.windows.close(self.windows.server)
        self.assertEqual([one.key for one in self.windows], ["cake", "*"])


class RecallingTests(SynchronousTestCase):
    def test_up_and_down_go_through_what_was_typed_and_back_to_the_draft(self) -> None:
        typed = Typed()
        for line in ("one", "two", "two", "  "):
            typed.add(line)
        self.assertEqual([typed.up("draft"), typed.up("x"), typed.up("x")], ["two", "one", None])
        self.assertEqual([typed.down("x") for _ in range(3)], ["two", "draft", None])

    def test_passwords_are_not_remembered(self) -> None:
        typed = Typed()
        for line in (
            "/login ann geheim", "/join tea geheim", "/lock geheim", "/LOGIN a b",
            " /login ann geheim", "/Recovery ge heim",
        ):  # fmt: skip
            typed.add(line)
        self.assertIsNone(typed.up(""))

    def test_commands_are_completed_behind_blanks_too(self) -> None:
        self.assertEqual(Offers().find(" /logi", ()), ["/login "])
        self.assertEqual(Offers().find("//logi", ()), [])
        self.assertEqual([about_rooms(line) for line in (" /join t", "//join t")], [True, False])

    def test_passwords_are_dots_as_far_as_they_are_typed(self) -> None:
        for typed, dots in (
            ("/login", "/login"),
            ("/login ann", "/login ann"),
            ("/login ann ", "/login ann "),
            ("/LOGIN  ann  a b", "/LOGIN  ann  •••"),
            ("/register ann pw code", "/register ann •••••••"),
            (" /login ann a", " /login ann •"),
            ("/passwd old", "/passwd •••"),
            ("/lock 漢字", "/lock ••"),
            ("/join tea", "/join tea"),
            ("/join tea pw\nmore", "/join tea ••\n••••"),
            ("/recovery ne", "/recovery ne"),
            ("/recovery new", "/recovery new"),
            ("/recovery news alley", "/recovery ••••••••••"),
            ("/whisper ann login", "/whisper ann login"),
            ("login ann secret", "login ann secret"),
            ("//login ann secret", "//login ann secret"),
        ):
            self.assertEqual(veiled(typed), dots)

    def test_tab_goes_round_what_the_last_word_may_be(self) -> None:
        cycle = Cycle("hi\nto bo", ["bob ", "boris "])
        self.assertEqual(
            [cycle.next() for _ in range(3)], ["hi\nto bob ", "hi\nto boris ", "hi\nto bob "]
        )
        self.assertEqual(cycle.next(-1), "hi\nto boris ")
