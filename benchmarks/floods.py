"""How much later people hear each other while somebody floods the server.

Fifty people in five rooms each say something every second; how old it is when the others hear it
is a delay. Each flood is measured right after as long a quiet time, several times over, on a server
of its own with the limits that hold by default.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.request import urlopen

TESTS = Path(__file__).parents[1] / "tests"
PEOPLE, ROOMS = 50, 5
FLOODS = (
    "connections", "lines", "large", "logins", "guesses", "registrations", "crowd", "slowly",
    "slowly tls", "lines tls", "connections tls",
)  # fmt: skip


class Person:
    """Somebody who speaks each second, and measures how old what the others say is."""

    def __init__(self, number: int, delays: list[float]) -> None:
        self._number, self._room, self._delays = number, f"room{number % ROOMS}", delays

    async def arrives(self, port: int) -> None:
        where = (f"127.0.2.{self._number + 1}", 0)
        self._reader, self._writer = await asyncio.open_connection(
            "127.0.0.1", port, local_addr=where
        )
        self._asks(do="nick", name=f"talker{self._number}")
        self._asks(do="join", room=self._room, replay=0)
        while b'"entered"' not in await self._reader.readline():
            pass
        self._listening = asyncio.create_task(self._listens())

    def _asks(self, **request: object) -> None:
        self._writer.write(json.dumps(request).encode() + b"\n")

    async def _listens(self) -> None:
        while line := await self._reader.readline():
            if b'"said"' in line:
                self._delays.append(time.monotonic() - float(json.loads(line)["body"]))

    async def speaks(self) -> None:
        await asyncio.sleep(self._number / PEOPLE)
        while True:
            self._asks(do="say", room=self._room, body=repr(time.monotonic()))
            await asyncio.sleep(1)


@asynccontextmanager
async def serving(options: list[str]) -> AsyncIterator[int]:
    """Run a server; yield its port."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, str(TESTS / "neighbours.py"), "-n", "--pidfile", f"{folder}/pid"),
            *("chatnet", "--data", f"{folder}/data", "--port", "0", "--interface", "127.0.0.1"),
            *("--allow-plaintext-passwords", "--limit", "newcomer-time=3s", *options),
        ]
        with Path(folder, "log").open("w+b") as log:
            server = subprocess.Popen(command, stdout=log, stderr=log)
            try:
                for _ in range(200):
                    await asyncio.sleep(0.1)
                    found = re.search(rb"nc HOST (\d+)", Path(folder, "log").read_bytes())
                    if found:
                        break
                else:
                    raise SystemExit(Path(folder, "log").read_text())
                yield int(found[1])
            finally:
                server.terminate()
                server.wait(20)


def late(port: int) -> dict[float, float]:
    """Return how often the server's event loop was no later than so many seconds."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
        text = page.read().decode()
    found = re.findall(r'reactor_delay_seconds_bucket\{le="([^"]+)"\} (\S+)', text)
    return {float(le): float(count) for le, count in found}


def p99(values: list[float]) -> float:
    """Return what one in a hundred exceeds, in ms."""
    return sorted(values)[len(values) * 99 // 100] * 1000


async def measure(kind: str, rounds: int, seconds: float, options: list[str]) -> None:
    """Print a row of the table."""
    quiet, flooded, delays = list[float](), list[float](), list[float]()
    longest, told = 0.0, ""
    async with serving(options) as port:
        people = [Person(number, delays) for number in range(PEOPLE)]
        for person in people:
            await person.arrives(port)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"/newuser tom secret\r\n")
        while b"tom" not in await reader.readline():
            pass
        talking = [asyncio.create_task(person.speaks()) for person in people]
        await asyncio.sleep(3)
        before = late(port)
        for number in range(rounds):
            delays.clear()
            await asyncio.sleep(seconds)
            quiet.append(p99(delays))
            name, *tls = kind.split()
            words = (str(port), name, str(seconds), f"127.0.{4 + number}.1", *tls)
            flooder = await asyncio.create_subprocess_exec(
                sys.executable, str(TESTS / "flooder.py"), *words, stdout=subprocess.PIPE
            )
            delays.clear()
            await asyncio.sleep(seconds)
            flooded.append(p99(delays))
            longest = max(longest, *delays)
            out, _ = await flooder.communicate()
            counts: dict[str, int] = json.loads(out)
            said = sum(n for line, n in counts.items() if not line.startswith(("Welcome", "/join")))
            told = f"{said} answers; {counts.get('cut: without a word', 0)} unsaid"
            await asyncio.sleep(1)
        after = late(port)
        for task in talking:
            task.cancel()
    late_by = {le: after[le] - before[le] for le in after}
    worst = next((le for le, count in late_by.items() if count >= late_by[float("inf")] * 0.99), 0)
    more = statistics.median(b - a for a, b in zip(quiet, flooded, strict=True))
    print(  # noqa: T201
        f"| {kind} | {statistics.median(quiet):.0f} | {statistics.median(flooded):.0f}"
        f" | {more:+.0f} | {max(flooded):.0f} | {longest * 1000:.0f} | {worst * 1000:g} | {told} |",
        flush=True,
    )


async def main() -> None:
    """Measure what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("floods", nargs="*", default=FLOODS, help=", ".join(FLOODS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--option", action="append", default=[], help="of the server, as it is")
    given = parser.parse_args()
    print("| flood | quiet p99, ms | p99 | more | worst p99 | longest | loop p99 < | told |")  # noqa: T201
    print("|---|---|---|---|---|---|---|---|", flush=True)  # noqa: T201
    for kind in given.floods:
        with suppress(KeyboardInterrupt):
            await measure(kind, given.rounds, given.seconds, given.option)


if __name__ == "__main__":
    asyncio.run(main())
