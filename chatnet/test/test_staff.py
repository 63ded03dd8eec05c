"""Those in charge of the server: ranks, bans from it, what is noted, and taking it back."""

from __future__ import annotations

import json
from collections.abc import Coroutine
from fnmatch import fnmatchcase
from itertools import product
from time import process_time
from typing import Any, TypeVar
from unittest.mock import Mock

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from chatnet.core import commands as c, events as e, office
from chatnet.core.addresses import network_of
from chatnet.core.foresight import on_server
from chatnet.core.names import STAFF, VISITS
from chatnet.core.office import Office, is_like, spell
from chatnet.core.refusals import (
    Malformed,
    NoSuchMessage,
    NoSuchPerson,
    NoSuchRoom,
    NotAllowed,
    Refused,
)
from chatnet.core.roles import Rank
from chatnet.core.room import Actor
from chatnet.core.staff import OPERATOR_ACTOR, barred, decide, undo
from chatnet.server import foresight, staff, visitors
from chatnet.test.rig import Client, Rig

T = TypeVar("T")


def ranked(**ranks: str) -> Office:
    """Return an office in which accounts have ``ranks``."""
    office = Office()
    for name, rank in ranks.items():
        office.evolve(e.Acted("operator", "rank", name, to=rank))
    return office


class RankTests(SynchronousTestCase):
    def test_who_may_make_whom_what(self) -> None:
        for by, was, to in product(Rank, Rank, Rank):
            office = ranked(ann=by.name, bob=was.name, zoe="owner")
            actor = Actor("ann", "ann", True, "", by)
            allowed = by is Rank.OWNER or (by is Rank.ADMIN and max(was, to) < by)
            try:
                decide(office, actor, c.SetRank("bob", to.name.lower(), "", "bob"), 0)
            except NotAllowed:
                self.assertFalse(allowed and was is not to, (by, was, to))
            else:
                self.assertTrue(allowed and was is not to, (by, was, to))

    def test_the_last_owner_stays_one_whoever_wants_it_otherwise(self) -> None:
        office = ranked(ann="owner")
        for actor in (OPERATOR_ACTOR, Actor("ann", "ann", True, "", Rank.OWNER)):
            with self.assertRaisesRegex(NotAllowed, "ann is the server's last owner"):
                decide(office, actor, c.SetRank("ann", "user", "", "ann"), 0)
        office.evolve(e.Acted("operator", "rank", "bob", to="owner"))
        self.assertTrue(decide(office, OPERATOR_ACTOR, c.SetRank("ann", "user", "", "ann"), 0))

    def test_nonsense_is_refused(self) -> None:
        with self.assertRaises(Malformed):
            decide(Office(), OPERATOR_ACTOR, c.SetRank("ann", "king", "", "ann"), 0)
        with self.assertRaises(NoSuchPerson):
            decide(Office(), OPERATOR_ACTOR, c.SetRank("ann", "admin"), 0)


