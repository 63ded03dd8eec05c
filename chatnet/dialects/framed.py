"""Any dialect in WebSocket messages: the same words, framed once for all who read alike."""

from __future__ import annotations

from functools import cache

from zope.interface import implementer

from chatnet.core.commands import Request
from chatnet.core.events import Entry
from chatnet.core.replies import Reply
from chatnet.interfaces import IDialect, IStyle

_TEXT = 0x81  # a text message in one frame


def frame(payload: bytes) -> bytes:
    """Return the text message ``payload`` as one frame of a server (RFC 6455 section 5.2)."""
    size = len(payload)
    if size < 126:
        head = bytes((_TEXT, size))
    elif size < 1 << 16:
        head = bytes((_TEXT, 126)) + size.to_bytes(2)
    else:
        head = bytes((_TEXT, 127)) + size.to_bytes(8)
    return head + payload


@implementer(IStyle)
class FramedStyle:
    """Each entry is one message."""

    def __init__(self, style: IStyle) -> None:
        self._style = style

    def render(self, entry: Entry) -> bytes:
        return _message(self._style.render(entry))


framed = cache(FramedStyle)  # one object for all sessions that read alike


@implementer(IDialect)
class Framed:
    """Speaks as ``dialect`` does, a message for each of its units."""

    def __init__(self, dialect: IDialect) -> None:
        self._dialect = dialect
        self.style = framed(dialect.style)
        self.past = framed(dialect.past)
        self.recall = framed(dialect.recall)
        self.echo: bool = dialect.echo
        self.alone: bool = dialect.alone
        self.escapes: int = dialect.escapes

    def receive(self, unit: bytes, in_room: bool) -> Request | Reply | None:
        return self._dialect.receive(unit, in_room)

    def reply(self, reply: Reply, cid: str | None) -> bytes:
        return _message(self._dialect.reply(reply, cid))


def _message(units: bytes) -> bytes:
    return frame(units.rstrip(b"\r\n")) if units else b""
