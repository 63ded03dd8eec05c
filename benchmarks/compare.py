"""Servers beside each other: every scenario on each of them in turn, in several rounds."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.scenarios import SCENARIOS, measure
from benchmarks.servers import LIMIT, Server

# What was told, by scenario and server, of each round that went well.
Found = dict[str, dict[str, list[dict[str, Any]]]]


def tell(line: str) -> None:
    """Print ``line`` now."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def compare(names: Iterable[str], servers: Sequence[Server], rounds: int) -> Found:
    """Run the scenarios called ``names`` on ``servers``, in turn, so often."""
    found: Found = {name: {server.name: [] for server in servers} for name in names}
    for turn in range(1, rounds + 1):
        for name, by_server in found.items():
            for server in servers:
                try:
                    told = {**measure(server, SCENARIOS[name]), "round": turn}
                except RuntimeError as error:
                    tell(f"round {turn}, {name}, {server.name}: {error}")
                    continue
                by_server[server.name].append(told)
                tell(f"round {turn}, {name}, {server.name}: {told['cpu']:.3f} us per delivery")
    return found


def median(runs: Sequence[dict[str, Any]], what: str = "cpu") -> float:
    """Return the median of ``what`` over ``runs``; not a number if there are none."""
    return statistics.median([float(told[what]) for told in runs] or [float("nan")])


def ratio(found: Found, name: str, server: str, to: str = LIMIT.name) -> float:
    """Return how many times as much CPU a delivery costs as ``to``: the median of the rounds."""
    limits = {told["round"]: told["cpu"] for told in found[name][to]}
    ratios = [
        float(told["cpu"] / limits[told["round"]])
        for told in found[name][server]
        if told["round"] in limits
    ]
    return statistics.median(ratios or [float("nan")])


def beside(found: Found, to: str = LIMIT.name) -> list[str]:
    """Return the lines of a table: CPU per delivery, and the ratio to the limit."""
    servers = list(next(iter(found.values())))
    lines = [f"| | {' | '.join(servers)} |", "|---" * (len(servers) + 1) + "|"]
    for name, by_server in found.items():
        cells = []
        for server, runs in by_server.items():
            cell = f"{median(runs):.3g}"
            cells.append(cell if server == to else f"{cell} ({ratio(found, name, server, to):.2f})")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def taken_in(found: Found) -> list[str]:
    """Return the lines of a table: CPU for each message that is taken in."""
    servers = list(next(iter(found.values())))
    lines = [f"| | {' | '.join(servers)} |", "|---" * (len(servers) + 1) + "|"]
    for name, by_server in found.items():
        cells = [f"{median(runs, 'cpu_per_message'):.3g}" for runs in by_server.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def latencies(found: Found) -> list[str]:
    """Return the lines of a table: when a message was at the last who hears it, and at each."""
    lines = [
        "| | | to the last: median, ms | 99 % | longest | to each: median, ms | 99 % |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, by_server in found.items():
        for server, runs in by_server.items():
            places = [("last", 50), ("last", 99), ("last", 100), ("each", 0), ("each", 1)]
            cells = [
                statistics.median([told[what][place] / 1000 for told in runs] or [float("nan")])
                for what, place in places
            ]
            lines.append(f"| {name} | {server} | {' | '.join(f'{cell:.2f}' for cell in cells)} |")
    return lines