class BanRuleTests(SynchronousTestCase):
    ADMIN = Actor("ann", "ann", True, "198.51.100.1", Rank.ADMIN)

    def setUp(self) -> None:
        self.office = ranked(ann="admin", zed="admin", tom="moderator", olga="owner")

    def ban(self, kind: str, what: str, *present: Actor, **more: Any) -> e.Acted:
        command = c.ServerBan(kind, what, **more)
        (event,) = decide(self.office, self.ADMIN, command, 100, present)
        return event

    def refused(self, kind: str, what: str, *present: Actor) -> str:
        with self.assertRaises(Refused) as caught:
            self.ban(kind, what, *present)
        return str(caught.exception)

    def test_each_thing_is_written_in_one_way(self) -> None:
        for kind, what, kept in (
            ("account", "Bob", "bob"),
            ("name", "B**d*", "b*d*"),
            ("address", "192.0.2.7/24", "192.0.2.0/24"),
            ("address", "192.0.2.7/32", "192.0.2.7"),
            ("address", "::ffff:192.0.2.7", "192.0.2.7"),
            ("address", "2001:DB8:0::7/64", "2001:db8::/64"),
            ("address", "2001:DB8:0::7", "2001:db8::/64"),
            ("address", "2001:DB8:0::7/128", "2001:db8::7/128"),
            ("address", "fe80::7%eth0", "fe80::7/128"),
            ("address", "192.0.2.7%eth0", ""),
            ("address", "nonsense", ""),
            ("room", "tea", ""),
        ):
            self.assertEqual(spell(kind, what), kept)

    def test_nobody_bans_themselves(self) -> None:
        for kind, what in (("account", "ANN"), ("address", "198.51.100.0/24")):
            self.assertEqual(self.refused(kind, what), "That would keep yourself out.")

    def test_nor_who_is_of_the_same_rank_or_above(self) -> None:
        self.assertIn("zed is an admin", self.refused("account", "zed"))
        self.assertIn("olga is an owner", self.refused("account", "olga"))
        olga = Actor("olga", "olga", True, "203.0.113.9", Rank.OWNER)
        self.assertIn("keep out olga", self.refused("address", "203.0.113.0/24", olga))
        self.assertTrue(self.ban("account", "tom"))

    def test_nor_this_machine_nor_half_the_world_nor_everybody(self) -> None:
        for kind, what in (
            ("address", "127.0.0.1"),
            ("address", "::1"),
            ("address", "10.0.0.0/7"),
            ("address", "2000::/8"),
            ("address", "tea"),
            ("name", "*"),
            ("name", "?*?*?*?*b"),
            ("name", "a"),
            ("account", ""),
            ("shoe", "left"),
        ):
            self.assertTrue(self.refused(kind, what), (kind, what))

    def test_nor_what_is_exempt(self) -> None:
        self.office.evolve(e.Acted("olga", "exempt", "address 192.0.2.0/24"))
        self.assertIn("exempt", self.refused("address", "192.0.2.7"))
        wide = self.ban("address", "192.0.0.0/16")
        self.office.evolve(wide)
        self.assertIsNone(self.office.bars_address("192.0.2.7", 0))
        self.assertIsNotNone(self.office.bars_address("192.0.3.7", 0))

    def test_nor_an_address_whose_network_is_exempt(self) -> None:
        self.office.evolve(e.Acted("olga", "exempt", "address 2001:db8::/32"))
        self.assertIn("exempt", self.refused("address", "2001:db8::7"))
        self.assertIn("exempt", self.refused("address", "2001:db8:1::/48"))
        self.assertTrue(self.ban("address", "2001:d00::/24"))

    def test_half_the_world_is_not_exempt_either(self) -> None:
        for what, allowed in (
            ("10.0.0.0/8", True), ("10.0.0.0/7", False), ("0.0.0.0/0", False),
            ("2001:db8::/32", True), ("2001:db8::/31", False),
        ):  # fmt: skip
            try:
                decide(self.office, self.ADMIN, c.Exempt("address", what), 100)
            except NotAllowed as refusal:
                self.assertFalse(allowed, what)
                self.assertIn("too much of the world", str(refusal))
            else:
                self.assertTrue(allowed, what)

    def test_whom_it_hits_is_known_before_it_is_laid(self) -> None:
        bob = Actor("bob", "bob", False, "192.0.2.7")
        cat = Actor("cat", "cat", True, "192.0.3.7")
        local = Actor("dan", "dan", False, "127.0.0.1")
        event = self.ban("address", "192.0.2.0/24", bob, cat, local)
        after = self.office.copy()
        after.evolve(event)
        becomes = [on_server(after, one, 100) for one in (bob, cat, local)]
        self.assertEqual(becomes, ["kept out", "user", "guest"])
        self.assertEqual(self.office.bans, {})

    def test_patterns_hit_what_looks_alike_but_no_staff_and_no_name_of_the_server(self) -> None:
        self.office.evolve(self.ban("name", "t?m*"))
        for name, registered, out in (
            ("tim", False, True),
            ("TOMMY", False, True),
            ("t0m2", True, True),
            ("tom", True, False),  # a moderator
            ("atom", False, False),
        ):
            found = self.office.bars_name(name, registered, 100)
            self.assertEqual(found is not None, out, name)
        self.office.evolve(self.ban("name", "gu*"))
        self.assertIsNone(self.office.bars_name("guest-1234", False, 100))
        self.assertTrue(is_like("g0od", "good"))

    def test_a_pattern_describes_what_it_does_in_a_shell(self) -> None:
        for size in range(5):
            for pattern in map("".join, product("ab*?", repeat=size)):
                kept = spell("name", pattern)
                for name in ("", "a", "ab", "ba", "aab", "abab"):
                    self.assertEqual(is_like(name, kept), fnmatchcase(name, pattern), pattern)

    def test_no_pattern_takes_long_whatever_the_name(self) -> None:
        began = process_time()
        self.assertFalse(is_like("a" * 90, "*a*a*a*a*a*b"))
        self.assertLess(process_time() - began, 1)

    def test_a_ban_looks_at_no_other_ban(self) -> None:
        looked = Mock(wraps=network_of)
        self.patch(office, "network_of", looked)
        for verb in ("ban", "unban"):
            for number in range(100):
                self.office.evolve(e.Acted("olga", verb, f"address 192.0.2.{number}"))
        self.assertEqual(looked.call_count, 100)

    def test_a_ban_ends_by_itself(self) -> None:
        self.office.evolve(self.ban("address", "192.0.2.7", seconds=60))
        self.assertIsNotNone(self.office.bars_address("192.0.2.7", 159))
        self.assertIsNone(self.office.bars_address("192.0.2.7", 160))
        self.assertIsNone(self.office.bars_address("", 0))

    def test_an_office_is_what_it_tells(self) -> None:
        self.office.evolve(self.ban("address", "2001:db8::/64", reason="spam", note="again"))
        self.office.evolve(e.Acted("ann", "reset-code", "Bob", was="verifier", until=9))
        told = json.loads(json.dumps(self.office.told()))
        self.assertEqual(Office.of(told).told(), self.office.told())
        self.assertEqual(Office.of(told).code("bob", 8), "verifier")
        self.assertEqual(self.office.copy().code("bob", 9), "")
        self.assertEqual(Office.of(self.office.told()), self.office)
        self.assertEqual(self.office.copy(), self.office)
        self.assertIsNotNone(self.office.bars_address("2001:db8::9", 0))


