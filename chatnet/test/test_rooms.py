"""Rooms that are renamed, deleted, restored and discarded, at every door and whatever happens."""

from __future__ import annotations

from collections.abc import Awaitable
from itertools import product
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from chatnet.accounts import passwords
from chatnet.admin.survey import Survey
from chatnet.admin.telling import Progress
from chatnet.admin.verify import verify_store
from chatnet.core import commands as c, events as e
from chatnet.core.codec import decode_state, encode_state
from chatnet.core.directory import MOST_NAMES, Directory
from chatnet.core.names import STAFF
from chatnet.core.office import Office
from chatnet.core.refusals import NameTaken, NotAllowed, Refused
from chatnet.core.roles import Rank
from chatnet.core.room import Actor, RoomState, Sanction
from chatnet.core.rules import decide
from chatnet.core.staff import OPERATOR_ACTOR, check_lift
from chatnet.interfaces import Batch
from chatnet.server import broom, staff
from chatnet.server.messages import MessageStore
from chatnet.server.seats import Seat
from chatnet.test.rig import Client, FailingStore, Rig

DAY = 86400.0


def gets(rig: Rig, wanted: Awaitable[Any]) -> Any:
    """Return what comes of ``wanted`` once all has settled, or the refusal."""

    async def waits() -> Any:
        return await wanted

    done: Deferred[Any] = Deferred.fromCoroutine(waits())
    results: list[Any] = []
    done.addCallbacks(results.append, lambda failure: results.append(failure.value))
    for _ in range(50):
        rig.settle()
        if results:
            break
    (result,) = results
    return result


def orders(rig: Rig, command: staff.Order, actor: Actor = OPERATOR_ACTOR) -> Any:
    """Return the entries that ``command`` comes to, or the refusal."""
    return gets(rig, staff.order(rig.host, actor, command))


def undoes(rig: Rig, id: int, actor: Actor = OPERATOR_ACTOR) -> Any:
    """Take the act ``id`` back."""
    command = gets(rig, staff.undoing(rig.host, actor, id))
    return command if isinstance(command, Refused) else orders(rig, command, actor)


def acts(rig: Rig) -> list[e.Acted]:
    """Return the staff's log."""
    return [cast(e.Acted, entry.event) for entry in rig.store.read(STAFF, 0, 999, 999)]


class RoomsTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.patch(passwords, "_MEMORY_KIB", 8)  # as safe as it is quick
        self.patch(passwords, "_PASSES", 1)
        self.patch(passwords, "_PARAMETERS", "$argon2id$v=19$m=8,t=1,p=1$")
        self.begins(self.rig())

    def rig(self) -> Rig:
        return Rig()

    def begins(self, rig: Rig) -> None:
        self.now = rig
        self.ann = rig.account("ann")
        self.after("/join tea", by=self.ann)
        self.bob = rig.member("bob", address="192.0.2.2")
        self.ann.hears()

    def after(self, *lines: str, by: Client | None = None) -> list[str]:
        """Return what is heard to ``lines``."""
        client = by or self.ann
        client.types(*lines)
        for _ in range(5):
            self.now.settle()
        return client.hears()

    def program(self, name: str = "zoe", **joining: Any) -> Client:
        robot = self.now.program(name)
        if joining:
            robot.sends("join", **joining)
        return robot

    def sweeps(self, seconds: float) -> None:
        """Let time pass, and a sweep come after it."""
        self.now.clock.advance(seconds)
        for _ in range(2):
            self.now.clock.advance(60)
            self.now.settle()


