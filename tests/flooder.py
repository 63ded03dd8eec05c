"""Floods a server on this machine for a while, and prints what it was told.

``python flooder.py PORT KIND SECONDS``: see ``FLOODS``. What it says at the end is JSON: how often
it was told each sentence, without the numbers in them, and how often it was cut without a word.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import ssl
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address

PART = 64 * 1024
GUESSERS = 200  # addresses


class Flooder:
    """Some connections from one address that send, and count what they hear."""

    def __init__(self, port: int, address: str, tls: bool = False) -> None:
        self.told: Counter[str] = Counter()
        self._port, self._address, self._tls = port, address, tls
        self._context = ssl.create_default_context()
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE
        self._selector = selectors.DefaultSelector()
        self._heard: dict[socket.socket, int] = {}

    def comes(self, first: bytes = b"", nth: int = 0) -> None:
        """Make a connection, and say ``first``; ``nth`` is how far from the address."""
        one: socket.socket = socket.socket()
        one.bind((str(ip_address(self._address) + nth), 0))
        one.settimeout(10)
        try:
            one.connect(("127.0.0.1", self._port))
            if self._tls:
                one = self._context.wrap_socket(one)
            one.sendall(first)
        except OSError as error:
            self.told[f"cut: {type(error).__name__}"] += 1
            one.close()
            return
        one.setblocking(False)
        self._heard[one] = 0
        self._selector.register(one, selectors.EVENT_READ)

    def say(self, words: bytes) -> None:
        """Let each connection say ``words``, or as much of it as it is let."""
        for one in list(self._heard):
            try:
                one.send(words)
            except (BlockingIOError, ssl.SSLWantWriteError):
                pass
            except OSError:
                self._leave(one)

    def hear(self, seconds: float = 0.0) -> None:
        """Count what came."""
        for key, _ in self._selector.select(seconds):
            one = key.fileobj
            assert isinstance(one, socket.socket)
            self._hear(one)

    def end(self) -> None:
        """Hear the last words, and leave."""
        until = time.monotonic() + 0.5
        while self._heard and time.monotonic() < until:
            self.hear(0.1)
        for one in list(self._heard):
            self._heard[one] = 1  # it is us who leave
            self._leave(one)

    @property
    def count(self) -> int:
        return len(self._heard)

    def _hear(self, one: socket.socket) -> None:
        try:
            data = one.recv(PART)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except OSError:
            data = b""
        if not data:
            self._leave(one)
            return
        self._heard[one] += len(data)
        for line in data.decode(errors="replace").splitlines():
            self.told[re.sub(r"\d[\d,]*", "N", line)[:120]] += 1

    def _leave(self, one: socket.socket) -> None:
        if not self._heard.pop(one):
            self.told["cut: without a word"] += 1
        self._selector.unregister(one)
        one.close()


def connections(flooder: Flooder, until: float) -> None:
    """Come and come."""
    while time.monotonic() < until:
        flooder.comes()
        flooder.hear()
        while flooder.count > 200:
            flooder.hear(0.1)


def _several(flooder: Flooder, words: bytes, until: float) -> None:
    for number in range(4):
        flooder.comes(f"/nick flood{number}{int(until)}\r\n/join flood\r\n".encode())
    time.sleep(0.3)
    while time.monotonic() < until:
        flooder.say(words)
        flooder.hear(0.001)


def lines(flooder: Flooder, until: float) -> None:
    """Say many short things."""
    _several(flooder, b"flood\r\n" * 1000, until)


def large(flooder: Flooder, until: float) -> None:
    """Say long things."""
    _several(flooder, b"x" * 60_000 + b"\r\n", until)


def logins(flooder: Flooder, until: float) -> None:
    """Guess passwords."""
    _several(flooder, b"/login tom wrong\r\n" * 20, until)


def guesses(flooder: Flooder, until: float) -> None:
    """Guess passwords from many addresses, as fast as they are heard."""
    for nth in range(GUESSERS):
        flooder.comes(b"/login tom wrong\r\n", nth)
    while time.monotonic() < until:
        flooder.say(b"/login tom wrong\r\n")
        flooder.hear(0.01)


def crowd(flooder: Flooder, until: float) -> None:
    """Make accounts from many addresses."""
    for nth in range(GUESSERS):
        flooder.comes(f"/newuser crowd{nth}x{int(until)} secret\r\n".encode(), nth)
    while time.monotonic() < until:
        flooder.hear(0.1)


def registrations(flooder: Flooder, until: float) -> None:
    """Make accounts, one on each connection."""
    for number in range(8):
        flooder.comes(f"/newuser many{number} secret\r\n".encode())
    while time.monotonic() < until:
        flooder.hear(0.1)


def slowly(flooder: Flooder, until: float) -> None:
    """Hold as many connections as there can be with lines that do not end."""
    for _ in range(20):
        flooder.comes(b"/")
    while time.monotonic() < until:
        flooder.say(b"x")
        flooder.hear(0.1)


FLOODS: dict[str, Callable[[Flooder, float], None]] = {
    flood.__name__: flood
    for flood in (connections, lines, large, logins, guesses, registrations, crowd, slowly)
}


def main(port: str, kind: str, seconds: str, address: str, tls: str = "") -> None:
    """Flood."""
    flooder = Flooder(int(port), address, bool(tls))
    with suppress(KeyboardInterrupt):
        FLOODS[kind](flooder, time.monotonic() + float(seconds))
    flooder.end()
    sys.stdout.write(json.dumps(flooder.told))


if __name__ == "__main__":
    main(*sys.argv[1:])
