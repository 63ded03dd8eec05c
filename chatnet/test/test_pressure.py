"""Those who do not read, who hang up amid something, and who come too late."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence
from typing import Any

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from wsproto.events import CloseConnection

from chatnet.client.stream import MOST_PAST, Stream
from chatnet.core.events import Entry, Said
from chatnet.test.rig import Client, Rig
from chatnet.test.test_websocket import Browser, Peer, text
from chatnet.wires.websocket import TURN_FRAMES

ASKS = b"GET /page/main.js HTTP/1.1\r\nHost: x\r\n\r\n"
FULL = 64 * 1024


def fills(client: Client) -> None:
    """Let the transport of ``client`` be full at 64 KiB, as a real one is, and read nothing."""
    transport: Any = client.transport
    write = transport.write

    def write_and_tell(data: bytes) -> None:
        write(data)
        if len(transport.value()) > FULL and transport.producer is not None:
            transport.producer.pauseProducing()

    transport.write = write_and_tell


class UnreadTests(SynchronousTestCase):
    def test_who_reads_no_pages_is_not_read_either(self) -> None:
        client = Rig().connects()
        fills(client)
        client.door.dataReceived(ASKS * 1000)
        self.assertEqual(client.transport.producerState, "paused")
        self.assertLess(len(client.transport.value()), 3 * FULL)

    def test_nothing_is_written_after_the_farewell_of_a_websocket(self) -> None:
        rig = Rig()
        ann = rig.member("ann")
        ann.types(*[f"{number} {'x' * 300}" for number in range(500)])
        browser = Browser(rig, "/ws/tea")
        browser.receives()
        fills(browser.client)
        asks = browser.frames.send(text('{"do":"history","room":"tea","count":-1}'))
        browser.client.door.dataReceived(asks + browser.frames.send(CloseConnection(1000)))
        rig.settle()
        sent = browser.client.transport.value()
        self.assertTrue(sent.endswith(b"\x88\x02\x03\xe8"), sent[-60:])

    def test_what_was_not_sent_goes_with_the_connection(self) -> None:
        rig = Rig()
        client = rig.arrives()
        gone = weakref.ref(client.transport)
        gc.disable()
        self.addCleanup(gc.enable)
        client.hangs_up()
        rig.settle()
        client.door.transport = None
        del client
        self.assertIsNone(gone())


class ClosingTests(SynchronousTestCase):
    def test_many_frames_take_turns_also_while_it_closes(self) -> None:
        peer = Peer()
        peer.wire.close()
        pings = b"\x89\x80mask" * (3 * TURN_FRAMES)
        peer.wire.dataReceived(pings)
        self.assertEqual(peer.wire._tired, True)
        for _ in range(4):
            peer.clock.advance(0)
        self.assertEqual(peer.wire._tired, False)

    def test_nothing_is_kept_of_what_follows_on_nonsense(self) -> None:
        peer = Peer()
        peer.wire.close()
        peer.wire.dataReceived(b"\x83\x80mask")
        for _ in range(10):
            peer.wire.dataReceived(bytes(FULL))
        self.assertLess(len(peer.frames._proto._frame_decoder.buffer), 100)
        self.assertLess(len(peer.wire._frames._proto._frame_decoder.buffer), 100)


class HangUpTests(SynchronousTestCase):
    """TLS has no half-closed connections: its end is the end of what was said, and of hearing."""

    def setUp(self) -> None:
        self.rig = Rig()
        self.ann = self.rig.member("ann")

    def says(self, *lines: str, why: type[Exception] = ConnectionDone) -> list[str]:
        bob = self.rig.connects()
        bob.asks("/nick bob", "/join tea", *lines)
        bob.door.connectionLost(Failure(why()))
        self.rig.settle()
        return self.ann.hears()

    def test_what_was_said_before_is_heard(self) -> None:
        said = [str(number) for number in range(1000)]
        heard = self.says(*said)
        self.assertEqual(heard[0], "bob has joined the room.")
        self.assertEqual(heard[1:-1], [f"bob: {one}" for one in said])
        self.assertEqual(heard[-1], "bob has disconnected.")
        self.assertEqual(self.rig.factory.sessions.keys(), {self.ann.door.id})
        self.assertIsNone(self.rig.network.people.find("bob"))

    def test_who_said_goodbye_is_heard_no_further(self) -> None:
        heard = self.says("one", "/quit", "two")
        self.assertEqual(heard[1:], ["bob: one", "bob has left the room."])
        self.assertIsNone(self.rig.network.people.find("bob"))

    def test_also_if_the_link_broke(self) -> None:
        self.assertEqual(self.says("one", why=ConnectionLost)[1], "bob: one")
        self.assertIsNone(self.rig.network.people.find("bob"))

    def test_the_server_may_stop_meanwhile(self) -> None:
        bob = self.rig.connects()
        bob.asks("/nick bob", "/join tea", "one")
        session = bob.session
        bob.door.connectionLost(Failure(ConnectionDone()))
        session.part("Server is shutting down.", "shutdown")
        self.rig.settle()
        self.assertTrue(session.ended)
        self.assertIsNone(self.rig.network.people.find("bob"))


class LateTests(SynchronousTestCase):
    def test_who_is_put_out_while_its_history_is_fetched_is_told_so(self) -> None:
        rig = Rig()
        ann, bob = rig.member("ann"), rig.member("bob")
        for start in range(0, 3000, 500):
            ann.types(*[f"m{start + number}" for number in range(500)])
        bob.hears()
        bob.asks("/history 2900")
        rig.clock.advance(0)
        ann.asks("/kick bob")
        for _ in range(5):
            rig.clock.advance(0)
            rig.writer.step()
        rig.settle()
        self.assertIn("You are no longer in tea.", bob.hears())
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_who_hangs_up_while_its_password_waits_is_never_seen(self) -> None:
        rig = Rig(password="sesame")
        watcher = rig.arrives("sesame", "/join tea")
        watcher.hears()
        for number in range(130):
            rig.host.throttle.take("the server", f"198.51.100.{number}")
        browser = Browser(rig, "/ws/tea")
        browser.sends("password", password="sesame")
        browser.client.hangs_up()
        rig.settle()
        rig.clock.advance(10)
        rig.settle()
        self.assertEqual(watcher.hears(), [])


class PilingTests(SynchronousTestCase):
    def test_rooms_that_one_was_in_leave_a_bounded_number_of_entries(self) -> None:
        async def fetch(key: str, after: int, upto: int) -> Sequence[Entry]:
            return []

        stream = Stream(fetch)
        for number in range(100):
            key = f"room{number}"
            stream.begin(key, 0)
            stream.put(Entry(key, 1, 0.0, Said("ann", "hi")))
            stream.end(key)
        self.assertLessEqual(len(stream._feeds) + len(stream._past), MOST_PAST + 1)


class NearTests(SynchronousTestCase):
    def test_a_public_name_for_a_near_address_opens_nothing(self) -> None:
        rig = Rig()
        for address, host, status in (
            ("192.168.1.5", "evil.example:8888", 403),
            ("10.0.0.7", "evil.example", 403),
            ("fd00::1", "evil.example", 403),
            ("192.168.1.5", "192.168.1.9:8888", 101),
            ("192.168.1.5", "pi.local:8888", 101),
            ("192.168.1.5", "chatbox", 101),
            ("203.0.113.5", "chat.example", 101),
        ):
            browser = Browser(rig, address=address, Origin=f"http://{host}", Host=host)
            self.assertEqual(browser.status, status, (address, host, browser.body))

    def test_a_websocket_is_opened_without_a_body(self) -> None:
        client = Rig().connects()
        client.door.dataReceived(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"Content-Length: 5\r\n\r\nhello"
        )
        self.assertIn(b" 400 ", client.transport.value()[:20])

    def test_what_is_not_modified_has_no_length(self) -> None:
        client = Rig().connects()
        client.door.dataReceived(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        head, _, _ = client.transport.value().partition(b"\r\n\r\n")
        tag = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"etag:"))
        client.transport.clear()
        client.door.dataReceived(
            b"GET / HTTP/1.1\r\nHost: x\r\nIf-None-Match: " + tag[5:].strip() + b"\r\n\r\n"
        )
        answer = client.transport.value().lower()
        self.assertIn(b" 304 ", answer[:20])
        self.assertNotIn(b"content-length", answer)
