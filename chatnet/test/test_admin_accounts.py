"""What staff does to accounts: suspends, warns, and gives other passwords, over AMP in memory."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from chatnet.admin import trying
from chatnet.admin.calls import Login
from chatnet.admin.deeds import all_of_them
from chatnet.admin.desk import Building, Desk
from chatnet.admin.operator import Operator
from chatnet.admin.verbs import understand
from chatnet.core import events as e, refusals
from chatnet.core.events import Acted
from chatnet.core.names import STAFF
from chatnet.core.refusals import NotAllowed
from chatnet.core.roles import Rank
from chatnet.server import persons
from chatnet.test.rig import Client
from chatnet.test.test_admin_port import PortCase, texts


class AccountCase(PortCase):
    def setUp(self) -> None:
        super().setUp()
        self.line = self.calls_at()
        self.ann = self.rig.account("ann")

    def say(self, words: str) -> str:
        return str(self.answer(self.line, words)["said"])

    def no(self, words: str) -> Exception:
        return self.refusal(self.line, words)

    def logs_in(self, password: str = "secret", name: str = "ann") -> Client:
        return self.rig.arrives(f"/login {name} {password}")

    def heard(self, client: Client) -> str:
        return "\n".join(client.hears())

    def refused_to(self, rank: Rank, words: str) -> str:
        """Return why somebody of ``rank`` may not do it."""
        verb, given = understand(words.split())
        operator = Operator(self.rig.host, "1", "mia", rank)
        done: Deferred[Any] = Deferred.fromCoroutine(self.desk.do(operator, verb, given))
        self.rig.settle()
        return str(self.failureResultOf(done, NotAllowed).value)

    def stored(self) -> str:
        """Return all that the staff's log says."""
        return repr([entry.event for entry in self.rig.store.kept(STAFF)])


class SuspensionTests(AccountCase):
    def test_a_suspended_account_is_told_why_parted_with_and_not_let_in(self) -> None:
        said = self.say("account suspend Ann --for 2h --reason rude")
        self.assertEqual(said, "Done: act 1. undo 1 takes it back.")
        told = "The account ann is suspended for another 2 hours: rude. If you think that is a"
        self.assertIn(told, self.heard(self.ann))
        told = "The account ann is suspended for another"
        self.assertTrue(self.ann.transport.disconnecting)
        self.assertIn(told, self.heard(self.logs_in()))
        (row,) = self.rows(self.line, "account show ann")
        self.assertTrue(row["suspended"])
        self.rig.restart()
        self.assertIn(told, self.heard(self.logs_in()))
        self.assertIn("Wrong name or password", self.heard(self.logs_in("wrong")))

    def test_it_ends_by_itself_is_lifted_and_taken_back(self) -> None:
        self.say("account suspend ann --for 2h")
        self.rig.clock.advance(7201)
        self.assertIn("You are logged in as ann", self.heard(self.logs_in()))
        self.say("account suspend ann")
        self.say("account resume ann --reason sorry")
        self.assertIn("You are logged in as ann", self.heard(self.logs_in()))
        self.say("account suspend ann")
        self.say("undo 4")
        self.assertIn("You are logged in as ann", self.heard(self.logs_in()))
        self.assertIsInstance(self.no("account resume ann"), refusals.NoSuchPerson)
        self.assertIsInstance(self.no("account suspend nobody"), refusals.NoSuchPerson)

    def test_staff_that_is_suspended_does_not_operate(self) -> None:
        self.say("account role ann moderator")
        line, pump = self.calls_at(trusted=False, tls=True), self.pump
        asked = {"name": "ann", "password": "secret"}
        self.asks(line, Login, asked)
        local = self.calls_at()
        self.answer(local, "account suspend ann")
        self.pump = pump
        self.assertIsInstance(self.refusal(line, "status"), refusals.Banned)
        again = self.calls_at(trusted=False, tls=True)
        self.assertIsInstance(self.refused(again, Login, asked), refusals.Banned)


