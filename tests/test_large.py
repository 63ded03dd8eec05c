"""A message of 64 MiB passes whole, and nobody waits for it."""

from __future__ import annotations

import json
import os
from hashlib import sha256
from itertools import cycle

from twisted.internet.defer import gatherResults
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThread

from tests.harness import Client, LiveTestCase, Server, poll, reactor
from tests.sockets import MIB, Frames, Peer

SIZE = int(os.environ.get("CHATNET_LARGE_MIB", "64")) * MIB
CHATTERS = 100
PAUSE = 2.0  # seconds between two messages of a chatter
LATEST = 5.0  # seconds that one may wait to see one's own words, on a machine with much to do
MOST = 100 * MIB + 10 * SIZE  # of memory
END = b"that was all of it"
_SEED = "".join(f"{number:07d} said the hatter, grüße 你好 " for number in range(20_000)).encode()
BODY = (_SEED * (SIZE // len(_SEED) + 1))[:SIZE].decode(errors="ignore").encode()
HASH = sha256(BODY).hexdigest()


class Chatter(Client):
    """Someone who talks elsewhere, and notes how late they see their own words."""

    def __init__(self, number: int, delays: list[float]) -> None:
        super().__init__()
        self._name = f"chatter{number}"
        self._delays = delays
        self._rest = b""

    def connectionMade(self) -> None:
        self.asks("nick", name=self._name)
        self.asks("join", room="talk")

    def dataReceived(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        mine = f'"body":"{self._name} '.encode()
        for line in lines:
            if mine in line:
                at = float(line.partition(mine)[2].partition(b'"')[0])
                self._delays.append(reactor.seconds() - at)

    def talk(self) -> None:
        self.asks("say", room="talk", body=f"{self._name} {reactor.seconds()}")


def listens(peer: Peer) -> bytearray:
    """Return all that comes up to the end of the large message, and what comes behind it."""
    data = bytearray(peer.heard)
    while END not in data[-1000:]:
        more = peer.socket.recv(MIB)
        assert more, f"closed after {len(data)} bytes: {data[-200:]!r}"
        data += more
    return data


def hash_of(data: bytearray, before: bytes, after: bytes) -> str:
    """Return the hash of what is as long as the large message, from where that begins in ``data``.

    ``before`` and ``after`` are what has to stand around it; nothing in it is written otherwise.
    """
    start = data.index(BODY[:32])
    end = start + len(BODY)
    assert data[:start].endswith(before), data[start - 100 : start]
    assert data.startswith(after, end), data[end : end + 100]
    return sha256(memoryview(data)[start:end]).hexdigest()


def reads_text(peer: Peer) -> str:
    """Return the hash of the large message, as a person on ``nc`` reads it."""
    return hash_of(listens(peer), b": ", b"\r\n")


def reads_json(peer: Peer) -> str:
    """Return its hash, as a program reads it."""
    return hash_of(listens(peer), b'"body":"', b'"}\n')


def reads_frames(peer: Peer) -> str:
    """Return its hash, as a browser reads it from many frames."""
    data, at, whole = listens(peer), 0, bytearray()
    while at < len(data):
        size, at = data[at + 1], at + 2
        if size > 125:
            wide = 2 if size == 126 else 8
            size, at = int.from_bytes(data[at : at + wide]), at + wide
        whole += data[at : at + size]
        at += size
    return hash_of(whole, b'"body":"', b'"}')


def asked(do: str, **fields: str) -> bytes:
    return json.dumps({"do": do} | fields, ensure_ascii=False).encode()


def enters(peer: Peer, name: str, room: str = "hall") -> Peer:
    """Let ``peer`` be in the room, in whatever it speaks."""
    if isinstance(peer, Frames):
        peer.tells("nick", name=name)
        peer.tells("join", room=room)
        peer.hears("reply", "entered")
    elif name.startswith("person"):
        peer.says(f"/nick {name}\r\n/join {room}\r\n".encode())
        peer.until(b"Current users: ")
    else:
        peer.asks("nick", name=name)
        peer.asks("join", room=room)
        peer.until(b'"reply":"entered"')
    peer.socket.settimeout(40)
    return peer


class LargeTests(LiveTestCase):
    timeout = 120

    async def talks(self, server: Server) -> list[float]:
        """Let people chat in another room; return the list of their delays, which grows."""
        delays: list[float] = []
        chatters: list[Chatter] = []
        for number in range(CHATTERS):
            chatter = Chatter(number, delays)
            await self.connects(server, chatter)
            chatters.append(chatter)
        turns = cycle(chatters)
        talking = LoopingCall(lambda: next(turns).talk())
        talking.start(PAUSE / CHATTERS)
        self.addCleanup(talking.stop)
        await poll(lambda: len(delays) >= CHATTERS, "everyone's first words")
        delays.clear()
        return delays

    async def test_it_passes_whole_while_others_chat(self) -> None:
        server = await self.serves("--max-message", "0")
        delays = await self.talks(server)
        program = enters(Peer(server.port), "program")
        slow = enters(Peer(server.port), "slow")
        unit = asked("say", room="hall", body=BODY.decode())
        end = asked("say", room="hall", body=END.decode())
        await self.passes(server, program, unit + b"\n" + end + b"\n")
        self.assertEqual(await deferToThread(reads_json, slow), HASH)
        self.assertEqual(await deferToThread(reads_json, program), HASH)
        program.closes()
        slow.closes()
        person = enters(Peer(server.port), "person0", "den")
        await self.passes(server, person, BODY + b"\r\n" + END + b"\r\n", "den")
        self.assertLess(max(delays), LATEST, sorted(delays)[-10:])
        self.assertLess(server.memory(), MOST)

    async def passes(self, server: Server, speaker: Peer, units: bytes, room: str = "hall") -> None:
        """Let ``speaker`` say the large message and something after it, and others read that."""
        readers = {
            reads_text: enters(Peer(server.port), f"person-{room}", room),
            reads_json: enters(Peer(server.port), f"reader-{room}", room),
            reads_frames: enters(Frames(server.port), f"browser-{room}", room),
        }
        reading = [deferToThread(reads, peer) for reads, peer in readers.items()]
        await deferToThread(speaker.says, units)
        self.assertEqual(await gatherResults(reading), [HASH] * 3)
        for peer in readers.values():
            peer.closes()
