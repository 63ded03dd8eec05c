"""The page in encrypted rooms: a real browser, clients that are not the page, a real server."""

from __future__ import annotations

from chatnet.client.keys.news import Asked, Compare, Verified
from chatnet.core import commands as c
from chatnet.dialects.text import fingerprint
from tests.browser import Page, address
from tests.pagekeys import SECRET, KeysTestCase, Person


class PageCryptoTests(KeysTestCase):
    async def test_two_clients_and_a_browser_in_one_room(self) -> None:
        server = await self.registered("ann", "bob", "zoe", replay=4)
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
        await ann.chat.whisper("zoe", "while you were away")
        await zoe.comes_in("zoe", password=SECRET)
        await zoe.reads("zoe: from the page", "bob: to the page", "bob: while she was away")
        await zoe.clicks("[data-key='@ann']")
        await zoe.reads("ann: while you were away")
        await zoe.clicks("[data-key='tea']")
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

        await zoe.types("/leave")
        await zoe.until("return !document.querySelector(\"[data-key='tea']\")")
        other = await self.enters(server, "ann")  # a device of which the page is not told:
        for number in range(5):  # that is behind all it is shown of what was before
            await ann.room.say(str(number))
        await zoe.types("/join tea")
        await zoe.shows_room("tea")
        await zoe.types("for that as well")
        await other.hears("zoe: for that as well")

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
