from __future__ import annotations

from datetime import UTC
from importlib.util import find_spec

from twisted.trial.unittest import SynchronousTestCase

from chatnet.client.full.items import Item, Kind, answer, item_of
from chatnet.client.full.windows import Outgoing, Sending
from chatnet.core import events as e
from chatnet.test.properties import given, settings, st

if find_spec("textual") is None:
    skip = "the full-screen client needs Textual"
else:
    from rich.cells import cell_len

    from chatnet.client.full.rows import Row, Sheet, clip, wrap

NOON = 43_200.0
WIDE = "漢字👍🏽é👨‍👩‍👧 "


def text(row: Row) -> str:
    return "".join(part for part, _ in row)


def said(body: str, at: float = NOON, by: str = "bob") -> Item:
    item = item_of(e.Entry("tea", 7, at, e.Said(by, body)), "ann")
    assert item is not None
    return item


class WrapTests(SynchronousTestCase):
    @given(
        st.text(
            st.one_of(
                st.characters(codec="utf-8", exclude_categories=["C", "M"]), st.sampled_from(WIDE)
            )
        ),
        st.integers(4, 20),
        st.integers(4, 20),
    )
    @settings(derandomize=True, deadline=None, max_examples=150)
    def test_no_row_is_too_wide_and_nothing_is_lost_but_spaces(
        self, line: str, first: int, width: int
    ) -> None:
        self.check(line, first, width)

    def test_long_words_are_broken(self) -> None:
        self.check("x" * 50, 10, 10)
        self.check("漢" * 9, 5, 4)

    def check(self, line: str, first: int, width: int) -> None:
        rows = wrap(line, first, width)
        for row, room in zip(rows, [first] + [width] * len(rows), strict=False):
            self.assertLessEqual(cell_len(row), room)
        self.assertEqual("".join(rows).replace(" ", ""), line.replace(" ", ""))

    def test_it_breaks_at_spaces(self) -> None:
        self.assertEqual(wrap("green tea is better", 10, 10), ["green tea", "is better"])
        self.assertEqual(wrap("  indented code", 10, 10), ["  indented", "code"])

    def test_what_has_no_room_is_clipped(self) -> None:
        self.assertEqual([clip("wanderer", 8), clip("wanderer", 5), clip("漢字漢字", 4)],
                         ["wanderer", "wand…", "漢…"])  # fmt: skip


class SheetTests(SynchronousTestCase):
    def test_messages_stand_under_their_day_with_time_and_name(self) -> None:
        sheet = Sheet(80, UTC)
        for body, at in (("one", NOON), ("two\nthree", NOON + 60), ("four", NOON + 86400)):
            sheet.add(said(body, at))
        rows = [text(row).strip("─ ") for row in sheet.rows]
        self.assertEqual(
            rows,
            [
                "Thursday, 1970-01-01",
                "12:00            bob │ one",
                "12:01            bob │ two",
                "│ three",
                "Friday, 1970-01-02",
                "12:00            bob │ four",
            ],
        )

    def test_a_narrow_terminal_has_no_column_of_names(self) -> None:
        sheet = Sheet(30, UTC)
        sheet.add(said("the kettle is on, and so is the oven"))
        self.assertEqual(
            [text(row) for row in sheet.rows[1:]],
            ["12:00 bob: the kettle is on,", "  and so is the oven"],
        )

    def test_no_row_is_wider_than_the_screen(self) -> None:
        for width in (12, 20, 40, 63, 64, 80, 200):
            sheet = Sheet(width, UTC)
            for event in (
                e.Said("bob" * 10, WIDE * 30),
                e.Said("漢" * 16, "x" * 300, True),
                e.Joined("b" * 32),
                e.TopicSet("bob", "tea " * 50),
                e.Announced("bob", "all " * 50),
                e.Noticed("maintenance " * 20),
            ):
                item = item_of(e.Entry("tea", 1, NOON, event), "ann")
                assert item is not None
                sheet.add(item, new=True)
            sheet.add(answer(["x" * 300], NOON))
            sheet.add(answer(["no " * 100], NOON, Kind.REFUSAL))
            rows = sheet.rows + sheet.outgoing([Outgoing("a", ("b " * 99,), NOON)], "ann")
            for row in rows:
                self.assertLessEqual(cell_len(text(row)), width, row)

    def test_what_is_answered_or_read_again_stands_below_all_else(self) -> None:
        again = said("one\ntwo")
        again.number, again.seq = 7, 0
        waved = item_of(e.Entry("tea", 8, NOON, e.Said("bob", "waves", True)), "ann")
        assert waved is not None
        waved.number, waved.seq = 8, 0
        items = (
            answer(["Commands:", "/join"], NOON),
            answer(["[whisper to bob] psst", "!"], NOON, who="ann"),
            again,
            waved,
        )
        for width, rows in (
            (
                80,
                [
                    "12:00                │ Commands:",
                    "                     │ /join",
                    "12:00            ann │ [whisper to bob] psst",
                    "                     │ !",
                    "12:00            bob │ #7 one",
                    "                     │ two",
                    "12:00              * │ #8 bob waves",
                ],
            ),
            (
                30,
                [
                    "12:00 Commands:",
                    "  /join",
                    "12:00 ann: [whisper to bob]",
                    "  psst",
                    "  !",
                    "12:00 bob: #7 one",
                    "  two",
                    "12:00 * #8 bob waves",
                ],
            ),
        ):
            sheet = Sheet(width, UTC)
            for item in items:
                sheet.add(item)
            self.assertEqual([text(row) for row in sheet.rows[1:]], rows)

    def test_a_line_says_what_is_new(self) -> None:
        sheet = Sheet(80, UTC)
        sheet.add(said("old"))
        sheet.add(said("new"), new=True)
        self.assertIn("new since you looked", text(sheet.rows[2]))

    def test_what_is_not_in_the_log_yet_is_marked(self) -> None:
        sheet = Sheet(80, UTC)
        said = [
            Outgoing("a", ("one",), NOON),
            Outgoing("b", ("two", "three"), NOON, state=Sending.STORED),
            Outgoing("c", ("four",), NOON, state=Sending.REFUSED, why="You are muted."),
        ]
        rows = [text(row).partition("│ ")[2] for row in sheet.outgoing(said, "ann")]
        self.assertEqual(rows, ["one …", "two", "three ✓", "four ✗ You are muted."])

    def test_times_beyond_all_calendars_are_left_away(self) -> None:
        sheet = Sheet(80, UTC)
        sheet.add(said("hi", 1e300))
        self.assertEqual([text(row).strip() for row in sheet.rows], ["bob │ hi"])

    def test_a_row_tells_its_item_and_an_item_its_row(self) -> None:
        sheet = Sheet(80, UTC)
        one, two = said("a\nb"), said("c")
        sheet.add(one)
        sheet.add(two)
        self.assertEqual([sheet.place(n) for n in (0, 2, 3)], [(one, 0), (one, 2), (two, 0)])
        self.assertEqual((sheet.row_of(two), sheet.place(-1)), (3, None))

    def test_the_rest_of_a_huge_message_is_named(self) -> None:
        sheet = Sheet(80, UTC)
        sheet.add(said("x" * 20_000))
        self.assertIn(
            "3,616 characters more: /save #7 FILE", text(sheet.rows[-1]) + text(sheet.rows[-2])
        )
