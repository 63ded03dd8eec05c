"""WebSocket, with a library that is not ours and with frames that no library would send."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress as ignoring  # trial reads a module's "suppress"
from typing import Any
from urllib.parse import quote

from twisted.internet.defer import gatherResults
from twisted.internet.threads import deferToThread
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from tests.harness import LiveTestCase, Server, said
from tests.sockets import (
    BINARY,
    CLOSE,
    FINAL,
    MIB,
    PING,
    PONG,
    SECONDS,
    TEXT,
    Frames,
    Peer,
    answer,
    fragments,
    frame,
    opening,
    read_late,
    resident,
)

JSON_V1, TEXT_V1 = Subprotocol("chatnet.json.v1"), Subprotocol("chatnet.text.v1")


def opens(server: Server, target: str = "/ws", **how: Any) -> Any:
    """Return a WebSocket of the library's."""
    return connect(f"ws://127.0.0.1:{server.port}{target}", proxy=None, max_size=None, **how)


def objects(wire: Any) -> Iterator[dict[str, Any]]:
    while True:
        yield json.loads(wire.recv(SECONDS))


def hears(wire: Any, key: str, value: Any) -> dict[str, Any]:
    """Return the next message with this value."""
    return next(told for told in objects(wire) if told.get(key) == value)


def tells(wire: Any, do: str, **fields: Any) -> None:
    wire.send(json.dumps({"do": do} | fields))


def spoken(lines: Iterable[str]) -> list[str]:
    """Return what the speakers of a test said."""
    return [line for line in lines if re.match(r"w-\w+: ", line)]