class WarningTests(AccountCase):
    def test_a_warning_is_told_and_noted(self) -> None:
        bob = self.rig.member("bob")
        self.assertEqual(self.say("warn bob be kind"), "Done: act 1.")
        self.assertIn("operator: A warning from this server's staff: be kind", self.heard(bob))
        (row,) = self.rows(self.line, "audit")
        self.assertEqual((row["did"], row["whom"], row["reason"]), ("warn", "bob", "be kind"))
        self.assertIsInstance(self.no("warn nobody be kind"), refusals.NoSuchPerson)
        self.assertIsInstance(self.no(f"warn bob {'x' * 400}"), refusals.Malformed)

    def test_who_is_not_here_reads_it_at_the_next_login(self) -> None:
        self.ann.types("/quit")
        self.ann.hangs_up()
        self.rig.settle()
        self.say("warn ann be kind")
        self.assertIn("staff: be kind", self.heard(self.logs_in()))


class PasswordTests(AccountCase):
    def test_another_password_holds_at_once_and_who_is_there_is_parted_with(self) -> None:
        self.assertEqual(self.say("account passwd ann open-sesame"), "Done: act 1.")
        self.assertIn("Staff gave your account another password", self.heard(self.ann))
        self.assertIn("Wrong name or password", self.heard(self.logs_in()))
        self.assertIn("You are logged in as ann", self.heard(self.logs_in("open-sesame")))
        self.assertEqual(texts(self.rows(self.line, "audit"), "did"), ["passwd"])
        self.assertNotIn("sesame", self.stored())
        self.assertIsInstance(self.no("account passwd ann x"), refusals.BadPassword)
        self.assertIsInstance(self.no("account passwd nobody xxxx"), refusals.NoSuchPerson)

    def test_nobody_takes_over_who_has_their_rank(self) -> None:
        self.say("account role ann admin")
        why = self.refused_to(Rank.ADMIN, "account passwd ann open-sesame")
        self.assertIn("ann is an admin, and not yours to change", why)


class CodeTests(AccountCase):
    def code(self) -> str:
        (row,) = self.rows(self.line, "account reset-code ann")
        return str(row["code"])

    def test_a_code_is_a_password_until_another_one_is_set_with_it(self) -> None:
        code = self.code()
        self.assertRegex(code, "^[a-z2-7]{4}(-[a-z2-7]{4}){3}$")
        self.assertIn("You are logged in as ann", self.heard(self.logs_in()))
        self.rig.restart()
        ann = self.logs_in(code.upper())
        heard = self.heard(ann)
        self.assertIn("You are logged in as ann", heard)
        self.assertIn("That is a code, for a day. Choose a password: /passwd CODE NEW", heard)
        ann.types(f"/passwd {code} x")
        self.assertIn("A password has 4 to", self.heard(ann))
        ann.types(f"/passwd {code} open-sesame")
        self.assertIn("Your password is changed.", self.heard(ann))
        ann.types(f"/passwd {code} other-sesame")
        self.assertIn("not the password you have now", self.heard(ann))
        for word, told in (
            (code, "Wrong name"),
            ("secret", "Wrong name"),
            ("open-sesame", "You are logged in"),
        ):
            self.assertIn(told, self.heard(self.logs_in(word)))
        self.assertEqual([act.verb for act in self.acts()], ["reset-code", "passwd"])
        self.assertNotIn(code, self.stored())
        self.assertNotIn("sesame", self.stored())

    def test_it_is_over_after_a_day_and_when_there_is_another_one(self) -> None:
        first, second = self.code(), self.code()
        self.assertIn("Wrong name", self.heard(self.logs_in(first)))
        self.assertIn("You are logged in", self.heard(self.logs_in(second)))
        self.rig.clock.advance(86_401)
        self.assertIn("Wrong name", self.heard(self.logs_in(second)))

    def test_it_is_over_when_the_password_is_changed_without_it(self) -> None:
        code = self.code()
        self.ann.types("/passwd secret open-sesame")
        self.assertIn("Wrong name", self.heard(self.logs_in(code)))
        code = self.code()
        self.say("account passwd ann third-sesame")
        self.assertIn("Wrong name", self.heard(self.logs_in(code)))

    def test_it_is_no_way_around_a_suspension_nor_for_anybody_else(self) -> None:
        code = self.code()
        self.rig.account("bob")
        self.assertIn("Wrong name", self.heard(self.logs_in(code, "bob")))
        self.say("account suspend ann")
        self.assertIn("is suspended", self.heard(self.logs_in(code)))

    def test_guesses_have_to_wait(self) -> None:
        self.code()
        guest = self.rig.arrives(*["/login ann aaaa-aaaa-aaaa-aaaa"] * 30)
        self.rig.settle()
        self.assertGreater(self.rig.host.accounts.delayed, 0)
        guest.hangs_up()

    def test_the_audit_shows_that_there_is_one_and_not_which(self) -> None:
        code = self.code()
        (row,) = self.rows(self.line, "audit")
        self.assertEqual((row["did"], row["whom"]), ("reset-code", "ann"))
        self.assertNotIn("argon2", repr(row))
        self.assertNotIn(code, repr(row))
        self.assertIsInstance(self.no("undo 1"), NotAllowed)

    def acts(self) -> list[Acted]:
        events = [entry.event for entry in self.rig.store.kept(STAFF)]
        return [event for event in events if isinstance(event, Acted)]


