"""Names, accounts, passwords: who is who."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chatnet.core.limits import Registration
from chatnet.test.rig import Rig


class NickTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()
        self.ann = self.rig.member("ann")

    def test_everyone_begins_with_a_name_of_their_own(self) -> None:
        greetings = [self.rig.arrives().hears()[0] for _ in range(3)]
        names = {greeting.rpartition(" ")[2] for greeting in greetings}
        self.assertEqual(len(names), 3)
        for name in names:
            self.assertRegex(name, r"^guest-[0-9a-f]{4}\.$")

    def test_a_new_name_is_told_to_the_room_and_used_from_then_on(self) -> None:
        bob = self.rig.arrives("/join tea")
        guest = bob.session.actor.name
        bob.hears(), self.ann.hears()
        bob.types("/nick Bob", "hi")
        self.assertEqual(bob.hears(), ["You are now Bob."])
        self.assertEqual(self.ann.hears(), [f"{guest} is now known as Bob.", "Bob: hi"])

    def test_a_name_in_use_is_refused_whatever_its_case_and_also_what_looks_like_it(self) -> None:
        bob = self.rig.arrives()
        bob.hears()
        self.ann.types("/nick paul")
        bob.types("/nick PAUL", "/nick PauI", "/nick pau1", "/nick \u0440\u0430ul", "/nick Paula")
        self.assertEqual(
            bob.hears(),
            [
                "The name PAUL is in use.",
                "The name PauI looks too much like paul.",
                "The name pau1 looks too much like paul.",
                "The name \u0440\u0430ul looks too much like paul.",
                "You are now Paula.",
            ],
        )

    def test_names_that_cannot_be_are_refused_with_the_reason(self) -> None:
        self.ann.types("/nick x", "/nick a\x1bb", "/nick all", "/nick guest-1", "/nick " + "x" * 33)
        heard = self.ann.hears()
        self.assertIn("3 to 32 characters", heard[0])
        self.assertIn("letters and digits", heard[1])
        self.assertIn("reserved", heard[2])
        self.assertIn("given by the server", heard[3])
        self.assertIn("3 to 32 characters; that has 33", heard[4])

    def test_an_old_name_is_free_once_the_new_one_is_known(self) -> None:
        self.ann.types("/nick anna")
        other = self.rig.arrives("/nick ann")
        self.assertEqual(other.hears()[-1], "You are now ann.")

    def test_a_name_changes_its_case(self) -> None:
        self.ann.types("/nick ANN", "/nick ANN")
        self.assertEqual(self.ann.hears(), ["You are now ANN."] * 2)

    def test_a_moderator_who_changes_the_name_moderates_on(self) -> None:
        bob = self.rig.member("bob")
        self.ann.types("/nick anna", "/kick bob")
        self.assertEqual(bob.hears()[-2:], ["bob was kicked by anna.", "You are out of tea."])

    def test_someone_kicked_under_a_new_name_is_out(self) -> None:
        bob = self.rig.member("bob")
        bob.asks("/nick bobby")
        self.rig.clock.advance(0)
        while "bobby" not in self.rig.room("tea").decided.members:
            self.rig.reader.step()
        self.ann.types("/kick bobby out")
        self.assertEqual(
            bob.hears(),
            ["bobby was kicked by ann: out", "You are now bobby.", "You are out of tea."],
        )
        self.assertEqual(list(self.rig.room("tea").state.members), ["ann"])

    def test_who_hangs_up_while_changing_the_name_leaves_nothing_behind(self) -> None:
        bob = self.rig.member("bob")
        bob.asks("/nick bobby")
        bob.hangs_up()
        self.rig.settle()
        self.assertEqual(list(self.rig.room("tea").state.members), ["ann"])
        self.assertEqual(self.rig.network.people.find("bob"), None)
        self.assertEqual(self.rig.network.people.find("bobby"), None)

    def test_who_comes_back_with_the_same_secret_takes_the_name_over(self) -> None:
        bob = self.rig.program("bob")
        bob.sends("nick", name="rob", secret="s3cret")
        bob.sends("join", room="tea")
        self.ann.hears()
        thief, again = self.rig.connects(), self.rig.connects()
        thief.sends("nick", name="rob", secret="guess")
        self.assertEqual(thief.receives()[-1]["error"], "name-taken")
        again.sends("nick", name="rob", secret="s3cret")
        self.assertTrue(bob.transport.aborted)
        bob.hangs_up()
        self.rig.settle()
        self.assertEqual(again.receives()[-1]["name"], "rob")
        self.assertEqual(self.ann.hears(), ["rob has disconnected."])


class AccountTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()

    def test_an_account_is_made_and_logged_in_to_again(self) -> None:
        tom = self.rig.arrives()
        tom.hears()
        tom.types("newuser Tom Tom11")
        self.assertEqual(tom.hears(), ["You are logged in as Tom."])
        tom.hangs_up()
        self.rig.settle()
        again = self.rig.arrives()
        again.hears()
        again.types("login tom wrong", "login TOM Tom11", "login Tom Tom11", "login ann x")
        self.assertEqual(
            again.hears(),
            [
                "Wrong name or password. Either the password of tom is another one, or there is no"
                " account called tom. Try again; whoever runs this server helps those who forgot"
                " theirs.",
                "You are logged in as Tom.",
                "You are logged in as Tom.",
                "You are logged in as Tom. /logout, then come again as someone else.",
            ],
        )

    def test_it_outlives_the_server(self) -> None:
        self.rig.account("tom", "Tom11")
        self.rig.restart()
        tom = self.rig.arrives("/login tom Tom11")
        self.assertEqual(tom.hears()[-1], "You are logged in as tom.")

    def test_a_registered_name_belongs_to_its_account_and_so_do_its_look_alikes(self) -> None:
        tom = self.rig.account("tom1")
        tom.hangs_up()
        self.rig.settle()
        bob = self.rig.arrives()
        bob.hears()
        bob.types("/nick tom1", "/nick toml", "/newuser Tom1 abcd", "/newuser toml abcd")
        self.assertEqual(
            bob.hears(),
            [
                "The name tom1 belongs to an account. If it is yours: /login tom1 PASSWORD",
                "The name toml looks too much like tom1, who has an account.",
                "There is an account called Tom1, or too much like it.",
                "There is an account called toml, or too much like it.",
            ],
        )

    def test_someone_elses_name_cannot_be_registered_and_ones_own_can(self) -> None:
        ann, bob = self.rig.member("ann"), self.rig.arrives()
        bob.hears()
        bob.types("/newuser ann abcd")
        self.assertEqual(bob.hears(), ["The name ann is in use."])
        ann.types("/newuser ann abcd")
        self.assertEqual(ann.hears(), ["You are logged in as ann."])
        self.assertTrue(self.rig.room("tea").state.members["ann"].registered)
        self.assertEqual(self.rig.room("tea").state.moderators, {"ann": "ann"})

    def test_two_who_want_the_same_name_at_once_do_not_both_get_it(self) -> None:
        one, two = self.rig.arrives(), self.rig.arrives()
        one.hears(), two.hears()
        one.asks("/newuser tom abcd")
        two.asks("/newuser tom abcd", "/nick tom")
        self.rig.settle()
        self.assertEqual(one.hears(), ["You are logged in as tom."])
        heard = two.hears()
        self.assertEqual(heard[0], "The name tom is in use.")
        self.assertIn("belongs to an account", heard[1])

    def test_logging_in_inside_a_room_changes_the_name_there(self) -> None:
        tom = self.rig.account("tom")
        tom.hangs_up()
        self.rig.settle()
        ann = self.rig.member("ann")
        guest = self.rig.arrives("/join tea")
        name = guest.session.actor.name
        ann.hears(), guest.hears()
        guest.types("/login tom secret", "hi")
        self.assertEqual(ann.hears(), [f"{name} is now known as tom.", "tom: hi"])
        self.assertEqual(guest.hears(), ["You are logged in as tom."])

    def test_an_account_keeps_its_name(self) -> None:
        tom = self.rig.account("tom")
        tom.types("/nick tim", "/newuser tim abcd", "/login tim abcd", "/login nobody abcd")
        self.assertEqual(
            tom.hears()[:3],
            [
                "You are logged in as tom, and your account's name is yours to keep."
                " Come again to be someone else: /logout",
                "You are logged in as tom. /logout, then come again to make another account.",
                "You are logged in as tom. /logout, then come again as someone else.",
            ],
        )

    def test_who_logs_in_by_a_name_that_no_account_can_have_is_not_told_to_choose_one(self) -> None:
        guest = self.rig.arrives()
        guest.hears()
        guest.types("/login nobody abcd", "/login operator abcd", "/login guest-1 abcd")
        for name, heard in zip(("nobody", "operator", "guest-"), guest.hears(), strict=True):
            self.assertIn(name, heard)
            self.assertNotIn("choose another", heard)
            self.assertIn("Use the name of your account: /login NAME PASSWORD.", heard)

    def test_passwords_have_a_length_and_can_be_changed(self) -> None:
        tom = self.rig.arrives()
        tom.hears()
        tom.types("/passwd a b", "/newuser tom abc", "/newuser tom abcd", "/passwd abcx abcde")
        tom.types("/passwd abcd " + "x" * 129, "/passwd abcd abcde")
        heard = tom.hears()
        self.assertIn("takes an account", heard[0])
        self.assertEqual(heard[1], "A password has 4 to 128 characters here.")
        self.assertEqual(heard[2], "You are logged in as tom.")
        self.assertEqual(
            heard[3],
            "That is not the password you have now, so it stays as it is. Try again; whoever runs"
            " this server helps those who forgot theirs.",
        )
        self.assertEqual(heard[4], "A password has 4 to 128 characters here.")
        self.assertEqual(heard[5], "Your password is changed.")
        again = self.rig.arrives("/login tom abcd", "/login tom abcde")
        self.assertIn("Wrong name or password", again.hears()[-2])

    def test_registration_can_be_closed(self) -> None:
        rig = Rig(registration=Registration.CLOSED)
        tom = rig.arrives("/newuser tom abcd", "/nick tom")
        self.assertEqual(
            tom.hears()[-2:],
            ["No new accounts are made on this server.", "You are now tom."],
        )

    def test_logging_out_closes(self) -> None:
        tom = self.rig.account("tom")
        tom.types("/logout")
        self.assertEqual(tom.hears(), ["You are logged out, tom. Goodbye."])
        self.assertTrue(tom.transport.disconnecting)
        guest = self.rig.arrives("/logout")
        self.assertIn("takes an account", guest.hears()[-1])

    def test_who_hangs_up_while_logging_in_leaves_nothing_behind(self) -> None:
        self.rig.account("tom").hangs_up()
        self.rig.settle()
        guest = self.rig.member("ann")
        guest.asks("/login tom secret")
        guest.hangs_up()
        self.rig.settle()
        self.assertEqual(len(self.rig.network.people), 0)
        self.assertEqual(self.rig.room("tea").state.members, {})

    def test_a_login_that_cannot_be_stored_leaves_the_guest_as_it_was(self) -> None:
        self.rig.account("tom").hangs_up()
        self.rig.settle()
        ann, bob = self.rig.member("ann"), self.rig.member("bob")
        bob.asks("/login tom secret")
        self.rig.store.fail_before = True
        self.rig.settle()
        self.rig.store.fail_before = False
        self.assertIn("could not be stored", bob.hears()[-1])
        ann.hears()
        bob.types("still me")
        self.assertEqual(ann.hears(), ["bob: still me"])
        again = self.rig.arrives("/login tom secret")
        self.assertEqual(again.hears()[-1], "You are logged in as tom.")


class SeveralConnectionsTests(SynchronousTestCase):
    """One account, several connections: one person."""

    def setUp(self) -> None:
        self.rig = Rig()
        self.one = self.rig.account("tom")
        self.two = self.rig.arrives("/login tom secret")
        self.ann = self.rig.member("ann")
        self.one.types("/join tea")
        self.two.types("/join tea")
        self.one.hears(), self.two.hears()

    def test_the_others_see_one_person(self) -> None:
        self.assertEqual(self.ann.hears(), ["tom has joined the room."])
        self.ann.types("/who")
        self.assertEqual(self.ann.hears(), ["In tea (2): ann (moderator), tom"])

    def test_each_hears_the_room_and_what_the_other_says(self) -> None:
        self.ann.types("hi")
        self.one.types("from one")
        self.assertEqual(self.one.hears(), ["ann: hi"])
        self.assertEqual(self.two.hears(), ["ann: hi", "tom: from one"])

    def test_the_person_leaves_when_the_last_one_does(self) -> None:
        self.ann.hears()
        self.one.types("/leave", "/who tea")
        self.assertEqual(self.one.hears()[0], "You left tea.")
        self.ann.types("still there?")
        self.assertEqual(self.one.hears(), [])
        self.assertEqual(self.two.hears(), ["ann: still there?"])
        self.assertEqual(self.ann.hears(), [])
        self.two.hangs_up()
        self.rig.settle()
        self.assertEqual(self.ann.hears(), ["tom has disconnected."])

    def test_both_leaving_at_once_is_one_departure(self) -> None:
        self.ann.hears()
        self.one.asks("/leave")
        self.two.asks("/leave")
        self.rig.settle()
        self.assertEqual(self.ann.hears(), ["tom has left the room."])
        self.assertEqual(list(self.rig.room("tea").state.members), ["ann"])

    def test_a_kick_puts_all_of_them_out(self) -> None:
        self.ann.types("/kick tom")
        for tom in (self.one, self.two):
            self.assertEqual(tom.hears(), ["tom was kicked by ann.", "You are out of tea."])

    def test_a_whisper_reaches_all_of_them_and_ones_own_the_others(self) -> None:
        self.ann.types("/w tom psst")
        self.one.types("/w ann yes?")
        self.assertEqual(self.one.hears(), ["[whisper] ann: psst"])
        self.assertEqual(self.two.hears(), ["[whisper] ann: psst", "[whisper to ann] tom: yes?"])


class AwayTests(SynchronousTestCase):
    def test_what_is_whispered_to_an_account_while_it_is_away_is_read_at_the_login_once(
        self,
    ) -> None:
        rig = Rig()
        tom, ann = rig.account("tom"), rig.member("ann")
        ann.types("/w tom one")
        tom.hangs_up()
        rig.settle()
        ann.types("/w tom two", "/w tom three")
        self.assertEqual(ann.hears(), ["tom is not here, and will read it at the next login."] * 2)
        rig.restart()
        tom = rig.arrives("/login tom secret")
        self.assertEqual(
            tom.hears()[2:],
            [
                "[2027-01-15 08:00] [whisper] ann: two",
                "[2027-01-15 08:00] [whisper] ann: three",
                "You are logged in as tom.",
            ],
        )
        tom.hangs_up()
        rig.settle()
        tom = rig.arrives("/login tom secret")
        self.assertEqual(tom.hears()[2:], ["You are logged in as tom."])

    def test_it_is_read_also_by_who_quits_at_once(self) -> None:
        rig = Rig()
        rig.account("tom").hangs_up()
        ann = rig.member("ann")
        ann.types("/w tom one")
        rig.restart()
        for heard in (["one"], []):
            tom = rig.arrives()
            tom.asks("/login tom secret")
            tom.door.readConnectionLost()
            rig.settle()
            whispers = [line.rpartition(" ")[2] for line in tom.hears() if "[whisper]" in line]
            self.assertEqual(whispers, heard)
            tom.hangs_up()
            rig.settle()

    def test_what_is_whispered_to_a_guest_goes_with_it(self) -> None:
        rig = Rig()
        ann, bob = rig.member("ann"), rig.member("bob")
        ann.types("/w bob psst")
        key = f"@~{bob.door.id}"
        self.assertEqual(len(rig.store.kept(key)), 1)
        bob.hangs_up()
        rig.settle()
        ann.types("go on")
        self.assertEqual(rig.store.kept(key), [])
        rig.arrives("/nick bob")
        self.assertNotIn(key, rig.network.audiences)


class ServerPasswordTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig(password="open sesame")

    def test_it_is_asked_first_and_let_in_with(self) -> None:
        ann = self.rig.arrives()
        self.assertEqual(ann.hears(), ["chatnet has a password. Please type it:"])
        ann.types("open sesame")
        self.assertIn("Welcome to chatnet!", ann.hears()[0])
        ann.types("/join tea")
        self.assertEqual(ann.hears()[0], "Welcome to room tea!")

    def test_a_wrong_one_is_refused_and_closed(self) -> None:
        ann = self.rig.arrives("sesame", "/join tea")
        self.assertEqual(ann.hears()[1:], ["That is not this server's password.", "Goodbye."])
        self.assertTrue(ann.transport.disconnecting)

    def test_programs_are_told_what_is_needed(self) -> None:
        bot = self.rig.connects()
        bot.sends("rooms")
        welcome, refusal = bot.receives()
        self.assertTrue(welcome["password_needed"])
        self.assertEqual(refusal["error"], "password-needed")
        bot.sends("password", password="open sesame")
        bot.sends("rooms")
        self.assertEqual([frame["reply"] for frame in bot.receives()], ["hello", "rooms"])

    def test_who_has_not_said_it_is_neither_seen_nor_told_anything(self) -> None:
        tom = self.rig.arrives("open sesame", "/newuser tom abcd")
        waiting = self.rig.arrives()
        waiting.hears(), tom.hears()
        tom.types("send all hello", "who")
        self.assertEqual(tom.hears(), ["On the server (1): tom"])
        self.assertEqual(waiting.hears(), [])
        waiting.hangs_up()
        self.rig.settle()
        self.assertEqual(len(self.rig.network.people), 1)

    def test_silence_is_not_waited_for_for_ever(self) -> None:
        ann = self.rig.arrives()
        self.rig.clock.advance(60)
        self.assertIn("in time", ann.hears()[-1])
        self.assertTrue(ann.transport.disconnecting)
