"""Messages that are deleted: by whom, what is left of them, and who is told."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from chatnet.accounts import passwords
from chatnet.core.events import Deleted, Erased, Said
from chatnet.core.log import Log
from chatnet.core.series import Series
from chatnet.test.rig import Client, Rig


class DeletionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.patch(passwords, "_MEMORY_KIB", 8)  # as safe as it is quick
        self.patch(passwords, "_PASSES", 1)
        self.patch(passwords, "_PARAMETERS", "$argon2id$v=19$m=8,t=1,p=1$")
        self.rig = Rig()
        self.ann, self.bob = self.rig.member("ann"), self.rig.member("bob")
        self.ann.hears()

    def bodies(self) -> list[str]:
        """Return what the store holds of what was said."""
        said = [entry.event for entry in self.rig.store.kept("tea")]
        return [event.body for event in said if isinstance(event, Said)]

    def seq_of(self, body: str) -> int:
        """Return where ``body`` was said."""
        for entry in self.rig.store.kept("tea"):
            if isinstance(entry.event, Said) and entry.event.body == body:
                return entry.seq
        raise AssertionError(f"nobody said {body}")

    def refused(self, who: Client, line: str, *words: str) -> None:
        """See that ``who`` is told no, in a sentence with ``words``, and nothing happens."""
        before = self.rig.store.kept("tea")
        who.hears()
        who.types(line)
        [told] = who.hears()
        for word in words:
            self.assertIn(word, told)
        self.assertEqual(self.rig.store.kept("tea"), before)

    def test_ones_own_last_message(self) -> None:
        self.bob.types("hello", "a secret")
        self.refused(self.bob, "/delete it slipped out", "Nothing was deleted")
        self.bob.types(f"/delete #{self.seq_of('a secret')} it slipped out")
        self.assertEqual(self.ann.hears()[-1], "bob deleted their own message: it slipped out")
        self.assertEqual(self.bob.hears(), ["bob deleted their own message: it slipped out"])
        self.assertEqual(self.bodies(), ["hello"])
        self.bob.types("/delete")
        self.assertEqual(self.bodies(), [])
        self.refused(self.bob, "/delete", "nothing in tea that is yours")

    def test_what_is_typed_together_is_done_in_order(self) -> None:
        self.bob.asks("a secret", "/delete", "tea?")
        self.rig.settle()
        self.assertEqual(self.bodies(), ["tea?"])

    def test_ones_own_by_its_number(self) -> None:
        self.bob.types("one", "two", "three")
        self.bob.types(f"/delete #{self.seq_of('two')}")
        self.assertEqual(self.bodies(), ["one", "three"])
        self.refused(self.bob, "/delete #4x", "Nothing was deleted")
        self.refused(self.bob, "/delete #99", "no message #99")
        self.refused(self.bob, "/delete #1", "#1 of tea is not a message")
        self.refused(self.bob, "/delete #5", "deleted before")

    def test_others_words_are_for_moderators(self) -> None:
        self.ann.types("of ann")
        self.bob.types("of bob")
        self.refused(self.bob, f"/delete #{self.seq_of('of ann')}", "moderator", "ann")
        self.ann.types(f"/delete #{self.seq_of('of bob')} rude")
        self.assertEqual(self.bob.hears()[-1], "ann deleted a message by bob: rude")
        self.assertEqual(self.bodies(), ["of ann"])

    def test_only_who_is_in_the_room_may(self) -> None:
        self.ann.types("hello")
        zoe = self.rig.arrives("/nick zoe")
        zoe.hears()
        zoe.types("/delete")
        self.assertIn("You are in no room", zoe.hears()[-1])
        bot = self.rig.program("bot")
        bot.sends("delete", room="tea", message=self.seq_of("hello"), cid="1")
        [told] = bot.receives()
        self.assertEqual((told["error"], told["cid"]), ("not-a-member", "1"))

    def test_the_muted_may_take_back_what_they_said(self) -> None:
        self.bob.types("rude")
        self.ann.types("/mute bob")
        self.bob.types("/delete")
        self.assertEqual(self.bodies(), [])

    def test_a_guest_that_came_again_is_not_known_to_be_the_same(self) -> None:
        self.bob.types("of bob")
        seq = self.seq_of("of bob")
        self.bob.types("/leave", "/join tea")
        self.refused(self.bob, f"/delete #{seq}", "moderator")
        self.bob.hangs_up()
        self.rig.settle()
        other = self.rig.member("bob")  # somebody else, perhaps
        self.refused(other, f"/delete #{seq}", "moderator")
        self.refused(other, "/delete", "nothing in tea that is yours")

    def test_a_name_that_changed_hands_brings_nothing_with_it(self) -> None:
        cat = self.rig.member("cat")
        self.bob.types("of the first bob", "/nick rob")
        cat.types("/nick bob")
        self.refused(cat, f"/delete #{self.seq_of('of the first bob')}", "moderator")
        self.refused(self.bob, f"/delete #{self.seq_of('of the first bob')}", "moderator")

    def test_an_account_may_delete_what_it_said_long_ago(self) -> None:
        tom = self.rig.account("tom")
        self.rig.clock.advance(1)
        tom.types("/join tea", "of tom")
        tom.hangs_up()
        self.rig.restart()
        tom = self.rig.arrives("/login tom secret", "/join tea")
        tom.types("/delete")
        self.assertEqual(self.bodies(), [])

    def test_an_account_does_not_get_what_a_guest_of_that_name_said(self) -> None:
        self.bob.types("of a guest", "/leave", "/nick rob")
        self.rig.clock.advance(1)
        seq = self.seq_of("of a guest")
        bob = self.rig.account("bob")
        bob.types("/join tea")
        self.refused(bob, f"/delete #{seq}", "moderator")

    def test_who_makes_an_account_of_its_name_keeps_what_it_said(self) -> None:
        self.bob.types("of a guest", "/newuser bob secret", "/delete")
        self.assertEqual(self.bodies(), [])

    def test_who_comes_later_sees_that_something_was_there(self) -> None:
        self.bob.types("a secret", "/delete")
        self.ann.hears()
        self.ann.types("/history")
        self.assertIn("[2027-01-15 08:00 #4] bob: (deleted)", self.ann.hears())
        zoe = self.rig.arrives("/nick zoe", "/join tea")
        heard = zoe.hears()
        self.assertIn("bob: (deleted)", heard)
        self.assertNotIn("secret", "".join(heard))
        bot = self.rig.program("bot")
        bot.sends("join", room="tea", since=0)
        heard_by_bot: Any = {frame["seq"]: frame for frame in bot.receives() if "event" in frame}
        self.assertEqual(heard_by_bot[4]["event"], "erased")
        self.assertEqual(heard_by_bot[4]["by"], "bob")
        self.assertEqual(heard_by_bot[5]["event"], "deleted")
        self.assertEqual(heard_by_bot[5]["message"], 4)
        self.assertEqual(heard_by_bot[5]["author"], "bob")

    def test_who_reads_slowly_does_not_see_it_any_more(self) -> None:
        self.ann.stops_listening()
        self.bob.types("a secret", "/delete", "tea?")
        self.ann.listens()
        self.assertEqual(
            self.ann.hears(), ["bob: (deleted)", "bob deleted their own message.", "bob: tea?"]
        )

    def test_a_delete_is_repeated_safely(self) -> None:
        bot = self.rig.program("bot")
        bot.sends("join", room="tea")
        bot.sends("say", room="tea", body="one", cid="1")
        bot.sends("say", room="tea", body="two", cid="2")
        bot.receives()
        bot.sends("delete", room="tea", cid="3")
        first = bot.receives()[-1]
        bot.sends("delete", room="tea", cid="3")
        self.assertEqual(bot.receives(), [first])
        self.assertEqual(self.bodies(), ["one"])

    def test_a_delete_that_cannot_be_stored_changes_nothing(self) -> None:
        self.bob.types("a secret")
        self.ann.hears()
        self.rig.store.fail_before = True
        self.bob.types("/delete")
        self.rig.store.fail_before = False
        self.assertIn("could not be stored", self.bob.hears()[-1])
        self.assertEqual((self.ann.hears(), self.bodies()), ([], ["a secret"]))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_ignored_people_are_not_seen_deleted_either(self) -> None:
        self.bob.types("one", "/delete")
        zoe = self.rig.arrives("/nick zoe", "/ignore bob", "/join tea")
        self.assertNotIn("bob: (deleted)", zoe.hears())

    def test_whispers_and_dice_stay(self) -> None:
        self.bob.types("/roll")
        self.refused(self.bob, "/delete #4", "not a message that someone wrote")
        bot = self.rig.program("bot")
        bot.sends("delete", room="@bob", message=1)
        self.assertEqual(bot.receives()[0]["error"], "bad-name")

    def test_memory_holds_nothing_of_it(self) -> None:
        log = Log("tea", keep=2)
        log.extend(Series("tea", 1, [1.0] * 4, [Said("ann", "x" * 1000)] * 4))
        log.erase(2)
        log.erase(9)
        log.erase(0)
        self.assertEqual([type(entry.event) for entry in log.between(0, 3)], [Said, Erased, Said])
        self.assertEqual(log._bytes, 3 * 1200 + 200)
        self.assertNotIn(Deleted, [type(entry.event) for entry in log.between(0, 4)])
