"""What measures is tried as well: it builds, it runs, and it notices what is wrong."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from benchmarks import report
from benchmarks.compare import beside, latencies, taken_in
from benchmarks.scenarios import Crowd, run
from benchmarks.servers import LEAST, TEXT, Dialect, generous, least

SMALL: Crowd = {
    "clients": 12, "rooms": 2, "senders": -1, "messages": 5, "warm": 1, "window": 2,
    "quiet_ms": 50, "patience_s": 10,
}  # fmt: skip
PAIR: Crowd = {"clients": 2, "messages": 2, "quiet_ms": 50, "patience_s": 1}
Spoils = Callable[[bytes, bytes], Iterable[bytes]]


@dataclass
class Spoiling:
    """A server for two: what the first says, two lines, the second hears as ``spoils`` says."""

    spoils: Spoils
    pid: int = field(default_factory=os.getpid)

    def __post_init__(self) -> None:
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with self._door:
            one, two = self._door.accept()[0], self._door.accept()[0]
        with one, two:
            lines = one.makefile("rb")
            for member in (one, two):
                member.sendall(b"here\r\n")
            lines.readline()
            two.sendall(b"".join(self.spoils(lines.readline(), lines.readline())))
            with contextlib.suppress(ConnectionResetError):
                lines.read()  # until it has gone

    def close(self) -> None:
        self._thread.join(10)


class BenchmarkTests(SynchronousTestCase):
    def test_a_crowd_is_served_by_the_limit_and_by_chatnet(self) -> None:
        told: dict[str, list[dict[str, Any]]] = {}
        for name, server, dialect, heard in (
            ("C limit", least(), LEAST, 12 * 5 * 6),
            ("C limit, storing", least(True), LEAST, 12 * 5 * 6),
            ("chatnet", generous("--store", "memory:"), TEXT, 12 * 5 * 5),
        ):
            with server:
                told[name] = [{**run(server, dialect, SMALL), "round": 1}]
            self.assertEqual(told[name][0]["deliveries"], heard)
            self.assertGreater(told[name][0]["cpu"], 0)
            self.assertGreater(told[name][0]["rss_kib"], 0)
            self.assertEqual(len(told[name][0]["last"]), 101)
        for table in (beside, taken_in, latencies):
            self.assertIn("chatnet", "\n".join(table({"S1": told})))

    def test_what_is_wrong_is_noticed(self) -> None:
        cases: dict[str, tuple[Spoils, str]] = {
            "nothing": (lambda a, b: [a, b], ""),
            "lost": (lambda a, b: [b], "heard message 1 of 0 after 0"),
            "the last one lost": (lambda a, b: [a], "deliveries are missing"),
            "twice": (lambda a, b: [a, a, b], "heard message 0 of 0 after 1"),
            "out of order": (lambda a, b: [b, a], "heard message 1 of 0 after 0"),
            "spoilt": (lambda a, b: [a.replace(b"st", b"ts"), b], "heard what nobody said"),
        }
        for name, (spoils, complaint) in cases.items():
            server = Spoiling(spoils)
            dialect = Dialect((("here %u^", "here"),), "%p^", False)
            found = ""
            try:
                run(server, dialect, PAIR)
            except RuntimeError as error:
                found = str(error)
            server.close()
            self.assertEqual(bool(found), bool(complaint), (name, found))
            self.assertIn(complaint, found, name)

    def test_what_was_found_is_put_between_its_marks(self) -> None:
        page = Path(self.mktemp())
        page.mkdir()
        self.patch(report, "DOCS", page)
        self.patch(report, "PAGE", page / "performance.md")
        before = "a\n<!-- measured: it -->\nold\n<!-- end: it -->\nz\n"
        report.PAGE.write_text(before)
        report.put("it", ["new"])
        self.assertEqual(report.PAGE.read_text(), before.replace("old", "new"))
        self.assertRaises(ValueError, report.put, "else", ["new"])
        report.bars("bars", "them", ["S1", "S2"], {"a": [0.1, 2.0], "b": [3.0, float("nan")]})
        report.lines("lines", "them", {"a": [(0, 1.0), (1000, 2.0)]}, "rooms")
        self.assertEqual((page / "bars.svg").read_text().count("<rect x"), 3 + 2)
        self.assertIn("<polyline", (page / "lines.svg").read_text())
