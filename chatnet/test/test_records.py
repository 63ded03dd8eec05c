"""TLS that is written to directly: what arrives is what was sent, whatever the connection does."""

from __future__ import annotations

import contextlib
import gc
import socket
import ssl
import weakref
from collections.abc import Callable, Iterator
from operator import length_hint
from typing import Any

from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from chatnet.server.cursors import Send
from chatnet.server.flock import Flock
from chatnet.server.session import Session
from chatnet.test.test_lines import Listener
from chatnet.wires.certificates import Certificates
from chatnet.wires.outlet import Outlet
from chatnet.wires.records import LONGEST, Records, Tls, below, sending
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

    def leave(self, room: int) -> None:
        """Let there be only ``room`` from now on."""
        self.room = room

    def take(self) -> bytes:
        """Return what went out since this was asked last."""
        went, self.went = self.went, b""
        return went

    def end(self) -> None:
        """Let the socket be closed."""
        self.room = 0


class Real(Narrow):
    """The same with a socket of the system's."""

    def __init__(self) -> None:
        super().__init__()
        self.here, self.there = socket.socketpair()
        self.here.setblocking(False)
        self.there.setblocking(False)
        self.socket = self.here  # type: ignore[assignment]
        self._filled = 0

    def leave(self, room: int) -> None:
        if room:
            self.here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, room)
            return
        for size in (1 << 16, 1024, 1):
            with contextlib.suppress(BlockingIOError):
                while True:
                    self._filled += self.here.send(bytes(size))

    def take(self) -> bytes:
        went = b""
        with contextlib.suppress(BlockingIOError):
            while more := self.there.recv(1 << 20):
                went += more
        went, self._filled = went[self._filled :], 0
        return went + super().take()

    def end(self) -> None:
        self.here.close()


class RecordTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.plain, self.speaker = self.connection(), Speaker()
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
        self.send = self.way(found)

    def connection(self) -> Narrow:
        return Narrow()

    def way(self, plain: Any) -> Send:
        return Records(self.tls, plain).send

    def went(self) -> bytes:
        return self.plain.take()

    def test_what_is_sent_arrives(self) -> None:
        for words in (b"hello", b"", b"x" * LONGEST, b"and so on"):
            self.assertEqual(self.send(words), len(words))
            self.assertEqual(self.speaker.hears(self.went()), words)
        self.assertEqual(self.plain.later, 0)

    def test_what_the_socket_does_not_take_is_left_to_the_reactor(self) -> None:
        words = bytes(range(256)) * (LONGEST // 256)
        for room in (4096, 1, 0):
            self.plain.later = 0
            self.plain.leave(room)
            self.assertEqual(self.send(words), LONGEST)
            self.assertGreater(self.plain.later, 0)
            self.assertEqual(self.speaker.hears(self.went()), words)

    def test_what_a_closed_socket_does_not_take_is_left_to_the_reactor(self) -> None:
        self.plain.end()
        self.assertEqual(self.send(b"hello"), 5)
        self.assertGreater(self.plain.later, 0)

    def test_what_is_longer_than_a_record_arrives_as_well(self) -> None:
        words = bytes(range(256)) * 1000
        self.assertEqual(self.send(words), len(words))
        self.assertEqual(self.speaker.hears(self.went()), words)

    def test_what_twisted_says_in_between_keeps_its_place(self) -> None:
        self.send(b"one ")
        self.tls.write(b"two ")
        self.send(b"three")
        self.assertEqual(self.speaker.hears(self.went()), b"one two three")

    def test_what_waits_already_goes_first(self) -> None:
        record = b"a record that the reactor is about to send"
        for buffer, parts in ((record, ()), (b"", (record,))):
            self.plain.dataBuffer, self.plain._tempDataBuffer = buffer, parts
            self.plain.later = 0
            self.send(b"hello")
            went = self.went()
            self.assertEqual((self.plain.later, self.speaker.hears(went)), (len(went), b"hello"))

    def test_whatever_sets_it_apart_is_for_twisted_to_say(self) -> None:
        said: list[bytes] = []
        self.patch(self.tls, "write", said.append)
        for name, value in (
            ("_appSendBuffer", [b"waits"]), ("disconnecting", True), ("_lostTLSConnection", True)
        ):  # fmt: skip
            self.patch(self.tls, name, value)
            self.assertEqual(self.send(b"hello"), 5)
            self.assertEqual((said.pop(), self.went()), (b"hello", b""), name)
            setattr(self.tls, name, type(value)())

    def test_who_leaves_its_flock_while_its_record_waits_has_read_it(self) -> None:
        flock = Flock(Session, 4)  # type: ignore[arg-type]
        left: list[int] = []

        def write(data: bytes) -> None:
            left.append(flock.leave(reader))

        reader: Any = "ann"
        flock.join("bob", len)  # type: ignore[arg-type]
        flock.join(reader, self.send)
        flock.join("cat", len)  # type: ignore[arg-type]
        self.patch(self.plain, "write", write)
        self.plain.leave(0)
        flock.send(b"hello", 5, lambda *_: self.fail(), lambda _: self.fail())
        self.assertEqual((left, list(flock)), ([5], ["bob", "cat"]))

    def test_who_breaks_while_its_record_waits_is_told_of(self) -> None:
        def write(data: bytes) -> None:
            raise ZeroDivisionError

        flock, broken = Flock(Session, 4), list[Any]()  # type: ignore[arg-type]
        later = Real()
        self.addCleanup(later.here.close)
        self.addCleanup(later.there.close)
        reader: Any = "ann"
        flock.join("bob", len)  # type: ignore[arg-type]
        flock.join(reader, self.send)
        flock.join("cat", later.here.send)  # type: ignore[arg-type]
        self.patch(self.plain, "write", write)
        self.plain.leave(0)
        flock.send(b"hello", 5, lambda *_: self.fail(), broken.append)
        self.assertEqual((broken, later.take()), ([reader], b"hello"))

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
        self.assertEqual(self.send(b"hello"), 5)
        self.assertEqual(self.went(), b"")

    def test_what_the_cipher_refuses_is_for_twisted_to_say(self) -> None:
        said: list[bytes] = []
        self.patch(self.tls, "write", said.append)
        self.tls.getHandle().shutdown()
        self.went()
        self.send(b"hello")
        self.assertEqual((said, self.went()), ([b"hello"], b""))

    def test_below_anything_else_there_is_nothing(self) -> None:
        self.assertIsNone(below(StringTransport()))
        factory = served(Certificates.in_memory())
        tls = factory.protocol(factory, Protocol())
        tls.makeConnection(StringTransport())
        self.assertIsNone(below(tls))


class CompiledTests(RecordTests):
    """The same in C."""

    def setUp(self) -> None:
        try:
            from _chatnet_sends import send_all
        except ImportError:
            raise SkipTest("the loop in C was not built: that takes a C compiler") from None
        self.send_all: Callable[[list[Send], bytes, Iterator[Send]], int] = send_all
        super().setUp()

    def connection(self) -> Narrow:
        real = Real()
        self.addCleanup(real.here.close)
        self.addCleanup(real.there.close)
        return real

    def way(self, plain: Any) -> Send:
        send = sending(self.tls, plain)
        self.assertNotIsInstance(getattr(send, "__self__", None), Records)
        return send

    def far(self, sends: list[Send], data: bytes) -> tuple[int, int]:
        """Return how many of ``sends`` took all of ``data``, and how much the next one did."""
        round_ = iter(sends)
        part = self.send_all(sends, data, round_)
        return len(sends) - length_hint(round_), part

    def test_among_others_it_is_sent_as_they_are(self) -> None:
        others = [Real() for _ in range(3)]
        one, two, full = (other.here.send for other in others)
        for end in (end for other in others for end in (other.here, other.there)):
            self.addCleanup(end.close)
        self.assertEqual(self.far([one, self.send, two], b"hello"), (3, 0))
        self.assertEqual([other.take() for other in others[:2]], [b"hello"] * 2)
        self.assertEqual(self.speaker.hears(self.went()), b"hello")
        others[2].leave(0)
        self.assertEqual(self.far([self.send, full, self.send], b"again"), (1, 0))
        self.assertEqual(self.speaker.hears(self.went()), b"again")
        self.assertEqual(self.far([one, self.send], bytes(LONGEST + 1)), (1, 0))

    def test_what_is_for_twisted_to_say_is_left_to_who_asked(self) -> None:
        self.assertEqual(self.far([self.send], bytes(LONGEST + 1)), (0, 0))
        self.tls.loseConnection()
        self.went()
        self.assertEqual(self.far([self.send], b"hello"), (0, 0))
        del self.tls._appSendBuffer  # which no Twisted is without
        self.assertRaises(AttributeError, self.far, [self.send], b"hello")
        self.assertRaises(AttributeError, self.send, b"hello")
        self.assertEqual(self.went(), b"")

    def test_it_takes_nothing_else(self) -> None:
        self.assertRaises(TypeError, self.send, "text")
        kind: Any = type(self.send.__self__)  # type: ignore[attr-defined]
        for wrong in ((), (1, 2, 3, 4, (1, 2, 3)), (1, 2, 3, 4, (1, 2, 3, "4"))):
            self.assertRaises(TypeError, kind, *wrong)
        self.assertRaises(TypeError, kind, 1, 2, 3, 4, (1, 1, 1, 1), tls=1)
        self.assertRaises(ValueError, kind, 1, 2, 3, 4, (1, 1, 0, 1))

    def test_a_circle_of_it_is_found_by_the_garbage_collector(self) -> None:
        class Plain(Real):
            way: object

        plain = Plain()
        ends = (plain.here, plain.there)
        plain.way = sending(self.tls, plain)  # type: ignore[arg-type]
        gone = weakref.ref(plain)
        del plain
        self.assertIsNotNone(gone())
        gc.collect()
        self.assertIsNone(gone())
        for end in ends:
            end.close()
