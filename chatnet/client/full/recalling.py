"""What was typed before, and what Tab offers: for the line that is typed now. Pure."""

from __future__ import annotations

from chatnet.client.offers import is_secret

MOST = 500  # lines


class Typed:
    """The lines that were typed, without those that hold a password; Up and Down go through."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._at = 0
        self._draft = ""

    def add(self, line: str) -> None:
        """Remember ``line``, and be behind it."""
        if line.strip() and not is_secret(line) and line not in self._lines[-1:]:
            self._lines.append(line)
            del self._lines[:-MOST]
        self._at, self._draft = len(self._lines), ""

    def up(self, now: str) -> str | None:
        """Return the line before, where ``now`` is typed; None if there is none."""
        if not self._at:
            return None
        self._keep(now)
        self._at -= 1
        return self._lines[self._at]

    def down(self, now: str) -> str | None:
        """Return the line after, in the end what was typed first."""
        if self._at >= len(self._lines):
            return None
        self._keep(now)
        self._at += 1
        return self._lines[self._at] if self._at < len(self._lines) else self._draft

    def _keep(self, now: str) -> None:
        if self._at >= len(self._lines):
            self._draft = now


class Cycle:
    """Goes through what one word may be completed to: Tab again takes the next."""

    def __init__(self, before: str, found: list[str]) -> None:
        """Complete the last word of ``before`` to one of what was ``found``."""
        word = before.rpartition(" ")[2].rpartition("\n")[2]
        self.found = found
        self._head = before[: len(before) - len(word)]
        self._at = -1

    def next(self, by: int = 1) -> str:
        """Return the whole line with the next of them."""
        self._at = (self._at + by) % len(self.found)
        return self._head + self.found[self._at]
