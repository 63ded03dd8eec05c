"""Many who do nothing, many who come, and many who enter one room at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.compare import tell
from benchmarks.replay import Other
from benchmarks.scenarios import SCENARIOS, Crowd, run
from benchmarks.servers import DURABLE, MEMORY, Server

IDLE = SCENARIOS["S5"]


@dataclass(frozen=True)
class Many:
    """What many cost: KiB each, per cent of a core, and how many come in a second."""

    connections: int
    kib: float
    idle: float
    entered: float  # a second, each into a room
    named: float  # a second, each having taken a name
    greeted: float  # a second, each having had an answer; 0 if nobody has one without a name


def crowd(server: Server, count: int, idle_s: float) -> Many:
    """Let ``count`` come to ``server``, and do nothing for so many seconds."""
    few: Crowd = {"clients": count, "messages": 0, "addresses": 20, "together": server.together}
    came = []
    for step in (server.dialect.steps[0], server.dialect.first):
        if step is None:
            came.append(0.0)
            continue
        with server.start() as process:
            dialect = dataclasses.replace(server.dialect, steps=(step,))
            came.append(count / run(process, dialect, {**few, "quiet_ms": 100})["came_s"])
    with server.start() as process:
        told = run(
            process, server.dialect, {**IDLE.crowd, **few, "rooms": count // 10, "idle_s": idle_s}
        )
    return Many(
        count, told["rss_per_client_kib"], told["idle_percent"],
        count / told["came_s"], *came,
    )  # fmt: skip


def crowds(servers: Iterable[Server], count: int = 10_000, idle_s: float = 10.0) -> list[str]:
    """Return the lines of a table: many who do nothing."""
    lines = [
        "| | memory of each, KiB | CPU when idle, % | answered, a second | named, a second |"
        " in a room, a second |",
        "|---|---|---|---|---|---|",
    ]
    for server in servers:
        try:
            one = crowd(server, count, idle_s)
        except RuntimeError as error:
            tell(f"{server.name}: {error}")
            continue
        lines.append(
            f"| {server.name} | {one.kib:.1f} | {one.idle:.2f} |"
            f" {f'{one.greeted:,.0f}' if one.greeted else '-'} | {one.named:,.0f} |"
            f" {one.entered:,.0f} |"
        )
        tell(lines[-1])
    return lines


def storms(count: int = 1000, rounds: int = 3) -> list[str]:
    """Return the lines of a table: many enter one room at once, and somebody else speaks."""
    lines = ["| | all are in after, s | others waited at most, ms |", "|---|---|---|"]
    for server in (DURABLE, MEMORY):
        took: list[tuple[float, float]] = []
        for _ in range(rounds):
            with server.start() as process:
                other = Other(process.port)
                other.start()
                told = run(
                    process, server.dialect,
                    {"clients": count, "messages": 0, "barrier": 1, "addresses": 20},
                )  # fmt: skip
                other.stop()
                took.append((told["joined_s"], max(other.took)))
        joined, stalls = (sorted(values) for values in zip(*took, strict=True))
        lines.append(
            f"| {server.name} | {joined[len(joined) // 2]:.2f} | {stalls[len(stalls) // 2]:.0f}"
            f" ({', '.join(f'{stall:.0f}' for stall in stalls)}) |"
        )
        tell(lines[-1])
    return lines
