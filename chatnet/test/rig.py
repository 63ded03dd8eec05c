"""A whole server in memory: time, disk and network move only when a test says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from chatnet.accounts.accounts import Accounts
from chatnet.accounts.throttle import Throttle
from chatnet.core.events import Entry
from chatnet.core.limits import Limits
from chatnet.core.names import EVERYBODY, STAFF, Name
from chatnet.core.room import Room
from chatnet.dialects.jsonl import JsonDialect
from chatnet.dialects.text import TextDialect
from chatnet.interfaces import Batch
from chatnet.server.defence import Defence
from chatnet.server.factory import ChatFactory
from chatnet.server.files import Files
from chatnet.server.host import Host
from chatnet.server.invitations import Invitations
from chatnet.server.network import Network
from chatnet.server.session import Session
from chatnet.server.turn import Turn
from chatnet.settings import Settings
from chatnet.stores.journal import Journal
from chatnet.stores.memory import MemoryStore
from chatnet.stores.shelf import Shelf
from chatnet.test import schema
from chatnet.web.site import ChatSite
from chatnet.wires.budget import Budget
from chatnet.wires.oneport import GREET_SECONDS, OnePort

P = ParamSpec("P")
T = TypeVar("T")


# Most tests are about something else than how much one may do; passwords are guessed as slowly.
OTHERS = (("all", "none"), ("logins", "5/15m"), ("logins-address", "20/1h"))


class ByHand:
    """Runs a call when told to, as a thread would sooner or later."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []

    def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        done: Deferred[T] = Deferred()

        def work() -> None:
            try:
                result = call(*args, **kwargs)
            except Exception:
                done.errback(Failure())
            else:
                done.callback(result)

        self.calls.append(work)
        return done

    def step(self) -> None:
        if self.calls:
            self.calls.pop(0)()


class FailingStore(MemoryStore):
    """Fails when told to: before it kept the batch, or after, so that only the news is lost."""

    fail_before = fail_after = fail_reads = fail_accounts = False

    def add(self, name: Name, verifier: str, at: float) -> bool:
        if self.fail_accounts:
            raise OSError("disk full")
        return super().add(name, verifier, at)

    def write(self, batch: Batch) -> None:
        if self.fail_before:
            raise OSError("disk full")
        super().write(batch)
        if self.fail_after:
            raise OSError("connection lost during commit")

    def read(self, room: str, after: int, upto: int, limit: int) -> Any:
        if self.fail_reads:
            raise OSError("cannot read")
        return super().read(room, after, upto, limit)

    def kept(self, room: str) -> list[Entry]:
        return list(super().read(room, 0, 2**62, 2**62))


class Wire(StringTransport):
    """A transport whose peer can hang up."""

    aborted = False

    def abortConnection(self) -> None:  # noqa: N802 -- Twisted's name
        self.aborted = True
        self.loseConnection()


class Client:
    """A connection and what it has heard."""

    def __init__(self, door: OnePort, transport: Wire, rig: Rig) -> None:
        self.door, self.transport, self.rig = door, transport, rig

    @property
    def session(self) -> Session:
        return self.rig.factory.sessions[self.door.id]

    def asks(self, *lines: str) -> None:
        """Type without waiting for anything."""
        self.door.dataReceived("".join(line + "\r\n" for line in lines).encode())

    def types(self, *lines: str) -> None:
        self.asks(*lines)
        self.rig.settle()

    def sends(self, do: str, **asked: Any) -> None:
        """Send a command. What the schema does not allow, the server refuses."""
        self.types(json.dumps(frame := {"do": do} | asked))
        wrong = schema.fault("client", frame)
        assert not wrong or b'"error":' in self.transport.value(), wrong

    def hears(self) -> list[str]:
        heard: list[str] = self.transport.value().decode().splitlines()
        self.transport.clear()
        return heard

    def receives(self) -> list[dict[str, Any]]:
        """Take the frames that came, each of which is as docs/protocol.schema.json says."""
        lines = self.transport.value().split(b"\n")
        self.transport.clear()
        return [schema.heard(json.loads(line)) for line in lines if line]

    def stops_listening(self) -> None:
        self.session.pauseProducing()

    def listens(self) -> None:
        self.session.resumeProducing()
        self.rig.settle()

    def hangs_up(self) -> None:
        self.door.connectionLost()