class KeptTests(AccountCase):
    def setUp(self) -> None:
        super().setUp()
        self.rig.clock.advance(1)
        self.bob = self.rig.member("bob")
        self.ann.types("/join tea", "one", "two", "/roll 2d6", "/msg bob psst")
        self.bob.types("three", "/msg ann pssst")

    def gone(self) -> None:
        self.ann.types("/quit")
        self.ann.hangs_up()
        self.rig.settle()

    def test_all_that_is_kept_is_exported_a_row_each(self) -> None:
        self.ann.types("/join cake", "x" * 9000)
        rows = self.rows(self.line, "account export ann")
        self.assertEqual((rows[0]["account"], rows[0]["rank"]), ("ann", "user"))
        self.assertEqual(
            {(row["room"], row["is"]) for row in rows if row["kept"] == "membership"},
            {("cake", "member"), ("cake", "moderator"), ("cake", "owner")},
        )
        said = [row for row in rows if row["kept"] == "said"]
        self.assertEqual(
            {(row["room"], row["text"]) for row in said if len(row["text"]) < 9},
            {("tea", "one"), ("tea", "two")},
        )
        self.assertEqual("".join(row["text"] for row in said if row["room"] == "cake"), "x" * 9000)
        self.assertEqual([row["part"] for row in said if row["room"] == "cake"], [1, 2, 3])
        self.assertEqual([row["room"] for row in rows if row["kept"] == "rolled"], ["tea"])
        self.assertEqual(
            [(row["by"], row["to"], row["text"]) for row in rows if row["kept"] == "whispered"],
            [("ann", "bob", "psst"), ("bob", "ann", "pssst")],
        )
        self.assertNotIn("argon2", repr(rows))
        self.assertNotIn("three", repr(rows))
        self.assertEqual(texts(self.rows(self.line, "audit"), "did"), ["export"])

    def test_rooms_that_are_not_in_memory_and_what_was_said_before_the_account(self) -> None:
        guest = self.rig.member("cat", "milk")
        guest.types("as a guest")
        self.rig.clock.advance(5)
        guest.types("/newuser cat secret", "as myself")
        self.rig.restart()
        building = Building(self.rig.factory, 0.0, list, list, lambda: (self.rig.settings, ()))
        self.desk = Desk(building, all_of_them(), trying.all_of_them())
        self.line = self.calls_at()
        rows = self.rows(self.line, "account export cat")
        self.assertEqual([row["text"] for row in rows if row["kept"] == "said"], ["as myself"])

    def test_an_account_is_erased_with_what_it_said(self) -> None:
        self.ann.types("/join cake", *[f"number {n}" for n in range(5)])
        self.patch(persons, "PIECE", 2)
        self.gone()
        said = self.say("account erase ann --sure --reason asked")
        self.assertIn("ann is erased, with 7 messages.", said)
        self.rig.settle()
        for room in ("tea", "cake"):
            bodies = [e.body_of(entry.event) for entry in self.rig.store.kept(room)]
            self.assertEqual("".join(bodies), "three" if room == "tea" else "")
        self.assertEqual(self.rig.store.kept("@ann"), [])
        self.assertEqual(self.rig.room("cake").state.moderators, {})
        self.assertIn("Wrong name", self.heard(self.logs_in()))
        self.rig.account("ann", "another")
        self.assertIn("You are logged in as ann", self.heard(self.logs_in("another")))
        acts = [(row["did"], row["to"], row["reason"]) for row in self.rows(self.line, "audit")]
        self.assertEqual(acts[0], ("erase", "7 messages", "asked"))
        self.assertIsInstance(self.no("undo 2"), NotAllowed)

    def test_also_in_rooms_that_nobody_uses_however_many_were_opened_since(self) -> None:
        self.ann.types("/join cake", "of long ago", "/leave")
        self.gone()
        for number in range(7):
            self.rig.arrives(f"/join room{number}").types("hello", "/leave")
        self.rig.clock.advance(1000)
        self.rig.settle()
        self.assertNotIn("cake", self.rig.network.audiences)
        self.assertIn("with 3 messages.", self.say("account erase ann --sure"))
        self.assertNotIn("of long ago", repr(self.rig.store.kept("cake")))

    def test_who_is_here_is_parted_with_and_leaves_first(self) -> None:
        results: list[Any] = []
        command, values = self.command("account erase ann --sure")
        self.line.callRemote(command, **values).addBoth(results.append)
        self.settle()
        self.assertIn("Your account is erased. Goodbye.", self.heard(self.ann))
        self.assertEqual(results, [])
        self.ann.hangs_up()
        self.settle()
        (answer,) = results
        self.assertIn("ann is erased, with 2 messages.", answer["said"])
        self.assertEqual(self.rig.store.kept("@ann"), [])

    def test_it_has_to_be_said_and_is_not_for_everybody(self) -> None:
        self.assertIn("say --sure", str(self.no("account erase ann")))
        self.say("account role ann owner")
        self.assertIn("the server's last owner", str(self.no("account erase ann --sure")))
        self.assertIn("not yours", self.refused_to(Rank.ADMIN, "account erase ann --sure"))
        self.assertIn("not yours", self.refused_to(Rank.ADMIN, "account export ann"))
        self.rig.account("cat")
        self.say("account role cat owner")
        self.gone()
        self.assertIn("is erased", self.say("account erase ann --sure"))
        self.assertEqual(list(self.rig.network.office.ranks), ["cat"])
        self.assertIsInstance(self.no("account erase ann --sure"), refusals.NoSuchPerson)

    def test_it_is_done_once_at_a_time(self) -> None:
        self.rig.account("cat")
        for name in ("ann", "cat"):
            self.say(f"account role {name} owner")
        command, values = self.command("account erase ann --sure")
        results: list[Any] = []
        self.line.callRemote(command, **values).addBoth(results.append)
        self.settle()
        self.assertIn("is just being erased", str(self.no("account erase ann --sure")))
        self.assertIn("the server's last owner", str(self.no("account erase cat --sure")))
        self.ann.hangs_up()
        self.settle()
        self.assertIn("ann is erased", results[0]["said"])
        self.assertEqual(self.rig.network.erasing, set())

    def test_what_is_broken_off_is_taken_up_again(self) -> None:
        self.gone()
        broken = self.patch(self.rig.store, "remove", self.fail_to_store)
        self.assertIsInstance(self.no("account erase ann --sure"), refusals.Unavailable)
        self.assertIn("Wrong name", self.heard(self.logs_in()))
        broken.restore()
        self.assertIn("with 0 messages", self.say("account erase ann --sure"))

    def fail_to_store(self, key: str) -> None:
        raise OSError("disk full")
