"""Encryption from end to end: clients with keys, and a server that may do what it likes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from chatnet.accounts import passwords
from chatnet.client.keys import causes
from chatnet.client.keys.causes import Lock
from chatnet.client.keys.letters import AGAIN_SECONDS
from chatnet.client.keys.megolm import MOST_MESSAGES, MOST_SECONDS
from chatnet.client.keys.news import Asked, Compare, Downgraded, NotVerified, Verified, Withheld
from chatnet.client.keys.people import DeviceGone, DeviceNew, KeysChanged, Trust
from chatnet.client.stretches import Stretches
from chatnet.core import commands as c, events as e
from chatnet.core.refusals import BadPassword, Encrypted, NoDevice, Refused
from chatnet.server import keys
from chatnet.test import keyring
from chatnet.test.keyring import Box, Person, World

Frame = dict[str, Any]


class EncryptionTestCase(SynchronousTestCase):
    """ann, who owns the encrypted room tea, and bob, who is in it."""

    def setUp(self) -> None:
        self.patch(passwords, "_MEMORY_KIB", 64)  # this is about other keys
        self.world = World()
        for name in ("ann", "bob", "zoe"):
            self.world.registers(name)
        self.boxes = {name: Box() for name in ("ann", "bob", "zoe")}
        self.ann, self.bob = self.comes("ann"), self.comes("bob")
        self.ann.does(c.Encrypt("tea"))

    def comes(self, name: str, room: str = "tea") -> Person:
        """Return ``name`` on its first device, again or for the first time."""
        return self.world.comes(name, self.boxes[name], room)

    def lie(self, person: Person, change: Callable[[Frame], list[Frame] | None]) -> None:
        """Let the server tell ``person`` what ``change`` makes of each frame; None: the same."""

        def changed(back: bytes) -> bytes:
            told: list[bytes] = []
            for line in back.splitlines(keepends=True):
                frames = change(json.loads(line))
                if frames is None:
                    told.append(line)
                else:
                    told += [json.dumps(frame).encode() + b"\n" for frame in frames]
            return b"".join(told)

        person.way.change = changed  # type: ignore[method-assign]

    def news(self, person: Person, kind: type) -> list[Any]:
        return [one for one in person.news if isinstance(one, kind)]

    def secret(self, *words: str) -> None:
        """See that the server never saw any of ``words``."""
        traffic = b"".join(self.world.traffic).decode()
        for word in words:
            for where, text in (("traffic", traffic), ("store", self.world.kept())):
                self.assertFalse(word in text, f"{word} is in the {where}")


class BusyServerTests(EncryptionTestCase):
    """The server cannot say for a while who has which devices."""

    def setUp(self) -> None:
        super().setUp()
        self.asked = 0

    def ails(self, person: Person) -> None:
        def change(frame: Frame) -> list[Frame] | None:
            if frame.get("reply") != "devices":
                return None
            self.asked += 1
            if self.asked > 20:
                raise RuntimeError("it is asked again and again")
            return [{"error": "unavailable", "text": "Not now.", "cid": frame["cid"]}]

        self.lie(person, change)

    def heals(self, person: Person) -> None:
        self.lie(person, lambda frame: None)

    def test_what_cannot_be_encrypted_now_is_refused_at_once(self) -> None:
        self.ails(self.ann)
        self.ann.says("marmalade")
        self.ann.does(c.Whisper("bob", "porridge"))
        self.assertEqual(list(map(str, self.ann.refusals)), ["Not now."] * 2)
        self.assertEqual(self.asked, 2)
        self.heals(self.ann)
        self.ann.says("marmalade")
        self.ann.does(c.Whisper("bob", "porridge"))
        self.assertEqual(self.bob.read, ["marmalade", "porridge"])
        self.secret("marmalade", "porridge")

    def test_a_letter_of_which_it_is_not_known_who_wrote_it_waits(self) -> None:
        self.ails(self.bob)
        zoe = self.comes("zoe")
        zoe.says("marmalade")
        self.assertEqual(self.bob.read, [])
        self.world.passes(AGAIN_SECONDS)
        self.assertEqual(self.bob.read, [])
        self.heals(self.bob)
        self.world.passes(AGAIN_SECONDS)
        self.assertEqual(self.bob.read, ["marmalade"])
        self.assertLess(self.asked, 4)

    def test_who_logs_in_is_a_device_as_soon_as_the_server_can_say(self) -> None:
        async def fails(*_: object) -> None:
            raise OSError("the database is lost")

        self.patch(keyring, "PASSWORD", "")
        guest = self.world.comes("guest")
        attaches = keys._be
        self.patch(keys, "_be", fails)
        guest.does(c.Login("zoe", "password"))
        guest.says("marmalade")
        self.world.passes(AGAIN_SECONDS)
        self.patch(keys, "_be", attaches)
        self.assertFalse(guest.keys.ready)
        self.world.passes(AGAIN_SECONDS)
        self.assertTrue(guest.keys.ready)
        self.assertEqual(self.bob.read, ["marmalade"])

    def test_it_waits_no_longer_than_the_link_is_there(self) -> None:
        self.ails(self.bob)
        self.comes("zoe").says("marmalade")
        self.bob.loses_the_link()
        self.heals(self.bob)
        self.world.passes(AGAIN_SECONDS)
        self.world.passes(AGAIN_SECONDS)
        self.assertEqual(self.bob.read, ["marmalade"])


class LostLetterTests(EncryptionTestCase):
    def test_a_letter_that_was_not_opened_before_the_link_was_lost_comes_again(self) -> None:
        self.lie(self.bob, lambda frame: [] if frame.get("reply") == "devices" else None)
        self.comes("zoe").says("marmalade")
        self.lie(self.bob, lambda frame: None)
        self.bob.loses_the_link()
        self.world.passes(2.0)
        self.assertTrue(self.bob.link.online)
        self.assertEqual(self.bob.read, ["marmalade"])


class RoomTests(EncryptionTestCase):
    def test_who_is_in_it_reads_what_is_said_and_the_server_does_not(self) -> None:
        self.ann.says("marmalade")
        self.bob.says("porridge")
        for one in (self.ann, self.bob):
            self.assertEqual(one.read, ["marmalade", "porridge"])
        (first, _), (last, _) = self.ann.shown[-2:]
        self.assertIs(self.ann.keys.lock_of(first), Lock.VERIFIED)  # by oneself
        self.assertIs(self.ann.keys.lock_of(last), Lock.KNOWN)
        self.secret("marmalade", "porridge")

    def test_no_key_that_opens_it_is_with_the_server(self) -> None:
        self.ann.says("marmalade")
        phrase = self.ann.waits_for(self.ann.keys.backup.begin())
        exported = list(self.ann.keys.ring.sessions.export())
        self.secret(*[one["key"] for one in exported], *phrase.split(" ")[:1])
        rows = self.boxes["ann"]._db.execute("SELECT sealed FROM rows").fetchall()
        self.assertFalse(any(b"marmalade" in row[0] or b"session" in row[0] for row in rows))

    def test_ones_own_words_are_known_as_such(self) -> None:
        shown: list[bool] = []
        self.ann.entry = lambda entry, manner, mine: shown.append(mine)  # type: ignore[method-assign]
        self.ann.says("marmalade")
        self.assertEqual(shown[-1:], [True])
        self.assertFalse(self.ann.link.dialogue.outbox)

    def test_actions_and_a_lot_at_once_keep_their_order(self) -> None:
        self.ann.link.submit(c.Say("tea", "waves", True))
        for number in range(20):
            self.ann.link.submit(c.Say("tea", str(number)))
        self.world.carry()
        self.assertEqual(self.bob.read, ["waves", *map(str, range(20))])
        self.assertEqual(self.news(self.bob, Withheld), [])

    def test_who_comes_later_reads_from_then_on(self) -> None:
        self.ann.says("before")
        zoe = self.comes("zoe")
        self.ann.says("after")
        history = zoe.waits_for(self.history(zoe))
        self.assertEqual(zoe.read, ["after"])
        causes_ = [zoe.keys.why(entry) for entry in history if isinstance(entry.event, e.Sealed)]
        self.assertEqual(causes_, [causes.Earlier()])

    async def history(self, person: Person) -> Any:
        from twisted.internet.defer import Deferred

        done: Deferred[Any] = Deferred()
        pending = person.link.submit(c.History("tea", -1), done)
        await done
        return pending.stretch

    def test_who_left_reads_no_more_also_with_all_that_the_server_has(self) -> None:
        self.ann.says("before")
        self.bob.does(c.Leave("tea"))
        self.ann.says("behind its back")
        self.bob.does(c.Join("tea", since=0))
        self.ann.says("after")
        self.assertEqual(self.bob.read, ["before", "after"])
        self.assertEqual(len(set(self.sessions())), 2)

    def sessions(self) -> list[str]:
        log = self.world.rig.store.kept("tea")
        return [entry.event.session for entry in log if isinstance(entry.event, e.Sealed)]

    def test_who_is_put_out_or_kept_out_reads_no_more(self) -> None:
        for command in (c.Kick("tea", "bob"), c.Ban("tea", "bob")):
            self.ann.does(command)
            self.ann.says("behind its back")
            if isinstance(command, c.Kick):
                self.bob.does(c.Join("tea", since=0))
        self.assertEqual(self.bob.read, [])

    def test_who_lost_the_link_misses_nothing_and_reads_nothing_twice(self) -> None:
        self.ann.says("one")
        self.bob.way.open = False
        self.bob.way.drop()
        self.ann.says("two")
        self.bob.way.open = True
        self.world.passes(40)
        self.ann.says("three")
        self.assertEqual(self.bob.read, ["one", "two", "three"])
        self.assertEqual(self.bob.causes, [])

    def test_also_when_its_program_was_killed(self) -> None:
        self.ann.says("one")
        self.bob.ends()
        self.ann.says("two")
        bob = self.comes("bob", "")
        bob.does(c.Join("tea", since=0))
        self.assertEqual(bob.read, ["one", "two"])

    def test_also_when_the_server_starts_again(self) -> None:
        self.ann.says("one")
        clock = self.world.rig.clock
        for person in self.world.people:
            person.way.far = None
        self.world.rig.restart()
        for person in self.world.people:
            person.way.near.loseConnection()
        for _ in range(40):
            clock.advance(1)
            self.world.carry()
        self.ann.says("two")
        self.assertEqual(self.bob.read, ["one", "two"])

    def test_what_is_said_while_the_link_is_down_is_sent_once_it_is_back(self) -> None:
        self.bob.way.open = False
        self.bob.way.drop()
        self.bob.link.submit(c.Say("tea", "hello"))
        zoe = self.comes("zoe")
        self.bob.way.open = True
        self.world.passes(40)
        self.assertEqual((zoe.read, self.ann.read), (["hello"], ["hello"]))

    def test_who_comes_between_encrypting_and_saying_reads_it_and_who_goes_does_not(self) -> None:
        zoe = self.comes("zoe", "")
        self.ann.says("one")
        zoe.link.submit(c.Join("tea"))
        self.bob.link.submit(c.Leave("tea"))
        self.ann.link.submit(c.Say("tea", "two"))  # before it knows
        for person in (zoe, self.bob, self.ann):
            person.way._carry_once()
        self.world.rig.settle()
        self.assertIn(b'"error":"stale"', self.ann.way.far.transport.value())  # type: ignore[union-attr]
        self.world.carry()
        self.assertEqual((zoe.read, self.bob.read), (["two"], ["one"]))

    def test_keys_change_after_a_hundred_messages_and_after_a_week(self) -> None:
        for number in range(MOST_MESSAGES + 1):
            self.ann.link.submit(c.Say("tea", str(number)))
        self.world.carry()
        self.world.rig.clock.rightNow += MOST_SECONDS
        self.ann.says("later")
        self.assertEqual(len(set(self.sessions())), 3)
        self.assertEqual(len(self.bob.read), MOST_MESSAGES + 2)

    def test_guests_read_and_say_nothing(self) -> None:
        person = self.world.rig.arrives("/join tea")
        person.hears()
        self.ann.says("marmalade")
        self.assertEqual(len(person.hears()), 1)

    def test_without_keys_nothing_is_sent(self) -> None:
        self.ann.keys._standing.opened = False
        refused = self.assertRaises(Refused, self.ann.link.submit, c.Say("tea", "marmalade"))
        self.assertIsInstance(refused, Encrypted)
        self.secret("marmalade")
        self.assertFalse(self.ann.link.dialogue.outbox)


class DeviceTests(EncryptionTestCase):
    def test_another_device_reads_from_then_on_and_everybody_is_told(self) -> None:
        self.ann.says("one")
        other = self.world.comes("bob")
        self.ann.says("two")
        other.says("three")
        self.assertEqual(other.read, ["two", "three"])
        self.assertEqual(self.bob.read, ["one", "two", "three"])
        (told,) = self.news(self.ann, DeviceNew)
        self.assertEqual(
            (told.name, told.device, told.waits), ("bob", other.keys.ring.own.id, False)
        )
        self.assertEqual(len(self.news(self.bob, DeviceNew)), 1)

    def test_a_removed_one_reads_no_more(self) -> None:
        other = self.world.comes("bob")
        self.ann.says("one")
        self.bob.does(c.RemoveDevice(other.keys.ring.own.id))
        self.ann.says("two")
        self.assertEqual((other.read, self.bob.read), (["one"], ["one", "two"]))
        self.assertEqual(len(self.news(self.ann, DeviceGone)), 1)

    def test_so_it_is_in_a_room_that_nobody_used_meanwhile(self) -> None:
        lost = self.world.comes("bob", None, "").keys.ring.own.id
        self.ann.says("before")
        self.ann.does(c.Leave("tea"))
        self.bob.ends()
        third = self.world.comes("bob", None, "")
        self.world.passes(1000)
        self.assertNotIn("tea", self.world.rig.network.audiences)
        third.does(c.RemoveDevice(lost))
        fourth = self.world.comes("bob", None, "")
        self.ann.does(c.Join("tea"))
        self.ann.says("after")
        self.assertEqual([one.device for one in self.news(self.ann, DeviceGone)], [lost])
        for device in (third, fourth):
            device.does(c.Join("tea", since=0))
            self.assertEqual(device.read, ["after"])

    def test_an_absent_device_finds_its_keys_when_it_comes(self) -> None:
        other = self.world.comes("bob")
        box = other.box
        other.ends()
        self.ann.says("one")
        other = Person(self.world, "bob", box, ("tea",))
        self.world.people.append(other)
        self.world.carry()
        other.does(c.Join("tea", since=0))
        history = other.waits_for(RoomTests.history(self, other))  # type: ignore[arg-type]
        said = [entry.event.body for entry in history if isinstance(entry.event, e.Said)]
        self.assertEqual(said, ["one"])

    def test_two_programs_of_one_device_are_one_too_many(self) -> None:
        twin = self.comes("bob")
        self.ann.says("one")
        self.assertEqual((self.bob.read, twin.read), (["one"], ["one"]))

    def test_whispers_of_before_are_read_again_by_who_has_the_keys(self) -> None:
        self.ann.does(c.Whisper("bob", "marmalade"))
        self.bob.does(c.Whisper("ann", "porridge"))
        zoe = self.comes("zoe")
        zoe.does(c.Whisper("ann", "aside"))
        for one, other in ((self.ann, "bob"), (self.bob, "ann")):
            shown = len(one.shown)
            asked = c.History(who=other)
            since, entries = one.waits_for(Stretches(one.link).read(asked))
            said = [entry.event.body for entry in entries if isinstance(entry.event, e.Whispered)]
            self.assertEqual((since, said), (0, ["marmalade", "porridge"]))
            self.assertEqual(len(one.shown), shown)
        self.secret("marmalade", "porridge", "aside")

    def test_whispers_between_two_who_have_keys_are_encrypted(self) -> None:
        self.ann.does(c.Whisper("bob", "marmalade"))
        self.bob.does(c.Whisper("ann", "porridge"))
        for one in (self.ann, self.bob):
            self.assertEqual(one.read, ["marmalade", "porridge"])
        self.secret("marmalade", "porridge")

    def test_also_for_one_who_is_away_and_on_all_devices_of_both(self) -> None:
        other = self.world.comes("ann", None, "")
        self.bob.ends()
        self.ann.does(c.Whisper("bob", "marmalade", 2))
        bob = self.comes("bob")
        self.assertEqual((bob.read, other.read), (["marmalade"] * 2, ["marmalade"] * 2))

    def test_who_never_had_keys_is_told_in_plain_words(self) -> None:
        guest = self.world.rig.arrives("/nick guy")
        guest.hears()
        self.ann.does(c.Whisper("guy", "hello"))
        self.ann.does(c.Whisper("nobody", "hello"))
        self.assertEqual(guest.hears(), ["[whisper] ann: hello"])
        self.assertEqual([refusal.code for refusal in self.ann.refusals], ["no-such-person"])

    def test_who_had_keys_is_not_told_in_plain_words_only_because_the_server_says_so(self) -> None:
        self.ann.does(c.Whisper("bob", "marmalade"))

        def no_devices(frame: Frame) -> list[Frame] | None:
            return [frame | {"devices": []}] if frame.get("reply") == "devices" else None

        self.lie(self.ann, no_devices)
        self.ann.keys.ring.epochs.clear()
        self.ann.does(c.Whisper("bob", "porridge"))
        self.assertIsInstance(self.ann.refusals[-1], NoDevice)
        self.secret("porridge")


class LyingServerTests(EncryptionTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.ann.says("one")
        self.ann.says("two")

    def again(self, person: Person, frame: Frame, **other: Any) -> None:
        """Let the server show ``frame`` once more."""
        head = max(entry.seq for entry, _ in person.shown if entry.room == "tea")
        told = frame | {"seq": head + 1} | other
        person.way.near.protocol.dataReceived(json.dumps(told).encode() + b"\n")

    def frames(self, kind: str = "sealed") -> list[Frame]:
        text = b"".join(self.world.traffic).decode()
        found = [json.loads(line) for line in text.splitlines() if f'"event":"{kind}"' in line]
        return list({json.dumps(frame): frame for frame in found}.values())

    def test_a_message_shown_twice_is_a_replay(self) -> None:
        self.again(self.bob, self.frames()[0])
        self.assertEqual(self.bob.causes, [causes.Replayed(self.frames()[0]["seq"])])

    def test_also_to_a_client_that_started_again(self) -> None:
        self.bob.ends()
        bob = self.comes("bob")
        bob.does(c.Join("tea", since=0))
        self.again(bob, self.frames()[0])
        self.assertIsInstance(bob.causes[-1], causes.Replayed)

    def test_reading_it_again_in_the_history_is_none(self) -> None:
        history = self.bob.waits_for(RoomTests.history(self, self.bob))  # type: ignore[arg-type]
        said = [entry.event.body for entry in history if isinstance(entry.event, e.Said)]
        self.assertEqual(said, ["one", "two"])

    def test_in_another_order_it_is_not_believed(self) -> None:
        zoe = self.comes("zoe")
        held: list[Frame] = []

        def swap(frame: Frame) -> list[Frame] | None:
            if frame.get("event") != "sealed":
                return None
            held.append(frame)
            if len(held) < 2:
                return []
            first, second = held
            return [second | {"seq": first["seq"]}, first | {"seq": second["seq"]}]

        self.lie(zoe, swap)
        self.ann.says("three")
        self.ann.says("four")
        self.assertEqual(zoe.read, ["four"])
        self.assertEqual(zoe.causes, [causes.Disordered("ann")])

    def test_what_is_withheld_is_missed(self) -> None:
        def drop(frame: Frame) -> list[Frame] | None:
            return [] if frame.get("event") == "sealed" else None

        self.lie(self.bob, drop)
        self.ann.says("three")
        self.lie(self.bob, lambda frame: None)
        self.ann.says("four")
        (told,) = self.news(self.bob, Withheld)
        self.assertEqual((told.by, told.count), ("ann", 1))

    def test_it_is_not_taken_for_another_ones_nor_for_another_rooms(self) -> None:
        sealed = self.frames()[0]
        self.again(self.bob, sealed, by="zoe")
        self.again(self.bob, sealed, device="ZZZZZZZZZZ")
        self.assertEqual(
            self.bob.causes,
            [
                causes.KeyMissing("zoe", sealed["device"]),
                causes.KeyMissing("ann", "ZZZZZZZZZZ"),
            ],
        )
        self.bob.does(c.Join("milk"))
        self.bob.does(c.Encrypt("milk"))
        told = sealed | {"room": "milk", "seq": 40}
        self.bob.way.near.protocol.dataReceived(json.dumps(told).encode() + b"\n")
        self.assertIsInstance(self.bob.causes[-1], causes.Forged)

    def test_a_changed_message_is_a_forgery(self) -> None:
        sealed = self.frames()[0]
        body = sealed["body"]
        self.again(self.bob, sealed, body=body[:40] + ("A" if body[40] != "A" else "B") + body[41:])
        self.assertIsInstance(self.bob.causes[-1], causes.Forged)
        self.again(self.bob, sealed, body="AAAA")
        self.assertIsInstance(self.bob.causes[-1], causes.Forged)

    def test_plain_words_in_an_encrypted_room_are_marked(self) -> None:
        self.again(self.bob, {"event": "said", "room": "tea", "at": 1.0, "by": "ann", "body": "x"})
        entry, _ = self.bob.shown[-1]
        self.assertIs(self.bob.keys.lock_of(entry), Lock.PLAIN)

    def test_other_keys_for_a_device_are_shouted_and_not_used(self) -> None:
        evil = Box()
        from chatnet.client.keys.device import OwnDevice

        other = OwnDevice(evil, "bob", self.world.chance)
        device = self.bob.keys.ring.own.id

        def swap(frame: Frame) -> list[Frame] | None:
            if frame.get("reply") != "devices" or frame["account"] != "bob":
                return None
            other.id = device
            command = other.be("", 0)
            for line in frame["devices"]:
                line |= {
                    "identity": command.identity,
                    "signing": command.signing,
                    "signature": command.signature,
                }
            return [frame]

        self.lie(self.ann, swap)
        self.ann.keys.ring.epochs.clear()
        self.ann.says("porridge")
        self.assertEqual([one.device for one in self.news(self.ann, KeysChanged)], [device])
        letters = [f for f in self.frames("letter") if f["room"] == f"@bob/{device}"]
        self.assertEqual(len(letters), 1)  # from before

    def test_a_key_that_the_device_did_not_sign_is_not_used(self) -> None:
        zoe = self.comes("zoe", "")

        def swap(frame: Frame) -> list[Frame] | None:
            if frame.get("reply") != "claimed":
                return None
            return [frame | {"key": self.ann.keys.ring.own.identity}]

        self.lie(self.ann, swap)
        zoe.does(c.Join("tea"))
        self.ann.says("three")
        self.assertEqual(zoe.read, [])
        self.assertIn("not its own", repr(self.ann.news))

    def test_a_device_that_it_makes_up_is_seen_by_all(self) -> None:
        mallory = self.world.comes("bob")  # the server knows the password
        self.assertEqual(len(self.news(self.bob, DeviceNew)) + len(self.bob.notices), 0)
        self.ann.says("three")
        self.bob.says("four")
        self.assertEqual(len(self.news(self.ann, DeviceNew)), 1)
        self.assertEqual(len(self.news(self.bob, DeviceNew)), 1)
        self.assertEqual(mallory.read, ["three", "four"])

    def test_a_letter_of_somebody_else_opens_nothing(self) -> None:
        (letter,) = self.frames("letter")
        zoe = self.comes("zoe", "")
        told = letter | {"seq": 9, "by": "zoe", "device": zoe.keys.ring.own.id}
        self.bob.way.near.protocol.dataReceived(json.dumps(told).encode() + b"\n")
        self.world.carry()
        self.ann.says("three")
        self.assertEqual(self.bob.read, ["one", "two", "three"])

    def test_a_room_does_not_become_plain_again(self) -> None:
        def plain(frame: Frame) -> list[Frame] | None:
            if frame.get("reply") != "entered":
                return None
            return [frame | {"state": frame["state"] | {"encrypted": False}}]

        self.bob.ends()
        bob = self.comes("bob", "")
        self.lie(bob, plain)
        bob.does(c.Join("tea"))
        self.assertEqual(len(self.news(bob, Downgraded)), 1)
        self.assertRaises(Encrypted, bob.link.submit, c.Say("tea", "porridge"))
        self.secret("porridge")

    def test_garbage_in_the_place_of_letters_does_no_harm(self) -> None:
        log = f"@bob/{self.bob.keys.ring.own.id}"
        for seq, body in enumerate(("0.AAAA", "1.AAAA", "7.x", "", "0." + "é"), 20):
            told = {
                "event": "letter", "room": log, "seq": seq, "at": 1.0, "by": "ann",
                "device": self.ann.keys.ring.own.id, "body": body,
            }  # fmt: skip
            self.bob.way.near.protocol.dataReceived(json.dumps(told).encode() + b"\n")
        self.world.carry()
        self.ann.says("three")
        self.assertEqual(self.bob.read, ["one", "two", "three"])


class VerificationTests(EncryptionTestCase):
    def verify(self, same: bool = True) -> None:
        self.ann.waits_for(self.ann.keys.verifier.begin("bob"))
        self.assertEqual([one.name for one in self.news(self.bob, Asked)], ["ann"])
        self.bob.waits_for(self.bob.keys.verifier.begin("ann"))
        (mine,), (theirs,) = self.news(self.ann, Compare), self.news(self.bob, Compare)
        self.assertEqual((mine.emoji, mine.numbers), (theirs.emoji, theirs.numbers))
        self.ann.waits_for(self.ann.keys.verifier.answer(same))
        if same:
            self.bob.waits_for(self.bob.keys.verifier.answer(True))

    def test_both_see_the_same_and_are_sure_then(self) -> None:
        self.verify()
        for one in (self.ann, self.bob):
            self.assertEqual(len(self.news(one, Verified)), 1)
        self.ann.says("one")
        entry, _ = self.bob.shown[-1]
        self.assertIs(self.bob.keys.lock_of(entry), Lock.VERIFIED)

    def test_who_sees_something_else_says_so(self) -> None:
        self.verify(same=False)
        for one in (self.ann, self.bob):
            self.assertEqual(len(self.news(one, NotVerified)), 1)
            self.assertEqual(self.news(one, Verified), [])

    def test_a_new_device_of_someone_verified_waits_until_it_was_looked_at(self) -> None:
        self.verify()
        other = self.world.comes("bob")
        self.ann.says("one")
        self.assertEqual((self.bob.read, other.read), (["one"], []))
        (told,) = self.news(self.ann, DeviceNew)
        self.assertTrue(told.waits)
        self.assertEqual(self.ann.keys.accept("Bob"), [other.keys.ring.own.id])
        self.ann.says("two")
        self.assertEqual(other.read, ["two"])
        trust = self.ann.keys.trust_in("bob", other.keys.ring.own.id)
        self.assertIs(trust, Trust.KNOWN)

    def test_whoever_is_between_the_two_is_found_out(self) -> None:
        """The server reads and writes all letters of both, with devices of its own."""
        from chatnet.client.keys.formats import Address
        from chatnet.client.keys.sas import Sas

        ann, bob = (one.keys.ring.own.address for one in (self.ann, self.bob))
        one, two = Address("bob", bob.device, "m" * 43), Address("ann", ann.device, "n" * 43)
        left, mine = Sas(ann, one, "t", True), Sas(one, ann, "t", False)
        right, other = Sas(two, bob, "t", True), Sas(bob, two, "t", False)
        for starter, accepter in ((left, mine), (right, other)):
            (key,) = starter.hear(accepter.accept())
            (back,) = accepter.hear(key)
            starter.hear(back)
        self.assertNotEqual(left.signs, other.signs)

    def test_a_key_that_was_not_committed_to_is_refused(self) -> None:
        from chatnet.client.keys.sas import Fails, Sas

        ann, bob = (one.keys.ring.own.address for one in (self.ann, self.bob))
        starter, accepter, liar = Sas(ann, bob, "t", True), Sas(bob, ann, "t", False), Sas(
            bob, ann, "t", False
        )  # fmt: skip
        (key,) = starter.hear(accepter.accept())
        liar.accept()
        (back,) = liar.hear(key)
        self.assertRaises(Fails, starter.hear, back)

    def test_without_anything_to_compare_that_is_said(self) -> None:
        self.assertRaises(NoDevice, self.ann.waits_for, self.ann.keys.verifier.answer(True))
        self.assertRaises(Refused, self.ann.waits_for, self.ann.keys.verifier.begin("zoe"))


class RecoveryTests(EncryptionTestCase):
    def test_the_phrase_brings_all_back_on_a_new_machine(self) -> None:
        self.ann.says("one")
        phrase = self.bob.waits_for(self.bob.keys.backup.begin())
        self.assertTrue(re.fullmatch(r"([a-z]+ ){11}[a-z]+", phrase))
        self.ann.does(c.Leave("tea"))  # another session, which the backup gets as well
        self.ann.does(c.Join("tea"))
        self.ann.says("two")
        self.world.passes(10)
        self.bob.ends()
        new = self.world.comes("bob")
        self.assertRaises(BadPassword, new.waits_for, new.keys.backup.restore("no such words"))
        self.assertEqual(new.waits_for(new.keys.backup.restore(phrase)), 2)
        history = new.waits_for(RoomTests.history(self, new))  # type: ignore[arg-type]
        said = [entry.event.body for entry in history if isinstance(entry.event, e.Said)]
        self.assertEqual(said, ["one", "two"])
        self.secret("one two", phrase)

    def test_another_phrase_opens_nothing(self) -> None:
        from chatnet.client.keys.backup import new_phrase

        self.bob.waits_for(self.bob.keys.backup.begin())
        other = new_phrase(b"0123456789abcdef")
        self.assertRaises(BadPassword, self.bob.waits_for, self.bob.keys.backup.restore(other))

    def test_without_a_backup_that_is_said(self) -> None:
        from chatnet.client.keys.backup import new_phrase

        phrase = new_phrase(b"0123456789abcdef")
        self.assertRaises(NoDevice, self.bob.waits_for, self.bob.keys.backup.restore(phrase))
