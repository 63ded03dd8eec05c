"""A server that is killed, starved and started again on what it left behind."""

from __future__ import annotations

import os
import re
import resource
import shutil
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet import reactor as installed  # noqa: TID251
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from tests.harness import TWISTD, Server
from tests.starting import start
from tests.voices import Counts

reactor: Any = installed

ROOM = -1  # no limit
_SURPRISE = re.compile(r"(?s).{0,300}(Traceback|Unhandled).{0,5000}")


class Victim:
    """One server after the other, on one store and in one folder."""

    def __init__(self, store: str, options: Sequence[str], counts: Counts, chance: Random) -> None:
        self.kills = 0
        self.folder = Path(tempfile.mkdtemp(prefix="chatnet-proof-"))
        self._store, self._options = store, options
        self._counts, self._chance = counts, chance
        self._servers: list[Server] = []

    @property
    def server(self) -> Server:
        """The present one, or the last that was."""
        return self._servers[-1]

    def port(self) -> int:
        """Return where to find the server; 1, where nobody listens, if it does not run."""
        ports = self.server.ports if self._servers and self.server.status is None else []
        return ports[0] if ports else 1

    async def starts(self) -> None:
        """Start the server on what is there."""
        self.launches()
        await self.server.logged("connect with:")

    def launches(self) -> None:
        """Begin to start it."""
        command = (*TWISTD, "-n", "--pidfile=", "chatnet", "--port=0", "--interface=127.0.0.1")
        where = (
            f"--store={self._store}",
            f"--data={self.folder / 'data'}",
            "--no-tls",
            "--limit=none",
        )
        server = Server()
        self._servers.append(server)
        words = [*command, *where, *self._options]
        scratch = {**os.environ, "TMPDIR": str(self.folder)}  # stays behind when it is killed
        start(server, words, scratch, self.folder)

    async def dies(self) -> None:
        """End it now."""
        self.server.kill()
        await self.server.ended()

    async def is_killed(self) -> None:
        """End it without any warning, and start it again.

        That is at any moment, or at the very moment when somebody was acknowledged something, or
        a little later, when what came with it is being stored.
        """
        server, counts, chance = self.server, self._counts, self._chance
        if chance.random() < 0.3:
            await deferToThread(_kill_soon, server, chance.uniform(0, 0.05))
        else:
            late = chance.choice((0, chance.uniform(0, 0.003)))
            counts.alarm_at = counts.acknowledged + chance.randint(1, 50)
            later = partial(reactor.callInThread, _kill_soon, server, late)
            counts.alarm = later if late else server.kill
        await server.ended()
        self.kills += 1
        if chance.random() < 0.2:  # and once more, while it starts
            self.launches()
            await deferLater(reactor, chance.uniform(0, 1.0))
            await self.dies()
            self.kills += 1
        await self.starts()

    def limit(self, size: int) -> None:
        """Let none of its files grow beyond ``size`` bytes; ``ROOM``: let them grow again."""
        _, hard = resource.prlimit(self.server.pid, resource.RLIMIT_FSIZE)
        size = hard if size == ROOM else size
        resource.prlimit(self.server.pid, resource.RLIMIT_FSIZE, (size, hard))

    def largest(self) -> int:
        """Return the size of the largest file that it keeps."""
        files = (self.folder / "data").rglob("*")
        return max((file.stat().st_size for file in files if file.is_file()), default=0)

    def complaints(self) -> list[str]:
        """Return what the servers logged that no server may, with a little around it."""
        logs = [(server.log + server.complaints).decode() for server in self._servers]
        found = [_SURPRISE.search(log) for log in logs]
        return [one[0] for one in found if one is not None]

    async def end(self) -> None:
        """Leave nothing behind."""
        if self._servers:
            await self.dies()
        shutil.rmtree(self.folder)


def _kill_soon(server: Server, seconds: float) -> None:
    """Kill ``server`` from another thread, whatever the reactor is doing."""
    time.sleep(seconds)
    server.kill()