class LibraryTests(LiveTestCase):
    async def test_the_room_may_stand_in_the_address(self) -> None:
        server = await self.serves()

        def work() -> None:
            for room in ("tea", "Grüße", "東京", "a-b", "x" * 20):
                for target in (f"/ws/{quote(room)}", f"/ws?room={quote(room)}"):
                    with opens(server, target) as wire:
                        self.assertEqual(next(objects(wire))["reply"], "hello")
                        told = hears(wire, "reply", "entered")
                        self.assertEqual((told["name"], told["room"]), (room, room.casefold()))
                        self.assertNotIn("cid", told)
            for room in ("a b", "a/b", "\x1b[2J\r\nX: y", "@ann", "*", "x" * 500):
                with opens(server, f"/ws/{quote(room, safe='')}") as wire:
                    self.assertIn("error", [told := next(objects(wire)), next(objects(wire))][1])
                    self.assertEqual(told["reply"], "hello")

        await deferToThread(work)
        self.assertNotIn(b"\x1b", server.log)

    async def test_since_and_replay(self) -> None:
        server = await self.serves("--replay", "5")

        def past(target: str) -> list[str]:
            bodies: list[str] = []
            with opens(server, target) as wire:
                entered = hears(wire, "reply", "entered")
                if entered["since"] < entered["seq"]:
                    while (told := next(objects(wire))).get("reply") != "caughtup":
                        bodies += [told["body"]] if told.get("event") == "said" else []
            return bodies

        def work() -> None:
            with opens(server, "/ws/tea") as wire:
                for number in range(10):
                    tells(wire, "say", room="tea", body=str(number), cid=f"c{number}")
                places = [hears(wire, "ok", f"c{number}")["seq"] for number in range(10)]
                self.assertEqual(past("/ws/tea"), list("56789"))
                self.assertEqual(past("/ws/tea?replay=2"), list("89"))
                self.assertEqual(past("/ws/tea?replay=-1"), list("0123456789"))
                self.assertEqual(past("/ws/tea?replay=0"), [])
                self.assertEqual(past(f"/ws/tea?since={places[6]}"), list("789"))
                self.assertEqual(past(f"/ws?since={places[6]}&room=tea"), list("789"))
            for bad in ("since=x", "since=-1", "replay=1e3", "replay=-2", "since=" + "9" * 30):
                with self.assertRaises(InvalidStatus) as caught:
                    opens(server, f"/ws/tea?{bad}")
                self.assertEqual(caught.exception.response.status_code, 400)

        await deferToThread(work)

    async def test_subprotocols(self) -> None:
        server = await self.serves()

        def work() -> None:
            other = Subprotocol("other.v1")
            for offered, chosen in (
                (None, None),
                ([JSON_V1], JSON_V1),
                ([TEXT_V1], TEXT_V1),
                ([other, TEXT_V1, JSON_V1], TEXT_V1),
            ):
                with opens(server, "/ws/tea", subprotocols=offered) as wire:
                    self.assertEqual(wire.subprotocol, chosen)
                    first = wire.recv(SECONDS)
                    if chosen == TEXT_V1:
                        self.assertRegex(first, "^Welcome to chatnet! You are guest-")
                        wire.send("/who\r\n")
                        while not wire.recv(SECONDS).startswith("In tea (1): "):
                            pass
                    else:
                        self.assertEqual(json.loads(first)["reply"], "hello")
            with self.assertRaises(InvalidStatus) as caught:
                opens(server, subprotocols=[other])
            self.assertEqual(caught.exception.response.status_code, 400)

        await deferToThread(work)

    async def test_whose_pages_may_come(self) -> None:
        server = await self.serves("--origin", "https://chat.example.org")
        here = f"127.0.0.1:{server.port}"

        def tries(origin: str | None, host: str = here) -> int:
            peer = Peer(server.port)
            headers = {"Host": host} | ({} if origin is None else {"Origin": origin})
            peer.says(opening(headers=headers))
            status = int(peer.until(b"\r\n").split()[1])
            peer.closes()
            return status

        def work() -> None:
            with opens(server, origin=Origin(f"http://{here}")) as wire:
                self.assertEqual(next(objects(wire))["reply"], "hello")
            with self.assertRaises(InvalidStatus) as caught:
                opens(server, origin=Origin("http://evil.example"))
            self.assertEqual(caught.exception.response.status_code, 403)
            local = f"localhost:{server.port}"
            for origin, host in (
                (None, here), (None, "evil.example"), (f"http://{local}", local),
                ("https://chat.example.org", here), ("HTTPS://CHAT.example.org", here),
                ("http://[::1]:1", "[::1]:1"), ("http://127.1.2.3", "127.1.2.3"),
            ):  # fmt: skip
                self.assertEqual((origin, host, tries(origin, host)), (origin, host, 101))
            for origin, host in (
                ("http://evil.example", here), ("null", here), (f"http://{here}.evil", here),
                ("http://localhost", here), ("http://127.0.0.1:1", here), ("evil", here),
                (f"http://x@{here}", here), (f"file://{here}x", here), ("http://[", "["),
                # the other site's name leads to this machine
                ("http://evil.example", "evil.example"), ("http://127.evil", "127.evil"),
                ("http://127.0.0.1.evil:1", "127.0.0.1.evil:1"),
                ("http://", ""), ("https://chat.example.org.evil", "chat.example.org.evil"),
            ):  # fmt: skip
                self.assertEqual((origin, host, tries(origin, host)), (origin, host, 403))

        await deferToThread(work)

    async def test_both_sides_may_close(self) -> None:
        server = await self.serves()

        def work() -> None:
            for code in (1000, 1001, 3000, 4999):
                wire = opens(server, "/ws/tea")
                hears(wire, "reply", "entered")
                wire.close(code, "enough")
                self.assertEqual((wire.close_code, wire.protocol.close_rcvd.code), (code, code))
            wire = opens(server, "/ws/tea")
            tells(wire, "quit")
            self.assertEqual(hears(wire, "reply", "bye")["code"], "quit")
            with self.assertRaises(ConnectionClosed):
                wire.recv(SECONDS)
            self.assertEqual(wire.close_code, 1000)

        await deferToThread(work)

    async def test_the_library_pings_and_is_answered(self) -> None:
        server = await self.serves()

        def work() -> None:
            with opens(server) as wire:
                for payload in (b"", b"x" * 125):
                    self.assertTrue(wire.ping(payload).wait(SECONDS))

        await deferToThread(work)

    async def test_all_who_read_see_the_same_in_the_same_order(self) -> None:
        server = await self.serves("--replay", "0")
        ann = await self.joins(server, "ann")
        bob = await self.observes(server, "bob", replay=0)
        await ann.answered()

        def listens(wire: Any) -> list[str]:
            heard: list[str] = []
            while len(heard) < 1000:
                message = wire.recv(SECONDS)
                if wire.subprotocol == TEXT_V1:
                    heard += spoken(message.split("\r\n"))
                else:
                    heard += said([json.loads(message)])
            wire.close()
            return heard

        def enters(protocol: Subprotocol, room: str) -> Any:
            wire = opens(server, room, subprotocols=[protocol])
            end = "Current users" if protocol == TEXT_V1 else '"entered"'
            while end not in wire.recv(SECONDS):
                pass
            return wire

        def talks(wire: Any, name: str) -> None:
            for number in range(500):
                tells(wire, "say", room="tea", body=f"{number} from {name}")

        wires = [await deferToThread(enters, kind, "/ws/tea") for kind in (JSON_V1, TEXT_V1) * 2]
        speakers = []
        for name in ("w-one", "w-two"):
            wire = await deferToThread(opens, server)
            tells(wire, "nick", name=name)
            tells(wire, "join", room="tea", replay=0)
            await deferToThread(hears, wire, "reply", "entered")
            speakers.append((wire, name))
        listening = [deferToThread(listens, wire) for wire in wires]
        listening += [deferToThread(listens, wire) for wire, _ in speakers]
        await gatherResults([deferToThread(talks, *one) for one in speakers])
        heard = await gatherResults(listening)
        lines = spoken(await ann.answered())
        objects = said(await bob.receives())
        for other in (*heard, objects):
            self.assertEqual(other, lines)
        self.assertEqual(len(lines), 1000)


