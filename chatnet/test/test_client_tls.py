from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.test import iosim
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from chatnet.client.dialogue import Identity
from chatnet.client.exits import Exit, explain
from chatnet.client.link import CannotConnect, Link
from chatnet.client.tls import HANDSHAKE_SECONDS, NoTLS, SecureEndpoint
from chatnet.client.trust import KnownServers, Trust, Untrusted, fingerprint, is_here
from chatnet.test.test_client_link import Listener
from chatnet.wires.certificates import Certificates, certificate_pem, issue, key_pem, new_key

NOW = datetime.now(UTC)
YEARS_AGO = datetime(2020, 1, 1, tzinfo=UTC)
HOST = "chat.example.org"


class Authority:
    """Signs certificates."""

    def __init__(self) -> None:
        self.key = new_key()
        self.certificate = issue("An authority", self.key, NOW, 30)

    @property
    def pem(self) -> bytes:
        return certificate_pem(self.certificate)


class Shown:
    """A certificate and its key: signed by ``by``, or by itself."""

    def __init__(
        self, names: Sequence[str] = (HOST,), by: Authority | None = None, now: datetime = NOW
    ) -> None:
        key = new_key()
        signer = (by.certificate, by.key) if by else None
        self.certificate = issue("chatnet", key, now, 30, names, signer)
        self.pem = certificate_pem(self.certificate) + key_pem(key)

    @property
    def mark(self) -> str:
        return fingerprint(self.certificate)


class Hearing(Protocol):
    """The server behind TLS, or without it: hears all, and answers what it is told to."""

    def __init__(self) -> None:
        self.heard = b""

    def dataReceived(self, data: bytes) -> None:
        self.heard += data


@implementer(IStreamClientEndpoint)
class Wire:
    """A way to a server in memory, who shows ``shown``; without that it speaks no TLS."""

    def __init__(self, case: TLSTestCase) -> None:
        self.shown: Shown | None = None
        self.servers: list[Hearing] = []
        self.pump: Any = None
        self.context: Any = None
        self._case = case

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:  # noqa: N803
        client = protocolFactory.buildProtocol(None)  # type: ignore[arg-type]
        assert client is not None
        inner = Hearing()
        self.servers.append(inner)
        server: Any = inner
        if self.shown is not None:
            certificates = Certificates.from_files(self._case.file(self.shown.pem))
            if self.context:
                self.context(certificates._context)
            factory = TLSMemoryBIOFactory(
                certificates, False, Factory.forProtocol(lambda: inner), self._case.clock
            )
            server = factory.buildProtocol(None)
        self.pump = iosim.connect(
            server,
            iosim.FakeTransport(server, isServer=True),
            client,
            iosim.FakeTransport(client, isServer=False),
        )
        return succeed(client)


