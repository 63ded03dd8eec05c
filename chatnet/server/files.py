"""Files that were sent: who may fetch which, and when they go.

What is in the logs decides which files there are. The sheets on the shelf, and what is here in
memory, only tell where in the logs to look.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING
from urllib.parse import quote

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from chatnet.core import commands as c, events as e, rules
from chatnet.core.limits import UNLIMITED, Limits
from chatnet.core.names import GUEST_LOG
from chatnet.core.refusals import NoSpace, NoSuchFile, Refused
from chatnet.core.replies import Link, Token
from chatnet.interfaces import Runs
from chatnet.server.network import Network
from chatnet.server.passes import Passes
from chatnet.server.seats import inbox_of
from chatnet.server.space import Space
from chatnet.server.uploads import Uploads
from chatnet.stores.shelf import Sheet, Shelf

if TYPE_CHECKING:
    from chatnet.server.session import Session

SWEEP_SECONDS, LOOK_EVERY = 60.0, 60  # sweeps, of which one looks into the logs again
ID_BYTES = 6
LONGEST = 1e9  # seconds that anything is good for


class Files:
    """All files of one server."""

    _log = Logger()

    def __init__(
        self,
        network: Network,
        clock: IReactorTime,
        entropy: Callable[[int], bytes],
        limits: Limits,
        shelf: Shelf,
        worker: Runs,
    ) -> None:
        """Keep them on ``shelf``, on the threads of ``worker``."""
        self.network = network
        self.clock = clock
        self.limits = limits
        self.shelf = shelf
        self.worker = worker
        self.sheets: dict[str, Sheet] = {}  # of what was sent, by id
        self.space = Space(limits)
        self.passes = Passes(clock, entropy)
        self.uploads = Uploads(self)
        self._entropy = entropy
        self._placed: dict[str, dict[int, str]] = {}  # ids, by log and seq
        self._sweeps = 0
        self._looking = False
        network.erased = self._erased
        network.rooms.forgot = self._forgot

    def start(self) -> None:
        """Find out what there is; look later whether it stands in the logs. Blocks.

        Raises:
            OSError: the folder cannot be used.
        """
        self.shelf.prepare()
        for sheet in self.shelf.sheets():
            if sheet.shared:
                self._put(sheet)
                self.space.keep(sheet.owner, sheet.file.size)
            elif sheet.file.size >= 0:
                self.uploads.adopt(sheet)
            else:  # it cannot be gone on with
                self.shelf.remove(sheet.id)
        self.clock.callLater(0, self._sweep)

    # -- what people ask for ---------------------------------------------------------

    def token(self, session: Session) -> Token:
        """Return a token for ``session``."""
        seconds = min(self.limits.file_token.most, LONGEST)
        most = self.limits.file_size.most
        secret = self.passes.issue(session, seconds)
        return Token(secret, seconds, session.url, int(most) if most < 2**53 else 0)

    async def link(self, session: Session, query: c.Fetch) -> Link:
        """Return a link to the file that ``query`` asks for.

        Raises:
            NoSuchFile: there is none that ``session`` may fetch.
        """
        id = query.id or self._last(session)
        file = (await self.find(session, id)).file
        seconds = min(self.limits.file_link.most, LONGEST)
        secret = self.passes.issue(session, seconds, id)
        url = f"{session.url}/get/{secret}/{quote(file.name)}"
        return Link(id, file.name, file.size, file.type, file.sha256, file.sealed, url, seconds)

    def _last(self, session: Session) -> str:
        placed = self._placed.get(session.here if session.in_room() else "", {})
        if not placed:
            raise NoSuchFile("There is no file here. Say which: /get ID")
        return placed[max(placed)]

    def may_read(self, session: Session, id: str) -> bool:
        """Return whether ``session`` may fetch the file ``id`` now."""
        sheet = self.sheets.get(id)
        return sheet is not None and bool(self._readable(session, sheet))

    def _readable(self, session: Session, sheet: Sheet) -> str:
        """Return a log that ``sheet`` is in and ``session`` may read, or nothing."""
        for key in sheet.places:
            if key.startswith("@"):
                if key == inbox_of(session.person):
                    return key
                continue
            audience = self.network.audiences.get(key)
            if audience is None:  # then nobody is in it
                continue
            try:
                rules.permit(audience.room.state, session.actor, c.Fetch, self.clock.seconds())
            except Refused:
                continue
            return key
        return ""

    async def find(self, session: Session, id: str) -> Sheet:
        """Return the sheet of the file ``id``, which ``session`` may fetch now.

        Raises:
            NoSuchFile: it may not, or there is none. Which of them is not told.
        """
        sheet = self.sheets.get(id)
        key = self._readable(session, sheet) if sheet is not None else ""
        if sheet is None or not key:
            raise NoSuchFile(
                "There is no such file, or no more, or it is for others. Who fetches one that was"
                " sent to a room has to be in it."
            )
        if await self.locate(key, sheet.places[key] - 1, id, 1) is None:
            raise NoSuchFile("That file was deleted.")
        return sheet

    # -- what becomes of them --------------------------------------------------------

    def new_id(self) -> str:
        """Return an id that no file has."""
        while True:
            id = self._entropy(ID_BYTES).hex()[-2 * ID_BYTES :].rjust(2 * ID_BYTES, "0")
            if id not in self.sheets and id not in self.uploads:
                return id

    async def check_disk(self) -> None:
        """See that the disk has room for all that is coming, and what it is to have for others.

        Raises:
            NoSpace: it has not.
        """
        most = self.limits.file_size.most  # may come of what says no size
        unsaid = most if most < inf else 0
        promised = sum(
            (upload.size if upload.size >= 0 else unsaid) - upload.have for upload in self.uploads
        )
        try:
            free = await self.worker.run(self.shelf.free)
        except OSError as error:
            raise NoSpace(f"There is no folder for files: {error.strerror}.") from error
        spare = self.limits.file_spare
        if spare is not UNLIMITED and free - promised < spare.most:
            raise NoSpace("The server's disk is nearly full. Ask its operator.")

    async def locate(self, key: str, after: int, id: str, most: int = 0) -> int | None:
        """Return the seq of the entry with the file ``id`` behind ``after`` in the log ``key``.

        It is among the first ``most``, if that is not 0. None if it is not there.

        Raises:
            OSError: the log cannot be read.
        """
        upto = after + most if most else (await self.network.open(key)).room.log.head
        while after < upto:
            entries = await self.network.journal.read(key, after, upto)
            if not entries:
                return None
            for entry in entries:
                if isinstance(entry.event, e.Shared) and entry.event.id == id:
                    return entry.seq
            after = entries[-1].seq
        return None

    def places(self, key: str) -> list[int]:
        """Return at which seqs of the log ``key`` files stand."""
        return list(self._placed.get(key, ()))

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Return how many files stand in each log, by its key, and how many bytes they have."""
        return {
            key: (len(placed), sum(self.sheets[id].file.size for id in placed.values()))
            for key, placed in self._placed.items()
        }

    def shared(self, sheet: Sheet) -> None:
        """The file of ``sheet`` stands in the logs that it tells."""
        self._put(sheet)

    def _put(self, sheet: Sheet) -> None:
        self.sheets[sheet.id] = sheet
        for key, seq in sheet.places.items():
            self._placed.setdefault(key, {})[seq] = sheet.id

    def _erased(self, key: str, seq: int) -> None:
        """The entry at ``seq`` of the log ``key`` was deleted."""
        if seq in self._placed.get(key, ()):
            self._unplace(key, seq)

    def _forgot(self, key: str, upto: int) -> None:
        """The log ``key`` let go of all up to ``upto``."""
        for seq in [seq for seq in self._placed.get(key, ()) if seq <= upto]:
            self._unplace(key, seq)

    def _unplace(self, key: str, seq: int) -> None:
        """Let go of a file that stands in the log ``key`` no more, and in no other."""
        placed = self._placed[key]
        sheet = self.sheets.get(placed.pop(seq))
        if not placed:
            del self._placed[key]
        if sheet is None:
            return
        left = {other: place for other, place in sheet.places.items() if other != key}
        if left:
            self.sheets[sheet.id] = replace(sheet, places=left)
        else:
            self.remove(sheet)

    def remove(self, sheet: Sheet) -> None:
        """Let the file of ``sheet`` go."""
        if self.sheets.pop(sheet.id, None) is None:
            return
        self.space.give_back(sheet.owner, sheet.file.size)
        for key, seq in sheet.places.items():
            if self._placed.get(key, {}).pop(seq, None) and not self._placed[key]:
                del self._placed[key]
        done = self.worker.run(self.shelf.remove, sheet.id)
        done.addErrback(self._stays)

    def _stays(self, failure: object) -> None:
        self._log.error("a file cannot be removed: {why}", why=str(failure))

    def _sweep(self) -> None:
        """Let go of what is too old; now and then, look into the logs as well."""
        if self.network.rooms.closing:
            return
        self.clock.callLater(SWEEP_SECONDS, self._sweep)
        now = self.clock.seconds()
        for sheet in list(self.sheets.values()):
            if now - sheet.made > self.limits.file_expiry.most:
                self.remove(sheet)
        if not self._looking:
            self._looking = True
            done = Deferred.fromCoroutine(self._look(self._sweeps % LOOK_EVERY == 0))
            done.addErrback(lambda bug: self._log.failure("looking after files broke", bug))
            done.addBoth(self._looked)
        self._sweeps += 1

    def _looked(self, _: object) -> None:
        self._looking = False

    async def _look(self, deeply: bool) -> None:
        """Drop uploads that nobody goes on with; look whether files still stand in the logs."""
        try:
            now = self.clock.seconds()
            for upload in self.uploads:
                idle = now - upload.touched
                if idle < SWEEP_SECONDS or upload.is_busy():
                    continue
                if await self._turns_up(upload.sheet):
                    self.uploads.settle(upload)
                    self.uploads.forget(upload)
                elif upload.is_busy():  # since then
                    continue
                elif idle > self.limits.upload_expiry.most:
                    await self.uploads.drop(upload)
                else:  # how many may be open at once is the system's to say
                    self.uploads.settle(upload)
            for sheet in list(self.sheets.values()) if deeply else ():
                for key, seq in list(sheet.places.items()):
                    asleep = key not in self.network.audiences
                    if self.sheets.get(sheet.id) is sheet and await self._is_gone(key, seq):
                        self._erased(key, seq)
                    if asleep:
                        self.network.rooms.let_go(key)
        except (OSError, Refused) as error:  # foreseen; the next sweep tries again
            self._log.error("files cannot be looked after: {error}", error=str(error))

    async def _turns_up(self, sheet: Sheet) -> bool:
        """Find the entry of a file of which the server did not hear that it was written."""
        found: dict[str, int] = {}
        for key, after in sheet.places.items():
            seq = None if key.startswith(GUEST_LOG) else await self.locate(key, after, sheet.id)
            found |= {key: seq} if seq is not None else {}
        if not found:
            return False
        whole = replace(sheet, shared=True, places=found)
        self.shared(whole)
        self.space.keep(sheet.owner, sheet.file.size)
        await self.worker.run(self.shelf.put, whole)
        return True

    async def _is_gone(self, key: str, seq: int) -> bool:
        """Return whether what stood at ``seq`` of the log ``key`` was deleted, or let go.

        A log that never came so far is another one than it was: then nobody knows.
        """
        room = (await self.network.open(key)).room
        if key.startswith(GUEST_LOG):
            return room.log.head < seq
        if seq <= room.log.floor:
            return True
        entries = await self.network.journal.read(key, seq - 1, seq)
        return bool(entries) and isinstance(entries[0].event, e.Erased)
