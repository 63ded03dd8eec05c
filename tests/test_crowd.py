"""Many at once, and some who do not listen."""

from __future__ import annotations

import json
import resource
from random import Random

from twisted.internet.defer import gatherResults
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from tests.harness import Client, LiveTestCase, coming, said, speech, told, turn

MIB = 1024 * 1024


class OrderTests(LiveTestCase):
    timeout = 90

    async def test_everyone_sees_the_same_order_whoever_sends_however_the_bytes_arrive(
        self,
    ) -> None:
        server = await self.serves()
        observer = await self.observes(server)
        names = [f"p{number:02}" for number in range(100)]
        people = [await self.connects(server) for _ in names]
        for name, person in zip(names, people, strict=True):
            person.types(f"/nick {name}", "/join tea")
        for person in people:
            await person.answered()
        heard = await gatherResults(
            [coming(self._speaks(person, number)) for number, person in enumerate(people)]
        )

        events = await observer.receives()
        shown = [event for event in events if "event" in event]
        seqs = [event["seq"] for event in shown]
        self.assertEqual(seqs, list(range(seqs[0], seqs[0] + len(seqs))))
        order = said(shown)
        wanted = [line for n, name in enumerate(names) for line in self._words(n, name)]
        self.assertEqual(sorted(order), sorted(wanted))
        for n, (name, person) in enumerate(zip(names, people, strict=True)):
            mine = [line for line in order if line.startswith(f"{name}: ")]
            self.assertEqual(mine, self._words(n, name))
            shown_to = speech(heard[n] + await person.answered())
            self.assertEqual(shown_to, [line for line in order if line not in set(mine)])

    def _words(self, number: int, name: str = "") -> list[str]:
        lead = f"{name}: " if name else ""
        return [f"{lead}Wort {n} von №{number} \u2013 {'ö' * (n * 7)}\U0001f44b" for n in range(12)]

    async def _speaks(self, person: Client, number: int) -> list[str]:
        """Say all words, in pieces that end anywhere, each in a turn of its own.

        Return what was shown meanwhile.
        """
        chance = Random(number)
        data = "".join(f"{word}\r\n" for word in self._words(number)).encode()
        while data:
            size = chance.choice((1, 2, 3, 5, 30, 200))
            person.sends(data[:size])
            data = data[size:]
            await turn()
        return await person.answered()


