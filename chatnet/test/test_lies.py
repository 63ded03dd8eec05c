"""Servers that lie about who has keys and what is encrypted, to clients that know better."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from chatnet.client.keys.causes import Earlier, Forged, Lock
from chatnet.client.keys.commands import KeyCommands
from chatnet.client.keys.files import Secret
from chatnet.client.keys.news import Compare, Downgraded, Replaced
from chatnet.client.keys.people import DeviceNew, Trust
from chatnet.client.keys.vault import Shut
from chatnet.client.places import Manner
from chatnet.core import commands as c, events as e
from chatnet.core.refusals import Encrypted, NoDevice
from chatnet.test.keyring import Person
from chatnet.test.test_encryption import EncryptionTestCase, Frame


def _keyless(frame: Frame) -> list[Frame] | None:
    """Pretend to be a server that knows nothing of keys, and has no encrypted rooms."""
    if frame.get("reply") == "hello":
        return [frame | {"features": [one for one in frame["features"] if one != "keys"]}]
    if frame.get("reply") == "entered":
        return [frame | {"state": frame["state"] | {"encrypted": False}}]
    return None


class DowngradeTests(EncryptionTestCase):
    def lied_to(self, *rooms: str) -> Person:
        """Return bob, who starts again at a server that denies to know of keys."""
        self.bob.ends()
        bob = Person(self.world, "bob", self.boxes["bob"], rooms)
        self.lie(bob, _keyless)
        self.world.people.append(bob)
        self.world.carry()
        return bob

    def test_a_server_that_denies_keys_hears_nothing_of_an_encrypted_room(self) -> None:
        bob = self.lied_to("tea")
        self.assertIn("nothing of keys", repr(bob.news))
        self.assertRaises(Encrypted, bob.link.submit, c.Say("tea", "porridge"))
        self.secret("porridge")

    def test_nor_of_whispers_to_who_had_keys(self) -> None:
        self.bob.does(c.Whisper("ann", "one"))
        bob = self.lied_to()
        bob.does(c.Whisper("ann", "porridge"))
        self.assertIsInstance(bob.refusals[-1], NoDevice)
        self.secret("porridge")

    def test_what_is_whispered_before_the_keys_are_open_waits_for_them(self) -> None:
        self.bob.ends()
        bob = Person(self.world, "bob", self.boxes["bob"], ())
        self.world.people.append(bob)
        bob.does(c.Whisper("ann", "porridge"))  # at once, before the link is there
        self.assertEqual(self.ann.read, ["porridge"])
        self.secret("porridge")

    def test_who_never_had_keys_is_still_told(self) -> None:
        guest = self.world.rig.arrives("/nick guy")
        guest.hears()
        self.lied_to().does(c.Whisper("guy", "hello"))
        self.assertEqual(guest.hears(), ["[whisper] bob: hello"])

    def test_keys_that_cannot_be_opened_let_no_whisper_out(self) -> None:
        self.bob.ends()
        bob = Person(self.world, "bob", self.boxes["bob"], ())

        async def shut(_: str) -> Any:
            raise Shut("That is not the passphrase.")

        bob.keys._open_vault = shut
        self.world.people.append(bob)
        self.world.carry()
        refused = self.assertRaises(NoDevice, bob.link.submit, c.Whisper("ann", "porridge"))
        self.assertIn("not the passphrase", str(refused))
        self.secret("porridge")

    def test_a_device_that_the_server_does_not_take_says_so_and_does_not_wait(self) -> None:
        def no(frame: Frame) -> list[Frame] | None:
            if frame.get("reply") != "attached":
                return None
            return [{"error": "not-allowed", "text": "You have 10 devices.", "cid": frame["cid"]}]

        self.bob.ends()
        bob = Person(self.world, "bob", self.boxes["bob"], ("tea",))
        self.lie(bob, no)
        self.world.people.append(bob)
        self.world.carry()
        bob.does(c.Say("tea", "porridge"))
        self.assertIn("10 devices", str(bob.refusals[-1]))
        self.secret("porridge")


class OtherLogTests(EncryptionTestCase):
    """A server that shows another log under the name of a room that was encrypted."""

    def setUp(self) -> None:
        super().setUp()
        self.ann.says("one")
        self.bob.ends()

    def comes_to(self, name: str, encrypted: bool = False, asked: str = "tea") -> Person:
        """Return bob, who starts again, asks for a room, and is let into the log milk instead."""
        bob = Person(self.world, "bob", self.boxes["bob"], (asked,))

        def other(frame: Frame) -> list[Frame] | None:
            if frame.get("reply") != "entered":
                return None
            state = frame["state"] | {"encrypted": encrypted}
            return [frame | {"room": "milk", "name": name, "state": state}]

        self.lie(bob, other)
        self.world.people.append(bob)
        self.world.carry()
        return bob

    def says_nothing(self, bob: Person, room: str) -> None:
        refusal = self.assertRaises(Encrypted, bob.link.submit, c.Say(room, "porridge"))
        self.assertIn("/encrypt forget", str(refusal))
        self.assertRaises(Encrypted, bob.link.submit, c.Say(room, "porridge", True))
        self.assertRaises(Encrypted, bob.waits_for, bob.keys.seals(room))  # files
        self.secret("porridge")

    def test_nothing_is_said_in_a_plain_log_of_that_name(self) -> None:
        bob = self.comes_to("Tea")
        self.assertEqual([one.room for one in self.news(bob, Downgraded)], ["tea"])
        self.assertTrue(bob.keys.is_denied("milk"))
        self.says_nothing(bob, "Tea")

    def test_nor_in_one_that_stands_behind_the_name_one_asked_for(self) -> None:
        bob = self.comes_to("milk")
        self.assertEqual([one.room for one in self.news(bob, Downgraded)], ["tea"])
        self.says_nothing(bob, "milk")
        bob.loses_the_link()
        self.world.passes(60)
        self.says_nothing(bob, "milk")

    def test_nor_in_one_that_is_given_the_name_later(self) -> None:
        bob = self.comes_to("milk", asked="milk")
        self.assertEqual(self.news(bob, Downgraded), [])
        renamed = {"event": "roomrenamed", "room": "milk", "by": "ann", "old": "milk", "new": "Tea"}
        head = bob.link.dialogue.places.rooms["milk"].last or 0
        frame = json.dumps({**renamed, "seq": head + 1, "at": 1.0})
        bob.way.near.protocol.dataReceived(frame.encode() + b"\n")
        self.assertEqual([one.room for one in self.news(bob, Downgraded)], ["Tea"])
        self.says_nothing(bob, "Tea")

    def test_a_name_that_the_room_had_once_is_as_good(self) -> None:
        self.ann.does(c.RenameRoom("tea", "coffee"))
        self.comes("bob", "coffee").ends()
        self.assertEqual(len(self.news(self.comes_to("Coffee", asked="x"), Downgraded)), 1)
        self.says_nothing(self.world.people[-1], "coffee")

    def test_plain_words_there_are_marked(self) -> None:
        bob = self.comes_to("tea")
        head = bob.link.dialogue.places.rooms["milk"].last or 0
        said = {"event": "said", "room": "milk", "seq": head + 1, "at": 1.0, "by": "ann"}
        bob.way.near.protocol.dataReceived(json.dumps({**said, "body": "x"}).encode() + b"\n")
        self.assertIs(bob.keys.lock_of(bob.shown[-1][0]), Lock.PLAIN)

    def test_another_log_that_is_encrypted_is_shouted_about_once(self) -> None:
        bob = self.comes_to("tea", encrypted=True)
        self.assertEqual([one.room for one in self.news(bob, Replaced)], ["tea"])
        bob.ends()
        self.assertEqual(self.news(self.comes_to("tea", encrypted=True), Replaced), [])

    def test_who_says_so_speaks_there_in_plain_words(self) -> None:
        bob = self.comes_to("milk")
        KeyCommands(bob.link, bob.keys).typed("/encrypt forget")
        self.assertFalse(bob.keys.is_encrypted("milk"))
        bob.link.submit(c.Say("milk", "hello"))
        bob.ends()
        self.assertEqual(self.news(self.comes_to("tea"), Downgraded), [])

    def test_an_honest_server_may_rename_an_encrypted_room(self) -> None:
        bob = self.comes("bob")
        self.ann.does(c.RenameRoom("tea", "coffee"))
        bob.says("marmalade", "coffee")
        bob.ends()
        for name in ("coffee", "tea"):
            bob = self.comes("bob", name)
            bob.says("porridge", "coffee")
            self.assertEqual(self.news(bob, Downgraded) + self.news(bob, Replaced), [])
            self.assertFalse(bob.keys.is_denied("tea"))
            bob.ends()
        self.secret("marmalade", "porridge")

    def test_what_was_known_without_names_still_holds(self) -> None:
        bob = self.comes("bob")
        bob.keys.ring.vault.put("room", "tea", {"since": 3})  # as it was before names were kept
        bob.ends()
        self.says_nothing(self.comes_to("milk"), "milk")


class NewMachineTests(EncryptionTestCase):
    def test_whispers_of_before_are_not_waited_for(self) -> None:
        self.bob.ends()
        self.ann.does(c.Whisper("bob", "one"))
        bob = self.world.comes("bob", None, "")
        self.assertEqual(set(bob.causes), {Earlier()})
        self.ann.does(c.Whisper("bob", "two"))
        self.assertEqual(bob.read, ["two"])


class MadeUpTests(EncryptionTestCase):
    def told(self, frame: Frame) -> None:
        """Let the server tell bob ``frame``."""
        self.bob.way.near.protocol.dataReceived(json.dumps({"at": 1.0, **frame}).encode() + b"\n")

    def lock(self) -> Lock:
        return self.bob.keys.lock_of(self.bob.shown[-1][0])

    def head(self, log: str) -> int:
        return max((entry.seq for entry, _ in self.bob.shown if entry.room == log), default=0)

    def test_a_plain_file_in_an_encrypted_room_is_marked(self) -> None:
        self.ann.says("one")
        self.told({
            "event": "shared", "room": "tea", "seq": self.head("tea") + 1, "by": "ann",
            "id": "8c8c765edbca", "name": "x.exe", "size": 1, "type": "text/plain",
            "sha256": "0" * 64, "sealed": "", "to": "",
        })  # fmt: skip
        self.assertIs(self.lock(), Lock.PLAIN)

    def test_plain_words_stay_marked_when_it_says_that_encryption_began_later(self) -> None:
        self.ann.says("one")
        head = self.head("tea")
        self.told({"event": "encrypted", "room": "tea", "seq": head + 5, "by": "ann"})
        self.told({"event": "said", "room": "tea", "seq": head + 6, "by": "ann", "body": "x"})
        self.assertIs(self.lock(), Lock.PLAIN)
        entry, _ = self.bob.shown[-1]
        old = replace(entry, seq=head + 2)  # as in a history, before that place
        self.bob.keys.read(old)
        self.assertIs(self.bob.keys.lock_of(old), Lock.PLAIN)

    def test_a_plain_whisper_of_who_has_keys_is_marked(self) -> None:
        self.bob.does(c.Whisper("ann", "hello"))
        self.assertIs(self.lock(), Lock.VERIFIED)  # one's own
        seq = self.head("@bob") + 1
        self.told({
            "event": "whispered", "room": "@bob", "seq": seq, "by": "ann", "to": "bob", "body": "x"
        })  # fmt: skip
        self.assertIs(self.lock(), Lock.PLAIN)


class FileTests(EncryptionTestCase):
    """Whoever reads a room knows the ids of its files, and could tell keys for them."""

    ID = "8c8c765edbca"
    GOOD = Secret("A" * 43, "report.pdf", 5, "application/pdf", "0" * 64)
    BAD = Secret("B" * 43, "other.exe", 5, "application/pdf", "0" * 64)

    def setUp(self) -> None:
        super().setUp()
        self.zoe = self.comes("zoe")
        shared = e.Shared("ann", self.ID, "encrypted", 21, "text/plain", "0" * 64, "1")
        self.sent = e.Entry("tea", 1, 1.0, shared)

    def tells(self, who: Person, secret: Secret) -> None:
        who.waits_for(who.keys.tell_secret("tea", self.ID, secret))

    def test_what_another_one_tells_of_a_file_is_forged_also_if_it_comes_first(self) -> None:
        self.zoe.keys.hears(self.sent, Manner.LIVE)
        self.tells(self.bob, self.BAD)
        self.assertEqual(self.zoe.causes, [Forged("it tells of a file that ann sent")])
        self.assertIsNone(self.zoe.keys.secret_of(self.ID))
        self.tells(self.ann, self.GOOD)
        self.assertEqual(self.zoe.keys.secret_of(self.ID), self.GOOD)

    def test_nothing_is_believed_before_it_is_known_who_sent_it(self) -> None:
        self.tells(self.bob, self.BAD)
        self.tells(self.ann, self.GOOD)
        self.assertIsNone(self.zoe.keys.secret_of(self.ID))
        self.zoe.keys.read(self.sent)  # in the history
        self.assertEqual(self.zoe.keys.secret_of(self.ID), self.GOOD)


class DeviceListTests(EncryptionTestCase):
    def test_a_removed_device_that_comes_back_is_new_again(self) -> None:
        """A server that shows an old list gives what follows to who has the lost machine."""
        other = self.world.comes("bob")
        lost = other.keys.ring.own.id
        self.ann.says("one")
        mine = self.bob.keys.ring.own.address
        self.ann.keys.ring.people.verified(mine)
        self.ann.keys.ring.people.verified(other.keys.ring.own.address)
        kept: list[Frame] = []

        def again(frame: Frame) -> list[Frame] | None:
            if frame.get("reply") != "devices" or frame["account"] != "bob":
                return None
            kept.append(frame)
            return None if len(kept) < 2 else [kept[0] | {"cid": frame["cid"]}]

        self.ann.keys.ring.epochs.clear()
        self.lie(self.ann, again)
        self.ann.says("two")
        self.lie(self.ann, lambda frame: None)
        self.bob.does(c.RemoveDevice(lost))
        self.ann.says("three")
        self.assertEqual(self.news(self.ann, DeviceNew), [])
        self.lie(self.ann, again)
        self.ann.keys.ring.epochs.clear()
        self.ann.waits_for(self.ann.keys.ring.look_up("bob", "bob"))
        (told,) = self.news(self.ann, DeviceNew)
        self.assertEqual((told.device, told.waits), (lost, True))
        self.assertIs(self.ann.keys.trust_in("bob", lost), Trust.WAITING)

    def test_only_fingerprints_that_were_shown_are_believed(self) -> None:
        def types(line: str) -> None:
            KeyCommands(self.ann.link, self.ann.keys).typed(line)  # as faces do
            self.world.carry()

        self.ann.says("one")
        device = self.bob.keys.ring.own.id
        types("/fingerprint bob ok")  # nothing was shown
        self.assertIs(self.ann.keys.trust_in("bob", device), Trust.KNOWN)
        types("/fingerprint bob")
        other = self.world.comes("bob")  # meanwhile
        types("/fingerprint bob ok")
        self.assertIs(self.ann.keys.trust_in("bob", device), Trust.VERIFIED)
        trust = self.ann.keys.trust_in("bob", other.keys.ring.own.id)
        self.assertIsNot(trust, Trust.VERIFIED)

    def test_yes_to_one_of_two_is_yes_to_neither(self) -> None:
        zoe = self.comes("zoe")
        for one in (self.bob, zoe):
            self.ann.waits_for(self.ann.keys.verifier.begin(one.name))
        for one in (self.bob, zoe):
            one.waits_for(one.keys.verifier.begin("ann"))
        self.assertEqual(len(self.news(self.ann, Compare)), 2)
        self.assertRaises(NoDevice, self.ann.waits_for, self.ann.keys.verifier.answer(True))
        self.ann.waits_for(self.ann.keys.verifier.call_off())
