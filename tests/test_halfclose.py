"""Those who pipe: ``printf ... | nc -N``. They say all they have to say, then read to the end."""

from __future__ import annotations

import json
from shutil import which
from unittest import skipUnless

from tests.harness import LiveTestCase, said, told


class HalfCloseTests(LiveTestCase):
    async def test_everything_is_answered_and_then_it_is_closed(self) -> None:
        server = await self.serves()
        ann = await self.connects(server)
        ann.types("/nick ann", "/join tea", "hello", "/topic leaves", "/who", "/nonsense", "/rooms")
        ann.says_no_more()
        heard = await ann.closed()
        self.assertEqual(ann.unended, b"")
        self.assertEqual(
            sorted(heard[2:]),
            sorted(
                [
                    "You are now ann.",
                    "Welcome to room tea!",
                    "Current users: ann",
                    "Topic: leaves",
                    "ann changed the topic to: leaves",
                    "In tea (1): ann (moderator)",
                    "There is no command /nonsense. /help lists them;"
                    " // begins a message with a slash.",
                    "Rooms:",
                    "tea (1 here): leaves",
                ]
            ),
        )

    async def test_what_was_said_is_said_and_its_sender_leaves_afterwards(self) -> None:
        server = await self.serves()
        observer = await self.observes(server)
        ann = await self.connects(server)
        words = [f"message {number}" for number in range(3000)]
        ann.types("/nick ann", "/join tea", *words)
        ann.says_no_more()
        await ann.closed()
        heard = await observer.receives()
        self.assertEqual(said(heard), [f"ann: {word}" for word in words])
        self.assertEqual([heard[0]["event"], heard[-1]["event"]], ["joined", "left"])

    async def test_a_last_line_without_an_end_is_not_sent_and_that_is_told(self) -> None:
        server = await self.serves()
        observer = await self.observes(server)
        ann = await self.connects(server)
        ann.sends(b"/join tea\nwhole\nhal")
        ann.says_no_more()
        self.assertEqual((await ann.closed())[-1], "Your last line had no end, so it was not sent.")
        bodies = [event["body"] for event in await observer.receives() if event["event"] == "said"]
        self.assertEqual(bodies, ["whole"])

    async def test_a_command_without_an_end_is_not_obeyed(self) -> None:
        server = await self.serves()
        for data in (b"/newuser Ann secret", b'{"do":"register","name":"Ann","password":"secret"}'):
            client = await self.connects(server)
            client.sends(data)
            client.says_no_more()
            heard = await client.closed()
            self.assertIn("Your last line had no end, so it was not sent.", heard[-1])
        ann = await self.registers(server, "Ann", "secret")
        await ann.answered()

    async def test_what_takes_time_is_answered_too(self) -> None:
        server = await self.serves()
        ann = await self.connects(server)
        ann.types("/newuser Ann secret", "/passwd secret another", "/join tea", "hello")
        ann.says_no_more()
        heard = await ann.closed()
        self.assertEqual(
            heard[2:],
            [
                "You are logged in as Ann.",
                "Your password is changed.",
                "Welcome to room tea!",
                "Current users: Ann",
            ],
        )

    async def test_a_long_history_comes_whole(self) -> None:
        server = await self.serves("--replay", "all")
        ann = await self.joins(server, "ann")
        words = [f"message {number} {'x' * 500}" for number in range(5000)]
        ann.types(*words)
        await ann.answered()
        bob = await self.connects(server)
        bob.types("/join tea")
        bob.says_no_more()
        heard = await bob.closed()
        self.assertEqual(heard[-1], "--- end of history ---")
        shown = [line for line in heard if line.startswith("ann: ")]
        self.assertEqual(shown, [f"ann: {word}" for word in words])

    async def test_programs_get_every_answer(self) -> None:
        server = await self.serves()
        program = await self.connects(server)
        program.asks("nick", name="bot")
        program.asks("join", room="tea")
        for number in range(1000):
            program.asks("say", room="tea", body=f"message {number}", cid=f"c{number}")
        program.says_no_more()
        heard = [json.loads(line) for line in await program.closed()]
        self.assertEqual(
            [event["ok"] for event in heard if "ok" in event], [f"c{n}" for n in range(1000)]
        )
        self.assertEqual(said(heard), [f"bot: message {n}" for n in range(1000)])

    async def test_one_who_has_nothing_to_say_is_greeted_and_closed(self) -> None:
        server = await self.serves()
        nobody = await self.connects(server)
        nobody.says_no_more()
        self.assertIn("Welcome to chatnet!", (await nobody.closed())[0])

    async def test_quitting_and_closing_at_once_is_one_goodbye(self) -> None:
        server = await self.serves()
        ann = await self.joins(server, "ann")
        bob = await self.joins(server, "bob")
        bob.types("last words", "/quit", "never said")
        bob.says_no_more()
        self.assertEqual(await bob.closed(), ["Goodbye."])
        self.assertEqual(
            await ann.until("left"),
            ["bob has joined the room.", "bob: last words", "bob has left the room."],
        )
        self.assertEqual(await ann.answered(), [])

    @skipUnless(which("nc"), "there is no nc here")
    async def test_nc_itself(self) -> None:
        server = await self.serves()
        script = f"printf '/nick ann\\n/join tea\\nhello\\n/who\\n' | nc -N 127.0.0.1 {server.port}"
        out, err, status = await self.runs("/bin/sh", "-c", script)
        self.assertEqual((err, status), ("", 0))
        self.assertEqual(
            out.split("\r\n")[2:],
            [
                "You are now ann.",
                "Welcome to room tea!",
                "Current users: ann",
                "In tea (1): ann (moderator)",
                "",
            ],
        )
        bob = await self.joins(server, "bob")
        self.assertEqual(await told(bob, "tea"), ["ann: hello"])