class UndoTests(SynchronousTestCase):
    """Each act, what takes it back at 100, and that this does."""

    def test_what_is_about_the_server(self) -> None:
        office = ranked(bob="moderator")
        for command in (
            c.SetRank("bob", "admin", "", "bob"),
            c.ServerBan("account", "eve", 60, "spam", "again"),
            c.Exempt("address", "192.0.2.7", 60, "a friend"),
        ):
            before = office.copy()
            (act,) = decide(office, OPERATOR_ACTOR, command, 100)
            office.evolve(act)
            taken_back = undo(act, 100)
            assert isinstance(taken_back, c.SetRank | c.ServerUnban | c.Unexempt)
            if isinstance(taken_back, c.SetRank):
                taken_back = c.SetRank(taken_back.who, taken_back.rank, "", "bob")
            (act,) = decide(office, OPERATOR_ACTOR, taken_back, 100)
            office.evolve(act)
            self.assertEqual(
                (office.ranks, office.bans, office.exempt),
                (before.ranks, before.bans, before.exempt),
            )

    def test_nobody_lifts_or_replaces_what_a_higher_rank_laid(self) -> None:
        office = ranked(ann="admin", zed="admin", mia="moderator", olga="owner")
        for rank, by in product(Rank, ("mia", "ann", "olga", "operator", "gone")):
            laid = office.copy()
            laid.evolve(e.Acted(by, "ban", "account eve"))
            laid.evolve(e.Acted(by, "exempt", "account eve"))
            who = Actor("x", "x", True, "", rank)
            higher = Rank.OWNER if by == "operator" else office.rank(by)
            for command in (
                c.ServerUnban("account", "eve"), c.Unexempt("account", "eve"),
                c.Exempt("account", "eve", 1),
            ):  # fmt: skip
                try:
                    decide(laid, who, command, 100)
                except NotAllowed:
                    low = Rank.ADMIN if not isinstance(command, c.ServerUnban) else Rank.MODERATOR
                    self.assertTrue(rank < max(higher, low), (rank, by, command))
                else:
                    self.assertGreaterEqual(rank, higher, (by, command))
        laid = office.copy()
        laid.evolve(e.Acted("ann", "ban", "name spam*"))
        with self.assertRaisesRegex(NotAllowed, "by ann: an admin or an owner can"):
            decide(
                laid,
                Actor("mia", "mia", True, "", Rank.MODERATOR),
                c.ServerBan("name", "spam*", 1),
                9,
            )

    def test_lifting_a_ban_is_taken_back_for_as_long_as_it_would_have_held(self) -> None:
        lifted = e.Acted("ann", "unban", "account eve", was="spam", until=160, note="again")
        self.assertEqual(undo(lifted, 100), c.ServerBan("account", "eve", 60, "spam", "again"))
        self.assertIsNone(undo(lifted, 161))

    def test_what_was_done_in_rooms(self) -> None:
        for act, back in (
            (e.Acted("ann", "ban", "bob", "Tea"), c.Unban("Tea", "bob")),
            (e.Acted("ann", "mute", "bob", "Tea"), c.Unmute("Tea", "bob")),
            (e.Acted("ann", "unban", "bob", "Tea", was="160"), c.Ban("Tea", "bob", 60)),
            (e.Acted("ann", "unmute", "bob", "Tea", was="0"), c.Mute("Tea", "bob", 0)),
            (e.Acted("ann", "unmute", "bob", "Tea", was="99"), None),
            (e.Acted("ann", "op", "bob", "Tea"), c.Deop("Tea", "bob")),
            (e.Acted("ann", "deop", "bob", "Tea"), c.Op("Tea", "bob")),
            (e.Acted("ann", "owner", "bob", "Tea", was="cat"), c.Own("Tea", "cat")),
            (e.Acted("ann", "lock", "", "Tea"), c.Unlock("Tea")),
            (e.Acted("ann", "topic", "", "Tea", "b", "a"), c.SetTopic("Tea", "a")),
            (e.Acted("ann", "retain", "", "Tea", "60", "0"), c.Retain("Tea", 0)),
            (e.Acted("ann", "kick", "bob", "Tea"), None),
            (e.Acted("ann", "delete", "bob", "Tea", "#3"), None),
        ):
            self.assertEqual(undo(act, 100), back, act)


class StaffTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()
        self.ann = self.rig.account("ann")
        self.bob = self.rig.member("bob", address="192.0.2.7")

    def wait(self, work: Coroutine[Deferred[Any], Any, T]) -> T:
        done = Deferred.fromCoroutine(work)
        self.rig.settle()
        return self.successResultOf(done)

    def orders(self, command: staff.Order, actor: Actor = OPERATOR_ACTOR) -> list[e.Entry]:
        return list(self.wait(staff.order(self.rig.host, actor, command)))

    def refuses(self, command: staff.Order, actor: Actor = OPERATOR_ACTOR) -> Refused:
        done = Deferred.fromCoroutine(staff.order(self.rig.host, actor, command))
        self.rig.settle()
        refusal = self.failureResultOf(done, Refused).value
        assert isinstance(refusal, Refused)
        return refusal

    def acts(self) -> list[e.Event]:
        return [entry.event for entry in self.rig.store.kept(STAFF)]


class StaffTests(StaffTestCase):
    def test_a_rank_is_had_at_once_and_at_the_next_login_and_outlives_the_server(self) -> None:
        self.orders(c.SetRank("ANN", "moderator", "she is kind"))
        self.assertIs(self.ann.session.actor.rank, Rank.MODERATOR)
        self.assertIn("You are moderator of this server now, says operator.", self.ann.hears())
        self.rig.restart()
        ann = self.rig.arrives("/login ann secret")
        self.assertIs(ann.session.actor.rank, Rank.MODERATOR)
        self.assertEqual(
            self.acts(),
            [e.Acted("operator", "rank", "ann", "", "moderator", "user", 0, "she is kind")],
        )

    def test_what_staff_sets_in_a_room_is_taken_back(self) -> None:
        self.orders(c.Configure("tea", "slow", 30))
        self.orders(c.Configure("tea", "closed", 1))
        self.assertEqual(
            self.acts(),
            [
                e.Acted("operator", "set", "slow", "tea", "30", "0"),
                e.Acted("operator", "set", "closed", "tea", "1", "0"),
            ],
        )
        for id in (1, 2):
            self.orders(self.wait(staff.undoing(self.rig.host, OPERATOR_ACTOR, id)))
        self.assertEqual(self.rig.room("tea").state.settings, {})

    def test_what_was_done_is_kept_also_where_what_was_said_is_not(self) -> None:
        self.rig = Rig(retention=3600.0)
        self.rig.account("ann")
        self.bob = self.rig.member("bob")
        self.bob.types("hello")
        self.orders(c.SetRank("ann", "moderator"))
        for _ in range(30):
            self.rig.clock.advance(600)
            self.rig.settle()
        self.assertNotIn(e.Said("bob", "hello"), [x.event for x in self.rig.store.kept("tea")])
        self.assertEqual(len(self.acts()), 1)

    def test_only_an_account_has_one(self) -> None:
        self.assertIsInstance(self.refuses(c.SetRank("bob", "admin")), NoSuchPerson)

    def test_staff_acts_in_rooms_that_it_is_not_in_and_that_is_noted(self) -> None:
        self.orders(c.SetRank("ann", "moderator"))
        robot = self.rig.connects()
        robot.sends("login", name="ann", password="secret")
        robot.sends("kick", room="tea", who="bob", reason="rude", cid="1")
        self.assertIn("bob was kicked by ann: rude", self.bob.hears())
        self.assertEqual(robot.receives()[-1]["ok"], "1")
        self.assertEqual(self.acts()[1:], [e.Acted("ann", "kick", "bob", "tea", reason="rude")])

    def test_what_one_may_as_a_moderator_of_the_room_is_no_act_of_staff(self) -> None:
        self.orders(c.SetRank("ann", "moderator"))
        self.ann.types("/join milk", "/topic white")
        self.assertEqual(len(self.acts()), 1)

    def test_what_takes_more_than_being_a_moderator_of_the_room_is_one(self) -> None:
        self.orders(c.SetRank("ann", "admin"))
        self.ann.types("/join tea")
        self.bob.types("/op ann")
        self.ann.types("/topic ours", "/set closed off", "/kick bob now")
        self.assertEqual(self.acts()[1:], [e.Acted("ann", "kick", "bob", "tea", reason="now")])
        self.ann.types("/set closed on", "/set closed off")
        self.assertEqual(self.rig.room("tea").state.owner, "ann")
        self.assertEqual(len(self.acts()), 2)

    def test_a_moderator_does_not_give_rooms_away(self) -> None:
        self.orders(c.SetRank("ann", "moderator"))
        actor = self.ann.session.actor
        self.assertIn("not in tea", str(self.refuses(c.Op("tea", "bob"), actor)))
        self.assertIn(
            "takes the rank of admin", str(self.refuses(c.SetRank("ann", "owner"), actor))
        )

    def test_a_room_does_not_put_staff_out_nor_staff_each_other(self) -> None:
        self.orders(c.SetRank("ann", "admin"))
        self.ann.types("/join tea")
        self.bob.hears()
        self.bob.types("/kick ann", "/ban ann", "/mute ann")
        self.assertEqual(
            self.bob.hears(), ["ann is of this server's staff, and not yours to put out."] * 3
        )
        other = Actor("zed", "zed", True, "", Rank.ADMIN)
        self.assertIsInstance(self.refuses(c.Kick("tea", "ann"), other), NotAllowed)
        self.assertTrue(self.orders(c.Kick("tea", "ann")))

    def test_the_operator_bans_an_owner_from_its_room_and_no_room_is_made_by_asking(self) -> None:
        self.orders(c.Ban("tea", "bob", 60, "flood"))
        self.assertIn("bob was banned by operator for 1 minute: flood", self.bob.hears())
        self.assertIsInstance(self.refuses(c.SetTopic("milk", "x")), NoSuchRoom)
        self.assertEqual(self.rig.store.kept("milk"), [])

    def test_what_staff_locks_and_deletes(self) -> None:
        self.bob.types("buy my tea")
        self.orders(c.Lock("tea", "sesame"))
        (deleted,) = self.orders(c.Delete("tea", 3, "spam"))
        self.assertEqual(deleted.event, e.Deleted("operator", 3, "spam", "bob"))
        self.assertEqual(
            self.acts(),
            [
                e.Acted("operator", "lock", "", "tea"),
                e.Acted("operator", "delete", "bob", "tea", "#3", reason="spam"),
            ],
        )

    def test_it_is_undone_by_the_command_that_undo_gives(self) -> None:
        self.orders(c.Ban("tea", "bob"))
        self.orders(self.wait(staff.undoing(self.rig.host, OPERATOR_ACTOR, 1)))
        self.assertEqual(self.rig.room("tea").state.bans, {})
        for id in (0, 3):
            done = Deferred.fromCoroutine(staff.undoing(self.rig.host, OPERATOR_ACTOR, id))
            self.rig.settle()
            self.failureResultOf(done, NoSuchMessage)
        self.orders(c.SetTopic("tea", "x"))
        self.orders(self.wait(staff.undoing(self.rig.host, OPERATOR_ACTOR, 3)))
        self.assertEqual(self.rig.room("tea").state.topic, "")


