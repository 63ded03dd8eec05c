"""Connections that wait, for a thread: raw bytes, TLS, HTTP and WebSocket frames by hand."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress as ignoring  # trial reads a module's "suppress"
from pathlib import Path
from threading import Timer
from typing import Any

from twisted.internet.threads import deferToThread

from tests.harness import Client, LiveTestCase, Server, said

MIB = 1024 * 1024
SECONDS = 15.0  # for the server to answer, or to close
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 section 1.3
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
FINAL = 0x80


def trusting_nobody_in_particular() -> ssl.SSLContext:
    """Return how to speak TLS with whoever is there."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Peer:
    """A connection that may be made to say anything."""

    def __init__(
        self,
        port: int,
        tls: ssl.SSLContext | bool = False,
        host: str = "127.0.0.1",
        window: int = 0,
    ) -> None:
        """Connect; let the system take about ``window`` bytes that nobody reads, if it is set."""
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        if window:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.socket.settimeout(SECONDS)
        self.socket.connect((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            context = trusting_nobody_in_particular() if tls is True else tls
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.heard = b""  # and not yet taken

    def says(self, data: bytes, piece: int = 0) -> None:
        """Send ``data``, in pieces of so many bytes."""
        for start in range(0, len(data), piece or len(data) or 1):
            self.socket.sendall(data[start : start + (piece or len(data))])

    def asks(self, do: str, **fields: Any) -> None:
        """Send a command in the programs' dialect."""
        self.says(json.dumps({"do": do} | fields).encode() + b"\n")

    def takes(self, count: int) -> bytes:
        """Return the next ``count`` bytes."""
        while len(self.heard) < count:
            self._hears_more()
        taken, self.heard = self.heard[:count], self.heard[count:]
        return taken

    def until(self, end: bytes) -> bytes:
        """Return what comes up to ``end``, with it."""
        looked = 0
        while (place := self.heard.find(end, looked)) < 0:
            looked = max(0, len(self.heard) - len(end))
            self._hears_more()
        return self.takes(place + len(end))

    def lines(self) -> Iterator[str]:
        """Yield each line that comes."""
        while True:
            yield self.until(b"\n").decode().rstrip("\r\n")

    def ends(self) -> bytes:
        """Return what comes until the server closes, which it has to."""
        try:
            while data := self.socket.recv(1 << 16):
                self.heard += data
        except TimeoutError:
            raise AssertionError(f"not closed after {self.heard[-500:]!r}") from None
        except OSError:
            pass
        self.socket.close()
        taken, self.heard = self.heard, b""
        return taken

    def closes(self) -> None:
        self.socket.close()

    def _hears_more(self) -> None:
        try:
            data = self.socket.recv(1 << 16)
        except TimeoutError:
            raise AssertionError(f"nothing more came after {self.heard[-500:]!r}") from None
        if not data:
            raise AssertionError(f"closed after {self.heard[-500:]!r}")
        self.heard += data


class Answer:
    """What an HTTP server said."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body


def request(
    target: str = "/",
    method: str = "GET",
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Return a request."""
    told = {"Host": "localhost"} | ({"Content-Length": str(len(body))} if body else {})
    lines = [f"{name}: {value}" for name, value in (told | dict(headers or {})).items()]
    head = "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", ""])
    return head.encode("latin-1") + body


def answer(peer: Peer, method: str = "GET") -> Answer:
    """Return the answer to a request that ``peer`` made."""
    first, *lines = peer.until(b"\r\n\r\n").decode("latin-1").split("\r\n")[:-2]
    headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}
    length = 0 if method == "HEAD" else int(headers.get("content-length", 0))
    return Answer(int(first.split()[1]), headers, peer.takes(length))


def fetch(
    port: int, target: str = "/", method: str = "GET", tls: bool = False, **headers: str
) -> Answer:
    """Ask for ``target`` on a connection of its own; ``_`` stands for a dash in a header's name."""
    peer = Peer(port, tls)
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    peer.says(request(target, method, headers=told))
    got = answer(peer, method)
    peer.closes()
    return got


# -- WebSocket ---------------------------------------------------------------------


