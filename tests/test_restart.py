"""What a server remembers: stopped and started, as a daemon, and killed in the middle of a word."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from contextlib import suppress as ignoring
from itertools import count
from pathlib import Path
from typing import Any

from tests.harness import NO_LIMITS, TWISTD, Client, LiveTestCase, Server, coming, poll, said, told


class RestartTests(LiveTestCase):
    async def test_everything_is_as_it_was(self) -> None:
        server = await self.serves()
        ann = await self.registers(server, "Ann", "secret-1")
        bob = await self.registers(server, "Bob", "secret-2")
        eve = await self.registers(server, "Eve", "secret-3")
        for person in (ann, bob, eve):
            person.types("/join tea")
            await person.answered()
        ann.types("/op Bob", "/topic Leaves only", "first", "/mute Eve 2h loud", "/ban Eve rude")
        await ann.answered()
        bob.types("second", "/me pours", "/join cellar", "/lock swordfish")
        await bob.answered()
        bob.types("/whisper Eve sorry", "/leave")
        await bob.answered()
        eve.types("/quit")
        await eve.closed()
        bob.types("/whisper Eve are you there?")
        await bob.until("will read it at the next login")
        await server.stop()

        server = await self.serves()
        ann = await self.arrives(server, "someone")
        ann.types("/rooms", "/newuser ANN another", "/nick bob", "/login Ann wrong")
        refused = await ann.answered()
        self.assertEqual(
            refused[:3], ["Rooms:", "cellar (0 here) [password]", "tea (0 here): Leaves only"]
        )
        self.assertEqual(len(refused), 6, refused)
        ann.types("/login Ann secret-1", "/join tea")
        heard = await ann.until("--- end of history ---")
        past = ["Ann: first", "Bob: second", "* Bob pours"]
        self.assertEqual(
            heard,
            [
                "You are logged in as Ann.",
                "Welcome to room tea!",
                "Current users: Ann",
                "Topic: Leaves only",
                "--- history ---",
                *past,
                "--- end of history ---",
            ],
        )
        self.assertEqual(await told(ann, "tea"), past)
        ann.types("/bans")
        banned, muted = await ann.answered()
        self.assertEqual(banned, "Eve is banned from tea by Ann: rude")
        self.assertRegex(muted, r"^Eve is muted in tea by Ann until .* UTC: loud$")

        eve = await self.connects(server)
        eve.types("/login Eve secret-3")
        heard = await eve.until("are you there?")
        self.assertEqual(heard[-2], "You are logged in as Eve.")
        self.assertRegex(heard[-1], r"^\[....-..-.. ..:..\] \[whisper\] Bob: are you there\?$")
        eve.types("/join tea", "/join cellar", "/join cellar flounder")
        self.assertEqual(
            await eve.answered(),
            [
                "You are banned from this room: rude",
                "The room cellar has a password: /join cellar PASSWORD",
                "That is not the password of cellar.",
            ],
        )
        eve.types("/join cellar swordfish")
        self.assertIn("Current users: Eve", await eve.answered())

        bob = await self.connects(server)
        bob.types("/login Bob secret-2", "/join tea", "/topic Leaves and biscuits", "/unban Eve")
        await bob.until("logged in as Bob")
        await bob.answered()
        await ann.until("Bob lifted the ban on Eve.")

    async def test_history_that_is_asked_for_while_it_is_still_being_read_is_whole(self) -> None:
        server = await self.serves()
        ann = await self.joins(server, "ann")
        ann.types("first", "second")
        await ann.answered()
        await server.stop()
        server = await self.serves("--replay", "1")
        bob = await self.arrives(server, "bob")
        bob.types("/join tea", "/history all")
        heard = await bob.until(" messages of tea ---") + await bob.until("--- end of history ---")
        if sum("--- end of history ---" in line for line in heard) < 2:
            heard += await bob.until("--- end of history ---")
        dated = [line.partition("] ")[2] for line in heard if line.startswith("[")]
        self.assertEqual(dated, ["ann: first", "ann: second"])

    async def test_a_room_goes_on_counting_where_it_was(self) -> None:
        seqs: list[int] = []
        for _ in range(3):
            server = await self.serves()
            ann = await self.joins(server, "ann")
            ann.types("one", "two", "three")
            await ann.answered()
            observer = await self.observes(server, since=0)
            await server.stop()
            events = [json.loads(line) for line in await observer.closed()]
            seqs = [event["seq"] for event in events if "seq" in event and "event" in event]
        fresh = await self.serves()
        client = await self.connects(fresh)
        client.asks("join", room="tea", since=0)
        events = []
        while not events or events[-1].get("reply") != "caughtup":
            events += [json.loads(line) for line in await client.hears(1)]
        shown = [event for event in events if "event" in event]
        self.assertEqual([event["seq"] for event in shown], list(range(1, len(shown) + 1)))
        self.assertEqual(said(shown), ["ann: one", "ann: two", "ann: three"] * 3)
        self.assertLessEqual(seqs[-1:], [len(shown)])

    async def test_a_named_command_is_not_done_twice_even_after_a_restart(self) -> None:
        server = await self.serves()
        await self.registers(server, "Ann", "secret")
        ann = await self._logs_in(server)
        ann.asks("join", room="tea")
        ann.asks("say", room="tea", body="once", cid="c1")
        first = json.loads((await ann.until('"ok"'))[-1])
        await server.stop()
        server = await self.serves()
        ann = await self._logs_in(server)
        ann.asks("join", room="tea", since=0)
        ann.asks("say", room="tea", body="once", cid="c1")
        heard = [json.loads(line) for line in await ann.until('"caughtup"')]
        heard += await ann.receives()
        self.assertIn(first, heard)
        self.assertEqual(said(heard), ["Ann: once"])

    async def test_a_store_in_memory_forgets_and_says_so(self) -> None:
        for _ in range(2):
            server = await self.serves("--store", "memory:")
            ann = await self.registers(server, "Ann", "secret")
            ann.types("/join tea", "hello")
            await ann.answered()
            self.assertEqual(await told(ann, "tea"), ["Ann: hello"])
            await server.stop()
            log = server.log.decode()
            self.assertIn("keeps nothing: all is forgotten when the server stops", log)
            self.assertIn("nothing was kept; goodbye", log)
        self.assertFalse((self.folder / "data").exists())

    async def test_accounts_alone_may_be_forgotten(self) -> None:
        server = await self.serves("--store", "memory:", "--journal", "files:")
        await self.registers(server, "Ann", "secret")
        await server.stop()
        log = server.log.decode()
        self.assertIn("keeps no accounts: they are forgotten when the server stops", log)
        self.assertIn("all but the accounts is stored; goodbye", log)

    async def _logs_in(self, server: Server) -> Client:
        client = await self.connects(server)
        client.asks("login", name="Ann", password="secret")
        await client.until('"youare"')
        return client


class DaemonTests(LiveTestCase):
    async def test_it_runs_in_the_background_and_stops_when_asked(self) -> None:
        for words in (["hello"], ["hello", "hello again"]):
            pid, port = await self._starts()
            ann = await self.joins(port, "ann")
            ann.types(words[-1])
            await ann.answered()
            self.assertEqual(await told(ann, "tea"), [f"ann: {word}" for word in words])
            os.kill(pid, signal.SIGTERM)
            self.assertEqual((await ann.closed())[-1], "Server is shutting down.")
            await self._dies(pid)
            self.assertFalse((self.folder / "twistd.pid").exists())
            self.assertIn(b"all is stored; goodbye", self._log())

    async def test_one_that_cannot_start_says_so_to_the_shell(self) -> None:
        _, port = await self._starts()
        options = ("--interface", "127.0.0.1", "--port", str(port), "--data", "elsewhere")
        out, err, status = await self.runs(*TWISTD, "--pidfile", "2.pid", "chatnet", *options)
        self.assertEqual(status, 1, (out, err))
        first, *_ = err.splitlines()
        self.assertRegex(first, rf"cannot listen on tcp:{port}.*Is another server running there\?$")
        self.assertEqual(err.count(f"cannot listen on tcp:{port}"), 1)
        self.assertNotIn("Traceback", out + err)
        self.assertIn(b"Is another server running there?", self._log())

    async def _starts(self) -> tuple[int, int]:
        """Start it; return its process id and port."""
        (self.folder / "twistd.log").unlink(missing_ok=True)
        out, err, status = await self._twistd("--port", "0")
        self.assertEqual((out, err, status), ("", "", 0))
        await poll(lambda: b"connect with:" in self._log(), "a server in the background")
        pid = int((self.folder / "twistd.pid").read_text())
        self.addCleanup(lambda: coming(self._ends(pid)))
        found = re.search(rb"listens on [^,]*, port (\d+)", self._log())
        assert found is not None
        return pid, int(found[1])

    async def _twistd(self, *options: str) -> tuple[str, str, int]:
        return await self.runs(*TWISTD, "chatnet", "--interface", "127.0.0.1", *options)

    async def _ends(self, pid: int) -> None:
        with ignoring(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        await self._dies(pid)
        self.assertNoSurprise(self._log())

    async def _dies(self, pid: int) -> None:
        await poll(lambda: not self._lives(pid), "the daemon's end")

    def _lives(self, pid: int) -> bool:
        """Return whether ``pid`` runs; one that nobody has buried yet does not."""
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return False
        return state != "Z"

    def _log(self) -> bytes:
        log = self.folder / "twistd.log"
        return log.read_bytes() if log.exists() else b""


class Talker:
    """Speaks, and goes on once that is known to be in the log; notes what it is shown."""

    def __init__(self, client: Client, name: str) -> None:
        self.client, self.name = client, name
        self.said = count()

    def speaks(self) -> None:
        """Say a few things at once."""
        for _ in range(5):
            self.client.types(f"word {next(self.said)} of {self.name}")
        self.client.types("/ping")

    async def talks(self) -> list[str]:
        """Talk until the line is lost; return what was shown."""
        client, shown = self.client, list[str]()
        while not client.gone:
            self.speaks()
            try:
                shown += await client.until("pong")
            except AssertionError:  # gone
                break
        shown += await client.closed()
        return [line for line in shown if ": word " in line]


class KillTests(LiveTestCase):
    timeout = 90

    async def test_also_after_another_program_has_read_the_database(self) -> None:
        server = await self.serves()
        ann = await self.joins(server, "ann")
        ann.types("before")
        await ann.answered()
        copy = self.folder / "copy.db"
        backup = (
            "import sqlite3, sys; a, b = map(sqlite3.connect, sys.argv[1:]); a.backup(b);"
            " a.close(); b.close()"
        )
        path = str(self.folder / "data" / "chatnet.db")
        out, err, status = await self.runs(sys.executable, "-c", backup, path, str(copy))
        self.assertEqual((out, err, status), ("", "", 0))
        ann.types("after")
        await ann.answered()
        server.kill()
        await server.ended()
        again = await self.serves()
        bob = await self.joins(again, "bob")
        self.assertEqual(await told(bob, "tea"), ["ann: before", "ann: after"])

    async def _killed_after(self, shown: int) -> None:
        server = await self.serves()
        observer = await self.observes(server)
        names = [f"p{number:02}" for number in range(20)]
        talkers = [Talker(await self.joins(server, name), name) for name in names]
        for talker in talkers:
            await talker.client.answered()
        await observer.until(f'"who":"{names[-1]}"')
        talks = [coming(talker.talks()) for talker in talkers]
        await observer.arrived(shown)
        server.kill()
        heard = [await talk for talk in talks]
        seen = [json.loads(line) for line in await observer.closed()]
        self.assertEqual(await server.ended(), -signal.SIGKILL)

        again = await self.serves()
        kept = await self._everything(again)
        self.assertEqual([event["seq"] for event in kept], list(range(1, len(kept) + 1)))
        events = [event for event in seen if "event" in event]
        first = events[0]["seq"]
        self.assertGreaterEqual(len(events), shown)
        self.assertEqual(kept[first - 1 : first - 1 + len(events)], events)
        words = said(kept)
        for name, lines in zip(names, heard, strict=True):
            others = [word for word in words if not word.startswith(f"{name}: ")]
            self.assertEqual(lines, others[: len(lines)])
            own = [word for word in words if word.startswith(f"{name}: ")]
            self.assertEqual(own, [f"{name}: word {n} of {name}" for n in range(len(own))])

    async def _everything(self, server: Server) -> list[dict[str, Any]]:
        reader = await self.connects(server)
        reader.asks("join", room="tea", since=0)
        lines = await reader.until('"reply":"caughtup"')
        return [event for line in lines if "event" in (event := json.loads(line))]

    async def test_what_anyone_saw_is_kept_when_it_is_killed_at_once(self) -> None:
        await self._killed_after(1)

    async def test_what_anyone_saw_is_kept_when_it_is_killed_a_little_later(self) -> None:
        await self._killed_after(333)

    async def test_what_anyone_saw_is_kept_when_it_is_killed_in_full_talk(self) -> None:
        await self._killed_after(4000)

    async def test_it_can_be_killed_again_and_again(self) -> None:
        for rounds in range(1, 4):
            server = await self.serves()
            ann = await self.joins(server, "ann")
            ann.types(*(f"word {n}" for n in range(200)), "/ping")
            await ann.until("pong")
            server.kill()
            await server.ended()
            kept = said(await self._everything(await self.serves(data="data")))
            await self._servers_end()
            self.assertEqual(kept, [f"ann: word {n}" for n in range(200)] * rounds)

    async def _servers_end(self) -> None:
        for server in self.servers:
            server.kill()
            await server.ended()


class FullDiskTests(LiveTestCase):
    async def test_what_cannot_be_stored_is_not_shown_and_its_sender_is_told(self) -> None:
        options = ("--data", str(self.folder / "data"), "--port", "0", "--interface", "127.0.0.1")
        server = self.launches(
            *NO_LIMITS, *options, shell="ulimit -f 1200"
        )  # blocks of 512 bytes, per file
        server.suffers = True
        await server.logged("connect with:")
        ann, bob = await self.joins(server, "ann"), await self.joins(server, "bob")
        await ann.answered()
        shown: list[str] = []
        refused = 0
        for number in range(40):
            ann.types(f"{number:02} {'x' * 50_000}")
            told_to_ann = await ann.answered()
            refused += len(told_to_ann)
            if told_to_ann:
                self.assertEqual(told_to_ann, ["That could not be stored. Please try again."])
            heard = await bob.answered()
            self.assertEqual(len(heard) + len(told_to_ann), 1)
            shown += heard
        self.assertTrue(shown)
        self.assertTrue(refused)
        self.assertIn(b"could not commit", server.log)
        await server.stop()
        await ann.closed(), await bob.closed()

        again = await self.serves()
        reader = await self.arrives(again, "reader")
        reader.types("/join tea")
        await reader.until("--- end of history ---")
        self.assertEqual(await told(reader, "tea"), shown)
