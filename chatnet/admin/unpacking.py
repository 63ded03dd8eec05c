"""What a backup's file holds, and what is wrong with it."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import IO, Any, assert_never

from chatnet.admin.archive import (
    Accounts,
    Answers,
    Bytes,
    Counts,
    Header,
    Heading,
    Item,
    Log,
    decode_counts,
    decode_header,
    decode_heading,
    decode_item,
)
from chatnet.admin.telling import Tell, Unable

_DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile)  # what a compressed file may be


@dataclass(slots=True)
class Section:
    """A part of a backup. ``items`` are read once; only then is ``void`` known."""

    number: int  # from 1
    heading: Heading
    items: Iterator[Item] = field(default_factory=lambda: iter(()))
    void: bool = False


class _Lines:
    """The lines of a file, each of which is an object or a list in JSON."""

    def __init__(self, file: IO[bytes], fault: Tell) -> None:
        self._file = file
        self._fault = fault
        self._whole, self._section = sha256(), sha256()
        self._held: Any = None
        self._ended = False
        self.number = 0  # of the line that was read last, from 1
        self.digest = ""  # SHA-256 of all before the last object
        self.section_digest = ""  # and of the section from its heading on

    def next(self) -> Any:
        """Return what the next line that can be read says; None at the end."""
        if self._held is not None:
            held, self._held = self._held, None
            return held
        while line := self._read():
            self.number += 1
            value = _decoded(line)
            if isinstance(value, dict):
                self.digest = self._whole.hexdigest()
                self.section_digest = self._section.hexdigest()
                if "section" in value:
                    self._section = sha256()
            self._whole.update(line)
            self._section.update(line)
            if value is not None:
                return value
            self._fault(f"line {self.number} cannot be read")
        return None

    def hold(self, value: Any) -> None:
        """Let ``value``, which was read too early, be the next."""
        self._held = value

    def _read(self) -> bytes:
        """Return the next line; an empty one at the end, and whenever it is asked for behind it."""
        if self._ended:
            return b""
        line = b""
        try:
            line = self._file.readline()
        except _DAMAGED:
            self._fault(f"it is damaged, or cut, behind line {self.number}: nothing more is read")
        if line.endswith(b"\n"):
            return line
        self._ended = True
        if line:
            self._fault(f"it is cut in line {self.number + 1}")
        return b""


def _decoded(line: bytes) -> dict[str, Any] | list[Any] | None:
    try:
        value = json.loads(line.decode())
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


class Reader:
    """Reads a backup from ``file``; ``fault`` is told a sentence about all that is not right."""

    def __init__(self, file: IO[bytes], fault: Callable[[str], None]) -> None:
        """Read the first line.

        Raises:
            Unable: it is no backup, or one of another release.
        """
        self._tell = fault
        self.faulty = False  # something was not right so far
        self.header: Header | None = None
        self._lines = _Lines(file, self._fault)
        self.header = self._header()
        self.counts = Counts()
        self.digest = ""  # SHA-256 of all before the last line, once that was read

    def sections(self) -> Iterator[Section]:
        """Yield the parts of the backup. Each has been read, or is passed over, at the next."""
        number = 0
        while (value := self._lines.next()) is not None:
            if "trailer" in value:
                self._finish(value)
                return
            number += 1
            try:
                section = Section(number, decode_heading(value))
            except ValueError:
                self._pass_over()
                continue
            section.items = self._items(section)
            yield section
            for _ in section.items:
                pass
        self._fault("its end is missing: it was cut, or never finished")

    def _header(self) -> Header:
        found = None
        try:
            found = decode_header(self._lines.next())
        except ValueError:
            raise Unable("it is no backup of chatnet, or its beginning is lost") from None
        if isinstance(found, int):
            raise Unable(f"it was made by another release of chatnet (its format is {found})")
        return found

    def _items(self, section: Section) -> Iterator[Item]:
        lines, heading, items = self._lines, section.heading, 0
        first = lines.number
        while (value := lines.next()) is not None:
            if isinstance(value, dict):
                if "end" not in value:
                    lines.hold(value)
                    break
                section.void = value.get("void") is True
                if not section.void:
                    self.counts.add(heading, items)
                if value.get("sha256") != lines.section_digest:
                    self._fault(
                        f"{_called(heading)}, lines {first} to {lines.number}, was changed after it"
                        " was written"
                    )
                return
            try:
                item = decode_item(heading, value)
            except ValueError:
                self._fault(f"line {lines.number}, in {_called(heading)}, makes no sense")
            else:
                items += 1
                yield item
        self.counts.add(heading, items)
        self._fault(f"the end of {_called(heading)} is missing")

    def _finish(self, value: dict[str, Any]) -> None:
        self.digest = digest = self._lines.digest
        try:
            said = decode_counts(value["trailer"])
        except ValueError:
            self._fault("its last line makes no sense")
            return
        if said != self.counts:
            self._fault(f"it should hold {said}, and holds {self.counts}")
        if value.get("sha256") != digest and not self.faulty:
            self._fault(
                "its SHA-256 is not what its last line says: its first line, that one, or the order"
                " of its parts was changed"
            )
        if self._lines.next() is not None:
            self._fault("something stands behind its end")

    def _pass_over(self) -> None:
        """Read on to the next section."""
        first = self._lines.number
        while (value := self._lines.next()) is not None:
            if isinstance(value, dict) and "end" not in value:
                self._lines.hold(value)
                break
        self._fault(f"line {first} begins no part that is known; it is passed over")

    def _fault(self, sentence: str) -> None:
        if self.header is not None:
            self.faulty = True
            self._tell(sentence)


def _called(heading: Heading) -> str:
    match heading:
        case Answers():
            return "the part with answers"
        case Accounts():
            return "the part with accounts"
        case Log():
            return f"the log of {heading.label}"
        case Bytes(sheet):
            return f"the file {sheet.id} ({sheet.file.name})"
        case _:
            assert_never(heading)
