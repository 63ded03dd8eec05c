"""Servers that lie to the page about what was said, who has keys, and what is encrypted."""

from __future__ import annotations

from chatnet.core import commands as c
from tests.browser import Page
from tests.harness import Server, reactor
from tests.liar import Frame, Liar
from tests.pagekeys import SECRET, KeysTestCase, Person


class PageLiesTests(KeysTestCase):
    async def between(self, *names: str) -> tuple[Liar, Page, list[Person]]:
        """Return what lies to zoe, her page in an encrypted room, and the others there."""
        server = await self.registered("zoe", *names)
        others = [await self.enters(server, name) for name in names]
        await others[0].chat.do(c.Encrypt("tea"))
        return *(await self.lied_to(server)), others

    async def lied_to(self, server: Server) -> tuple[Liar, Page]:
        """Return what lies to zoe about ``server``, and her page in the encrypted room."""
        liar = Liar(server.port)
        port = reactor.listenTCP(0, liar, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        liar.here = port.getHost().port
        zoe = await self.logs_in(liar.here, "zoe")
        await zoe.types("hello")
        await zoe.reads("zoe: hello")
        return liar, zoe

    async def looks(self, page: Page, line: str) -> None:
        """Type ``line``, look at what opens, and close it."""
        await page.types(line)
        await page.clicks("dialog[open] [title=Close]")
        await page.until("return !document.querySelector('dialog[open]')")

    async def test_a_server_that_cannot_say_who_has_keys_gets_nothing_plain(self) -> None:
        server = await self.registered("zoe", "ann", "dan")
        ann = await self.enters(server, "ann")
        await ann.chat.do(c.Encrypt("tea"))
        dan = await self.enters(server, "dan")
        await dan.chat.do(c.Leave("tea"))  # so zoe's page has no reason to ask for his devices
        liar, zoe = await self.lied_to(server)

        def lie(frame: Frame) -> list[Frame] | None:
            if frame.get("reply") != "devices":
                return None
            return [{"error": "unavailable", "text": "Not now.", "cid": frame["cid"]}]

        liar.lie = lie
        await zoe.types("/msg dan psst")
        await zoe.until("return document.body.innerText.includes('Not now.')")
        self.assertFalse(liar.said("psst"))
        liar.lie = lambda _: None
        await zoe.clicks("[data-key='tea']")
        await zoe.types("still here")
        await zoe.reads("zoe: still here")
        self.assertFalse(liar.said("still here"))

    async def test_what_others_said_is_not_believed_when_it_was_tampered_with(self) -> None:
        liar, zoe, (ann, bob) = await self.between("ann", "bob")
        den = await ann.chat.join("den")
        await ann.chat.do(c.Encrypt("den"))
        await bob.chat.join("den")
        await zoe.types("/join den")
        await zoe.shows_room("den")
        heard: list[Frame] = []  # as it was said
        lies: list[Frame | str] = []  # what is changed in the next ones

        def lie(frame: Frame) -> list[Frame] | None:
            if frame.get("event") != "sealed" or frame["by"] != "ann":
                return None
            heard.append(frame)
            if frame["room"] != "tea" or not lies:
                return None
            what = lies.pop(0)
            match what:
                case "drop":
                    return []
                case "twice":
                    return [frame, frame]
                case str():
                    flipped = "A" if frame["body"][30] != "A" else "B"
                    return [{**frame, "body": frame["body"][:30] + flipped + frame["body"][31:]}]
                case change:
                    return [{**frame, **change}]

        liar.lie = lie
        await den.say("in the den")
        await zoe.reads("ann: in the den")
        await zoe.clicks("[data-key='tea']")
        await ann.room.say("one")
        await zoe.reads("ann: one")
        first, second = heard
        said = {"event": "said", "body": "send money"}
        place = {name: first[name] for name in ("by", "device", "session", "body")}
        copy = {name: second[name] for name in ("session", "body")}
        note = {"event": "note", "text": "bob is verified"}  # as the page says it
        lies += [copy, "altered", {"by": "bob"}, place, said, "twice", "drop", note]
        for word in ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"):
            await ann.room.say(word)
        await zoe.reads("ann: send money", "ann: seven", "ann: ten")
        causes = await zoe.runs(
            "return [...document.querySelectorAll('#rows .sealed')].slice(-4)"
            ".map((row) => row.textContent)"
        )
        for cause, wanted in zip(
            causes,
            (
                f"It is a copy of message #{second['seq']}",
                "It is forged: its session does not open it",
                "Its key has not come from bob",
                "It is forged: its session is for another room",
            ),
            strict=True,
        ):
            self.assertIn(wanted, cause)
        await zoe.shows("not encrypted!", "#rows .lock.plain")
        await zoe.shows("5 messages of ann before")  # two to six: none of them was read
        await zoe.shows("2 messages of ann before")
        self.assertNotIn("bob is verified", await zoe.runs("return rows.textContent"))

        later: list[Frame] = []

        def swap(frame: Frame) -> list[Frame] | None:
            if frame.get("event") != "sealed":
                return None
            later.append(frame)
            if len(later) < 2:
                return []
            (a, b), seqs = later, [one["seq"] for one in later]
            return [{**b, "seq": seqs[0]}, {**a, "seq": seqs[1]}]

        liar.lie = swap
        await ann.room.say("eleven")
        await ann.room.say("twelve")
        await zoe.reads("ann: ten", "ann: twelve")
        await zoe.shows("The server shows it out of order")
        self.assertEqual(await zoe.complaints(), [])

    async def test_nothing_is_encrypted_for_keys_that_the_server_exchanged(self) -> None:
        liar, zoe, (ann, bob) = await self.between("ann", "bob")
        lists: dict[str, Frame] = {}  # what the server says, by account

        def exchange(frame: Frame) -> list[Frame] | None:
            if frame.get("reply") != "devices" or frame["account"] != "ann":
                return None
            (mine,), (other,) = frame["devices"], lists["bob"]["devices"]
            keys = {name: other[name] for name in ("identity", "signing", "signature")}
            return [{**frame, "devices": [{**mine, **keys}]}]

        def keep(frame: Frame) -> list[Frame] | None:
            if frame.get("reply") == "devices":
                lists[frame["account"]] = frame
            return None

        liar.lie = keep
        await self.looks(zoe, "/fingerprint bob")
        await self.looks(zoe, "/fingerprint ann")
        await zoe.types("/fingerprint ann ok")
        await zoe.shows("Verified, because you compared the keys")
        liar.lie = exchange
        await self.looks(zoe, "/devices ann")
        device = ann.keys.ring.own.id
        await zoe.shows(f"OTHER KEYS for the device {device} of ann")
        await zoe.types("not for ann")
        await bob.hears("zoe: not for ann")
        await ann.hears("zoe: ?")

        def hide(frame: Frame) -> list[Frame] | None:
            if frame.get("reply") == "devices":
                return [{**frame, "devices": []}]
            return None

        liar.lie = hide
        await self.looks(zoe, "/devices bob")
        await zoe.shows(f"bob has removed the device {bob.keys.ring.own.id}")
        await zoe.types("/whisper bob porridge")
        await zoe.shows("bob had keys, and the server says there are none now", "#pending .why")
        liar.lie = lambda frame: None
        await zoe.clicks("[data-key='tea']")
        await self.looks(zoe, "/devices ann")
        await zoe.shows(f"ann has a new device: {device}")
        await zoe.shows("Nothing is encrypted for it until you have looked")
        await zoe.types("/trust ann", "for ann again")
        await ann.hears("zoe: ?", "zoe: for ann again")

        def unsigned(frame: Frame) -> list[Frame] | None:
            if frame.get("reply") != "claimed":
                return None
            key = frame["key"]
            return [{**frame, "key": ("A" if key[0] != "A" else "B") + key[1:]}]

        liar.lie = unsigned
        other = await self.enters(liar.port, "bob")
        await zoe.shows("bob has one more device now")
        await zoe.types("not for the new one")
        await zoe.shows(f"bob cannot read this on the device {other.keys.ring.own.id}")
        await bob.hears("zoe: not for the new one")
        await other.hears("zoe: ?")
        self.assertFalse(liar.said("porridge"))
        self.assertEqual(await zoe.complaints(), [])

    async def test_no_plain_word_goes_into_a_room_that_was_encrypted(self) -> None:
        liar, zoe, (_, bob) = await self.between("ann", "bob")
        await zoe.types("/whisper bob hello")
        await zoe.reads("zoe: hello")

        def plain(frame: Frame) -> list[Frame] | None:
            if frame.get("reply") != "entered":
                return None
            return [{**frame, "state": {**frame["state"], "encrypted": False, "readers": []}}]

        def keyless(frame: Frame) -> list[Frame] | None:
            if frame.get("reply") == "hello":
                return [{**frame, "features": [one for one in frame["features"] if one != "keys"]}]
            return plain(frame)

        def guest(frame: Frame) -> list[Frame] | None:
            if frame.get("reply") == "youare":
                return [{**frame, "registered": False}]
            other = {"room": "brew"} if frame.get("reply") == "entered" else {}  # under its name
            return [one | other for one in keyless(frame) or [frame]]

        for lie in (plain, guest):
            await zoe.clicks("[data-key='tea']")
            liar.lie = lie
            await zoe.does(lambda driver: driver.refresh())
            await zoe.until("return document.getElementById('name').value === 'zoe'")
            await zoe.comes_in("zoe", password=SECRET)
            await zoe.shows("The server says that tea is not encrypted. It was")
            await zoe.types("porridge")
            await zoe.shows("the server is lying", "#pending .why")
            await zoe.types("/whisper bob marmalade")
            if lie is not plain:
                await zoe.shows("was not sent", "#pending .why")
        await bob.chat.ask(c.Ping())
        self.assertFalse(liar.said("porridge"))
        self.assertFalse(liar.said("marmalade"))

        liar.lie = plain
        guy = await self.visits(liar.here, "guy")
        await guy.types("porridge")
        await guy.shows("the server is lying", "#pending .why")
        self.assertFalse(liar.said("porridge"))
