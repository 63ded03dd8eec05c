"""Backups of a server that is in use, and what is found in a store that somebody changed."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import sys
from typing import Any

from twisted.internet.task import deferLater

from chatnet.admin.__main__ import main
from tests.harness import Client, LiveTestCase, Server, coming, reactor, said

ADMIN = (sys.executable, "-m", "chatnet.admin")


class Talker:
    """Names all that it says, and says the next thing once that was answered."""

    def __init__(self, client: Client, name: str) -> None:
        self.client, self.name = client, name
        self.spoken = 0
        self.enough = False

    async def talks(self) -> None:
        """Talk until it is enough."""
        while not self.enough:
            await self.speaks(10)
            await deferLater(reactor, 0.1)

    async def speaks(self, times: int) -> None:
        """Say the next few things, and wait for the answers."""
        first = self.spoken
        self.spoken += times
        for number in range(first, self.spoken):
            self.says(number)
        await self.client.until(f'"ok":"{self.spoken - 1}"')

    def says(self, number: int) -> None:
        """Say, for the first time or again, what comes at the place ``number``."""
        self.client.asks("say", room="tea", body=f"{number} of {self.name}", cid=str(number))


class AdminCase(LiveTestCase):
    async def runs_beside(self, *words: str) -> str:
        """Return what ``python -m chatnet.admin`` says on standard error."""
        out, err, ended = await self.runs(*ADMIN, *words)
        self.assertEqual((out, ended), ("", 0), err)
        return err

    def admin(self, *words: str, status: int = 0) -> str:
        """Return the same, of one that runs in this process, where ``data`` is the folder."""
        said, self.printed = io.StringIO(), io.StringIO()
        self.patch(sys, "stderr", said)
        self.patch(sys, "stdout", self.printed)
        here = os.getcwd()
        os.chdir(self.folder)
        try:
            self.assertEqual(main(list(words)), status, said.getvalue())
        finally:
            os.chdir(here)
        return said.getvalue()

    async def logs_in(self, server: Server, name: str) -> Client:
        client = await self.connects(server)
        client.asks("login", name=name, password=f"secret of {name}")
        client.asks("join", room="tea", since=0)
        await client.until('"caughtup"')
        return client

    async def everything(self, server: Server, name: str = "reader") -> list[dict[str, Any]]:
        reader = await self.connects(server)
        reader.asks("nick", name=name)
        reader.asks("join", room="tea", since=0)
        lines = await reader.until('"reply":"caughtup"')
        return [event for line in lines if "event" in (event := json.loads(line))]


class BackupTests(AdminCase):
    timeout = 90

    async def test_a_backup_of_a_busy_server_is_whole_and_a_server_goes_on_with_it(self) -> None:
        names = ["Ann", "Bob", "Eve"]
        server = await self.serves()
        for name in names:
            client = await self.connects(server)
            client.asks("register", name=name, password=f"secret of {name}")
            await client.until('"youare"')
        talkers = [Talker(await self.logs_in(server, name), name) for name in names]
        talks = [coming(talker.talks()) for talker in talkers]
        said_before = await self._while_they_talk(talkers)
        for talker in talkers:
            talker.enough = True
        for talk in talks:
            await talk
        there = await self.everything(server)
        await server.stop()

        for file in ("one.jsonl", "two.jsonl.gz"):
            self.assertIn("all is whole", self.admin("verify", file))
        refusal = self.admin("restore", "--data", "data", "one.jsonl", status=2)
        self.assertIn("into an empty store only; there: the logs of ", refusal)
        await self.runs_beside("restore", "--data", "new", "two.jsonl.gz")
        self.assertIn("all is whole", self.admin("verify", "--data", "new"))

        server = await self.serves(data="new")
        kept = await self.everything(server)
        whole = [event for event in kept if event["event"] == "said"]
        self.assertGreaterEqual(len(whole), said_before)
        self.assertEqual(kept[: whole[-1]["seq"]], there[: whole[-1]["seq"]])
        for talker in talkers:
            kept_words = [event for event in whole if event["by"] == talker.name]
            spoken, talker.spoken = talker.spoken, max(0, len(kept_words) - 400)
            talker.client = await self.logs_in(server, talker.name)
            await talker.speaks(spoken - talker.spoken)  # again, or for the first time
        words = said(await self.everything(server, "another"))
        for talker in talkers:
            own = [word for word in words if word.startswith(f"{talker.name}: ")]
            expected = [f"{talker.name}: {n} of {talker.name}" for n in range(talker.spoken)]
            self.assertEqual(own, expected)

    async def _while_they_talk(self, talkers: list[Talker]) -> int:
        """Make backups, and look at the store; return how much was said before."""
        before = 0
        for file in ("one.jsonl", "two.jsonl.gz"):
            before = sum(talker.spoken for talker in talkers)
            self.assertIn("3 accounts", await self.runs_beside("backup", "--data", "data", file))
            self.assertEqual((self.folder / file).stat().st_mode & 0o777, 0o600)
        self.assertIn("all is whole", await self.runs_beside("verify", "--data", "data"))
        self.assertGreater(sum(talker.spoken for talker in talkers), before)
        return before - 10 * len(talkers)  # of which the last were still on their way


class VerifyTests(AdminCase):
    async def test_what_somebody_changed_in_the_database_is_named(self) -> None:
        server = await self.serves()
        ann = await self.joins(server, "ann", "Tea")
        ann.types(*(f"word {n}" for n in range(20)))
        await ann.answered()
        await server.stop()
        self.assertIn("all is whole", self.admin("verify", "--heads", "--data", "data"))
        (self.folder / "heads").write_text(self.printed.getvalue())
        data = (self.folder / "data" / "chatnet.db").read_bytes()

        self._changes(
            data,
            "UPDATE entries SET event = replace(event, 'word 7', 'word 8')",
            "UPDATE entries SET at = at + 1 WHERE seq = 4",
            "DELETE FROM entries WHERE seq = 14",
            "UPDATE entries SET event = '[' WHERE seq = 22",
        )
        told = self.admin("verify", "--data", "data", status=1)
        self.assertEqual(
            told.splitlines()[:-1],
            [
                "chatnet: Tea (tea): entry 4 does not follow the one before it",
                "chatnet: Tea (tea): entry 10 was changed",
                "chatnet: Tea (tea): entry 14 is lost",
                "chatnet: Tea (tea): entry 22 cannot be read",
            ],
        )
        self.assertRegex(told, r" s: 4 faults\n$")

        self._changes(data, "DELETE FROM entries WHERE seq > 20")
        told = self.admin("verify", "--data", "data", "--since-heads", "heads", status=1)
        self.assertRegex(told, r"Tea \(tea\): it ended at entry 22, and now at 20\n")

    def _changes(self, data: bytes, *changes: str) -> None:
        """Put ``data`` into the database's place, and change it."""
        path = self.folder / "data" / "chatnet.db"
        for file in self.folder.glob("data/chatnet.db*"):
            file.unlink()
        path.write_bytes(data)
        db = sqlite3.connect(path)
        for change in changes:
            db.execute(change)
        db.commit()
        db.close()

    async def test_what_cannot_be_done_is_one_line(self) -> None:
        (self.folder / "words").write_text("hello\n")
        for words, sentence in (
            (("verify", "--data", "none"), "there is no "),
            (("backup", "--store", "memory:", "x"), "no other program can read"),
            (("restore", "--data", "none", "words"), "it is no backup of chatnet"),
            (("verify", "none"), "No such file"),
            (("restore", "-"), "name a file"),
        ):
            told = self.admin(*words, status=2)
            self.assertIn(sentence, told)
            self.assertEqual(told.count("\n"), 1, told)
        self.assertFalse((self.folder / "none").exists())
