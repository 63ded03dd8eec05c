"""Large messages, which a store keeps in pieces: in a log of their own, behind its state.

The log's state says whose pieces they are: of the entry ``seen`` in the room ``name``. It is
written with that entry, so what has no state belongs to a message that never came about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chatnet.core.events import (
    Announced,
    Entry,
    Said,
    Whispered,
    body_of,
    erased,
    weight,
)
from chatnet.core.large import Parked
from chatnet.core.names import PIECES
from chatnet.interfaces import Batch, IStore

PAGE, PAGE_BYTES = 256, 1024 * 1024  # entries per read, or about their weight
FORGET = 1000  # entries that are let go of at once


def orphans(store: IStore) -> list[str]:
    """Return the keys of pieces that a server left behind which was killed meanwhile."""
    return [key for key in store.logs(PIECES) if not store.load(key)[0]]


def commit(store: IStore, batch: Batch) -> None:
    """Write ``batch``, and with a message that is deleted in it let its pieces go."""
    gone = [
        body.key
        for entry, deletion in batch.deletions
        for body in _parked(store, entry.room, deletion.message - 1, deletion.message)
    ]
    if gone:
        batch.discards = [*batch.discards, *gone]
    store.write(batch)


def forget(store: IStore, room: str, upto: int) -> int:
    """Let go of some entries of ``room`` up to ``upto``, and of their pieces; return its floor."""
    before = store.floor(room)
    parked = _parked(store, room, before, min(upto, before + FORGET))
    floor = store.forget(room, upto, FORGET)
    if gone := [body.key for body in parked if store.load(body.key)[1].seen <= floor]:
        store.write(Batch([], discards=gone))
    return floor


def _parked(store: IStore, room: str, after: int, upto: int) -> list[Parked]:
    """Return the bodies with ``after < seq <= upto`` in ``room`` that are kept in pieces."""
    found: list[Parked] = []
    while after < upto and (entries := store.read(room, after, upto, PAGE)):
        bodies = [body_of(entry.event) for entry in entries]
        found += [body for body in bodies if isinstance(body, Parked)]
        after = entries[-1].seq
    return found


def with_body(entry: Entry, body: str) -> Entry:
    """Return ``entry``, which has a body, with ``body`` in its place."""
    assert isinstance(entry.event, Said | Whispered | Announced), "has a body"
    return replace(entry, event=replace(entry.event, body=body))


def page(store: IStore, room: str, after: int, upto: int) -> Sequence[Entry]:
    """Return the first page of entries of ``room`` with ``after < seq <= upto``, all complete."""
    page: list[Entry] = []
    size = 0
    for entry in store.read(room, after, upto, PAGE):
        page.append(_complete(store, entry))
        size += weight(page[-1].event)
        if size >= PAGE_BYTES:
            break
    return page


def _complete(store: IStore, entry: Entry) -> Entry:
    """Return ``entry`` with all of its body."""
    body = body_of(entry.event)
    if not isinstance(body, Parked):
        return entry
    parts: list[str] = []
    while len(parts) < body.pieces:
        pieces = store.read(body.key, len(parts), body.pieces, PAGE)
        if not pieces:
            return _without(store, entry)
        parts += [body_of(piece.event) for piece in pieces]
    return with_body(entry, Parked("".join(parts), body.key, body.pieces, body.digest))


def _without(store: IStore, entry: Entry) -> Entry:
    """Return what became of ``entry``, whose pieces are gone: it has been deleted, or is old.

    Raises:
        OSError: neither; something is wrong with the store.
    """
    now = store.read(entry.room, entry.seq - 1, entry.seq, 1)
    if now == [entry]:
        raise OSError(f"the pieces of entry {entry.seq} of {entry.room} are not there")
    return now[0] if now else replace(entry, event=erased(entry.event))
