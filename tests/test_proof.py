"""The proof, at a size for every day, on every store. CHATNET_PROOF=long makes it larger."""

from __future__ import annotations

import os
from typing import ClassVar

from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SkipTest, TestCase

from tests.dbservers import DatabaseServer, MariaDB, PostgreSQL
from tests.harness import poll
from tests.proof import Plan, Proof
from tests.victim import Victim
from tests.voices import Manner

LONG = 10 if os.environ.get("CHATNET_PROOF") == "long" else 1


class ProofTestCase(TestCase):
    """Proves one store; each test with another seed."""

    timeout = 120 * LONG
    store = "sqlite:"
    database: DatabaseServer | None = None

    def proves(self, seed: int, manner: Manner | None = None, *options: str) -> Proof:
        """Return a proof that has not begun, and ends with the test."""
        proof = Proof(self.store, seed, options, manner, self.database)
        self.addCleanup(proof.end)
        return proof

    async def holds(self, proof: Proof) -> None:
        """See that nothing happened that must not happen, and something that may."""
        faults = await proof.judge()
        self.assertEqual(faults, [], "\n".join(faults))
        self.assertGreater(proof.counts.acknowledged, 0)


class SqliteTests(ProofTestCase):
    async def test_it_is_killed_at_random_moments(self) -> None:
        proof = self.proves(1, Manner(rate=300))
        await proof.begin()
        await proof.suffer(Plan(kills=10 * LONG, drops=2 * LONG, seconds=0.2))
        await self.holds(proof)
        self.assertGreaterEqual(proof.victim.kills, 10 * LONG)

    async def test_links_are_lost_at_random_moments(self) -> None:
        proof = self.proves(2)
        await proof.begin()
        await proof.suffer(Plan(drops=30 * LONG, seconds=0.2))
        await self.holds(proof)
        self.assertGreater(proof.counts.links, 20 * LONG)
        self.assertGreater(proof.counts.repeated, 0)

    async def test_the_disk_is_full(self) -> None:
        proof = self.proves(3, Manner(longest=4000))
        await proof.begin()
        await proof.suffer(Plan(fills=2 * LONG, drops=2, seconds=0.3))
        await self._is_refused(proof)
        await self._starts_when_there_is_room(proof.victim)
        await proof.talks(0)
        await self.holds(proof)
        self.assertGreater(proof.counts.refused["unavailable"], 60 * LONG)

    async def _is_refused(self, proof: Proof) -> None:
        """Fill the disk, and see what others are told who want something kept."""
        proof.victim.limit(0)
        await proof.refuses()
        eve = await proof.connects()
        eve.asks("register", name="eve", password="secret-2")
        eve.asks("join", room="tea")
        eve.asks("whisper", who="ann", body="are you there?")
        answers = (await eve.receives())[1:]  # without hello
        eve.hangs_up()
        self.assertEqual([answer.get("error") for answer in answers], ["unavailable"] * 3)

    async def _starts_when_there_is_room(self, victim: Victim) -> None:
        await victim.dies()
        victim.launches()
        victim.limit(0)
        self.assertEqual(await victim.server.ended(), 1)
        self.assertRegex(victim.server.complaints, rb"^chatnet: cannot open the store [^\n]+\n$")
        await victim.starts()

    async def test_readers_stop_for_longer_than_memory_holds(self) -> None:
        proof = self.proves(4, Manner(rate=10, longest=600_000, rooms=("tea",)))
        await proof.begin()
        slow, other = proof.voices[:2], proof.voices[2]
        for voice in slow:
            voice.goes_deaf(60)
        said = other.seen["tea"]
        await poll(lambda: other.seen["tea"] > said + 50 * LONG, "much to read", 60)
        for voice in slow:  # some 15 MiB behind; memory has two at most, and the kernel some
            self.assertLess(voice.seen["tea"], said + 20)
        await self.holds(proof)


class FilesTests(ProofTestCase):
    store = "files:"

    async def test_server_and_disk_break_at_random_moments(self) -> None:
        proof = self.proves(7, Manner(rate=300))
        await proof.begin()
        await proof.suffer(Plan(kills=10 * LONG, drops=2 * LONG, fills=2 * LONG, seconds=0.2))
        await self.holds(proof)
        self.assertGreaterEqual(proof.victim.kills, 10 * LONG)
        self.assertGreater(proof.counts.refused["unavailable"], 0)


class DatabaseTestCase(ProofTestCase):
    """Proves a store whose server may go away as well."""

    kind: ClassVar[type[DatabaseServer]]

    async def check_all(self, seed: int) -> None:
        if missing := self.kind.missing():
            raise SkipTest(missing)
        self.database = await deferToThread(self.kind)
        self.addCleanup(deferToThread, self.database.remove)
        await deferToThread(self.database.start)
        self.store = self.database.url()
        proof = self.proves(seed)
        await proof.begin()
        await proof.suffer(Plan(kills=10 * LONG, drops=2 * LONG, outages=2 * LONG, seconds=0.2))
        await self.holds(proof)
        self.assertGreaterEqual(proof.victim.kills, 10 * LONG)
        self.assertGreater(proof.counts.refused["unavailable"], 0)


class MariaDBTests(DatabaseTestCase):
    kind = MariaDB

    async def test_server_and_database_break_at_random_moments(self) -> None:
        await self.check_all(5)


class PostgreSQLTests(DatabaseTestCase):
    kind = PostgreSQL

    async def test_server_and_database_break_at_random_moments(self) -> None:
        await self.check_all(6)
