"""The file of a backup: lines of JSON in sections, each of which ends with its SHA-256.

::

    {"chatnet":"backup","format":1,"version":"0.1.0","at":1795286000.5}
    {"section":"answers"}
    ["ann","c1","tea",2]
    {"end":1,"sha256":"..."}
    {"section":"log","room":"tea","anchor":[0,"..."],"state":[2,"..."]}
    [1,1795286000.0,"[\\"opened\\",\\"Tea\\",\\"ann\\"]","digest","link"]
    [2,1795286000.0,"[\\"said\\",\\"ann\\",\\"hello\\",false]","digest","link"]
    {"end":2,"sha256":"..."}
    {"section":"file","sheet":{"file":{"id":"8c8c765edbca",...},"places":{"tea":3},...}}
    ["R3JlZW4gdGVh..."]
    {"end":1,"sha256":"..."}
    {"section":"accounts"}
    ["Ann","ann","$argon2id$...",1795285000.0]
    {"end":1,"sha256":"..."}
    {"trailer":{"logs":1,"entries":2,"answers":1,"accounts":1},"sha256":"..."}

A section's SHA-256 is that of its lines, the trailer's that of all before it. A section whose end
says ``"void":true`` was given up, and counts for nothing. There may be several of answers.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import IO, Any, assert_never

from chatnet.core.chain import Anchor, Record
from chatnet.core.codec import decode_state, encode_state
from chatnet.core.counting import counted
from chatnet.core.names import known_name
from chatnet.core.replies import Done
from chatnet.core.room import RoomState
from chatnet.interfaces import Account
from chatnet.stores.shelf import Sheet, sheet_of

FORMAT = 1

_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Header:
    """Which release of chatnet made the backup, and when, in UTC seconds since the epoch."""

    version: str
    at: float


@dataclass(frozen=True, slots=True)
class Answers:
    """What became of named commands follows: ``Answer`` after ``Answer``."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """All accounts follow: ``Made`` after ``Made``."""


@dataclass(frozen=True, slots=True)
class Log:
    """The records of ``room`` follow, which begin behind ``anchor``.

    ``state`` is what the room added up to, with its seq; None if none was kept.
    """

    room: str
    anchor: Anchor
    state: tuple[int, RoomState] | None = None

    @property
    def label(self) -> str:
        """What an operator knows the log by: its room's name, and its key if that is another."""
        name = self.state[1].name if self.state else ""
        return f"{name} ({self.room})" if name not in ("", self.room) else self.room


@dataclass(frozen=True, slots=True)
class Bytes:
    """What is in a file that was sent follows: ``Piece`` after ``Piece``."""

    sheet: Sheet


Heading = Answers | Accounts | Log | Bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a named command of ``origin``."""

    origin: str
    done: Done


@dataclass(frozen=True, slots=True)
class Made:
    """An account, and when it was made, in UTC seconds since the epoch."""

    account: Account
    at: float


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of a file."""

    data: bytes


Item = Answer | Made | Record | Piece


@dataclass(slots=True)
class Counts:
    """How many there are of everything that counts."""

    logs: int = 0
    entries: int = 0
    answers: int = 0
    accounts: int = 0
    files: int = 0

    def add(self, heading: Heading, items: int) -> None:
        """Count a section that begins with ``heading``, and what is in it."""
        match heading:
            case Answers():
                self.answers += items
            case Accounts():
                self.accounts += items
            case Log():
                self.logs += 1
                self.entries += items
            case Bytes():
                self.files += 1
            case _:
                assert_never(heading)

    def __str__(self) -> str:
        return (
            f"{counted(self.entries, 'entry', 'entries')} in {counted(self.logs, 'log')},"
            f" {counted(self.accounts, 'account')}, {counted(self.answers, 'answer')}"
            + (f", {counted(self.files, 'file')}" if self.files else "")
        )


