"""Files through a real server: large ones, cut off ones, and with nothing but curl."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import sys
from hashlib import sha256
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from chatnet.client.chat import Chat, connect
from chatnet.client.courier import Sent
from chatnet.client.room import Room
from chatnet.core.events import Said, Shared
from chatnet.core.refusals import NoSpace, NotWhole
from tests.harness import NO_LIMITS, LiveTestCase, Server, coming, reactor

MIB = 1024 * 1024
LARGE = 64 * MIB
MOST_GROWTH = 20 * MIB  # of the server's memory, whatever goes through it
MOST_DELAY = 0.5  # seconds, that somebody's words take meanwhile, on a machine with much to do


class SharingTestCase(LiveTestCase):
    timeout = 100

    async def comes(self, port: int, name: str, tls: bool = False) -> tuple[Chat, Room]:
        """Return someone who is in a room, with the library."""
        known = str(self.folder / "known")
        chat = await connect("127.0.0.1", port, name=name, reactor=reactor, known=known, tls=tls)
        self.addCleanup(lambda: coming(chat.close()))
        return chat, await chat.join("tea")

    def file(self, size: int, name: str = "report.bin") -> Path:
        """Return a file whose bytes are all different enough."""
        path = self.folder / name
        block = os.urandom(MIB)
        with path.open("wb") as out:
            for at in range(0, size, MIB):
                out.write(at.to_bytes(8) + block[8 : min(MIB, size - at)])
        return path


class LargeTests(SharingTestCase):
    async def test_it_passes_while_others_talk_and_the_server_stays_small(self) -> None:
        server = await self.serves("--store", "memory:")
        await self.passes(server, LARGE)

    async def test_over_tls_as_well(self) -> None:
        server = await self.serves("--store", "memory:")
        await self.passes(server, 16 * MIB, tls=True)

    async def passes(self, server: Server, size: int, tls: bool = False) -> None:
        (_, ann), (bob, his) = [await self.comes(server.port, n, tls) for n in ("ann", "bob")]
        (_, eve), (_, zoe) = [await self.comes(server.port, n) for n in ("eve", "zoe")]
        path = self.file(size)
        before = server.memory()
        talking = coming(_talk(eve, zoe))
        sent = await ann.send_file(path)
        grown = server.memory() - before
        async for entry in his:
            if isinstance(entry.event, Shared):
                break
        got = await bob.fetch(sent.id, self.folder / "got.bin")
        grown = max(grown, server.memory() - before)
        talking.cancel()
        self.assertLess(max(await talking), MOST_DELAY)
        self.assertLess(grown, MOST_GROWTH)
        for one in (path, got):
            with one.open("rb") as file:
                digest = sha256()
                while data := file.read(MIB):
                    digest.update(data)
            self.assertEqual(digest.hexdigest(), sent.sha256)


async def _talk(eve: Room, zoe: Room) -> list[float]:
    """Let ``eve`` speak until it is cancelled; return how long ``zoe`` waited for each word."""
    delays: list[float] = [0.0]
    try:
        for number in range(100_000):
            asked = reactor.seconds()
            await eve.say(str(number))
            async for entry in zoe:
                if isinstance(entry.event, Said) and entry.event.body == str(number):
                    break
            delays.append(reactor.seconds() - asked)
            await deferLater(reactor, 0.02)
    except BaseException:
        pass
    return delays


class CutTests(SharingTestCase):
    async def test_killed_amid_an_upload_the_server_gets_the_rest_and_all_is_whole(self) -> None:
        server = await self.serves("--limit", "file-bytes=4M+8M/s", "--limit", "file-spare=0")
        port = server.port
        chat, room = await self.comes(port, "ann")
        path = self.file(16 * MIB)
        killed: Deferred[None] = Deferred()
        seen: list[int] = []

        def progress(through: int, size: int) -> None:
            seen.append(through)
            if through > size // 2 and not killed.called:
                server.kill(signal.SIGKILL)
                killed.callback(None)

        sending: Deferred[Sent] = coming(room.send_file(path, progress=progress))
        await killed
        await server.ended()
        again = self.launches(
            "--data", str(self.folder / "data"), "--port", str(port),
            "--interface", "127.0.0.1", *NO_LIMITS,
        )  # fmt: skip
        await again.logged("connect with:")
        sent = await sending
        self.assertEqual(sent.sha256, sha256(path.read_bytes()).hexdigest())
        self.assertIn(True, [b < a for a, b in itertools.pairwise(seen)])  # it went back,
        self.assertNotIn(True, [at < 4 * MIB for at in seen[len(seen) // 2 :]])  # and not far
        got = await chat.fetch(sent.id, self.folder / "got.bin")
        self.assertEqual(got.read_bytes(), path.read_bytes())
        shared = [e for e in await room.history() if isinstance(e.event, Shared)]
        self.assertEqual(len(shared), 1)

    async def test_what_was_fetched_before_a_cut_is_not_fetched_again(self) -> None:
        server = await self.serves()
        chat, room = await self.comes(server.port, "ann")
        path = self.file(4 * MIB)
        sent = await room.send_file(path)
        target = self.folder / "got.bin"
        part = self.folder / f"got.bin.{sent.id}.part"
        seen: list[int] = []
        part.write_bytes(path.read_bytes()[: 3 * MIB])
        got = await chat.fetch(sent.id, target, lambda through, _: seen.append(through))
        self.assertEqual(got.read_bytes(), path.read_bytes())
        self.assertGreater(min(seen), 3 * MIB)
        part.write_bytes(bytes(MIB))  # of something else
        with self.assertRaises(NotWhole):
            await chat.fetch(sent.id, target)
        self.assertFalse(part.exists())
        other = await chat.fetch(sent.id, target)
        self.assertEqual(other.name, "got (2).bin")

    async def test_given_up_it_leaves_nothing(self) -> None:
        server = await self.serves("--limit", "file-bytes=1M+1M/s", "--limit", "file-spare=0")
        _, room = await self.comes(server.port, "ann")
        begun: Deferred[None] = Deferred()

        def progress(through: int, size: int) -> None:
            if not begun.called:
                begun.callback(None)

        sending: Deferred[Sent] = coming(room.send_file(self.file(8 * MIB), progress=progress))
        await begun
        sending.addErrback(lambda _: None)
        sending.cancel()
        await sending
        folder = self.folder / "data" / "files"
        for _ in range(200):
            if not list(folder.iterdir()):
                return
            await deferLater(reactor, 0.02)
        self.fail("it is still there")

    async def test_a_full_disk_is_told_and_the_server_lives_on(self) -> None:
        server = self.launches(
            "--data", str(self.folder / "data"), "--port", "0", "--interface", "127.0.0.1",
            *NO_LIMITS, "--no-tls", shell="ulimit -f 4000",
        )  # fmt: skip
        await server.logged("connect with:")
        _, room = await self.comes(server.port, "ann")
        with self.assertRaises(NoSpace):
            await room.send_file(self.file(8 * MIB))
        sent = await room.send_file(self.file(MIB, "small.bin"))
        self.assertEqual(sent.size, MIB)


class PipeTests(SharingTestCase):
    async def test_a_pipe_sends_and_fetches_and_tells_how_it_ended(self) -> None:
        server = await self.serves()
        path = self.file(2 * MIB)
        home = self.folder / "home"
        home.mkdir()
        lines = f"/send-file tea {path}\n/send-file tea nowhere\n"
        out, err, status = await self.pipes(server, lines)
        self.assertIn("report.bin is sent.", err)
        self.assertIn("There is no file nowhere.", err)
        self.assertEqual(status, 1)
        id = out.partition("/get ")[2][:12]
        out, err, status = await self.pipes(server, f"/get {id} {home}\n", "1")
        self.assertEqual((status, (home / "report.bin").read_bytes()), (0, path.read_bytes()))
        _, err, status = await self.pipes(server, "/get 000000000000\n")
        self.assertIn("There is no such file", err)
        self.assertEqual(status, 1)

    async def pipes(self, server: Server, lines: str, history: str = "0") -> tuple[str, str, int]:
        words = (sys.executable, "-m", "chatnet.client", "tea", "--history", history)
        where = ("--host", "127.0.0.1", "--port", str(server.port), "--name", "ann")
        return await self.runs("/bin/sh", "-c", 'printf "$0" | "$@"', lines, *words, *where)


class CurlTests(SharingTestCase):
    async def test_as_the_handbook_says(self) -> None:
        curl = shutil.which("curl") or ""
        server = await self.serves()
        person = await self.joins(server, "ann")
        program = await self.observes(server, "bob")
        path = self.file(3 * MIB, "report.pdf")
        person.types("/token")
        way = (await person.until("To one person"))[-2].partition(": ")[2]
        self.assertTrue(way.startswith("curl -T FILE --oauth2-bearer "), way)
        words = way.replace("FILE", str(path)).replace("ROOM", "tea").split()
        out, _, status = await self.runs(curl, "-sS", *words[1:])
        self.assertEqual((status, out[:16]), (0, "Sent: report.pdf"))
        shared = json.loads((await program.until('"event":"shared"'))[-1])
        person.types(f"/get {shared['id']}")
        url = (await person.until("Its SHA-256"))[-2]
        for more in ("", url.replace("http:", "https:")):
            target = self.folder / "got.pdf"
            asked = (more or url, "-o", str(target))
            _, err, status = await self.runs(curl, "-sSk", *asked)
            self.assertEqual((status, err), (0, ""))
            self.assertEqual(target.read_bytes(), path.read_bytes())

    if not shutil.which("curl"):
        test_as_the_handbook_says.skip = "curl is not installed"  # type: ignore[attr-defined]