class FrameTests(LiveTestCase):
    """What comes is no good, or too much."""

    async def test_what_is_not_understood_is_told_by_its_code(self) -> None:
        server = await self.serves()
        ping = b'{"do":"ping"}'
        bad = (
            (frame(ping, mask=False), 1002),
            (frame(ping, first=FINAL | 0x40), 1002),
            (frame(ping, first=FINAL | 0x20), 1002),
            (frame(ping, first=FINAL | 0x10), 1002),
            (frame(ping, 3), 1002),
            (frame(ping, 11), 1002),
            (frame(ping, 0), 1002),
            (frame(ping, TEXT, 0) + frame(ping), 1002),
            (frame(b"x", PING, 0), 1002),
            (frame(b"x" * 126, PING), 1002),
            (b"\x81\xfe\x00\x05\x00\x00\x00\x00hello", 1002),  # a size longer than it need be
            (b"\x81\xff" + b"\xff" * 8 + bytes(4), 1002),
            (frame(b"x", CLOSE), 1002),
            (frame((1005).to_bytes(2), CLOSE), 1002),
            (frame((999).to_bytes(2), CLOSE), 1002),
            (frame((1000).to_bytes(2) + b"\xff", CLOSE), 1007),
            (frame(b"\xff"), 1007),
            (frame(b"\xed\xa0\x80"), 1007),
            (frame(b"\xe2\x82", TEXT, 0) + frame(b"x", 0), 1007),
            (frame(b"\xe2\x82"), 1007),
            (frame(b"{}", BINARY), 1003),
            (frame(b"", BINARY, 0), 1003),
        )

        def work() -> None:
            for data, code in bad:
                for piece in (0, 1):
                    frames = Frames(server.port)
                    next(frames.objects())
                    frames.says(data, piece)
                    self.assertEqual((data, frames.closed()), (data, code))

        await deferToThread(work)
        good = await self.joins(server, "ann")
        self.assertEqual(await good.answered(), [])

    async def test_a_close_is_answered_as_it_came(self) -> None:
        server = await self.serves()

        def work() -> None:
            for payload in (b"", (1000).to_bytes(2), (4321).to_bytes(2) + "grüße".encode()):
                frames = Frames(server.port)
                next(frames.objects())
                began = time.monotonic()
                frames.says(frame(payload, CLOSE) + frame(b'{"do":"nick","name":"late"}'))
                opcode, echoed = frames.next()
                self.assertEqual((opcode, echoed[:2]), (CLOSE, payload[:2]))
                frames.ends()
                self.assertLess(time.monotonic() - began, 1)

        await deferToThread(work)
        self.assertNotIn(b"late", server.log)

    async def test_messages_may_come_in_pieces_with_pings_between(self) -> None:
        server = await self.serves()

        def work() -> None:
            frames = Frames(server.port, "/ws/tea")
            frames.hears("reply", "entered")
            body = "Grüße \U0001f44b"
            words = json.dumps({"do": "say", "room": "tea", "body": body}, ensure_ascii=False)
            data = words.encode()
            for piece in (0, 1):
                pieces = [frame(b"", TEXT, 0)]
                for place in range(len(data)):
                    pieces += [frame(data[place : place + 1], 0, 0), frame(b"%d" % place, PING)]
                frames.says(b"".join(pieces) + frame(b"", 0), piece)
                for place in range(len(data)):
                    while (told := frames.next())[0] == TEXT:
                        self.assertNotIn(b"said", told[1])
                    self.assertEqual(told, (PONG, b"%d" % place))
                self.assertEqual(frames.hears("event", "said")["body"], body)
            frames.closes()

        await deferToThread(work)

    async def test_frames_may_come_right_behind_the_opening(self) -> None:
        server = await self.serves()

        def work() -> None:
            for piece in (0, 1):
                peer = Peer(server.port, tls=bool(piece))
                peer.says(opening() + frame(b'{"do":"ping"}') * 3, piece)
                peer.until(b'{"reply":"pong"}')
                peer.until(b'{"reply":"pong"}')
                peer.until(b'{"reply":"pong"}')
                peer.closes()

        await deferToThread(work)

    async def test_what_is_too_long_is_told_and_life_goes_on(self) -> None:
        server = await self.serves("--max-message", "1000000")
        before = resident(server.pid)
        part = b"x" * 65536

        def says(frames: Frames, how: str) -> None:
            if how == "in one frame":
                frames.says(frame(b"", size=1600 * len(part)))
                for _ in range(1600):
                    frames.says(part)
            else:
                frames.says(frame(b"", TEXT, 0))
                for _ in range(1600):
                    frames.says(frame(part, 0, 0))
                frames.says(frame(b"", 0))

        def work() -> None:
            for how in ("in one frame", "in fragments"):
                frames = Frames(server.port, "/ws/tea")
                frames.hears("reply", "entered")
                says(frames, how)
                frames.tells("ping")
                error = next(told for told in frames.objects() if "error" in told)
                self.assertEqual(error["error"], "too-long")
                frames.hears("reply", "pong")
                frames.tells("say", room="tea", body="x" * 1_000_001)
                self.assertEqual(next(frames.objects())["error"], "too-long")
                frames.tells("say", room="tea", body="x" * 1_000_000)
                self.assertEqual(len(frames.hears("event", "said")["body"]), 1_000_000)
                frames.closes()

        await deferToThread(work)
        self.assertLess(resident(server.pid) - before, 40 * MIB)

    async def test_one_byte_at_a_time_is_no_way_around_it(self) -> None:
        server = await self.serves("--max-message", "1000")
        ann, bob = await self.joins(server, "ann"), await self.joins(server, "bob")
        before = resident(server.pid)

        def work() -> None:
            frames = Frames(server.port)
            next(frames.objects())
            frames.says(fragments([b"x"] * 50_000) + fragments([b""] * 50_000))
            frames.tells("ping")
            self.assertEqual(next(frames.objects())["error"], "too-long")
            frames.hears("reply", "pong")
            frames.closes()

        working = deferToThread(work)
        worst = 0.0
        for number in range(50):
            began = time.monotonic()
            ann.types(f"{number}")
            await bob.until(f"ann: {number}")
            worst = max(worst, time.monotonic() - began)
        await working
        self.assertLess(worst, 1.0)  # nobody else waits for it
        self.assertLess(resident(server.pid) - before, 10 * MIB)

    async def test_a_frame_may_claim_anything(self) -> None:
        server = await self.serves()
        before = resident(server.pid)

        def work() -> None:
            frames = Frames(server.port)
            next(frames.objects())
            frames.says(frame(b"", size=1 << 62))
            part = b"x" * MIB
            for _ in range(110):
                frames.says(part)
            self.assertEqual(next(frames.objects())["error"], "too-long")
            frames.closes()

        await deferToThread(work)
        self.assertLess(resident(server.pid) - before, 130 * MIB)  # a message may have 96 MiB here

    async def test_before_the_password_it_is_little(self) -> None:
        server = await self.serves("--password", "sesame")

        def work() -> None:
            frames = Frames(server.port, "/ws/tea")
            self.assertTrue(next(frames.objects())["password_needed"])
            frames.says(frame(b" " * 4097))
            self.assertEqual(next(frames.objects())["error"], "too-long")
            frames.tells("say", room="tea", body="x")
            self.assertEqual(next(frames.objects())["error"], "password-needed")
            frames.tells("password", password="sesame")
            frames.hears("reply", "entered")
            frames.closes()

        await deferToThread(work)

    async def test_pings_that_nobody_reads_the_answers_to(self) -> None:
        server = await self.serves()
        before = resident(server.pid)

        def work() -> Frames:
            frames = Frames(server.port)
            frames.socket.settimeout(0.5)
            with ignoring(TimeoutError):
                for _ in range(100):
                    frames.says(frame(b"x" * 125, PING) * 1000)
            return frames

        frames = await deferToThread(work)
        ann = await self.joins(server, "ann")
        await ann.answered()
        self.assertLess(resident(server.pid) - before, 10 * MIB)
        frames.closes()


