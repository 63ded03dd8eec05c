"""The one command: python -m benchmarks; see README.md."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from benchmarks import report
from benchmarks.compare import beside, compare, latencies, median, taken_in, tell
from benchmarks.crowds import crowds, storms
from benchmarks.curves import Curve, history, members, rooms
from benchmarks.doors import doors
from benchmarks.scenarios import SCENARIOS
from benchmarks.servers import ALL, DURABLE, LIMIT, MEMORY, PEERS
from benchmarks.tools import fetch, first_in_line

QUICK = ("S1", "S1w1", "S2")
COMPARED = ("S1", "S1w1", "S2", "S3", "S4", "S8")
TIMED = ("L2", "S4", "S8")
NAMES = [server.name for server in ALL]
MILLION = 1_000_000


def quick(options: argparse.Namespace) -> None:
    """Print chatnet beside the C limit."""
    chosen = [LIMIT, *(s for s in ALL if s.name in options.servers and s is not LIMIT)]
    found = compare(options.scenarios, chosen, options.rounds)
    tell("\nCPU, us per delivery (ratio to the C limit in the same round)\n")
    tell("\n".join(beside(found)))
    tell("\nCPU, us per message taken in\n")
    tell("\n".join(taken_in(found)))


def full(options: argparse.Namespace) -> None:
    """Measure everything, or what was asked for, and put it into docs/performance.md."""
    fetch()
    for part in options.parts or PARTS:
        PARTS[part](options)
        report.put("where", [report.where()])


def _compared(options: argparse.Namespace) -> None:
    found = compare(COMPARED, ALL, options.rounds)
    report.put("compared", beside(found))
    report.put("taken in", taken_in({name: found[name] for name in ("S2", "S3")}))
    costs = {name: [median(found[s][name]) for s in COMPARED] for name in NAMES}
    report.bars("performance", "CPU of the server per delivery, in microseconds", COMPARED, costs)


def _latency(options: argparse.Namespace) -> None:
    found = compare(TIMED, (LIMIT, DURABLE, MEMORY, *PEERS[:2]), options.rounds)
    report.put("latency", latencies(found))


def _crowds(options: argparse.Namespace) -> None:
    report.put("crowds", crowds((LIMIT, DURABLE, MEMORY, *PEERS[:2])))
    report.put("storms", storms(rounds=options.rounds))


def _members(options: argparse.Namespace) -> None:
    _draw(members((100, 1000, 3000, 10_000), options.rounds), "members")


def _rooms(options: argparse.Namespace) -> None:
    _draw(rooms((1, 100, 1000, 10_000), options.rounds), "rooms")


def _entries(options: argparse.Namespace) -> None:
    past = (0, MILLION, 10 * MILLION) if options.long else (0, MILLION)
    _draw(history(past, options.rounds), "entries")


def _draw(curve: Curve, name: str) -> None:
    report.put(name, curve.table())
    series: report.Series = {
        "C limit": [(point.size, point.limit) for point in curve.points],
        "chatnet": [(point.size, point.cost) for point in curve.points],
    }
    title = f"CPU per delivery, in microseconds, by the number of {name}"
    report.lines(f"performance-{name}", title, series, name)


def _doors(options: argparse.Namespace) -> None:
    report.put("doors", doors(1000, 320, options.rounds))


PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "compared": _compared, "latency": _latency, "crowds": _crowds, "members": _members,
    "rooms": _rooms, "entries": _entries, "doors": _doors,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="What a delivery costs, beside others."
    )
    given = parser.add_subparsers(required=True)
    short = given.add_parser("quick", help="chatnet beside the C limit, in about a minute")
    short.add_argument("--scenarios", nargs="+", default=QUICK, choices=SCENARIOS)
    short.add_argument("--rounds", type=int, default=3)
    short.add_argument("--servers", nargs="+", default=[DURABLE.name], choices=NAMES)
    short.set_defaults(work=quick)
    whole = given.add_parser("full", help="everything, into docs/performance.md")
    whole.add_argument("parts", nargs="*", help=f"only these: {', '.join(PARTS)}")
    whole.add_argument("--rounds", type=int, default=3)
    whole.add_argument("--long", action="store_true", help="with ten million entries")
    whole.set_defaults(work=full)
    options = parser.parse_args()
    if unknown := set(getattr(options, "parts", ())) - set(PARTS):
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    if not first_in_line():
        tell("Not root: what else runs here will be seen in these numbers.")
    options.work(options)


if __name__ == "__main__":
    main()
