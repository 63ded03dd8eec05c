"""The page in encrypted rooms: a real browser, clients that are not the page, a real server."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TypeVar

from twisted.internet.defer import CancelledError, Deferred

from chatnet import client
from chatnet.client.chat import Chat
from chatnet.client.keys.news import Asked, Compare, News, Verified
from chatnet.client.room import Room
from chatnet.core import commands as c, events as e
from chatnet.dialects.text import fingerprint
from chatnet.web.crypto import is_installed
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

    async def test_seven_emoji_are_compared_whoever_begins(self) -> None:
        server = await self.registered("ann", "zoe")
        ann = await self.enters(server, "ann")
        zoe = await self.logs_in(server, "zoe")
        await ann.chat.do(c.Encrypt("tea"))
        await zoe.types("/verify ann")
        await ann.learns(Asked)
        await ann.keys.verifier.begin("zoe")
        await self.compares(ann, zoe)
        self.assertEqual((await ann.learns(Verified)).name, "zoe")
        await zoe.shows("ann is verified")
        await ann.room.say("sure")
        await zoe.until("return document.querySelector('.lock.verified')")
        await ann.keys.verifier.begin("zoe")
        await zoe.clicks("dialog .choices .main")
        await self.compares(ann, zoe)
        await ann.learns(Verified)
        await zoe.until("return !document.querySelector('dialog[open]')")
        await zoe.types("/devices ann")
        await zoe.shows("verified", "dialog .device")
        own = ann.keys.ring.own.address
        await zoe.shows(fingerprint(own.signing), "dialog .device code")
        self.assertEqual(await zoe.complaints(), [])

    async def compares(self, ann: Person, zoe: Page) -> None:
        seen = await ann.learns(Compare)
        await zoe.until("return document.querySelectorAll('.emoji small').length === 7")
        shown = await zoe.runs(
            "return [...document.querySelectorAll('.emoji small')].map((one) => one.textContent)"
        )
        self.assertEqual(shown, [word for _, word in seen.emoji])
        await ann.keys.verifier.answer(True)
        await zoe.clicks("dialog .choices .main")

    async def test_without_the_package_the_page_says_so(self) -> None:
        server = await self.registered("ann", "zoe")
        ann = await self.enters(server, "ann")
        await ann.chat.do(c.Encrypt("tea"))
        zoe = await self.page()
        await zoe.opens(address(server))
        await zoe.runs("window.fetch = async () => new Response('{}')")
        await self.again(zoe, "zoe")
        await ann.room.say("secret")
        await zoe.shows("ann: This is encrypted")
        await zoe.types("hello")
        await zoe.shows("python -m chatnet.web.crypto", "#pending .why")
        guest = await self.visits(server, "guest")
        await ann.room.say("another")
        await guest.shows("Keys belong to an account")
        self.assertNotIn("ann: another", await zoe.said())
