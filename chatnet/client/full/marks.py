"""How far each room was read, from one life of the client to the next."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from chatnet.wires.certificates import keep


class Marks:
    """The highest seq that was looked at, for each room of one server, in a file of all servers."""

    def __init__(self, path: Path, server: str) -> None:
        self._path = path
        self._server = server

    def load(self) -> dict[str, int]:
        """Return them by the room's key; nothing if the file is not there, or makes no sense."""
        found = self._all().get(self._server)
        if not isinstance(found, dict):
            return {}
        return {key: seq for key, seq in found.items() if type(seq) is int}

    def save(self, read: dict[str, int]) -> None:
        """Remember what was ``read``. A file that cannot be written costs only the marks."""
        if not read:
            return
        everything = self._all()
        everything[self._server] = {**self.load(), **read}
        with suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            keep(self._path, json.dumps(everything).encode())

    def _all(self) -> dict[str, object]:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}
