"""Whatever people, wires, disk and clock do: thousands of simulated servers keep the contract."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from chatnet.core.events import Entry
from chatnet.test.simulation import Simulation
from chatnet.test.world import Disk

RUNS = 2500  # of some ten milliseconds each


class SimulationTests(SynchronousTestCase):
    def test_thousands_of_runs_keep_the_contract(self) -> None:
        for seed in range(RUNS):
            faults = Simulation(seed).run()
            self.flushLoggedErrors()  # they are among the faults
            if faults:
                self.fail("\n".join([f"replay: python -m chatnet.test.simulate {seed}", *faults]))


def trace(seed: int) -> list[str]:
    """Return all that happens in a run."""
    lines: list[str] = []
    lines += Simulation(seed, lines.append).run()
    return lines


class ReplayTests(SynchronousTestCase):
    def test_a_seed_is_the_same_run_each_time(self) -> None:
        for seed in range(20):
            self.assertEqual(trace(seed), trace(seed))

    def test_also_in_another_process_with_other_hashes(self) -> None:
        asked = [sys.executable, "-m", "chatnet.test.simulate", "7", "--trace"]
        one, two = (
            subprocess.run(
                asked, env={**os.environ, "PYTHONHASHSEED": hashes}, capture_output=True, check=True
            ).stdout
            for hashes in ("1", "2")
        )
        self.assertEqual(one, two)
        self.assertIn(b"joined", one)

    def test_seeds_differ(self) -> None:
        self.assertEqual(len({tuple(trace(seed)) for seed in range(20)}), 20)


class Forgetful(Disk):
    """Says that it kept what it did not: now and then, a message is not written."""

    def kept(self, room: str) -> list[Entry]:
        return [entry for entry in super().kept(room) if entry.seq != 7]


class DoubtTests(SynchronousTestCase):
    """A simulation that cannot fail shows nothing."""

    def test_a_store_that_loses_something_is_found_out(self) -> None:
        found: Sequence[str] = []
        for seed in range(20):
            run = Simulation(seed)
            run.server.disk.__class__ = Forgetful
            found = [*found, *run.run()]
        self.flushLoggedErrors()
        self.assertTrue(any("missing" in fault or "too early" in fault for fault in found), found)
