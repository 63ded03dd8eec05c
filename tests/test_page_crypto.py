"""The page in encrypted rooms: a real browser, clients that are not the page, a real server."""

from __future__ import annotations

import contextlib
from pathlib import Path

from twisted.internet.defer import CancelledError, Deferred

from chatnet import client
from chatnet.client.chat import Chat
from chatnet.client.room import Room
from chatnet.core import commands as c, events as e
from chatnet.web.crypto import is_installed
from tests.browser import BrowserTestCase, Page, address
from tests.harness import Server, poll, reactor

SECRET = "Secret11andmore"


class Person:
    """A client of the library with keys, and what it heard."""

    def __init__(self, chat: Chat, room: Room) -> None:
        self.chat = chat
        self.room = room
        self.heard: list[str] = []
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


class PageCryptoTests(BrowserTestCase):
    skip = BrowserTestCase.skip or (
        None if is_installed() else "the page lacks what encrypts: python -m chatnet.web.crypto"
    )

    async def registered(self, *names: str) -> Server:
        server = await self.serves()
        for name in names:
            await self.registers(server, name, SECRET)
        return server

    async def enters(self, server: Server, name: str) -> Person:
        folder = str(Path(self.mktemp()).absolute())
        chat = await client.connect(
            "127.0.0.1", server.port, user=name, password=SECRET, keys=folder, reactor=reactor
        )
        self.addCleanup(chat.close)
        return Person(chat, await chat.join("tea"))

    async def logs_in(self, server: Server, name: str) -> Page:
        page = await self.page()
        await page.opens(address(server))
        await self.again(page, name)
        return page

    async def again(self, page: Page, name: str) -> None:
        await page.clicks("#as-login")
        await page.comes_in(name, password=SECRET)

    async def test_two_clients_and_a_browser_in_one_room(self) -> None:
        server = await self.registered("ann", "bob", "zoe")
        ann, bob = await self.enters(server, "ann"), await self.enters(server, "bob")
        await ann.room.say("in the open")
        await ann.chat.do(c.Encrypt("tea"))
        await ann.room.say("before zoe")
        zoe = await self.logs_in(server, "zoe")
        await zoe.shows("What was said before is encrypted for those who were here.")
        await zoe.types("from the page")
        await ann.hears("zoe: from the page")
        await bob.hears("zoe: from the page")
        await bob.room.say("to the page")
        await zoe.reads("zoe: from the page", "bob: to the page")
        await ann.chat.whisper("zoe", "for you alone")
        await zoe.clicks("[data-key='@ann']")
        await zoe.reads("ann: for you alone")
        await zoe.types("and for you")
        await zoe.reads("zoe: and for you")
        await zoe.clicks("[data-key='tea']")

        await zoe.does(lambda driver: driver.refresh())
        await zoe.until("return document.getElementById('name').value === 'zoe'")
        await bob.room.say("while she was away")
        await zoe.comes_in("zoe", password=SECRET)
        await zoe.reads("zoe: from the page", "bob: to the page", "bob: while she was away")
        await zoe.types("after a reload")
        await ann.hears("zoe: after a reload")
        await bob.room.leave()
        await zoe.shows("bob left")
        await zoe.types("bob cannot read this")
        await ann.hears("zoe: bob cannot read this")
        self.assertEqual(await zoe.complaints(), [])
        back = await bob.chat.join("tea", history=10)
        again = Person(bob.chat, back)
        await again.hears("zoe: ?")