class RenameTests(RoomsTestCase):
    def test_the_log_goes_on_and_those_in_it_stay(self) -> None:
        robot = self.program(room="tea")
        robot.receives()
        self.ann.hears(), self.bob.hears()
        said = "ann renamed this room: it is called Coffee now."
        self.assertEqual(self.after("/rename Coffee", "still here?"), [said])
        self.assertEqual(self.bob.hears(), [said, "ann: still here?"])
        renamed, after = robot.receives()
        self.assertEqual(
            (renamed["event"], renamed["old"], renamed["new"]), ("roomrenamed", "tea", "Coffee")
        )
        self.assertEqual((after["room"], after["seq"]), ("tea", renamed["seq"] + 1))
        self.assertEqual(self.after("/who")[0].partition(" (")[0], "In Coffee")

    def test_either_name_leads_there_and_the_old_one_says_so(self) -> None:
        self.after("/rename coffee")
        cat, dan = self.now.arrives("/nick cat"), self.now.arrives("/nick dan")
        told = self.after("/join tea", by=cat)
        self.assertIn("The room tea is called coffee now.", told)
        self.assertIn("Welcome to room coffee!", told)
        told = self.after("/join Coffee", by=dan)
        self.assertNotIn("The room tea is called coffee now.", told)
        self.assertEqual(len(self.now.room("tea").state.members), 4)
        self.assertFalse(self.now.room("coffee").state.name)

    def test_a_program_resumes_under_the_old_name_and_acts_under_both(self) -> None:
        robot = self.program(room="tea")
        at = robot.receives()[-1]["seq"]
        robot.hangs_up()
        self.after("hello", "/rename coffee", "there")
        robot = self.program()
        robot.sends("join", room="tea", since=at, cid="1")
        heard = robot.receives()
        self.assertEqual(heard[0], {"reply": "noted", "text": heard[0]["text"]})
        entered = next(frame for frame in heard if frame.get("reply") == "entered")
        self.assertEqual((entered["room"], entered["name"]), ("tea", "coffee"))
        bodies = [frame["body"] for frame in heard if frame.get("event") == "said"]
        self.assertEqual(bodies, ["hello", "there"])
        for name in ("tea", "COFFEE"):
            robot.sends("say", room=name, body="hi", cid=name)
            self.assertEqual(robot.receives()[-1]["room"], "tea")

    def test_nobody_else_gets_a_name_that_it_ever_had(self) -> None:
        self.after("/rename coffee")
        self.now.clock.advance(61)
        self.after("/rename cocoa")
        self.assertNotIsInstance(orders(self.now, c.RenameRoom("cocoa", "tea")), Refused)
        zoe = self.now.account("zoe")
        self.after("/join milk", by=zoe)
        for name in ("tea", "coffee", "COCOA"):
            self.assertIn("name of another room", self.after(f"/rename {name}", by=zoe)[0])
        self.assertEqual(self.now.room("milk").name, "milk")
        self.assertIn("Welcome to room tea!", self.after("/join coffee", by=zoe))

    def test_nor_one_that_looks_like_anothers_or_is_none(self) -> None:
        zoe = self.now.account("zoe")
        self.after("/join b0b", by=zoe)
        self.assertEqual(
            self.after("/rename bob"), ["bob looks too much like b0b, which is another room."]
        )
        self.assertIn("A room name is made of letters", self.after("/rename a/b")[0])
        self.assertEqual(self.after("/rename"), ["Use it like this: /rename NAME"])
        self.assertEqual(self.now.room("tea").name, "tea")

    def test_of_a_renaming_and_an_opening_at_the_same_moment_the_first_wins(self) -> None:
        for renaming_first in (True, False):
            with self.subTest(renaming_first=renaming_first):
                self.begins(self.rig())
                cat = self.now.arrives("/nick cat")
                asking = [(self.ann, "/rename milk"), (cat, "/join milk")]
                for client, line in asking if renaming_first else reversed(asking):
                    client.asks(line)
                for _ in range(5):
                    self.now.settle()
                every = self.now.network.audiences.values()
                named = [a.room.key for a in every if a.room.state.name == "milk"]
                self.assertEqual(len(named), 1)

    def test_a_name_that_is_taken_while_it_is_looked_up_is_refused(self) -> None:
        ann = self.now.factory.sessions[self.ann.door.id].actor
        self.after("/join milk", by=self.bob)
        with self.assertRaisesRegex(NameTaken, "milk is the name of another room"):
            self.now.network.check_name(self.now.room("tea"), ann, c.RenameRoom("tea", "milk"))
        orders(self.now, c.RenameRoom("tea", "water"))
        gets(self.now, self.now.network.open("water"))
        cat = self.now.factory.sessions[self.now.arrives("/nick cat").door.id]
        seat = Seat(self.now.network.audiences["water"])
        done = self.now.network.submit(cat, "water", c.Join("water"), None, seat)
        self.now.settle()
        self.failureResultOf(done, NameTaken)

    def test_its_owner_may_and_only_with_an_account_and_not_all_the_time(self) -> None:
        self.assertIn("That takes an account", self.after("/rename coffee", by=self.bob)[0])
        zoe = self.now.account("zoe")
        self.after("/join tea", by=zoe)
        self.assertEqual(
            self.after("/rename coffee", by=zoe),
            ["Only the owner of tea can do that, who is ann."],
        )
        self.after("/rename coffee")
        self.assertIn("renamed just now. Do it again in", self.after("/rename cocoa")[-1])
        self.now.clock.advance(61)
        self.after("/rename cocoa")
        self.assertEqual(self.now.room("tea").name, "cocoa")

    def test_it_is_noted_whoever_does_it_and_taken_back(self) -> None:
        self.after("/rename coffee")
        (act,) = acts(self.now)
        self.assertEqual(
            (act.by, act.verb, act.whom, act.where, act.to, act.was),
            ("ann", "rename", "tea", "tea", "coffee", "tea"),
        )
        undoes(self.now, 1)
        self.assertEqual(self.now.room("tea").state.name, "tea")
        self.assertEqual([act.verb for act in acts(self.now)], ["rename", "rename"])

    def test_a_commit_that_fails_leaves_the_name_as_it_was(self) -> None:
        self.now.store.fail_before = True
        self.assertIn("could not be stored", self.after("/rename coffee")[0])
        self.now.store.fail_before = False
        self.assertEqual(self.now.network.key_of("coffee"), "coffee")
        cat = self.now.arrives("/nick cat")
        self.assertIn("Welcome to room coffee!", self.after("/join coffee", by=cat))

    def test_a_commit_of_unknown_outcome_turns_out_to_be_whole(self) -> None:
        self.now.store.fail_after = True
        self.after("/rename coffee")
        self.now.store.fail_after = False
        self.sweeps(1)
        self.assertEqual(self.now.room("tea").state.name, "coffee")
        self.assertEqual(self.now.network.key_of("coffee"), "tea")

    def test_it_is_so_after_a_restart(self) -> None:
        self.after("/rename coffee")
        self.now.restart()
        cat = self.now.arrives("/nick cat")
        self.assertEqual(self.after("/rooms", by=cat)[-1], "coffee (0 here)")
        self.assertIn("Welcome to room coffee!", self.after("/join tea", by=cat))

    def test_those_who_embed_a_server_go_on_with_either_name(self) -> None:
        store = MessageStore(self.now.network, "tea")
        self.after("/rename coffee", "hello")
        self.assertEqual(gets(self.now, store.get(5)).event, e.Said("ann", "hello"))