class ReaderTests(LiveTestCase):
    async def test_who_does_not_read_costs_little_and_loses_nothing(self) -> None:
        server = await self.serves()
        ann = await self.joins(server, "ann")

        def joins() -> Frames:
            frames = Frames(server.port, "/ws/tea")
            frames.hears("event", "joined")
            return frames

        sam = await deferToThread(joins)
        await read_late(self, server, ann, sam.objects())
        sam.closes()

    async def test_who_comes_again_goes_on_where_it_was(self) -> None:
        server = await self.serves("--replay", "0")
        ann = await self.joins(server, "ann")

        def listens(target: str, count: int) -> tuple[list[str], int]:
            heard: list[str] = []
            seq = 0
            frames = Frames(server.port, target)
            frames.hears("reply", "entered")
            while len(heard) < count:
                told = next(frames.objects())
                seq = told.get("seq", seq)
                heard += [told["body"]] if told.get("event") == "said" else []
            frames.socket.shutdown(2)  # cut, without a word
            frames.closes()
            return heard, seq

        heard: list[str] = []
        listening = deferToThread(listens, "/ws/tea", 10)
        await ann.until("joined the room")
        target = ""
        for start in range(0, 100, 10):
            ann.types(*(str(number) for number in range(start, start + 25)))
            if target:
                listening = deferToThread(listens, target, 10)
            some, seq = await listening
            heard += some
            target = f"/ws/tea?since={seq}"
        everything = [str(n) for start in range(0, 100, 10) for n in range(start, start + 25)]
        self.assertEqual(heard, everything[:100])


