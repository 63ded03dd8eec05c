"""One port, any client: people, programs, browsers and TLS, side by side."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress as ignoring  # trial reads a module's "suppress"
from itertools import product
from threading import Barrier
from typing import Any

from twisted.internet.defer import gatherResults
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SkipTest
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.harness import NO_LIMITS, LiveTestCase, Server, said
from tests.sockets import (
    MIB,
    SECONDS,
    Answer,
    Frames,
    Peer,
    Program,
    answer,
    fetch,
    opening,
    request,
    resident,
    trusting_nobody_in_particular,
)

TALK = 25  # messages that each one says where all doors are open
GREETED = b"/help helps.\r\n"
STRICT = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
    "server": "chatnet",
}
CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8\xa9\xaa-\xae]")


# -- one way in each ---------------------------------------------------------------


class Door:
    """Someone in a room, however they came; ``hears`` yields who said what."""

    own = True  # it is told its own words as well

    def __init__(self, name: str) -> None:
        self.name = name

    def enters(self) -> None:
        """Be in the room."""

    def says(self, body: str) -> None:
        """Say ``body`` there."""

    def hears(self) -> Iterator[str]:
        """Yield who said what."""
        yield from ()

    def closes(self) -> None:
        """Hang up."""


class TextDoor(Door):
    own = False

    def __init__(self, name: str, wire: Peer | Program) -> None:
        super().__init__(name)
        self.wire = wire
        self.lines = wire.lines()

    def enters(self) -> None:
        self.wire.says(f"/nick {self.name}\r\n/join tea\r\n".encode())
        next(line for line in self.lines if line.startswith("Current users:"))

    def says(self, body: str) -> None:
        self.wire.says(f"{body}\r\n".encode())

    def hears(self) -> Iterator[str]:
        yield from (line for line in self.lines if re.match(r"door-\d+: ", line))

    def closes(self) -> None:
        self.wire.closes()


class ClientDoor(TextDoor):
    """``python -m chatnet.client`` at a pipe: every line is a message."""

    own = False

    def enters(self) -> None:
        """It does so by itself."""


class JsonDoor(Door):
    def __init__(self, name: str, wire: Peer) -> None:
        super().__init__(name)
        self.wire = wire
        self.frames = (json.loads(line) for line in wire.lines())

    def enters(self) -> None:
        self.wire.asks("nick", name=self.name)
        self.wire.asks("join", room="tea")
        next(told for told in self.frames if told.get("reply") == "entered")

    def says(self, body: str) -> None:
        self.wire.asks("say", room="tea", body=body)

    def hears(self) -> Iterator[str]:
        for told in self.frames:
            yield from said([told])

    def closes(self) -> None:
        self.wire.closes()


class SocketDoor(Door):
    """A WebSocket, by a library that is not ours."""

    def __init__(self, name: str, url: str, text: bool = False) -> None:
        super().__init__(name)
        self.text, self.own = text, not text
        protocols = [Subprotocol("chatnet.text.v1")] if text else None
        tls = trusting_nobody_in_particular() if url.startswith("wss") else None
        self.wire: Any = connect(url, ssl=tls, subprotocols=protocols, proxy=None)

    def asks(self, do: str, **fields: Any) -> None:
        self.wire.send(json.dumps({"do": do} | fields))

    def told(self) -> Iterator[Any]:
        while True:
            message = self.wire.recv(SECONDS)
            if self.text:
                yield from message.split("\r\n")
            else:
                yield json.loads(message)

    def enters(self) -> None:
        if self.text:
            self.wire.send(f"/nick {self.name}")
            self.wire.send("/join tea")
            next(line for line in self.told() if line.startswith("Current users:"))
        else:
            self.asks("nick", name=self.name)
            self.asks("join", room="tea")
            next(told for told in self.told() if told.get("reply") == "entered")

    def says(self, body: str) -> None:
        if self.text:
            self.wire.send(body)
        else:
            self.asks("say", room="tea", body=body)

    def hears(self) -> Iterator[str]:
        if self.text:
            yield from (line for line in self.told() if re.match(r"door-\d+: ", line))
        else:
            for told in self.told():
                yield from said([told])

    def closes(self) -> None:
        self.wire.close()


class EveryDoorTests(LiveTestCase):
    async def test_they_lead_to_one_room_where_all_see_the_same(self) -> None:
        server = await self.serves("--replay", "0")
        port, at = server.port, f"127.0.0.1:{server.port}"
        makers: list[Callable[[str], Door]] = [
            lambda name: TextDoor(name, Peer(port)),
            lambda name: TextDoor(name, Peer(port, tls=True)),
            lambda name: JsonDoor(name, Peer(port)),
            lambda name: JsonDoor(name, Peer(port, tls=True)),
            lambda name: SocketDoor(name, f"ws://{at}/ws"),
            lambda name: SocketDoor(name, f"wss://{at}/ws", text=True),
            lambda name: ClientDoor(name, self._client(server, name)),
        ]
        nc, openssl = ("nc", "127.0.0.1", str(port)), self._openssl(port)
        if shutil.which("nc"):
            makers.append(lambda name: TextDoor(name, Program(*nc)))
        if shutil.which("openssl"):
            makers.append(lambda name: TextDoor(name, Program(*openssl)))
        names = [f"door-{number}" for number in range(2, 2 + len(makers))]
        entered, spoke = (Barrier(len(makers), timeout=SECONDS) for _ in range(2))

        def takes_part(name: str, make: Callable[[str], Door]) -> tuple[bool, list[str]]:
            door = make(name)
            try:
                door.enters()
                if isinstance(door, ClientDoor):
                    door.says(f"{name}'s line")
                entered.wait()
                for number in range(TALK):
                    door.says(f"{number}")
                heard, wanted = [], TALK * (len(names) if door.own else len(names) - 1)
                for words in door.hears():
                    if words.partition(": ")[2].isdigit():
                        heard.append(words)
                        if len(heard) == wanted:
                            break
                spoke.wait()
            finally:
                door.closes()
            return door.own, heard

        def surfs() -> None:
            for number in range(50):
                self.assertEqual(fetch(port, "/about", tls=number % 10 == 0).status, 200)

        surfing = deferToThread(surfs)
        parts = [deferToThread(takes_part, *one) for one in zip(names, makers, strict=True)]
        results = await gatherResults(parts)
        await surfing
        everything = next(heard for own, heard in results if own)
        self.assertEqual(len(everything), TALK * len(names))
        for name, (own, heard) in zip(names, results, strict=True):
            expected = [words for words in everything if own or not words.startswith(f"{name}: ")]
            self.assertEqual(heard, expected, name)
        ids = re.findall(rb"connection (\w+) from", server.log)
        self.assertEqual(len(ids), len(set(ids)))
        self.assertGreaterEqual(len(ids), len(names) + 50)

    async def test_each_has_a_name_and_an_id_of_its_own(self) -> None:
        server = await self.serves()

        def work() -> list[dict[str, Any]]:
            json_peers = [Peer(server.port), Peer(server.port, tls=True)]
            for peer in json_peers:
                peer.asks("hello")
            sockets = [Frames(server.port), Frames(server.port, tls=True)]
            hellos = [json.loads(next(peer.lines())) for peer in json_peers]
            hellos += [next(one.objects()) for one in sockets]
            for one in (*json_peers, *sockets):
                one.closes()
            return hellos

        hellos = await deferToThread(work)
        self.assertEqual(len({told["session"] for told in hellos}), 4)
        self.assertEqual(len({told["you"] for told in hellos}), 4)
        self.assertEqual({told["protocol"] for told in hellos}, {1})
        self.assertTrue(all("tls" in told["features"] for told in hellos))

    async def test_who_was_greeted_and_types_json_is_understood(self) -> None:
        server = await self.serves()

        def work() -> list[str]:
            peers = [Peer(server.port), Peer(server.port, tls=True)]
            kinds = []
            for peer in peers:
                peer.until(GREETED)
                peer.says(b'{"do":"nick","name":"ann"}\n', 1 if peer is peers[0] else 0)
                lines = peer.lines()
                kinds += [json.loads(next(lines))["reply"] for _ in range(2)]
                peer.asks("quit")
                peer.ends()
            return kinds

        self.assertEqual(await deferToThread(work), ["hello", "youare"] * 2)
        self.assertEqual(server.log.count(b"is now ann"), 2)

    def _client(self, server: Server, name: str) -> Program:
        ca = str(self.folder / "data" / "tls-cert.pem")
        to = ("--host", "127.0.0.1", "--port", str(server.port), "--ca", ca, "--history", "all")
        return Program(sys.executable, "-m", "chatnet.client", "tea", "--name", name, *to)

    def _openssl(self, port: int) -> tuple[str, ...]:
        return ("openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{port}")


# -- HTTP --------------------------------------------------------------------------


class WebTests(LiveTestCase):
    async def test_the_page_facts_and_health_over_http_and_https(self) -> None:
        server = await self.serves("--name", "The Inn", "--registration", "closed")

        def work(tls: bool) -> None:
            page = fetch(server.port, "/", tls=tls)
            self.assertEqual(page.status, 200)
            self.assertEqual(page.headers["content-type"], "text/html; charset=utf-8")
            for name in re.findall(r'(?:src|href)="(/?page/[^"]+)"', page.body.decode()):
                asset = fetch(server.port, f"/{name.lstrip('/')}", tls=tls)
                self.assertEqual((asset.status, name), (200, name))
                self.check_strict(asset)
            opener = page.headers.get("cross-origin-opener-policy")
            self.assertEqual(opener, "same-origin" if tls else None)
            policy = page.headers["content-security-policy"]
            self.assertIn(f" {'wss' if tls else 'ws'}://localhost;", policy)
            self.assertIn("default-src 'none'", policy)
            about = json.loads(fetch(server.port, "/about", tls=tls).body)
            self.assertEqual(
                (about["server"], about["protocol"], about["tls"], about["registration"]),
                ("The Inn", 1, True, False),
            )
            self.assertEqual(fetch(server.port, "/healthz", tls=tls).body, b"ok\n")

        await deferToThread(work, False)
        await deferToThread(work, True)

    async def test_what_can_be_asked_and_what_not(self) -> None:
        server = await self.serves()

        def work() -> None:
            for target, status in (
                ("/", 200), ("/about", 200), ("/healthz", 200), ("/ws", 426), ("/ws/tea", 426),
                ("/about?x=<script>", 200), ("/none", 404), ("/page", 404), ("/page/", 404),
                ("/page/none.js", 404), ("/page/../about", 404), ("/page/..%2f..%2ftap.py", 404),
                ("/page/%2e%2e/%2e%2e/settings.py", 404), ("/page//etc/passwd", 404),
                ("/page/%00", 404), ("*", 404), ("http://evil/about", 404),
                ("/<script>alert(1)</script>", 404), ("/about/more", 404), ("/ABOUT", 404),
            ):  # fmt: skip
                got = fetch(server.port, target)
                self.check_strict(got)
                head = fetch(server.port, target, "HEAD")
                self.check_strict(head)
                self.assertNotIn(b"<script>", got.body)
                if target != "/about/more":
                    self.assertEqual((target, got.status, head.status), (target, status, status))
                if status != 426:
                    length = "content-length"
                    self.assertEqual(head.headers[length], got.headers[length], target)
            for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"):
                for target in ("/", "/about", "/healthz", "/ws", "/none", "*", "/<b>"):
                    got = fetch(server.port, target, method)
                    self.assertEqual((method, got.status), (method, 405))
                    self.assertEqual(got.headers["allow"], "GET, HEAD")
                    self.assertEqual(got.headers["content-type"], "text/plain; charset=utf-8")
                    self.check_strict(got)

        await deferToThread(work)
        self.assertNotIn(b"/about", server.log)  # no log of requests is kept

    async def test_browsers_keep_what_has_not_changed_and_take_it_packed(self) -> None:
        server = await self.serves()

        def work() -> None:
            peer = Peer(server.port)  # one connection for all
            plain = self._asks(peer, {})
            packed = self._asks(peer, {"Accept-Encoding": "gzip, br"})
            self.assertEqual(packed.headers["content-encoding"], "gzip")
            self.assertEqual(gzip.decompress(packed.body), plain.body)
            self.assertLess(len(packed.body), len(plain.body))
            self.assertEqual(plain.headers["vary"], "accept-encoding")
            tag = plain.headers["etag"]
            for wanted in (tag, f'"other", {tag}', "*"):
                again = self._asks(peer, {"If-None-Match": wanted})
                self.assertEqual((again.status, again.body), (304, b""))
                self.check_strict(again)
            self.assertEqual(self._asks(peer, {"If-None-Match": '"other"'}).status, 200)
            peer.closes()

        await deferToThread(work)

    def _asks(self, peer: Peer, headers: dict[str, str]) -> Answer:
        peer.says(request("/page/main.js", headers=headers))
        return answer(peer)

    async def test_bodies_are_not_wanted(self) -> None:
        server = await self.serves()
        chunked = {"Transfer-Encoding": "chunked", "Expect": "100-continue"}
        much = {"Content-Length": str(2**40), "Expect": "100-continue"}

        def work(tls: bool) -> None:
            for headers, status in ((chunked, b"411"), (much, b"413")):
                peer = Peer(server.port, tls)
                peer.says(request(method="POST", headers=headers))
                began = time.monotonic()
                told = peer.ends()
                self.assertTrue(told.startswith(b"HTTP/1.1 " + status), told)
                self.assertEqual(told.count(b"HTTP/1.1"), 1, told)
                self.assertLess(time.monotonic() - began, 1)

        await deferToThread(work, False)
        await deferToThread(work, True)

    async def test_strange_requests_cost_their_connection_at_most(self) -> None:
        server = await self.serves()
        more = b"".join(b"X-%d: y\r\n" % number for number in range(5000))
        strange = [
            b"GET / HTTP/1.1\r\n" + more + b"\r\n",
            b"GET / HTTP/1.1\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
            b"GET /" + b"y" * 200_000 + b" HTTP/1.1\r\n\r\n",
            b"GET  HTTP/1.1\r\n\r\n",
            b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
            b"GET /\x1b[2J HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: \x1b]0;owned\x07\r\nConnection: close\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\n y\r\nConnection: close\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost x\r\n\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=\xff\r\n"
            b"Content-Length: 4\r\n\r\nhi\r\n",
            b"GET /about HTTP/1.1\r\nCookie: \xff\xfe=;=;;a\r\nConnection: close\r\n\r\n",
            b"GET /ws?since=%ff&room=%ff HTTP/1.1\r\nConnection: close\r\n\r\n",
            *(
                opening(target, headers).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
                for target, headers in (
                    ("/ws", {"Origin": "http://[evil"}),
                    ("/ws", {"Host": "[", "Origin": "http://["}),
                    ("/ws", {"Sec-WebSocket-Version": "\xff"}),
                    ("/ws", {"Sec-WebSocket-Key": "\x01\x02"}),
                    ("/ws/%ff", {}),
                    ("/ws?since=\u0663", {}),
                    ("/ws?since=" + "9" * 5000, {}),
                )
                if target.isascii()
            ),
            opening().replace(b"Host: localhost\r\n", b"Connection: close\r\n"),
            opening().replace(b"Host: localhost", b"Host: \xff\x97\r\nConnection: close"),
            opening().replace(b"Upgrade: ", b"Upgrade:\xbd"),
            opening(headers={"Sec-WebSocket-Protocol": "\xff"}),
            opening(headers={"Sec-WebSocket-Extensions": "\xff"}),
            opening().replace(b"Host: ", b"Connection: close\r\nHost: a\r\nHost: "),
        ]  # fmt: skip

        def work() -> None:
            for data in strange:
                for tls, piece in product((False, True), (0, 1) if len(data) < 1000 else (0,)):
                    peer = Peer(server.port, tls)
                    with ignoring(OSError):
                        peer.says(data, piece)
                        peer.socket.shutdown(socket.SHUT_WR)
                    told = peer.ends()
                    if not tls:  # else it stays enciphered
                        self.assertNotIn(b"HTTP/1.1 5", told, data[:200])
                        self.assertNotIn(b"\x1b", told)
            self.assertEqual(fetch(server.port, "/healthz").body, b"ok\n")

        await deferToThread(work)
        self.assertIsNone(CONTROL.search(server.log))

    async def test_requests_one_behind_the_other_are_all_answered_in_order(self) -> None:
        server = await self.serves()

        def work() -> None:
            peer = Peer(server.port)
            targets = ["/about", "/healthz", "/none", "/page/icon.svg"] * 50
            peer.says(b"".join(request(target) for target in targets), 1000)
            statuses = [answer(peer).status for _ in targets]
            self.assertEqual(statuses, [200, 200, 404, 200] * 50)
            peer.closes()

        await deferToThread(work)

    async def test_nobody_who_does_not_read_the_answers_takes_memory(self) -> None:
        server = await self.serves()
        before = resident(server.pid)

        def work() -> list[Peer]:
            peers = [Peer(server.port), Peer(server.port, tls=True)]
            for peer in peers:
                peer.socket.settimeout(0.5)
                with ignoring(TimeoutError):
                    peer.says(request("/page/main.js") * 5000)
            return peers

        peers = await deferToThread(work)
        await deferToThread(fetch, server.port, "/healthz")
        self.assertLess(resident(server.pid) - before, 20 * MIB)
        for peer in peers:
            peer.closes()

    def check_strict(self, got: Answer) -> None:
        told = {name: got.headers.get(name) for name in STRICT}
        self.assertEqual(told, STRICT)
        self.assertIn("frame-ancestors 'none'", got.headers["content-security-policy"])
        self.assertNotIn("access-control-allow-origin", got.headers)


COMMANDS = (
    b"/nick evil\r\n/join tea\r\nevil words\r\n/join tea\n"
    b'{"do":"nick","name":"evil"}\r\n{"do":"join","room":"tea"}\r\n'
    b'{"do":"say","room":"tea","body":"evil words"}\r\n'
)


class CommandsInBodiesTests(LiveTestCase):
    """Any page can make a browser send such a request here."""

    async def test_they_are_never_obeyed(self) -> None:
        server = await self.serves()
        ann = await self.joins(server, "ann")
        await ann.answered()
        post = request(method="POST", body=COMMANDS)
        endless = request(method="POST", headers={"Content-Length": "0"}) + COMMANDS
        chunked = request(method="POST", headers={"Transfer-Encoding": "chunked"}) + COMMANDS
        lying = request(method="POST", headers={"Content-Length": "10"}) + COMMANDS
        large = request(method="POST", headers={"Content-Length": "9" * 9}) + COMMANDS

        def tries(*pieces: bytes, tls: bool = False, piece: int = 0, greeted: bool = False) -> None:
            peer = Peer(server.port, tls)
            if greeted:
                peer.until(GREETED)
            with ignoring(OSError):
                for data in pieces:
                    peer.says(data, piece)
                peer.socket.shutdown(socket.SHUT_WR)
            peer.ends()

        def at_once() -> None:
            for tls in (False, True):
                for data in (post, endless, chunked, lying, large):
                    tries(data, tls=tls)
                    tries(request("/about"), data, tls=tls)
                    tries(request("/about") + data, tls=tls)
                    tries(data + data, tls=tls)
            for data in (post, endless, chunked, lying, large):
                tries(data, piece=1)
                tries(data, piece=3)
                tries(request("/about"), data, piece=1)
            for method in ("GET", "PUT", "OPTIONS", "PATCH", "DELETE", "HEAD"):
                tries(request(method=method, body=COMMANDS))

        works = [deferToThread(at_once)]
        works += [
            deferToThread(tries, post, tls=tls, piece=piece, greeted=True)
            for tls, piece in product((False, True), (0, 1))
        ]
        works.append(deferToThread(tries, b"P", endless[1:], greeted=True))
        works.append(deferToThread(tries, post[:3], post[3:], piece=1, greeted=True))
        await gatherResults(works)
        self.assertEqual(await ann.answered(), [])
        self.assertNotIn(b"evil", server.log)


# -- slowness ----------------------------------------------------------------------


class HalfOpenTests(LiveTestCase):
    async def test_hundreds_who_never_finish_cost_little_and_delay_nobody(self) -> None:
        server = await self.serves()
        ann, bob = await self.joins(server, "ann"), await self.joins(server, "bob")
        await ann.answered()
        before = resident(server.pid)
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 200
        header = b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 10_000
        body = request(method="POST", headers={"Content-Length": "9999"}) + b"z" * 9000

        def work() -> list[Peer]:
            peers = []
            for _ in range(200):
                for data in (hello, header, body, b"GE"):
                    peers.append(Peer(server.port))
                    peers[-1].says(data)
            return peers

        peers = await deferToThread(work)
        began = time.monotonic()
        for number in range(20):
            ann.types(f"{number}")
            await bob.until(f"ann: {number}")
        self.assertLess(time.monotonic() - began, 5)
        self.assertLess(resident(server.pid) - before, 40 * MIB)
        for peer in peers:
            peer.closes()
        await server.logged("is gone: ", times=len(peers))
        self.assertEqual(await bob.answered(), [])


# -- with and without TLS ----------------------------------------------------------


class TlsOnlyTests(LiveTestCase):
    async def test_who_does_not_speak_it_is_told_so_in_their_own_way(self) -> None:
        server = await self.serves("--tls-only")
        port = server.port
        await server.logged(f"in a browser:  https://HOST:{port}/")

        def work() -> None:
            for data, code in (
                (b"/nick ann\r\n/join tea\r\n", None),
                (b'{"do":"rooms"}\n', "plaintext"),
            ):
                peer = Peer(port)
                peer.says(data)
                told = peer.ends().decode()
                self.assertIn("TLS only", told)
                if code:
                    self.assertEqual(json.loads(told)["error"], code)
            silent = Peer(port)
            self.assertIn(b"TLS only", silent.ends())
            peer = Peer(port)
            peer.says(opening())
            self.assertEqual(answer(peer).status, 426)
            peer.closes()

        await deferToThread(work)
        self.assertNotIn(b"joined", server.log)

    async def test_browsers_are_sent_on_but_nowhere_else(self) -> None:
        server = await self.serves("--tls-only")

        def work() -> None:
            for host in ("localhost", "chat.example.org:8888", "[::1]:8888", "192.0.2.1"):
                got = fetch(server.port, "/ws/tea?since=3", Host=host)
                self.assertEqual(got.status, 308)
                self.assertEqual(got.headers["location"], f"https://{host}/ws/tea?since=3")
            for host in ("", "a b", "evil/x", "user@evil", "a\\b", "evil#", "evil?", "<b>", "\xff"):
                got = fetch(server.port, "/", Host=host)
                self.assertEqual((host, got.status), (host, 426))
                self.assertNotIn("location", got.headers)
            for tls, status in ((False, 308), (True, 200)):
                self.assertEqual(fetch(server.port, "/about", tls=tls).status, status)

        await deferToThread(work)

    async def test_within_tls_all_is_as_ever(self) -> None:
        server = await self.serves("--tls-only")

        def work() -> None:
            peer = Peer(server.port, tls=True)
            peer.says(b"/nick ann\r\n/join tea\r\n/who\r\n")
            peer.until(b"In tea (1): ann (moderator)\r\n")
            frames = Frames(server.port, "/ws/tea", tls=True)
            frames.hears("reply", "entered")
            peer.until(b"joined the room")
            peer.closes()
            frames.closes()

        await deferToThread(work)


class NoTlsTests(LiveTestCase):
    async def test_it_is_refused_as_tls_does_and_the_rest_is_as_ever(self) -> None:
        server = await self.serves("--no-tls")

        def work() -> None:
            with self.assertRaisesRegex(OSError, "(?i)alert protocol version"):
                Peer(server.port, tls=True)
            peer = Peer(server.port)
            peer.says(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
            self.assertEqual(peer.ends(), bytes.fromhex("15030100020246"))
            self.assertFalse(json.loads(fetch(server.port, "/about").body)["tls"])
            frames = Frames(server.port)
            self.assertNotIn("tls", next(frames.objects())["features"])
            frames.closes()

        await deferToThread(work)
        self.assertFalse((self.folder / "data" / "tls-key.pem").exists())

    async def test_tls_within_tls_is_refused(self) -> None:
        server = await self.serves()

        def work() -> None:
            peer = Peer(server.port, tls=True)
            peer.says(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
            self.assertEqual(peer.ends(), bytes.fromhex("15030100020246"))

        await deferToThread(work)


def own_address() -> str:
    """Return an address of this machine that is not only its own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            one.connect(("192.0.2.1", 9))  # nothing is sent
            address: str = one.getsockname()[0]
        except OSError:
            address = ""
    if not address or address.startswith(("127.", "0.")):
        raise SkipTest("this machine has no address but its own for itself")
    return address


