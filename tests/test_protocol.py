"""docs/protocol.md against a real server: every conversation in it, over TCP and WebSocket."""

from __future__ import annotations

import json
import re
import sys
from typing import Any, Protocol

from twisted.internet.threads import deferToThread

from chatnet.test import schema
from tests.harness import SOON, Client, LiveTestCase, Server, coming

try:
    from websockets.exceptions import ConnectionClosed, InvalidStatus
    from websockets.sync.client import ClientConnection, connect
    from websockets.typing import Origin, Subprotocol
except ImportError:  # then nothing that uses them runs
    WITH_WEBSOCKETS = False
else:
    WITH_WEBSOCKETS = True

DIFFERENT = ("at", "until", "seconds", "idle", "faces", "version")  # fields, from run to run
# Names, ids and secrets that the server gives, and where it is.
_GIVEN = re.compile(r"guest-[0-9a-f]{4}|\b[0-9a-f]{8}\b|\b[0-9a-f]{32}\b|http://[\d.]+:\d+")
_LEFT = re.compile(r"for another [\w ]+")


class Voice(Protocol):
    """One connection of a program."""

    async def says(self, frame: str) -> None:
        """Send ``frame``."""

    async def hears(self) -> Any:
        """Return the next frame that comes; None at the end."""

    async def drops(self) -> None:
        """Lose the connection."""


