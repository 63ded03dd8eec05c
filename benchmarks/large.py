"""What a large message costs those who chat elsewhere meanwhile, and how much memory it takes.

    python -m benchmarks.large --size 64 --chatters 100 --by json

Starts a server that takes messages of any length. One client says a large message in one room,
and others read it as text, as JSON lines and in WebSocket messages; in another room people chat.
Prints whether all read the same, with what delays the others saw their own words, before and
meanwhile, and the server's memory at its peak.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import select
import signal
import socket
import statistics
import sys
import threading
import time
from multiprocessing.connection import Connection

from benchmarks.servers import HOST, chatnet

MIB = 1024 * 1024
END = b"that was all of it"  # is said after the large message
PAUSE = 2.0  # seconds between two messages of a chatter
_UPGRADE = (
    "GET /ws/{room} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def ask(do: str, **fields: object) -> bytes:
    return json.dumps({"do": do} | fields, ensure_ascii=False).encode() + b"\n"


def chat(port: int, count: int, pipe: Connection) -> None:
    """Let ``count`` people chat until ``pipe`` says so, which then gets their delays.

    In pairs of seconds: when something was said, and how much later its author saw it.
    """
    sockets = [socket.create_connection((HOST, port)) for _ in range(count)]
    rest = dict.fromkeys(sockets, b"")
    for number, one in enumerate(sockets):
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        one.sendall(ask("nick", name=f"chatter{number}") + ask("join", room="talk"))
    delays: list[tuple[float, float]] = []
    begun = time.monotonic() + 2.0
    due = [begun + PAUSE * number / count for number in range(count)]
    pipe.send("ready")
    while not pipe.poll():
        now = time.monotonic()
        for number, one in enumerate(sockets):
            if due[number] <= now:
                due[number] += PAUSE
                one.sendall(ask("say", room="talk", body=f"{number} {time.monotonic()}"))
        for one in select.select(sockets, [], [], 0.005)[0]:
            *lines, rest[one] = (rest[one] + one.recv(1 << 16)).split(b"\n")
            now, mine = time.monotonic(), f'"body":"{sockets.index(one)} '.encode()
            for line in lines:
                if mine in line:
                    said = float(line.partition(mine)[2].partition(b'"')[0])
                    delays.append((said, now - said))
    pipe.send(delays)


class Reader(threading.Thread):
    """Someone in the room of the large message."""

    def __init__(self, port: int, style: str) -> None:
        super().__init__(daemon=True)
        self.style, self.digest, self.seconds = style, "", 0.0
        self._socket = socket.create_connection((HOST, port))
        if style == "text":
            self._socket.sendall(b"/nick reader-text\r\n/join hall\r\n")
        elif style == "json":
            self._socket.sendall(ask("nick", name="reader-json") + ask("join", room="hall"))
        else:
            self._socket.sendall(_UPGRADE.format(room="hall").encode())

    def run(self) -> None:
        data, begun = bytearray(), 0.0
        while END not in data[-1000:]:
            data += self._socket.recv(1 << 18)
            if not begun and len(data) > MIB // 4:
                begun = time.monotonic()
        self.seconds = time.monotonic() - begun
        self.digest = hashlib.sha256(body_of(bytes(data), self.style)).hexdigest()


def body_of(data: bytes, style: str) -> bytes:
    """Return the large message in ``data``, all that a reader got."""
    if style == "text":
        line = max(data.split(b"\r\n"), key=len)
        return line.partition(b": ")[2]
    if style == "json":
        line = max(data.split(b"\n"), key=len)
        return str(json.loads(line)["body"]).encode()
    payload, at = b"", data.index(b"\r\n\r\n") + 4
    pieces: list[bytes] = []
    while at < len(data):
        final, size = data[at] & 0x80, data[at + 1]
        at += 2
        if size > 125:
            wide = 2 if size == 126 else 8
            size, at = int.from_bytes(data[at : at + wide]), at + wide
        pieces.append(data[at : at + size])
        at += size
        if final:
            payload, pieces = max(payload, b"".join(pieces), key=len), []
    return str(json.loads(payload)["body"]).encode()


def speak(port: int, body: bytes, by: str) -> tuple[socket.socket, float]:
    """Say ``body``, and the end; return who did, and the seconds until it was all taken."""
    one = socket.create_connection((HOST, port))
    bodies = body, END
    if by == "text":
        one.sendall(b"/nick speaker\r\n/join hall\r\n")
        units = [said + b"\r\n" for said in bodies]
    elif by == "json":
        one.sendall(ask("nick", name="speaker") + ask("join", room="hall"))
        units = [ask("say", room="hall", body=said.decode()) for said in bodies]
    else:
        one.sendall(_UPGRADE.format(room="hall").encode())
        units = [framed(ask("say", room="hall", body=said.decode())) for said in bodies]
    time.sleep(1.0)
    threading.Thread(target=drain, args=(one,), daemon=True).start()
    begun = time.monotonic()
    one.sendall(b"".join(units))
    return one, time.monotonic() - begun


def framed(payload: bytes) -> bytes:
    """Return ``payload`` as one frame of a client, with a mask that changes nothing."""
    size = len(payload)
    head = bytes((0x81, 0x80 | size)) if size < 126 else b"\x81\xff" + size.to_bytes(8)
    return head + bytes(4) + payload


def drain(one: socket.socket) -> None:
    try:
        while one.recv(1 << 18):
            pass
    except OSError:
        pass


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


def told(delays: list[float]) -> str:
    if len(delays) < 2:
        return "nobody spoke"
    last = statistics.quantiles(delays, n=100)[-1]
    longest = max(delays) * 1000
    return f"longest {longest:.0f} ms, 99 of 100 within {last * 1000:.0f} ms ({len(delays)})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--size", type=int, default=64, help="MiB")
    parser.add_argument("--chatters", type=int, default=100)
    parser.add_argument("--by", choices=("json", "text", "websocket"), default="json")
    parser.add_argument("--store", default="sqlite:")
    parser.add_argument("--profile", default="", help="a file for what cProfile sees")
    options = parser.parse_args()
    text = "".join(f"{n:07d} said the hatter, grüße 你好 " for n in range(20_000)).encode()
    body = (text * (options.size * MIB // len(text) + 1))[: options.size * MIB]
    body = body.decode(errors="ignore").encode()
    profiled = ["--profile", options.profile, "--profiler", "cProfile"] if options.profile else []
    server = chatnet(
        "--limit", "none", "--store", options.store, "--max-message", 0, before=profiled
    )
    here, there = multiprocessing.Pipe()
    chatters = multiprocessing.Process(target=chat, args=(server.port, options.chatters, there))
    chatters.start()
    here.recv()
    readers = [Reader(server.port, style) for style in ("text", "json", "websocket")]
    time.sleep(6.0)
    empty = server.memory("VmHWM")
    for reader in readers:
        reader.start()
    begun = time.monotonic()
    speaker, seconds = speak(server.port, body, options.by)
    for reader in readers:
        reader.join(60)
    ended = time.monotonic()
    speaker.close()
    here.send("enough")
    delays = here.recv()
    chatters.join()
    digest = hashlib.sha256(body).hexdigest()
    say(f"{len(body) / MIB:.0f} MiB by {options.by}, taken in {seconds:.1f} s")
    for reader in readers:
        same = "the same" if reader.digest == digest else "SOMETHING ELSE"
        say(f"  read as {reader.style:9} {same}, in {reader.seconds:.1f} s")
    say("delays before:    " + told([d for at, d in delays if at < begun]))
    say("delays meanwhile: " + told([d for at, d in delays if begun <= at < ended]))
    say(f"memory: {server.memory('VmHWM'):.0f} MiB at the peak, {empty:.0f} MiB before")
    server.stop(signal.SIGTERM)


if __name__ == "__main__":
    main()
