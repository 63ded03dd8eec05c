"""Telnet's in-band commands, which people's clients may send and nobody should read.

Whatever else has a byte 255 in it, which is never in UTF-8, is left as it is, to be refused whole.
"""

from __future__ import annotations

import re

_LONGEST = 65536  # bytes of a line in which commands are looked for
_SIZE = 4  # bytes that the size of a window has
_DATA = rb"(?:[^\xff]|\xff\xff)"  # a byte of a subnegotiation
# RFC 854: a byte 255 that is meant; or a command; one with an option, which has a number that IANA
# gave or that is no letter; a subnegotiation with all it is about.
_COMMANDS = re.compile(
    rb"\xff(?:(\xff)|[\xf0-\xf9]|[\xfb-\xfe][\x00-\x31\x80-\xfe]|\xfa%b*+\xff\xf0)" % _DATA,
    re.DOTALL,
)
# RFC 1073: the size of a window, of whose bytes some may look like the end of the line.
_BEGUN = re.compile(rb"\xff\xfa\x1f(%b{0,3})\Z" % _DATA, re.DOTALL)
_GOES_ON = re.compile(rb"(%b{0,3})(\xff\xf0|\Z)" % _DATA, re.DOTALL)


class Negotiation:
    """Takes telnet's commands out of what came, one line at a time."""

    def __init__(self) -> None:
        self._left = 0  # bytes that the size of a window lacks
        self.pending = False  # and it goes on in the next line

    def strip(self, line: bytes) -> bytes:
        """Return ``line`` without telnet commands, and with CR for CR NUL (RFC 854)."""
        if self.pending:
            line = self._go_on(line)
        if b"\xff" in line and len(line) <= _LONGEST:
            line = _COMMANDS.sub(lambda found: found[0] if found[1] else b"", line)
            begun = _BEGUN.search(line)
            if begun is not None:
                self._wait(_SIZE, begun[1])
                line = line[: begun.start()]
        return line.replace(b"\r\0", b"\r").removesuffix(b"\r")

    def _go_on(self, line: bytes) -> bytes:
        """Return what comes in ``line`` behind the size of a window, if that does go on in it."""
        self.pending = False
        found = _GOES_ON.match(line)
        if found is None:
            return line
        data, ended = found.groups()
        if ended:
            return line[found.end() :]
        if _count(data) >= self._left:  # and yet that is all
            return line
        self._wait(self._left, data)
        return b""

    def _wait(self, lacks: int, data: bytes) -> None:
        """Of ``lacks`` bytes there were ``data``, and one that ended the line."""
        self._left = lacks - _count(data) - 1
        self.pending = True


def _count(data: bytes) -> int:
    return len(data.replace(b"\xff\xff", b"\xff"))