class SlowReaderTests(LiveTestCase):
    timeout = 120

    async def test_a_reader_that_never_reads_costs_little_and_misses_nothing(self) -> None:
        server = await self.serves()
        ann = await self.joins(server, "ann")
        bob = await self.joins(server, "bob")
        slow = await self.joins(server, "slow")
        await bob.answered()
        slow.stops_reading()
        before = server.memory()
        words = [f"{number:05} {'x' * 16 * 1024}" for number in range(4096)]  # 64 MiB
        for start in range(0, len(words), 64):
            ann.types(*words[start : start + 64])
            await ann.answered()
            heard = await bob.hears(64)
            self.assertEqual(heard, [f"ann: {word}" for word in words[start : start + 64]])
        self.assertFalse(slow.lines)
        self.assertLess(server.memory() - before, 40 * MIB)

        slow.reads_again()
        for start in range(0, len(words), 64):
            heard = await slow.hears(64)
            self.assertEqual(heard, [f"ann: {word}" for word in words[start : start + 64]])
        self.assertEqual(await slow.answered(), [])
        self.assertLess(server.memory() - before, 40 * MIB)

    async def test_one_that_asks_much_and_reads_nothing_is_answered_when_it_reads(self) -> None:
        server = await self.serves()
        ann = await self.joins(server, "ann")
        greedy = await self.joins(server, "greedy")
        greedy.types("/help")
        answer = await greedy.answered()
        greedy.stops_reading()
        before, times = server.memory(), 100_000
        greedy.types(*["/help"] * times)  # some 70 MB of answers
        await ann.until("greedy has joined the room.")
        for _ in range(1000):  # time enough to answer it, for a server that would
            await ann.answered()
        self.assertLess(server.memory() - before, 40 * MIB)
        greedy.reads_again()
        heard = await greedy.hears(len(answer) * times)
        self.assertEqual(heard[: len(answer)], answer)
        self.assertEqual(heard[-len(answer) :], answer)
        self.assertEqual(await greedy.answered(), [])
        self.assertLess(server.memory() - before, 40 * MIB)

    async def test_each_of_several_histories_is_whole(self) -> None:
        server = await self.serves()
        ann = await self.joins(server, "ann")
        words = [f"{number} {'x' * 4000}" for number in range(1000)]
        ann.types(*words)
        await ann.answered()
        bob = await self.arrives(server, "bob")
        bob.types("/join tea")
        await bob.until("--- end of history ---")
        bob.types("/history all", "/history all", "/history 2")
        heard: list[str] = []
        for _ in range(3):
            heard += await bob.until("--- end of history ---")
        told_to_bob = [line.partition("ann: ")[2] for line in heard if "ann: " in line]
        self.assertEqual(len(told_to_bob), 2002)
        self.assertEqual(sorted(told_to_bob), sorted([*words, *words, *words[-2:]]))

    async def test_one_that_reads_nothing_for_too_long_is_closed_and_comes_back(self) -> None:
        server = await self.serves("--stall-seconds", "1")
        ann, slow = await self.joins(server, "ann"), await self.joins(server, "slow")
        slow.stops_reading()
        words = [f"{number:03} {'x' * 100_000}" for number in range(200)]
        ann.types(*words)
        await ann.until("slow has disconnected.")
        await ann.answered()
        again = await self.connects(server)
        again.types("/join tea")
        await again.until("--- end of history ---")
        self.assertEqual(await told(again, "tea"), [f"ann: {word}" for word in words])


class OneOfAThousand(Client):
    """Keeps what comes as it comes: there is a lot of it."""

    def __init__(self, last: bytes) -> None:
        super().__init__()
        self._last = last
        self._tail = b""
        self._all: list[bytes] = []

    def dataReceived(self, data: bytes) -> None:
        self._all.append(data)
        self._tail = (self._tail + data)[-len(self._last) :]
        if self._tail == self._last:
            super().dataReceived(b"".join(self._all))
            self._all = []

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().dataReceived(b"".join(self._all))
        super().connectionLost(reason)


class ThousandTests(LiveTestCase):
    timeout = 150

    def setUp(self) -> None:
        super().setUp()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))

    async def test_a_thousand_people_talk_in_one_room(self) -> None:
        server = await self.serves()
        observer = await self.observes(server, "host")
        last = b"host: that is all\r\n"
        names = [f"p{number:03}" for number in range(1000)]
        people = [await self.connects(server, OneOfAThousand(last)) for _ in names]
        for name, person in zip(names, people, strict=True):
            person.types(f"/nick {name}", "/join tea")
        seen: list[str] = []
        while sum('"joined"' in line for line in seen) < 1000:
            seen += await observer.hears(1, 60)
        for rounds in range(2):
            for name, person in zip(names, people, strict=True):
                person.types(f"hello {rounds} from {name}")
        while sum('"said"' in line for line in seen) < 2000:
            seen += await observer.hears(1, 60)
        observer.asks("say", room="tea", body="that is all")
        order = said(json.loads(line) for line in seen)
        self.assertEqual(len(set(order)), 2000)
        for name, person in zip(names, people, strict=True):
            heard = speech(await person.until("host: that is all", 60))
            own = f"from {name}"
            talk = [line for line in heard if ": hello" in line]
            self.assertEqual(talk, [line for line in order if not line.endswith(own)])
        await server.stop()
        for person in people:
            self.assertEqual((await person.closed())[-1], "Server is shutting down.")