SECRETS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("register", {"name": "Eve", "password": "secret"}),
    ("login", {"name": "Ann", "password": "secret"}),
    ("passwd", {"old": "secret", "new": "terces"}),
    ("join", {"room": "den", "password": "secret"}),
    ("lock", {"room": "tea", "password": "secret"}),
    ("password", {"password": "secret"}),
)
TYPED_SECRETS = (
    "/newuser Eve secret", "/login Ann secret", "/passwd secret terces", "/join den secret",
    "/lock secret",
)  # fmt: skip


class PlaintextPasswordTests(LiveTestCase):
    def setUp(self) -> None:
        self.address = own_address()
        super().setUp()

    async def _from_afar(self, *options: str) -> Server:
        server = self.launches(
            *("--data", str(self.folder / "data"), "--port", "0", "--interface", self.address),
            *NO_LIMITS,
            *options,
        )
        await server.logged("connect with:")
        return server

    async def test_they_are_refused_at_every_door(self) -> None:
        server = await self._from_afar()

        def work() -> None:
            peer = Peer(server.port, host=self.address)
            for line in ("/join tea", *TYPED_SECRETS):
                peer.says(f"{line}\r\n".encode())
            peer.says(b"/ping\r\n")
            told = peer.until(b"pong\r\n").decode()
            self.assertEqual(told.count("must not travel unencrypted"), len(TYPED_SECRETS), told)
            program, frames = Peer(server.port, host=self.address), self._opens(server, False)
            for do, fields in (("join", {"room": "tea"}), *SECRETS):
                program.asks(do, **fields, cid=do)
                frames.tells(do, **fields, cid=do)
            for told_all in (map(json.loads, program.lines()), frames.objects()):
                self.assertFalse(next(told_all)["passwords"])
                refused: list[str] = []
                while len(refused) < len(SECRETS):
                    told_one = next(told_all)
                    if "error" in told_one:
                        self.assertEqual(told_one["error"], "plaintext", told_one)
                        refused.append(told_one["cid"])
                self.assertEqual(refused, [do for do, _ in SECRETS])
            for one in (peer, program, frames):
                one.closes()

        await deferToThread(work)
        self.assertNotIn(b"Eve", server.log)
        self.assertNotIn(b"den", server.log)

    async def test_over_tls_they_are_taken_at_every_door(self) -> None:
        await self._are_taken(await self._from_afar(), True)

    async def test_the_operator_may_take_them_all_the_same(self) -> None:
        await self._are_taken(await self._from_afar("--allow-plaintext-passwords"), False)

    async def _are_taken(self, server: Server, tls: bool) -> None:
        def work() -> None:
            peer = Peer(server.port, tls, self.address)
            peer.says(b"/newuser Ann secret\r\n/join tea\r\n/lock secret\r\n")
            peer.until(b"gave the room a password")
            program = Peer(server.port, tls, self.address)
            frames = self._opens(server, tls)
            program.asks("login", name="Ann", password="secret")
            frames.tells("login", name="Ann", password="wrong")
            frames.tells("join", room="tea", password="secret")
            program.until(b'"registered":true')
            self.assertTrue(frames.hears("reply", "hello")["passwords"])
            self.assertEqual(
                next(o for o in frames.objects() if "error" in o)["error"], "wrong-password"
            )
            frames.hears("reply", "entered")
            for one in (peer, program, frames):
                one.closes()

        await deferToThread(work)

    async def test_the_servers_own_as_well(self) -> None:
        server = await self._from_afar("--password", "sesame")

        def work() -> None:
            silent, typed = (Peer(server.port, host=self.address) for _ in range(2))
            typed.says(b"sesame\r\n/join tea\r\n")
            program = Peer(server.port, host=self.address)
            program.asks("password", password="sesame")
            for one in (silent, typed, program):
                self.assertIn(b"must not travel unencrypted", one.ends())
            frames = self._opens(server, False)
            self.assertEqual(frames.hears("reply", "bye")["code"], "refused")
            self.assertEqual(frames.closed(), 1000)
            peer = Peer(server.port, True, self.address)
            peer.says(b"sesame\r\n/join tea\r\n")
            peer.until(b"Welcome to room tea!")
            peer.closes()

        await deferToThread(work)

    def _opens(self, server: Server, tls: bool) -> Frames:
        return Frames(server.port, tls=tls, host=self.address)
