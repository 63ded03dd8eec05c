"""Passwords, and the brakes on guessing them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.portal import IRealm
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from chatnet.accounts import throttle
from chatnet.accounts.accounts import Accounts
from chatnet.accounts.passwords import derive, matches, outdated
from chatnet.accounts.realm import AccountRealm, PasswordChecker
from chatnet.accounts.throttle import (
    FREE_PER_SECRET,
    SECRET_SECONDS,
    Throttle,
)
from chatnet.accounts.turns import MOST_WAITING
from chatnet.core.limits import Limits
from chatnet.core.names import person_name
from chatnet.core.refusals import TooManyTries, WrongPassword
from chatnet.interfaces import Account, Gone, IAccounts, never
from chatnet.stores.memory import MemoryStore
from chatnet.test.rig import ByHand

FREE_PER_PAIR, FREE_PER_ADDRESS = 5, 20
CHEAP = "$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc$ue3U0EZG3/+XGOsOGLh5c0ANXyUqSgVKB4gUFg3yutw"


class PasswordTests(SynchronousTestCase):
    def test_a_verifier_is_argon2id_and_tells_right_from_wrong(self) -> None:
        verifier = derive("pässword", lambda count: b"s" * count)
        self.assertTrue(verifier.startswith("$argon2id$v=19$m=19456,t=2,p=1$"))
        self.assertTrue(matches("pässword", verifier))
        self.assertFalse(matches("password", verifier))
        self.assertFalse(outdated(verifier))

    def test_one_made_with_other_parameters_is_outdated(self) -> None:
        self.assertTrue(outdated(CHEAP))


class CountingStore(MemoryStore):
    """Counts how often it is asked for accounts; it may fail."""

    asked = 0
    broken = False

    def holders(self, claims: Iterable[str]) -> Mapping[str, Account]:
        self.asked += 1
        if self.broken:
            raise OSError("gone")
        return super().holders(claims)


class FindingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.store, self.hands = CountingStore(), ByHand()
        self.accounts = Accounts(
            Clock(), self.store, self.hands, self.store, self.hands, self.hands, bytes
        )
        self.store.add(person_name("Tom1"), "verifier", 0)
        self.store.asked = 0

    def find(self, *names: str) -> list[Deferred[Account | None]]:
        return [self.accounts.find(person_name(name)) for name in names]

    def work(self) -> None:
        while self.hands.calls:
            self.hands.step()

    def test_who_is_sought_while_others_are_is_sought_with_all_who_wait(self) -> None:
        found = self.find("bob", *(f"ann{n}" for n in range(20)), "toml")
        self.work()
        self.assertEqual(self.store.asked, 2)
        *nobody, tom = [self.successResultOf(one) for one in found]
        self.assertEqual(set(nobody), {None})
        assert tom is not None
        self.assertEqual(tom.name, "Tom1")

    def test_who_is_sought_later_is_looked_up_later(self) -> None:
        (before,) = self.find("bob")
        self.hands.step()
        self.store.add(person_name("bob"), "verifier", 0)
        (after,) = self.find("bob")
        self.work()
        self.assertIsNone(self.successResultOf(before))
        self.assertIsNotNone(self.successResultOf(after))

    def test_a_store_that_fails_fails_for_those_who_asked(self) -> None:
        self.store.broken = True
        broken = self.find("bob", "ann", "eve")
        self.work()
        for one in broken:
            self.failureResultOf(one, OSError)
        self.store.broken = False
        (fine,) = self.find("bob")
        self.work()
        self.assertIsNone(self.successResultOf(fine))


class ThrottleTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.throttle = Throttle(self.clock)

    def test_the_first_tries_are_free_and_the_next_cost_more_and_more(self) -> None:
        waits = [self.throttle.take("tom", "192.0.2.1") for _ in range(FREE_PER_PAIR + 4)]
        self.assertEqual(waits, [0.0] * FREE_PER_PAIR + [1.0, 3.0, 7.0, 15.0])

    def test_many_at_once_gain_nothing(self) -> None:
        with self.assertRaisesRegex(TooManyTries, "Try again in"):
            for _ in range(100):
                self.throttle.take("tom", "192.0.2.1")

    def test_one_address_that_tries_many_accounts_is_slowed_as_well(self) -> None:
        waits = [self.throttle.take(f"tom{n}", "192.0.2.1") for n in range(FREE_PER_ADDRESS + 1)]
        self.assertEqual((waits[-2], waits[-1]), (0.0, 1.0))
        self.assertEqual(self.throttle.take("tom", "192.0.2.2"), 0.0)

    def test_one_network_of_ipv6_is_one_address(self) -> None:
        waits = [self.throttle.take("tom", f"2001:db8::{n}") for n in range(1, FREE_PER_PAIR + 2)]
        self.assertEqual(waits[-1], 1.0)
        self.assertEqual(self.throttle.take("tom", "2001:db8:0:1::1"), 0.0)

    def test_nobody_is_locked_out_by_others(self) -> None:
        for n in range(2000):
            address = f"198.51.{n // 250}.{n % 250}"
            self.assertLessEqual(self.throttle.take("tom", address), SECRET_SECONDS)
        self.assertEqual(self.throttle.take("tom", "192.0.2.1"), SECRET_SECONDS)

    def test_this_machine_has_more_tries_at_each_secret_and_not_for_ever(self) -> None:
        free = int(FREE_PER_SECRET.most)
        for address in ("127.0.0.1", "::1", "::ffff:127.0.0.1", ""):
            waits = [self.throttle.take(f"tom{address}", address) for _ in range(free + 2)]
            self.assertEqual((waits[free - 1], waits[free]), (0.0, SECRET_SECONDS))
            with self.assertRaises(TooManyTries):
                for _ in range(5):
                    self.throttle.take(f"tom{address}", address)
            self.assertEqual(self.throttle.take(f"ann{address}", address), 0.0)
            self.assertEqual(self.throttle.take(f"tom{address}", "192.0.2.1"), SECRET_SECONDS)

    def test_a_success_is_no_try(self) -> None:
        for _ in range(300):
            self.assertEqual(self.throttle.take("tom", "192.0.2.1"), 0.0)
            self.throttle.succeeded("tom", "192.0.2.1")

    def test_tries_are_forgotten(self) -> None:
        for _ in range(FREE_PER_PAIR + 1):
            self.throttle.take("tom", "192.0.2.1")
        self.clock.advance(15 * 60 + 1)
        self.assertEqual(self.throttle.take("tom", "192.0.2.1"), 0.0)

    def test_those_of_an_address_are_remembered_for_an_hour(self) -> None:
        for n in range(FREE_PER_ADDRESS):
            self.throttle.take(f"tom{n}", "192.0.2.1")
        self.clock.advance(50 * 60)
        self.assertEqual(self.throttle.take("ann", "192.0.2.1"), 1.0)

    def test_how_many_are_free_can_be_set(self) -> None:
        self.throttle = Throttle(self.clock, Limits([("logins", "2/1m")]))
        waits = [self.throttle.take("tom", "192.0.2.1") for _ in range(3)]
        self.assertEqual(waits, [0.0, 0.0, 1.0])

    def test_a_refused_try_is_not_remembered(self) -> None:
        with self.assertRaises(TooManyTries):
            for n in range(100):
                self.throttle.take(f"tom{n}", "192.0.2.1")
        known = len(self.throttle._tries)
        for n in range(1000):
            self.assertRaises(TooManyTries, self.throttle.take, f"ann{n}", "192.0.2.1")
        self.assertEqual(len(self.throttle._tries), known)

    def test_what_is_remembered_is_bounded(self) -> None:
        self.patch(throttle, "_MOST_KEYS", 100)
        for n in range(1000):
            self.throttle.take(f"tom{n}", "127.0.0.1")
        self.assertEqual(len(self.throttle._tries), 100)


class AccountsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.hands, self.store = Clock(), ByHand(), MemoryStore()
        self.accounts = Accounts(
            self.clock, self.store, self.hands, self.store, self.hands, self.hands, bytes
        )

    def work(self) -> None:
        while self.hands.calls:
            self.hands.step()

    def test_they_keep_their_interfaces(self) -> None:
        verifyObject(IAccounts, self.accounts)
        verifyObject(IRealm, AccountRealm(self.store, self.hands))
        checker = PasswordChecker(self.store, self.hands, self.hands, bytes)
        verifyObject(ICredentialsChecker, checker)

    def test_no_password_is_worked_on_by_the_reactors_thread(self) -> None:
        done = self.accounts.register(person_name("tom"), "secret", "192.0.2.1")
        self.work()
        self.successResultOf(done)
        done = self.accounts.login(person_name("tom"), "secret", "192.0.2.1")
        self.hands.step()  # the store
        self.assertEqual(len(self.hands.calls), 1)
        self.assertNoResult(done)
        self.work()
        self.assertEqual(self.successResultOf(done).name, "tom")

    def test_an_unknown_account_takes_as_long_as_a_wrong_password(self) -> None:
        done = self.accounts.login(person_name("noone"), "secret", "192.0.2.1")
        for _ in range(3):  # the store, a decoy made once, and the comparison with it
            self.assertNoResult(done)
            self.hands.step()
        self.failureResultOf(done, WrongPassword)

    def test_an_account_that_is_removed_meanwhile_lets_nobody_in(self) -> None:
        self.store.add(person_name("tom"), CHEAP, 0)
        done = self.accounts.login(person_name("tom"), "secret", "192.0.2.1")
        for _ in range(2):  # the store, and the comparison
            self.hands.step()
        self.store.remove("tom")
        self.work()
        self.failureResultOf(done, WrongPassword)

    def test_a_login_makes_an_outdated_verifier_new(self) -> None:
        self.store.add(person_name("tom"), CHEAP, 0)
        self.assertTrue(matches("secret", CHEAP))
        done = self.accounts.login(person_name("tom"), "secret", "192.0.2.1")
        self.work()
        self.successResultOf(done)
        account = self.store.holders(["tom"]).get("tom")
        assert account is not None
        self.assertFalse(outdated(account.verifier))

    def test_a_flood_of_logins_is_bounded(self) -> None:
        gone = [False]
        tries = [
            self.accounts.login(person_name(f"tom{n}"), "x", "", lambda: gone[0])
            for n in range(MOST_WAITING + 1)
        ]
        self.failureResultOf(self.accounts.login(person_name("ann"), "x", ""), TooManyTries)
        honest = self.accounts.login(person_name("ann"), "x", "192.0.2.1")
        self.failureResultOf(tries.pop(), TooManyTries)  # the one that would be last
        self.assertNoResult(honest)
        gone[0] = True
        self.accounts.login(person_name("bob"), "x", "").addErrback(lambda _: None)
        for one in tries[1:]:
            self.failureResultOf(one, TooManyTries)
        self.work()
        self.failureResultOf(honest, WrongPassword)
        self.failureResultOf(tries[0], WrongPassword)


class TurnsTests(SynchronousTestCase):
    """Who waits for whom, while one password after the other is computed."""

    def setUp(self) -> None:
        self.clock, self.hands, store = Clock(), ByHand(), MemoryStore()
        self.accounts = Accounts(
            self.clock, store, self.hands, store, self.hands, self.hands, bytes,
            limits=Limits([("logins", "1000/15m"), ("logins-address", "1000/1h")]),
        )  # fmt: skip
        self.order: list[str] = []

    def tries(self, who: str, address: str, gone: Gone = never) -> None:
        done = self.accounts.verify(who, CHEAP, address, gone)
        done.addBoth(lambda came: self.order.append(f"{who} is gone" if gone() else who))

    def work(self) -> None:
        while self.hands.calls:
            self.clock.advance(0.02)
            self.hands.step()

    def test_who_tries_once_waits_for_none_of_the_tenths(self) -> None:
        for n in range(10):
            for address in range(3):
                self.tries(f"flood{n}", f"198.51.100.{address}")
        self.tries("ann", "192.0.2.1")
        self.work()
        self.assertEqual(len(self.order), 31)
        self.assertLessEqual(self.order.index("ann"), 3, self.order)

    def test_who_guessed_before_waits_for_who_did_not(self) -> None:
        guessers = [f"198.51.100.{n}" for n in range(40)]
        for address in guessers:
            self.tries("guess", address)
        self.work()
        for address in guessers:
            self.tries("again", address)
        for n in range(10):
            self.tries("ann", f"192.0.2.{n}")
        self.order.clear()
        self.work()
        self.assertEqual(self.order[:11], ["again", *["ann"] * 10])

    def test_who_guesses_comes_to_its_turn_too(self) -> None:
        for _ in range(5):
            self.tries("guess", "198.51.100.1")
        self.work()
        self.tries("ann0", "192.0.2.1")
        self.tries("guess", "198.51.100.1")
        for n in range(1, 20):
            self.tries(f"ann{n}", f"192.0.2.{n}")
            self.hands.step()
        self.assertIn("guess", self.order)

    def test_what_somebody_tried_who_is_gone_is_not_computed(self) -> None:
        left = [False]
        self.tries("ann", "192.0.2.1")
        for n in range(50):
            self.tries("guess", f"198.51.100.{n}", lambda: left[0])
        self.tries("bob", "192.0.2.2")
        left[0] = True
        self.assertEqual(len(self.hands.calls), 1)
        self.hands.step()
        self.assertEqual(len(self.hands.calls), 1)
        self.hands.step()
        self.assertEqual(sorted(self.order), ["ann", "bob", *["guess is gone"] * 50])
        self.assertEqual(self.hands.calls, [])

    def test_as_many_are_computed_at_once_as_there_are_threads(self) -> None:
        store = MemoryStore()
        two = Accounts(
            self.clock, store, self.hands, store, self.hands, self.hands, bytes, at_once=2
        )
        done = [two.hash(f"word{n}") for n in range(4)]
        self.assertEqual(len(self.hands.calls), 2)
        self.work()
        for one in done:
            self.assertTrue(self.successResultOf(one).startswith("$argon2id$"))
