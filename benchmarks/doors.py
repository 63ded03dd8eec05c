"""What a delivery costs at each door: one room, one who speaks, many who read.

    python -m benchmarks.doors --readers 1000 --messages 320 --rounds 3

Starts a server of its own for every run, and prints its CPU time per delivery, all threads counted
(microseconds; medians of the rounds), and the ratio to JSON lines in the same run. The doors take
turns, so that a busy machine is busy for all of them. Wall time says nothing here.
"""

from __future__ import annotations

import argparse
import json
import select
import socket
import ssl
import statistics
import sys
from collections.abc import Callable

from benchmarks.servers import HOST, chatnet
from benchmarks.tools import first_in_line

MARK = b"|~|"  # stands in every message once, and nowhere else
_UPGRADE = (
    "GET /ws{path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Protocol: {protocol}\r\n\r\n"
)
_TRUSTING = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_TRUSTING.check_hostname, _TRUSTING.verify_mode = False, ssl.CERT_NONE


def lines(port: int, first: str) -> socket.socket:
    reader = socket.create_connection((HOST, port))
    reader.sendall(first.encode())
    return reader


def json_lines(port: int) -> socket.socket:
    return lines(port, '{"do":"join","room":"bench"}\n')


def text_lines(port: int) -> socket.socket:
    return lines(port, "/join bench\r\n")


def websocket(protocol: str) -> Callable[[int], socket.socket]:
    return lambda port: lines(port, _UPGRADE.format(path="/bench", protocol=protocol))


def tls_lines(port: int) -> socket.socket:
    reader = _TRUSTING.wrap_socket(socket.create_connection((HOST, port)))
    reader.sendall(b'{"do":"join","room":"bench"}\n')
    return reader


DOORS: dict[str, Callable[[int], socket.socket]] = {
    "JSON lines": json_lines,
    "text lines": text_lines,
    "JSON over WebSocket": websocket("chatnet.json.v1"),
    "text over WebSocket": websocket("chatnet.text.v1"),
    "JSON lines over TLS": tls_lines,
}


class Crowd:
    """Those who read, and a count of what they have read."""

    def __init__(self, enter: Callable[[int], socket.socket], port: int, size: int) -> None:
        self._readers = {}
        self._tails: dict[int, bytes] = {}  # a mark may come in two pieces
        self._poll = select.epoll()
        for _ in range(size):
            reader = enter(port)
            reader.setblocking(False)
            self._readers[reader.fileno()] = reader
            self._tails[reader.fileno()] = b""
            self._poll.register(reader, select.EPOLLIN)
        self.heard = 0

    def listen(self, until: int) -> None:
        """Read until ``until`` messages were heard in all."""
        while self.heard < until:
            for number, _ in self._poll.poll(30):
                try:
                    while data := self._readers[number].recv(1 << 18):
                        data = self._tails[number] + data
                        self.heard += data.count(MARK)
                        self._tails[number] = data[1 - len(MARK) :]
                        if len(data) < 1 << 14:
                            break
                except (BlockingIOError, ssl.SSLWantReadError):
                    pass

    def close(self) -> None:
        for reader in self._readers.values():
            reader.close()


def measure(door: str, readers: int, messages: int, window: int, store: str) -> float:
    """Return microseconds of CPU per delivery at ``door``."""
    server = chatnet("--limit", "none", "--store", store)
    try:
        crowd = Crowd(DOORS[door], server.port, readers)
        speaker = json_lines(server.port)
        body = MARK.decode() + "x" * 97
        said = json.dumps({"do": "say", "room": "bench", "body": body}).encode() + b"\n"
        for _ in range(2):  # warm
            speaker.sendall(said * window)
            crowd.listen(crowd.heard + readers * window)
        drain(speaker)
        began, before = crowd.heard, server.cpu()
        for sent in range(0, messages, window):
            speaker.sendall(said * min(window, messages - sent))
            crowd.listen(began + readers * min(messages, sent + window))
            drain(speaker)
        spent = server.cpu() - before
        assert crowd.heard - began == readers * messages, "lost or doubled"
        crowd.close()
        return spent / (readers * messages) * 1e6
    finally:
        server.stop()


def drain(speaker: socket.socket) -> None:
    """Read what is said to the one who speaks."""
    speaker.setblocking(False)
    try:
        while speaker.recv(1 << 18):
            pass
    except BlockingIOError:
        pass
    speaker.setblocking(True)


def doors(readers: int, messages: int, rounds: int, store: str = "sqlite:") -> list[str]:
    """Return the lines of a table: CPU per delivery at each door, and the ratio to JSON lines."""
    costs: dict[int, dict[str, float]] = {}
    for window in (16, 1):
        count = messages if window > 1 else max(1, messages // 4)
        found: dict[str, list[float]] = {door: [] for door in DOORS}
        for _ in range(rounds):
            for door, those in found.items():
                those.append(measure(door, readers, count, window, store))
        costs[window] = {door: statistics.median(those) for door, those in found.items()}
    lines = [
        f"| {readers:,} readers | 16 in flight, us | ratio | one in flight, us | ratio |",
        "|---|---|---|---|---|",
    ]
    for door in DOORS:
        cells = [
            f"{those[door]:.2f} | {those[door] / those['JSON lines']:.2f}"
            for those in costs.values()
        ]
        lines.append(f"| {door} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--readers", type=int, default=1000)
    parser.add_argument("--messages", type=int, default=320)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--store", default="sqlite:")
    given = parser.parse_args()
    first_in_line()
    table = doors(given.readers, given.messages, given.rounds, given.store)
    sys.stdout.write("\n".join(table) + "\n")


if __name__ == "__main__":
    main()
