"""Rooms whose names look alike: nobody is lured into one that looks like another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from chatnet.core.events import RoomDeleted
from chatnet.core.names import room_name
from chatnet.core.room import RoomState
from chatnet.server import likeness, naming
from chatnet.server.likeness import Likeness
from chatnet.test.rig import FailingStore, Rig
from chatnet.test.test_rooms import RoomsTestCase


class OpeningTests(RoomsTestCase):
    def begins(self, rig: Rig) -> None:
        super().begins(rig)
        self.after("/join bob")
        self.after("/join tea")

    def opens(self, name: str) -> str:
        """Return what somebody else hears who joins the room ``name``."""
        self.bob.hears()
        return "\n".join(self.after(f"/join {name}", by=self.bob))

    def test_no_room_is_opened_that_looks_like_another_and_that_one_is_named(self) -> None:
        said = "b0b looks too much like bob, which is another room. /join bob enters it."
        self.assertEqual(self.opens("b0b"), said)
        self.assertIn("looks too much like bob", self.opens("b\N{CYRILLIC SMALL LETTER O}b"))
        self.assertIn("Welcome to room bob!", self.opens("BOB"))
        self.assertIn("Welcome to room coffee!", self.opens("coffee"))

    def test_nor_after_a_restart_when_nobody_is_in_the_other_one(self) -> None:
        self.now.network.rooms.stop()
        self.now.settle()
        self.now.restart()
        self.bob = self.now.arrives("/nick ben", address="192.0.2.2")
        self.assertIn("looks too much like bob", self.opens("b0b"))
        self.assertNotIn("bob", self.now.network.audiences)

    def test_programs_are_told_by_a_code_and_its_owner_is_told_too(self) -> None:
        robot = self.program(room="b0b", cid="j")
        self.assertEqual(robot.receives()[-1]["error"], "name-taken")
        self.now.settle()
        self.assertIn("looks too much like bob", self.after("/join b0b")[0])

    def test_a_name_is_free_when_no_room_looks_like_it_any_more(self) -> None:
        self.after("/join bob", "/rename robert")
        self.assertIn("looks too much like robert", self.opens("r0bert"))
        self.assertIn("Welcome to room b0b!", self.opens("b0b"))
        self.now.clock.advance(61)
        self.after("/delete-room robert over")
        self.assertIn("Welcome to room r0bert!", self.opens("r0bert"))

    def test_one_that_is_there_is_entered_whatever_it_looks_like(self) -> None:
        self.now.network.rooms.likeness.note("bob", RoomState())  # as if it had been before
        self.assertIn("Welcome to room b0b!", self.opens("b0b"))
        self.now.network.rooms.likeness.note("bob", self.now.room("bob").state)
        self.assertIn("Welcome to room b0b!", self.after("/join b0b"))
        self.assertIn("Welcome to room bob!", self.opens("bob"))


class CountingStore(FailingStore):
    """Counts how often all rooms are asked for, and fails when told to."""

    asked = 0
    broken = False

    def rooms(self, limit: int) -> Mapping[str, RoomState]:
        self.asked += 1
        if self.broken:
            raise OSError("cannot read")
        return super().rooms(limit)


class CostTests(RoomsTestCase):
    def rig(self) -> Rig:
        self.store = CountingStore()
        return Rig(self.store)

    def test_the_store_is_asked_once_however_many_are_opened(self) -> None:
        guests: list[Any] = [self.now.arrives(f"/nick guest{n}") for n in range(5)]
        for n, guest in enumerate(guests):
            guest.types(*(f"/join room{n}x{m}" for m in range(5)))
        self.after("/rename coffee")
        self.assertEqual(len(self.now.network.rooms.likeness._names), 26)
        self.assertEqual(self.store.asked, 1)

    def test_nothing_is_opened_while_that_cannot_be_read_and_then_it_is(self) -> None:
        self.now.network.rooms.stop()
        self.now.settle()
        self.now.restart()
        self.store.broken = True
        cat = self.now.arrives("/nick cat")
        cat.hears()
        self.assertIn("cannot be read now", self.after("/join milk", by=cat)[0])
        self.assertIn("Welcome to room tea!", self.after("/join tea", by=cat))  # it is there
        self.store.broken = False
        self.assertIn("Welcome to room milk!", self.after("/join milk", by=cat))
        self.flushLoggedErrors(OSError)

    def test_who_comes_while_they_are_read_waits_for_that(self) -> None:
        self.patch(naming, "_SLICE", 1)
        self.after("/join bob")
        self.after("/join milk")
        self.now.network.rooms.stop()
        self.now.settle()
        self.now.restart()
        cat, dan = self.now.arrives("/nick cat"), self.now.arrives("/nick dan")
        self.store.asked = 0
        for client in (cat, dan):
            client.hears()
            client.asks("/join b0b")
        for client in (cat, dan):
            self.assertIn("looks too much like bob", self.after(by=client)[0])
        self.assertEqual(self.store.asked, 1)

    def test_so_do_many_who_all_get_in(self) -> None:
        self.patch(naming, "_SLICE", 1)
        self.after("/join milk")
        self.after("/join sugar")
        self.now.network.rooms.stop()
        self.now.settle()
        self.now.restart()
        many = [self.now.arrives(f"/nick a{n}", address=f"192.0.2.{n}") for n in range(250)]
        for client in many:
            client.hears()
            client.asks("/join new")
        self.now.settle()
        self.assertEqual(len(self.now.room("new").state.members), 250)


class LikenessTests(SynchronousTestCase):
    def noted(self, *names: str) -> Likeness:
        found = Likeness()
        for name in names:
            found.note(name, RoomState(name))
        return found

    def test_of_two_that_look_alike_already_each_counts(self) -> None:
        found = self.noted("bob", "b0b")
        self.assertEqual(found.other("bob", room_name("bob")), "b0b")
        found.note("b0b", RoomState())
        self.assertEqual(found.other("bob", room_name("bob")), "")
        self.assertEqual(found.other("b0b", room_name("b0b")), "bob")
        state = RoomState("bob")
        state.deleted = RoomDeleted("ann", "", 0.0)
        found.note("bob", state)
        self.assertEqual((found.other("b0b", room_name("b0b")), found._keys), ("", {}))

    def test_the_oldest_are_forgotten_first(self) -> None:
        self.patch(likeness, "MOST_KNOWN", 3)
        found = self.noted("one", "two")
        for old in ("zero", "less"):
            found.note(old, RoomState(old), old=True)
        self.assertEqual(list(found._names), ["zero", "one", "two"])
        found.note("three", RoomState("three"))
        self.assertEqual(list(found._names), ["one", "two", "three"])
        self.assertEqual(found.other("", room_name("zer0")), "")
