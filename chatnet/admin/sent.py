"""Files that were sent, in a backup and on the shelf: written, put back, and looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256

from chatnet.admin.archive import Bytes, Piece, Writer
from chatnet.admin.survey import Survey
from chatnet.admin.telling import Progress
from chatnet.stores.shelf import Sheet, Shelf, Writing

_PIECE = 192 * 1024  # bytes in a line


def write_files(writer: Writer, shelf: Shelf, survey: Survey, progress: Progress) -> None:
    """Write the files on ``shelf``; one that goes meanwhile counts for nothing.

    Raises:
        OSError: they cannot be read.
    """
    for sheet in shelf.sheets():
        if not sheet.shared:
            continue
        writer.begin(Bytes(sheet))
        try:
            for data in checked(sheet, shelf.read(sheet.id), survey):
                for at in range(0, len(data), _PIECE):
                    writer.add(Piece(data[at : at + _PIECE]))
                progress.step(label_of(sheet))
        except FileNotFoundError:
            writer.end(void=True)
        else:
            writer.end()


def check_files(shelf: Shelf, survey: Survey, progress: Progress) -> int:
    """Tell ``survey`` which files on ``shelf`` are not what was sent; return how many there are.

    Raises:
        OSError: they cannot be read.
    """
    count = 0
    for sheet in shelf.sheets():
        if sheet.shared:
            count += 1
            try:
                for _ in checked(sheet, shelf.read(sheet.id), survey):
                    progress.step(label_of(sheet))
            except FileNotFoundError:  # it was deleted meanwhile
                count -= 1
    return count


def put_back(shelf: Shelf, sheet: Sheet, data: Iterable[bytes]) -> None:
    """Put ``data``, which is what the file of ``sheet`` holds, on ``shelf``.

    Raises:
        OSError: it cannot be written.
    """
    shelf.prepare()
    shelf.add(sheet)
    writing = Writing(shelf, sheet.id)
    try:
        for part in data:
            writing.write([part])
        writing.finish()
    finally:
        writing.close()


def checked(sheet: Sheet, data: Iterable[bytes], survey: Survey) -> Iterator[bytes]:
    """Yield ``data``; tell ``survey`` at the end if it is not what the file of ``sheet`` holds."""
    found, size = sha256(), 0
    for part in data:
        found.update(part)
        size += len(part)
        yield part
    if (size, found.hexdigest()) != (sheet.file.size, sheet.file.sha256):
        survey.fault(f"{label_of(sheet)} is not what was sent")


def label_of(sheet: Sheet) -> str:
    """Return what an operator knows the file of ``sheet`` by."""
    return f"the file {sheet.id} ({sheet.file.name})"
