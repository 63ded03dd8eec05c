"""Encrypted rooms as people use them: real clients, a real server, and someone who listens."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.protocol import Factory, Protocol

from chatnet.client.chat import Chat, connect
from chatnet.core.commands import Encrypt
from chatnet.core.events import Shared
from chatnet.core.refusals import Refused
from tests.harness import Server, reactor
from tests.test_client import ClientTestCase, Program, Relay

WORDS = ("marmalade", "porridge", "kippers")


class Tap(Relay):
    """Stands between clients and a server, and writes down all that passes."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.heard = bytearray()

    def buildProtocol(self, addr: object) -> Protocol:
        near = super().buildProtocol(addr)
        far = self.far[-1]
        there, back = near.dataReceived, far.dataReceived

        def goes(data: bytes) -> None:
            self.heard += data
            there(data)

        def comes(data: bytes) -> None:
            self.heard += data
            back(data)

        near.dataReceived, far.dataReceived = goes, comes  # type: ignore[method-assign]
        return near


class EncryptionTests(ClientTestCase):
    timeout = 120

    async def begins(self) -> tuple[Server, Tap, int]:
        """Return a server with accounts, who listens on the way to it, and that way's port."""
        server = await self.serves()
        for name in ("ann", "bob"):
            maker = await self.connects(server)
            maker.types(f"/newuser {name} secret")
            await maker.until("You are logged in")
            maker.hangs_up()
        tap = Tap(server.port)
        factory: Factory = tap
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return server, tap, port.getHost().port

    def talks(self, port: int, name: str, device: str = "", *more: str) -> Program:
        """Return the client of the account ``name``, on that device."""
        keys = str(self.folder / f"keys-{device or name}")
        password = self.folder / "secret"
        password.write_text("secret")
        who = ("--user", name, "--password-file", str(password), "--keys", keys)
        return self.starts(port, "tea", *who, *more)

    async def test_only_those_in_the_room_read_it_and_it_outlives_a_kill(self) -> None:
        server, tap, port = await self.begins()
        ann = self.talks(port, "ann")
        ann.types("/encrypt on\n")
        await ann.shows("had this room encrypted")
        bob = self.talks(port, "bob")
        bob.types("/encrypt\n")
        await bob.shows("tea is encrypted for ann, bob.")
        listener = await self.joins(server, "zoe", "tea")
        ann.types("marmalade\n")
        await bob.shows("ann: marmalade")
        line = await listener.until("ann: ")
        self.assertIn("ann: (encrypted: a client with keys can read it", line[-1])
        bob.types("/whisper ann porridge\n")
        await ann.shows("[whisper] bob: porridge")

        await self.restarts(server)
        tap.hang_up()
        await bob.shows("The link is back.")
        await ann.shows("The link is back.")
        ann.types("kippers\n")
        await bob.shows("ann: kippers")

        other = self.talks(port, "bob", "other", "--history", "all")
        past = "--- what was said before you came is encrypted for those who were here ---\n"
        await other.shows(past * 2)  # whispers, and then the room: it has brought its keys by then
        ann.types("good morning\n")
        await ann.shows("!!! bob has a new device")
        await other.shows("ann: good morning")
        self.check_secrets(bytes(tap.heard))

    async def test_a_file_is_encrypted_as_well(self) -> None:
        _, tap, port = await self.begins()
        ann, bob = [await self.chats(port, name) for name in ("ann", "bob")]
        await ann.join("tea")
        room = await bob.join("tea")
        await ann.ask(Encrypt("tea"))
        path = self.folder / "marmalade.txt"
        path.write_text("porridge " * 40_000)
        await ann.send_file("tea", path)
        while not isinstance(shared := (await anext(room.stream)).event, Shared):
            pass
        self.assertEqual((shared.by, shared.name), ("ann", "marmalade.txt"))
        here = self.folder / "here"
        here.mkdir()
        got = await bob.fetch(shared, here)
        self.assertEqual((got.name, got.read_text()), ("marmalade.txt", path.read_text()))
        self.assertEqual([one.name for one in here.iterdir()], ["marmalade.txt"])
        guest = await connect("127.0.0.1", port, name="guy", tls=False, reactor=reactor)
        await guest.join("tea")
        with self.assertRaises(Refused) as refused:
            await guest.send_file("tea", path)
        self.assertIn("The room tea is encrypted", str(refused.exception))
        for chat in (ann, bob, guest):
            await chat.close()
        path.unlink()
        got.unlink()
        self.check_secrets(bytes(tap.heard))

    async def chats(self, port: int, name: str) -> Chat:
        keys = str(self.folder / f"keys-{name}")
        return await connect(
            "127.0.0.1", port, user=name, password="secret", tls=False, keys=keys, reactor=reactor
        )

    def check_secrets(self, traffic: bytes) -> None:
        """See that neither on the way nor on the disk there is a word that was said."""
        self.assertIn(b'"sealed"', traffic)
        for word in WORDS:
            self.assertFalse(word.encode() in traffic, word)
            for path in Path(self.folder, "data").rglob("*"):
                if path.is_file():
                    self.assertFalse(word.encode() in path.read_bytes(), (word, path))
        for path in self.folder.glob("keys-*/*"):
            self.assertEqual(path.stat().st_mode & 0o777, 0o600, path)
