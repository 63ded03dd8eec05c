"""A large file through a server of its own, while two others talk: memory, time and delays.

``python -m benchmarks.sharing [MIB]``; 1024 if nothing is said. Limits are lifted.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from chatnet.client.chat import connect
from chatnet.client.program import run
from chatnet.client.room import Room
from chatnet.core.events import Said, Shared

MIB = 1024 * 1024
PORT = 18_897
OPTIONS = ("--limit", "none", "--port", str(PORT), "--interface", "127.0.0.1", "--no-tls")


def memory(pid: int) -> float:
    """Return how many MiB of memory the process ``pid`` has."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


async def talk(eve: Room, zoe: Room, delays: list[float]) -> None:
    """Let ``eve`` speak; note how long ``zoe`` waits for each word, in seconds."""
    from twisted.internet import reactor  # noqa: TID251 -- a program of its own

    number = 0
    while True:
        number += 1
        asked = monotonic()
        await eve.say(str(number))
        async for entry in zoe:
            if isinstance(entry.event, Said) and entry.event.body == str(number):
                break
        delays.append(monotonic() - asked)
        await deferLater(reactor, 0.02)


def shown(delays: list[float]) -> str:
    """Return the middle, the slowest hundredth and the slowest of ``delays``, in words."""
    ordered = sorted(delays) or [0.0]
    at = [ordered[int(len(ordered) * part)] * 1000 for part in (0.5, 0.99)]
    return f"{at[0]:.1f} ms, p99 {at[1]:.1f} ms, max {ordered[-1] * 1000:.1f} ms ({len(delays)})"


async def measure(pid: int, size: int, folder: Path) -> None:
    """Send a file of ``size`` MiB, fetch it, and print what that cost."""
    path = folder / "large.bin"
    with path.open("wb") as out:
        for _ in range(size):
            out.write(os.urandom(MIB))
    ann, bob, eve, zoe = [await connect("localhost", PORT, name=n) for n in NAMES]
    rooms = {chat: await chat.join("tea") for chat in (ann, bob, eve, zoe)}
    calm: list[float] = []
    delays: list[float] = []
    most = 0.0

    async def during(seconds: float, into: list[float]) -> None:
        talking = Deferred.fromCoroutine(talk(rooms[eve], rooms[zoe], into))
        talking.addErrback(lambda _: None)
        from twisted.internet import reactor  # noqa: TID251 -- a program of its own

        await deferLater(reactor, seconds)
        talking.cancel()

    def watch(_through: int, _all: int) -> None:
        nonlocal most
        most = max(most, memory(pid))

    await during(3.0, calm)
    before = memory(pid)
    talking = Deferred.fromCoroutine(talk(rooms[eve], rooms[zoe], delays))
    talking.addErrback(lambda _: None)
    began = monotonic()
    sent = await rooms[ann].send_file(path, progress=watch)
    up = monotonic() - began
    async for entry in rooms[bob]:
        if isinstance(entry.event, Shared):
            break
    began = monotonic()
    got = await bob.fetch(sent.id, folder / "got.bin", watch)
    down = monotonic() - began
    talking.cancel()
    same = subprocess.run(("cmp", path, got), check=False).returncode == 0
    print_line(f"{size} MiB: sent in {up:.1f} s, fetched in {down:.1f} s, whole: {same}")
    print_line(f"server: {before:.1f} MiB before, at most {most:.1f}: {most - before:+.1f} MiB")
    print_line(f"others waited, before:    {shown(calm)}")
    print_line(f"others waited, meanwhile: {shown(delays)}")
    for chat in rooms:
        await chat.close()


NAMES = ("ann", "bob", "eve", "zoe")


def print_line(line: str) -> None:
    """Print ``line``."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(words: list[str]) -> int:
    """Measure what ``words`` say."""
    size = int(words[0]) if words else 1024
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = (sys.executable, "-m", "twisted", "--log-level", "warn", "chatnet", *OPTIONS)
        server: subprocess.Popen[Any] = subprocess.Popen(
            (*command, "--data", str(folder / "data")), cwd=name
        )
        try:
            sleep(4.0)
            return run(lambda: measure(server.pid, size, folder))
        finally:
            server.terminate()
            with suppress(subprocess.TimeoutExpired):
                server.wait(10)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
