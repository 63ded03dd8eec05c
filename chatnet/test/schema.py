"""docs/protocol.schema.json, against which every frame is checked that a test's client hears.

That takes jsonschema and a checkout; without them nothing is checked, and test_protocol.py says so.
Here are also the examples of docs/protocol.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

try:
    from jsonschema import Draft202012Validator
except ImportError:  # then it is not used
    WITH_JSONSCHEMA = False
else:
    WITH_JSONSCHEMA = True

FOLDER = Path(__file__).parents[2] / "docs"
_FILE = FOLDER / "protocol.schema.json"
_LINE = re.compile(r"(?:(\w[\w ]*) )??(->|<-|--) (.*)")
_COMMENT = re.compile(r"<!-- (.*) -->")
KEYS = ("event", "reply", "signal", "do")  # fields that tell what a frame is, in its name


@cache
def missing() -> str:
    """Return what is not here of what it takes; empty if nothing."""
    if not _FILE.exists():
        return "chatnet is installed without its docs"
    return "" if WITH_JSONSCHEMA else "jsonschema is not installed"


@cache
def schema() -> dict[str, Any]:
    """Return what is in the file."""
    read: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return read


def heard(frame: Any) -> Any:
    """Return ``frame``, after seeing that a server may send it."""
    wrong = fault("server", frame)
    assert not wrong, wrong
    return frame


def fault(side: str, frame: Any) -> str:
    """Return what is wrong with ``frame``, which ``side`` sent; empty if nothing is known."""
    if missing():
        return ""
    name = name_of(frame)
    if name not in names(side):
        return f"a {side} sends nothing like {frame!r:.1000}"
    error = next(_validator(name).iter_errors(frame), None)
    if error is None:
        return ""
    return f"{name}: {error.message:.1000} at {error.json_path} of {frame!r:.1000}"


@cache
def names(side: str) -> tuple[str, ...]:
    """Return the names of all frames that ``side`` sends: ``client`` or ``server``."""
    return tuple(one["$ref"].rpartition("/")[2] for one in schema()["$defs"][side]["oneOf"])


@cache
def definition(name: str) -> Any:
    """Return what the file says of ``name``, with what it refers to put in its place."""
    return _whole(schema()["$defs"][name])


def name_of(frame: Any) -> str:
    """Return under which name ``frame`` is described: to try them all would take long."""
    if not isinstance(frame, Mapping):
        return ""
    for kind in KEYS:
        if kind in frame:
            return f"{kind}-{frame[kind]}"
    return next((kind for kind in ("ok", "error") if kind in frame), "")


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(definition(name))


def _whole(part: Any) -> Any:
    if isinstance(part, list):
        return [_whole(one) for one in part]
    if not isinstance(part, dict):
        return part
    rest = {key: _whole(value) for key, value in part.items() if key != "$ref"}
    if "$ref" in part:
        return {**definition(part["$ref"].rpartition("/")[2]), **rest}
    return rest


@dataclass(frozen=True, slots=True)
class Block:
    """What stands between fences in docs/protocol.md, and the comment before it."""

    language: str
    note: str
    lines: tuple[tuple[int, str], ...]  # with their numbers in the file


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a conversation: ``who`` asks (``->``), hears (``<-``) or drops (``--``)."""

    number: int
    who: str
    does: str
    what: str


def blocks() -> list[Block]:
    """Return the blocks of docs/protocol.md."""
    text = (FOLDER / "protocol.md").read_text(encoding="utf-8")
    found: list[Block] = []
    inside, language, note, before = False, "", "", ""
    lines: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith("```"):
            lines.append((number, line))
        elif inside:
            found.append(Block(language, note, tuple(lines)))
            inside = False
        else:
            comment = _COMMENT.fullmatch(before)
            note = comment[1] if comment else ""
            inside, language, lines = True, line[3:], []
        before = line
    return found


def conversations() -> list[tuple[str, list[Line]]]:
    """Return the conversations in docs/protocol.md, and with which options of the server."""
    found = []
    for block in blocks():
        said = [
            Line(number, match[1] or "", match[2], match[3])
            for number, line in block.lines
            if (match := _LINE.fullmatch(line))
        ]
        if said:
            found.append((block.note.removeprefix("server: "), said))
    return found
