"""One port under attack: what is begun and never ended, sent too fast, or said too late."""

from __future__ import annotations

import re
from typing import Any

from twisted.internet.protocol import Factory
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import SynchronousTestCase
from wsproto.connection import Connection, ConnectionType
from wsproto.events import Ping, TextMessage

from chatnet.server.factory import ACCEPTED, SPARE
from chatnet.test.rig import Client, Rig
from chatnet.web.site import IDLE_SECONDS, TURN_REQUESTS
from chatnet.wires.certificates import Certificates
from chatnet.wires.oneport import HANDSHAKE_SECONDS, HTTP_SECONDS, LINGER_SECONDS
from chatnet.wires.outlet import CLOSE_SECONDS
from chatnet.wires.websocket import TURN_FRAMES

ABOUT = b"GET /about HTTP/1.1\r\nHost: localhost\r\n\r\n"
OPENING = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"  # and 500 bytes more are announced


def answers(client: Client) -> list[bytes]:
    """Return the status of each answer that ``client`` got since this was last asked."""
    heard: bytes = client.transport.value()
    client.transport.clear()
    return re.findall(rb"HTTP/1\.1 (\d+)", heard)


class Listening:
    """What Twisted listens with: in a turn it takes as many as came in the last one that it saw."""

    numberAccepts = 100  # noqa: N815 -- Twisted's name


class CrowdTests(SynchronousTestCase):
    def test_after_a_quiet_time_many_come_in_one_turn_as_well(self) -> None:
        rig, port = Rig(), Listening()
        rig.factory.ports.append(port)
        for came in (1, 30, 1):
            for _ in range(came):
                rig.connects()
            port.numberAccepts = came  # Twisted's idea
            rig.settle()
            self.assertEqual(port.numberAccepts, ACCEPTED)


class SlownessTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()

    def says(self, *pieces: bytes) -> Client:
        client = self.rig.connects()
        for piece in pieces:
            client.door.dataReceived(piece)
        return client

    def test_a_handshake_that_does_not_go_on_is_cut(self) -> None:
        certificates = Certificates.in_memory()
        self.rig.factory._tls = TLSMemoryBIOFactory(certificates, False, Factory(), self.rig.clock)
        clients = [self.says(HELLO), self.says(*(bytes((byte,)) for byte in HELLO))]
        self.rig.clock.advance(HANDSHAKE_SECONDS - 1)
        for client in clients:
            client.door.dataReceived(b"\x00")  # however little comes meanwhile
        self.assertEqual([client.transport.aborted for client in clients], [False, False])
        self.rig.clock.advance(1)
        self.assertEqual([client.transport.aborted for client in clients], [True, True])

    def test_half_a_word_of_http_is_cut(self) -> None:
        client = self.says(b"G", b"E")
        self.rig.clock.advance(HANDSHAKE_SECONDS - 1)
        self.assertFalse(client.transport.aborted)
        self.rig.clock.advance(1)
        self.assertTrue(client.transport.aborted)
        self.assertEqual(client.transport.value(), b"")

    def test_many_requests_in_one_chunk_take_many_turns_and_all_are_answered(self) -> None:
        client = self.says(ABOUT * 10)
        self.assertEqual(len(answers(client)), TURN_REQUESTS)  # in the turn in which they came
        self.rig.settle()
        self.assertEqual(len(answers(client)), 10 - TURN_REQUESTS)

    def test_who_goes_while_its_requests_wait_for_their_turn_leaves_nothing(self) -> None:
        client = self.says(ABOUT * 10)
        client.hangs_up()
        self.rig.clock.advance(HTTP_SECONDS)
        self.assertEqual(len(answers(client)), TURN_REQUESTS)

    def test_half_a_request_is_closed(self) -> None:
        client = self.says(b"GET / HTTP/1.1\r\nHo")
        self.rig.clock.advance(IDLE_SECONDS)
        self.assertTrue(client.transport.disconnecting)

    def test_a_head_with_too_long_a_line_is_refused_in_words_and_read_no_further(self) -> None:
        for first in (b"GET /", b"GET / HTTP/1.1\r\nCookie: "):
            client = self.says(first, b"x" * 17_000, b"x" * 17_000, b"\r\n\r\n", ABOUT)
            self.assertEqual(client.transport.value().count(b"too long: 16,384 bytes"), 1)
            self.assertEqual(answers(client), [b"431"])
            self.assertTrue(client.transport.disconnecting)

    def test_one_byte_now_and_then_gains_no_more_than_a_bounded_time(self) -> None:
        slow = self.says(b"GET / HTTP/1.1\r\nHost: ")
        polite = self.says()
        for _ in range(int(HTTP_SECONDS // 10)):
            self.assertFalse(slow.transport.disconnecting or polite.transport.disconnecting)
            slow.door.dataReceived(b"x")
            polite.door.dataReceived(ABOUT)
            self.rig.clock.advance(10)
        self.assertTrue(slow.transport.aborted)
        self.assertTrue(polite.transport.aborted)
        self.assertEqual(answers(polite), [b"200"] * 12)

    def test_who_is_one_too_many_is_cut_whether_it_hangs_up_or_not(self) -> None:
        rig = Rig(max_clients=1)
        clients = [rig.connects() for _ in range(1 + SPARE + 10)]
        rig.clock.advance(0)
        for client in clients[1 + SPARE :]:
            self.assertIn("full", client.hears()[0])
        rig.clock.advance(LINGER_SECONDS)
        self.assertTrue(all(client.transport.aborted for client in clients[1 + SPARE :]))
        self.assertFalse(any(client.transport.aborted for client in clients[: 1 + SPARE]))

    def test_who_was_told_to_go_cannot_begin_anew_in_json(self) -> None:
        rig = Rig(password="sesame")
        client = rig.arrives()
        rig.clock.advance(rig.settings.password_seconds)
        self.assertIn("in time", client.hears()[-1])
        before = client.session
        client.sends("hello")
        self.assertEqual((client.hears(), client.session), ([], before))
        rig.clock.advance(CLOSE_SECONDS)
        self.assertTrue(client.transport.aborted)


class HasteTests(SynchronousTestCase):
    """A lot at once: others get their turn, and nothing is kept that nobody reads."""

    def setUp(self) -> None:
        self.rig = Rig()
        self.client = self.rig.connects()
        self.frames = Connection(ConnectionType.CLIENT)

    def opens(self, rest: bytes = b"") -> None:
        self.client.door.dataReceived(OPENING + rest)
        self.rig.settle()

    def hears(self) -> list[Any]:
        self.frames.receive_data(self.client.transport.value().rpartition(b"\r\n\r\n")[2])
        self.client.transport.clear()
        return list(self.frames.events())

    def test_requests_wait_while_the_answers_to_those_before_are_not_read(self) -> None:
        self.client.door.dataReceived(ABOUT)
        transport: Any = self.client.transport
        transport.producer.pauseProducing()
        self.client.door.dataReceived(ABOUT * 1000)
        self.assertEqual(answers(self.client), [b"200"])
        transport.producer.resumeProducing()
        self.rig.settle()
        self.assertEqual(answers(self.client), [b"200"] * 1000)

    def test_requests_that_wait_stay_bounded_however_they_come(self) -> None:
        transport: Any = self.client.transport
        write, sent = transport.write, 0

        def fills(data: bytes) -> None:
            nonlocal sent
            write(data)
            sent += len(data)
            if sent > 65536:  # as a real one does
                transport.producer.pauseProducing()

        transport.write = fills
        page = b"GET /page/main.js HTTP/1.1\r\nHost: x\r\n\r\n"
        self.client.door.dataReceived(page * 1000)
        self.assertLess(sent, 2 * 65536)
        heard = 0
        for _ in range(1000):
            heard += len(answers(self.client))
            sent = 0
            transport.producer.resumeProducing()
            self.rig.settle()
        self.assertEqual(heard, 1000)

    def test_frames_that_say_nothing_leave_the_others_their_turn(self) -> None:
        self.opens()
        self.hears()
        pings = self.frames.send(Ping(b"x")) * (3 * TURN_FRAMES)
        self.client.door.dataReceived(pings)
        self.assertEqual(len(self.hears()), TURN_FRAMES)
        self.rig.settle()
        self.assertEqual(len(self.hears()), 2 * TURN_FRAMES)

    def test_frames_behind_the_opening_are_heard(self) -> None:
        ping = self.frames.send(TextMessage('{"do":"ping"}'))
        self.opens(ping + ping[:4])
        self.assertIn(b'{"reply":"pong"}', self.client.transport.value())
        self.client.transport.clear()
        self.client.door.dataReceived(ping[4:])
        self.rig.settle()
        self.assertEqual([event.data for event in self.hears()], ['{"reply":"pong"}'])

    def test_what_was_not_heard_before_the_connection_was_lost_is_not_heard_after(self) -> None:
        self.opens()
        say = self.frames.send(TextMessage('{"do":"ping"}')) * 2000
        join = self.frames.send(TextMessage('{"do":"join","room":"tea"}'))
        self.client.door.dataReceived(say + join)
        self.client.hangs_up()
        self.rig.settle()
        self.assertNotIn("tea", self.rig.network.audiences)