class DeletionTests(RoomsTestCase):
    def test_everybody_is_told_why_and_put_out_at_once(self) -> None:
        robot = self.program(room="tea")
        robot.receives()
        self.ann.hears(), self.bob.hears()
        told = ["ann deleted this room: it is over", "You are out of tea."]
        self.assertEqual(self.after("/delete-room tea it is over"), told)
        self.assertEqual(self.bob.hears(), told)
        event, out = robot.receives()
        self.assertEqual(
            (event["event"], event["by"], event["reason"]), ("roomdeleted", "ann", "it is over")
        )
        self.assertEqual(event["until"], self.now.clock.seconds() + 7 * DAY)
        self.assertEqual((out["reply"], out["room"], out["put_out"]), ("out", "tea", True))
        self.assertIn("You are in no room", self.after("hello?", by=self.bob)[0])

    def test_it_is_gone_and_who_asks_for_it_is_told_how(self) -> None:
        self.after("/delete-room tea it is over")
        self.bob.hears()
        gone = "The room tea was deleted by ann: it is over."
        for line in ("/join tea", "/who tea"):
            self.assertIn(gone, self.after(line, by=self.bob)[0])
        self.assertEqual(self.after("/rooms")[0][:22], "There are no rooms yet")
        for command in (c.SetTopic("tea", "x"), c.RenameRoom("tea", "milk"), c.DeleteRoom("tea")):
            self.assertIn(gone, str(orders(self.now, command)))
        robot = self.program()
        robot.sends("say", room="tea", body="x", cid="1")
        robot.sends("join", room="tea", since=3, cid="2")
        self.assertEqual(
            [frame["error"] for frame in robot.receives()], ["no-such-room", "no-such-room"]
        )
        self.now.restart()
        cat = self.now.arrives("/nick cat")
        self.assertIn(gone, self.after("/join tea", by=cat)[-1])

    def test_undo_brings_it_back_whole(self) -> None:
        self.after("/topic green tea", "/set invite-only on", "/invite bob", "hello")
        before = self.now.room("tea").state.copy()
        self.after("/delete-room tea")
        undoes(self.now, 1)
        after = self.now.room("tea").state
        before.members = {}
        self.assertEqual(after, before)
        told = self.after("/join tea", by=self.bob)
        self.assertIn("ann: hello", told)
        self.assertIn("is not deleted", str(orders(self.now, c.RestoreRoom("tea"))))

    def test_a_guest_who_moderated_it_is_no_moderator_when_it_comes_back(self) -> None:
        self.after("/op bob", "/delete-room tea")
        undoes(self.now, 1)
        self.assertEqual(list(self.now.room("tea").state.moderators), ["ann"])

    def test_who_has_no_rank_or_a_lower_one_does_not_bring_it_back(self) -> None:
        self.after("/delete-room tea")
        robot = self.program()
        robot.sends("restoreroom", room="tea", cid="1")
        self.assertEqual(robot.receives()[-1]["error"], "not-allowed")
        undoes(self.now, 1)
        orders(self.now, c.DeleteRoom("tea"))
        admin = Actor("zed", "zed", True, "", Rank.ADMIN)
        for refusal in (
            undoes(self.now, 3, admin),
            orders(self.now, c.RestoreRoom("tea"), admin),
        ):
            self.assertIn("That was done by operator", str(refusal))

    def test_its_history_goes_when_its_time_is_over_and_then_the_name_is_free(self) -> None:
        self.after("hello", "/rename coffee")
        self.after("/delete-room coffee")
        self.bob.hears()
        self.sweeps(7 * DAY - 300)
        self.assertTrue(self.now.store.read("tea", 0, 99, 99))
        self.assertIn("was deleted", self.after("/join tea", by=self.bob)[0])
        self.sweeps(300)
        left = [entry.event for entry in self.now.store.read("tea", 0, 99, 99)]
        self.assertEqual(left, [e.RoomDiscarded()])
        self.assertEqual(acts(self.now)[-1], e.Acted("server", "discard-room", "tea", "coffee"))
        self.assertEqual(undoes(self.now, 2).code, "not-allowed")
        for name in ("tea", "coffee"):
            with self.subTest(name):
                told = self.after(f"/join {name}", by=self.bob)
                self.assertIn(f"Welcome to room {name}!", told)
                self.assertNotIn("ann: hello", told)
        self.assertEqual(self.now.room("tea").state.owner, "")
        self.assertNotIn("ann", self.now.room("coffee").state.moderators)

    def test_that_goes_on_where_it_was_broken_off(self) -> None:
        for trouble in range(6):
            with self.subTest(trouble):
                self.begins(self.rig())
                self.after(*["hello"] * 5, "/delete-room tea")
                self.now.clock.advance(7 * DAY)
                self.now.settle()
                self.now.clock.advance(60)
                for _ in range(trouble):
                    self.now.writer.step()
                    self.now.reader.step()
                    self.now.clock.advance(0)
                at = self.now.clock.seconds()
                self.now.began = at
                self.now.restart()
                self.sweeps(1)
                self.assertFalse(list(self.now.network.office.rooms.deleted()))
                cat = self.now.arrives("/nick cat")
                told = self.after("/join tea", by=cat)
                self.assertIn("Welcome to room tea!", told)
                self.assertNotIn("ann: hello", told)
                self.assertEqual(self.now.room("tea").state.owner, "cat")

    def test_a_grace_of_none_keeps_it_for_good(self) -> None:
        self.begins(Rig(room_grace=0.0))
        self.after("hello", "/delete-room tea")
        self.sweeps(3650 * DAY)
        self.assertNotIsInstance(undoes(self.now, 1), Refused)
        self.assertIn("ann: hello", self.after("/join tea", by=self.bob))

    def test_a_repeated_cid_is_answered_and_deletes_nothing_again(self) -> None:
        robot = self.now.connects()
        robot.sends("login", name="ann", password="secret")
        robot.sends("join", room="tea", cid="j")
        robot.sends("deleteroom", room="tea", cid="d")
        first = next(f for f in robot.receives() if f.get("ok") == "d")
        undoes(self.now, 1)
        robot.sends("deleteroom", room="tea", cid="d")
        self.assertEqual([f for f in robot.receives() if f.get("ok") == "d"], [first])
        self.assertIsNone(self.now.room("tea").state.deleted)

    def test_who_was_about_to_come_in_is_put_out_or_refused(self) -> None:
        cat = self.now.arrives("/nick cat")
        cat.hears()
        cat.asks("/join tea")
        self.ann.asks("/delete-room tea")
        for _ in range(5):
            self.now.settle()
        self.assertEqual(self.now.room("tea").state.members, {})
        self.assertFalse(self.now.factory.sessions[cat.door.id].rooms)
        self.assertTrue(cat.hears())

    def test_the_server_itself_says_nothing_there(self) -> None:
        self.after("/delete-room tea")
        for saying in (
            self.now.network.speak("tea", "robot", "x"),
            self.now.network.notice("tea", "x"),
        ):
            self.assertEqual(gets(self.now, saying).code, "no-such-room")