class ServerBanTests(StaffTestCase):
    def told(self, client: Client) -> str:
        said: str = client.transport.value().decode()
        client.transport.clear()
        return said

    def test_whom_it_hits_is_told_why_and_disconnected_and_cannot_come_back(self) -> None:
        self.bob.hears()
        other = self.rig.member("cat", address="198.51.100.1")
        waiting = self.rig.connects("192.0.2.8")
        browser = self.rig.connects("192.0.2.8")
        browser.asks("GET / HTTP/1.1", "Host: localhost")
        (entry,) = self.orders(c.ServerBan("address", "192.0.2.0/24", 7200, "spam.", "thrice"))
        sentence = (
            "You are banned from this server for another 2 hours: spam. If you think that is a"
            " mistake, tell its operator, and name ban 1.\r\n"
        )
        self.assertEqual(entry.seq, 1)
        self.assertTrue(self.told(self.bob).endswith(sentence))
        self.assertTrue(self.bob.transport.disconnecting)
        self.assertEqual(self.told(waiting), sentence)
        self.assertTrue(browser.transport.aborted)
        self.assertFalse(other.transport.disconnecting)
        again = self.rig.connects("192.0.2.9")
        again.asks('{"do": "hello"}')
        self.assertEqual(again.receives()[-1]["error"], "banned")
        page = self.rig.connects("192.0.2.9")
        page.asks("GET / HTTP/1.1", "Host: localhost", "")
        self.assertIn("HTTP/1.1 403 Forbidden", self.told(page))
        self.assertEqual(len(self.rig.factory.registry), 5)
        self.rig.clock.advance(7200)
        self.assertIn("Welcome", self.told(self.rig.arrives("/join tea", address="192.0.2.9")))

    def test_its_reason_steers_nobodys_terminal(self) -> None:
        waiting = self.rig.connects("192.0.2.8")
        self.orders(c.ServerBan("address", "192.0.2.8", 0, "\x1b[2J\r\nspam"))
        again = self.rig.arrives(address="192.0.2.8")
        page = self.rig.connects("192.0.2.8")
        page.asks("GET / HTTP/1.1", "Host: localhost", "")
        for told in (self.told(waiting), self.told(again), self.told(page)):
            self.assertIn("banned from this server: ␛[2J␍␊spam.", told)

    def test_it_outlives_the_server_until_it_is_lifted(self) -> None:
        self.orders(c.ServerBan("address", "192.0.2.7"))
        self.rig.restart()
        out = self.rig.arrives(address="192.0.2.7")
        self.assertIn("You are banned from this server. If", self.told(out))
        self.orders(c.ServerUnban("address", "192.0.2.7/32", "sorry"))
        self.assertIn("Welcome", self.told(self.rig.arrives("/join tea", address="192.0.2.7")))
        self.assertIsInstance(self.refuses(c.ServerUnban("address", "192.0.2.7")), NoSuchPerson)

    def test_an_account_and_a_name_are_refused_where_they_are_taken(self) -> None:
        self.orders(c.ServerBan("account", "ann", 0, "abuse"))
        self.assertTrue(self.ann.transport.disconnecting)
        self.orders(c.ServerBan("name", "bad*"))
        guest = self.rig.arrives("/login ann secret", "/nick badger", "/newuser b4d secret")
        heard = guest.hears()
        self.assertIn("The account ann is suspended: abuse.", heard[-3])
        self.assertIn("You are banned from this server.", heard[-2])
        self.assertIn("b4d", heard[-1])
        wrong = self.rig.arrives("/login ann wrong")
        self.assertIn("Wrong name or password", wrong.hears()[-1])

    def test_this_machine_is_never_kept_out(self) -> None:
        self.assertIsInstance(self.refuses(c.ServerBan("address", "127.0.0.0/8")), NotAllowed)
        actor = Actor("x", "x", False, "127.0.0.1")
        self.assertIsNone(barred(self.rig.network.office, actor, 0))

    def test_who_would_be_hit_is_told_and_nothing_happens(self) -> None:
        self.assertIn(("bob", True), self.hit(c.ServerBan("address", "192.0.2.0/24")))
        self.assertEqual(self.acts(), [])

    def test_so_is_who_would_have_been_in_the_last_seven_days(self) -> None:
        self.bob.hangs_up()
        command = c.ServerBan("address", "192.0.2.7")
        self.assertEqual(self.hit(command), [("bob", False)])  # which is not written yet
        self.rig.clock.advance(visitors.WRITE_SECONDS)
        self.rig.settle()
        for days, found in ((6, [("bob", False)]), (1.1, [])):
            self.rig.clock.advance(days * 86400)
            self.assertEqual(self.hit(command), found)

    def test_so_it_is_when_the_server_was_started_again(self) -> None:
        self.bob.hangs_up()
        self.rig.clock.advance(visitors.WRITE_SECONDS)
        self.rig.settle()
        self.rig.restart()
        self.assertEqual(self.hit(c.ServerBan("address", "192.0.2.7")), [("bob", False)])
        kept = [entry.event for entry in self.rig.store.kept(VISITS)]
        self.assertEqual(kept[0], e.RetentionSet("", 7 * 86400))
        self.assertIn(e.Visited("bob", False, "192.0.2.7"), kept)

    def test_who_was_here_is_forgotten_after_that(self) -> None:
        self.rig.clock.advance(visitors.WRITE_SECONDS)
        self.rig.settle()
        self.rig.arrives("/nick late")
        for _ in range(30):  # the log sleeps after five minutes, and is swept all the same
            self.rig.clock.advance(8 * 3600)
            self.rig.settle()
        events = [entry.event for entry in self.rig.store.kept(VISITS)]
        self.assertEqual([one.who for one in events if isinstance(one, e.Visited)], [])

    def test_a_flood_of_guests_writes_no_more_than_it_has_addresses(self) -> None:
        for number in range(20):
            self.rig.arrives(address=f"203.0.113.{number % 2}").hangs_up()
        self.rig.settle()
        self.rig.clock.advance(visitors.WRITE_SECONDS)
        self.rig.settle()
        events = [entry.event for entry in self.rig.store.kept(VISITS)]
        seen = [one.address for one in events if isinstance(one, e.Visited)]
        self.assertEqual(
            sorted(a for a in seen if a.startswith("203")), ["203.0.113.0", "203.0.113.1"]
        )

    def hit(self, command: c.ServerBan) -> list[tuple[str, bool]]:
        """Return whom ``command`` would hit, and whether they are here."""
        found = self.wait(foresight.foresee(self.rig.host, OPERATOR_ACTOR, command))
        return [(fate.actor.name, fate.here) for fate in found.fates]

    def test_staff_bans_in_json_and_by_a_name_for_the_command_once(self) -> None:
        self.orders(c.SetRank("ann", "moderator"))
        robot = self.rig.connects("198.51.100.1")
        robot.sends("login", name="ann", password="secret")
        robot.receives()
        for _ in range(2):
            robot.sends("serverban", kind="account", what="eve", note="n", cid="7")
            self.assertEqual(robot.receives()[-1], {"ok": "7", "room": STAFF, "seq": 2})
        self.assertEqual(len(self.acts()), 2)


