"""A TCP connection that sends at once what it can, for what speaks TLS through it."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import ITransport
from twisted.internet.tcp import Connection
from zope.interface import directlyProvides, implementer, providedBy


@implementer(ITransport)
class Straight:
    """``plain``, whose ``write`` asks the system first, and the reactor for the rest.

    Twisted's own asks the reactor twice, and sends when it comes by: see docs/performance.md.
    """

    def __init__(self, plain: Connection) -> None:
        self.plain = plain
        directlyProvides(self, providedBy(plain))

    def write(self, data: bytes) -> None:
        """Send ``data``."""
        plain = self.plain
        if plain.dataBuffer or plain._tempDataBuffer or plain.disconnecting or not plain.connected:
            plain.write(data)
            return
        try:
            sent = plain.socket.send(data)
        except OSError:  # full, or broken: the reactor finds out which
            sent = 0
        if sent < len(data):
            plain.write(data[sent:])

    def __getattr__(self, name: str) -> Any:
        return getattr(self.plain, name)