def opening(target: str = "/ws", headers: Mapping[str, str] | None = None) -> bytes:
    """Return a request to open a WebSocket."""
    asked = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": KEY.decode(),
        "Sec-WebSocket-Version": "13",
    }
    return request(target, headers=asked | dict(headers or {}))


def frame(
    payload: bytes, opcode: int = TEXT, first: int = FINAL, mask: bool = True, size: int = -1
) -> bytes:
    """Return a frame of a client, which may be no good one; ``size`` is what it claims to have."""
    size = len(payload) if size < 0 else size
    bit = 0x80 if mask else 0
    if size < 126:
        head = bytes((first | opcode, bit | size))
    elif size < 1 << 16:
        head = bytes((first | opcode, bit | 126)) + size.to_bytes(2)
    else:
        head = bytes((first | opcode, bit | 127)) + size.to_bytes(8)
    return head + (bytes(4) if mask else b"") + payload  # the mask of zeros changes nothing


def fragments(pieces: Iterable[bytes]) -> bytes:
    """Return ``pieces`` as fragments of one text message, and an empty one as its end."""
    framed = [frame(piece, 0, 0) for piece in pieces]
    return frame(b"", TEXT, 0) + b"".join(framed) + frame(b"", 0)


class Frames(Peer):
    """A WebSocket, frame by frame."""

    def __init__(
        self,
        port: int,
        target: str = "/ws",
        tls: ssl.SSLContext | bool = False,
        host: str = "127.0.0.1",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(port, tls, host)
        self.says(opening(target, headers))
        head = self.until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head

    def tells(self, do: str, **fields: Any) -> None:
        """Send a command."""
        self.says(frame(json.dumps({"do": do} | fields).encode()))

    def next(self) -> tuple[int, bytes]:
        """Return the opcode and the payload of the next message, or of a control frame."""
        opcode, payload, first = 0, b"", 0
        while not first & FINAL:
            first, size = self.takes(2)
            assert not size & FINAL, "a frame of a server"
            assert not opcode or first & 15 == 0, "what is begun goes on"
            opcode = opcode or first & 15
            if size > 125:
                size = int.from_bytes(self.takes(2 if size == 126 else 8))
            payload += self.takes(size)
        return opcode, payload

    def objects(self) -> Iterator[dict[str, Any]]:
        """Yield each text message that comes."""
        while True:
            opcode, payload = self.next()
            assert opcode == TEXT, (opcode, payload)
            yield json.loads(payload)

    def hears(self, key: str, value: Any) -> dict[str, Any]:
        """Return the next message with this value."""
        return next(told for told in self.objects() if told.get(key) == value)

    def closed(self) -> int:
        """Return the code with which the server closes, and answer it."""
        while (told := self.next())[0] != CLOSE:
            pass
        with ignoring(OSError):
            self.says(frame(told[1], CLOSE))
        self.ends()
        return int.from_bytes(told[1][:2])


class Program:
    """A program at a pipe, like ``nc``."""

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._end = Timer(2 * SECONDS, self.process.kill)  # nobody waits for it for ever
        self._end.start()

    def says(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def lines(self) -> Iterator[str]:
        """Yield each line that comes."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            yield line.decode().rstrip("\r\n")

    def closes(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self._end.cancel()
        self.process.kill()
        self.process.wait(SECONDS)
        with ignoring(OSError):
            self.process.stdin.close()
        self.process.stdout.close()


def resident(pid: int) -> int:
    """Return the bytes of memory that a process has now."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


async def read_late(
    test: LiveTestCase, server: Server, ann: Client, heard: Iterator[dict[str, Any]]
) -> None:
    """See that ``ann`` says 20 MiB at little cost, and that all of it is ``heard`` only then."""
    before = resident(server.pid)
    for number in range(20):
        ann.types(f"{number} " + "x" * MIB)
        await ann.answered()
    test.assertLess(resident(server.pid) - before, 24 * MIB)

    def reads() -> list[str]:
        words: list[str] = []
        while len(words) < 20:
            words += said([next(heard)])
        return words

    words = await deferToThread(reads)
    test.assertEqual(words, [f"ann: {number} " + "x" * MIB for number in range(20)])
