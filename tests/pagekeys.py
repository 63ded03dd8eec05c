"""What tests of encryption on the page have in common: people with keys, and pages with keys."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TypeVar

from twisted.internet.defer import CancelledError, Deferred

from chatnet import client
from chatnet.client.chat import Chat
from chatnet.client.keys.news import News
from chatnet.client.room import Room
from chatnet.core import events as e
from chatnet.web.crypto import PACKAGES, is_installed
from tests.browser import BrowserTestCase, Page, address
from tests.harness import Server, poll, reactor

T = TypeVar("T")
SECRET = "Secret11andmore"


class Person:
    """A client of the library with keys, and what it heard."""

    def __init__(self, chat: Chat, room: Room) -> None:
        self.chat = chat
        self.room = room
        self.heard: list[str] = []
        self.news: list[News] = []
        assert chat.keys is not None
        self.keys = chat.keys
        self.keys.tell = self.news.append
        self.reading = Deferred.fromCoroutine(self._read())

    async def _read(self) -> None:
        with contextlib.suppress(CancelledError):
            async for entry in self.room:
                event = entry.event
                if isinstance(event, e.Said | e.Sealed):
                    said = event.body if isinstance(event, e.Said) else "?"
                    self.heard.append(f"{event.by}: {said}")

    async def hears(self, *lines: str) -> None:
        await poll(lambda: self.heard[-len(lines) :] == list(lines), f"{lines}")

    async def learns(self, kind: type[T]) -> T:
        """Wait for news of that ``kind``, and return it."""
        found: list[T] = []

        def came() -> bool:
            found.extend(one for one in self.news if isinstance(one, kind))
            return bool(found)

        await poll(came, kind.__name__)
        self.news.clear()
        return found[0]


class KeysTestCase(BrowserTestCase):
    skip = BrowserTestCase.skip or (
        None
        if is_installed(*PACKAGES)
        else "the page lacks what encrypts: python -m chatnet.web.crypto"
    )

    async def registered(self, *names: str, replay: int = 50) -> Server:
        server = await self.serves("--replay", str(replay))
        for name in names:
            await self.registers(server, name, SECRET)
        return server

    async def enters(self, server: Server | int, name: str, folder: str = "") -> Person:
        """Return ``name`` in a room, with keys in ``folder``, or new ones."""
        folder = folder or str(Path(self.mktemp()).absolute())
        port = server if isinstance(server, int) else server.port
        chat = await client.connect(
            "127.0.0.1", port, user=name, password=SECRET, keys=folder, reactor=reactor
        )
        self.addCleanup(chat.close)
        return Person(chat, await chat.join("tea"))

    async def logs_in(self, server: Server | int, name: str) -> Page:
        page = await self.page()
        await page.opens(address(server))
        await self.again(page, name)
        return page

    async def again(self, page: Page, name: str) -> None:
        await page.clicks("#as-login")
        await page.comes_in(name, password=SECRET)
