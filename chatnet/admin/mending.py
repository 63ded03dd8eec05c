"""What stands in the place of entries that are lost, so that those behind them can be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from chatnet.admin.archive import Log
from chatnet.admin.telling import Unable
from chatnet.core.chain import Record, bind
from chatnet.core.codec import encode_event
from chatnet.core.events import LOST
from chatnet.core.series import Series

_MOST = 100_000  # entries that are lost in one place


def mended(log: Log, records: Iterable[Record]) -> Iterator[Record]:
    """Yield ``records`` of ``log`` with ``LOST`` in the place of all that is not there.

    That it was lost stays to be seen: the next one's link is not that of an entry behind it.

    Raises:
        Unable: too many are lost.
    """
    links = {log.room: log.anchor.link}
    seq = log.anchor.seq
    for record in records:
        if record.seq - seq > _MOST:
            raise Unable(f"{log.label}: all between entry {seq} and {record.seq} is lost")
        gap = range(seq + 1, record.seq)
        lost = Series(log.room, seq + 1, [record.at] * len(gap), [LOST] * len(gap))
        yield from bind([lost], links)
        if record.seq > seq:
            yield _readable(record)
            seq, links[log.room] = record.seq, record.link


def _readable(record: Record) -> Record:
    try:
        _ = record.entry
    except (ValueError, KeyError, TypeError):
        return replace(record, text=encode_event(LOST))
    return record