class PermissionTests(RoomsTestCase):
    def test_each_verb_for_each_role_at_each_door(self) -> None:
        ways = {
            "rename": ("/rename milk", {"do": "rename", "room": "tea", "name": "milk"}),
            "delete": ("/delete-room tea", {"do": "deleteroom", "room": "tea"}),
        }
        people = {  # by role: how one comes to it; and whether that is enough
            "outsider": ((), False),
            "member": (("/join tea",), False),
            "moderator": (("/join tea", "ann: /op zed"), False),
            "owner": (("/join tea", "ann: /owner zed"), True),
        }
        for (verb, (line, frame)), role, door in product(ways.items(), people, ("text", "json")):
            with self.subTest(verb=verb, role=role, door=door):
                self.begins(self.rig())
                zed = self.now.account("zed")
                coming, allowed = people[role]
                for one in coming:
                    by, _, what = one.rpartition(": ")
                    self.after(what, by=self.ann if by else zed)
                if door == "json":
                    zed = self.now.connects()
                    zed.sends("login", name="zed", password="secret")
                    if role != "outsider":
                        zed.sends("join", room="tea")
                    zed.sends(**frame)
                else:
                    self.after(line, by=zed)
                for _ in range(5):
                    self.now.settle()
                room = self.now.room("tea").state
                done = room.deleted is not None or room.name == "milk"
                self.assertEqual(done, allowed)

    def test_staff_may_by_rank_from_admin_on(self) -> None:
        commands: tuple[staff.Order, ...] = (c.RenameRoom("tea", "milk"), c.DeleteRoom("tea"))
        for rank, command in product(Rank, commands):
            with self.subTest(rank=rank, command=command):
                self.begins(self.rig())
                result = orders(self.now, command, Actor("zed", "zed", True, "", rank))
                self.assertEqual(isinstance(result, Refused), rank < Rank.ADMIN)


