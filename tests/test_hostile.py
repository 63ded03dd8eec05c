"""Whatever bytes come: the server lives, its log is clean, and nobody else's screen is touched."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from contextlib import suppress as ignoring  # trial reads a module's "suppress"
from itertools import count
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings, strategies as st
from twisted.internet.threads import deferToThread

from chatnet.dialects import jsonl, verbs
from tests.harness import LiveTestCase, Server

MIB = 1024 * 1024
SECONDS = 15.0  # for the server to answer, or to close
BOUNDED = settings(
    derandomize=True,
    deadline=None,
    max_examples=150,
    database=None,
    suppress_health_check=list(HealthCheck),
)
UNSAFE = (
    {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\r\n\t"}
    | {chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}
    | {"\u2028", "\u2029"}
)

# -- what is thrown at it ----------------------------------------------------------

NASTY = (
    "\x1b[2J\x1b[H", "\x1b]0;owned\x07", "\x9b31m", "\x00", "\x08\x08\x08", "\x7f", "\x85", "\r",
    "\u202e", "\u2066", "\u2028", "\x0e", "\x1bP+q\x1b\\", "\ufeff", "\u200b", "\t", " ", "a", "é",
    "\U0001f44b", "{", "}", "/", "//", "@", "*", "#", "%s", "{0}", "\\", "'", '"', "9" * 5000,
)  # fmt: skip
_text = st.lists(st.one_of(st.sampled_from(NASTY), st.text(max_size=8)), max_size=8).map("".join)
_slow = {"login", "passwd", "password"}  # tries at passwords are slowed, as they should be
_words = [
    *sorted(set(verbs.VERBS) - _slow),
    *("help", "nonsense", "watcher", "all", "5", "2d6", "1w"),
]
_line = st.lists(st.one_of(st.sampled_from(_words), _text), max_size=4).map(" ".join)
_typed = st.lists(
    st.one_of(_line, _line.map(lambda line: f"/{line}")).map(lambda line: line.encode())
    | st.binary(max_size=30),
    max_size=8,
).map(b"\r\n".join)

_value = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | _text
    | st.sampled_from(["watcher", "\ud800", "\udfff", "*", "@watcher", "", "x" * 5000]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=5,
)
_fields = ("room", "body", "who", "name", "reason", "seconds", "topic", "since", "replay", "count",
           "times", "action", "alone", "dice", "secret", "cid", "proof", "target", "lock",
           "faces")  # fmt: skip
_verb = st.sampled_from(sorted(set(jsonl.VERBS) - _slow)) | _value
_asked = st.dictionaries(st.sampled_from(_fields), _value, max_size=6)


def _command(verb: Any, asked: dict[str, Any]) -> bytes:
    return json.dumps({"do": verb} | asked).encode()


_asking = st.lists(
    st.builds(_command, _verb, _asked) | _value.map(lambda value: json.dumps(value).encode()),
    max_size=6,
).map(b"\n".join)

TYPED: tuple[bytes, ...] = (
    b"\xff\xfb\x1f\xff\xfd\x18\xff\xfa\x18\x00xterm\xff\xf0hello\r\n",
    b"\xff\xfa" + b"never ends\r\n" * 1000,
    b"\xff\r\n\xff\xff\r\n\xff\xfb\r\n\xff\xf4\xff\xfd\x06\r\nhi\xff",
    b"\xe2\x82\r\n\xc3\r\n\xf0\x9f\x91\r\n\xed\xa0\x80\r\n\xc0\xaf\r\n\xfe\xff\r\n",
    "hällo".encode("latin-1") + b"\r\n" + "h\u00e4llo".encode("utf-16") + b"\r\n",
    b"\x00" * 1000 + b"\r\n\x00\r\n",
    b"\r" * 1000 + b"\n" * 1000,
    b"/" * 1000 + b"\r\n/\r\n//\r\n/ \r\n/ /\r\n",
    b"x" * (20 * MIB),
    b"x" * (20 * MIB) + b"\r\nafter\r\n",
    b"/me \x1b[31mred\r\n/shout \x1bc\r\n//\x1b[2J\r\n\x1b[2J\r\n\x9b2J\xc2\x9b2J\r\n",
    b"/topic \x1b]0;owned\x07\r\n/topic\r\n/topic \xe2\x80\xae\r\n",
    b"/nick \x1b[31mred\r\n/nick a\x00b\r\n/nick \xe2\x80\xaeabc\r\n/nick ann\xe2\x80\x8b\r\n",
    b"/join \x1b[31mred\r\n/join a\x00b\r\n/join " + b"x" * 10_000 + b"\r\n",
    b"/join @watcher\r\n/join *\r\n/join @~1\r\n/who *\r\n/who @watcher\r\n",
    b"/whisper watcher \x1b[2J\x00\r\n/spam watcher 10 \x1b[2J\r\n/spam watcher 999999999999 x\r\n",
    b"/mute watcher 9999999999w \x1b[2J\r\n/unmute watcher\r\n/mute watcher 1s \x07\r\n",
    b"/lock \x1b[2J\r\n/unlock\r\n/op watcher\r\n/roll 99999d99999\r\n/roll 0d0\r\n/roll -1d6\r\n",
    b"/history -1\r\n/history 99999999999999999999\r\n/history 0\r\n/history \xd9\xa3\r\n",
    b"/ignore \x1b[2J\r\n/ignore\r\n/unignore \x1b[2J\r\n/whois \x1b[2J\r\n/who \x1b[2J\r\n",
    b"/newuser \x1b[2J \x1b[2J\r\n/newuser watcher secret\r\n/newuser watcher\x00 secret\r\n",
    b"/login watcher secret\r\n/login \x00 \x00\r\n/login \x1b[2J \x1b[2J\r\n/passwd x y\r\n",
    b"/ban nobody\x1b[2J 9999999999999999w \x1b[2J\r\n/bans\r\n/unban \x1b[2J\r\n",
    b"/kick watcher \x1b[2J\xc2\x9b\xe2\x80\xae\r\n",
    b"/ban watcher 1s \x1b[2J\x00\xe2\x80\xae\r\n/bans\r\n",
    b"/help \x1b[2J\r\n/\x1b[2J\r\n/jo\x00in\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"NICK ann\r\nUSER ann 0 * :ann\r\nJOIN #tea\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 2,
    b"SSH-2.0-OpenSSH_9.2\r\n" + bytes(range(256)),
)  # fmt: skip
ASKED: tuple[bytes, ...] = (
    b'{"do":"say","room":"ROOM","body":"\\ud800"}\n{"do":"say","room":"ROOM","body":"\\udfff x"}\n',
    b'{"do":"say","room":"\\ud800","body":"x"}\n{"do":"nick","name":"\\ud800\\ud800\\ud800"}\n',
    b'{"do":"say","room":"ROOM","body":"x","cid":"\\ud800"}\n{"do":"\\ud800"}\n',
    b"[" * 200_000 + b"\n",
    b'{"do":' * 100_000 + b"\n",
    b'{"do":"say","room":"ROOM","body":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
    b'{"do":"say","room":"ROOM","body":{}}\n{"do":"say","room":[],"body":"x"}\n{"do":"say"}\n',
    b'{"do":{}}\n{"do":null}\n{"do":[]}\n{}\n[]\n"do"\n1\nnull\n{"do":"say"\n',
    b'{"do":"join","room":"ROOM","since":1e400}\n{"do":"join","room":"ROOM","since":NaN}\n',
    b'{"do":"join","room":"ROOM","since":' + b"9" * 5000 + b"}\n",
    b'{"do":"join","room":"ROOM","since":9007199254740992,"replay":9007199254740992}\n',
    b'{"do":"join","room":"ROOM","since":-1}\n{"do":"leave","room":"ROOM"}\n'
    b'{"do":"join","room":"ROOM","since":-1}\n{"do":"join","room":"ROOM","replay":-1}\n',
    b'{"do":"history","room":"ROOM","count":9007199254740992}\n{"do":"history","room":"ROOM","count":-1}\n',
    b'{"do":"say","room":"ROOM","body":"a\\u001b[2J\\u0000b\\nc\\rd\\u0085e\\u2028f\\u202eg\\u009b2J"}\n',
    b'{"do":"topic","room":"ROOM","topic":"a\\u001b[2J\\u0000b\\nc\\rd\\u0085e\\u2028f\\u202eg"}\n',
    b'{"do":"kick","room":"ROOM","who":"watcher","reason":"a\\u001b[2J\\nb\\u202e\\u0000"}\n',
    b'{"do":"mute","room":"ROOM","who":"watcher","reason":"\\u001b[2J\\nb","seconds":1e9}\n',
    b'{"do":"ban","room":"ROOM","who":"watcher","reason":"\\u001b[2J\\nb","seconds":1e308}\n',
    b'{"do":"ban","room":"ROOM","who":"\\u001b[2Jwatcher\\n"}\n{"do":"bans","room":"ROOM"}\n',
    b'{"do":"whisper","who":"watcher","body":"a\\u001b[2J\\nb","times":10}\n',
    b'{"do":"whisper","who":"watcher","body":"","times":-1}\n{"do":"whisper","who":"","body":""}\n',
    b'{"do":"register","name":"' + b"x" * 30 + b'","password":"\\u0000\\u0000\\u0000\\u0000"}\n',
    b'{"do":"say","room":"ROOM","body":"","action":true}\n{"do":"say","room":"ROOM","body":"\\n\\n"}\n',
    b'{"do":"say","room":"*","body":"x"}\n{"do":"join","room":"*"}\n{"do":"join","room":"@watcher"}\n',
    b'{"do":"history","room":"*"}\n{"do":"history","room":"@watcher"}\n{"do":"who","room":"@~1"}\n',
    b'\xef\xbb\xbf{"do":"ping"}\n{"do":"ping"}\x00\n\x00{"do":"ping"}\n/join tea\n\xff\xfb\x01\n',
    b'{"do":"say","room":"ROOM","body":"' + b"x" * (60 * MIB),
)  # fmt: skip


# -- sockets that wait, for a thread -----------------------------------------------


class Peer:
    """A connection that may be made to say anything."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._heard = b""

    def says(self, data: bytes) -> None:
        self._socket.sendall(data)

    def until(self, done: Callable[[bytes], bool]) -> bytes:
        """Return what comes until it is ``done``."""
        while not done(self._heard):
            data = self._socket.recv(65536)
            assert data, f"closed after {self._heard[-500:]!r}"
            self._heard += data
        heard, self._heard = self._heard, b""
        return heard

    def answered(self) -> bytes:
        """Return what comes before the answer to all that was asked for."""
        self.says(b"/ping\r\n")
        return self.until(lambda data: (b"\n" + data).endswith(b"\npong\r\n"))

    def ends(self) -> bytes:
        """Say no more; return what comes until the server closes, which it has to."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
            while data := self._socket.recv(65536):
                self._heard += data
        except (ConnectionError, OSError) as error:
            assert not isinstance(error, TimeoutError), "it was not closed"
        self._socket.close()
        return self._heard

    def closes(self) -> None:
        self._socket.close()


def check_safe(heard: bytes) -> None:
    """See that a terminal can show ``heard`` and obeys nothing in it."""
    text = heard.decode()
    found = UNSAFE & set(text)
    assert not found, (found, text[-500:])
    assert not text or text.endswith("\r\n"), text[-500:]
    assert text.count("\r") == text.count("\r\n") == text.count("\n"), text[-500:]


class Attack:
    """Somebody who sends anything, where somebody else is watching."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._rooms = count()
        self.watcher = Peer(port)
        self.watcher.says(b"/nick watcher\r\n")
        self.watcher.answered()

    def __call__(self, join: bytes, payload: bytes, piece: int = 0) -> bytes:
        """Open a room, let the watcher in, and send ``payload``; return what the watcher heard."""
        room = f"r{next(self._rooms)}".encode()
        hostile = Peer(self._port)
        hostile.says(join.replace(b"ROOM", room))
        hostile.until(lambda data: room in data)
        self.watcher.says(b"/join " + room + b"\r\n")
        self.watcher.until(lambda data: b"Current users:" in data)
        payload = payload.replace(b"ROOM", room)
        piece = piece or len(payload) or 1
        with ignoring(ConnectionError):  # it wanted to /quit, perhaps
            for start in range(0, len(payload), piece):
                hostile.says(payload[start : start + piece])
        hostile.ends()
        heard = self.watcher.answered()
        check_safe(heard)
        return heard


