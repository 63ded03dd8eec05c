"""A real server whose messages are in files: killed, cut short, and asked for twice."""

from __future__ import annotations

from tests import test_restart
from tests.harness import LiveTestCase, Server


class FilesTests(LiveTestCase):
    async def serves_files(self, *options: str) -> Server:
        return await self.serves("--journal", "files:messages", *options)

    async def test_what_was_said_outlives_a_kill_and_a_torn_tail_is_told(self) -> None:
        server = await self.serves_files()
        ann = await self.registers(server, "Ann", "secret-1")
        ann.types("/join tea", "one", "two")
        await ann.answered()
        server.kill()
        await server.ended()
        folder = self.folder / "data" / "messages"
        self.assertEqual(sorted(path.name for path in folder.parent.glob("*.db")), ["chatnet.db"])
        (log,) = folder.glob("commits/*.log")
        with log.open("ab") as file:
            file.write(b"torn")

        server = await self.serves_files()
        await server.logged("cut 4 bytes of a commit that is not whole")
        ann = await self.arrives(server, "someone")
        ann.types("/login Ann secret-1", "/join tea")
        heard = await ann.until("--- end of history ---")
        self.assertEqual(heard[-3:-1], ["Ann: one", "Ann: two"])

    async def test_another_server_is_refused_in_one_line(self) -> None:
        server = await self.serves("--store", "files:")
        folder = self.folder / "data" / "chatnet.files"
        line = await self.fails("--data", "other", "--store", f"files:{folder}")
        self.assertEqual(
            line, f"chatnet: cannot open the store {folder}: another process writes there"
        )
        await server.stop()


class FilesRestartTests(test_restart.RestartTests):
    """All that a server remembers, in files."""

    async def serves(self, *options: str, data: str = "data", listen: bool = True) -> Server:
        store = () if "--store" in options else ("--store", "files:")
        return await super().serves(*store, *options, data=data, listen=listen)
