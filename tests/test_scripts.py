"""``chatnet send`` and ``chatnet tail``, as scripts start them, against the real server."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from tests.harness import Server, poll
from tests.starting import start
from tests.test_client import ClientTestCase, Program

CHATNET = (sys.executable, "-m", "chatnet")


class ScriptTestCase(ClientTestCase):
    def begins(self, server: Server, what: str, *words: str) -> Program:
        program = Program()
        where = ("--host", "127.0.0.1", "--port", str(server.port))
        command = (*CHATNET, what, *where, *words)
        environment = {**os.environ, **self.home()}
        start(program, command, environment, self.folder)
        self.ends_with_the_test(program)
        return program

    async def does(
        self, server: Server, what: str, *words: str, given: str = ""
    ) -> tuple[str, str, int]:
        """Return what a script prints to which ``given`` is piped, and its exit status."""
        program = self.begins(server, what, *words)
        if given:
            program.types(given)
        program.says_no_more()
        status = await program.ended()
        return program.out, program.err, status


class SendTests(ScriptTestCase):
    async def test_what_is_given_is_said_once_it_is_stored(self) -> None:
        server = await self.serves()
        ann = await self.joins(server, "ann", "ci")
        me = ("--name", "bot")
        for words, given in (
            (("ci", "all", "is", "well"), ""),
            (("ci",), "one\n\n/two\n"),
            (("ci", "--whole"), "three\nfour\n"),
            (("@ann", "psst"), ""),
        ):
            ended = await self.does(server, "send", *words, *me, given=given)
            self.assertEqual(ended, ("", "", 0))
        said = [line for line in await ann.answered() if "bot: " in line]
        bodies = ["all is well", "one", "/two", "three", "four"]
        self.assertEqual(said, [*(f"bot: {body}" for body in bodies), "[whisper] bot: psst"])
        for words, sentence, wanted in (
            (("@nobodyhere", "hi"), "Nobody called nobodyhere is known here.", 1),
            (("ci", " "), "there is nothing to say", 2),
        ):
            out, err, status = await self.does(server, "send", *words)
            self.assertEqual((out, status), ("", wanted))
            self.assertIn(sentence.lower(), err.lower())


class TailTests(ScriptTestCase):
    timeout = 120

    async def test_a_room_is_printed_as_text_and_as_json(self) -> None:
        server = await self.serves()
        ann = await self.joins(server, "ann", "ci")
        ann.types(*(f"line {n}" for n in range(12)))
        await ann.answered()
        out, err, status = await self.does(server, "tail", "ci")
        self.assertEqual((err, status), ("", 0))
        self.assertEqual([line.partition("] ")[2] for line in out.splitlines()],
                         [f"ann: line {n}" for n in range(2, 12)])  # fmt: skip
        out, err, status = await self.does(server, "tail", "ci", "--since", "1h", "--json")
        entries = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([one["body"] for one in entries if one["event"] == "said"],
                         [f"line {n}" for n in range(12)])  # fmt: skip
        self.assertEqual([one["seq"] for one in entries],
                         list(range(entries[0]["seq"], entries[-1]["seq"] + 1)))  # fmt: skip
        command = f'"$@" tail ci --since 1h --port {server.port} --host 127.0.0.1 | head -n 1'
        out, err, _ = await self.runs("/bin/sh", "-c", command, "sh", *CHATNET)
        self.assertEqual((out.count("\n"), err), (1, ""))

    async def test_with_a_cursor_nothing_is_missed_also_after_kills(self) -> None:
        server = await self.serves()
        ann = await self.joins(server, "ann", "ci")
        cursor = str(self.folder / "cursor")
        options = ("ci", "--json", "--since", "1h", "--cursor", cursor)
        heard: list[int] = []
        count = 0
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
            tail = self.begins(server, "tail", *options, "--follow")
            for _ in range(50):
                ann.types(f"line {count}")
                count += 1
            await tail.shows(f'"line {count - 1}"')
            if number != signal.SIGKILL:  # else anything may have been saved
                saved = Path(cursor)
                await poll(saved.exists, "a cursor")
            tail.transport.signalProcess(number)  # type: ignore[union-attr]
            await tail.ended()
            self.assertEqual(tail.err, "")
            heard += [json.loads(line)["seq"] for line in tail.out.splitlines()]
            ann.types(f"line {count}")
            count += 1
            await ann.answered()
        out, err, status = await self.does(server, "tail", *options)
        self.assertEqual((err, status), ("", 0))
        heard += [json.loads(line)["seq"] for line in out.splitlines()]
        self.assertEqual(sorted(set(heard)), list(range(min(heard), max(heard) + 1)))
        again, _, _ = await self.does(server, "tail", *options)
        events = [json.loads(line)["event"] for line in again.splitlines()]
        self.assertNotIn("said", events)
        _, err, status = await self.does(server, "tail", "other", "--cursor", cursor)
        self.assertEqual(status, 1)
        self.assertIn("is the cursor of ci", err)
        found = json.loads(Path(cursor).read_text())
        Path(cursor).write_text(json.dumps({**found, "seq": 10_000}))
        _, err, status = await self.does(server, "tail", "ci", "--cursor", cursor)
        self.assertEqual(status, 1)
        self.assertIn("another server", err)


class NameTests(ScriptTestCase):
    async def test_chatnet_says_what_there_is(self) -> None:
        out, _, status = await self.runs(*CHATNET, "--help")
        self.assertEqual((status, out.count("chatnet tail")), (0, 1))
        _, err, status = await self.runs(*CHATNET, "nope")
        self.assertEqual(status, 2)
        self.assertIn("There is nothing called nope", err)
