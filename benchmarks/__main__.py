"""The one command: python -m benchmarks; see README.md."""

from __future__ import annotations

import argparse

from benchmarks.compare import beside, compare, taken_in, tell
from benchmarks.scenarios import SCENARIOS
from benchmarks.servers import ALL, DURABLE, LIMIT

QUICK = ("S1", "S1w1", "S2")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="What a delivery costs, beside others."
    )
    given = parser.add_subparsers(dest="what", required=True)
    quick = given.add_parser("quick", help="chatnet beside the C limit, under a minute")
    quick.add_argument("--scenarios", nargs="+", default=QUICK, choices=SCENARIOS)
    quick.add_argument("--rounds", type=int, default=3)
    names = [server.name for server in ALL]
    quick.add_argument("--servers", nargs="+", default=[DURABLE.name], choices=names)
    options = parser.parse_args()
    servers = [LIMIT, *(server for server in ALL if server.name in options.servers)]
    found = compare(options.scenarios, list(dict.fromkeys(servers)), options.rounds)
    tell("\nCPU, us per delivery (ratio to the C limit in the same round)\n")
    tell("\n".join(beside(found)))
    tell("\nCPU, us per message taken in\n")
    tell("\n".join(taken_in(found)))


if __name__ == "__main__":
    main()