class LiftTests(RoomsTestCase):
    """What staff laid in a room by its rank is not lifted there by those below."""

    def test_a_rooms_owner_does_not_lift_what_staff_laid(self) -> None:
        for lay, lift in (
            (c.Ban("tea", "bob"), "/unban bob"),
            (c.Ban("tea", "bob"), "/ban bob 1s"),
            (c.Mute("tea", "bob"), "/unmute bob"),
            (c.Mute("tea", "bob"), "/mute bob 1s"),
        ):
            with self.subTest(lift):
                self.begins(self.rig())
                orders(self.now, lay)
                before = self.now.room("tea").state.copy()
                self.assertIn("That was done by operator", self.after(lift)[-1])
                self.assertEqual(self.now.room("tea").state, before)
                undoes(self.now, 1)
                state = self.now.room("tea").state
                self.assertFalse(state.bans or state.mutes)

    def test_staff_of_the_same_rank_does_and_nobody_below(self) -> None:
        office = Office()
        office.evolve(e.Acted("operator", "rank", "ann", to="admin"))
        bans = {"bob": Sanction("bob", "ann", 0, "")}
        lift = c.Unban("tea", "BOB")
        for rank in Rank:
            actor = Actor("eve", "eve", True, "", rank)
            state = RoomState("tea", bans=bans)
            if rank >= Rank.ADMIN:
                check_lift(office, state, actor, lift, 0)
            else:
                with self.assertRaises(NotAllowed):
                    check_lift(office, state, actor, lift, 0)
            state.moderators["ann"] = "ann"  # then it is the room's affair
            check_lift(office, state, actor, lift, 0)


