"""What is changed while a server runs: its configuration, what staff sets, and who is gone."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import struct
import sys

from chatnet.core.refusals import NotAllowed
from tests.harness import Client
from tests.test_console import ConsoleCase

_SO_ATTACH_FILTER = 26  # of Linux
_DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)  # a program of BPF: return 0


class ConfigurationTests(ConsoleCase):
    async def test_it_is_read_again_and_nothing_is_half_taken_up(self) -> None:
        config = self.folder / "chat.toml"
        config.write_text('motd = "Old."\nlimit = ["none"]\nport = 0\ninterface = "127.0.0.1"\n')
        server = self.launches("--data", str(self.folder / "data"), "--config", str(config))
        await server.logged("operators are heard at ")
        calls = self.calls()
        config.write_text(config.read_text().replace("Old.", "New.") + 'budget = 7\nname = "tea"\n')
        told = await self.asks(calls, "config check")
        self.assertEqual(
            [(row["setting"], row["takes"]) for row in told.rows],
            [("name", "a reload"), ("motd", "a reload"), ("budget", "a restart")],
        )
        self.assertIn("Old.", await self.greeting(server.port))
        server.kill(signal.SIGHUP)
        await server.logged("Without a restart: 2. With one: 1.")
        self.assertIn("New.", await self.greeting(server.port))
        told = await self.asks(calls, "audit")
        self.assertEqual(told.rows[0]["did"], "config-reload")
        config.write_text('motd = "Newest."\nreplay = "some"\nteapot = 1\n')
        with self.assertRaisesRegex(NotAllowed, "Nothing was changed.*teapot; --replay is a num"):
            await self.asks(calls, "config reload")
        server.kill(signal.SIGHUP)
        await server.logged("Nothing was changed, for the configuration is wrong")
        self.assertIn("New.", await self.greeting(server.port))

    async def greeting(self, port: int) -> str:
        client = await self.connects(port)
        client.asks("hello")
        (hello,) = [json.loads(line) for line in await client.hears(1)]
        return str(hello["motd"])

    async def test_what_staff_sets_outlives_the_server_and_a_backup_holds_it(self) -> None:
        server = await self.opens("--limit", "mute=2m", "--motd", "Old.")
        calls = self.calls()
        await self.asks(calls, "motd 'Be kind.'")
        await self.asks(calls, "limit set mute 7m --for 1h")
        await self.asks(calls, "log level debug chatnet.server --for 10m")
        client = await self.connects(server)
        client.types("/kick nobody")
        await server.logged("is refused: ")
        path = self.folder / "chat.backup"
        told = await self.asks(calls, f"backup {path}")
        self.assertRegex(told.said, r"Done: .*chat.backup: .* entries")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        with self.assertRaisesRegex(NotAllowed, "is there already"):
            await self.asks(calls, f"backup {path}")
        self.assertIn("all is whole", (await self.asks(calls, f"verify {path}")).said)
        server.kill()
        await server.ended()
        server = await self.opens("--limit", "mute=2m", "--motd", "Old.")
        self.assertEqual(await self.greeting(server.port), "Be kind.")
        calls = self.calls()
        (row,) = (await self.asks(calls, "limit get mute")).rows
        self.assertEqual((row["value"], str(row["from"])[:17]), ("7m", "operator #2 until"))
        for act in (1, 2, 3):
            await self.asks(calls, f"undo {act}")
        self.assertEqual(await self.greeting(server.port), "Old.")
        (row,) = (await self.asks(calls, "limit get mute")).rows
        self.assertEqual((row["value"], row["from"]), ("2m", "option"))


class DeadTests(ConsoleCase):
    if not sys.platform.startswith("linux"):
        skip = "only Linux tells what was acknowledged"

    async def test_a_listener_that_is_gone_is_found_out_and_one_that_is_quiet_stays(self) -> None:
        server = await self.serves("--limit", "none", "--limit", "ping=1s", "--limit", "silence=2s")
        quiet = await self.observes(server, "quiet")
        sleepy = await self.observes(server, "sleepy")
        sleepy.stops_reading()
        dead = await self.observes(server, "dead")
        deafen(dead)
        ann = await self.joins(server, "ann")
        ann.types("is anybody there?")
        await server.logged("is lost: nobody answers")
        await server.logged("dead lost the connection to tea")
        idle = await self.observes(server, "idle")
        deafen(idle)
        await server.logged("idle lost the connection to tea")
        self.assertFalse(quiet.gone or sleepy.gone)
        sleepy.reads_again()
        await sleepy.until("is anybody there?")


def deafen(client: Client) -> None:
    """Let the system drop whatever comes for ``client``, as if its machine had gone."""
    program = ctypes.create_string_buffer(_DROP_ALL)
    option = struct.pack("HL", 1, ctypes.addressof(program))
    handle: socket.socket = client.transport.getHandle()  # type: ignore[union-attr]
    handle.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, option)
