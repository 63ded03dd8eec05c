"""The factory: lets connections in, and finds out who speaks how."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IAddress, IProtocol
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger

from chatnet.core.refusals import ServerFull
from chatnet.interfaces import IDialect
from chatnet.server.host import Host
from chatnet.server.registry import Registry
from chatnet.server.session import Session
from chatnet.wires.lines import LineWire
from chatnet.wires.oneport import OnePort


class ChatFactory(ServerFactory):
    """Builds a door for every connection, and a session behind it once it speaks."""

    noisy = False
    _log = Logger()

    def __init__(
        self,
        host: Host,
        text: Callable[[bool], IDialect],
        json: Callable[[], IDialect],
    ) -> None:
        """Use ``text``, told whether a password comes first, for people, ``json`` for programs."""
        self.registry: Registry[OnePort] = Registry(host.settings.max_clients)
        self.sessions: dict[str, Session] = {}
        self.host = host
        self._text = text
        self._json = json

    def buildProtocol(self, addr: IAddress | None) -> OnePort:
        """Return a door for a connection from ``addr``."""
        door = OnePort(self, self.host.clock, getattr(addr, "host", ""))
        door.factory = self
        return door

    # -- chatnet.wires.oneport.House -----------------------------------------------

    def admit(self, door: OnePort) -> bytes | None:
        """Count ``door`` in; or return what to tell it before it is closed."""
        try:
            self.registry.accept()
        except ServerFull as full:
            self._log.info("{address} is turned away: full", address=door.address)
            return f"{full}\r\n".encode()
        while not door.id or door.id in self.registry:
            door.id = self.host.entropy(4).hex()
        self.registry.add(door.id, door)
        self._log.info(
            "connection {id} from {address} ({count} now)",
            id=door.id,
            address=door.address,
            count=len(self.registry),
        )
        return None

    def depart(self, door: OnePort) -> None:
        """Count ``door`` out."""
        self.registry.remove(door.id)
        session = self.sessions.pop(door.id, None)
        self._log.info(
            "connection {id} is gone: {name} ({count} now)",
            id=door.id,
            name=session.actor.name if session else "nobody",
            count=len(self.registry),
        )

    def recognise(self, door: OnePort, first: bytes) -> IProtocol | None:
        """Return the protocol of a client whose first bytes are ``first``."""
        if first.startswith(b"{"):
            dialect = self._json()
        else:
            dialect = self._text(bool(self.host.settings.password))
        wire = LineWire(self.host.clock)
        session = Session(wire, dialect, self.host, door.id, door.address)
        wire.session = self.sessions[door.id] = session
        return wire

    def say_goodbye(self, text: str) -> None:
        """Tell every connection ``text``, and close it."""
        for door in self.registry:
            session = self.sessions.get(door.id)
            if session is not None:
                session.part(text)
            else:
                door.turn_away(f"{text}\r\n".encode())