class DirectoryTests(SynchronousTestCase):
    def act(self, office: Office, verb: str, key: str, to: str = "", until: float = 0) -> None:
        name = office.rooms.name_of(key, key)
        office.evolve(e.Acted("ann", verb, key, name, to, until=until))

    def test_it_is_the_same_when_it_was_kept(self) -> None:
        office = Office()
        self.act(office, "rename", "tea", "Coffee")
        self.act(office, "rename", "tea", "cocoa")
        self.act(office, "delete-room", "milk", until=9.0)
        state = RoomState(office=office, deleted=e.RoomDeleted("ann", "", 9.0))
        kept = decode_state(encode_state(state))
        self.assertEqual(kept, state)
        self.assertEqual(kept.copy(), state)
        rooms = cast(Office, kept.office).rooms
        self.assertEqual(
            [rooms.key_of(n) for n in ("tea", "coffee", "cocoa", "x")], ["tea"] * 3 + ["x"]
        )
        self.assertEqual([(sign.key, sign.act) for sign in rooms.deleted()], [("milk", 3)])

    def test_nothing_is_left_of_what_is_discarded_or_restored(self) -> None:
        office = Office()
        self.act(office, "rename", "tea", "coffee")
        self.act(office, "delete-room", "tea")
        self.act(office, "discard-room", "tea")
        self.act(office, "delete-room", "milk")
        self.act(office, "restore-room", "milk")
        self.assertEqual(office.rooms, Directory())

    def test_a_room_has_so_many_names_and_may_have_each_again(self) -> None:
        office = Office()
        for number in range(MOST_NAMES):
            office.rooms.check_name("tea", f"tea{number}", False)
            self.act(office, "rename", "tea", f"tea{number}")
        with self.assertRaises(NotAllowed):
            office.rooms.check_name("tea", "milk", False)
        for name in ("tea", "tea3"):
            office.rooms.check_name("tea", name, False)

    def test_an_act_about_a_room_that_nobody_knows_breaks_nothing(self) -> None:
        for verb in ("rename", "delete-room", "restore-room", "discard-room"):
            office = Office()
            self.act(office, verb, "tea", "milk")
            office.copy()

    def test_a_name_is_free_again_for_the_room_that_has_it_only(self) -> None:
        office = Office()
        self.act(office, "rename", "tea", "coffee")
        office.rooms.check_name("tea", "TEA", True)
        for name in ("tea", "Coffee"):
            with self.assertRaises(NameTaken):
                office.rooms.check_name("milk", name, False)


