"""What is kept of an entry, as rows of the tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from chatnet.core.chain import Record
from chatnet.core.events import MESSAGES, Entry
from chatnet.stores.words import indexed

_MOST_CHARACTERS = 256 * 1024  # that one statement writes, unless it is a single row


def entry_rows(
    records: Iterable[Record], octets: type[bytes] | type[bytearray] = bytes
) -> list[tuple[Any, ...]]:
    """Return the rows of ``entries`` for ``records``, with their bytes as ``octets`` has them."""
    return [
        (r.room, r.seq, r.at, octets(r.digest), octets(r.link), len(text := r.text), text)
        for r in records
    ]


def message_rows(kept: Iterable[Entry]) -> list[tuple[Any, ...]]:
    """Return the rows of ``messages`` for ``kept``."""
    return [
        (entry.room, entry.seq, entry.at, indexed(entry.room, entry.event))
        for entry in kept
        if isinstance(entry.event, MESSAGES)
    ]


def portions(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Yield ``records`` in portions that one statement can write."""
    portion: list[Record] = []
    size = 0
    for record in records:
        size += len(record.text)
        if portion and size > _MOST_CHARACTERS:
            yield portion
            portion, size = [], len(record.text)
        portion.append(record)
    if portion:
        yield portion
