"""Telnet's in-band negotiation, which people's clients may send and nobody should read."""

from __future__ import annotations

_IAC, _SE, _SB = 0xFF, 0xF0, 0xFA  # RFC 854
_WILL, _DONT = 0xFB, 0xFE  # WILL, WON'T, DO, DON'T: each with one option


class Negotiation:
    """Takes telnet's commands out of what came, one line at a time."""

    def __init__(self) -> None:
        self.pending = False  # a subnegotiation goes on in the next line

    def strip(self, line: bytes) -> bytes:
        """Return ``line`` without telnet commands (RFC 854); 255 twice stays as one."""
        out, at, end = bytearray(), 0, len(line)
        while at < end:
            if self.pending:
                stop = line.find(bytes((_IAC, _SE)), at)
                if stop < 0:
                    return bytes(out)
                self.pending, at = False, stop + 2
                continue
            start = line.find(_IAC, at)
            if start < 0:
                out += line[at:]
                break
            out += line[at:start]
            code = line[start + 1] if start + 1 < end else 0
            if code == _IAC:
                out.append(_IAC)
            if code == _SB:
                self.pending = True
            at = start + (3 if _WILL <= code <= _DONT else 2)
        return bytes(out).replace(b"\r\0", b"")
