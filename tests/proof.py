"""The proof: what was acknowledged is kept, once and in one order, whatever breaks meanwhile.

    python -m tests.proof --store sqlite: --kills 10 --drops 20 --seconds 3 --seed 1
    python -m tests.proof --store mariadb --kills 10 --outages 5

Starts a server, has people talk over links that break, breaks the server at random moments, and
compares in the end what they were told with the log that is left. Exits with 1 if they differ.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from twisted.internet import reactor as installed  # noqa: TID251
from twisted.internet.defer import gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.task import deferLater, react
from twisted.internet.threads import deferToThread

from chatnet.test.checker import Checker
from tests.dbservers import DatabaseServer, MariaDB, PostgreSQL
from tests.harness import Client, coming, poll
from tests.victim import ROOM, Victim
from tests.voices import Counts, Manner, Observer, Voice

reactor: Any = installed

PRIVATE: dict[str, type[DatabaseServer]] = {"mariadb": MariaDB, "postgresql": PostgreSQL}
QUIET_SECONDS = 60.0  # until everybody was answered, at most
_STILL_SECONDS = 0.3  # without anything new
_SPARE_BYTES = 64 * 1024  # until the disk is full
_PASSWORD = "secret-1"


@dataclass(slots=True)
class Plan:
    """What is to break, and how often."""

    kills: int = 0  # of the server, without warning
    drops: int = 0  # of somebody's link, or half of it, or its attention
    fills: int = 0  # of the disk, which is emptied again
    outages: int = 0  # of the database server
    seconds: float = 1.0  # between two faults, at most

    def faults(self, chance: Random) -> list[str]:
        """Return the names of all faults, in some order."""
        names = ["kill"] * self.kills + ["fill"] * self.fills + ["outage"] * self.outages
        names += ["drop"] * self.drops
        chance.shuffle(names)
        return names


class Proof:
    """A server on one store, and people on it: three guests, and an account that is there twice.

    ``options`` are more options of the server; ``database`` is what the store needs, if it is
    ours to break. Whoever makes a proof must ``end`` it.
    """

    def __init__(
        self,
        store: str = "sqlite:",
        seed: int = 1,
        options: Sequence[str] = (),
        manner: Manner | None = None,
        database: DatabaseServer | None = None,
    ) -> None:
        self.seed, self.chance = seed, Random(seed)
        self.manner = manner or Manner()
        self.database = database
        self.checker = Checker()
        self.counts = Counts()
        self.victim = Victim(store, options, self.counts, self.chance)
        self.voices: list[Voice] = []
        self._faults: list[str] = []
        self._observers: list[Observer] = []

    # -- the people ----------------------------------------------------------------

    async def begin(self) -> None:
        """Start the server, and let everybody talk."""
        await self.victim.starts()
        await self._registers("ann")
        for label in ("ann/1", "ann/2"):
            self._joins(label, {"do": "login", "name": "ann", "password": _PASSWORD})
        for name in ("bob", "cat", "dan"):
            self._joins(name, {"do": "nick", "name": name, "secret": f"{name}'s own"})
        one, other = self.voices[:2]
        one.twin, other.twin = other, one
        await self.talks(0)

    async def _registers(self, name: str) -> None:
        client = await self.connects()
        client.asks("register", name=name, password=_PASSWORD)
        await client.until('"youare"')
        client.hangs_up()
        await client.closed()

    async def connects(self) -> Client:
        """Return a connection that nobody looks after."""
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.victim.port())
        client: Client = await connectProtocol(endpoint, Client())
        return client

    def _joins(self, label: str, who: dict[str, str]) -> None:
        chance = Random(f"{self.seed} {label}")
        voice = Voice(label, who, self.victim.port, self.checker, self.counts, chance, self.manner)
        self.voices.append(voice)
        voice.begin()

    # -- what breaks ---------------------------------------------------------------

    async def talks(self, seconds: float) -> None:
        """Let them talk for some time, and until there is something to lose."""
        before = self.counts.acknowledged
        await deferLater(reactor, seconds)
        await poll(lambda: self.counts.acknowledged > before, "someone who is answered", 60)

    async def suffer(self, plan: Plan, tell: Callable[[str], None] = lambda _: None) -> None:
        """Have everything happen that ``plan`` names."""
        for fault in plan.faults(self.chance):
            await self.talks(self.chance.uniform(0, plan.seconds))
            match fault:
                case "kill":
                    await self.victim.is_killed()
                case "drop":
                    self.chance.choice(self.voices).suffers(self.chance)
                case "fill":
                    await self.fill()
                case "outage":
                    await self.outage()
            tell(f"{fault}: {self.tally()}")

    async def fill(self) -> None:
        """Fill the disk until people are refused, then make room; or kill the server first."""
        size, full = self.victim.largest() + _SPARE_BYTES, coming(self.refuses())
        while not full.called:  # what is there is written over for a while
            self.victim.limit(size)
            size //= 4
            await deferLater(reactor, 0.3)
        await full
        if self.chance.random() < 0.3:
            await self.victim.dies()
            await self.victim.starts()
        else:
            self.victim.limit(ROOM)
        await self.talks(0)

    async def outage(self) -> None:
        """Stop or kill the database server under load, and start it again."""
        assert self.database is not None, "no database server of our own"
        killed, away = self.chance.random() < 0.5, self.chance.uniform(0, 1)
        await deferToThread(self.database.restart, killed, away)
        await self.talks(0)

    async def refuses(self, times: int = 20) -> None:
        """Wait until so many were refused, for the reason that it cannot be stored."""
        refused = self.counts.refused
        wanted = refused["unavailable"] + times
        await poll(lambda: refused["unavailable"] >= wanted, "refusals", 60)

    # -- what is left --------------------------------------------------------------

    async def judge(self) -> list[str]:
        """Let everybody finish; return what is against the contract, as sentences."""
        for voice in self.voices:
            voice.silent = True
            voice.hears_again()
        await poll(lambda: all(v.content for v in self.voices), "the end of the talk", 60)
        live = await self._observes("observer", self.checker)
        await self._quiet([*self.voices, live])
        for voice in (*self.voices, live):
            for room in self.manner.rooms:
                assert voice.link is not None
                self.checker.quiet(voice.link.name, room)
        for room, log in live.log.items():
            self.checker.kept(room, log)
        self._check_members(live, {voice.account for voice in self.voices})
        await self._all_leave()
        await self.victim.dies()
        await self.victim.starts()
        again = await self._observes("historian", Checker())
        await self._quiet([again])
        self._compare(live, again)
        self._check_members(again, set())
        surprises = [surprise for voice in self.voices for surprise in voice.surprises]
        return [*self._faults, *self.checker.faults(), *surprises, *self.victim.complaints()]

    async def _observes(self, label: str, checker: Checker) -> Observer:
        observer = Observer(label, self.victim.port, checker, self.manner.rooms)
        self._observers.append(observer)
        observer.begin()
        await poll(lambda: observer.content, "the past", 60)
        return observer

    async def _quiet(self, voices: list[Voice]) -> None:
        """Wait until all have seen the same and nothing new comes, or for as long as can be."""
        heads: list[dict[str, int]] = []
        still = 0.0
        deadline = reactor.seconds() + QUIET_SECONDS
        while still < _STILL_SECONDS and reactor.seconds() < deadline:
            await deferLater(reactor, _STILL_SECONDS / 3)
            before, heads = heads, [dict(voice.seen) for voice in voices]
            same = heads == before and all(head == heads[0] for head in heads)
            still = still + _STILL_SECONDS / 3 if same else 0.0

    def _check_members(self, observer: Observer, here: set[str]) -> None:
        here = here | {observer.account}
        for room, state in observer.states.items():
            if (members := {member["name"] for member in state["members"]}) != here:
                self._faults.append(f"{room} has {sorted(members)}, there are {sorted(here)}")

    def _compare(self, live: Observer, again: Observer) -> None:
        """See that what was shown stands in the store, and nothing between."""
        for room, log in live.log.items():
            kept = again.log[room]
            for place, fact in enumerate(log):
                if kept[place : place + 1] != [fact]:
                    found = kept[place : place + 1] or "nothing"
                    self._faults.append(f"after a restart {room} has {found} and not {fact}")
                    break
            if [fact.seq for fact in kept] != list(range(1, len(kept) + 1)):
                self._faults.append(f"after a restart {room} has gaps")
        for observer in (live, again):
            self._faults += observer.surprises

    async def _all_leave(self) -> None:
        leaving = [coming(voice.leave()) for voice in (*self.voices, *self._observers)]
        self._observers.clear()
        await gatherResults(leaving)

    async def end(self) -> None:
        """Leave nothing behind."""
        await self._all_leave()
        await self.victim.end()

    def tally(self) -> str:
        """Return what happened so far, in numbers."""
        counts = self.counts
        refused = ", ".join(f"{number} {code}" for code, number in counts.refused.items())
        return (
            f"{self.victim.kills} kills, {counts.links} links, {counts.acknowledged} acknowledged"
            f" (+{counts.repeated} again), {counts.shown} shown, refused: {refused or 'none'}"
        )


async def prove(proof: Proof, plan: Plan, tell: Callable[[str], None]) -> list[str]:
    """Have all of ``plan`` happen to ``proof``; return the faults, one of which may end it."""
    try:
        if proof.database is not None:
            await deferToThread(proof.database.start)
        await proof.begin()
        await proof.suffer(plan, tell)
        return await proof.judge()
    except AssertionError as error:
        return [str(error), *proof.victim.complaints()]
    finally:
        await proof.end()
        if proof.database is not None:
            await deferToThread(proof.database.remove)


def main(words: list[str]) -> None:
    """Prove what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof")
    parser.add_argument("--store", default="sqlite:", help="URL, or mariadb or postgresql")
    parser.add_argument("--journal", default="", help="URL of the server's --journal")
    parser.add_argument("--seed", type=int, default=1)
    for name, default, what in (
        ("kills", 10, "times the server is killed"),
        ("drops", 10, "times somebody's link breaks"),
        ("fills", 0, "times the disk is full (not the database's)"),
        ("outages", 0, "times the private database server goes away"),
    ):
        parser.add_argument(f"--{name}", type=int, default=default, help=what)
    parser.add_argument("--seconds", type=float, default=2.0, help="between faults, at most")
    parser.add_argument("--rate", type=float, default=200.0, help="messages of each, a second")
    parser.add_argument("--longest", type=int, default=400, help="characters of a message")
    asked = parser.parse_args(words)
    database = PRIVATE[asked.store]() if asked.store in PRIVATE else None
    proof = Proof(
        store=database.url() if database else asked.store,
        seed=asked.seed,
        options=(f"--journal={asked.journal}",) if asked.journal else (),
        manner=Manner(asked.rate, asked.longest),
        database=database,
    )
    plan = Plan(asked.kills, asked.drops, asked.fills, asked.outages, asked.seconds)

    async def work(_: Any) -> None:
        faults = await prove(proof, plan, _say)
        for fault in faults:
            _say(f"FAULT {fault}")
        _say(f"seed {proof.seed}: {proof.tally()}, {len(faults)} faults")
        raise SystemExit(1 if faults else 0)

    react(lambda clock: coming(work(clock)), ())


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
