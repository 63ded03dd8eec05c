"""What is large is worked through in slices, between which others have their turn."""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from collections.abc import Generator
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import TypeVar

from chatnet.core.plain import is_text

T = TypeVar("T")

LARGE = 256 * 1024  # bytes or characters, from which on something is large
SLICE = 128 * 1024  # that are worked through at once: a millisecond or so

Work = Generator[None, None, T]  # yields after each slice, and returns what it made

_WHOLE = re.compile(r'(?:[^"\\]++|\\[^u]|\\u[0-9A-Fa-f]{4})*+', re.DOTALL)
_DECODER = getincrementaldecoder("utf-8")


class Parked(str):
    """Text that a store keeps in so many ``pieces``, the entries of the log ``key``.

    ``digest`` is its SHA-256, in hexadecimal digits. Empty where it stands for them, as in the
    store itself.
    """

    __slots__ = ("digest", "key", "pieces")

    def __new__(cls, text: str, key: str, pieces: int, digest: str) -> Parked:
        """Return ``text``, which is kept so."""
        parked = super().__new__(cls, text)
        parked.key, parked.pieces, parked.digest = key, pieces, digest
        return parked

    key: str
    pieces: int
    digest: str

    def emptied(self) -> Parked:
        """Return what stands for it in a store."""
        return Parked("", self.key, self.pieces, self.digest)


def finish(work: Work[T]) -> T:
    """Return what ``work`` makes, done at once."""
    while True:
        try:
            next(work)
        except StopIteration as done:
            result: T = done.value
            return result


def decoding(data: bytes) -> Work[str]:
    """Make text of ``data``, which is UTF-8.

    Raises:
        UnicodeDecodeError: it is not.
    """
    decoder, parts = _DECODER(), []
    for start in range(0, len(data), SLICE):
        parts.append(decoder.decode(data[start : start + SLICE]))
        yield
    parts.append(decoder.decode(b"", True))
    return "".join(parts)


def scanning(text: str, at: int) -> Work[tuple[str, int]]:
    """Read the JSON string whose first character is at ``at``; return it and where it has ended.

    Raises:
        ValueError: it is no string, has no end, or has half a surrogate pair in its large part.
    """
    parts: list[str] = []
    while len(text) - at > SLICE:
        stop = _cut(text, at)
        part, end = scanstring(text[at:stop] + '"', 0, True)
        if end <= stop - at:
            return "".join([*parts, part]), at + end
        if "\ud800" <= part[-1] <= "\udbff" and len(part) > 1:
            part, stop = part[:-1], stop - 6  # the other half of it is still to come
        if not is_text(part):
            raise ValueError("half a surrogate pair")
        parts.append(part)
        at = stop
        yield
    part, end = scanstring(text, at, True)
    return "".join([*parts, part]), end


def _cut(text: str, at: int) -> int:
    """Return where a slice of the JSON string may end that begins at ``at``: in no escape."""
    for stop in range(at + SLICE, at + SLICE - 100, -1):
        if "\\" not in text[stop - 6 : stop]:
            return stop
    whole = _WHOLE.match(text, at, at + SLICE)
    return max(whole.end() if whole else at, at + 1)
