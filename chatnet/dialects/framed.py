"""Any dialect in WebSocket messages: the same words, framed once for all who read alike."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from zope.interface import implementer

from chatnet.core.commands import Request
from chatnet.core.events import Entry
from chatnet.core.large import Work
from chatnet.core.replies import Reply
from chatnet.dialects.styles import OneByOne
from chatnet.interfaces import IDialect, IStyle

_TEXT, _FINAL = 1, 0x80  # a message of text; the last frame of a message


def frame(payload: bytes, kind: int = _TEXT | _FINAL) -> bytes:
    """Return ``payload`` as a frame of a server (RFC 6455 section 5.2); a whole text message."""
    size = len(payload)
    if size < 126:
        head = bytes((kind, size))
    elif size < 1 << 16:
        head = bytes((kind, 126)) + size.to_bytes(2)
    else:
        head = bytes((kind, 127)) + size.to_bytes(8)
    return head + payload


@implementer(IStyle)
class FramedStyle(OneByOne):
    """Each entry is one message."""

    def __init__(self, style: IStyle) -> None:
        self._style = style

    def render(self, entry: Entry) -> bytes:
        return _message(self._style.render(entry))

    def part(self, entry: Entry, place: int) -> tuple[bytes, int]:
        units, end = self._style.part(entry, place)
        if not (units or place):
            return units, end
        first = 0 if place else _TEXT
        if end < 0:
            return frame(units.rstrip(b"\r\n"), first | _FINAL), end
        return frame(units, first), end


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

    def speech(self, units: Sequence[bytes]) -> Sequence[str]:
        return self._dialect.speech(units)

    def read(self, unit: bytes, in_room: bool) -> Work[Request | Reply | None]:
        return self._dialect.read(unit, in_room)

    def reply(self, reply: Reply, cid: str | None) -> bytes:
        return _message(self._dialect.reply(reply, cid))


def _message(units: bytes) -> bytes:
    return frame(units.rstrip(b"\r\n")) if units else b""
