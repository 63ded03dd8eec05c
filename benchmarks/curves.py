"""What a delivery costs as there are more members, more rooms, and more history."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.compare import median, tell
from benchmarks.large import ask
from benchmarks.replay import fill, until
from benchmarks.scenarios import Crowd, run
from benchmarks.servers import DURABLE, HOST, LIMIT, Process, Server, generous
from benchmarks.tools import BUILT

DELIVERIES = 100_000  # of one run, about
IN_ONE = 500  # rooms that one connection holds open


@dataclass(frozen=True)
class Point:
    """A place on a curve: what there is so many of, and the CPU of a delivery, in microseconds."""

    size: int
    cost: float
    limit: float


@dataclass(frozen=True)
class Curve:
    """What a delivery costs against the number of ``what``."""

    what: str
    points: list[Point]

    def table(self) -> list[str]:
        sizes = " | ".join(f"{point.size:,}" for point in self.points)
        costs = " | ".join(f"{point.cost:.3g}" for point in self.points)
        limits = " | ".join(f"{point.limit:.3g}" for point in self.points)
        return [f"| {self.what} | {sizes} |", "|---" * (len(self.points) + 1) + "|",
                f"| chatnet | {costs} |", f"| C limit | {limits} |"]  # fmt: skip


Runs = list[tuple[int, Server, Crowd]]


def _measured(what: str, sizes: Sequence[int], rounds: int, runs: Callable[[int], Runs]) -> Curve:
    """Run what ``runs`` says for each of ``sizes``, in turn, in several rounds."""
    found: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for _ in range(rounds):
        for size in sizes:
            for at, server, crowd in runs(size):
                try:
                    with server.start() as process:
                        told = run(process, server.dialect, {"together": 1000, **crowd})
                except RuntimeError as error:
                    tell(f"{what} {size}, {server.name}: {error}")
                    continue
                found.setdefault((at, server.name), []).append(told)
                tell(f"{what} {size}, {server.name}: {told['cpu']:.3f} us per delivery")
    return Curve(
        what,
        [
            Point(size, median(found.get((size, DURABLE.name), [])),
                  median(found.get((size, LIMIT.name), [])))
            for size in sizes
        ],
    )  # fmt: skip


def members(sizes: Sequence[int], rounds: int) -> Curve:
    """One room, one speaks, a message in flight."""

    def runs(size: int) -> Runs:
        crowd: Crowd = {
            "clients": size, "messages": max(10, DELIVERIES // size), "warm": 3, "window": 1,
            "addresses": 20, "patience_s": 120,
        }  # fmt: skip
        return [(size, server, crowd) for server in (LIMIT, DURABLE)]

    return _measured("members", sizes, rounds, runs)


def rooms(sizes: Sequence[int], rounds: int) -> Curve:
    """One room of 100 is spoken in, one message in flight, while others are open beside it."""

    def runs(size: int) -> Runs:
        crowd: Crowd = {"clients": 100, "messages": DELIVERIES // 100, "warm": 10, "window": 1}
        beside = replace(DURABLE, start=lambda: crowded(size - 1))
        return [(size, LIMIT, crowd), (size, beside, crowd)]

    return _measured("rooms", sizes, rounds, runs)


def crowded(count: int) -> Process:
    """Start a server with ``count`` other rooms, each of which somebody is in."""
    process = generous()
    for first in range(0, count, IN_ONE):
        one = socket.create_connection((HOST, process.port))
        asked = [ask("nick", name=f"keeper{first}")]
        asked += [ask("join", room=f"other{n}") for n in range(first, min(first + IN_ONE, count))]
        one.sendall(b"".join(asked) + ask("ping"))
        until(one, b'"reply":"pong"')
        process.held.append(one)
    return process


def history(sizes: Sequence[int], rounds: int, kept: Path | None = None) -> Curve:
    """One room of 100, one speaks, with so many messages in its past, which nobody is shown."""
    filled = {size: _filled(size, kept or BUILT) for size in sizes}

    def runs(size: int) -> Runs:
        crowd: Crowd = {"clients": 100, "messages": DELIVERIES // 100, "warm": 10, "window": 1}
        past = replace(DURABLE, start=lambda: generous("--data", filled[size], "--replay", 0))
        return [(size, LIMIT, crowd), (size, past, crowd)]

    return _measured("entries", sizes, rounds, runs)


def _filled(size: int, kept: Path) -> Path:
    """Return a folder with so many messages in the room that is used; it grows a little by use."""
    folder = kept / f"history-{size}"
    if not folder.exists():
        made = folder.with_suffix(".new")
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(0o700, parents=True)
        tell(f"filling a room with {size:,} messages: once, and it takes a minute for a million")
        fill(made / "chatnet.db", size, 80, "r00000")
        made.rename(folder)
    return folder
