"""Comings and goings that meet each other, or a store that fails: what the simulation found."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from chatnet.core.events import Joined, Left, Said
from chatnet.test.rig import Client, FailingStore, Rig
from chatnet.test.test_durability import log_lines


def ask(client: Client, do: str, **asked: Any) -> None:
    """Let ``client`` ask for something, and wait for nothing."""
    client.asks(json.dumps({"do": do} | asked))


class DoubtTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig(self.make_store())
        self.store = self.rig.store
        self.mod = self.rig.program("mod")
        self.mod.sends("join", room="tea")
        self.mod.receives()
        self.rig.account("ann").hangs_up()
        self.rig.settle()

    def make_store(self) -> FailingStore:
        return FailingStore()

    def connection(self, *rooms: str, name: str = "ann") -> Client:
        """Return one more connection of the account ``name``, in ``rooms``."""
        client = self.rig.connects()
        client.sends("login", name=name, password="secret")
        for room in rooms:
            client.sends("join", room=room)
        client.receives()
        return client

    def guest(self, name: str, *rooms: str) -> Client:
        client = self.rig.program(name)
        for room in rooms:
            client.sends("join", room=room)
        client.receives()
        return client

    def wait(self, seconds: int = 4) -> None:
        """Let some seconds pass."""
        self.rig.settle()
        for _ in range(seconds):
            self.rig.clock.advance(1)
            self.rig.settle()

    def breaks(self, after: bool = True, blind: bool = True) -> None:
        """Let commits fail: after they were kept, and in a store that cannot be read, or not."""
        self.store.fail_after, self.store.fail_before = after, not after
        self.store.fail_reads = blind

    def heals(self) -> None:
        self.store.fail_before = self.store.fail_after = self.store.fail_reads = False

    def check_in(self, client: Client, room: str = "tea") -> None:
        """See that ``client`` is in ``room``, and hears what is said there."""
        state = self.rig.room(room).state
        self.assertIn(client.session.actor.key, state.members)
        self.assertEqual(state, self.rig.room(room).decided)
        client.receives()
        self.say("hello", room)
        self.assertEqual([f.get("body") for f in client.receives()], ["hello"])

    def check_out(self, client: Client, room: str = "tea") -> None:
        """See that ``client`` is not in ``room``, and hears nothing of it."""
        self.assertNotIn(client.session.actor.key, self.rig.room(room).state.members)
        self.assertNotIn(room, client.session.rooms)
        client.receives()
        self.say("hello", room)
        self.assertEqual(client.receives(), [])

    def say(self, body: str, room: str) -> None:
        Deferred.fromCoroutine(self.rig.network.speak(room, "nobody", body))
        self.rig.settle()


class SeatTests(DoubtTestCase):
    def test_who_leaves_on_one_of_two_connections_and_comes_back_at_once_is_not_deaf(self) -> None:
        one, two = self.connection("tea"), self.connection("tea")
        ask(one, "leave", room="tea")
        ask(one, "join", room="tea")
        self.rig.settle()
        self.check_in(one)
        self.check_in(two)

    def test_who_cannot_leave_on_one_of_two_connections_stays(self) -> None:
        one, _ = self.connection("tea"), self.connection("tea")
        self.breaks(after=False, blind=False)
        one.sends("leave", room="tea", cid="1")
        self.heals()
        self.assertEqual([frame["error"] for frame in one.receives()], ["unavailable"])
        self.check_in(one)

    def test_a_join_that_failed_leaves_no_seat(self) -> None:
        ann = self.connection()
        self.breaks(after=False, blind=False)
        ann.sends("join", room="tea")
        self.heals()
        self.assertEqual([frame["error"] for frame in ann.receives()], ["unavailable"])
        self.check_out(ann)

    def test_a_join_that_failed_and_was_durable_is_undone(self) -> None:
        ann = self.connection()
        self.breaks()
        ann.sends("join", room="tea")
        self.heals()
        self.assertEqual([frame["error"] for frame in ann.receives()], ["unavailable"])
        self.wait()
        self.assertEqual(ann.receives(), [])
        self.check_out(ann)

    def test_a_kick_on_its_way_does_not_take_the_seat_of_who_comes_after_it(self) -> None:
        one, two = self.connection(), self.connection()
        ask(one, "join", room="tea")
        self.rig.reader.step()
        self.rig.clock.advance(0)
        ask(self.mod, "kick", room="tea", who="ann")
        ask(two, "join", room="tea")
        self.rig.settle()
        self.check_in(two)

    def test_a_new_stay_begins_when_the_last_one_was_read(self) -> None:
        ann = self.connection("tea")
        ann.stops_listening()
        for _ in range(5):
            self.rig.settle()
            for number in range(500):
                ask(self.mod, "say", room="tea", body=str(number))
        self.rig.settle()
        ann.session.resumeProducing()  # it waits for a page
        ask(self.mod, "kick", room="tea", who="ann")
        ask(ann, "join", room="tea", replay=0)
        self.rig.clock.advance(0)
        self.rig.writer.step()
        self.rig.settle()
        heard = [f.get("event") or f.get("reply") for f in ann.receives()]
        self.assertEqual(heard, ["said"] * 2500 + ["kicked", "out", "entered", "joined"])

    def test_nobody_is_told_to_be_in_who_was_put_out(self) -> None:
        bob = self.guest("bob", "tea")
        ask(bob, "join", room="tea")
        ask(self.mod, "kick", room="tea", who="bob")
        self.rig.settle()
        heard = [f.get("event") or f.get("reply") or f["error"] for f in bob.receives()]
        self.assertEqual(heard, ["kicked", "not-a-member", "out"])
        self.check_out(bob)


class NameTests(DoubtTestCase):
    def test_someone_kicked_while_taking_another_name_is_out(self) -> None:
        bob = self.guest("bob", "tea")
        ask(bob, "nick", name="bobby")
        ask(self.mod, "kick", room="tea", who="bob")
        self.rig.clock.advance(0)
        while self.rig.reader.calls:
            self.rig.reader.step()
        self.rig.settle()
        self.check_out(bob)

    def test_a_guest_becomes_an_account_whose_other_connection_is_just_leaving(self) -> None:
        ann, bob = self.connection("tea"), self.guest("bob", "tea")
        ask(bob, "login", name="ann", password="secret")
        for _ in range(9):  # until the very end
            self.rig.reader.step()
            self.rig.hasher.step()
            self.rig.clock.advance(0)
            if len(self.rig.reader.calls) + len(self.rig.hasher.calls) == 0:
                break
            ask(ann, "leave", room="tea")
        self.rig.settle()
        self.check_in(bob)

    def test_who_logs_in_as_someone_banned_is_told_to_be_out(self) -> None:
        self.mod.sends("ban", room="tea", who="ann")
        bob = self.rig.member("bob")
        bob.types("/login ann secret")
        self.assertIn("You are out of tea.", bob.hears())
        self.check_out(bob)

    def test_a_ban_by_a_name_just_given_up_leaves_nobody_deaf(self) -> None:
        bob = self.guest("bob", "tea")
        ask(bob, "nick", name="bobby")
        self.rig.clock.advance(0)
        while "bobby" not in self.rig.room("tea").decided.members:
            self.rig.reader.step()
        ask(self.mod, "ban", room="tea", who="bob")
        self.rig.settle()
        self.check_in(bob)

    def test_a_rename_found_to_be_durable_leaves_no_ghost_in_any_room(self) -> None:
        self.mod.sends("join", room="den")
        bob = self.guest("bob", "tea", "den")
        self.breaks()
        bob.sends("nick", name="bobby")
        self.heals()
        self.assertEqual([frame["error"] for frame in bob.receives()], ["unavailable"])
        self.wait()
        for room in ("tea", "den"):
            self.assertEqual(list(self.rig.room(room).state.members), ["mod"])
            self.check_out(bob, room)

    def test_the_next_one_of_a_name_has_nothing_of_one_whom_a_crash_left_behind(self) -> None:
        self.rig.restart()
        self.breaks(after=False, blind=False)
        mod = self.rig.program("mod")
        mod.sends("join", room="tea")  # brings the room into memory; nothing is written
        self.heals()
        mod.sends("join", room="tea")
        happened = [entry.event for entry in self.store.kept("tea")]
        self.assertEqual(happened[-2:], [Left("mod", True), Joined("mod")])


class HalfBlind(FailingStore):
    """Cannot read ``unreadable``."""

    unreadable = ""

    def read(self, room: str, after: int, upto: int, limit: int) -> Any:
        if room == self.unreadable:
            raise OSError("cannot read")
        return super().read(room, after, upto, limit)


class OutcomeTests(DoubtTestCase):
    def make_store(self) -> FailingStore:
        self.half_blind = HalfBlind()
        return self.half_blind

    def test_nothing_is_acknowledged_before_it_is_shown(self) -> None:
        bob = self.guest("bob", "tea", "den")
        self.breaks(blind=False)
        self.half_blind.unreadable = "tea"
        for room in ("den", "tea"):
            ask(bob, "say", room=room, body="hi", cid=room)
        self.rig.settle()
        heard = bob.receives()
        for room in ("den", "tea"):
            shown = [f for f in heard if f.get("event") == "said" and f["room"] == room]
            told = [f for f in heard if f.get("ok") == room]
            self.assertEqual(len(shown), len(told), heard)

    def test_what_a_commit_did_to_two_rooms_is_known_of_both_or_of_none(self) -> None:
        self.mod.sends("join", room="den")
        bob = self.guest("bob", "tea", "den")
        for unreadable in ("tea", "den"):
            self.breaks(blind=False)
            self.half_blind.unreadable = unreadable
            bob.sends("nick", name=f"bob-{unreadable}")
            self.half_blind.unreadable = ""
            self.heals()
            self.wait()
            for room in bob.session.rooms:
                self.check_in(bob, room)
            for room in ("tea", "den"):
                sitting = {"mod", bob.session.actor.key} if room in bob.session.rooms else {"mod"}
                self.assertEqual(set(self.rig.room(room).state.members), sitting)

    def test_who_waits_behind_a_commit_that_was_kept_need_not_try_again(self) -> None:
        bob = self.guest("bob", "tea")
        self.breaks(blind=False)
        ask(bob, "say", room="tea", body="one", cid="1")
        self.rig.clock.advance(0)
        ask(bob, "say", room="tea", body="two", cid="2")
        self.rig.writer.step()
        self.heals()
        self.rig.settle()
        self.assertEqual([f["ok"] for f in bob.receives() if "event" not in f], ["1", "2"])

    def test_the_outcome_of_a_commit_is_asked_for_each_second(self) -> None:
        self.breaks()
        self.mod.sends("say", room="tea", body="hi", cid="1")
        self.wait(2)
        self.mod.receives()
        self.heals()
        self.wait(1)
        self.assertEqual([frame["body"] for frame in self.mod.receives()], ["hi"])


class NamedCommandTests(DoubtTestCase):
    def said(self, body: str) -> int:
        """Return how often the store has ``body`` in tea."""
        events = [entry.event for entry in self.store.kept("tea")]
        return sum(isinstance(event, Said) and event.body == body for event in events)

    def test_what_is_on_its_way_is_not_forgotten_when_something_else_fails(self) -> None:
        one, two = self.connection("tea"), self.connection("tea")
        ask(one, "say", room="tea", body="0", cid="0")  # so that all answers are known
        self.rig.settle()
        for _ in range(6):  # holds the wire
            ask(one, "say", room="tea", body="x" * 200_000)
        ask(one, "say", room="tea", body="once", cid="1")
        self.rig.clock.advance(0)
        ask(two, "say", room="tea", body="no", cid="2")
        self.breaks(after=False, blind=False)
        for _ in range(2):  # it writes, and looks what became of that
            self.rig.writer.step()
        self.heals()
        ask(two, "say", room="tea", body="once", cid="1")
        self.rig.settle()
        self.assertEqual(self.said("once"), 1)

    def test_a_guest_is_the_same_one_under_two_names_if_its_secret_is(self) -> None:
        one, two = (self.guest(name, "tea") for name in ("bob", "bobby"))
        for guest, name in ((one, "bob"), (two, "bobby")):
            guest.sends("nick", name=name, secret="shared")
            guest.sends("say", room="tea", body=name, cid=name)
        for guest in (one, two):
            ask(guest, "say", room="tea", body="once", cid="1")
        self.rig.settle()
        self.assertEqual(self.said("once"), 1)


class UnreadableTests(DoubtTestCase):
    def test_who_is_logged_in_is_told_so_and_reads_its_own_log_once_that_can_be_read(self) -> None:
        self.mod.sends("whisper", who="ann", body="psst")
        self.rig.clock.pump([60] * 7)  # her log leaves memory
        ann = self.rig.connects()
        self.store.fail_reads = True
        ann.sends("login", name="ann", password="secret")
        self.assertEqual([frame["reply"] for frame in ann.receives()], ["hello", "youare"])
        self.store.fail_reads = False
        self.wait(1)
        self.assertEqual([frame["body"] for frame in ann.receives()], ["psst"])

    def test_quitting_does_not_wait_for_ever_while_ones_own_log_is_read(self) -> None:
        self.mod.sends("whisper", who="ann", body="psst")
        self.rig.clock.pump([60] * 7)
        ann = self.rig.connects()
        ask(ann, "login", name="ann", password="secret")
        ask(ann, "quit")
        self.rig.settle()
        self.assertEqual(ann.receives()[-1]["reply"], "bye")
        self.assertTrue(ann.transport.disconnecting)

    def test_a_room_let_go_while_a_command_waits_is_brought_back(self) -> None:
        ann = self.connection("den")
        ann.sends("leave", room="den")
        ann.receives()
        ask(ann, "say", room="den", body="hi", cid="1")
        self.rig.clock.pump([60] * 7)
        self.rig.settle()
        self.assertEqual([frame["error"] for frame in ann.receives()], ["not-a-member"])

    def test_a_join_that_waits_so_long_succeeds(self) -> None:
        self.mod.sends("lock", room="tea", password="sesame")
        ann = self.connection()
        ask(ann, "join", room="tea", password="sesame")
        self.mod.hangs_up()
        self.rig.clock.advance(0)
        while self.rig.writer.calls:
            self.rig.writer.step()
            self.rig.clock.advance(0)
        self.rig.clock.pump([60] * 7)
        self.rig.settle()
        self.check_in(ann)

    def test_whose_departure_failed_is_looked_for_again(self) -> None:
        eve = self.guest("eve", "tea")
        network = self.rig.network
        audience = network.audiences["tea"]
        audience.seats.remove(eve.session, eve.session.rooms["tea"])  # as for a join that failed
        self.breaks(after=False, blind=False)
        gone = [Left("eve")]
        audience.room.expect(gone)
        network.journal.append("tea", gone, "").addErrback(lambda _: None)
        network.rooms.reap_later("tea")
        self.rig.clock.advance(1)  # while that is on its way
        self.assertNotIn("eve", audience.room.decided.members)
        self.rig.settle()  # it fails
        self.assertIn("eve", audience.room.decided.members)
        self.heals()
        self.wait()
        self.assertNotIn("eve", audience.room.state.members)

    def test_a_store_that_cannot_be_read_is_a_line_in_the_log_and_no_bug(self) -> None:
        lines = log_lines(self)
        self.store.fail_reads = True
        self.mod.sends("join", room="den", cid="1")
        self.mod.sends("showtopic", room="oak", cid="2")
        said = [frame["error"] for frame in self.mod.receives()]
        self.assertEqual(said, ["unavailable"] * 2)
        self.assertEqual(
            lines, ["cannot open den: cannot read", "a command cannot be done: cannot read"]
        )
