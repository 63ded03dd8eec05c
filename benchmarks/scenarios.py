"""The scenarios, and how one of them is run on one server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from benchmarks.servers import Dialect, Server
from benchmarks.tools import built

RUN_SECONDS = 300
MOST_AT_ONCE = 1.2  # messages that the crowd sends together, where each has its time
Crowd = Mapping[str, float]  # what is told to load: see load.c


@dataclass(frozen=True)
class Scenario:
    """What the crowd does."""

    name: str
    about: str
    crowd: Crowd


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("S1", "one room of 1,000, one speaks, 16 messages in flight",
                 {"clients": 1000, "messages": 480, "warm": 32, "window": 16}),
        Scenario("S1w1", "the same, one message in flight",
                 {"clients": 1000, "messages": 100, "warm": 10, "window": 1}),
        Scenario("S2", "100 rooms of 10, everybody speaks, 16 messages in flight each",
                 {"clients": 1000, "rooms": 100, "senders": -1, "messages": 32, "warm": 4}),
        Scenario("S3", "one room of 100, everybody speaks, 16 messages in flight each",
                 {"clients": 100, "senders": -1, "messages": 320, "warm": 32}),
        Scenario("S4", "one room of 1,000, 10 messages a second",
                 {"clients": 1000, "messages": 40, "warm": 10, "rate": 10}),
        Scenario("S8", "one room of 100, 200 messages a second, from all",
                 {"clients": 100, "senders": -1, "messages": 8, "warm": 1, "rate": 200}),
        Scenario("L2", "one to one, 20 messages a second",
                 {"clients": 2, "messages": 100, "warm": 10, "rate": 20}),
        Scenario("S5", "10,000 connections, ten in a room, that say nothing",
                 {"clients": 10000, "rooms": 1000, "messages": 0, "idle_s": 10, "addresses": 20}),
    )
}  # fmt: skip


class Found(Protocol):
    """A server that runs somewhere."""

    port: int
    pid: int


def run(server: Found, dialect: Dialect, crowd: Crowd) -> dict[str, Any]:
    """Send ``crowd`` to ``server``, and return what ``load`` tells.

    Raises:
        RuntimeError: something was lost, doubled, out of order or late; the sentence says what.
    """
    words = [f"{name}={value}" for name, value in crowd.items()]
    for said, heard in dialect.steps:
        words += [f"step={said}", f"expect={heard}"]
    words += [f"say={dialect.say}", f"echo={int(dialect.echo)}"]
    command = [str(built("load")), f"port={server.port}", f"pid={server.pid}", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS)
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def measure(server: Server, scenario: Scenario) -> dict[str, Any]:
    """Run ``scenario`` on a server of its own.

    Raises:
        RuntimeError: as ``run``; or the crowd fell behind, so that messages went out in bursts.
    """
    crowd = {"together": server.together, **scenario.crowd}
    crowd["messages"] = -(-crowd["messages"] // server.patience)
    with server.start() as process:
        told = run(process, server.dialect, crowd)
    if "rate" in crowd and told["spoken_at_once"] > MOST_AT_ONCE:
        raise RuntimeError(f"the crowd fell behind: {told['spoken_at_once']} messages at once")
    return told
