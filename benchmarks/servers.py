"""The servers that are measured: each in a process of its own, here, with no brakes on."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from benchmarks.tools import built, environment, peer

HOST = "127.0.0.1"
START_SECONDS = 20.0
_WHERE = re.compile(r"listens on .*port (\d+)")
# Everything is counted, and nobody is held back. --limit none would leave the counting out.
GENEROUS = (
    "connections=100000", "arrivals=1000000+1000000/s", "flood=1000000+1000000/s",
    "newcomer-bytes=1000M", "newcomer-lines=1000000", "newcomer-time=10m",
    "messages=1000000+1000000/s", "bytes=1000M+1000M/s",
)  # fmt: skip


@dataclass(frozen=True)
class Dialect:
    """What ``load`` says: see load.c for how it is spelled."""

    steps: tuple[tuple[str, str], ...]  # what to say, and what is answered
    say: str
    echo: bool  # whether speakers hear themselves
    first: tuple[str, str] | None = None  # what is answered to who has no name yet


TEXT = Dialect((("/nick %u^", "You are now"), ("/join %r^", "Current users")), "%p^", False,
               ("hello^", "You are in no room"))  # fmt: skip
LEAST = Dialect((("/nick %u^", "named %u"), ("/join %r^", "joined %r")), "%p^", True)
IRC = Dialect(
    (("NICK %u^USER u 0 * :u^", " 001 "), ("JOIN #%r^", " 366 ")), "PRIVMSG #%r :%p^", False,
    ("WHO x^", " 451 "),
)  # fmt: skip
WORDS = Dialect((("PASS x^" + IRC.steps[0][0], " 001 "), IRC.steps[1]), IRC.say, False)


class Process:
    """A server that runs. Leaving the ``with`` kills it, and what it kept is gone."""

    def __init__(self, kept: tempfile.TemporaryDirectory[str], command: Sequence[object]) -> None:
        self._kept = kept
        self.out = Path(kept.name, "out")
        with self.out.open("wb") as out:
            self._process = subprocess.Popen(
                [str(word) for word in command],
                stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=environment(),
            )  # fmt: skip
        self.pid = self._process.pid
        self.port = 0
        self.held: list[socket.socket] = []  # connections that are closed with it

    def answers(self, port: Callable[[], int]) -> Self:
        """Return this, once ``port`` knows where it listens, and it does.

        Raises:
            RuntimeError: it does not start; what it said is told.
        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            self.port = port()
            if self.port:
                try:
                    socket.create_connection((HOST, self.port)).close()
                    return self
                except OSError:
                    pass
            time.sleep(0.02)
        said = self.out.read_text(errors="replace")[-2000:]
        self.stop()
        raise RuntimeError(f"{self._process.args!r} does not start:\n{said}")

    def cpu(self) -> float:
        """Return the seconds that its threads have run so far: its clock, as Linux numbers it."""
        return time.clock_gettime(~self.pid << 3 | 2)

    def memory(self, which: str = "VmRSS") -> float:
        """Return the MiB that it has now, or, with ``VmHWM``, had at the most."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition(f"{which}:")[2].split()[0]) / 1024

    def stop(self, number: int = signal.SIGKILL) -> None:
        if self._process.poll() is None:
            self._process.send_signal(number)
        self._process.wait(30)
        for one in self.held:
            one.close()
        self._kept.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.stop()


def chatnet(*options: object, data: Path | None = None, before: Sequence[object] = ()) -> Process:
    """Start chatnet with ``options``, on what is in ``data`` if it is given.

    ``before`` are options of ``twistd`` itself.
    """
    kept = tempfile.TemporaryDirectory(prefix="chatnet-bench-")
    log = Path(kept.name, "log")
    server = Process(
        kept,
        [Path(sys.executable).with_name("twistd"), "-n", "--pidfile=", "--logfile", log, *before,
         "chatnet", "--port", 0, "--interface", HOST, "--data", data or kept.name, *options],
    )  # fmt: skip

    def port() -> int:
        found = _WHERE.search(log.read_text() if log.exists() else "")
        return int(found[1]) if found else 0

    return server.answers(port)


def generous(*options: object) -> Process:
    """Start chatnet so that it counts as always, and holds nobody back."""
    limits = [word for limit in GENEROUS for word in ("--limit", limit)]
    return chatnet(*limits, "--max-clients", 20000, *options)


def least(stores: bool = False) -> Process:
    """Start the C limit; one that makes durable what it shows if it ``stores``."""
    kept = tempfile.TemporaryDirectory(prefix="chatnet-bench-")
    file = [Path(kept.name, "store")] if stores else []
    server = Process(kept, [built("least"), 0, *file])
    return server.answers(lambda: int(server.out.read_text() or 0))


def _fixed(command: Callable[[Path, int], Sequence[object]]) -> Process:
    """Start what wants to be told its port."""
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    kept = tempfile.TemporaryDirectory(prefix="chatnet-bench-")
    Path(kept.name).chmod(0o755)  # ngIRCd becomes nobody
    return Process(kept, command(Path(kept.name), port)).answers(lambda: port)


def inspircd() -> Process:
    program, modules = peer("inspircd"), peer("inspircd-modules")

    def command(folder: Path, port: int) -> Sequence[object]:
        conf = folder / "inspircd.conf"
        conf.write_text(f"""
