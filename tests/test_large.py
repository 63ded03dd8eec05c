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


def listens(peer: Peer) -> bytes:
    """Return all that comes up to the end of the large message, and what comes behind it."""
    data = bytearray(peer.heard)
    while END not in data[-1000:]:
        more = peer.socket.recv(MIB)
        assert more, f"closed after {len(data)} bytes: {data[-200:]!r}"
        data += more
    return bytes(data)


def reads_text(peer: Peer) -> str:
    """Return the hash of the large message, as a person on ``nc`` reads it."""
    line = max(listens(peer).split(b"\r\n"), key=len)
    return sha256(line.partition(b": ")[2]).hexdigest()


def reads_json(peer: Peer) -> str:
    line = max(listens(peer).split(b"\n"), key=len)
    return sha256(json.loads(line)["body"].encode()).hexdigest()


def reads_frames(peer: Peer) -> str:
    """Return the hash of the large message, which comes in many frames."""
    data, at, whole = listens(peer), 0, b""
    parts: list[bytes] = []
    while at < len(data):
        final, size, at = data[at] & 0x80, data[at + 1], at + 2
        if size > 125:
            wide = 2 if size == 126 else 8
            size, at = int.from_bytes(data[at : at + wide]), at + wide
        parts.append(data[at : at + size])
        at += size
        if final:
            whole, parts = max(whole, b"".join(parts), key=len), []
    return sha256(json.loads(whole)["body"].encode()).hexdigest()


def asked(do: str, **fields: str) -> bytes:
    return json.dumps({"do": do} | fields, ensure_ascii=False).encode()


def enters(peer: Peer, name: str) -> Peer:
    """Let ``peer`` be in the room, in whatever it speaks."""
    if isinstance(peer, Frames):
        peer.tells("nick", name=name)
        peer.tells("join", room="hall")
        peer.hears("reply", "entered")
    elif name.startswith("person"):
        peer.says(f"/nick {name}\r\n/join hall\r\n".encode())
        peer.until(b"Current users: ")
    else:
        peer.asks("nick", name=name)
        peer.asks("join", room="hall")
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

    async def test_it_is_said_by_a_program(self) -> None:
        server = await self.serves("--max-message", "0")
        delays = await self.talks(server)
        speaker = enters(Peer(server.port), "program")
        slow = enters(Peer(server.port), "program2")
        await self.passes_whole(
            server,
            speaker,
            asked("say", room="hall", body=BODY.decode()) + b"\n",
            asked("say", room="hall", body=END.decode()) + b"\n",
        )
        self.assertEqual(await deferToThread(reads_json, slow), HASH)
        self.assertEqual(await deferToThread(reads_json, speaker), HASH)
        self.assertLess(max(delays), LATEST, sorted(delays)[-10:])
        self.assertLess(server.memory(), MOST)

    async def test_it_is_said_by_a_person(self) -> None:
        server = await self.serves("--max-message", "0")
        delays = await self.talks(server)
        speaker = enters(Peer(server.port), "person0")
        await self.passes_whole(server, speaker, BODY + b"\r\n", END + b"\r\n")
        self.assertLess(max(delays), LATEST, sorted(delays)[-10:])
        self.assertLess(server.memory(), MOST)

    async def passes_whole(self, server: Server, speaker: Peer, unit: bytes, end: bytes) -> None:
        """Let ``speaker`` say the large message and something after it, and others read that."""
        readers = {
            reads_text: enters(Peer(server.port), "person"),
            reads_json: enters(Peer(server.port), "reader"),
            reads_frames: enters(Frames(server.port), "browser"),
        }
        reading = [deferToThread(reads, peer) for reads, peer in readers.items()]
        await deferToThread(speaker.says, unit + end)
        self.assertEqual(await gatherResults(reading), [HASH] * 3)
