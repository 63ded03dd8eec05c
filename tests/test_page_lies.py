"""Servers that lie to the page about what was said, who has keys, and what is encrypted."""

from __future__ import annotations

from chatnet.core import commands as c
from tests.browser import Page
from tests.harness import reactor
from tests.liar import Frame, Liar
from tests.pagekeys import KeysTestCase, Person


class PageLiesTests(KeysTestCase):
    async def between(self, *names: str) -> tuple[Liar, Page, list[Person]]:
        """Return what lies to zoe, her page in an encrypted room, and the others there."""
        server = await self.registered("zoe", *names)
        others = [await self.enters(server, name) for name in names]
        await others[0].chat.do(c.Encrypt("tea"))
        liar = Liar(server.port)
        port = reactor.listenTCP(0, liar, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        zoe = await self.logs_in(port.getHost().port, "zoe")
        await zoe.types("hello")
        await zoe.reads("zoe: hello")
        return liar, zoe, others

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
        lies += [copy, "altered", {"by": "bob"}, place, said, "twice", "drop"]
        for word in ("two", "three", "four", "five", "six", "seven", "eight", "nine"):
            await ann.room.say(word)
        await zoe.reads("ann: send money", "ann: seven", "ann: nine")
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
        await zoe.shows("1 message of ann before")

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
        await ann.room.say("ten")
        await ann.room.say("eleven")
        await zoe.reads("ann: nine", "ann: eleven")
        await zoe.shows("The server shows it out of order")
        self.assertEqual(await zoe.complaints(), [])
