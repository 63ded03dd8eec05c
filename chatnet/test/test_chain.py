"""A lost, changed or moved entry is found, and named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from chatnet.core.chain import START, Anchor, Record, bind, erased, faults
from chatnet.core.codec import encode_event
from chatnet.core.events import Deleted, Entry, Event, Joined, Said
from chatnet.core.series import in_series
from chatnet.test.properties import given, settings, st

EVENTS: list[Event] = [Joined("ann"), *[Said("ann", str(n)) for n in range(2, 7)]]


def log(events: list[Event] = EVENTS, room: str = "tea") -> list[Record]:
    entries = [Entry(room, n, n / 3, event) for n, event in enumerate(events, 1)]
    return bind(in_series(entries), {room: START})


class ChainTests(SynchronousTestCase):
    def faults(self, records: list[Record], anchor: Anchor | None = None) -> list[str]:
        return list(faults("tea", anchor or Anchor(), records))

    def test_what_was_written_is_whole(self) -> None:
        self.assertEqual(self.faults(log()), [])
        self.assertEqual(self.faults([]), [])

    def test_a_log_may_begin_later(self) -> None:
        records = log()
        self.assertEqual(self.faults(records[3:], Anchor(3, records[2].link)), [])
        self.assertEqual(len(self.faults(records[3:], Anchor(3, records[1].link))), 1)

    def test_what_was_lost_is_named(self) -> None:
        records = log()
        self.assertEqual(self.faults(records[:2] + records[3:]), ["tea: entry 3 is lost"])
        self.assertEqual(self.faults(records[2:]), ["tea: entries 1 to 2 are lost"])

    def test_what_was_changed_is_named(self) -> None:
        records = log()
        records[3] = replace(records[3], text=encode_event(Said("ann", "never said")))
        self.assertEqual(self.faults(records), ["tea: entry 4 was changed"])
        records[3] = replace(records[3], text="[")
        self.assertEqual(self.faults(records), ["tea: entry 4 cannot be read"])

    def test_a_changed_time_is_named(self) -> None:
        records = log()
        records[3] = replace(records[3], at=99.0)
        self.assertEqual(self.faults(records), ["tea: entry 4 does not follow the one before it"])

    def test_one_forged_with_its_digest_does_not_fit(self) -> None:
        records = log()
        forged = log([*EVENTS[:3], Said("ann", "never said")])[3]
        records[3] = forged
        self.assertEqual(self.faults(records), ["tea: entry 5 does not follow the one before it"])

    def test_what_was_moved_is_named(self) -> None:
        records = log()
        records[2], records[3] = records[3], records[2]
        self.assertEqual(
            self.faults(records),
            ["tea: entry 3 is lost", "tea: entry 3 stands behind entry 4"],
        )
        renumbered = [replace(record, seq=n) for n, record in enumerate(records, 1)]
        self.assertIn("tea: entry 3 does not follow the one before it", self.faults(renumbered))

    def test_another_rooms_entry_is_named(self) -> None:
        records = log()
        records.insert(2, log(room="milk")[2])
        self.assertEqual(self.faults(records), ["tea: an entry of milk stands behind entry 2"])

    def test_a_body_may_be_erased_by_who_says_so(self) -> None:
        records = log([*EVENTS, Deleted("ann", 3)])
        text = encode_event(erased(EVENTS[2]))
        records[2] = replace(records[2], text=text)
        self.assertEqual(self.faults(records), [])
        self.assertEqual(
            self.faults(records[:-1]), ["tea: entry 3 was emptied, and nobody deleted it"]
        )

    @settings(deadline=None, derandomize=True, max_examples=200)
    @given(st.integers(0, 5), st.data())
    def test_no_single_change_goes_unseen(self, place: int, data: st.DataObject) -> None:
        records = log()
        fields: dict[str, st.SearchStrategy[Any]] = {
            "at": st.floats(0, 9),
            "text": st.text(),
            "digest": st.binary(max_size=32),
            "link": st.binary(max_size=32),
            "seq": st.integers(0, 9),
        }
        field = data.draw(st.sampled_from(sorted(fields)))
        old = getattr(records[place], field)
        new = data.draw(fields[field].filter(lambda value: value != old))
        changed: Any = {field: new}
        records[place] = replace(records[place], **changed)
        self.assertNotEqual(self.faults(records), [])