<server name="bench.local" description="bench" network="bench">
<admin name="bench" nick="bench" email="bench@bench.local">
<bind address="{HOST}" port="{port}" type="clients">
<connect allow="*" timeout="60" pingfreq="3600" hardsendq="100M" softsendq="100M" recvq="10M"
 localmax="20000" globalmax="20000" commandrate="1000000000" threshold="100000" fakelag="no"
 resolvehostnames="no" maxchans="20" maxconnwarn="no" useconnflood="no">
<performance netbuffersize="65534" somaxconn="4096" softlimit="20000" clonesonconnect="no">
<path configdir="{folder}" datadir="{folder}" logdir="{folder}" moduledir="{modules}"
 runtimedir="{folder}">
<files motd="/dev/null">
<dns timeout="1">
""")
        return [program, "--nofork", "--runasroot", "--nolog", "--nopid", "--config", conf]

    return _fixed(command)


def ngircd() -> Process:
    program = peer("ngircd")

    def command(folder: Path, port: int) -> Sequence[object]:
        conf = folder / "ngircd.conf"
        conf.write_text(f"""
[Global]
Name = bench.local
Info = bench
Listen = {HOST}
Ports = {port}
MotdPhrase = bench
[Limits]
MaxConnections = 0
MaxConnectionsIP = 0
MaxJoins = 0
MaxPenaltyTime = 0
PingTimeout = 3600
[Options]
DNS = no
Ident = no
PAM = no
""")
        conf.chmod(0o644)
        return [program, "-n", "-f", conf]

    return _fixed(command)


def miniircd() -> Process:
    nobody = ["--setuid", "nobody"] if os.getuid() == 0 else []
    return _fixed(
        lambda _, port: [
            sys.executable, peer("miniircd"), "--ports", port, "--listen", HOST, *nobody
        ]
    )  # fmt: skip


def words() -> Process:
    return _fixed(lambda _, port: [sys.executable, "-m", "benchmarks.words", port])


@dataclass(frozen=True)
class Server:
    """A server that can be started, by the name it has in the tables."""

    name: str
    start: Callable[[], Process]
    dialect: Dialect
    together: int = 256  # how many come at once: some listen with a queue of five
    patience: int = 1  # it is told this many times less, if it takes that much longer


LIMIT = Server("C limit", least, LEAST)
STORING = Server("C limit, storing", lambda: least(True), LEAST)
DURABLE = Server("chatnet", generous, TEXT)
MEMORY = Server("chatnet, memory:", lambda: generous("--store", "memory:"), TEXT)
PEERS = (
    Server("InspIRCd", inspircd, IRC, 1000),
    Server("ngIRCd", ngircd, IRC, 8),
    Server("miniircd", miniircd, IRC, 4),
    Server("twisted.words", words, WORDS, 256, 4),
)
ALL = (LIMIT, STORING, DURABLE, MEMORY, *PEERS)