class TLSTestCase(SynchronousTestCase):
    """A client that wants TLS, and a server."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.wire = Wire(self)
        self.folder = Path(self.mktemp())
        self.known = KnownServers(self.folder / "data" / "known_servers")
        self.told: list[str] = []
        self.trusts(b"")

    def file(self, data: bytes) -> str:
        path = str(self.mktemp())
        Path(path).write_bytes(data)
        return path

    def trusts(self, pem: bytes) -> None:
        """Let the system trust the authorities in ``pem`` alone."""
        path = self.file(pem or Authority().pem)
        for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
            if name in os.environ:
                self.addCleanup(os.environ.__setitem__, name, os.environ[name])
            else:
                self.addCleanup(os.environ.pop, name, None)
            os.environ[name] = path  # OpenSSL itself reads it

    def trust(self, host: str = HOST, ca: str = "") -> Trust:
        return Trust(host, 8888, ca, self.known, self.told.append)

    def endpoint(self, host: str = HOST, ca: str = "") -> SecureEndpoint:
        return SecureEndpoint(self.wire, self.trust(host, ca), self.clock)

    def connect(self, shown: Shown | None, host: str = HOST, ca: str = "") -> Deferred[Any]:
        self.wire.shown = shown
        client = Hearing()
        connected = self.endpoint(host, ca).connect(Factory.forProtocol(lambda: client))
        self.settle()
        return connected

    def settle(self) -> None:
        for _ in range(5):
            self.wire.pump.flush()
            self.clock.advance(0)

    def assert_trusted(self, shown: Shown, *where: str) -> None:
        client = self.successResultOf(self.connect(shown, *where))
        client.transport.write(b"psst")
        self.clock.advance(0)
        self.settle()
        self.assertEqual(self.wire.servers[-1].heard, b"psst")

    def assert_refused(self, shown: Shown, *where: str) -> str:
        failure = self.failureResultOf(self.connect(shown, *where), Untrusted)
        self.settle()
        self.assertEqual(self.wire.servers[-1].heard, b"")
        self.assertIn("Nothing was sent.", str(failure.value))
        return str(failure.value)

    def lines(self) -> list[str]:
        return self.known.path.read_text().splitlines()

    def tearDown(self) -> None:
        self.assertEqual(self.clock.getDelayedCalls(), [])


class FirstUseTests(TLSTestCase):
    def test_a_server_that_signs_for_itself_is_told_and_remembered(self) -> None:
        shown = Shown()
        self.assert_trusted(shown)
        [told] = self.told
        self.assertIn(shown.mark, told)
        self.assertEqual(self.lines(), [f"{HOST}:8888 {shown.mark}"])
        self.assert_trusted(shown)
        self.assertEqual(len(self.told), 1)

    def test_what_is_remembered_is_for_its_owner_alone(self) -> None:
        self.assert_trusted(Shown())
        self.assertEqual(self.known.path.stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.known.path.parent.stat().st_mode & 0o777, 0o700)

    def test_another_certificate_is_refused_and_explained(self) -> None:
        first, second = Shown(), Shown()
        self.assert_trusted(first)
        words = self.assert_refused(second)
        self.assertIn(first.mark, words)
        self.assertIn(second.mark, words)
        self.assertTrue(words.endswith(f"{self.known.path}:\n  {HOST}:8888 {first.mark}"), words)
        self.assertEqual(self.lines(), [f"{HOST}:8888 {first.mark}"])

    def test_without_its_line_a_server_is_met_anew(self) -> None:
        first, second = Shown(), Shown()
        self.assert_trusted(first, "other.example.org")
        self.assert_trusted(first)
        self.assert_refused(second)
        self.known.path.write_text(f"# mine\n{self.lines()[0]}\n")
        self.assert_trusted(second)
        self.assertEqual(
            self.lines(),
            ["# mine", f"other.example.org:8888 {first.mark}", f"{HOST}:8888 {second.mark}"],
        )

    def test_who_is_known_may_be_expired(self) -> None:
        shown = Shown(now=YEARS_AGO)
        self.assert_trusted(shown)
        self.assert_trusted(shown)
        self.assertEqual(len(self.told), 1)

    def test_addresses_are_known_as_they_are_written(self) -> None:
        shown = Shown()
        self.assert_trusted(shown, "192.0.2.1")
        self.assert_trusted(shown, "2001:db8::1")
        self.assertEqual(
            self.lines(), [f"192.0.2.1:8888 {shown.mark}", f"[2001:db8::1]:8888 {shown.mark}"]
        )
        self.assert_refused(Shown(), "2001:DB8::1")

    def test_what_cannot_be_remembered_is_told(self) -> None:
        self.known = KnownServers(Path(self.file(b"")) / "known_servers")
        shown = Shown()
        self.assert_trusted(shown)
        self.assertIn("It is not remembered: cannot write", self.told[0])

    def test_who_may_be_known_but_cannot_be_looked_up_is_refused(self) -> None:
        self.known = KnownServers(self.folder)  # which is no file
        self.folder.mkdir()
        self.assertIn("Cannot read", self.assert_refused(Shown()))


class AuthorityTests(TLSTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.authority = Authority()

    def test_who_is_vouched_for_needs_no_fingerprint(self) -> None:
        self.trusts(self.authority.pem)
        self.assert_trusted(Shown(by=self.authority))
        self.assert_trusted(Shown(by=self.authority))
        self.assertEqual(self.told, [])
        self.assertEqual(self.lines(), [f"{HOST}:8888 CA"])

    def test_also_by_address(self) -> None:
        self.trusts(self.authority.pem)
        for host in ("192.0.2.1", "2001:db8::1"):
            self.assert_trusted(Shown([host], self.authority), host)
        self.assertEqual(self.told, [])

    def test_who_was_vouched_for_and_is_not_any_more_is_refused(self) -> None:
        self.trusts(self.authority.pem)
        self.assert_trusted(Shown(by=self.authority))
        self.assertIn("known: signed by an authority", self.assert_refused(Shown()))

    def test_who_is_known_may_be_vouched_for_later(self) -> None:
        self.trusts(self.authority.pem)
        first = Shown()
        self.assert_trusted(first)
        self.assert_trusted(Shown(by=self.authority))
        self.assert_refused(Shown())
        self.assert_trusted(first)

    def test_another_ones_certificate_and_an_expired_one_are_not_vouched_for(self) -> None:
        self.trusts(self.authority.pem)
        self.assert_trusted(Shown())
        for shown, doubt in (
            (Shown(["evil.example.org"], self.authority), f"is not for {HOST}"),
            (Shown(by=self.authority, now=YEARS_AGO), "has expired"),
            (Shown(by=Authority()), "is signed by nobody who is trusted here"),
        ):
            self.assertIn(doubt, self.assert_refused(shown))

    def test_ones_own_authority_is_the_only_one(self) -> None:
        ca = self.file(self.authority.pem)
        other = Authority()
        self.trusts(other.pem)
        self.assert_trusted(Shown(by=self.authority), HOST, ca)
        for shown in (Shown(), Shown(by=other), Shown(["evil.org"], self.authority)):
            self.assert_refused(shown, HOST, ca)
        self.assertFalse(self.known.path.exists())

    def test_a_servers_own_certificate_may_be_given(self) -> None:
        shown = Shown()
        ca = self.file(shown.pem)
        for host in (HOST, "192.0.2.1"):
            self.assert_trusted(shown, host, ca)
            self.assert_refused(Shown([host]), host, ca)
        expired = Shown(now=YEARS_AGO)
        self.assert_trusted(expired, HOST, self.file(expired.pem))


class MishapTests(TLSTestCase):
    def assert_no_tls(self, connected: Deferred[Any], words: str) -> None:
        failure = self.failureResultOf(connected, NoTLS)
        self.assertIn(words, str(failure.value))

    def test_a_server_without_tls(self) -> None:
        connected = self.connect(None)
        self.wire.servers[0].transport.write(b"Welcome to chatnet!\r\n")  # type: ignore[union-attr]
        self.settle()
        self.assert_no_tls(connected, "does not speak TLS")

    def test_a_server_that_hangs_up(self) -> None:
        connected = self.connect(None)
        self.wire.servers[0].transport.loseConnection()  # type: ignore[union-attr]
        self.settle()
        self.assert_no_tls(connected, "hung up")

    def test_a_server_that_is_silent(self) -> None:
        connected = self.connect(None)
        self.clock.advance(HANDSHAKE_SECONDS)
        self.assert_no_tls(connected, "within 20 seconds")

    def test_a_server_of_long_ago(self) -> None:
        def old(context: SSL.Context) -> None:
            context.set_min_proto_version(SSL.TLS1_1_VERSION)
            context.set_max_proto_version(SSL.TLS1_1_VERSION)

        self.wire.context = old
        self.assert_no_tls(self.connect(Shown()), "does not speak TLS on that port, or none")

    def test_giving_up_meanwhile(self) -> None:
        connected = self.connect(None)
        connected.cancel()
        self.settle()
        self.failureResultOf(connected)

    def test_this_machine(self) -> None:
        for host in ("localhost", "LOCALHOST", "127.0.0.1", "127.1.2.3", "::1"):
            self.assertTrue(is_here(host), host)
        for host in ("chat.example.org", "192.0.2.1", "localhost.example.org", "::2"):
            self.assertFalse(is_here(host), host)


class LinkTests(TLSTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.link = Link(self.endpoint(), Identity("ann"), self.clock, os.urandom)
        self.listener = Listener(self.link)

    def answers(self, **answer: Any) -> None:
        self.settle()
        server = self.wire.servers[-1]
        asked = json.loads(server.heard.splitlines()[-1])
        line = json.dumps({**answer, "cid": asked["cid"]}).encode() + b"\n"
        server.transport.write(line)  # type: ignore[union-attr]
        self.clock.advance(0)
        self.settle()

    def arrives(self) -> None:
        hello = {
            "reply": "hello", "protocol": 1, "server": "chatnet", "version": "1", "motd": "",
            "you": "guest-1", "session": "s", "password_needed": False, "passwords": True,
            "registration": True, "max_message": 0, "password_length": [4, 128],
        }  # fmt: skip
        self.answers(**hello)
        self.answers(reply="youare", name="ann", registered=False)

    def test_it_talks_and_looks_again_each_time_it_comes_back(self) -> None:
        self.wire.shown = Shown()
        running = self.link.run()
        self.arrives()
        self.assertTrue(self.link.online)
        self.wire.servers[0].transport.loseConnection()  # type: ignore[union-attr]
        self.settle()
        self.clock.advance(1)
        self.arrives()
        self.assertTrue(self.link.online)
        self.wire.servers[1].transport.loseConnection()  # type: ignore[union-attr]
        self.settle()
        self.wire.shown = Shown()
        self.clock.advance(1)
        self.settle()
        failure = self.failureResultOf(running, Untrusted)
        self.assertEqual(self.wire.servers[2].heard, b"")
        self.assertEqual(explain(failure.value, HOST, 8888)[0], Exit.UNTRUSTED)

    def test_who_speaks_no_tls_cannot_be_connected_to(self) -> None:
        running = self.link.run()
        self.wire.servers[0].transport.write(b"Welcome!\r\n")  # type: ignore[union-attr]
        self.settle()
        failure = self.failureResultOf(running, CannotConnect)
        status, words = explain(failure.value, HOST, 8888)
        self.assertEqual(status, Exit.UNREACHABLE)
        self.assertIn("--no-tls", words)
