"""Telnet's in-band commands, which people's clients may send and nobody should read.

Whatever else has a byte 255 in it, which is never in UTF-8, is left as it is, to be refused whole.
"""

from __future__ import annotations

import re

_LONGEST = 65536  # bytes of a line in which commands are looked for
_DATA = rb"(?:[^\xff]|\xff\xff)"  # a byte of a subnegotiation
# RFC 854: a command; one with an option, which has a number that IANA gave or that is no letter;
# a subnegotiation with all it is about.
_COMMANDS = re.compile(
    rb"\xff(?:[\xf0-\xf9]|[\xfb-\xfe][\x00-\x31\x80-\xfe]|\xfa%b*\xff\xf0)" % _DATA, re.DOTALL
)
# RFC 1073: the size of a window, four bytes, of which one may look like the end of the line.
_CUT = re.compile(rb"\xff\xfa\x1f%b{0,3}\Z" % _DATA, re.DOTALL)
_REST = re.compile(rb"%b{0,3}\xff\xf0" % _DATA, re.DOTALL)


class Negotiation:
    """Takes telnet's commands out of what came, one line at a time."""

    def __init__(self) -> None:
        self.pending = False  # the size of a window goes on in the next line

    def strip(self, line: bytes) -> bytes:
        """Return ``line`` without telnet commands, and with CR for CR NUL (RFC 854)."""
        rest = _REST.match(line) if self.pending else None
        self.pending = False
        if rest is not None:
            line = line[rest.end() :]
        if len(line) > _LONGEST:
            return line
        if b"\xff" in line:
            line = _COMMANDS.sub(b"", line)
            cut = _CUT.search(line)
            if cut is not None:
                self.pending, line = True, line[: cut.start()]
        return line.replace(b"\r\0", b"\r").removesuffix(b"\r")
