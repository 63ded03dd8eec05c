"""Runs: what is printed at once, and cut."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chatnet.core.events import Entry, Said
from chatnet.core.large import LARGE
from chatnet.core.series import Series
from chatnet.dialects.jsonl import JsonDialect
from chatnet.dialects.styles import LIVE
from chatnet.interfaces import MAX_BYTES, IStyle
from chatnet.server.runs import render
from chatnet.test.properties import given, settings, st

props = settings(deadline=None, derandomize=True)
SMALL = 1000  # characters of a body


def entries(*bodies: str) -> Series:
    return Series("tea", 1, [1.5] * len(bodies), [Said("ann", body) for body in bodies])


class RunTests(SynchronousTestCase):
    @props
    @given(
        st.lists(st.text(st.sampled_from("aé\n"), max_size=5), min_size=1, max_size=12),
        st.sets(st.integers(0, 14)),
        st.integers(0, 11),
    )
    def test_it_is_cut_where_entries_end(
        self, bodies: list[str], places: set[int], behind: int
    ) -> None:
        run = render(LIVE, some := entries(*bodies))
        left = [LIVE.render(entry) for entry in some if entry.seq not in places]
        self.assertEqual(run.without(places), b"".join(left))
        rest = run.behind(min(behind, len(bodies) - 1))
        left = [LIVE.render(e) for e in some if e.seq > behind or e.seq == len(bodies)]
        self.assertEqual((rest.whole, rest.upto), (b"".join(left), len(bodies)))
        self.assertEqual(len(rest.entries), len(left))

    def test_it_ends_with_the_entry_that_makes_it_long_enough(self) -> None:
        for style in (LIVE, JsonDialect.style):
            for body in ("x" * SMALL, "é" * SMALL, "\x1b" * SMALL):
                some = entries(*[body] * 256)
                each = len(style.render(some[0]))
                run = render(style, some)
                self.assertEqual(run.whole, b"".join(map(style.render, some[: run.upto])))
                self.assertLess(len(run.whole), MAX_BYTES + 2 * each)
                self.assertGreater(len(run.whole), MAX_BYTES - 2 * each)
                self.assertEqual(len(run.sizes), run.upto)

    def test_no_more_is_printed_than_is_written(self) -> None:
        for style in (LIVE, JsonDialect.style):
            for body in ("\n" * 250, "\x1b" * 250):  # which are many times as long when printed
                printed: list[int] = []

                def each(entry: Entry, style: IStyle = style) -> bytes:
                    printed.append(entry.seq)  # noqa: B023 -- called at once
                    return type(style).render(style, entry)

                self.patch(style, "render", each)
                run = render(style, entries(*[body] * 256))
                self.assertEqual(printed, list(range(1, run.upto + 1)))
                self.assertLess(run.upto, 256)

    def test_what_is_large_goes_alone_and_is_not_printed(self) -> None:
        some = entries("a", "b" * LARGE, "c")
        run = render(LIVE, some)
        self.assertEqual((run.upto, run.whole), (1, b"ann: a\r\n"))
        run = render(LIVE, some[1:])
        self.assertEqual((run.upto, run.whole, len(run.entries)), (2, b"", 1))