class BackupTests(RoomsTestCase):
    """Of the staff's log and a room's, a backup that was restored had read one before the other."""

    def without(self, key: str, count: int) -> None:
        """Lose all but the first ``count`` entries of the log ``key``, and start again."""
        log = self.now.store._logs[key]
        kept = log.between(0, count)
        del self.now.store._logs[key], self.now.store._states[key]
        state = RoomState()
        for entry in kept:
            state.evolve(entry.event)
        states = {key: (count, state)} if count else {}
        FailingStore.write(self.now.store, Batch.of(kept, states=states))
        self.now.restart()

    def agrees(self) -> None:
        gets(self.now, self.now.network.open("tea"))
        self.now.settle()
        state, rooms = self.now.room("tea").state, self.now.network.office.rooms
        self.assertIsNone(rooms.amiss("tea", state))
        self.assertEqual(self.now.network.key_of(state.name), "tea")

    def test_of_a_renaming(self) -> None:
        self.after("/rename coffee")
        for key, count in ((STAFF, 0), ("tea", 3)):
            with self.subTest(key):
                self.without(key, count)
                self.agrees()

    def test_of_a_deletion_and_a_restoration(self) -> None:
        for key, count, deleted in ((STAFF, 0, True), ("tea", 3, False)):
            with self.subTest(key):
                self.begins(self.rig())
                self.after("/delete-room tea")
                self.without(key, count)
                self.agrees()
                self.assertEqual(self.now.network.office.rooms.is_deleted("tea"), deleted)
                refused = isinstance(orders(self.now, c.RestoreRoom("tea")), Refused)
                self.assertNotEqual(refused, deleted)


class RuleTests(SynchronousTestCase):
    def test_too_late_is_too_late(self) -> None:
        state = RoomState("tea", deleted=e.RoomDeleted("ann", "", 100.0))
        command = c.RestoreRoom("tea")
        self.assertEqual(decide(state, OPERATOR_ACTOR, command, 99.9), [e.RoomRestored("operator")])
        with self.assertRaises(NotAllowed):
            decide(state, OPERATOR_ACTOR, command, 100.0)

    def test_a_discarded_room_is_one_that_was_never_opened(self) -> None:
        state = RoomState("tea", "x", "lock", owner="ann", retention=60.0)
        state.evolve(e.RoomDiscarded())
        self.assertEqual(state, RoomState())


def carry_through(test: SynchronousTestCase, store: Any) -> None:
    """See that rooms are renamed, deleted, restored and discarded over ``store``, and restarts."""
    test.patch(passwords, "derive", lambda password, *_: f"plain {password}")
    rig = Rig(cast(FailingStore, store))
    ann = rig.account("ann")
    ann.types("/join tea", "hello", "/rename Coffee")
    robot = rig.program("zoe")
    robot.sends("join", room="tea", cid="1")
    robot.sends("say", room="coffee", body="remember this answer", cid="2")
    for _ in range(5):
        rig.settle()
    for command, known in ((c.DeleteRoom("tea", "over"), False), (c.RestoreRoom("Coffee"), True)):
        test.assertNotIsInstance(orders(rig, command), Refused)
        rig.restart()
        directory = rig.network.office.rooms
        test.assertEqual(
            (directory.key_of("coffee"), directory.is_deleted("tea")), ("tea", not known)
        )
    orders(rig, c.DeleteRoom("coffee"))
    last = gets(rig, rig.network.open("tea")).room.log.head
    rig.clock.advance(7 * DAY)
    for _ in range(3):
        rig.clock.advance(broom.ASLEEP_EVERY)
        rig.clock.advance(60)
        rig.settle()
    rig.restart()
    rig.member("bob", "tea")
    entries = store.read("tea", 0, 99, 99)
    test.assertEqual(entries[0].event, e.RoomDiscarded())
    test.assertEqual((entries[0].seq, entries[1].event), (last + 1, e.Opened("tea", "bob")))
    faults: list[str] = []
    verify_store(store, store, Survey(faults.append), Progress(lambda _: None, lambda: 0.0, ""))
    test.assertEqual(faults, [])
