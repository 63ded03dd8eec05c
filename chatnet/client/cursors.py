"""How far a script has printed a room, kept in a file between its runs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from chatnet.client.settings import state_path
from chatnet.core.refusals import Refused
from chatnet.wires.certificates import keep


class BadCursor(Refused):
    """The file is none of ours, or of another room; the sentence says what to do."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Everything up to ``seq`` of the ``room``, a key, at ``server`` was printed."""

    server: str
    room: str
    seq: int


def kept_for(server: str, room: str) -> Path:
    """Return where the cursor of ``room`` at ``server`` is, if nobody gives another file."""
    return state_path("cursors") / f"{quote(server, safe='')}-{quote(room, safe='')}.json"


def load(path: Path, server: str, room: str) -> int | None:
    """Return up to which seq of ``room`` at ``server`` all was printed; None if nothing was.

    Raises:
        BadCursor: the file at ``path`` says something else.
    """
    try:
        found = Cursor(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadCursor(f"Cannot read {path}: {error.strerror}.") from error
    except (ValueError, TypeError) as error:
        raise BadCursor(f"{path} is no cursor. Give another file, or remove it.") from error
    if (found.server, found.room) != (server, room) or type(found.seq) is not int:
        raise BadCursor(f"{path} is the cursor of {found.room} at {found.server}, not of {room}.")
    return found.seq


def save(path: Path, cursor: Cursor) -> None:
    """Keep ``cursor`` in the file at ``path``, whole or not at all.

    Raises:
        BadCursor: it cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        keep(path, json.dumps(asdict(cursor)).encode() + b"\n")
    except OSError as error:
        raise BadCursor(f"Cannot write {path}: {error.strerror}.") from error
