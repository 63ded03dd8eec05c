"""Entries that go together: they are what a list of them would be."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from chatnet.core.events import LOST, Acted, Entry, Joined, Said
from chatnet.core.names import STAFF
from chatnet.core.series import Series, in_series, joined
from chatnet.test.properties import given, settings, st
from chatnet.test.rig import FailingStore, Rig

props = settings(deadline=None, derandomize=True)
ends = st.one_of(st.none(), st.integers(-9, 9))


def entries(*places: tuple[str, int]) -> list[Entry]:
    return [Entry(room, seq, float(seq), Said("ann", str(seq))) for room, seq in places]


class SeriesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.entries = entries(*(("tea", seq) for seq in range(3, 9)))
        (self.series,) = in_series(self.entries)

    @props
    @given(ends, ends)
    def test_a_part_of_it_is_that_part_of_the_list(
        self, start: int | None, stop: int | None
    ) -> None:
        part = self.series[start:stop]
        self.assertEqual(part, self.entries[start:stop])
        self.assertEqual([entry.seq for entry in part], list(part.places))
        self.assertEqual(part.last, part.first + len(part) - 1)

    def test_each_is_made_when_it_is_asked_for(self) -> None:
        for place in range(-6, 6):
            self.assertEqual(self.series[place], self.entries[place])
        for place in (6, -7):
            self.assertRaises(IndexError, self.series.__getitem__, place)
        self.assertEqual(list(reversed(self.series)), self.entries[::-1])

    def test_it_goes_on_as_long_as_the_next_one_is_the_next(self) -> None:
        places = [("tea", 1), ("tea", 2), ("milk", 3), ("milk", 5), ("tea", 3)]
        found = [(one.room, list(one.places)) for one in in_series(entries(*places))]
        self.assertEqual(found, [("tea", [1, 2]), ("milk", [3]), ("milk", [5]), ("tea", [3])])
        self.assertEqual(in_series([]), [])

    def test_parts_are_joined(self) -> None:
        self.assertEqual(joined([self.series[:2], self.series[2:3], self.series[3:]]), self.entries)
        self.assertIs(joined([self.series]), self.series)

    def test_words_are_there_also_beside_what_has_none(self) -> None:
        some = Series("tea", 1, [1.5] * 2, [Said("ann", "four"), Joined("bob")])
        self.assertEqual((some.bodies, some.weight), (["four", ""], 404))
        self.assertEqual(some.kinds, {Said, Joined})


class Lossy(FailingStore):
    """Has lost an entry, as a database in which somebody deleted a row."""

    lost = ("", 0)

    def read(self, room: str, after: int, upto: int, limit: int) -> Any:
        kept = [entry for entry in self.kept(room) if after < entry.seq <= upto]
        return [entry for entry in kept if (room, entry.seq) != self.lost][:limit]


class GapTests(SynchronousTestCase):
    """A store that lost something is still read, see ``chatnet-admin verify``."""

    def setUp(self) -> None:
        self.store = Lossy()
        self.rig = Rig(self.store)

    def test_the_server_starts_without_an_entry_of_the_staff_s_log(self) -> None:
        for number in range(5):
            self.rig.network.note([Acted("operator", "ban", f"address 192.0.2.{number}")])
        self.rig.settle()
        self.store.lost = (STAFF, 3)
        self.rig.restart()
        log = self.rig.room(STAFF).log
        acts = [entry.event for entry in self.store.kept(STAFF)]
        found = [entry.event for entry in log.between(log.tail, 5)]
        self.assertEqual((log.tail, found), (1, [acts[1], LOST, *acts[3:]]))

    def test_a_room_is_entered_and_goes_on_without_an_entry_of_it(self) -> None:
        self.rig.member("ann").types(*map(str, range(9)))
        self.store.lost = ("tea", 6)
        self.rig.restart()
        bob = self.rig.arrives("/nick bob", "/join tea")
        heard = bob.hears()
        said = [f"ann: {number}" for number in range(9)]
        said[3] = "*** What stood here was lost."
        self.assertEqual([line for line in heard if line in said], said)
        self.rig.arrives("/nick cat", "/join tea").types("hello")
        self.assertEqual(bob.hears()[-1], "cat: hello")
