"""Twisted's own TCP connection, on a socket that holds as much as a test says."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.address import IPv4Address
from twisted.internet.tcp import Connection


class Socket:
    """Holds ``space`` bytes that its peer has not read."""

    def __init__(self, space: int) -> None:
        self.space = space
        self.held = bytearray()
        self.stuck = False  # it takes nothing for now

    def send(self, data: bytes) -> int:
        taken = 0 if self.stuck else max(0, self.space - len(self.held))
        if not taken and data:
            raise BlockingIOError("full")
        self.held += data[:taken]
        return min(taken, len(data))

    def getsockopt(self, *_: Any) -> bytes:
        raise OSError("this socket has no options")

    def setsockopt(self, *_: Any) -> None:
        """Have no options."""

    def setblocking(self, _: bool) -> None:
        """Never block."""

    def fileno(self) -> int:
        return -1


class Plug(Connection):
    """A connection that is its own reactor: what it waits for happens when it is told to."""

    bufferSize = 500  # noqa: N815 -- Twisted's name: that wait before the session has to

    def __init__(self, protocol: Any, space: int) -> None:
        self.reading = self.writing = False
        self.kept = Socket(space)
        socket, reactor = cast(Any, self.kept), cast(Any, self)
        super().__init__(socket, protocol, reactor)
        self.connected = True
        self._end = bytearray()  # of what the peer has read: a line that is not whole

    def addReader(self, _: Any) -> None:  # noqa: N802
        self.reading = True

    def removeReader(self, _: Any) -> None:  # noqa: N802
        self.reading = False

    def addWriter(self, _: Any) -> None:  # noqa: N802
        self.writing = True

    def removeWriter(self, _: Any) -> None:  # noqa: N802
        self.writing = False

    def abortConnection(self) -> None:  # noqa: N802
        self.loseConnection()
        self._tempDataBuffer, self.dataBuffer, self.writing = [], b"", False

    def getHost(self) -> IPv4Address:
        return IPv4Address("TCP", "192.0.2.9", 5000)

    def value(self) -> bytes:
        """Return what the peer has not read."""
        return bytes(self.kept.held)

    def taken(self) -> bytes:
        """Return the whole lines that the peer has read now; there is space again."""
        self._end += self.kept.held
        self.kept.held.clear()
        lines, newline, rest = bytes(self._end).rpartition(b"\n")
        self._end = bytearray(rest)
        return lines + newline

    def fill(self) -> None:
        """Have no more space until the peer reads."""
        self.kept.stuck = True

    def wake(self) -> None:
        """Send what waits, as far as there is space."""
        self.kept.stuck = False
        if self.writing:
            self.doWrite()

    @property
    def waits(self) -> bool:
        """Whether something does."""
        return bool(self._tempDataBuffer or self.dataBuffer)

    @property
    def over(self) -> bool:
        """Whether it is to be closed, and all was sent."""
        return bool(self.disconnecting) and not self.waits

    @property
    def producerState(self) -> str:  # noqa: N802 -- as of a StringTransport
        return "producing" if self.reading else "paused"
