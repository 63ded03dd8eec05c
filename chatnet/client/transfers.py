"""Files that a person sends and fetches: what runs, how far it is, and how it ended."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from chatnet.client.courier import Courier, Progress
from chatnet.client.link import Link
from chatnet.core import commands as c, replies as r
from chatnet.core.plain import plain
from chatnet.core.refusals import Malformed, Refused

SEND, GET, CANCEL = ("send-file", "sendfile", "upload"), ("get", "fetch", "get-file"), ("cancel",)
_SEND_USAGE = "Use it like this: /send-file ROOM|USER PATH"


@dataclass(slots=True, eq=False)
class Transfer:
    """A file on its way: ``through`` of ``size`` bytes (0: not known yet)."""

    name: str
    sends: bool
    through: int = 0
    size: int = 0

    @property
    def percent(self) -> int:
        """How much of it is through."""
        return 100 * self.through // self.size if self.size else 0

    def __str__(self) -> str:
        return f"{'sending' if self.sends else 'fetching'} {self.name}: {self.percent} %"


class Transfers:
    """Those of one person; ``changed`` is called when there is something to be shown anew."""

    def __init__(self, link: Link, courier: Courier) -> None:
        self.running: dict[Transfer, Deferred[Any]] = {}
        self.failed = False  # one of them did not get through
        self.changed: Callable[[], object] = lambda: None
        self._link = link
        self._courier = courier

    def typed(self, line: str) -> bool:
        """Do what ``line`` says, if it is about files; return whether it was.

        Raises:
            Refused: it makes no sense.
        """
        verb, _, rest = line.strip().partition(" ")
        word, rest = verb.removeprefix("/").lower(), rest.strip()
        if not verb.startswith("/") or word not in (*SEND, *GET, *CANCEL):
            return False
        if word in SEND:
            to, _, path = rest.partition(" ")
            if not path.strip():
                raise Malformed(_SEND_USAGE)
            self.send(to, path.strip())
        elif word in GET:
            id, _, folder = rest.partition(" ")
            self.fetch(id, folder.strip())
        else:
            self.cancel()
        return True

    def send(self, to: str, path: str) -> Transfer:
        """Send the file at ``path`` to a room one is in, or else to the person called ``to``.

        Raises:
            Malformed: there is no such file.
        """
        file = path_of(path)
        if not os.path.isfile(file):  # which a name may also be too long for
            raise Malformed(f"There is no file {plain(path)}.")
        transfer = Transfer(plain(file.name), True)
        work = self._courier.send(self._where(to), file, progress=self._moving(transfer))
        return self._run(transfer, work, lambda _: f"{transfer.name} is sent.")

    def fetch(self, id: str = "", folder: str = "") -> Transfer:
        """Fetch the file ``id``, or the room's last one, to ``folder``, or to the usual one."""
        to = path_of(folder) if folder else downloads()
        transfer = Transfer(id or "the last file", False)
        work = self._fetch(transfer, id, to)
        return self._run(transfer, work, lambda path: f"{transfer.name} is here: {path}")

    async def _fetch(self, transfer: Transfer, id: str, to: Path) -> Path:
        asked: Deferred[r.Reply] = Deferred()
        self._link.submit(c.Fetch(id), asked)
        link = await asked
        assert isinstance(link, r.Link), link
        transfer.name = self._courier.name_of(link)
        return await self._courier.fetch(link.id, to, self._moving(transfer))

    def cancel(self) -> None:
        """Give up all that runs.

        Raises:
            Malformed: nothing does.
        """
        if not self.running:
            raise Malformed("No file is on its way.")
        for done in list(self.running.values()):
            done.cancel()

    def _where(self, to: str) -> str:
        places = self._link.dialogue.places
        if to.startswith("@"):
            return to
        if to.startswith("#") or places.key_of(to) in places.rooms:
            return to.removeprefix("#")
        return f"@{to}"

    def _run(
        self, transfer: Transfer, work: Coroutine[Any, Any, Any], told: Callable[[Any], str]
    ) -> Transfer:
        done: Deferred[Any] = Deferred.fromCoroutine(work)
        self.running[transfer] = done
        done.addCallbacks(told, self._failed, errbackArgs=(transfer,))
        done.addCallback(self._ended, transfer)
        return transfer

    def _failed(self, failure: Failure, transfer: Transfer) -> str:
        self.failed = True
        return _explain(transfer, failure)

    def _ended(self, text: str, transfer: Transfer) -> None:
        self.running.pop(transfer, None)
        self._link.dialogue.ear.notice(text)
        self.changed()
        self._link.dialogue.ear.concluded()

    def _moving(self, transfer: Transfer) -> Progress:
        def moved(through: int, size: int) -> None:
            before = transfer.percent
            transfer.through, transfer.size = through, size
            if transfer.percent != before:
                self.changed()

        return moved

    def __str__(self) -> str:
        return ", ".join(map(str, self.running))


def path_of(typed: str) -> Path:
    """Return the path that was ``typed``; the ~ of somebody who is unknown stands for itself."""
    return Path(os.path.expanduser(typed))


def downloads() -> Path:
    """Return the folder that files are fetched to, unless another one is named."""
    wanted = os.environ.get("XDG_DOWNLOAD_DIR")
    usual = Path(wanted) if wanted else Path.home() / "Downloads"
    return usual if usual.is_dir() else Path.cwd()


def _explain(transfer: Transfer, failure: Failure) -> str:
    error = failure.value
    if isinstance(error, CancelledError):
        return f"{transfer.name} is given up."
    if isinstance(error, Refused):
        return f"{transfer.name}: {plain(str(error))}"
    if isinstance(error, OSError):
        return f"{transfer.name}: {error.strerror or error}"
    return f"{transfer.name} did not get through, which is a bug: {error!r}"
