"""Tells the service manager how the server is: sd_notify(3), in systemd's own words."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger


class Manager:
    """Whoever started the server and wants to know; or nobody, who is told nothing."""

    _log = Logger()

    def __init__(self, clock: IReactorTime, environment: Mapping[str, str]) -> None:
        """Find out from ``environment`` who it is."""
        self._clock = clock
        self._path = environment.get("NOTIFY_SOCKET", "")
        self._every = _half_of(environment) if self._path else 0.0
        self._beats: LoopingCall | None = None

    def ready(self, status: str) -> None:
        """The server can be reached; from now on show that the reactor turns, if that is asked."""
        self._tell("READY=1", f"STATUS={status}", f"MAINPID={os.getpid()}")
        if self._every and self._beats is None:
            self._beats = LoopingCall(self._tell, "WATCHDOG=1")
            self._beats.clock = self._clock
            self._beats.start(self._every)

    def stopping(self) -> None:
        """The server ends. The reactor still turns, and that is shown as long as it takes."""
        self._tell("STOPPING=1", "STATUS=stopping")

    def stop(self) -> None:
        """Show no more."""
        if self._beats is not None:
            self._beats.stop()
            self._beats = None

    def _tell(self, *lines: str) -> None:
        if not self._path:
            return
        where = "\0" + self._path[1:] if self._path.startswith("@") else self._path
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as out:
                out.sendto("\n".join(lines).encode(), where)
        except OSError as error:
            self._log.warn("the service manager is not told: {why}", why=str(error))


def _half_of(environment: Mapping[str, str]) -> float:
    """Return after how many seconds to show a sign of life; 0 if nobody waits for one."""
    wanted, whose = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not wanted.isdecimal() or (whose and whose != str(os.getpid())):
        return 0.0
    return int(wanted) / 2_000_000
