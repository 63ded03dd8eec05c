from __future__ import annotations

from chatnet.client.talk import Talk
from chatnet.core import replies as r
from chatnet.core.refusals import BadName, BadPassword, Malformed, Refused, TooLong
from chatnet.test.test_client_link import LinkTestCase


class TalkTests(LinkTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.arrive()
        self.talk = Talk(self.link)

    def assert_refused(self, line: str, kind: type[Refused], sentence: str) -> None:
        refusal = self.assertRaises(kind, self.talk.typed, line)
        self.assertEqual(str(refusal), sentence)
        self.assertEqual(self.server.hears(), [])

    def types(self, line: str) -> dict[str, object]:
        self.assertIsNone(self.talk.typed(line))
        [asked] = self.server.hears()
        self.assertTrue(asked.pop("cid"))
        return asked

    def test_speech_goes_to_the_room_one_is_in(self) -> None:
        self.assertEqual(self.types("hi"), {"do": "say", "room": "lobby", "body": "hi"})

    def test_two_slashes_begin_a_message_with_one(self) -> None:
        self.assertEqual(self.types("//help")["body"], "/help")

    def test_blanks_before_a_command_do_not_make_it_speech(self) -> None:
        self.assertEqual(self.types(" /kick bob")["do"], "kick")
        self.assertEqual(self.types(" // help")["body"], " // help")

    def test_commands_are_about_the_room_one_is_in(self) -> None:
        self.assertEqual(
            self.types("/kick bob rude"),
            {"do": "kick", "room": "lobby", "who": "bob", "reason": "rude"},
        )
        self.assertEqual(self.types("/who"), {"do": "who", "room": "lobby"})

    def test_rooms_are_entered_one_at_a_time(self) -> None:
        self.assertEqual(self.types("/join tea"), {"do": "join", "room": "tea", "alone": True})

    def test_help_is_given_here(self) -> None:
        answer = self.talk.typed("/help join")
        assert isinstance(answer, r.Noted)
        self.assertIn("/join ROOM", answer.text)

    def test_an_empty_line_is_nothing(self) -> None:
        self.assertIsNone(self.talk.typed("  "))
        self.assertEqual(self.server.hears(), [])

    def test_quit_leaves(self) -> None:
        self.assertIsNone(self.talk.typed("/quit"))
        self.assertTrue(self.link.leaving)

    def test_misuse_is_explained(self) -> None:
        self.assert_refused("/nick", Malformed, "Use it like this: /nick NAME")
        said = "There is no command /jion. Did you mean /join? // begins a message with a slash."
        self.assert_refused("/jion x", Malformed, said)
        self.assert_refused(
            "/roll 7", Malformed, "Dice are written like 2d6: up to 20 dice of 2 to 1000 sides."
        )

    def test_names_are_checked_before_they_are_sent(self) -> None:
        self.assert_refused("/nick x", BadName, "A name has 3 to 32 characters; that has 1.")
        self.assert_refused(
            "/join a!b",
            BadName,
            "A room name is made of letters and digits, with - _ . between them.",
        )

    def test_lengths_are_checked_before_they_are_sent(self) -> None:
        sentence = "That is too long: a message has at most 100 bytes here. It was not sent."
        self.assert_refused("x" * 101, TooLong, sentence)
        self.assert_refused("ä" * 51, TooLong, sentence)
        self.assert_refused("/whisper bob " + "x" * 101, TooLong, sentence)
        self.assertEqual(self.types("ä" * 50)["body"], "ä" * 50)

    def test_passwords_are_checked_before_they_are_sent(self) -> None:
        sentence = "A password has 4 to 128 characters here."
        self.assert_refused("/newuser ann abc", BadPassword, sentence)
        self.assert_refused("/passwd abcd " + "x" * 129, BadPassword, sentence)
        self.assert_refused(
            "/lock " + "x" * 129, BadPassword, "A room's password has 1 to 128 characters."
        )

    def test_outside_a_room_nobody_hears(self) -> None:
        self.types("/leave")
        self.assert_refused(
            "hi",
            Malformed,
            "You are in no room, so nobody hears that."
            " /join ROOM enters one, /rooms lists them, /help tells more.",
        )
