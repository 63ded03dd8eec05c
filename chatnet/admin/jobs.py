"""What takes an operator's server long: a backup, a search for damage. Other processes do it."""

from __future__ import annotations

import json
import os
import re
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from chatnet.admin.desk import Answer, Desk
from chatnet.admin.grammar import Given
from chatnet.admin.operator import Operator
from chatnet.core.events import Acted
from chatnet.core.names import OPERATOR
from chatnet.core.refusals import Malformed, NotAllowed, Refused
from chatnet.settings import Settings

MOST_FAULTS = 1000  # that are told
_PASSWORD_FD = 3
_PROGRESS = re.compile(r"[\d,]+ entries \w+, \d+ s; now in ")
_WHOLE, _FAULTY = 0, 1  # exit statuses


class Job(ProcessProtocol):
    """``python -m chatnet.admin``, which reads what is kept while the server goes on."""

    def __init__(self, settings: Settings, task: str, hear: Callable[[str], object]) -> None:
        """``hear`` is told how far it is."""
        self.task = task
        self.done: Deferred[int] = Deferred()
        self.faults: deque[str] = deque(maxlen=MOST_FAULTS)
        self.last = ""  # line
        self._settings = settings
        self._hear = hear
        self._rest = b""

    def connectionMade(self) -> None:
        """Say where all is kept, as no list of processes does."""
        settings = self._settings
        where = {"data": settings.data, "store": settings.store, "journal": settings.journal}
        if settings.store_password:
            where["store-password-file"] = f"/dev/fd/{_PASSWORD_FD}"
        lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in where.items()]
        assert self.transport is not None
        self.transport.writeToChild(_PASSWORD_FD, f"{settings.store_password}\n".encode())
        self.transport.closeChildFD(_PASSWORD_FD)
        self.transport.writeToChild(0, "\n".join(lines).encode())
        self.transport.closeStdin()

    def errReceived(self, data: bytes) -> None:
        """Tell how far it is; keep all else."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            text = line.decode(errors="replace").removeprefix("chatnet: ")
            if _PROGRESS.match(text):
                self._hear(text)
                continue
            if self.last:
                self.faults.append(self.last)
            self.last = text

    def stop(self) -> None:
        """End the process, which leaves nothing half done behind."""
        if self.transport is not None:
            with suppress(ProcessExitedAlready):
                self.transport.signalProcess("TERM")

    def processEnded(self, reason: Failure) -> None:
        """It is done, or was killed."""
        status = getattr(reason.value, "exitCode", None)
        self.done.callback(-1 if status is None else status)


async def backup(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Write all that is kept to a new file."""
    return await _run(desk, operator, "backup", to_write(desk, operator, given))


async def verify(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Find what is wrong with what is kept, or with a backup."""
    return await _run(desk, operator, "verify", *to_read(desk, operator, given))


async def _run(desk: Desk, operator: Operator, task: str, *files: str) -> Answer:
    spawn = _spawning(desk, task, *files)
    job = desk.job = Job(desk.host.settings, task, operator.tell)
    words = [sys.executable, "-m", "chatnet.admin", task, "--config", "/dev/stdin", *files]
    try:
        spawn(
            job, words[0], words, env=dict(os.environ),
            childFDs={0: "w", 1: "r", 2: "r", _PASSWORD_FD: "w"},
        )  # fmt: skip
        status = await job.done
    finally:
        desk.job = None
    if status not in (_WHOLE, _FAULTY):
        raise Refused(f"The {task} came to nothing: {job.last or 'its process was ended'}.")
    faults = [{"fault": fault} for fault in job.faults]
    await desk.note(Acted(operator.actor.name, task, to=" ".join(files)))
    done = "Done" if status == _WHOLE else "To be looked at"
    return Answer(f"{done}: {job.last}.", faults)


def to_write(desk: Desk, operator: Operator, given: Given) -> str:
    """Return where a backup is to be.

    Raises:
        Refused: it cannot be there.
    """
    path = _path(desk, operator, given.text("path"))
    if os.path.lexists(path):
        raise NotAllowed(f"{path} is there already, and is not overwritten. Name a new file.")
    if not path.parent.is_dir():
        raise NotAllowed(f"There is no folder {path.parent} on the server's machine.")
    _spawning(desk, "backup", str(path))
    return str(path)


def to_read(desk: Desk, operator: Operator, given: Given) -> Sequence[str]:
    """Return the backup that is to be looked at, if not all that is kept.

    Raises:
        Refused: there is none.
    """
    files = []
    if given.text("path"):
        path = _path(desk, operator, given.text("path"))
        if not path.is_file():
            raise NotAllowed(f"There is no file {path} on the server's machine.")
        files = [str(path)]
    _spawning(desk, "verify", *files)
    return files


def _spawning(desk: Desk, task: str, *files: str) -> Callable[..., object]:
    """Return what starts the process that does ``task``.

    Raises:
        NotAllowed: it would be of no use, or there is no way to start one, or one runs already.
    """
    if desk.building.spawn is None:
        raise NotAllowed(f"No process can be started here: python -m chatnet.admin {task}")
    if desk.host.settings.store == "memory:" and not (task == "verify" and files):
        raise NotAllowed("What this server has in memory, no other process can read.")
    if desk.job is not None:
        raise NotAllowed(f"One at a time: {desk.job.task} is not done yet.")
    return desk.building.spawn


def _path(desk: Desk, operator: Operator, written: str) -> Path:
    """Return the place ``written``, at which ``operator`` may read and write.

    Raises:
        Refused: it is none.
    """
    if not written.startswith("/") or "\0" in written:
        raise Malformed(f"Write all of the path, from / on: {desk.host.settings.data}/{written}")
    folder, name = os.path.split(written)
    path = Path(os.path.realpath(folder), name)
    if name in ("", ".", ".."):
        raise Malformed("That is a folder: name a file.")
    data = Path(os.path.realpath(desk.host.settings.data))
    if operator.actor.key != OPERATOR and data not in path.parents:
        raise NotAllowed(f"Who is not at the server's machine names a file below {data}.")
    return path
