"""What operators do to accounts, by the one-shot form: real sockets, real programs."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import termios
from typing import Any

from tests.harness import Client, Server, poll
from tests.starting import start
from tests.test_console import ADMIN, ConsoleCase, Shot


class AccountTests(ConsoleCase):
    async def logs_in(self, server: Server, password: str) -> Client:
        client = await self.connects(server)
        client.types(f"/login ann {password}")
        return client

    async def does_with(self, typed: str, *words: str) -> tuple[str, str, int]:
        """Return what comes of ``words``, when ``typed`` is what standard input says."""
        command = shlex.join([*ADMIN, "--data", str(self.folder / "data"), *words])
        return await self.runs("/bin/sh", "-c", f"echo {typed} | {command}")

    async def test_a_suspension_outlives_the_server_and_ends_when_it_is_lifted(self) -> None:
        server = await self.opens()
        ann = await self.registers(server, "ann", "secret")
        out, err, status = await self.does("account", "suspend", "ann", "--reason", "rude")
        self.assertEqual((out, err, status), ("Done: act 1. undo 1 takes it back.\n", "", 0))
        self.assertIn("The account ann is suspended: rude.", "\n".join(await ann.closed()))
        await server.stop()
        server = await self.opens()
        await (await self.logs_in(server, "secret")).until("The account ann is suspended: rude.")
        await self.does("undo", "1")
        await (await self.logs_in(server, "secret")).until("You are logged in as ann.")

    async def test_a_password_is_read_from_standard_input_and_never_an_argument(self) -> None:
        server = await self.opens()
        ann = await self.registers(server, "ann", "secret")
        out, err, status = await self.does("account", "passwd", "ann", "open-sesame")
        self.assertEqual((out, status), ("", 2))
        self.assertIn("A password is not for the command line", err)
        out, _, status = await self.does_with("open-sesame", "account", "passwd", "ann")
        self.assertEqual((out, status), ("Done: act 1.\n", 0))
        self.assertIn("Staff gave your account another", "\n".join(await ann.closed()))
        await (await self.logs_in(server, "secret")).until("Wrong name or password")
        await (await self.logs_in(server, "open-sesame")).until("You are logged in as ann.")
        self.assertNotIn(b"sesame", server.log)

    async def test_ctrl_c_at_a_password_ends_it_on_a_line_of_its_own(self) -> None:
        await self.opens()
        for words in (
            ("admin", "--data", str(self.folder / "data"), "account", "passwd", "ann"),
            ("admin", "--connect", "localhost:1", "--user", "ann", "who"),
            ("client", "--user", "ann"), ("send", "--user", "ann", "tea", "hello"),
            ("tail", "--user", "ann", "tea"),
        ):  # fmt: skip
            shot = Shot()
            start(shot, (sys.executable, "-m", "chatnet", *words), terminal=True)
            await shot.shows("assword")
            shot.transport.write(b"\x03")  # type: ignore[union-attr]
            self.assertEqual(await shot.ended(), 130, (words, shot.out))
            self.assertRegex(shot.out, r"assword[^\n]*: [^\n]*\r\n\Z")

    async def test_what_ends_the_console_leaves_the_terminal_as_it_was(self) -> None:
        await self.opens()
        for number in (signal.SIGINT, signal.SIGTERM):
            shot = Shot()
            start(shot, (*ADMIN, "--data", str(self.folder / "data")), terminal=True)
            terminal: Any = shot.transport
            kept = os.dup(terminal.fd)
            self.addCleanup(os.close, kept)
            before = termios.tcgetattr(kept)
            await shot.shows("Ctrl-D leaves.")
            await poll(lambda: termios.tcgetattr(kept) != before, "a prompt")  # noqa: B023
            os.kill(terminal.pid, number)
            self.assertEqual(await shot.ended(), 130)
            self.assertEqual(termios.tcgetattr(kept), before)

    async def test_a_code_lets_in_who_forgot_the_password(self) -> None:
        server = await self.opens()
        await self.registers(server, "ann", "forgotten")
        out, _, _ = await self.does("--json", "account", "reset-code", "ann")
        code = json.loads(out)["code"]
        ann = await self.logs_in(server, code)
        await ann.until("Choose a password: /passwd CODE NEW")
        ann.types(f"/passwd {code} remembered")
        await ann.until("Your password is changed.")
        await (await self.logs_in(server, code)).until("Wrong name or password")
        await (await self.logs_in(server, "remembered")).until("You are logged in as ann.")
        await server.stop()
        self.assertNotIn(code.encode(), server.log)
        for path in (self.folder / "data").rglob("*"):
            if path.is_file():
                self.assertNotIn(code.encode(), path.read_bytes(), path)

    async def test_an_account_is_exported_and_erased_while_it_is_here(self) -> None:
        server = await self.opens()
        ann = await self.registers(server, "ann", "secret")
        ann.types("/join tea", "green or black")
        bob = await self.joins(server, "bob")
        bob.types("/msg ann neither")
        await ann.until("neither")
        out, _, status = await self.does("--json", "account", "export", "ann")
        rows = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(status, 0)
        self.assertEqual(rows[0]["account"], "ann")
        self.assertEqual({row["kept"] for row in rows[1:]}, {"membership", "said", "whispered"})
        self.assertEqual([row["text"] for row in rows if "text" in row],
                         ["green or black", "neither"])  # fmt: skip
        out, err, status = await self.does("account", "erase", "ann")
        self.assertEqual((out, status), ("", 1))
        self.assertIn("say --sure", err)
        out, _, status = await self.does("account", "erase", "ann", "--sure")
        self.assertEqual(status, 0)
        self.assertIn("ann is erased, with 1 message.", out)
        self.assertIn("Your account is erased. Goodbye.", "\n".join(await ann.closed()))
        await self.registers(server, "ann", "another")
        bob.types("/search green")
        await bob.until("Nothing was found.")