class LineVoice:
    """Over TCP."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def says(self, frame: str) -> None:
        self._client.sends(frame.encode() + b"\n")

    async def hears(self) -> Any:
        try:
            [line] = await self._client.hears(1)
        except AssertionError:
            if self._client.gone:
                return None
            raise
        return json.loads(line)

    async def drops(self) -> None:
        self._client.hangs_up()


class SocketVoice:
    """Over WebSocket, with a library that is not ours. It blocks, so all happens in a thread."""

    def __init__(self, link: ClientConnection) -> None:
        self.link = link

    async def says(self, frame: str) -> None:
        await deferToThread(self.link.send, frame)

    async def hears(self) -> Any:
        try:
            return schema.heard(json.loads(await deferToThread(self.link.recv, SOON)))
        except ConnectionClosed as closed:
            assert closed.rcvd is not None and closed.rcvd.code == 1000, closed
            return None

    async def drops(self) -> None:
        await deferToThread(self.link.close)


class ProtocolTestCase(LiveTestCase):
    timeout = 120

    async def opens(self, server: Server, address: str = "/ws", **how: Any) -> SocketVoice:
        """Return a connection over WebSocket."""
        url = f"ws://127.0.0.1:{server.port}{address}"
        link = await deferToThread(lambda: connect(url, proxy=None, max_size=None, **how))
        voice = SocketVoice(link)
        self.addCleanup(lambda: coming(voice.drops()))
        return voice


class ConversationTests(ProtocolTestCase):
    """What docs/protocol.md shows is what happens."""

    async def test_over_tcp(self) -> None:
        for options, lines in schema.conversations():
            server = await self.serves("--store", "memory:", *options.split())
            await self.converse(server, lines, False)

    async def test_over_websocket(self) -> None:
        for options, lines in schema.conversations():
            server = await self.serves("--store", "memory:", *options.split())
            await self.converse(server, lines, True)

    if not WITH_WEBSOCKETS:
        test_over_websocket.skip = "websockets is not installed"  # type: ignore[attr-defined]

    async def converse(self, server: Server, lines: list[schema.Line], framed: bool) -> None:
        """Send what is sent in ``lines``, and see that what is heard there comes, and no more."""
        here: dict[str, Voice] = {}
        written: dict[str, str] = {}
        real: dict[str, str] = {}
        for line in lines:
            where = f"docs/protocol.md, line {line.number}"
            if line.does == "->":
                if line.who not in here:
                    here[line.who] = (
                        await self.opens(server)
                        if framed
                        else LineVoice(await self.connects(server))
                    )
                await here[line.who].says(line.what)
            elif line.does == "--":
                await here.pop(line.who).drops()
            else:
                frame = await here[line.who].hears()
                shown = same(json.loads(line.what), written)
                self.assertEqual(same(frame, real), shown, f"{where}: {frame}")
                if frame.get("reply") == "bye":
                    self.assertIsNone(await here.pop(line.who).hears(), where)
        for who, voice in here.items():
            await voice.says('{"do": "ping", "cid": "the end"}')
            self.assertEqual(await voice.hears(), {"reply": "pong", "cid": "the end"}, who)


class ByHandTests(ProtocolTestCase):
    """What a reader of docs/protocol.md may try first."""

    async def test_who_was_greeted_as_a_person_can_go_over_to_frames(self) -> None:
        server = await self.serves()
        ann = await self.connects(server)
        await ann.until("/help")
        ann.sends(b'{"do": "join", "room": "tea"}\n')
        heard = [json.loads(line) for line in await ann.hears(3)]
        self.assertEqual([f.get("reply") for f in heard], ["hello", "entered", None])

    async def test_the_bot_runs_as_it_stands_there(self) -> None:
        [script] = [block for block in schema.blocks() if block.language == "python"]
        server = await self.serves()
        ann = await self.observes(server, "ann")
        source = "\n".join(line for _, line in script.lines)
        self.assertIn("8888", source)
        bot = coming(self.runs(sys.executable, "-c", source.replace("8888", str(server.port))))
        await ann.until('"who":"robot"')
        ann.asks("say", room="tea", body="Grüße")
        await ann.until('"body":"I heard Grüße"')
        await server.stop()
        self.assertEqual((await bot)[1:], ("", 0))


class AddressTests(ProtocolTestCase):
    """What the table of ways in says of WebSocket."""

    if not WITH_WEBSOCKETS:
        skip = "websockets is not installed"

    async def test_it_may_name_a_room_and_where_to_begin(self) -> None:
        server = await self.serves()
        ann = await self.observes(server, "ann", "thé")
        for body in ("one", "two", "three"):
            ann.asks("say", room="thé", body=body)
        await ann.until("three")
        for address, seqs in {
            "/ws/th%C3%A9?replay=1": [5],
            "/ws?room=th%C3%A9&since=3": [4, 5, 6, 7],  # a guest came and went
        }.items():
            voice = await self.opens(server, address)
            hello, entered = await voice.hears(), await voice.hears()
            self.assertEqual((hello["reply"], entered["name"]), ("hello", "thé"))
            self.assertNotIn("cid", entered)
            past = [await voice.hears() for _ in seqs]
            self.assertEqual([frame["seq"] for frame in past], seqs)
            self.assertEqual((await voice.hears())["reply"], "caughtup")
            await voice.says('{"do": "quit"}')
            while (await voice.hears()) is not None:
                pass

    async def test_subprotocols(self) -> None:
        server = await self.serves()
        wanted = [Subprotocol("chat"), Subprotocol("chatnet.json.v1")]
        voice = await self.opens(server, subprotocols=wanted)
        self.assertEqual(voice.link.subprotocol, "chatnet.json.v1")
        self.assertEqual((await voice.hears())["protocol"], 1)

    async def test_what_cannot_be_opened_is_told_by_a_status(self) -> None:
        server = await self.serves()
        for status, address, how in (
            (400, "/ws/tea?since=no", {}),
            (400, "/ws", {"subprotocols": [Subprotocol("chat")]}),
            (403, "/ws", {"origin": Origin("https://elsewhere.example")}),
        ):
            self.assertEqual(await self.refused(server, address, **how), status)
        small = await self.serves("--max-clients", "1", data="small")
        await self.connects(small)
        await small.logged("(1 now)")
        self.assertEqual(await self.refused(small, "/ws"), 503)
        strict = await self.serves("--tls-only", data="strict")
        asked = await self.connects(strict)
        asked.types("GET /ws HTTP/1.1", "Host: localhost", "Upgrade: websocket", "")
        self.assertIn(" 426 ", (await asked.hears(1))[0])

    async def refused(self, server: Server, address: str, **how: Any) -> int:
        try:
            await self.opens(server, address, **how)
        except InvalidStatus as refusal:
            return refusal.response.status_code
        raise AssertionError("not refused")

    async def test_what_is_no_text_ends_the_connection(self) -> None:
        server = await self.serves()
        voice = await self.opens(server)
        await voice.hears()
        await deferToThread(voice.link.send, b"{}")
        with self.assertRaises(ConnectionClosed) as caught:
            await deferToThread(voice.link.recv, SOON)
        received = caught.exception.rcvd
        assert received is not None
        self.assertEqual(received.code, 1003)


def same(value: Any, names: dict[str, str], key: str = "") -> Any:
    """Return ``value`` with all taken out of it that may be different each time.

    ``names`` are those that the server gave in this conversation, and what stands for them.
    """
    if key in DIFFERENT and value:
        return f"some {key}"
    if isinstance(value, dict):
        return {key: same(one, names, key) for key, one in value.items()}
    if isinstance(value, list):
        return [same(one, names) for one in value]
    if not isinstance(value, str):
        return value
    text = _GIVEN.sub(lambda found: names.setdefault(found[0], f"<{len(names)}>"), value)
    return _LEFT.sub("for a while", text)
