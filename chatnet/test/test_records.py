"""TLS that is written to directly: what arrives is what was sent, whatever the connection does."""

from __future__ import annotations

import contextlib
import ssl
from typing import Any

from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.trial.unittest import SynchronousTestCase

from chatnet.test.test_lines import Listener
from chatnet.wires.certificates import Certificates
from chatnet.wires.outlet import Outlet
from chatnet.wires.records import LONGEST, Records, Tls, below
from chatnet.wires.straight import Straight


class Speaker:
    """The other side of TLS, without a network."""

    def __init__(self) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out)

    def shakes_hands(self) -> bytes:
        """Return what there is to send of the handshake; nothing when it is done."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.do_handshake()
        return self._out.read()

    def says(self, words: bytes) -> bytes:
        self._tls.write(words)
        return self._out.read()

    def hears(self, data: bytes) -> bytes:
        self._in.write(data)
        heard = b""
        try:
            while part := self._tls.read(LONGEST):
                heard += part
        except ssl.SSLWantReadError:
            pass
        return heard

    def takes(self, data: bytes) -> None:
        """Take ``data`` of the handshake."""
        self._in.write(data)


def served(certificates: Certificates) -> TLSMemoryBIOFactory:
    """Return what speaks TLS as the server does."""
    factory = TLSMemoryBIOFactory(certificates, False, Factory(), Clock())
    factory.protocol = Tls
    return factory


class Narrow(StringTransport):
    """A TCP connection whose socket takes so much; the rest waits for the reactor."""

    dataBuffer = b""  # noqa: N815 -- Twisted's names
    _tempDataBuffer: tuple[bytes, ...] = ()  # noqa: N815

    def __init__(self) -> None:
        super().__init__()
        self.room: int | None = None  # None: for all
        self.went = b""
        self.later = 0  # bytes that the reactor had to send
        self.socket = self

    def send(self, data: bytes) -> int:
        if self.room == 0:
            raise BlockingIOError
        taken = data[: self.room]
        self.went += taken
        return len(taken)

    def write(self, data: bytes) -> None:
        self.went += data
        self.later += len(data)


class RecordTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.plain, self.speaker = Narrow(), Speaker()
        factory = served(Certificates.in_memory())
        self.tls: TLSMemoryBIOProtocol = factory.protocol(factory, Protocol())
        straight = Straight(self.plain)  # type: ignore[arg-type]
        self.tls.makeConnection(straight)
        while hello := self.speaker.shakes_hands():
            self.tls.dataReceived(hello)
            self.speaker.takes(self.went())
        self.speaker.hears(self.went())
        found: Any = below(self.tls)
        self.assertIs(found, self.plain)
        self.records = Records(self.tls, found)

    def went(self) -> bytes:
        went, self.plain.went = self.plain.went, b""
        return went

    def test_what_is_sent_arrives(self) -> None:
        for words in (b"hello", b"", b"x" * LONGEST, b"and so on"):
            self.assertEqual(self.records.send(words), len(words))
            self.assertEqual(self.speaker.hears(self.went()), words)
        self.assertEqual(self.plain.later, 0)

    def test_what_the_socket_does_not_take_is_left_to_the_reactor(self) -> None:
        for room in (0, 1, 17):
            self.plain.room, self.plain.later = room, 0
            self.assertEqual(self.records.send(b"hello"), 5)
            self.assertGreater(self.plain.later, 0)
            self.assertEqual(self.speaker.hears(self.went()), b"hello")

    def test_what_is_longer_than_a_record_arrives_as_well(self) -> None:
        words = bytes(range(256)) * 1000
        self.assertEqual(self.records.send(words), len(words))
        self.assertEqual(self.speaker.hears(self.went()), words)

    def test_what_twisted_says_in_between_keeps_its_place(self) -> None:
        self.records.send(b"one ")
        self.tls.write(b"two ")
        self.records.send(b"three")
        self.assertEqual(self.speaker.hears(self.went()), b"one two three")

    def test_what_waits_already_goes_first(self) -> None:
        self.plain.dataBuffer = b"a record that the reactor is about to send"
        self.records.send(b"hello")
        went = self.went()
        self.assertEqual((self.plain.later, self.speaker.hears(went)), (len(went), b"hello"))

    def test_what_goes_to_many_at_once_is_ciphered_also_if_nothing_was_written_before(self) -> None:
        wire = Outlet(Clock(), 0, lambda: None, lambda: None)
        wire.session, wire.transport = Listener(wire, set()), self.tls
        wire._begin()
        assert wire.direct is not None
        self.assertEqual(wire.direct(b"hello"), 5)
        went = self.went()
        self.assertNotIn(b"hello", went)
        self.assertEqual(self.speaker.hears(went), b"hello")

    def test_after_the_end_nothing_is_sent(self) -> None:
        self.tls.loseConnection()
        self.went()
        self.records.send(b"hello")
        self.assertEqual(self.went(), b"")

    def test_below_anything_else_there_is_nothing(self) -> None:
        self.assertIsNone(below(StringTransport()))
        factory = served(Certificates.in_memory())
        tls = factory.protocol(factory, Protocol())
        tls.makeConnection(StringTransport())
        self.assertIsNone(below(tls))
