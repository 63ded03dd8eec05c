"""Whatever people, wires, disk and clock do: a thousand simulated servers keep the contract."""

from __future__ import annotations

import os
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from chatnet.core.events import Entry
from chatnet.test.simulation import Simulation
from chatnet.test.world import Disk

RUNS = 1000  # of about thirty milliseconds each


def simulate(*words: str, hashes: str = "random") -> subprocess.Popen[bytes]:
    """Run the simulation as a developer does, and without what tests do with the log."""
    return subprocess.Popen(
        [sys.executable, "-m", "chatnet.test.simulate", *words],
        env={**os.environ, "PYTHONHASHSEED": hashes},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


class SimulationTests(SynchronousTestCase):
    def test_a_thousand_runs_keep_the_contract(self) -> None:
        half = RUNS // 2
        halves = [simulate(str(first), "--runs", str(half)) for first in (0, half)]
        for running in halves:
            told, _ = running.communicate()
            self.assertEqual(running.returncode, 0, told.decode(errors="replace"))


def trace(seed: int) -> list[str]:
    """Return all that happens in a run."""
    lines: list[str] = []
    lines += Simulation(seed, lines.append).run()
    return lines


class ReplayTests(SynchronousTestCase):
    def test_a_seed_is_the_same_run_each_time(self) -> None:
        for seed in range(10):
            self.assertEqual(trace(seed), trace(seed))

    def test_also_in_another_process_with_other_hashes(self) -> None:
        both = [simulate("9", "--trace", hashes=hashes) for hashes in ("1", "2")]
        one, two = (running.communicate()[0] for running in both)
        self.assertEqual(one, two)
        self.assertIn(b"joined", one)

    def test_seeds_differ(self) -> None:
        self.assertEqual(len({tuple(trace(seed)) for seed in range(10)}), 10)


class Forgetful(Disk):
    """Loses one message of each room, and does not say so."""

    def kept(self, room: str) -> list[Entry]:
        return [entry for entry in super().kept(room) if entry.seq != 7]


class PowerTests(SynchronousTestCase):
    """A simulation that cannot fail shows nothing."""

    def test_a_store_that_loses_something_is_found_out(self) -> None:
        found: list[str] = []
        for seed in range(10):
            run = Simulation(seed)
            run.server.disk.__class__ = Forgetful
            found += run.run()
        self.flushLoggedErrors()
        self.assertTrue(any("too early" in fault for fault in found), found)