class Writer:
    """Writes a backup to ``out``, a section after the other."""

    def __init__(self, out: IO[bytes], version: str, at: float) -> None:
        self._write: Callable[[bytes], object] = out.write
        self._whole = sha256()
        self._section = sha256()
        self._heading: Heading = Answers()
        self._items = 0
        self.counts = Counts()
        self.size = 0  # bytes
        self._line({"chatnet": "backup", "format": FORMAT, "version": version, "at": at})

    def begin(self, heading: Heading) -> None:
        """Begin a section."""
        self._heading, self._items, self._section = heading, 0, sha256()
        self._line(_encode_heading(heading))

    def add(self, item: Item) -> None:
        """Write ``item``, which is of the kind that the section's heading says."""
        self._items += 1
        self._line(_encode_item(item))

    def end(self, void: bool = False) -> None:
        """End the section; if it is ``void``, it counts for nothing."""
        last: dict[str, Any] = {"end": self._items, "sha256": self._section.hexdigest()}
        if void:
            last["void"] = True
        else:
            self.counts.add(self._heading, self._items)
        self._line(last)

    def finish(self) -> None:
        """Write the trailer."""
        counts = asdict(self.counts)
        if not self.counts.files:  # of which older releases know nothing
            del counts["files"]
        self._line({"trailer": counts, "sha256": self._whole.hexdigest()})

    def _line(self, value: Any) -> None:
        line = _dumps(value).encode()
        for part in (line, b"\n"):
            self._section.update(part)
            self._whole.update(part)
            self._write(part)
            self.size += len(part)


def _encode_heading(heading: Heading) -> dict[str, Any]:
    match heading:
        case Answers():
            return {"section": "answers"}
        case Accounts():
            return {"section": "accounts"}
        case Log(room, anchor, state):
            encoded = {"section": "log", "room": room, "anchor": (anchor.seq, anchor.link.hex())}
            return encoded | ({"state": (state[0], encode_state(state[1]))} if state else {})
        case Bytes(sheet):
            return {"section": "file", "sheet": asdict(sheet)}
        case _:
            assert_never(heading)


def _encode_item(item: Item) -> tuple[Any, ...]:
    match item:
        case Record(_, seq, at, text, digest, link):
            return seq, at, text, digest.hex(), link.hex()
        case Answer(origin, done):
            return origin, done.cid, done.room, done.seq
        case Made(account, at):
            return account.name, account.key, account.verifier, at
        case Piece(data):
            return (b64encode(data).decode(),)
        case _:
            assert_never(item)


def decode_header(value: Any) -> Header | int:
    """Return the first line; only its format, if that is of another release.

    Raises:
        ValueError: it is none.
    """
    match value:
        case {"chatnet": "backup", "format": 1, "version": str(version), "at": float() | int()}:
            return Header(version, value["at"])
        case {"chatnet": "backup", "format": int(other)} if other != FORMAT:
            return other
    raise ValueError("no header")


def decode_heading(value: Any) -> Heading:
    """Return what a section begins with.

    Raises:
        ValueError: it is nothing like that.
    """
    match value:
        case {"section": "answers"}:
            return Answers()
        case {"section": "accounts"}:
            return Accounts()
        case {"section": "file", "sheet": dict(sheet)}:
            return Bytes(sheet_of(sheet))
        case {"section": "log", "room": str(room), "anchor": [int(seq), str(link)]}:
            match value.get("state"):
                case None:
                    return Log(room, Anchor(seq, bytes.fromhex(link)))
                case [int(upto), str(text)]:
                    state = _decode_state(text)
                    return Log(room, Anchor(seq, bytes.fromhex(link)), (upto, state))
    raise ValueError("no heading")


def decode_item(heading: Heading, value: Any) -> Item:
    """Return what a line of a section that begins with ``heading`` says.

    Raises:
        ValueError: it is nothing like that.
    """
    match heading, value:
        case Log(room), [int(seq), (float() | int()) as at, str(text), str(digest), str(link)]:
            return Record(room, seq, at, text, bytes.fromhex(digest), bytes.fromhex(link))
        case Answers(), [str(origin), str(cid), str(room), int(seq)]:
            return Answer(origin, Done(cid, room, seq))
        case Bytes(), [str(encoded)]:
            return Piece(b64decode(encoded, validate=True))
        case Accounts(), [str(name), str(key), str(verifier), (float() | int()) as at]:
            if known_name(name).key != key:
                raise ValueError(f"{name} is not {key}")
            return Made(Account(name, key, verifier), at)
    raise ValueError("nothing that belongs here")


def decode_counts(value: Any) -> Counts:
    """Return what a trailer counts.

    Raises:
        ValueError: it is none.
    """
    names = ("logs", "entries", "answers", "accounts")
    if not isinstance(value, dict) or sorted(value.keys() - {"files"}) != sorted(names):
        raise ValueError("no counts")
    if not all(type(number) is int for number in value.values()):
        raise ValueError("no counts")
    return Counts(**value)


def _decode_state(text: str) -> RoomState:
    try:
        return decode_state(text)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("no state") from error
