"""Two windows of one browser, and when what is said on the page is under another key."""

from __future__ import annotations

import json

from chatnet.client.dialogue import Dismissed
from chatnet.core import commands as c, events as e
from chatnet.core.room import MOST_READERS, RoomState
from chatnet.dialects.jsonl import JsonStyle
from tests.browser import BrowserTestCase, Page, address
from tests.harness import Client
from tests.pagekeys import KeysTestCase


class WindowTests(KeysTestCase):
    async def test_one_window_has_the_keys_and_another_goes_on_when_it_is_closed(self) -> None:
        server = await self.registered("ann", "zoe")
        ann = await self.enters(server, "ann")
        await ann.chat.do(c.Encrypt("tea"))
        first = await self.logs_in(server, "zoe")
        await first.types("in the first")
        await first.reads("zoe: in the first")
        second = await self.logs_in(server, "zoe")
        await second.shows("Encryption is in use in another window of this browser")
        await second.types("not here")
        await second.shows("in another window", "#pending .why")
        await second.clicks("#pending .why button:last-child")
        await second.types("/whisper ann nor here")
        await second.shows("ann may have keys, so that was not sent", "#pending .why")
        await second.clicks("#pending .why button:last-child")
        await second.clicks("[data-key='tea']")
        await ann.room.say("meanwhile")
        await first.reads("zoe: in the first", "ann: meanwhile")
        await second.shows("ann: This is encrypted")

        await first.does(lambda driver: driver.get("about:blank"))
        await second.shows("Encryption goes on in this window now.")
        await second.reads("ann: meanwhile")
        await second.types("in the second")
        await ann.hears("zoe: in the first", "ann: meanwhile", "zoe: in the second")


_OVER = """
const {load} = await import('/page/olm.js');
await load();
const {Outgoing} = await import('/page/megolm.js');
const begin = () => new Outgoing('tea', {account: 'zoe', device: 'D', signing: 'S'});
const [many, old] = [begin(), begin()], week = 7 * 86400e3, seen = [];
for (let said = 1; said <= 100; said++) {
  many.seal('say', {body: ''});
  if (said > 98) seen.push(many.over);
}
for (const age of [week - 60e3, week]) {
  old.began = Date.now() - age;
  seen.push(old.over);
}
return seen;
"""


class RotationTests(KeysTestCase):
    async def session(self, page: Page, listener: Client) -> str:
        """Say something on the page; return in which session that is."""
        await page.types("hello")
        sealed = json.loads((await listener.until('"event":"sealed"'))[-1])
        session: str = sealed["session"]
        return session

    async def test_a_session_ends_after_a_hundred_messages_or_a_week(self) -> None:
        page = await self.page()
        await page.opens(address(await self.serves()))
        self.assertEqual(await page.runs(_OVER), [False, True, False, True])

    async def test_whoever_goes_and_each_change_of_devices_ends_it(self) -> None:
        server = await self.registered("ann", "bob", "zoe")
        ann = await self.enters(server, "ann")
        await ann.chat.do(c.Encrypt("tea"))
        listener = await self.observes(server)
        zoe = await self.logs_in(server, "zoe")
        sessions = [await self.session(zoe, listener)]

        async def again(what: str, ends: bool = True) -> None:
            await zoe.shows(what, "#rows > :nth-last-child(1 of .row:has(.quiet))")
            now = await self.session(zoe, listener)
            self.assertEqual(now not in sessions, ends, what)
            sessions.append(now)

        bob = await self.enters(server, "bob")
        await again("bob joined", False)
        other = await self.enters(server, "bob")
        other.reading.addErrback(lambda failure: failure.trap(Dismissed))
        await again("bob has one more device now")
        await bob.chat.ask(c.RemoveDevice(other.keys.ring.own.id))
        await again("bob has one less device now")
        await bob.room.leave()
        await again("bob left")
        bob.room = await bob.chat.join("tea")
        await again("bob joined", False)
        await ann.chat.do(c.Kick("tea", "bob"))
        await again("bob was put out by ann")
        bob.room = await bob.chat.join("tea")
        await again("bob joined", False)
        await ann.chat.do(c.Ban("tea", "bob"))
        await again("bob was banned by ann")
        await zoe.runs("const now = Date.now; Date.now = () => now() + 7 * 86400e3")
        await zoe.types("a week later")
        await ann.hears("zoe: a week later")
        week = json.loads((await listener.until('"event":"sealed"'))[-1])["session"]
        self.assertNotIn(week, sessions)


_FOLLOWS = """
const {Talk} = await import('/page/state.js');
const talk = new Talk('tea', 'tea');
return arguments[0].map((line) => {
  talk.take(JSON.parse(line), 'zoe');
  return [talk.encrypted, talk.epoch, [...talk.readers.values()]];
});
"""


class ReaderTests(BrowserTestCase):
    async def test_the_page_knows_for_whom_it_encrypts_as_the_server_does(self) -> None:
        many = [f"p{number}" for number in range(MOST_READERS)]
        events: list[e.Event] = [
            e.Opened("tea", "ann"), e.Joined("ann", True), e.Joined("guest-1"),
            e.Joined("bob", True), e.Encrypted("ann"), e.Joined("zoe", True),
            e.Renamed("guest-1", "eve", True), e.Left("bob", True), e.Joined("bob", True),
            e.Rekeyed("bob", "D", True), e.Rekeyed("nobody", "D", False),
            e.Rekeyed("bob", "", False, 2),
            e.Kicked("zoe", "ann", ""), e.Left("ann", True),
            *(e.Joined(name, True) for name in many), e.Banned("bob", "ann", "bob", 0.0, ""),
            e.Left("eve"), e.RoomDeleted("ann", "", 0.0), e.Joined("ann", True), e.RoomDiscarded(),
        ]  # fmt: skip
        state, style = RoomState(), JsonStyle()
        lines: list[str] = []
        wanted: list[object] = []
        for seq, event in enumerate(events, 1):
            state.evolve(event)
            lines.append(style.render(e.Entry("tea", seq, 1.0, event)).decode())
            wanted.append([state.encrypted, state.epoch, list(state.readers.values())])
        page = await self.page()
        await page.opens(address(await self.serves()))
        found = await page.runs(_FOLLOWS, lines)
        for event, one, other in zip(events, found, wanted, strict=True):
            self.assertTrue(one == other, event)
