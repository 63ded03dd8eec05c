"""A room with a long past, read from its beginning: how soon, how fast, at what cost to others.

    python -m benchmarks.replay --messages 1000000

Fills the room ``long`` through the store, starts a server on it, and lets somebody join it with
all of it (``--replay all``) while somebody else, in another room, has every message answered
before the next one. Prints how long the first line took and all of them, how much memory the
server has taken meanwhile, and how long the answers took, in milliseconds, before and during it.
"""

from __future__ import annotations

import argparse
import signal
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from benchmarks.servers import HOST, Process, chatnet
from chatnet.core.events import Entry, Event, Joined, Left, Opened, Said
from chatnet.core.room import RoomState
from chatnet.interfaces import Batch
from chatnet.stores.databases import Sqlite
from chatnet.stores.sql import SqlStore

BATCH = 2000  # entries of one commit while the room is filled
READ = 1 << 18  # bytes


def fill(path: Path, count: int, size: int, room: str = "long") -> None:
    """Put ``room`` with ``count`` messages of ``size`` characters into the database at ``path``."""
    store = SqlStore(Sqlite(str(path)))
    state = RoomState(room)
    first: list[Event] = [Opened(room, "ann"), Joined("ann")]
    said: Iterator[Event] = (
        Said("ann", f"{n} {'tea and milk ' * size}"[:size]) for n in range(count)
    )
    events = chain(first, said, [Left("ann")])
    seq, at = 0, 1_790_000_000.0 - count
    while batch := list(islice(events, BATCH)):
        entries = [Entry(room, seq + n, at + seq + n, one) for n, one in enumerate(batch, 1)]
        for event in batch:
            state.evolve(event)
        seq += len(batch)
        store.write(Batch.of(entries, states={room: (seq, state)}))
    store.close()


def comes(port: int, name: str) -> socket.socket:
    """Return somebody called ``name``, who was greeted."""
    one = socket.create_connection((HOST, port))
    one.sendall(f"/nick {name}\r\n".encode())
    until(one, b"You are now")
    return one


def until(one: socket.socket, words: bytes) -> None:
    """Read up to ``words``."""
    heard = b""
    while words not in heard:
        heard = heard[-1000:] + one.recv(READ)


class Other(threading.Thread):
    """Somebody in another room, who waits for each answer, and notes how long that took."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.took: list[float] = []
        self._one = comes(port, "bob")
        self._over = threading.Event()

    def run(self) -> None:
        self._one.sendall(b"/join short\r\n")
        until(self._one, b"Welcome to room short")
        while not self._over.wait(0.02):
            began = time.perf_counter()
            self._one.sendall(b"hello\r\n/ping\r\n")
            until(self._one, b"pong")
            self.took.append((time.perf_counter() - began) * 1000)

    def stop(self) -> None:
        self._over.set()
        self.join()


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def spread(took: list[float]) -> str:
    ordered = sorted(took)
    return f"{statistics.median(ordered):.1f} median, {ordered[-len(ordered) // 100]:.1f} 99 %"


def measure(server: Process, count: int) -> None:
    other = Other(server.port)
    other.start()
    reader = comes(server.port, "zoe")
    time.sleep(3)
    before, memory = list(other.took), server.memory()
    began = time.perf_counter()
    reader.sendall(b"/join long\r\n")
    first, most, lines, heard = 0.0, memory, 0, b""
    while b"--- end of history ---" not in heard:
        heard = heard[-100:] + reader.recv(READ)
        lines += heard[100:].count(b"\n") if lines else heard.count(b"\n")
        if not first and b"ann: 0 " in heard:
            first = time.perf_counter() - began
        most = max(most, server.memory())
    took = time.perf_counter() - began
    during = other.took[len(before) :]
    other.stop()
    tell(f"first line after {first * 1000:.0f} ms, all {count:,} after {took:.1f} s")
    tell(f"memory {memory:.0f} MiB before, {most - memory:+.1f} MiB at most")
    tell(f"others were answered in (ms): {spread(before)} before; {spread(during)} during it")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--size", type=int, default=80, help="characters of each")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chatnet-bench-") as made:
        folder = Path(made)
        began = time.perf_counter()
        fill(folder / "chatnet.db", asked.messages, asked.size)
        size = (folder / "chatnet.db").stat().st_size / 2**20
        tell(f"filled in {time.perf_counter() - began:.0f} s: {size:.0f} MiB")
        server = chatnet("--limit", "none", "--replay", "all", data=folder)
        try:
            measure(server, asked.messages)
        finally:
            server.stop(signal.SIGTERM)


if __name__ == "__main__":
    main()
