"""A long past that is read at once: it streams, costs little, and delays nobody."""

from __future__ import annotations

from typing import Any

from benchmarks.replay import fill
from tests.harness import LiveTestCase

MANY = 100_000  # messages
MOST_BYTES = 20 * 1024 * 1024  # that the server may take meanwhile
LONG = 60.0  # seconds


class ReplayTests(LiveTestCase):
    timeout = 240

    async def test_a_long_past_is_streamed(self) -> None:
        data = self.folder / "data"
        data.mkdir(mode=0o700)
        fill(data / "chatnet.db", MANY, 80)
        server = await self.serves("--replay", "all")
        other = await self.arrives(server, "bob", "/join short")
        reader = await self.arrives(server, "zoe")
        before = server.memory()
        reader.types("/join long")
        [first] = (await reader.until("--- history ---", LONG))[:1]
        self.assertEqual(first, "Welcome to room long!")
        self.assertTrue((await reader.hears(1))[0].startswith("ann: 0 "))
        other.types("hello")
        await other.answered()  # while the past still comes
        past = await reader.until("--- end of history ---", LONG)
        numbers: list[Any] = [
            int(line.split()[1]) for line in past[:-1] if line.startswith("ann: ")
        ]
        self.assertEqual(numbers, list(range(1, MANY)))
        self.assertLess(server.memory() - before, MOST_BYTES)