class PurgeTests(StaffTestCase):
    def test_what_someone_said_lately_is_deleted_everywhere(self) -> None:
        self.bob.types("long ago")
        self.rig.clock.advance(3600)
        self.bob.types(*[f"spam {n}" for n in range(staff.PIECE + 5)])
        self.ann.types("/join tea", "not spam")
        self.bob.types("/join milk", "more spam")
        command = c.Purge("*", "BOB", 600, "spam")
        count = self.wait(staff.purgeable(self.rig.host, OPERATOR_ACTOR, command))
        self.assertEqual(count, staff.PIECE + 6)
        (entry,) = self.orders(command)
        assert isinstance(entry.event, e.Acted)
        self.assertEqual((entry.event.to, entry.event.was), (str(staff.PIECE + 6), "600"))
        left = [
            entry.event
            for room in ("tea", "milk")
            for entry in self.rig.store.kept(room)
            if isinstance(entry.event, e.Said)
        ]
        self.assertEqual(left, [e.Said("bob", "long ago"), e.Said("ann", "not spam")])

    def test_it_is_for_staff(self) -> None:
        self.assertIsInstance(
            self.refuses(c.Purge("tea", "bob", 60), self.bob.session.actor), NotAllowed
        )
        self.assertIsInstance(self.refuses(c.Purge("tea", "bob", 0)), Malformed)
        self.assertIsInstance(self.refuses(c.Purge("tea", "bob", 60, "why" * 200)), Malformed)
        self.assertIsInstance(self.refuses(c.Purge("tea", "bob" * 200, 60)), Malformed)
