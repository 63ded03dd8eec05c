"""Something between pages and a server that changes what the server says."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

from tests.harness import reactor
from tests.sockets import frame

Frame = dict[str, Any]
Lie = Callable[[Frame], list[Frame] | None]  # None: what the server says is passed on


class Liar(Factory):
    """Passes on what comes for a server's port; what the server says, as ``lie`` has it."""

    noisy = False

    def __init__(self, port: int) -> None:
        self.port = port
        self.here = 0  # the port it listens on
        self.lie: Lie = lambda frame: None
        self.asked: list[Frame] = []  # what pages said

    def buildProtocol(self, addr: object) -> Protocol:
        return _Near(self)

    def said(self, word: str) -> bool:
        """Return whether a page said ``word`` so that the server can read it."""
        return any(word in json.dumps(one) for one in self.asked)


class _Near(Protocol):
    """A browser's connection."""

    def __init__(self, liar: Liar) -> None:
        self._liar = liar
        self._head: bytes | None = b""
        self._hears = Connection(ConnectionType.SERVER)

    def connectionMade(self) -> None:
        self.far = _Far(self._liar, self)
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self._liar.port)
        self._connected = connectProtocol(endpoint, self.far)

    def dataReceived(self, data: bytes) -> None:
        if self.far.talks:
            self._hears.receive_data(data)
            self._liar.asked += _texts(self._hears)
        elif b"sec-websocket-key" in data.lower():
            data = b"".join(
                line
                for line in data.splitlines(keepends=True)
                if not line.lower().startswith(b"sec-websocket-extensions")
            )
        self._connected.addCallback(lambda far: far.transport.write(data) or far)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._connected.addCallback(lambda far: far.transport.abortConnection())


class _Far(Protocol):
    """The connection to the server for it."""

    def __init__(self, liar: Liar, near: Protocol) -> None:
        self.talks = False  # it is a WebSocket
        self._liar = liar
        self._near: Any = near.transport
        self._hears = Connection(ConnectionType.CLIENT)

    def dataReceived(self, data: bytes) -> None:
        if not self.talks and data.startswith(b"HTTP/1.1 101"):
            self.talks = True
            head, end, data = data.partition(b"\r\n\r\n")
            self._near.write(head + end)
        if not self.talks:
            self._near.write(data)
            return
        self._hears.receive_data(data)
        for said in _texts(self._hears):
            told = self._liar.lie(said)
            for one in [said] if told is None else told:
                self._near.write(frame(json.dumps(one).encode(), mask=False))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._near.loseConnection()


def _texts(hears: Connection) -> list[Frame]:
    """Return the messages that are whole."""
    messages, parts = [], ""
    for event in hears.events():
        if isinstance(event, TextMessage):
            parts += event.data
            if event.message_finished:
                messages.append(json.loads(parts))
                parts = ""
    return messages
