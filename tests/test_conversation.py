"""People on TCP lines: what they see, to the letter."""

from __future__ import annotations

import signal

from tests.harness import LiveTestCase, told

GREETING = "/join ROOM enters a room, /rooms lists them, /nick NAME names you, /help helps."


class ConversationTests(LiveTestCase):
    async def test_the_first_one_in_a_room_sees_no_history(self) -> None:
        server = await self.serves()
        ann = await self.connects(server)
        ann.types("/nick ann", "/join tea")
        heard = await ann.answered()
        self.assertRegex(heard[0], r"^Welcome to chatnet! You are guest-[0-9a-f]{4}\.$")
        self.assertEqual(
            heard[1:],
            [GREETING, "You are now ann.", "Welcome to room tea!", "Current users: ann"],
        )

    async def test_lines_end_as_terminals_expect(self) -> None:
        server = await self.serves()
        ann = await self.joins(server, "ann")
        bob = await self.joins(server, "bob")
        ann.types("hello")
        await ann.answered()
        bob.sends(b"with a line feed\nand without\r\n")
        await bob.answered()
        ann.types("/ping")
        await ann.arrived(3)
        self.assertEqual(ann.lines, [b"bob: with a line feed\r", b"bob: and without\r", b"pong\r"])

    async def test_someone_silent_is_greeted(self) -> None:
        server = await self.serves("--name", "The Inn", "--motd", "Be kind.")
        ann = await self.connects(server)
        heard = await ann.hears(3)
        self.assertRegex(heard[0], r"^Welcome to The Inn! You are guest-[0-9a-f]{4}\.$")
        self.assertEqual(heard[1:], ["Be kind.", GREETING])

    async def test_someone_who_joins_sees_who_is_there_and_what_was_said(self) -> None:
        server = await self.serves()
        ann = await self.joins(server, "ann")
        ann.types("first", "/me waves", "second")
        await ann.answered()
        bob = await self.connects(server)
        bob.types("/nick bob", "/join tea")
        self.assertEqual(
            (await bob.until("--- end of history ---"))[3:],
            [
                "Welcome to room tea!",
                "Current users: ann, bob",
                "--- history ---",
                "ann: first",
                "* ann waves",
                "ann: second",
                "--- end of history ---",
            ],
        )
        self.assertEqual(await ann.answered(), ["bob has joined the room."])

    async def test_what_is_asked_after_joining_is_answered_after_the_history(self) -> None:
        server = await self.serves()
        ann = await self.joins(server, "ann")
        ann.types("first", "second")
        await ann.answered()
        bob = await self.arrives(server, "bob")
        bob.types("/join tea", "/who")
        self.assertEqual(
            (await bob.hears(7))[2:],
            [
                "--- history ---",
                "ann: first",
                "ann: second",
                "--- end of history ---",
                "In tea (2): ann (moderator), bob",
            ],
        )

    async def test_a_message_reaches_the_others_and_never_its_sender(self) -> None:
        server = await self.serves()
        ann, bob = await self.joins(server, "ann"), await self.joins(server, "bob")
        eve = await self.joins(server, "eve", "elsewhere")
        ann.types("hello, all", "//shrug", "Grüße, 世界 \U0001f44b")
        self.assertEqual(await ann.answered(), ["bob has joined the room."])
        words = ["ann: hello, all", "ann: /shrug", "ann: Grüße, 世界 \U0001f44b"]
        self.assertEqual(await bob.answered(), words)
        self.assertEqual(await eve.answered(), [])

    async def test_those_who_leave_and_those_who_drop_are_told_apart(self) -> None:
        server = await self.serves()
        ann = await self.joins(server, "ann")
        bob, eve, sam = [await self.joins(server, name) for name in ("bob", "eve", "sam")]
        await ann.until("sam has joined the room.")
        bob.types("/leave")
        self.assertEqual(await bob.answered(), [
            "eve has joined the room.", "sam has joined the room.", "You left tea."
        ])  # fmt: skip
        eve.types("/quit")
        self.assertEqual((await eve.closed())[-1], "Goodbye.")
        sam.hangs_up()
        heard = await ann.until("disconnected")
        self.assertEqual(
            heard, ["bob has left the room.", "eve has left the room.", "sam has disconnected."]
        )

    async def test_going_to_another_room_is_leaving_the_first(self) -> None:
        server = await self.serves()
        ann, bob = await self.joins(server, "ann"), await self.joins(server, "bob")
        bob.types("/join coffee", "anyone?")
        heard = await bob.answered()
        self.assertIn("Welcome to room coffee!", heard)
        self.assertEqual(
            await ann.answered(), ["bob has joined the room.", "bob has left the room."]
        )

    async def test_a_whisper_is_for_one_person_alone(self) -> None:
        server = await self.serves()
        ann, bob, eve = [await self.joins(server, name) for name in ("ann", "bob", "eve")]
        await ann.answered(), await bob.answered()
        ann.types("/whisper bob psst", "/w bob again", "/msg bob once more", "/send bob last")
        self.assertEqual(await ann.answered(), [])
        self.assertEqual(
            await bob.answered(),
            [f"[whisper] ann: {text}" for text in ("psst", "again", "once more", "last")],
        )
        self.assertEqual(await eve.answered(), [])

    async def test_a_kick_is_seen_by_the_room_and_by_the_one_who_is_kicked(self) -> None:
        server = await self.serves()
        ann, bob, eve = [await self.joins(server, name) for name in ("ann", "bob", "eve")]
        await ann.answered(), await bob.answered()
        ann.types("/kick bob rude words", "peace at last")
        await ann.answered()
        line = "bob was kicked by ann: rude words"
        self.assertEqual(await bob.answered(), [line, "You are out of tea."])
        self.assertEqual(await eve.answered(), [line, "ann: peace at last"])

    async def test_only_moderators_kick(self) -> None:
        server = await self.serves()
        ann, bob = await self.joins(server, "ann"), await self.joins(server, "bob")
        bob.types("/kick ann")
        self.assertEqual(
            await bob.answered(), ["Only a moderator of tea can do that. Ask one: ann."]
        )
        self.assertEqual(await ann.answered(), ["bob has joined the room."])

    async def test_mistakes_are_told_and_the_connection_lives_on(self) -> None:
        server = await self.serves()
        await self.joins(server, "ann")
        bob = await self.arrives(server, "bob")
        bob.types("/nick ANN", "/jion tea", "/whisper", "hello?", "/login ann secret", "/kick ann")
        heard = await bob.answered()
        self.assertEqual(len(heard), 6, heard)
        self.assertIn("/join", heard[1])
        self.assertIn("/whisper USER TEXT", heard[2])
        self.assertEqual(len(set(heard)), 6, heard)

    async def test_outside_a_room_commands_need_no_slash(self) -> None:
        server = await self.serves()
        ann = await self.connects(server)
        ann.types("newuser Tom Tom11", "who", "join tea", "who is there?")
        heard = await ann.answered()
        self.assertEqual(
            heard[2:],
            [
                "You are logged in as Tom.",
                "On the server (1): Tom",
                "Welcome to room tea!",
                "Current users: Tom",
            ],
        )


