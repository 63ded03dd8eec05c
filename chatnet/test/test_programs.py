"""What programs are offered besides: hello, history by pages, signals, the server's own words."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from chatnet.test.rig import Client, Rig

AFAR, HERE = "192.0.2.1", "127.0.0.1"


def kinds(frames: list[dict[str, Any]]) -> list[str]:
    return [next(str(f[k]) for k in ("event", "reply", "signal", "error", "ok") if k in f) for f in frames]  # fmt: skip  # noqa: E501


class ProgramTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()

    def program(self, name: str, room: str = "tea", **how: Any) -> Client:
        """Return a program called ``name`` in ``room``, all of whose welcome was heard."""
        program = self.rig.program(name)
        program.sends("join", room=room, **how)
        program.receives()
        return program


class HelloTests(ProgramTestCase):
    def test_it_can_be_asked_for_again(self) -> None:
        ann = self.program("ann")
        ann.sends("hello", protocol=1, cid="h")
        [hello] = ann.receives()
        self.assertEqual((hello["you"], hello["protocol"], hello["cid"]), ("ann", 1, "h"))
        self.assertEqual(
            hello["features"],
            [
                "history",
                "whispers",
                "search",
                "delete",
                "retention",
                "typing",
                "keys",
                "files",
                "tls",
            ],
        )
        ann.sends("hello", protocol=2)
        [error] = ann.receives()
        self.assertEqual(error["error"], "malformed")
        self.assertIn("protocol 1", error["text"])

    def test_also_before_the_password(self) -> None:
        rig = Rig(password="sesame")
        bot = rig.connects()
        bot.sends("hello")
        self.assertEqual(kinds(bot.receives()), ["hello", "hello"])


class HistoryTests(ProgramTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.ann = self.program("ann")
        for number in range(3, 103):  # their places: the room was opened and entered before
            self.ann.sends("say", room="tea", body=f"m{number}")
        self.ann.receives()

    def pages(self, **how: Any) -> list[dict[str, Any]]:
        self.ann.sends("history", room="tea", cid="h", **how)
        return self.ann.receives()

    def test_it_comes_in_pages_backwards(self) -> None:
        seen: list[int] = []
        before = 103
        while before > 1:
            opening, *entries, closing = self.pages(before=before, count=30)
            self.assertEqual((opening["reply"], opening["cid"]), ("history", "h"))
            self.assertEqual((closing["reply"], closing["seq"]), ("caughtup", before - 1))
            places = [entry["seq"] for entry in entries]
            self.assertEqual(places, list(range(opening["since"] + 1, before)))
            seen = places + seen
            before = opening["since"] + 1
        self.assertEqual(seen, list(range(1, 103)))

    def test_nothing_comes_before_the_beginning(self) -> None:
        for before in (1, 0):
            opening, closing = self.pages(before=before)
            self.assertEqual((opening["since"], opening["upto"], closing["seq"]), (0, 0, 0))

    def test_it_may_have_a_lower_end_as_well(self) -> None:
        for how, places in (
            ({"since": 40, "before": 44, "count": -1}, [41, 42, 43]),
            ({"since": 40, "before": 44, "count": 2}, [42, 43]),
            ({"since": 101}, [102]),
            ({"since": 500, "before": 44}, []),
        ):
            opening, *entries, _ = self.pages(**how)
            self.assertEqual([entry["seq"] for entry in entries], places, how)
            self.assertEqual(opening["upto"] - opening["since"], len(places))

    def test_a_place_beyond_the_end_is_the_end(self) -> None:
        opening, *entries, _ = self.pages(before=10**6, count=2)
        self.assertEqual((opening["upto"], [e["seq"] for e in entries]), (102, [101, 102]))

    def test_messages_are_counted_and_what_happened_between_them_comes_along(self) -> None:
        bob = self.program("bob")
        bob.sends("leave", room="tea")
        self.ann.sends("say", room="tea", body="last")
        self.ann.receives()
        _, *entries, _ = self.pages(count=2)
        self.assertEqual(kinds(entries), ["said", "joined", "left", "said"])

    def test_what_is_said_meanwhile_comes_after_it(self) -> None:
        bob = self.program("bob")
        self.ann.receives()
        self.ann.stops_listening()
        self.ann.sends("history", room="tea", count=1, before=50)
        bob.sends("say", room="tea", body="news")
        self.ann.listens()
        self.rig.settle()
        heard = kinds(self.ann.receives())
        self.assertIn(heard, (["history", "said", "caughtup", "said"], ["said", "history", "said", "caughtup"]))  # fmt: skip  # noqa: E501


class SignalTests(ProgramTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.ann, self.bob = self.program("ann"), self.program("bob")
        self.zoe = self.rig.member("zoe")
        self.ann.receives()
        self.bob.receives()

    def test_others_see_who_writes_and_people_on_terminals_do_not(self) -> None:
        self.rig.clock.advance(10)
        self.ann.sends("typing", room="tea")
        self.assertEqual(self.bob.receives(), [{"signal": "typing", "room": "tea", "who": "ann"}])
        self.assertEqual((self.ann.receives(), self.zoe.hears()), ([], []))

    def test_it_is_passed_on_now_and_then(self) -> None:
        self.rig.clock.advance(10)
        for _ in range(10):
            self.ann.sends("typing", room="tea")
        self.assertEqual(kinds(self.bob.receives()), ["typing"])
        self.rig.clock.advance(2)
        self.ann.sends("typing", room="tea")
        self.assertEqual(kinds(self.bob.receives()), ["typing"])

    def test_not_from_outside_nor_from_those_who_may_not_speak(self) -> None:
        eve = self.rig.program("eve")
        eve.sends("typing", room="tea")
        eve.sends("typing", room="milk")
        self.assertEqual(kinds(eve.receives()), ["not-a-member", "not-a-member"])
        self.ann.sends("mute", room="tea", who="bob")
        self.bob.receives()
        self.bob.sends("typing", room="tea")
        self.assertEqual(kinds(self.bob.receives()), ["muted"])

    def test_not_to_those_who_ignore_one(self) -> None:
        self.rig.clock.advance(10)
        self.bob.sends("ignore", name="ann")
        self.bob.receives()
        self.ann.sends("typing", room="tea")
        self.assertEqual(self.bob.receives(), [])

    def test_a_full_reader_is_spared(self) -> None:
        self.rig.clock.advance(10)
        self.bob.stops_listening()
        self.ann.sends("typing", room="tea")
        self.bob.listens()
        self.rig.settle()
        self.assertEqual(self.bob.receives(), [])

    def test_in_a_crowd_nobody_is_told(self) -> None:
        for number in range(50):
            self.rig.member(f"m{number}")
        self.rig.clock.advance(10)
        self.bob.receives()
        self.ann.sends("typing", room="tea")
        self.assertEqual(self.bob.receives(), [])


class OwnWordsTests(ProgramTestCase):
    def test_the_server_speaks_to_a_room_and_it_is_kept(self) -> None:
        ann, zoe = self.program("ann"), self.rig.member("zoe")
        ann.receives()
        said = Deferred.fromCoroutine(self.rig.network.notice("tea", "closing\nsoon"))
        self.rig.settle()
        self.assertEqual(self.successResultOf(said).seq, 4)
        [noticed] = ann.receives()
        self.assertEqual((noticed["event"], noticed["text"]), ("noticed", "closing\nsoon"))
        self.assertEqual(zoe.hears(), ["*** closing", "*** soon"])
        self.assertIn("*** closing", self.rig.arrives("/join tea").hears())

    def test_it_speaks_to_one_alone(self) -> None:
        ann = self.program("ann")
        ann.session.tell("psst")
        self.rig.settle()
        self.assertEqual(ann.receives(), [{"reply": "noted", "text": "psst"}])

    def stall(self, program: Client) -> None:
        program.session._stalled()
        self.rig.settle()

    def test_it_says_why_it_closes(self) -> None:
        for code, end in {
            "quit": lambda one: one.sends("quit"),
            "shutdown": lambda one: self.rig.factory.say_goodbye("bye"),
            "replaced": lambda one: self.rig.connects().sends(
                "nick", name=one.session.actor.name, secret=f"{one.session.actor.name}'s own"
            ),
            "stalled": lambda one: self.stall(one),
        }.items():
            program = self.program(f"p-{code}")
            end(program)
            bye = program.receives()[-1]
            self.assertEqual((bye["reply"], bye["code"]), ("bye", code))


class PlaintextTests(SynchronousTestCase):
    """Passwords of people who are far away, without TLS."""

    def asks(self, rig: Rig, address: str) -> list[str]:
        bot = rig.connects(address)
        bot.sends("nick", name=f"bot{len(rig.factory.sessions)}")
        bot.receives()
        for asked in (
            {"do": "login", "name": "tom", "password": "Tom11"},
            {"do": "register", "name": "tom", "password": "Tom11"},
            {"do": "passwd", "old": "Tom11", "new": "Tom12"},
            {"do": "join", "room": "tea", "password": "green"},
            {"do": "lock", "room": "tea", "password": "green"},
            {"do": "password", "password": "sesame"},
        ):
            bot.sends(**asked)
        bot.sends("join", room="open")
        return kinds(bot.receives())

    def test_they_are_refused_and_all_else_is_not(self) -> None:
        rig = Rig(allow_plaintext_passwords=False)
        heard = self.asks(rig, AFAR)
        self.assertEqual(heard[:6], ["plaintext"] * 6)
        self.assertIn("entered", heard)
        self.assertEqual(rig.store.holders({"tom"}), {})

    def test_not_from_this_machine_nor_if_the_operator_allows_it(self) -> None:
        self.assertNotIn("plaintext", self.asks(Rig(allow_plaintext_passwords=False), HERE))
        self.assertNotIn("plaintext", self.asks(Rig(), AFAR))

    def test_people_are_told_what_to_do_instead(self) -> None:
        rig = Rig(allow_plaintext_passwords=False)
        ann = rig.arrives("/login tom Tom11", address=AFAR)
        refusal = ann.hears()[-1]
        for word in ("chatnet.client --tls", "openssl s_client", "https://", "choose another"):
            self.assertIn(word, refusal)
        rig = Rig(allow_plaintext_passwords=False, tls=False)
        refusal = rig.arrives("/login tom Tom11", address=AFAR).hears()[-1]
        self.assertIn("Ask its operator", refusal)
        self.assertNotIn("openssl", refusal)

    def test_a_server_password_is_not_even_asked_for(self) -> None:
        rig = Rig(allow_plaintext_passwords=False, password="sesame")
        ann = rig.arrives(address=AFAR)
        [sentence] = ann.hears()
        self.assertIn("This server has a password", sentence)
        self.assertIn("chatnet.client --tls", sentence)
        self.assertTrue(ann.transport.disconnecting)
        bot = rig.connects(AFAR)
        bot.sends("hello")
        hello, bye = (f for f in bot.receives() if f["reply"] in ("hello", "bye"))
        self.assertEqual((hello["passwords"], bye["code"]), (False, "refused"))
        self.assertIn("Please type it:", rig.arrives(address=HERE).hears()[0])


class NameTests(ProgramTestCase):
    """A command that was named is answered under its name, whatever becomes of it."""

    def test_what_makes_no_sense_is_refused_by_its_name(self) -> None:
        ann = self.program("ann")
        for asked in ({"do": "say", "room": "tea"}, {"do": "sing"}, {"do": "join", "room": 5}):
            ann.types(json.dumps(asked | {"cid": "x"}))
            [error] = ann.receives()
            self.assertEqual((error["error"], error["cid"]), ("malformed", "x"))
        ann.types(json.dumps({"do": "say", "cid": 5}))
        self.assertNotIn("cid", ann.receives()[0])

    def test_the_servers_password_as_well(self) -> None:
        rig = Rig(password="sesame")
        rest: list[dict[str, Any]] = []
        for password, answer in (("sesame", "hello"), ("open", "wrong-password")):
            bot = rig.connects()
            bot.sends("hello")
            bot.receives()
            bot.sends("password", password=password, cid="p")
            said, *rest = bot.receives()
            self.assertEqual((kinds([said]), said["cid"]), ([answer], "p"))
        self.assertEqual((rest[0]["reply"], rest[0]["code"]), ("bye", "refused"))

    def test_an_answer_tells_nothing_of_another_ones_log(self) -> None:
        ann, bob = self.program("ann"), self.program("bob")
        ann.sends("whisper", who="bob", body="psst", cid="w")
        heard = ann.receives()
        [done] = [frame for frame in heard if "ok" in frame]
        [whispered] = [frame for frame in heard if "event" in frame and frame.get("body") == "psst"]
        self.assertEqual((done["room"], done["seq"]), (whispered["room"], whispered["seq"]))
        self.assertNotEqual(done["room"], bob.receives()[-1]["room"])
