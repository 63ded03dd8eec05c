"""The server's certificate: what clients see of it, its files, and when it ends."""

from __future__ import annotations

import contextlib  # "suppress" by itself would be trial's
import importlib.util
import io
import os
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import x25519
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.trial.unittest import SkipTest, SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from chatnet.wires.certificates import (
    POLL_SECONDS,
    CannotUse,
    Certificates,
    certificate_pem,
    issue,
    keep,
    key_pem,
    new_key,
)

NOW = datetime(2027, 1, 15, 8, tzinfo=UTC)
DAY = 86400.0
SCRIPT = Path(__file__).parents[2] / "certs" / "make_dev_certs.py"


def pair(days: int = 90, *names: str, now: datetime = NOW) -> tuple[bytes, bytes]:
    """Return a certificate and its key, as PEM."""
    key = new_key()
    return certificate_pem(issue("test", key, now, days, names or ("localhost",))), key_pem(key)


def pump(one: SSL.Connection, other: SSL.Connection) -> None:
    """Bring to each what the other has to say."""
    for source, target in ((one, other), (other, one)):
        try:
            data = source.bio_read(65536)
        except SSL.WantReadError:
            continue
        target.bio_write(data)


def shake(server: SSL.Connection, client: SSL.Connection) -> None:
    """Shake hands.

    Raises:
        SSL.Error: one of them does not want to.
    """
    for _ in range(4):
        for side in (client, server):
            with contextlib.suppress(SSL.WantReadError):
                side.do_handshake()
            pump(client, server)


def say(source: SSL.Connection, target: SSL.Connection, data: bytes) -> bytes:
    """Return what ``target`` hears when ``source`` says ``data``."""
    source.send(data)
    pump(source, target)
    return target.recv(65536)


