"""What people read: entries and replies as lines, the same that the text dialect shows."""

from __future__ import annotations

from chatnet.client.places import Manner
from chatnet.core import events as e, replies as r
from chatnet.core.names import fold
from chatnet.core.plain import plain
from chatnet.dialects.styles import DATED, LIVE, PAST
from chatnet.dialects.text import TextDialect

_STYLES = {
    Manner.LIVE: LIVE,
    Manner.MISSED: LIVE,
    Manner.PAST: PAST,
    Manner.RECALLED: DATED,
}
_DIALECT = TextDialect()


def lines_of(entry: e.Entry, manner: Manner, mine: bool, me: str) -> list[str]:
    """Return what to show of ``entry`` to who is called ``me``: nothing, if it said that here."""
    if mine:
        return []
    if manner in (Manner.LIVE, Manner.MISSED) and _is_known(entry.event, manner, fold(me)):
        return []
    return _split(_STYLES[manner].render(entry))


def lines_of_event(entry: e.Entry) -> list[str]:
    """Return what to show of ``entry``, whoever reads it."""
    return _split(LIVE.render(entry))


def lines_of_reply(reply: r.Reply) -> list[str]:
    """Return what to show of ``reply``."""
    return _split(_DIALECT.reply(reply, None))


def _is_known(event: e.Event, manner: Manner, me: str) -> bool:
    """Return whether one knows it already: one's own coming and going, and that of the others
    while the link was down, which mostly was the same mishap."""
    match event:
        case e.Joined(who) | e.Left(who):
            return manner is Manner.MISSED or fold(who) == me
        case e.Renamed(old, new):
            return me in (fold(old), fold(new))
        case _:
            return False


def _split(shown: bytes) -> list[str]:
    # Rendering made the words of others plain already; this also holds for a server's own words.
    return [plain(line) for line in shown.decode().split("\r\n")[:-1]]
