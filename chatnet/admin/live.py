"""Logs of a store that a server may be writing to meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TypeVar

from chatnet.admin.archive import Log
from chatnet.admin.telling import Tell, Unable
from chatnet.core.chain import Record
from chatnet.core.names import PIECES
from chatnet.interfaces import IStore

PAGE = 512  # records per read
TRIES = 20  # to read a log whose beginning is let go meanwhile
_END_OF_TIME = sys.float_info.max
_MISREAD = (ValueError, KeyError, TypeError, AttributeError)  # by a state that is none

T = TypeVar("T")


class Moved(Exception):
    """Entries were let go while they were to be read."""


def head_of(store: IStore, room: str) -> int:
    """Return the seq of the last entry of ``room``."""
    return store.seq_at(room, _END_OF_TIME)


def logs_of(store: IStore, fault: Tell) -> Iterator[str]:
    """Yield the keys of all logs: of large messages' pieces last, so that none is missing."""
    yield from (room for room in rooms_of(store, fault) if not room.startswith(PIECES))
    yield from store.logs(PIECES)


def rooms_of(store: IStore, fault: Tell) -> list[str]:
    """Return the keys of all logs and kept states, in the order in which rooms were made."""
    stated: list[str] = []
    try:
        stated += (room for room, _, _ in store.states())
    except _MISREAD:
        fault("the state of some room cannot be read")
    return list(dict.fromkeys([*stated, *store.logs()]))


def log_of(store: IStore, room: str, fault: Tell) -> Log:
    """Return where the log of ``room`` begins, and its state, which covers that."""
    anchor = store.anchor(room)
    try:
        seq, state = store.load(room)
    except _MISREAD:
        fault(f"{room}: its state cannot be read")
        return Log(room, anchor)
    return Log(room, anchor, (seq, state) if seq else None)


def records_of(store: IStore, log: Log) -> Iterator[Record]:
    """Yield what there is of ``log``, up to its last entry at some moment after the call.

    Raises:
        Moved: some of it was let go before it was read.
    """
    room, after = log.room, log.anchor.seq
    while page := store.records(room, after, PAGE):
        for record in page:
            if record.seq > after + 1 and store.anchor(room).seq > after:
                raise Moved
            after = record.seq
            yield record
    covered = log.state[0] if log.state else 0
    if store.anchor(room).seq > after or (after < covered and store.load(room)[0] < covered):
        raise Moved


def steadily(room: str, read: Callable[[], T]) -> T:
    """Return what ``read`` returns once nothing is let go while it reads ``room``.

    Raises:
        Unable: that did not come to be.
    """
    for _ in range(TRIES):
        try:
            return read()
        except Moved:
            continue
    raise Unable(f"entries of {room} are let go faster than they can be read; try again later")