class ShutdownTests(LiveTestCase):
    async def test_everyone_is_told_whatever_they_were_doing(self) -> None:
        server = await self.serves()
        silent = [await self.connects(server) for _ in range(3)]
        await server.logged("connection ", times=3)
        guest = await self.connects(server)
        await guest.until("/help")  # greeted, and idle since
        ann = await self.joins(server, "ann")
        bob = await self.arrives(server, "bob")
        program = await self.observes(server)
        await ann.answered()
        await server.stop()
        for client in (*silent, guest, ann, bob):
            self.assertEqual((await client.closed())[-1], "Server is shutting down.")
        self.assertEqual(
            await program.closed(),
            ['{"reply":"bye","text":"Server is shutting down.","code":"shutdown"}'],
        )

    async def test_an_operator_at_the_keyboard_stops_it_the_same_way(self) -> None:
        server = await self.serves()
        ann = await self.joins(server, "ann")
        await server.stop(signal.SIGINT)
        self.assertEqual(await ann.closed(), ["Server is shutting down."])

    async def test_nobody_is_said_to_have_left_when_it_is_the_server_that_goes(self) -> None:
        server = await self.serves()
        people = [await self.joins(server, f"p{n:03}") for n in range(10)]
        for person in people:
            await person.answered()
        await server.stop()
        for person in people:
            self.assertEqual(await person.closed(), ["Server is shutting down."])

    async def test_what_was_accepted_is_shown_to_the_others_and_kept(self) -> None:
        server = await self.serves()
        ann, bob = await self.joins(server, "ann"), await self.joins(server, "bob")
        ann.types(*(f"message {n}" for n in range(500)))
        await bob.until("message 100")
        await server.stop()
        shown = [line for line in await bob.closed() if line.startswith("ann: ")]
        again = await self.serves()
        kept = await told(await self.joins(again, "reader"), "tea")
        self.assertEqual(kept[101 : 101 + len(shown)], shown)
        self.assertEqual(kept, [f"ann: message {n}" for n in range(len(kept))])

    async def test_one_that_does_not_read_does_not_hold_it_up_for_long(self) -> None:
        server = await self.serves()
        ann, bob = await self.joins(server, "ann"), await self.joins(server, "bob")
        bob.stops_reading()
        for _ in range(40):
            ann.types("x" * 1_000_000)
        await ann.answered()
        await server.stop()
        self.assertEqual((await ann.closed())[-1], "Server is shutting down.")
