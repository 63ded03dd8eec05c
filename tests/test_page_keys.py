"""Recovery phrases, fingerprints and devices on the page, in a real browser."""

from __future__ import annotations

from chatnet.client.dialogue import Dismissed
from chatnet.client.keys.people import DeviceGone, DeviceNew
from chatnet.core import commands as c
from chatnet.dialects.text import fingerprint
from tests.browser import Page, address
from tests.harness import Server
from tests.pagekeys import KeysTestCase, Person

FLUSH = "return import('/page/backup.js').then(({flush}) => flush())"  # which it does after 5 s


class PageKeysTests(KeysTestCase):
    async def other_browser(self, server: Server, name: str) -> Page:
        """Return a page of another origin, which so shares nothing with the first one."""
        page = await self.page()
        await page.opens(address(server).replace("127.0.0.1", "localhost"))
        await self.again(page, name)
        return page

    async def card(self, page: Page, label: str) -> None:
        """Click on what a card offers."""
        await page.until(
            "const all = [...document.querySelectorAll('.card .choices button')];"
            "const found = all.find((one) => one.textContent === arguments[0]);"
            "found?.click(); return found", label,
        )  # fmt: skip

    async def test_a_phrase_of_the_page_opens_in_the_library_and_the_other_way_round(self) -> None:
        server = await self.registered("ann", "zoe")
        ann = await self.enters(server, "ann")
        await ann.chat.do(c.Encrypt("tea"))
        zoe = await self.logs_in(server, "zoe")
        await zoe.shows("ann encrypted the room")  # before it was told of the device
        await ann.room.say("porridge")
        await zoe.reads("ann: porridge")
        fetched = "window.fetched = fetch; window.fetch = async () => new Response('{}')"
        await zoe.runs(fetched)
        await zoe.types("/recovery new")
        await zoe.shows("What this page needs for recovery phrases is not installed")
        await zoe.runs("window.fetch = window.fetched")
        await self.card(zoe, "Get new words")
        await zoe.until("return document.querySelectorAll('.words li').length === 12")
        words = await zoe.runs(
            "return [...document.querySelectorAll('.words li')].map((one) => one.textContent)"
        )
        await zoe.clicks("dialog .choices .main")
        await zoe.types("marmalade")
        await ann.hears("zoe: marmalade")
        await zoe.runs(FLUSH)

        other = await self.enters(server, "zoe")
        self.assertEqual(await other.keys.backup.restore(" ".join(words)), 2)
        await other.room.leave()
        again = Person(other.chat, await other.chat.join("tea", history=10))
        await again.hears("ann: porridge", "zoe: marmalade")

        phrase = await other.keys.backup.begin()
        third = await self.other_browser(server, "zoe")
        await third.shows("The server has a backup of your keys")
        await third.shows("What was said before is encrypted")
        await self.card(third, "I have the words")
        await third.until("return document.querySelector('dialog textarea')")
        await third.runs("document.querySelector('dialog textarea').value = arguments[0]", "a b c")
        await third.clicks("dialog form .main")
        await third.shows("That is no recovery phrase", "dialog .wrong")
        await third.runs("document.querySelector('dialog textarea').value = arguments[0]", phrase)
        await third.clicks("dialog form .main")
        await third.reads("ann: porridge", "zoe: marmalade")
        await third.shows("2 keys are back")
        await zoe.types("once more")
        await third.reads("ann: porridge", "zoe: marmalade", "zoe: once more")
        await zoe.runs(FLUSH)
        await zoe.shows("Another device began a new backup")
        self.assertEqual(await third.complaints(), [])

    async def test_only_fingerprints_that_were_shown_are_believed(self) -> None:
        server = await self.registered("ann", "zoe")
        ann = await self.enters(server, "ann")
        await ann.chat.do(c.Encrypt("tea"))
        zoe = await self.logs_in(server, "zoe")
        await zoe.types("/fingerprint ann ok")
        await zoe.shows("Nothing to compare was shown: /fingerprint ann first.")
        await zoe.types("/fingerprint ann")
        own = ann.keys.ring.own.address
        await zoe.shows(fingerprint(own.signing), "dialog .device code")
        await zoe.clicks("dialog [title=Close]")
        other = await self.enters(server, "ann")  # meanwhile
        await zoe.shows("ann has one more device now")
        await zoe.types("hello")
        await zoe.shows(f"ann has a new device: {other.keys.ring.own.id}")
        await zoe.types("/fingerprint ann ok")
        await zoe.shows(f"Verified, because you compared the keys: {own.device} of ann.")
        await ann.room.say("sure")
        await zoe.until("return document.querySelector('.lock.verified')")
        await other.room.say("not sure")
        await zoe.reads("ann: sure", "ann: not sure")
        await zoe.until("return document.querySelector('.lock.known')")
        third = await self.enters(server, "ann")
        await third.room.say("nor is this")
        await zoe.shows(f"ann has a new device: {third.keys.ring.own.id}")
        await zoe.shows("Nothing is encrypted for it until you have looked")

    async def test_devices_are_listed_named_and_removed(self) -> None:
        server = await self.registered("ann", "zoe")
        ann = await self.enters(server, "ann")
        await ann.chat.do(c.Encrypt("tea"))
        zoe = await self.logs_in(server, "zoe")
        other = await self.enters(server, "zoe")
        lost = other.keys.ring.own.id
        other.reading.addErrback(lambda failure: failure.trap(Dismissed))
        await zoe.shows(f"Your account has a new device: {lost}")
        await zoe.types("one")
        await other.hears("zoe: one")
        before = self.sessions(ann)
        await zoe.clicks("#self")
        await zoe.chooses("Devices and keys")
        await zoe.shows("this browser \u00b7 made ", "dialog .device")
        await zoe.shows(f"{lost}", "dialog .device + .device")
        await zoe.shows("first seen ", "dialog .device + .device")
        await zoe.clicks("dialog .device + .device .more")
        await zoe.until("return document.querySelector('dialog input')")
        await zoe.runs("document.querySelector('dialog input').value = 'old laptop'")
        await zoe.clicks("dialog form .main")
        await zoe.shows("old laptop", "dialog .device + .device strong")
        await zoe.clicks("dialog [title=Close]")
        await zoe.types(f"/rmdevice {lost}")
        await zoe.shows(f"Remove old laptop ({lost})?", "dialog h2")
        await zoe.clicks("dialog .choices .danger")
        await zoe.shows(f"The device {lost} is removed.")
        await zoe.types("two")
        await ann.hears("zoe: one", "zoe: two")
        self.assertEqual(self.sessions(ann), before + 1)
        await ann.room.say("ah")
        self.assertEqual((await ann.learns(DeviceGone)).device, lost)
        self.assertEqual(other.heard, ["zoe: one"])

        ann.news.clear()
        own = await zoe.runs("return (await import('/page/keys.js')).own.device")
        await zoe.types(f"/rmdevice {own}")
        await zoe.shows("It is this browser", "dialog")
        await zoe.clicks("dialog .choices .danger")
        await zoe.shows("was removed from your account", "#door-wrong")
        await self.again(zoe, "zoe")
        await zoe.shows("This browser is your device")
        await zoe.types("three")
        await ann.hears("zoe: three")
        await ann.room.say("oh")
        self.assertNotEqual((await ann.learns(DeviceNew)).device, own)

    def sessions(self, person: Person) -> int:
        """Return how many sessions ``person`` has."""
        return len(person.keys.ring.vault.all("session"))