class Rig:
    """One server. ``restart`` loses all but the store."""

    began = 1_800_000_000.0  # what the clock says when it starts
    hashes = ByHand  # what passwords are made on
    folder = Path("/nonexistent")  # of files, for which a test has to call files.start
    gather = 0.0  # seconds between two commits where many speak

    def __init__(self, store: FailingStore | None = None, **settings: Any) -> None:
        self.store = store or FailingStore()
        usual: dict[str, Any] = {"allow_plaintext_passwords": True, "limits": OTHERS}
        self.settings = Settings(**usual | settings)
        self.restart()

    def restart(self) -> None:
        self.clock = Clock()
        self.clock.rightNow = self.began
        self.writer, self.reader, self.hasher = ByHand(), ByHand(), self.hashes()
        self.journal = Journal(
            self.clock, self.writer, self.store, self.reader, self.store, self.gather
        )
        self.turn = Turn(self.clock)
        self.network = Network(
            self.journal,
            self.turn,
            self.clock,
            retention=self.settings.retention,
            budget=Budget(self.clock, self.settings.budget),
        )
        self.network.start(self.journal.open_now(EVERYBODY), self.journal.open_now(STAFF))
        self._entropy = 0
        limits = Limits(self.settings.limits)
        accounts = Accounts(
            self.clock,
            self.store,
            self.writer,
            self.store,
            self.reader,
            self.hasher,
            self.entropy,
            self.settings.password_length,
            limits,
        )
        throttle = Throttle(self.clock, limits)
        self.files = Files(
            self.network, self.clock, self.entropy, limits, Shelf(self.folder), self.reader
        )
        host = Host(
            self.settings,
            self.network,
            accounts,
            self.turn,
            self.clock,
            self.entropy,
            throttle,
            Defence(self.clock, limits, self.settings.proxies),
            Invitations(self.network, self.clock, self.entropy, self.settings.registration),
            self.files,
        )
        self.host = host
        self.factory = ChatFactory(host, TextDialect, JsonDialect)
        self.factory.web = ChatSite(self.factory).answer

    def entropy(self, count: int) -> bytes:
        self._entropy += 1
        return self._entropy.to_bytes(count, "big")

    def connects(self, address: str = "192.0.2.1") -> Client:
        """Return a connection that has said nothing yet."""
        door = self.factory.buildProtocol(IPv4Address("TCP", address, 1))
        transport = Wire()
        door.makeConnection(transport)
        return Client(door, transport, self)

    def arrives(self, *lines: str, address: str = "192.0.2.1") -> Client:
        """Return a person who was greeted and typed ``lines``."""
        client = self.connects(address)
        self.clock.advance(GREET_SECONDS)
        self.settle()
        client.types(*lines)
        return client

    def member(self, name: str, room: str = "tea", address: str = "192.0.2.1") -> Client:
        """Return a guest called ``name`` in ``room``, all of whose welcome was heard."""
        client = self.arrives(f"/nick {name}", f"/join {room}", address=address)
        client.hears()
        return client

    def account(self, name: str, password: str = "secret") -> Client:
        """Return someone who has just made an account."""
        client = self.arrives(f"/newuser {name} {password}")
        client.hears()
        return client

    def program(self, name: str) -> Client:
        client = self.connects()
        client.sends("nick", name=name, secret=f"{name}'s own")
        client.receives()
        return client

    def settle(self) -> None:
        """Let the disk and the reactor do all they have to do now."""
        self._turn()
        while self.writer.calls or self.reader.calls or self.hasher.calls:
            self.writer.step()
            self.reader.step()
            self.hasher.step()
            self._turn()

    def _turn(self) -> None:
        for _ in range(3 if self.gather else 1):  # the halves of a wait, and what comes of it
            self.clock.advance(self.gather)

    def room(self, key: str) -> Room:
        return self.network.audiences[key].room
