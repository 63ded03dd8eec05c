"""A file that what comes is written to, on demand: a line each, with its time and room."""

from __future__ import annotations

import os
from pathlib import Path

from chatnet.client.full.items import Item, Kind, moment_of
from chatnet.core.plain import plain_lines


class Logbook:
    """Writes to one file at a time, or to none."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self._file: int | None = None

    def open(self, path: Path) -> None:
        """Write to the end of the file at ``path`` from now on; for its owner alone, if it is new.

        Raises:
            OSError: that is not possible.
        """
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.close()
        self.path, self._file = path, file

    def close(self) -> None:
        """Write nothing more."""
        if self._file is not None:
            os.close(self._file)
        self.path = self._file = None

    def note(self, where: str, item: Item) -> None:
        """Write ``item``, which stands in the window called ``where``.

        Raises:
            OSError: there is no room, or the like.
        """
        if self._file is None:
            return
        moment = moment_of(item.at)
        time = f"{moment:%Y-%m-%d %H:%M:%S%z}" if moment is not None else "at no time"
        lead = {Kind.DONE: f"* {item.who} ", Kind.SAID: f"{item.who}: "}.get(item.kind, "*** ")
        lines = plain_lines(item.body) if item.body else item.lines
        text = "".join(f"{time} [{where}] {lead}{line}\n" for line in lines)
        left = memoryview(text.encode(errors="replace"))
        while left:
            left = left[os.write(self._file, left) :]
