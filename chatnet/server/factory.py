"""The factory: lets connections in, and gives them what they speak with."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, assert_never

from twisted.internet.interfaces import IAddress, IProtocol
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory

from chatnet.core import staff
from chatnet.core.commands import Command
from chatnet.core.events import Acted, Entry
from chatnet.core.names import fold
from chatnet.core.plain import plain
from chatnet.core.refusals import Banned, NotAllowed, Plaintext, Refused, TooManyConnections
from chatnet.core.roles import Rank
from chatnet.core.room import Actor
from chatnet.interfaces import IDialect, Runs
from chatnet.server.host import Host
from chatnet.server.registry import Registry
from chatnet.server.session import Session, Wire
from chatnet.wires.certificates import Certificates
from chatnet.wires.lines import LineWire
from chatnet.wires.oneport import OnePort, Speech

PAGE_PATIENCE = 10.0  # times as long as others, that who opened the page may take to begin
ACCEPTED = 10  # connections in one turn of the reactor: others want to be heard
SPARE = 64  # connections more than there is room for, that are told so as they speak
_STATUS: dict[type[Refused], str] = {
    Banned: "403 Forbidden",
    TooManyConnections: "429 Too Many Requests",
}
_NO_TLS = bytes.fromhex("15 0301 0002 02 46")  # fatal alert protocol_version, RFC 8446 section 6
_TLS_ONLY = (
    "This server speaks TLS only, on this same port. Connect with python -m chatnet.client --tls,"
    " with openssl s_client -quiet -connect HOST:PORT, or with https:// in a browser."
)
_NO_PROXY = (
    "You say for whom you are, in the PROXY protocol. That is for proxies which this server's"
    " operator named with --proxy, once, before anything else."
)
_UNNAMED = (
    "Your address is that of a proxy, which has to say for whom it is: by a header of the PROXY"
    " protocol, or in HTTP by X-Forwarded-For."
)
_TOO_LATE = (
    "You were silent, so you were taken for a person who waits to be greeted. HTTP and TLS speak"
    " first: please connect again."
)


class ChatFactory(ServerFactory):
    """Builds a door for every connection, and a session behind it once it speaks."""

    noisy = False
    _log = Logger()

    def __init__(
        self,
        host: Host,
        text: Callable[[bool], IDialect],
        json: Callable[[], IDialect],
        tls: TLSMemoryBIOFactory | None = None,
    ) -> None:
        """Use ``text``, told whether a password comes first, for people, ``json`` for programs."""
        self.registry: Registry[OnePort] = Registry(host.settings.max_clients)
        self.sessions: dict[str, Session] = {}
        self.host = host
        self.web: Callable[[OnePort], IProtocol] | None = None  # who answers HTTP
        self.stopping = False
        self.ports: list[Any] = []  # that it is listened on
        host.defence.levels.told.append(self._tell_staff)
        self.certificates: Certificates | None = None  # that are shown
        self.aside: Runs | None = None  # runs what blocks
        self.front: ServerFactory = self  # who meets those that connect
        self._text = text
        self._json = json
        self._tls = tls
        self._spare: set[OnePort] = set()
        self._accepting = False  # some were accepted in this turn of the reactor
        host.network.watchers.append(self._acted)

    def buildProtocol(self, addr: IAddress | None) -> OnePort:
        """Return a door for a connection from ``addr``."""
        if self.ports and not self._accepting:
            self._accepting = True
            self.host.clock.callLater(0, self._accept_more)
        door = OnePort(self, self.host.clock, getattr(addr, "host", ""))
        door.factory = self
        return door

    def _accept_more(self) -> None:
        """Let as many come in the next turn of the reactor as in any other one.

        Twisted takes as many as came in the last one, so one for good after a quiet time; or, while
        more wait, more and more.
        """
        self._accepting = False
        for port in self.ports:
            port.numberAccepts = ACCEPTED

    # -- chatnet.wires.oneport.House -----------------------------------------------

    def admit(self, door: OnePort) -> None:
        """Count ``door`` in; or, if it is not let in, set its ``refusal``."""
        defence = self.host.defence
        try:
            barred = self.barred(door.address)
            if barred is not None:
                raise barred
            self.registry.accept()
            door.party = defence.arrive(door.address)
        except Refused as refusal:
            if not isinstance(refusal, TooManyConnections):
                self._log.info(
                    "{address} is turned away: {why}", address=door.address, why=refusal.code
                )
            door.refusal = refusal.with_traceback(None)  # whose frames hold the door
            if len(self._spare) >= SPARE or not defence.is_patient(door.address):
                door.turn_away(self._turn_away(Speech.TEXT, refusal))
            self._spare.add(door)
            return
        while not door.id or door.id in self.registry:
            door.id = self.host.entropy(4).hex()
        self.registry.add(door.id, door)
        self.host.network.meter.connections += 1
        limits = defence.limits
        door.probe(limits.ping.most, limits.silence.most)
        self._log.info(
            "connection {id} from {address} ({count} now)",
            id=door.id,
            address=door.address,
            count=len(self.registry),
        )

    def barred(self, address: str) -> Banned | None:
        """Return why those are kept out who come from ``address``; None if they are not."""
        now = self.host.clock.seconds()
        ban = self.host.network.office.bars_address(address, now)
        return staff.refusal(ban, now) if ban is not None else None

    def _acted(self, entry: Entry) -> None:
        """Let those know whom it concerns what stands in ``entry``."""
        event = entry.event
        assert isinstance(event, Acted), event
        if event.verb == "rank":
            for session in self.sessions.values():
                if session.actor.registered and session.actor.key == fold(event.whom):
                    session.tell(f"You are {event.to} of this server now, says {event.by}.")
        if event.verb == "ban" and not event.where:
            self.host.turn.ring(self)

    def drain(self) -> None:
        """Part with those whom a ban hits: once, however many were laid in this turn."""
        office, now = self.host.network.office, self.host.clock.seconds()
        for door in self.registry:
            session = self.sessions.get(door.id)
            who = session.actor if session else Actor("", "", address=door.address)
            ban = staff.barred(office, who, now)
            if ban is None:
                continue
            if session is not None:
                session.part(str(staff.refusal(ban, now)), "refused")
            elif door.speaks is Speech.HTTP:
                door.abort()
            else:
                door.turn_away(_words(door.speaks or Speech.TEXT, staff.refusal(ban, now)))

    def depart(self, door: OnePort) -> None:
        """Count ``door`` out."""
        self._spare.discard(door)
        if not door.id:
            return
        self.registry.remove(door.id)
        session = self.sessions.pop(door.id, None)
        only_pages = session is None and door.speaks is Speech.HTTP
        self.host.defence.depart(door.party, only_pages)
        self._log.info(
            "connection {id} is gone: {name} ({count} now)",
            id=door.id,
            name=session.actor.name if session else "nobody",
            count=len(self.registry),
        )

    def receive(self, door: OnePort, speech: Speech) -> IProtocol | bytes:
        """Return the protocol of a client that speaks so, or what to turn it away with."""
        if speech is Speech.TLS:
            if self._tls is None or door.encrypted:
                return _NO_TLS
            return self._tls.protocol(self._tls, door.within())
        if door.refusal:
            return self._turn_away(speech, door.refusal)
        if speech is Speech.HTTP:
            return self.web(door) if self.web else _words(speech, Refused("No web page here."))
        if speech is Speech.PROXY:
            return self._turn_away(speech, NotAllowed(_NO_PROXY))
        if door.unnamed:
            return self._turn_away(speech, NotAllowed(_UNNAMED))
        if self.host.settings.tls_only and not door.encrypted:
            return self._turn_away(speech, Plaintext(_TLS_ONLY))
        wire = LineWire(self.host.clock, budget=self.host.network.budget)
        wire.session = self.converse(door, wire, self.dialect(speech))
        return wire

    def _turn_away(self, speech: Speech, refusal: Refused) -> bytes:
        self.host.network.meter.refusals[refusal.code] += 1
        return _words(speech, refusal)

    def introduce(self, door: OnePort, address: str) -> None:
        """Let the client at ``door``, a proxy's, be the one at ``address``.

        Raises:
            Refused: that one is not let in.
        """
        party = self.host.defence.come(address)
        self.host.defence.depart(door.party, True)
        door.party, door.address = party, address

    def dialect(self, speech: Speech) -> IDialect:
        """Return what a program speaks with if it speaks JSON, or else a person."""
        if speech is Speech.JSON:
            return self._json()
        return self._text(bool(self.host.settings.password))

    def mistaken(self, door: OnePort) -> None:
        """Close ``door``: its client was greeted as a person, and turns out to be none."""
        self._log.info("connection {id} was greeted, but is no person", id=door.id)
        self.sessions[door.id].part(_TOO_LATE, "refused")

    def converse(
        self, door: OnePort, wire: Wire, dialect: IDialect, wishes: Sequence[Command] = ()
    ) -> Session:
        """Return a session in ``dialect`` for the client at ``door``, who wants ``wishes``."""
        patience = PAGE_PATIENCE if door.speaks is Speech.HTTP else 1.0
        session = Session(
            wire,
            dialect,
            self.host,
            door.id,
            door.address,
            door.private,
            wishes,
            patience,
        )
        self.sessions[door.id] = session
        spoken = door.speaks.value if door.speaks else ""
        self._log.debug("connection {id} speaks {spoken}", id=door.id, spoken=spoken)
        return session

    def _tell_staff(self, text: str) -> None:
        for session in list(self.sessions.values()):
            if session.actor.rank >= Rank.MODERATOR and not session.shut_out:
                session.tell(text)

    def say_goodbye(self, text: str) -> None:
        """Tell every connection ``text``, and close it."""
        self.stopping = True
        for door in self.registry:
            session = self.sessions.get(door.id)
            if session is not None:
                session.part(text, "shutdown")
            elif door.speaks is Speech.HTTP:
                door.abort()
            else:
                door.turn_away(f"{text}\r\n".encode())


def _words(speech: Speech, refusal: Refused) -> bytes:
    """Return what to turn a client away with that speaks so."""
    text = plain(str(refusal))
    match speech:
        case Speech.TLS:
            return _NO_TLS
        case Speech.JSON:
            return json.dumps({"error": refusal.code, "text": text}).encode() + b"\n"
        case Speech.TEXT | Speech.PROXY:
            return f"{text}\r\n".encode()
        case Speech.HTTP:
            body = f"{text}\n".encode()
            status = _STATUS.get(type(refusal), "503 Service Unavailable")
            head = (
                f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\n"
                f"Content-Length: {len(body)}\r\nRetry-After: 60\r\nConnection: close\r\n\r\n"
            )
            return head.encode() + body
        case _:
            assert_never(speech)
