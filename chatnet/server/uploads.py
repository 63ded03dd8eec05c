"""Files that are coming: begun, gone on with, and, when all is there and right, sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger

from chatnet.core import commands as c, rules
from chatnet.core.files import File, checked, spell_size
from chatnet.core.refusals import (
    Malformed,
    NoSpace,
    NoSuchFile,
    NotAMember,
    NotWhole,
    TooLong,
    Unavailable,
)
from chatnet.core.replies import Done
from chatnet.lock import Lock
from chatnet.server import errands, queries
from chatnet.server.intake import Intake, Tap, too_much
from chatnet.stores.shelf import Sheet, Writing, moved

if TYPE_CHECKING:
    from chatnet.server.files import Files
    from chatnet.server.session import Session

MOST_OPEN = 16  # files of one person that are coming
MOST_OWNED = 64  # and of all guests at one address: each takes a place on the disk, however small
HELD_SECONDS = 0.25  # until it is looked again whether somebody who sends too fast may go on


class Misplaced(Exception):
    """What comes does not begin where the file ends: at ``have``."""

    def __init__(self, have: int) -> None:
        super().__init__(f"It goes on at byte {have}.")
        self.have = have


class Upload:
    """A file that is coming: ``have`` bytes are here; ``seq`` is its place once it is sent."""

    def __init__(self, sheet: Sheet, have: int, now: float) -> None:
        self.sheet = sheet
        self.have = have
        self.touched = now
        self.seq = 0
        self.reserved = max(0, sheet.file.size)  # bytes, of its owner's space
        self.writing: Writing | None = None
        self.intake: Intake | None = None
        self.lock = Lock()

    @property
    def size(self) -> int:
        """How many bytes it is to have; -1 while that is not known."""
        return self.sheet.file.size

    def is_busy(self) -> bool:
        """Return whether somebody is at it."""
        return self.lock.held or (self.intake is not None and self.intake.is_busy())


class Uploads:
    """Those files that are coming, by their ids."""

    _log = Logger()

    def __init__(self, files: Files) -> None:
        self._files = files
        self._open: dict[str, Upload] = {}

    def __iter__(self) -> Iterator[Upload]:
        return iter(list(self._open.values()))

    @property
    def coming(self) -> int:
        """How many are not sent yet."""
        return len(self._open)

    def __contains__(self, id: str) -> bool:
        return id in self._open

    def adopt(self, sheet: Sheet) -> None:
        """Go on with what ``sheet`` tells of, which a server that is no more has begun."""
        have = self._files.shelf.size(sheet.id)
        upload = self._open[sheet.id] = Upload(sheet, have, self._files.clock.seconds())
        self._files.space.keep(sheet.owner, upload.reserved)

    def find(self, session: Session, id: str) -> Upload:
        """Return the upload ``id``, if ``session`` began it, or the same person did.

        Raises:
            NoSuchFile: it did not.
        """
        upload = self._open.get(id)
        sheet = self._files.sheets.get(id)
        if upload is None and sheet is not None:  # it was sent
            upload = Upload(sheet, sheet.file.size, self._files.clock.seconds())
            upload.seq = next(iter(sheet.places.values()))
        if upload is None or upload.sheet.origin != session.person.origin:
            raise NoSuchFile("There is no such upload, or no more. Begin it again.")
        return upload

    def check(self, session: Session, to: str, file: File) -> File:
        """See, as far as that can be told at once, that ``session`` may send ``file`` to ``to``.

        Returns it with a harmless name.

        Raises:
            Refused: it may not.
        """
        files = self._files
        most = files.limits.file_size.most
        if file.size > most or not most:
            raise TooLong(
                f"A file has at most {spell_size(most)} here; that one has {spell_size(file.size)}."
                if most
                else "No files are sent on this server."
            )
        session.host.defence.check_voice(session)
        origin = session.person.origin
        mine = [one for one in self._open.values() if one.sheet.origin == origin]
        if len(mine) >= MOST_OPEN:
            raise Malformed(f"You are sending {MOST_OPEN} files already. Finish one first.")
        owner = files.space.owner(session.actor)
        if sum(one.sheet.owner == owner for one in self) >= MOST_OWNED:
            raise NoSpace(
                f"Guests from your address have begun {MOST_OWNED} files, and ended none. Try again"
                " later, or take an account: /newuser NAME PASSWORD."
            )
        file = checked(file)
        if not to.startswith("@"):
            audience = files.network.audiences.get(to)
            if audience is None:
                raise NotAMember("You are not in that room. /join it first.")
            now = files.clock.seconds()
            rules.decide(audience.room.decided, session.actor, c.Share(to, file), now)
        files.space.check(session.actor, max(file.size, 0))
        return file

    async def begin(self, session: Session, to: str, file: File) -> Upload:
        """Begin to take ``file``, which ``session`` sends to ``to``: a room's key, or ``@name``.

        Raises:
            Refused: not so.
        """
        files = self._files
        file = self.check(session, to, file)
        if to.startswith("@"):
            name, person = await queries.addressee(session.host, to[1:])
            if person is session.person:
                raise Malformed("That is you.")
            file, to = self.check(session, to, file), f"@{name.text}"
        sheet = Sheet(
            replace(file, id=files.new_id()),
            files.space.owner(session.actor),
            session.person.origin,
            to,
            files.clock.seconds(),
        )
        upload = self._open[sheet.id] = Upload(sheet, 0, files.clock.seconds())
        files.space.keep(sheet.owner, upload.reserved)
        try:
            await files.check_disk()
            await files.worker.run(files.shelf.add, sheet)
        except BaseException as error:
            self.forget(upload)
            if isinstance(error, OSError):
                raise Unavailable(f"It cannot be begun: {error.strerror}.") from error
            raise
        return upload

    async def take(self, session: Session, upload: Upload, tap: Tap, offset: int) -> Intake:
        """Return what writes on what ``tap`` brings, which begins at ``offset``.

        Whoever was sending this file until now, on a connection that may be dead, makes way.

        Raises:
            Misplaced: it has to begin elsewhere.
            Refused: it cannot be written.
        """
        files = self._files
        async with upload.lock:
            await self.quiet(upload)
            await self._reopen(upload)
            if offset != upload.have:
                raise Misplaced(upload.have)
            pace = files.passes.purse(session).up, files.limits.file_bytes
            upload.intake = Intake(upload, tap, files.clock, files.worker, pace, self._grow)
            return upload.intake

    async def quiet(self, upload: Upload) -> None:
        """Let no connection that sent ``upload`` until now go on with it."""
        intake, upload.intake = upload.intake, None
        if intake is not None:
            await intake.give_way()

    async def _reopen(self, upload: Upload) -> None:
        """See that what comes can be written, and the hash of what is here is known."""
        files = self._files
        if upload.writing is not None:
            return
        try:
            writing = await files.worker.run(Writing, files.shelf, upload.sheet.id)
            while not await files.worker.run(writing.read_on):
                pass
        except OSError as error:
            raise Unavailable(f"It cannot be written: {error.strerror}.") from error
        upload.writing, upload.have = writing, writing.size

    def _grow(self, upload: Upload, have: int) -> None:
        """See that ``upload`` may have so many bytes."""
        files = self._files
        if upload.size >= 0:
            if have > upload.size:
                raise too_much(upload.size)
            return
        most = files.limits.file_size.most
        if have > most:
            raise TooLong(f"A file has at most {spell_size(most)} here.")
        files.space.grow(upload.sheet.owner, upload.reserved, have)
        upload.reserved = have

    async def finish(self, session: Session, upload: Upload) -> int:
        """Send the file, of which all is here; return its seq in the log it was sent to.

        Repeated, it does nothing, and returns the same.

        Raises:
            NotWhole: it is not what was said; it is dropped.
            Refused: it may not be sent. It stays, to be tried again, or dropped.
        """
        async with upload.lock:
            if not upload.seq:
                await self._reopen(upload)
                await self._seal(upload)
                upload.seq = await self._send(session, upload)
                self.settle(upload)
                self._open.pop(upload.sheet.id, None)  # who asks again is told by its sheet
            return upload.seq

    async def _seal(self, upload: Upload) -> None:
        """Make it durable, and see that it is what was said."""
        files, file, writing = self._files, upload.sheet.file, upload.writing
        assert writing is not None, "it is open"
        try:
            digest = await files.worker.run(writing.finish)
        except OSError as error:
            raise Unavailable(f"It cannot be written: {error.strerror}.") from error
        if file.sha256 not in ("", digest) or file.size not in (-1, upload.have):
            await self.drop(upload)
            raise NotWhole(
                f"What came is not the file that was meant: its SHA-256 is {digest}. Nothing was"
                " sent, and nothing is kept."
            )
        upload.sheet = replace(upload.sheet, file=replace(file, sha256=digest, size=upload.have))

    async def _send(self, session: Session, upload: Upload) -> int:
        """Let the file be in the log; return its seq there."""
        files, network, sheet = self._files, self._files.network, upload.sheet
        while session.pace.holding:
            await deferLater(files.clock, HELD_SECONDS)
        session.host.defence.check_voice(session)
        session.pace.command(c.Share(sheet.to, sheet.file))
        await network.recall(session.person)
        cid = f"file-{sheet.id}"
        if sheet.to.startswith("@"):
            give = c.Give(sheet.to[1:], sheet.file)
            keys, events, _ = await errands.address(session.host, session, give)
            await self._expect(upload, keys)
            for key in keys:
                await network.open(key)
            _check_here(session, sheet)
            done: Deferred[Done] = network.tell(session, keys, events, cid)
        else:
            keys = [sheet.to]
            if sheet.to not in network.audiences:
                raise NotAMember("You are not in that room. /join it first.")
            await self._expect(upload, keys)
            await network.open(sheet.to)
            _check_here(session, sheet)
            done = network.submit(session, sheet.to, c.Share(sheet.to, sheet.file), cid)
        seq = (await done).seq
        places = {keys[0]: seq}
        for key in keys[1:]:
            found = await files.locate(key, upload.sheet.places[key], sheet.id)
            places |= {key: found} if found else {}
        upload.sheet = moved(sheet, sheet.file, places, True)
        files.shared(upload.sheet)
        where = "somebody" if sheet.to.startswith("@") else sheet.to  # whom is nobody's business
        self._log.info(
            "{by} sent a file of {size} bytes to {where}",
            by=session.actor.name,
            size=sheet.file.size,
            where=where,
        )
        try:
            await files.worker.run(files.shelf.put, upload.sheet)
        except OSError as error:  # the next start finds it in the log
            self._log.error("a sheet cannot be written: {error}", error=str(error))
        return seq

    async def _expect(self, upload: Upload, keys: Sequence[str]) -> None:
        """Keep where the file may be from now on, durably: a server that is killed looks there."""
        files = self._files
        heads = {key: files.network.audiences[key].room.log.head for key in keys}
        upload.sheet = moved(upload.sheet, upload.sheet.file, upload.sheet.places or heads, False)
        try:
            await files.worker.run(files.shelf.put, upload.sheet)
        except OSError as error:
            raise Unavailable(f"It cannot be written: {error.strerror}.") from error

    def settle(self, upload: Upload) -> None:
        """Close what is not written any more."""
        writing, upload.writing = upload.writing, None
        if writing is not None:
            self._files.worker.run(writing.close).addErrback(lambda _: None)

    async def give_up(self, upload: Upload) -> None:
        """Drop ``upload``, unless it is sent.

        Raises:
            Malformed: it is.
        """
        async with upload.lock:
            if upload.seq:
                raise Malformed("That file is sent already: /delete it in the chat.")
            await self.drop(upload)

    async def drop(self, upload: Upload) -> None:
        """Give up ``upload``, and let go of what came of it."""
        await self.quiet(upload)
        self.settle(upload)
        self.forget(upload)
        await self._files.worker.run(self._files.shelf.remove, upload.sheet.id)

    def forget(self, upload: Upload) -> None:
        """Know nothing of ``upload`` any more."""
        if self._open.pop(upload.sheet.id, None) is not None and not upload.seq:
            self._files.space.give_back(upload.sheet.owner, upload.reserved)


def _check_here(session: Session, sheet: Sheet) -> None:
    """See that ``session`` is still there, and the same person's.

    Raises:
        NoSuchFile: it is not.
    """
    if not session.is_here or session.person.origin != sheet.origin:
        raise NoSuchFile("The connection that sent this is gone. Ask for a token, and go on.")
