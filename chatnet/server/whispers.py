"""What one whispered with one person: stretches of one's own log, less what is with others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred

from chatnet.core import events as e
from chatnet.core.names import fold

MOST = 5000  # entries that are looked through for one stretch
_PAGE = 500  # of them that are read at once, backwards

Read = Callable[[int, int], Deferred[Sequence[e.Entry]]]  # what is behind a seq, up to another
Stretch = tuple[
    int, int, set[int]
]  # behind which seq it begins, with which it ends, what is left out


async def last(read: Read, who: str, since: int, upto: int, count: int) -> Stretch:
    """Return the stretch up to ``upto`` with the last ``count`` whispers (-1: all) with ``who``.

    It begins behind ``since``, or where so many have been looked through that it is enough.
    """
    start, others, least = upto, set[int](), max(since, upto - MOST)
    while start > least and count:
        begin = max(least, start - _PAGE)
        entries, start = await _all(read, begin, start), begin
        for entry in reversed(entries):
            if not _is_with(entry, who):
                others.add(entry.seq)
                continue
            count -= 1
            if not count:
                start = entry.seq - 1
                break
    return start, upto, others


async def first(read: Read, who: str, start: int, last: int, count: int) -> Stretch:
    """Return the stretch from behind ``start`` on with the first ``count`` whispers with ``who``.

    It ends with ``last``, or where so many have been looked through that it is enough.
    """
    upto, others, most = start, set[int](), min(last, start + MOST)
    while upto < most and count:
        entries = await read(upto, most)
        if not entries:
            break
        for entry in entries:
            upto = entry.seq
            if not _is_with(entry, who):
                others.add(entry.seq)
                continue
            count -= 1
            if not count:
                break
    return start, upto, others


async def _all(read: Read, after: int, upto: int) -> list[e.Entry]:
    entries: list[e.Entry] = []
    while after < upto and (page := await read(after, upto)):
        entries += page
        after = page[-1].seq
    return entries


def _is_with(entry: e.Entry, who: str) -> bool:
    match entry.event:
        case e.Whispered(by, to) | e.SealedWhisper(by, to) | e.Shared(by, to=to):
            return fold(who) in (fold(by), fold(to))
        case _:
            return False