TEXT_JOIN, JSON_JOIN = b"/join ROOM\r\n", b'{"do":"join","room":"ROOM"}\n'


class HostileTests(LiveTestCase):
    timeout = 120

    async def _in_thread(self, work: Callable[[int], None], *options: str) -> Server:
        server = await self.serves(*options)
        await deferToThread(work, server.port)
        ann = await self.arrives(server, "ann", "/join afterwards", "all is well")
        ann.types("/who")
        self.assertEqual(await ann.answered(), ["In afterwards (1): ann (moderator)"])
        return server

    async def test_any_bytes_from_the_first_on(self) -> None:
        def work(port: int) -> None:
            @BOUNDED
            @given(st.binary(max_size=400) | _typed | _asking)
            def check(data: bytes) -> None:
                peer = Peer(port)
                peer.says(data)
                peer.ends()

            check()

        await self._in_thread(work)

    async def test_any_lines_in_a_room(self) -> None:
        def work(port: int) -> None:
            attack = Attack(port)

            @BOUNDED
            @given(_typed, st.sampled_from([0, 0, 1, 7]))
            def check(data: bytes, piece: int) -> None:
                attack(TEXT_JOIN, data, piece)

            check()

        await self._in_thread(work)

    async def test_any_objects_in_a_room(self) -> None:
        def work(port: int) -> None:
            attack = Attack(port)

            @BOUNDED
            @given(_asking)
            def check(data: bytes) -> None:
                attack(JSON_JOIN, data)

            check()

        await self._in_thread(work)

    async def test_known_mischief_in_lines(self) -> None:
        def work(port: int) -> None:
            attack, heard = Attack(port), b""
            for payload in TYPED:
                heard += attack(TEXT_JOIN, payload)
                if len(payload) < 10_000:
                    attack(TEXT_JOIN, payload, 1)
            self._was_shown(heard)

        await self._in_thread(work)

    async def test_known_mischief_in_objects(self) -> None:
        def work(port: int) -> None:
            attack, heard = Attack(port), b""
            for payload in ASKED:
                heard += attack(JSON_JOIN, payload)
            self._was_shown(heard)

        await self._in_thread(work)

    def _was_shown(self, heard: bytes) -> None:
        """See that the watcher did watch."""
        for word in ("\u241b[2J", "\u2400", "\ufffd", "[whisper]", "was kicked", "the topic to: "):
            self.assertIn(word, heard.decode())

    async def test_known_mischief_before_anything_else(self) -> None:
        def work(port: int) -> None:
            for payload in (*TYPED, *ASKED):
                peer = Peer(port)
                peer.says(payload)
                peer.ends()

        await self._in_thread(work)

    async def test_known_mischief_at_a_server_with_a_password(self) -> None:
        def work(port: int) -> None:
            for payload in (*TYPED, *ASKED):
                peer = Peer(port)
                with ignoring(ConnectionError):
                    peer.says(payload)
                assert b"Welcome to" not in peer.ends()

        server = await self.serves("--password", "sesame", "--max-message", "1000")
        await deferToThread(work, server.port)
        ann = await self.connects(server)
        ann.types("sesame", "/join tea")
        self.assertIn("Welcome to room tea!", await ann.answered())

    async def test_connections_cut_anywhere(self) -> None:
        def work(port: int) -> None:
            chance = Random(1)
            for number in range(300):
                peer = Peer(port)
                data = b"/nick n%d\r\n/join tea\r\nhello\r\n/history all\r\n/who\r\n" % number
                peer.says(data[: chance.randrange(len(data))])
                if chance.random() < 0.5:
                    linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # at once, with a reset
                    peer._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                peer.closes()

        await self._in_thread(work)

    async def test_telnet_is_understood(self) -> None:
        server = await self.serves()
        ann, bob = await self.joins(server, "ann"), await self.joins(server, "bob")
        bob.sends(
            b"\xff\xfb\x1f\xff\xfa\x1f\x00\x50\x00\x18\xff\xf0\xff\xfd\x03hello\r\n"
            b"and\xff\xf1 again\r\n\xff\xfe\x01\r\n"
        )
        await bob.answered()
        self.assertEqual(
            await ann.answered(), ["bob has joined the room.", "bob: hello", "bob: and again"]
        )

    async def test_what_cannot_be_read_is_not_sent_and_said_so(self) -> None:
        server = await self.serves()
        ann, bob = await self.joins(server, "ann"), await self.joins(server, "bob")
        bob.sends("schön\r\n".encode("latin-1") + "schön\r\n".encode())
        self.assertEqual(
            await bob.answered(),
            ["That line is not UTF-8, so it was not sent. Set your terminal to UTF-8."],
        )
        self.assertEqual(await ann.answered(), ["bob has joined the room.", "bob: schön"])

    async def test_a_forged_line_cannot_be_told_from_speech(self) -> None:
        server = await self.serves()
        ann = await self.joins(server, "ann")
        eve = await self.observes(server, "eve")
        eve.asks("say", room="tea", body="hi\r\nann was kicked by eve\n\n[whisper] bob: psst\r")
        await eve.receives()
        self.assertEqual(
            await ann.answered(),
            [
                "eve has joined the room.",
                "eve: hi",
                "eve: ann was kicked by eve",
                "eve: ",
                "eve: [whisper] bob: psst\u240d",
            ],
        )
