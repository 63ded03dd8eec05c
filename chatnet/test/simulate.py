"""Run the simulation from the command line: ``python -m chatnet.test.simulate SEED --runs N``."""

from __future__ import annotations

import sys
from argparse import ArgumentParser

from twisted.logger import globalLogBeginner

from chatnet.test.simulation import Simulation


def main(words: list[str] | None = None) -> int:
    """Run the seeds from SEED on; tell of the first that fails, step by step."""
    parser = ArgumentParser(description="Run a whole server with what random seeds say.")
    parser.add_argument("seed", type=int)
    parser.add_argument("--runs", type=int, default=1, help="how many seeds to try")
    parser.add_argument("--trace", action="store_true", help="show each step, also if all is well")
    asked = parser.parse_args(words)
    globalLogBeginner.beginLoggingTo([], redirectStandardIO=False, discardBuffer=True)
    for seed in range(asked.seed, asked.seed + asked.runs):
        faults = Simulation(seed).run()
        if faults or asked.trace:
            _tell(seed)
            return 1 if faults else 0
    sys.stdout.write(f"{asked.runs} runs from seed {asked.seed} on: nothing wrong\n")
    return 0


def _tell(seed: int) -> None:
    faults = Simulation(seed, _say).run()
    replay = f"seed {seed}; again: python -m chatnet.test.simulate {seed} --trace"
    sys.stdout.write("\n".join(["", replay, *faults, ""]))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
