"""Whole conversations, with no network and no waiting."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chatnet.test.rig import Rig


class RoomTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()
        self.ann = self.rig.member("ann")
        self.bob = self.rig.member("bob")
        self.ann.hears()

    def test_a_message_goes_to_the_others_and_not_back_to_its_sender(self) -> None:
        self.ann.types("hello")
        self.assertEqual(self.ann.hears(), [])
        self.assertEqual(self.bob.hears(), ["ann: hello"])

    def test_who_joins_is_welcomed_and_shown_who_is_here_then_the_history(self) -> None:
        self.ann.types("one", "/me waves")
        self.bob.hears()
        cat = self.rig.arrives("/nick cat")
        cat.hears()
        cat.types("/join #Tea")
        self.assertEqual(
            cat.hears(),
            [
                "Welcome to room tea!",
                "Current users: ann, bob, cat",
                "--- history ---",
                "ann: one",
                "* ann waves",
                "--- end of history ---",
            ],
        )
        self.assertEqual(self.ann.hears(), ["cat has joined the room."])
        self.assertEqual(self.bob.hears(), ["cat has joined the room."])

    def test_who_leaves_is_told_and_the_others_as_well(self) -> None:
        self.bob.types("/leave", "anyone?")
        self.assertEqual(self.ann.hears(), ["bob has left the room."])
        first, second = self.bob.hears()
        self.assertEqual(first, "You left tea.")
        self.assertIn("You are in no room", second)

    def test_a_lost_connection_is_told_apart_from_leaving(self) -> None:
        self.bob.asks("last words")
        self.bob.hangs_up()
        self.rig.settle()
        self.assertEqual(self.ann.hears(), ["bob: last words", "bob has disconnected."])

    def test_quitting_is_leaving(self) -> None:
        self.bob.types("bye", "/quit", "too late")
        self.assertEqual(self.ann.hears(), ["bob: bye", "bob has left the room."])
        self.assertEqual(self.bob.hears(), ["Goodbye."])
        self.assertTrue(self.bob.transport.disconnecting)

    def test_joining_another_room_leaves_the_one_before(self) -> None:
        self.bob.types("/join milk", "hello?")
        self.assertEqual(self.ann.hears(), ["bob has left the room."])
        self.assertEqual(self.bob.hears(), ["Welcome to room milk!", "Current users: bob"])
        self.assertEqual(list(self.rig.room("milk").state.members), ["bob"])

    def test_a_room_that_cannot_be_joined_is_no_reason_to_leave_this_one(self) -> None:
        self.ann.types("/join milk", "/lock sesame", "/join tea")
        self.bob.types("/join milk", "still here")
        self.assertIn("The room milk has a password: /join milk PASSWORD", self.bob.hears())
        self.assertEqual(self.ann.hears()[-1], "bob: still here")

    def test_leaving_and_coming_back_in_one_breath_is_two_stays(self) -> None:
        self.bob.asks("/leave", "/join tea", "back")
        self.rig.settle()
        self.assertEqual(
            self.ann.hears(), ["bob has left the room.", "bob has joined the room.", "bob: back"]
        )

    def test_what_was_asked_before_leaving_is_read_before_the_connection_closes(self) -> None:
        self.ann.types(*[f"line {i}" for i in range(3000)])
        self.bob.hears()
        self.bob.asks("/history all", "/quit")
        self.rig.settle()
        heard = self.bob.hears()
        self.assertEqual(len([line for line in heard if "ann: line" in line]), 3000)
        self.assertEqual(heard[-2:], ["--- end of history ---", "Goodbye."])

    def test_a_gone_name_is_free(self) -> None:
        self.bob.hangs_up()
        self.rig.settle()
        again = self.rig.arrives("/nick bob")
        self.assertEqual(again.hears()[-1], "You are now bob.")

    def test_whoever_does_not_listen_is_not_heard(self) -> None:
        self.bob.stops_listening()
        self.bob.types("anyone?")
        self.assertEqual(self.ann.hears(), [])
        self.bob.listens()
        self.assertEqual(self.ann.hears(), ["bob: anyone?"])

    def test_a_full_wire_waits_and_then_hears_everything_in_order(self) -> None:
        self.bob.stops_listening()
        self.ann.types("one", "two")
        self.assertEqual(self.bob.hears(), [])
        self.bob.listens()
        self.assertEqual(self.bob.hears(), ["ann: one", "ann: two"])

    def test_a_reader_that_makes_no_progress_is_parted_with_and_told_why(self) -> None:
        self.bob.stops_listening()
        self.rig.clock.advance(self.rig.settings.stall_seconds)
        self.assertIn("nothing is lost", self.bob.hears()[-1])
        self.assertTrue(self.bob.transport.disconnecting)

    def test_a_message_of_several_lines_is_shown_as_such(self) -> None:
        robot = self.rig.program("robot")
        robot.sends("join", room="tea")
        robot.sends("say", room="tea", body="one\ntwo\x1b[2J")
        self.assertEqual(self.ann.hears()[1:], ["robot: one", "robot: two\u241b[2J"])

    def test_a_closed_input_ends_the_session_after_its_answers(self) -> None:
        self.bob.asks("one", "/who")
        self.bob.door.dataReceived(b"two")
        self.bob.door.readConnectionLost()
        self.rig.settle()
        self.assertEqual(self.ann.hears(), ["bob: one", "bob has disconnected."])
        self.assertEqual(
            self.bob.hears(),
            ["In tea (2): ann (moderator), bob", "Your last line had no end, so it was not sent."],
        )
        self.assertTrue(self.bob.transport.disconnecting)


class HistoryTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig(replay=3)
        self.ann = self.rig.member("ann")

    def test_as_many_messages_as_the_server_likes_are_replayed(self) -> None:
        self.ann.types(*[f"line {i}" for i in range(5)])
        bob = self.rig.arrives("/join tea")
        self.assertEqual(bob.hears()[5:-1], ["ann: line 2", "ann: line 3", "ann: line 4"])

    def test_comings_and_goings_do_not_count(self) -> None:
        self.ann.types("one", "two", "three")
        for _ in range(20):
            self.rig.arrives("/join tea", "/leave").hangs_up()
            self.rig.settle()
        bob = self.rig.arrives("/join tea")
        self.assertEqual(bob.hears()[5:-1], ["ann: one", "ann: two", "ann: three"])

    def test_also_when_memory_has_forgotten_the_messages(self) -> None:
        self.ann.types("one", "two", "three")
        for _ in range(2500):
            self.ann.types("/topic changing")
        self.assertGreater(self.rig.room("tea").log.tail, 10)
        bob = self.rig.arrives("/join tea")
        self.assertEqual(bob.hears()[6:-1], ["ann: one", "ann: two", "ann: three"])

    def test_history_shows_the_last_messages_with_their_times(self) -> None:
        self.ann.types("one", "two", "/history 1")
        self.assertEqual(
            self.ann.hears(),
            [
                "--- the last message of tea ---",
                "[2027-01-15 08:00 #4] ann: two",
                "--- end of history ---",
            ],
        )

    def test_history_all_is_all_and_what_is_said_meanwhile_comes_after(self) -> None:
        self.ann.types(*[str(i) for i in range(4000)])
        bob = self.rig.member("bob")
        bob.asks("/history all")
        self.rig.clock.advance(0)
        self.ann.asks("late")
        self.rig.settle()
        heard = bob.hears()
        self.assertEqual(
            [line.rpartition(" ")[2] for line in heard[1:4001]], list(map(str, range(4000)))
        )
        self.assertEqual(heard[4001:], ["--- end of history ---", "ann: late"])

    def test_each_of_several_histories_is_whole_also_while_the_first_is_being_read(self) -> None:
        self.ann.types(*[str(i) for i in range(4000)])
        bob = self.rig.arrives("/nick bob")
        bob.hears()
        bob.asks("/join tea", "/history all", "/history 2")
        self.rig.settle()
        heard = bob.hears()
        self.assertEqual(heard.count("--- end of history ---"), 3)
        self.assertEqual(len([line for line in heard if ": " in line]), 1 + 3 + 4000 + 2)
        self.assertEqual([line[-9:] for line in heard[-3:-1]], ["ann: 3998", "ann: 3999"])

    def test_what_is_asked_after_joining_is_answered_after_the_history(self) -> None:
        self.ann.types("one", "two")
        bob = self.rig.arrives("/nick bob")
        bob.hears()
        bob.asks("/join tea", "/who", "/nonsense")
        self.rig.settle()
        heard = bob.hears()
        self.assertEqual(heard[2], "--- history ---")
        self.assertEqual(heard[3:6], ["ann: one", "ann: two", "--- end of history ---"])
        self.assertEqual(heard[6], "In tea (2): ann (moderator), bob")


class TalkTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()
        self.ann = self.rig.member("ann")
        self.bob = self.rig.member("bob")
        self.ann.hears()

    def test_a_whisper_is_heard_by_one_person_alone(self) -> None:
        cat = self.rig.member("cat")
        self.ann.hears(), self.bob.hears()
        self.ann.types("/whisper BOB psst")
        self.assertEqual(self.bob.hears(), ["[whisper] ann: psst"])
        self.assertEqual(cat.hears() + self.ann.hears(), [])

    def test_whispers_keep_their_order_among_the_rest(self) -> None:
        self.ann.asks("one", "/w bob two", "/msg bob three", "four")
        self.rig.settle()
        heard = self.bob.hears()
        self.assertEqual(
            [line for line in heard if "whisper" in line],
            ["[whisper] ann: two", "[whisper] ann: three"],
        )
        self.assertEqual(
            [line for line in heard if "whisper" not in line], ["ann: one", "ann: four"]
        )

    def test_spam_repeats_and_is_capped(self) -> None:
        self.ann.types("/spam bob 3 wake up", "/spam bob 11 wake up", "/spam bob x y")
        self.assertEqual(self.bob.hears(), ["[whisper] ann: wake up"] * 3)
        self.assertEqual(
            self.ann.hears(),
            [
                "You can repeat a message 1 to 10 times at once.",
                "Use it like this: /spam USER TIMES TEXT",
            ],
        )

    def test_shouting_and_acting(self) -> None:
        self.ann.types("/shout straße", "/me waves", "//etc is a folder")
        self.assertEqual(self.bob.hears(), ["ann: STRASSE", "* ann waves", "ann: /etc is a folder"])

    def test_dice_are_thrown_by_the_server_and_seen_by_all(self) -> None:
        self.ann.types("/roll 2d6", "/roll 99d6")
        (mine, no), theirs = self.ann.hears(), self.bob.hears()
        self.assertEqual([mine], theirs)
        self.assertRegex(mine, r"^ann rolled 2d6: [1-6] \+ [1-6] = \d+$")
        self.assertIn("written like 2d6", no)

    def test_telling_everyone_takes_an_account_and_reaches_every_room(self) -> None:
        self.ann.types("/send all hi")
        self.assertIn("takes an account", self.ann.hears()[0])
        tom = self.rig.account("tom")
        tom.types("send all dinner!")
        self.assertEqual(self.bob.hears(), ["[all] tom: dinner!"])
        self.assertEqual(tom.hears(), [])

    def test_send_to_one_is_a_whisper(self) -> None:
        self.ann.types("/send bob hi", "/send nobody hi", "/send ann hi", "/send bob")
        self.assertEqual(self.bob.hears(), ["[whisper] ann: hi"])
        self.assertEqual(
            self.ann.hears(),
            [
                "Nobody called nobody is known here. /who lists who is here.",
                "That is you.",
                "Use it like this: /send USER TEXT, or /send all TEXT",
            ],
        )

    def test_an_ignored_person_is_not_seen_speaking_anywhere(self) -> None:
        self.bob.types("/ignore Ann")
        self.bob.hears()
        self.ann.types("one", "/me two", "/w bob three", "/topic four")
        self.assertEqual(self.bob.hears(), ["ann changed the topic to: four"])
        self.bob.types("/ignore", "/unignore ann")
        self.ann.types("five")
        self.assertEqual(
            self.bob.hears(), ["You ignore: ann", "You see again what ann says.", "ann: five"]
        )

    def test_a_message_too_long_is_refused_with_the_limit_and_nothing_is_cut(self) -> None:
        rig = Rig(max_message=100)
        ann, bob = rig.member("ann"), rig.member("bob")
        ann.hears()
        ann.types("x" * 100, "ü" * 51, "y" * 9000, "after")
        self.assertEqual(bob.hears(), ["ann: " + "x" * 100, "ann: after"])
        self.assertEqual(
            ann.hears(),
            ["That is too long: a message has at most 100 bytes here. It was not sent."] * 2,
        )

    def test_answers_keep_the_order_of_the_commands(self) -> None:
        self.bob.asks("/leave", "oops", "/nonsense", "/who tea", "/join tea", "/kick ann")
        self.rig.settle()
        heard = self.bob.hears()
        self.assertEqual(heard[0], "You left tea.")
        self.assertIn("no room", heard[1])
        self.assertIn("no command", heard[2])
        self.assertEqual(heard[3], "In tea (1): ann (moderator)")
        self.assertEqual(heard[4:6], ["Welcome to room tea!", "Current users: ann, bob"])
        self.assertIn("Only a moderator", heard[6])


class ListTests(SynchronousTestCase):
    def test_rooms_are_listed_the_busiest_first_and_locked_ones_keep_their_topic(self) -> None:
        rig = Rig()
        ann = rig.member("ann")
        ann.types("/topic leaves", "/join vault", "/topic gold", "/lock key")
        rig.member("bob")
        cat = rig.arrives("/nick cat", "/join vault key")
        dan = rig.arrives()
        cat.hears(), dan.hears()
        dan.types("rooms", "who vault", "/topic")
        self.assertEqual(
            dan.hears(),
            [
                "Rooms:",
                "vault (2 here) [password]",
                "tea (1 here): leaves",
                "The room vault has a password; only those in it see that.",
                "You are in no room. /join ROOM enters one, /rooms lists them.",
            ],
        )

    def test_outside_a_room_who_lists_everyone(self) -> None:
        rig = Rig()
        rig.member("bob")
        ann = rig.arrives("/nick ann")
        ann.hears()
        ann.types("who", "who nowhere")
        self.assertEqual(
            ann.hears(),
            [
                "On the server (2): ann, bob",
                "There is no room called nowhere. /join nowhere opens it.",
            ],
        )

    def test_whois_tells_what_there_is_to_tell(self) -> None:
        rig = Rig()
        ann = rig.member("ann")
        bob = rig.member("bob")
        ann.types("/whois bob", "/whois nobody", "/whois")
        heard = ann.hears()
        self.assertRegex(heard[1], r"^bob is a guest, in tea; here for 1 second, silent for .*\.$")
        self.assertIn(bob.door.id, heard[1])
        self.assertEqual(heard[2], "Nobody called nobody is known here.")
        self.assertEqual(heard[3], "Use it like this: /whois USER")