def client_of(
    *offers: bytes, configure: Callable[[SSL.Context], object] = lambda context: None
) -> SSL.Connection:
    """Return a client that offers to speak some protocols."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    configure(context)
    if offers:
        context.set_alpn_protos(list(offers))
    client = SSL.Connection(context, None)
    client.set_connect_state()
    return client


def refuse(context: SSL.Context, certificate: object) -> None:
    """Do as OpenSSL does with a certificate whose key is too small for it."""
    raise SSL.Error([("SSL routines", "", "ee key too small")])


class Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.events: list[LogEvent] = []

        @implementer(ILogObserver)
        def observe(event: LogEvent) -> None:
            self.events.append(event)

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        self.clock = Clock()
        self.clock.rightNow = NOW.timestamp()
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.cert, self.key = self.folder / "cert.pem", self.folder / "key.pem"

    def logged(self, level: str) -> list[str]:
        """Return what was logged since this was last asked."""
        events, self.events[:] = self.events[:], []
        return [
            formatEvent(event)
            for event in events
            if "chatnet" in event["log_namespace"] and event["log_level"].name == level
        ]

    def write(self, cert: bytes | None = None, key: bytes | None = None) -> None:
        for path, data in ((self.cert, cert), (self.key, key)):
            if data is not None:
                keep(path, data)

    def use(self) -> Certificates:
        return Certificates.from_files(str(self.cert), str(self.key))

    def connect(
        self, certificates: Certificates, client: SSL.Connection | None = None
    ) -> tuple[SSL.Connection, SSL.Connection]:
        server = certificates.serverConnectionForTLS(cast(TLSMemoryBIOProtocol, None))
        server.set_accept_state()
        client = client or client_of()
        shake(server, client)
        return server, client

    def seen(self, certificates: Certificates) -> str:
        """Return the fingerprint that a new client sees."""
        _, client = self.connect(certificates)
        return shown_to(client)


def shown_to(client: SSL.Connection) -> str:
    shown = client.get_peer_certificate(as_cryptography=True)
    assert shown is not None
    return shown.fingerprint(hashes.SHA256()).hex(":").upper()


class HandshakeTests(Case):
    def setUp(self) -> None:
        super().setUp()
        self.certificates = Certificates.in_memory(NOW)

    def test_it_speaks_the_newest_tls_and_that_before_it(self) -> None:
        server, client = self.connect(self.certificates)
        self.assertEqual(client.get_protocol_version_name(), "TLSv1.3")
        self.assertEqual(say(client, server, b"up"), b"up")
        self.assertEqual(say(server, client, b"down"), b"down")
        self.assertEqual(self.flushWarnings(), [])
        older = client_of(configure=lambda c: c.set_max_proto_version(SSL.TLS1_2_VERSION))
        self.connect(self.certificates, older)
        self.assertEqual(older.get_protocol_version_name(), "TLSv1.2")
        self.assertRegex(older.get_cipher_name() or "", "^ECDHE-ECDSA-(AES.*GCM|CHACHA20)")

    def test_it_speaks_nothing_older(self) -> None:
        def old(context: SSL.Context) -> None:
            context.set_cipher_list(b"ALL:@SECLEVEL=0")
            context.set_min_proto_version(SSL.TLS1_VERSION)
            context.set_max_proto_version(SSL.TLS1_1_VERSION)

        with self.assertRaisesRegex(SSL.Error, "unsupported protocol"):
            self.connect(self.certificates, client_of(configure=old))

    def test_it_uses_no_weak_cipher(self) -> None:
        def weak(context: SSL.Context) -> None:
            context.set_max_proto_version(SSL.TLS1_2_VERSION)
            context.set_cipher_list(b"ECDHE+AES:!AESGCM:!AESCCM:@SECLEVEL=0")

        with self.assertRaisesRegex(SSL.Error, "no shared cipher"):
            self.connect(self.certificates, client_of(configure=weak))

    def test_it_picks_http_for_a_browser(self) -> None:
        browser = client_of(b"h2", b"http/1.1")
        self.connect(self.certificates, browser)
        self.assertEqual(browser.get_alpn_proto_negotiated(), b"http/1.1")

    def test_whoever_offers_something_else_gets_in_too(self) -> None:
        for offer in ([b"h2"], [b"irc"], [b"http/1.0", b"chatnet"]):
            other = client_of(*offer)
            server, _ = self.connect(self.certificates, other)
            self.assertEqual(other.get_alpn_proto_negotiated(), b"")
            self.assertEqual(say(other, server, b"hi"), b"hi")

    def test_twisted_takes_it(self) -> None:
        verifyObject(IOpenSSLServerConnectionCreator, self.certificates)
        heard: list[bytes] = []

        class Echo(Protocol):
            def dataReceived(self, data: bytes) -> None:
                heard.append(data)

        inner = ServerFactory.forProtocol(Echo)
        factory = TLSMemoryBIOFactory(self.certificates, False, inner, self.clock)
        door, transport, client = factory.buildProtocol(None), StringTransport(), client_of()
        door.makeConnection(transport)
        for _ in range(3):
            try:
                client.do_handshake()
            except SSL.WantReadError:
                pass
            else:
                client.send(b"hello")
            door.dataReceived(client.bio_read(65536))
            client.bio_write(transport.value())
            transport.clear()
            if heard:
                break
        self.assertEqual(heard, [b"hello"])

    def test_who_trusts_the_certificate_is_content(self) -> None:
        certificates = Certificates.self_signed(self.folder, NOW)

        def trusting(context: SSL.Context) -> None:
            context.load_verify_locations(str(self.folder / "tls-cert.pem"))
            context.set_verify(SSL.VERIFY_PEER)
            store = context.get_cert_store()
            assert store is not None
            store.set_time(NOW + timedelta(days=3652))

        server, client = self.connect(certificates, client_of(configure=trusting))
        self.assertEqual(say(client, server, b"hi"), b"hi")
        with self.assertRaisesRegex(SSL.Error, "certificate verify failed"):
            self.connect(self.certificates, client_of(configure=trusting))

    def test_those_who_vouch_for_it_are_shown_as_well(self) -> None:
        ca_key, key = new_key(), new_key()
        ca = issue("authority", ca_key, NOW, 9)
        leaf = issue("server", key, NOW, 9, ("chat.example.org",), (ca, ca_key))
        self.write(certificate_pem(leaf, ca), key_pem(key))
        certificates = self.use()
        self.assertEqual(certificates.names, ("chat.example.org",))
        _, client = self.connect(certificates)
        self.assertEqual(client.get_peer_cert_chain(as_cryptography=True), [leaf, ca])


class FilesTests(Case):
    def refusal(self) -> str:
        with self.assertRaises(CannotUse) as caught:
            self.use()
        sentence = str(caught.exception)
        self.assertNotIn("\n", sentence)
        self.assertTrue(sentence.endswith("."))
        return sentence

    def test_it_tells_what_is_in_them(self) -> None:
        cert, key = pair(90, "chat.example.org", "192.0.2.1")
        self.write(cert, key)
        certificates = self.use()
        leaf = x509.load_pem_x509_certificate(cert)
        digest = leaf.fingerprint(hashes.SHA256())
        self.assertEqual(certificates.fingerprint, ":".join(f"{byte:02X}" for byte in digest))
        self.assertEqual(certificates.expires, NOW + timedelta(days=90))
        self.assertEqual(certificates.names, ("chat.example.org", "192.0.2.1"))

    def test_one_without_names_has_none(self) -> None:
        key = new_key()
        self.write(certificate_pem(issue("authority", key, NOW, 9)), key_pem(key))
        certificates = self.use()
        self.assertEqual(certificates.names, ())
        certificates.start(self.clock)
        certificates.stop()
        self.assertIn("nobody by name", self.logged("info")[0])

    def test_both_may_be_in_one_file_in_any_order(self) -> None:
        cert, key = pair()
        for both in (cert + key, b"a note\n" + key + cert):
            self.write(both)
            certificates = Certificates.from_files(str(self.cert))
            self.assertEqual(self.seen(certificates), certificates.fingerprint)

    def test_a_file_that_cannot_be_read_is_refused(self) -> None:
        cert, _ = pair()
        self.assertIn(f"cannot read {self.cert}: No such file or directory", self.refusal())
        self.write(cert)
        self.assertIn(f"cannot read {self.key}: No such file or directory", self.refusal())
        self.key.mkdir()
        self.assertIn(f"cannot read {self.key}: Is a directory", self.refusal())

    def test_what_is_not_pem_is_refused(self) -> None:
        cert, key = pair()
        spoilt = cert.replace(b"\nMII", b"\n***")
        for wrong in (b"", b"\x00\xff", key, spoilt, cert[:-40]):
            self.write(wrong, key)
            self.assertIn(f"there is no PEM certificate in {self.cert}", self.refusal())
        for wrong in (b"", b"\x00\xff", cert, key.replace(b"MI", b"**"), key[:-30]):
            self.write(cert, wrong)
            self.assertIn(f"there is no PEM key in {self.key}", self.refusal())

    def test_nobody_waits_for_what_is_no_file(self) -> None:
        os.mkfifo(self.cert)
        self.assertIn("there is no PEM certificate", self.refusal())
        writer = os.open(self.cert, os.O_RDWR)
        self.addCleanup(os.close, writer)
        self.assertIn("there is no PEM certificate", self.refusal())
        self.cert.unlink()
        self.cert.symlink_to("/dev/zero")
        self.assertIn("there is no PEM certificate", self.refusal())

    def test_a_key_that_belongs_to_another_certificate_is_refused(self) -> None:
        self.write(pair()[0], pair()[1])
        self.assertIn(f"{self.key} does not belong to the first certificate in", self.refusal())

    def test_a_certificate_for_a_key_that_nobody_knows_is_refused(self) -> None:
        cert, key = pair()
        der = x509.load_pem_x509_certificate(cert).public_bytes(serialization.Encoding.DER)
        curve = bytes.fromhex("06082a8648ce3d030107")
        odd = der.replace(curve, curve[:-1] + b"\x7f")
        self.assertNotEqual(odd, der)
        self.write(ssl.DER_cert_to_PEM_cert(odd).encode(), key)
        self.assertIn(f"{self.key} does not belong to the first certificate in", self.refusal())

    def test_an_encrypted_key_is_refused(self) -> None:
        cert, key = pair()
        secret = serialization.BestAvailableEncryption(b"secret")
        for form in (
            serialization.PrivateFormat.PKCS8,
            serialization.PrivateFormat.TraditionalOpenSSL,
        ):
            loaded = serialization.load_pem_private_key(key, None)
            hidden = loaded.private_bytes(serialization.Encoding.PEM, form, secret)
            self.write(cert, hidden)
            self.assertIn(f"the key in {self.key} is encrypted", self.refusal())

    def test_a_key_of_another_kind_is_refused(self) -> None:
        key = x25519.X25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        self.write(pair()[0], key)
        self.assertIn("of a kind that TLS does not use", self.refusal())

    def test_what_openssl_does_not_take_is_refused_with_its_reason(self) -> None:
        self.write(*pair())
        self.patch(SSL.Context, "use_certificate", refuse)
        self.assertIn("TLS does not take the certificate or its key: ee key", self.refusal())

    def test_a_file_is_written_whole_or_not_at_all(self) -> None:
        keep(self.key, b"old", 0o644)
        self.assertEqual(self.key.stat().st_mode & 0o777, 0o644)
        self.patch(os, "fsync", self._fails)
        self.assertRaises(OSError, keep, self.key, b"new")
        self.assertEqual(self.key.read_bytes(), b"old")
        self.assertEqual(list(self.folder.iterdir()), [self.key])

    def _fails(self, file: int) -> None:
        raise OSError(28, "No space left on device")

    def test_a_name_that_is_none_is_refused(self) -> None:
        for name in ("a b", "", "https://a", "a..b", "ä.example", "a" * 64, "*.*.org"):
            with self.assertRaisesRegex(ValueError, "neither a host nor an address"):
                issue("test", new_key(), NOW, 1, (name,))
        issue("test", new_key(), NOW, 1, ("*.example.org", "::1", "a.b-c.9"))


class RefreshTests(Case):
    def setUp(self) -> None:
        super().setUp()
        self.write(*pair())
        self.certificates = self.use()
        self.certificates.start(self.clock)
        self.addCleanup(self.certificates.stop)
        self.first = self.certificates.fingerprint
        self.events.clear()

    def poll(self) -> str:
        """Return what clients see after the next look."""
        self.clock.advance(POLL_SECONDS)
        return self.seen(self.certificates)

    def test_a_new_pair_is_for_new_connections_and_the_old_ones_go_on(self) -> None:
        server, client = self.connect(self.certificates)
        self.write(*pair(60, "new.example.org"))
        self.assertEqual(self.seen(self.certificates), self.first)
        self.assertNotEqual(self.poll(), self.first)
        self.assertEqual(say(client, server, b"still here"), b"still here")
        self.assertEqual(say(server, client, b"so am I"), b"so am I")
        self.assertEqual(shown_to(client), self.first)
        self.assertEqual(
            self.logged("info"),
            [
                "TLS certificate for new.example.org, until 2027-03-16",
                f"its SHA-256 fingerprint: {self.certificates.fingerprint}",
            ],
        )
        self.poll()
        self.assertEqual(self.logged("info"), [])

    def test_half_a_pair_is_waited_for(self) -> None:
        cert, key = pair()
        self.write(cert)
        self.assertEqual(self.poll(), self.first)
        (warning,) = self.logged("warn")
        self.assertIn("stays as it was until its files change: the key in", warning)
        self.assertEqual(self.poll(), self.first)
        self.assertEqual(self.logged("warn"), [])
        self.write(key=key)
        self.assertNotEqual(self.poll(), self.first)
        self.assertEqual(len(self.logged("info")), 2)

    def test_each_change_that_cannot_be_used_is_told_once(self) -> None:
        cert = self.cert.read_bytes()
        for step in (lambda: self.write(b"?"), lambda: self.write(b"??"), self.cert.unlink):
            step()
            for expected in (1, 0, 0):
                self.assertEqual(self.poll(), self.first)
                self.assertEqual(len(self.logged("warn")), expected)
        self.write(cert)
        self.assertEqual(self.poll(), self.first)
        self.assertEqual(len(self.logged("info")), 2)

    def test_what_openssl_does_not_take_leaves_all_as_it_was(self) -> None:
        self.write(*pair())
        patch = self.patch(SSL.Context, "use_certificate", refuse)
        self.clock.advance(POLL_SECONDS)
        patch.restore()
        self.assertEqual(len(self.logged("warn")), 1)
        self.assertEqual(self.certificates.fingerprint, self.first)
        self.assertEqual(self.seen(self.certificates), self.first)

    def test_links_that_point_elsewhere_are_a_change(self) -> None:
        for name, path in (("cert", self.cert), ("key", self.key)):
            path.rename(self.folder / f"{name}1.pem")
            path.symlink_to(f"{name}1.pem")
        self.assertEqual(self.poll(), self.first)
        cert, key = pair()
        for name, path, data in (("cert", self.cert, cert), ("key", self.key, key)):
            keep(self.folder / f"{name}2.pem", data)
            path.unlink()
            path.symlink_to(f"{name}2.pem")
        self.assertNotEqual(self.poll(), self.first)

    def test_a_new_chain_is_taken_up_in_silence(self) -> None:
        key = new_key()
        self.write(self.cert.read_bytes() + certificate_pem(issue("authority", key, NOW, 9)))
        self.assertEqual(self.poll(), self.first)
        _, client = self.connect(self.certificates)
        self.assertEqual(len(client.get_peer_cert_chain(as_cryptography=True) or ()), 2)
        self.assertEqual(self.logged("info"), [])

    def test_it_looks_no_more_once_it_is_stopped(self) -> None:
        self.certificates.stop()
        self.certificates.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_mistake_in_looking_is_logged(self) -> None:
        def fail() -> None:
            raise RuntimeError("mistake")

        self.patch(self.certificates, "refresh", fail)
        self.clock.advance(POLL_SECONDS)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)


class DatesTests(Case):
    def begin(self, days: int, now: datetime = NOW) -> Certificates:
        self.write(*pair(days, now=now))
        certificates = self.use()
        certificates.start(self.clock)
        self.addCleanup(certificates.stop)
        return certificates

    def pass_days(self, days: float) -> list[str]:
        self.clock.pump([3600.0] * round(days * 24))
        return self.logged("warn")

    def test_all_is_told_at_the_start(self) -> None:
        certificates = self.begin(90)
        self.assertEqual(
            self.logged("info"),
            [
                "TLS certificate for localhost, until 2027-04-15",
                f"its SHA-256 fingerprint: {certificates.fingerprint}",
            ],
        )

    def test_in_its_last_fortnight_a_warning_comes_once_a_day(self) -> None:
        self.begin(90)
        self.assertEqual(self.pass_days(75.9), [])
        self.assertEqual(
            self.pass_days(1),
            ["the TLS certificate expires on 2027-04-15. Put a new one in its place before that"],
        )
        self.assertEqual(len(self.pass_days(3)), 3)

    def test_one_that_has_expired_is_warned_of_and_used(self) -> None:
        certificates = self.begin(30, NOW - timedelta(days=31))
        (warning,) = self.logged("warn")
        self.assertIn("expired on 2027-01-14: clients refuse it", warning)
        self.assertEqual(self.seen(certificates), certificates.fingerprint)
        self.assertEqual(len(self.pass_days(2)), 2)

    def test_a_new_one_ends_the_warnings_and_begins_its_own(self) -> None:
        self.begin(1)
        self.assertEqual(self.logged("warn"), [])
        self.assertEqual(len(self.pass_days(0.9)), 1)
        self.write(*pair(2))
        self.assertEqual(self.pass_days(0.1), [])
        self.assertEqual(len(self.pass_days(1)), 1)

    def test_a_new_one_that_expires_soon_is_warned_of_at_once(self) -> None:
        self.begin(1, NOW - timedelta(days=1))
        self.assertEqual(len(self.logged("warn")), 1)
        self.write(*pair(1, now=NOW - timedelta(days=1)))
        self.clock.advance(POLL_SECONDS)
        self.assertEqual(len(self.logged("warn")), 1)

    def test_one_that_lives_shortly_is_warned_of_in_its_last_third(self) -> None:
        self.begin(6)
        self.assertEqual(self.pass_days(3.9), [])
        self.assertEqual(len(self.pass_days(1)), 1)

    def test_one_that_is_not_valid_yet_is_warned_of(self) -> None:
        self.begin(30, NOW + timedelta(days=1))
        (warning,) = self.logged("warn")
        self.assertIn("is not valid before 2027-01-16. Is the clock right?", warning)
        self.assertEqual(self.pass_days(3), [])


class SelfSignedTests(Case):
    def setUp(self) -> None:
        super().setUp()
        self.patch(socket, "gethostname", lambda: "pi")
        self.cert, self.key = self.folder / "tls-cert.pem", self.folder / "tls-key.pem"

    def test_it_is_for_this_machine_and_ten_years(self) -> None:
        certificates = Certificates.self_signed(self.folder, NOW)
        self.assertEqual(certificates.names, ("localhost", "pi", "127.0.0.1", "::1"))
        self.assertEqual(certificates.expires, datetime(2037, 1, 15, 8, tzinfo=UTC))
        leaf = x509.load_pem_x509_certificate(self.cert.read_bytes())
        constraints = leaf.extensions.get_extension_for_class(x509.BasicConstraints)
        self.assertEqual((constraints.critical, constraints.value.ca), (True, False))
        other = Certificates.self_signed(self._another(), NOW)
        self.assertNotEqual(other.fingerprint, certificates.fingerprint)

    def _another(self) -> Path:
        folder = Path(self.mktemp())
        folder.mkdir()
        return folder

    def test_it_stays_the_same_and_its_owner_alone_reads_it(self) -> None:
        before = os.umask(0)
        try:
            certificates = Certificates.self_signed(self.folder)
        finally:
            os.umask(before)
        self.assertEqual(sorted(self.folder.iterdir()), [self.cert, self.key])
        for path in (self.cert, self.key):
            self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        again = Certificates.self_signed(self.folder)
        self.assertEqual(again.fingerprint, certificates.fingerprint)
        self.assertEqual(self.logged("info"), [f"made a certificate: {self.cert}"])

    def test_its_files_are_watched_too(self) -> None:
        certificates = Certificates.self_signed(self.folder, NOW)
        before = certificates.fingerprint
        self.write(*pair())
        certificates.refresh()
        self.assertNotEqual(certificates.fingerprint, before)

    def test_one_of_the_files_alone_is_refused(self) -> None:
        Certificates.self_signed(self.folder)
        key = self.key.read_bytes()
        self.key.unlink()
        for here, missing in ((self.cert, self.key), (self.key, self.cert)):
            with self.assertRaisesRegex(CannotUse, f"{here} is there, but {missing} is not"):
                Certificates.self_signed(self.folder)
            self.write(key=key)
            self.cert.unlink(missing_ok=True)
        self.assertEqual(self.key.read_bytes(), key)

    def test_a_link_to_nowhere_is_not_written_through(self) -> None:
        for path in (self.cert, self.key):
            path.symlink_to("/nowhere/at/all")
        with self.assertRaisesRegex(CannotUse, "cannot read .*tls-cert.pem: No such file"):
            Certificates.self_signed(self.folder)

    def test_a_folder_that_cannot_be_written_to_is_refused(self) -> None:
        with self.assertRaisesRegex(CannotUse, "cannot keep a certificate in .*: No such file"):
            Certificates.self_signed(self.folder / "missing")

    def test_a_host_with_an_odd_name_is_left_out(self) -> None:
        for odd in ("my_host", "", "a" * 64, "localhost"):
            self.patch(socket, "gethostname", lambda odd=odd: odd)
            names = Certificates.in_memory(NOW).names
            self.assertEqual(names, ("localhost", "127.0.0.1", "::1"))

    def test_one_without_files_never_changes(self) -> None:
        certificates = Certificates.in_memory(NOW)
        before = certificates.fingerprint
        certificates.start(self.clock)
        self.clock.advance(POLL_SECONDS)
        certificates.stop()
        self.assertEqual(self.seen(certificates), before)
        self.assertEqual(self.logged("warn"), [])
        self.assertEqual(Certificates.in_memory().names, certificates.names)


class DevelopmentTests(Case):
    def setUp(self) -> None:
        super().setUp()
        if not SCRIPT.exists():
            raise SkipTest("only a checkout has certs/make_dev_certs.py")
        spec = importlib.util.spec_from_file_location("make_dev_certs", SCRIPT)
        assert spec is not None and spec.loader is not None
        self.script: ModuleType = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.script)
        self.out, self.err = io.StringIO(), io.StringIO()
        self.patch(sys, "stdout", self.out)
        self.patch(sys, "stderr", self.err)

    def run_script(self, *words: str) -> None:
        self.assertEqual(self.script.main(["--out", str(self.folder), *words]), 0)

    def refusal(self, *words: str) -> str:
        with self.assertRaises(SystemExit) as caught:
            self.run_script(*words)
        self.assertEqual(caught.exception.code, 2)
        return self.err.getvalue()

    def test_the_server_uses_what_it_makes(self) -> None:
        self.run_script()
        server, key, ca = (str(self.folder / f"{n}.pem") for n in ("server", "server-key", "ca"))
        certificates = Certificates.from_files(server, key)
        self.assertEqual(certificates.names, ("localhost", "127.0.0.1", "::1"))

        def trusting(context: SSL.Context) -> None:
            context.load_verify_locations(ca)
            context.set_verify(SSL.VERIFY_PEER)

        sides = self.connect(certificates, client_of(configure=trusting))
        self.assertEqual(say(*sides, b"hi"), b"hi")
        modes = {path.name: path.stat().st_mode & 0o777 for path in self.folder.iterdir()}
        self.assertEqual((modes["ca-key.pem"], modes["server-key.pem"]), (0o600, 0o600))
        self.assertEqual(sorted(modes), ["ca-key.pem", "ca.pem", "server-key.pem", "server.pem"])

    def test_it_says_how_to_use_them(self) -> None:
        self.run_script("chat.test", "--days", "2")
        there = self.folder.resolve().relative_to(Path.cwd())
        said = self.out.getvalue()
        self.assertIn("for chat.test, 2 days", said)
        self.assertIn(
            f"twistd -n chatnet --tls-cert {there}/server.pem --tls-key {there}/server-key.pem\n",
            said,
        )
        self.assertIn(
            f"python -m chatnet.client --tls --ca {there}/ca.pem --host chat.test\n", said
        )

    def test_nothing_is_overwritten_unless_that_is_said(self) -> None:
        self.run_script()
        before = (self.folder / "server.pem").read_bytes()
        self.assertIn("would be overwritten; --force does it", self.refusal())
        self.assertEqual((self.folder / "server.pem").read_bytes(), before)
        self.run_script("--force")
        self.assertNotEqual((self.folder / "server.pem").read_bytes(), before)

    def test_nonsense_is_refused(self) -> None:
        self.assertIn("a b is neither a host nor an address", self.refusal("a b"))
        self.assertIn("--days is 1 to 3650, not 0", self.refusal("--days", "0"))
        self.assertEqual(list(self.folder.iterdir()), [])
        (self.folder / "file").write_text("")
        self.assertIn("cannot write to", self.refusal("--out", str(self.folder / "file" / "x")))

    def test_openssl_finds_nothing_wrong(self) -> None:
        openssl = shutil.which("openssl")
        if openssl is None:
            raise SkipTest("openssl is not installed")
        self.run_script("chat.test", "::1")
        Certificates.self_signed(self.folder)
        for trusted, shown, name in (
            ("ca.pem", "server.pem", ("-verify_hostname", "chat.test")),
            ("ca.pem", "server.pem", ("-verify_ip", "::1")),
            ("ca.pem", "ca.pem", ()),
            ("tls-cert.pem", "tls-cert.pem", ("-verify_hostname", "localhost")),
        ):
            purpose = () if shown == "ca.pem" else ("-purpose", "sslserver")
            done = subprocess.run(
                [openssl, "verify", "-x509_strict", *purpose, *name, "-CAfile", trusted, shown],
                cwd=self.folder,
                capture_output=True,
                text=True,
            )
            self.assertEqual((done.returncode, done.stdout), (0, f"{shown}: OK\n"), done.stderr)
