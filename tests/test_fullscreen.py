"""The full-screen client at a real terminal, which tmux is, against the real server."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.util import find_spec

from twisted.internet.task import deferLater
from twisted.trial.unittest import SkipTest

from tests.harness import SOON, Server, coming, reactor
from tests.test_client import ClientTestCase


class Terminal:
    """One tmux with one window, in which a command runs."""

    def __init__(self, case: ClientTestCase, tmux: str) -> None:
        self._case = case
        self._command = (tmux, "-S", str(case.folder / "tmux"), "-f", os.devnull)
        self.screen = ""

    async def starts(self, command: str, width: int, height: int) -> None:
        size = ("-x", str(width), "-y", str(height))
        environment = {**os.environ, **self._case.home(), "TERM": "screen-256color"}
        out, err, status = await self._case.runs(
            *self._command, "new-session", "-d", *size, command, env=environment
        )
        assert status == 0, out + err

    async def tells(self, *words: str) -> str:
        out, err, status = await self._case.runs(*self._command, *words)
        assert status == 0, out + err
        return out

    async def types(self, text: str, *keys: str) -> None:
        if text:
            await self.tells("send-keys", "-l", text)
        if keys:
            await self.tells("send-keys", *keys)

    async def shows(self, *texts: str) -> str:
        """Return the screen, once all of ``texts`` are on it."""
        deadline = reactor.seconds() + SOON
        self.screen = await self.tells("capture-pane", "-p")
        while not all(text in self.screen for text in texts):
            if reactor.seconds() > deadline:
                raise AssertionError(f"not on the screen: {texts!r}\n{self.screen}")
            await deferLater(reactor, 0.05)
            self.screen = await self.tells("capture-pane", "-p")
        return self.screen

    async def ends(self) -> None:
        await self._case.runs(*self._command, "kill-server")


class FullScreenTests(ClientTestCase):
    timeout = 120

    async def opens(self, server: Server, width: int = 100, height: int = 24) -> Terminal:
        tmux = shutil.which("tmux")
        if tmux is None:
            raise SkipTest("there is no tmux: apt install tmux")
        if find_spec("textual") is None:
            raise SkipTest("there is no Textual: pip install 'chatnet[tui]'")
        terminal = Terminal(self, tmux)
        self.addCleanup(lambda: coming(terminal.ends()))
        where = f"--host 127.0.0.1 --port {server.port} --name ann"
        client = f"{sys.executable} -m chatnet.client tea {where}; echo it ended: $?; exec sleep 99"
        await terminal.starts(client, width, height)
        return terminal

    async def test_a_conversation_at_a_terminal(self) -> None:
        server = await self.serves()
        bob = await self.joins(server, "bob")
        ann = await self.opens(server)
        await bob.until("ann has joined the room.")
        bob.types("hi ann \x1b[31mred 漢字 👍", "/whisper ann psst")
        await ann.shows("bob │ hi ann ␛[31mred 漢字 👍", "2 @bob", "● online")
        await ann.types("hello", "M-Enter")
        await ann.types("bob", "Enter")
        await bob.until("ann: bob")
        await ann.types("", "M-a")
        await ann.types("yes?", "Enter")
        await bob.until("[whisper] ann: yes?")
        await ann.shows("bob │ psst", "ann │ yes?")
        await ann.tells("resize-window", "-x", "60", "-y", "20")
        await ann.types("", "M-1")
        await ann.shows("hello", "tea")
        server = await self.restarts(server)
        await ann.shows("The link is back.")
        carl = await self.joins(server, "carl")
        carl.types("still there?")
        screen = await ann.shows("still there?")
        self.assertEqual(screen.count("hello"), 1, screen)
        await ann.types("", "C-d")
        screen = await ann.shows("it ended: 0")
        self.assertNotIn("online", screen)
        await carl.until("ann has left the room.")
