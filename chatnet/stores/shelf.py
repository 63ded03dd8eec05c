"""The shelf: a folder with the bytes of files, and beside each a sheet that says what it is.

Which files live is in the log alone. A sheet only tells where in it to look: a file whose entry is
not there, or was deleted, is litter, and goes when the server starts. What is not whole yet has a
sheet, too, so that it can go on after the server was killed.

A file on the shelf is ``ID``, its sheet ``ID.json``. All of it blocks; it knows no Twisted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from chatnet.core.files import File, is_id

FILES = "files"  # the folder of them, in that of all that is kept
SLICE = 1024 * 1024  # bytes that are read at once where a file is read as a whole
_NEW, _OLD = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Sheet:
    """What there is to know of a file that is, or will be, on the shelf.

    ``owner`` is whose space it takes (see ``room.Actor.target``), ``origin`` who may go on sending
    it (see ``people.Person.origin``), ``to`` where it goes: the key of a room, or ``@`` and a name.
    ``made`` is in UTC seconds since the epoch. ``places`` are the logs that it stands in, by their
    keys, with its seq there. While it is not ``shared``, it may stand there behind that seq; if
    there are none, it does not.
    """

    file: File
    owner: str
    origin: str
    to: str
    made: float
    shared: bool = False
    places: dict[str, int] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The id of the file."""
        return self.file.id


def sheet_of(plain: Any) -> Sheet:
    """Return what is in ``plain``, a sheet as JSON has it.

    Raises:
        ValueError: it is none.
    """
    try:
        sheet = Sheet(**(plain | {"file": File(**plain["file"])}))
        sound = is_id(sheet.id) and all(type(seq) is int for seq in sheet.places.values())
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError("no sheet") from error
    if not sound:
        raise ValueError("no sheet")
    return sheet


class Shelf:
    """Keeps files in ``folder``, for the owner's eyes only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self) -> None:
        """Make the folder if it is not there, and drop what has no sheet, and sheets of nothing.

        A sheet that cannot be read may be that of a newer release: it stays, and its file too.

        Raises:
            OSError: it cannot be used.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        names = set(os.listdir(self.folder))
        for name in names:
            other = name.removesuffix(".json") if name.endswith(".json") else f"{name}.json"
            if other not in names:
                with suppress(OSError):
                    (self.folder / name).unlink()

    def sheets(self) -> Iterator[Sheet]:
        """Yield all sheets of which the bytes, or some of them, are here.

        Raises:
            OSError: the folder is there, and cannot be read.
        """
        try:
            names = set(os.listdir(self.folder))
        except FileNotFoundError:
            return
        for name in sorted(names):
            id, _, suffix = name.partition(".")
            if suffix == "json" and id in names and (sheet := self._read(id)) is not None:
                yield sheet

    def _read(self, id: str) -> Sheet | None:
        try:
            sheet = sheet_of(json.loads((self.folder / f"{id}.json").read_bytes()))
        except (OSError, ValueError):
            return None
        return sheet if sheet.id == id else None

    def path(self, id: str) -> Path:
        """Return where the bytes of the file ``id`` are."""
        return self.folder / id

    def size(self, id: str) -> int:
        """Return how many bytes of the file ``id`` are here; 0 if it is not."""
        try:
            return os.stat(self.path(id), follow_symlinks=False).st_size
        except OSError:
            return 0

    def free(self) -> int:
        """Return how many bytes the disk has for us."""
        there = os.statvfs(self.folder)
        return there.f_bavail * there.f_frsize

    def add(self, sheet: Sheet) -> None:
        """Begin a file, of which nothing is here yet.

        Raises:
            FileExistsError: there is one of that id.
            OSError: it cannot be written.
        """
        os.close(os.open(self.path(sheet.id), _NEW | os.O_WRONLY, 0o600))
        self.put(sheet)

    def put(self, sheet: Sheet) -> None:
        """Keep ``sheet``, durably, in the place of the one that there was.

        Raises:
            OSError: it cannot be written.
        """
        path = self.folder / f"{sheet.id}.json"
        part = self.folder / f"{sheet.id}.json.part"
        with suppress(FileNotFoundError):
            part.unlink()
        descriptor = os.open(part, _NEW | os.O_WRONLY, 0o600)
        with open(descriptor, "wb") as out:
            out.write(json.dumps(asdict(sheet)).encode())
            out.flush()
            os.fsync(descriptor)
        os.replace(part, path)
        self.sync()

    def sync(self) -> None:
        """Make durable which files there are."""
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def remove(self, id: str) -> None:
        """Let the file ``id`` go. Nothing if there is none."""
        for name in (id, f"{id}.json"):  # in this order: bytes without a sheet are litter
            with suppress(FileNotFoundError):
                (self.folder / name).unlink()

    def read(self, id: str) -> Iterator[bytes]:
        """Yield the bytes of the file ``id``, in slices.

        Raises:
            OSError: it is not there, or cannot be read.
        """
        with open(self.open(id), "rb", SLICE) as file:
            while data := file.read(SLICE):
                yield data

    def open(self, id: str) -> int:
        """Return a descriptor to read the file ``id`` by.

        Raises:
            OSError: it is not there.
        """
        return os.open(self.path(id), _OLD | os.O_RDONLY)


class Writing:
    """The end of a file that grows, and the SHA-256 of all before it."""

    def __init__(self, shelf: Shelf, id: str) -> None:
        """Go on with the file ``id``.

        Raises:
            OSError: it is not there.
        """
        self._descriptor = os.open(shelf.path(id), _OLD | os.O_RDWR)
        self._hash = sha256()
        self._hashed = 0
        self.size = os.fstat(self._descriptor).st_size

    def read_on(self) -> bool:
        """Read on what was here before; return whether all of it was."""
        data = os.pread(self._descriptor, min(4 * SLICE, self.size - self._hashed), self._hashed)
        if data:
            self._hash.update(data)
            self._hashed += len(data)
        return not data or self._hashed >= self.size

    def write(self, parts: list[bytes]) -> int:
        """Put ``parts`` behind what there is; return how many bytes there are then.

        Raises:
            OSError: the disk is full, or the like. What came of it is taken back.
        """
        data = b"".join(parts)
        left = memoryview(data)
        try:
            while left:
                written = os.pwrite(self._descriptor, left, self.size + len(data) - len(left))
                left = left[written:]
        except OSError:
            os.ftruncate(self._descriptor, self.size)
            raise
        self._hash.update(data)
        self.size += len(data)
        self._hashed += len(data)
        return self.size

    def finish(self) -> str:
        """Make it durable; return the SHA-256, in hexadecimal digits.

        Raises:
            OSError: it cannot be.
        """
        os.fsync(self._descriptor)
        return self._hash.hexdigest()

    def close(self) -> None:
        """Write no more."""
        os.close(self._descriptor)


def moved(sheet: Sheet, file: File, places: dict[str, int], shared: bool) -> Sheet:
    """Return ``sheet`` with ``file``, which stands, or may stand, in ``places``."""
    return replace(sheet, file=file, places=places, shared=shared)
