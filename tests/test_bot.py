"""The bot in docs/client.md, as it stands there, against the real server."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from twisted.internet.protocol import Factory

from tests.harness import Client, poll, reactor
from tests.starting import start
from tests.test_client import ClientTestCase, Program

DOCUMENT = Path(__file__).parent.parent / "docs" / "client.md"
LONGEST = 15  # lines


def bot() -> str:
    """Return the program in the document."""
    found = re.search(r"<!-- bot -->\n```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


class BotTests(ClientTestCase):
    timeout = 120

    def runs_bot(self, port: int, program: str = "") -> Program:
        path = self.folder / "bot.py"
        path.write_text((program or bot()).replace("8888", str(port)))
        process = Program()
        command = (sys.executable, str(path))
        start(process, command, path=self.folder)
        self.ends_with_the_test(process)
        return process

    def test_it_is_short(self) -> None:
        self.assertLessEqual(len([line for line in bot().splitlines() if line]), LONGEST)

    async def test_it_answers_also_after_the_server_was_killed(self) -> None:
        server = await self.serves("--replay", "0")
        process = self.runs_bot(server.port)
        ann = await self.joins(server, "ann", "lobby")
        await ann.until("robot")
        ann.types("ping")
        await ann.until("robot: pong, ann")
        for _ in range(2):
            server = await self.restarts(server, "--replay", "0")
            ann = await self.joins(server, "ann", "lobby")
            ann.types("ping", "ping")
            await ann.until("robot: pong, ann")
            await ann.until("robot: pong, ann")
        await process.shows("The link is back.")
        ann.types("/history all")
        await ann.until("messages of lobby ---")
        heard = await ann.until("--- end of history ---")
        said = [line.partition("] ")[2] for line in heard[:-1]]
        pairs = ["ann: ping", "robot: pong, ann"]
        self.assertEqual(sorted(said), sorted(pairs * 5))
        process.transport.signalProcess("INT")  # type: ignore[union-attr]
        self.assertEqual(await process.ended(), 130)
        await ann.until("robot has left the room.")
        self.assertNotIn("Traceback", process.err)

    async def test_as_a_service_it_ends_well(self) -> None:
        server = await self.serves()
        process = self.runs_bot(server.port)
        ann = await self.joins(server, "ann", "lobby")
        await ann.until("robot")
        process.transport.signalProcess("TERM")  # type: ignore[union-attr]
        self.assertEqual((await process.ended(), process.err), (0, ""))
        await ann.until("robot has left the room.")

    async def test_interrupted_while_it_waits_for_a_server_it_ends(self) -> None:
        heard: list[Client] = []

        def hear(_: object) -> Client:
            heard.append(Client())
            return heard[-1]

        silent = Factory()
        silent.buildProtocol = hear  # type: ignore[method-assign,assignment]
        port = reactor.listenTCP(0, silent, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        process = self.runs_bot(port.getHost().port)
        await poll(lambda: bool(heard), "a connection")
        await heard[0].arrived(1)
        process.transport.signalProcess("INT")  # type: ignore[union-attr]
        self.assertEqual((await process.ended(), process.err), (130, ""))

    async def test_without_a_server_it_says_so_and_ends(self) -> None:
        process = self.runs_bot(1)
        self.assertEqual(await process.ended(), 3)
        self.assertTrue(process.err.startswith("Nothing listens at localhost:1."), process.err)
        self.assertEqual(process.err.count("\n"), 1)

    async def test_a_mistake_in_a_program_is_shown_where_it_is(self) -> None:
        server = await self.serves()
        process = self.runs_bot(server.port, bot().replace("room.say", "room.sya"))
        ann = await self.joins(server, "ann", "lobby")
        await ann.until("robot")
        ann.types("ping")
        self.assertEqual(await process.ended(), 1)
        self.assertIn("AttributeError: 'Room' object has no attribute 'sya'", process.err)
        await ann.until("robot has left the room.")

    async def test_it_works_in_the_loop_of_asyncio(self) -> None:
        server = await self.serves()
        asyncio = "from twisted.internet import asyncioreactor\nasyncioreactor.install()\n"
        process = self.runs_bot(server.port, asyncio + bot())
        ann = await self.joins(server, "ann", "lobby")
        await ann.until("robot")
        ann.types("ping")
        await ann.until("robot: pong, ann")
        process.transport.signalProcess("INT")  # type: ignore[union-attr]
        self.assertEqual(await process.ended(), 130)
