"""The WebSocket wire: messages in any pieces, limits while they arrive, frames made once."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage
from wsproto.frame_protocol import FrameProtocol, Opcode

from chatnet.dialects.framed import Framed, frame, framed
from chatnet.dialects.jsonl import JsonDialect
from chatnet.test.properties import given, settings, st
from chatnet.test.rig import Client, Rig, Wire
from chatnet.test.test_lines import Listener
from chatnet.wires.outlet import CLOSE_SECONDS
from chatnet.wires.websocket import WebSocketWire

PING_SECONDS, SILENT_SECONDS = 45.0, 120.0  # unless set


class Peer:
    """The other side of a wire, as a library has it that is not ours."""

    def __init__(self, longest: int = 0, hold_after: set[int] | None = None) -> None:
        self.clock, self.transport = Clock(), Wire()
        self.wire = WebSocketWire(self.clock, Connection(ConnectionType.SERVER), longest)
        self.session = Listener(self.wire, hold_after or set())
        self.wire.session = self.session
        self.frames = Connection(ConnectionType.CLIENT)
        self.wire.makeConnection(self.transport)

    def says(self, *events: Event) -> None:
        self.wire.dataReceived(b"".join(map(self.frames.send, events)))

    def hears(self) -> list[Event]:
        self.frames.receive_data(self.transport.value())
        self.transport.clear()
        return list(self.frames.events())


def text(data: str, finished: bool = True) -> TextMessage:
    return TextMessage(data=data, message_finished=finished)


def _raw(opcode: Opcode, payload: bytes, finished: bool = True) -> bytes:
    return bytes(FrameProtocol(True, [])._serialize_frame(opcode, payload, finished))


class MessageTests(SynchronousTestCase):
    def test_a_message_is_a_unit(self) -> None:
        peer = Peer()
        peer.says(text("one"), text(""), text("two\nthree"))
        self.assertEqual(peer.session.units, [b"one", b"", b"two\nthree"])

    @settings(deadline=None, derandomize=True, max_examples=60)
    @given(
        st.lists(st.lists(st.text(max_size=40), min_size=1, max_size=4), max_size=5),
        st.lists(st.integers(1, 9)),
        st.sets(st.integers(1, 6)),
    )
    def test_fragments_cut_and_held_anywhere_give_the_same_units(
        self, messages: list[list[str]], cuts: list[int], holds: set[int]
    ) -> None:
        peer = Peer(hold_after=holds)
        stream = b"".join(
            peer.frames.send(event)
            for message in messages
            for at, part in enumerate(message, 1)
            for event in (text(part, at == len(message)), Ping())
        )
        for cut in [*cuts, len(stream)]:
            if stream[:cut]:
                peer.wire.dataReceived(stream[:cut])
            peer.wire.release("test")
            stream = stream[cut:]
        while peer.wire._gate.shut:
            peer.wire.release("test")
        self.assertEqual(peer.session.units, ["".join(m).encode() for m in messages])

    def test_what_is_too_long_is_dropped_while_it_arrives_and_told_once(self) -> None:
        peer = Peer(longest=10)
        peer.says(text("x" * 11), text("y" * 6, False), text("y" * 5, False))
        self.assertEqual((peer.session.over, len(peer.wire._message)), (2, 0))
        for _ in range(1000):
            peer.says(text("y" * 100, False))
        self.assertEqual((peer.session.over, len(peer.wire._message)), (2, 0))
        peer.says(text("end"), text("é" * 5), text("é" * 6), text("z" * 10))
        self.assertEqual(peer.session.units, ["é".encode() * 5, b"z" * 10])
        self.assertEqual(peer.session.over, 3)

    def test_many_small_fragments_take_no_more_than_their_bytes(self) -> None:
        peer = Peer(longest=10_000)
        peer.says(*[text("", False) for _ in range(1000)])
        peer.says(*[text("x", False) for _ in range(9999)])
        self.assertEqual(peer.wire._message, b"")  # the empty ones were enough for one turn
        peer.clock.advance(0)
        self.assertEqual(bytes(peer.wire._message), b"x" * 9999)
        peer.says(text("x"))
        self.assertEqual(peer.session.units, [b"x" * 10_000])

    def test_a_frame_that_claims_to_be_endless_is_refused_at_once(self) -> None:
        peer = Peer(longest=10)
        peer.wire.dataReceived(b"\x81\xff" + (2**62).to_bytes(8) + b"mask" + b"z" * 100)
        self.assertEqual((peer.session.over, peer.session.units), (1, []))

    def test_pings_are_answered_also_amid_a_message(self) -> None:
        peer = Peer()
        peer.says(text("he", False), Ping(b"?"), text("llo"))
        self.assertEqual(peer.hears(), [Pong(b"?")])
        self.assertEqual(peer.session.units, [b"hello"])

    def test_while_it_is_held_nothing_is_taken_and_nothing_is_lost(self) -> None:
        peer = Peer(hold_after={1})
        peer.says(text("one"), text("two"))
        self.assertEqual((peer.session.units, peer.transport.producerState), ([b"one"], "paused"))
        peer.wire.release("test")
        self.assertEqual(peer.session.units, [b"one", b"two"])
        self.assertEqual(peer.transport.producerState, "producing")


class ClosingTests(SynchronousTestCase):
    def closes(self, peer: Peer, code: int) -> None:
        [closed] = peer.hears()
        assert isinstance(closed, CloseConnection), closed
        self.assertEqual(closed.code, code)

    def test_what_is_no_frame_is_told_by_its_code(self) -> None:
        hostile = {
            b"\x81\x03abc": 1002,  # not masked
            b"\xc1\x80mask": 1002,  # a reserved bit
            b"\x83\x80mask": 1002,  # a reserved opcode
            b"\x80\x80mask": 1002,  # goes on with nothing
            b"\x89\xfe\x00\x7e" + b"mask" + b"z" * 126: 1002,  # a ping too long
            _raw(Opcode.TEXT, b"\xff\xfe"): 1007,
        }
        for data, code in hostile.items():
            peer = Peer()
            peer.wire.dataReceived(data)
            self.closes(peer, code)
            self.assertTrue(peer.transport.disconnecting)
            peer.wire.dataReceived(data)
            self.assertEqual((peer.session.units, peer.transport.value()), ([], b""))
            peer.clock.advance(CLOSE_SECONDS)
            self.assertTrue(peer.transport.aborted)

    def test_half_a_character_at_the_end_of_a_fragment_is_none_yet(self) -> None:
        peer = Peer()
        peer.wire.dataReceived(_raw(Opcode.TEXT, b"\xc3", False))
        peer.wire.dataReceived(_raw(Opcode.CONTINUATION, b"\xa9"))
        self.assertEqual(peer.session.units, ["é".encode()])
        peer.wire.dataReceived(_raw(Opcode.TEXT, b"\xc3"))
        self.closes(peer, 1007)

    def test_bytes_are_not_understood(self) -> None:
        peer = Peer()
        peer.says(BytesMessage(data=b"\x00"))
        self.closes(peer, 1003)

    def test_the_other_side_closes(self) -> None:
        peer = Peer()
        peer.says(text("last"), CloseConnection(1001))
        self.closes(peer, 1001)
        self.assertTrue(peer.transport.disconnecting)
        peer.wire.connectionLost()
        self.assertEqual((peer.session.units, peer.clock.getDelayedCalls()), ([b"last"], []))

    def test_this_side_closes_and_waits_for_the_other_but_not_for_long(self) -> None:
        for answers in (True, False):
            peer = Peer()
            peer.wire.hold("leaving")
            peer.wire.close()
            [closed] = peer.hears()
            assert isinstance(closed, CloseConnection)
            self.assertFalse(peer.transport.disconnecting)
            if answers:
                peer.says(closed.response())
                self.assertTrue(peer.transport.disconnecting)
            else:
                peer.wire.dataReceived(b"\x89\x80mask")
                peer.clock.advance(CLOSE_SECONDS)
                self.assertTrue(peer.transport.aborted)
            peer.wire.connectionLost()
            self.assertEqual(peer.clock.getDelayedCalls(), [])

    def test_what_is_said_while_it_closes_is_not_heard(self) -> None:
        peer = Peer()
        peer.wire.close()
        peer.says(text("too late"))
        self.assertEqual(peer.session.units, [])

    def test_a_sign_of_life_is_asked_for_and_who_gives_none_is_cut(self) -> None:
        peer = Peer()
        peer.clock.advance(PING_SECONDS)
        self.assertEqual(peer.hears(), [Ping(b"")])
        peer.says(Pong())
        peer.clock.pump([PING_SECONDS] * 2)
        self.assertEqual(len(peer.hears()), 2)
        self.assertFalse(peer.transport.aborted)
        peer.clock.pump([PING_SECONDS] * (int(SILENT_SECONDS // PING_SECONDS) - 1))
        self.assertTrue(peer.transport.aborted)

    def test_who_is_not_listened_to_cannot_give_one(self) -> None:
        peer = Peer()
        peer.wire.hold("full")
        peer.clock.pump([PING_SECONDS] * 10)
        self.assertEqual((peer.hears(), peer.transport.aborted), ([], False))


class FramingTests(SynchronousTestCase):
    @given(st.integers(0, 70_000))
    def test_a_library_reads_our_frames(self, size: int) -> None:
        for length in (size, 125, 126, 65_535, 65_536):
            peer = Connection(ConnectionType.CLIENT)
            peer.receive_data(frame(b"x" * length))
            heard = list(peer.events())
            self.assertEqual("".join(str(e.data) for e in heard), "x" * length)  # type: ignore[attr-defined]

    def test_all_who_read_alike_share_one_style(self) -> None:
        one, two = Framed(JsonDialect()), Framed(JsonDialect())
        self.assertIs(one.style, two.style)
        self.assertIs(one.style, framed(JsonDialect.style))


class Browser:
    """Someone who came through HTTP."""

    def __init__(self, rig: Rig, path: str = "/ws", address: str = "192.0.2.1", **how: str) -> None:
        self.rig = rig
        self.client: Client = rig.connects(address)
        self.frames = Connection(ConnectionType.CLIENT)
        headers = {
            "Host": "chat.example",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        } | {name.replace("_", "-"): value for name, value in how.items()}
        lines = [f"GET {path} HTTP/1.1", *[f"{k}: {v}" for k, v in headers.items() if v], ""]
        self.client.types(*lines)
        self.status, self.head = 0, ""
        head, _, self._rest = self.client.transport.value().partition(b"\r\n\r\n")
        self.client.transport.clear()
        if head:
            self.head = head.decode()
            self.status = int(self.head.split()[1])

    @property
    def body(self) -> str:
        return str(self._rest, "utf-8", "replace")

    def hears(self) -> list[str]:
        self.frames.receive_data(self._rest + self.client.transport.value())
        self._rest = b""
        self.client.transport.clear()
        messages = [""]
        for event in self.frames.events():
            if isinstance(event, TextMessage):
                messages[-1] += event.data
                messages += [""] if event.message_finished else []
        return messages[:-1]

    def receives(self) -> list[dict[str, Any]]:
        return [json.loads(message) for message in self.hears()]

    def sends(self, do: str, **asked: Any) -> None:
        self.client.door.dataReceived(self.frames.send(text(json.dumps({"do": do} | asked))))
        self.rig.settle()


class OpeningTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()

    def test_json_is_what_is_spoken_if_nothing_else_is_asked_for(self) -> None:
        for protocol in ("", "chatnet.json.v1", "other, chatnet.json.v1"):
            browser = Browser(self.rig, Sec_WebSocket_Protocol=protocol)
            self.assertEqual(browser.status, 101)
            self.assertEqual("sec-websocket-protocol" in browser.head.lower(), bool(protocol))
            [hello] = browser.receives()
            self.assertEqual(hello["reply"], "hello")

    def test_text_is_spoken_as_on_a_terminal(self) -> None:
        browser = Browser(self.rig, "/ws/tea", Sec_WebSocket_Protocol="chatnet.text.v1")
        self.assertIn("chatnet.text.v1", browser.head)
        welcome, entered = browser.hears()
        self.assertIn("Welcome to chatnet!", welcome)
        self.assertIn("Welcome to room tea!", entered)

    def test_what_nobody_speaks_is_refused(self) -> None:
        browser = Browser(self.rig, Sec_WebSocket_Protocol="soap")
        self.assertEqual(browser.status, 400)
        self.assertIn("chatnet.json.v1", browser.body)

    def test_a_room_may_be_named_in_the_address(self) -> None:
        ann = self.rig.member("ann", "Café-Tea")
        ann.types("one", "two")
        for path in (
            "/ws/Caf%C3%A9-Tea?replay=1",
            "/ws?room=caf%C3%A9-tea&replay=1",
            "/ws/CAF%C3%89-tea?since=3",
        ):
            _, entered, *rest = Browser(self.rig, path).receives()
            self.assertEqual(entered["name"], "Café-Tea")
            said = [frame_["body"] for frame_ in rest if frame_.get("event") == "said"]
            self.assertEqual(said, ["two"], path)

    def test_a_room_that_cannot_be_is_told_of_on_the_open_connection(self) -> None:
        hello, error = Browser(self.rig, "/ws/%20").receives()
        self.assertEqual((hello["reply"], error["error"]), ("hello", "bad-name"))

    def test_with_a_server_password_the_room_waits_for_it(self) -> None:
        rig = Rig(password="sesame")
        browser = Browser(rig, "/ws/tea")
        [hello] = browser.receives()
        self.assertTrue(hello["password_needed"])
        browser.sends("password", password="sesame")
        self.assertEqual(
            [f.get("reply", f.get("event")) for f in browser.receives()],
            ["hello", "entered", "joined"],
        )

    def test_bad_addresses_are_refused(self) -> None:
        for path in ("/ws/%ff", "/ws?room=%ff", "/ws/tea?since=x", "/ws/tea?since=-1"):
            self.assertEqual(Browser(self.rig, path).status, 400, path)

    def test_other_sites_pages_may_not_open_one(self) -> None:
        rig = Rig(origins=("https://friend.example",))
        for origin, host, status in (
            ("http://chat.example", "chat.example", 101),
            ("https://chat.example:8888", "chat.example:8888", 101),
            ("https://friend.example", "chat.example", 101),
            ("", "chat.example", 101),  # no browser
            ("http://evil.example", "chat.example", 403),
            ("https://friend.example.evil.example", "chat.example", 403),
            ("http://chat.example:81", "chat.example", 403),
            ("null", "chat.example", 403),
            ("file://", "chat.example", 403),
            ("http://user@chat.example", "chat.example", 403),
            ("http://chat.example", "", 403),
        ):
            browser = Browser(rig, Origin=origin, Host=host)
            self.assertEqual(browser.status, status, (origin, host, browser.body))

    def test_a_foreign_name_for_this_machine_opens_nothing(self) -> None:
        for host, proxy, status in (
            ("localhost:8888", "", 101),
            ("127.0.0.1:8888", "", 101),
            ("[::1]:8888", "", 101),
            ("evil.example:8888", "", 403),
            ("127.evil.example", "", 403),
            ("chat.example", "192.0.2.9", 101),
        ):
            browser = Browser(
                self.rig,
                address="127.0.0.1",
                Origin=f"http://{host}",
                Host=host,
                X_Forwarded_For=proxy,
            )
            self.assertEqual(browser.status, status, (host, browser.body))

    def test_what_is_no_websocket_is_told_what_is_spoken_here(self) -> None:
        for how in (
            {"Upgrade": ""}, {"Sec_WebSocket_Version": "12"}, {"Sec_WebSocket_Key": ""},
            {"Connection": "close"},
        ):  # fmt: skip
            browser = Browser(self.rig, **how)
            self.assertEqual(browser.status, 426, how)
            self.assertIn("WebSocket", browser.body)

    def test_all_doors_lead_to_the_same_room_in_the_same_order(self) -> None:
        nc = self.rig.member("ann")
        lines = self.rig.program("bot")
        lines.sends("join", room="tea")
        socket = Browser(self.rig, "/ws/tea")
        self.rig.settle()
        for client in (nc, lines):
            client.hears()
        socket.receives()
        nc.types("from nc")
        lines.sends("say", room="tea", body="from lines")
        socket.sends("say", room="tea", body="from the web")
        mine = ["from nc", "from lines", "from the web"]
        by_socket = [f["body"] for f in socket.receives()]
        by_lines = [f["body"] for f in lines.receives() if f.get("event") == "said"]
        self.assertEqual((by_socket, by_lines), (mine, mine))
        self.assertEqual([line.partition(": ")[2] for line in nc.hears()], mine[1:])

    def test_the_limit_of_messages_holds_here_as_well(self) -> None:
        rig = Rig(max_message=100)
        socket = Browser(rig, "/ws/tea")
        socket.receives()
        socket.sends("say", room="tea", body="x" * 10_000)
        socket.sends("say", room="tea", body="x" * 101)
        socket.sends("ping")
        first, second, pong = socket.receives()
        self.assertEqual((first["error"], second["error"]), ("too-long", "too-long"))
        self.assertEqual(pong["reply"], "pong")