class OpeningTests(LiveTestCase):
    async def test_what_is_no_opening_is_told_what_is_spoken_here(self) -> None:
        server = await self.serves()

        def work() -> None:
            for headers, status in (
                ({"Upgrade": "h2c"}, 426),
                ({"Connection": "keep-alive"}, 426),
                ({"Sec-WebSocket-Version": "8"}, 426),
                ({"Sec-WebSocket-Extensions": 'permessage-deflate; x="\\"'}, 101),
            ):
                peer = Peer(server.port)
                peer.says(opening(headers=headers))
                got = answer(peer)
                self.assertEqual((headers, got.status), (headers, status))
                self.assertNotIn("sec-websocket-extensions", got.headers)
                if status == 426:
                    self.assertEqual(got.headers["upgrade"], "websocket")
                peer.closes()
            peer = Peer(server.port)
            peer.says(opening())
            accepted = answer(peer).headers["sec-websocket-accept"]
            self.assertEqual(accepted, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")  # RFC 6455 section 1.3
            peer.closes()

        await deferToThread(work)

    async def test_many_may_come_and_go(self) -> None:
        server = await self.serves()

        def work() -> None:
            for number in range(100):
                peer = Peer(server.port)
                data = opening("/ws/tea") + frame(b'{"do":"say","room":"tea","body":"x"}') * 3
                peer.says(data[: len(data) * number // 99])
                peer.closes()

        await deferToThread(work)
        await server.logged("is gone: ", times=100)
        ann = await self.arrives(server, "ann")
        ann.types("/rooms")
        self.assertTrue(
            re.fullmatch(r"tea \(0 here\)|No rooms.*|Rooms:|There .*", (await ann.answered())[-1])
        )
