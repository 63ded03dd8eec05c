"""What the server does for those who encrypt: it keeps, hands out, and refuses what is stale."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from chatnet.accounts import passwords
from chatnet.core.devices import MOST_DEVICES, MOST_LETTERS
from chatnet.core.names import letters_of, person_name
from chatnet.core.staff import OPERATOR_ACTOR
from chatnet.server import persons
from chatnet.server.rooms import SWEEP_SECONDS
from chatnet.test.rig import Client, Rig

ONE, TWO = "AAAAAAAAAA", "BBBBBBBBBB"  # devices
SESSION = "s" * 43


def key(letter: str) -> str:
    return letter * 43


def signed(letter: str) -> str:
    return f"{key(letter)}.{'S' * 86}"


def changes_in(frames: list[Any]) -> list[Any]:
    told = [frame for frame in frames if frame.get("event") == "rekeyed"]
    return [(frame["who"], frame["device"], frame["added"]) for frame in told]


class KeysTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.patch(passwords, "_MEMORY_KIB", 64)  # this is about other keys
        self.rig = Rig(name="chatbox")

    def account(self, name: str) -> Client:
        """Return a program that has just made an account."""
        client = self.rig.connects()
        client.sends("register", name=name, password="secret")
        client.receives()
        return client

    def again(self, name: str) -> Client:
        client = self.rig.connects()
        client.sends("login", name=name, password="secret")
        client.receives()
        return client

    def be(self, client: Client, device: str = ONE, letter: str = "k", **asked: Any) -> Any:
        """Let ``client`` be a device, and return the answer."""
        client.sends(
            "device",
            device=device,
            identity=key(letter),
            signing=key(letter.upper()),
            signature="S" * 86,
            **asked,
        )
        return client.receives()

    def device(self, name: str, device: str = ONE) -> Client:
        client = self.account(name)
        self.be(client, device)
        return client

    def told(self, client: Client, kind: str) -> list[Any]:
        return [f for f in client.receives() if kind in (f.get("event"), f.get("reply"))]

    def changes(self, client: Client) -> list[Any]:
        """Return who has one device more or less, as ``client`` is told in rooms."""
        return changes_in(client.receives())

    def errors(self, client: Client) -> list[str]:
        return [f["error"] for f in client.receives() if "error" in f]


class DeviceTests(KeysTestCase):
    def test_devices_change_no_faster_than_one_speaks(self) -> None:
        ann = self.device("ann")
        self.rig.host.defence.limits.set("messages", "10+2/s")
        ann.asks(*(f'{{"do":"removedevice","device":"{TWO}"}}' for _ in range(20)))
        self.rig.settle()
        self.assertEqual(self.errors(ann), ["no-device"] * 10)
        self.rig.clock.pump([0.5] * 12)
        self.rig.settle()
        self.assertEqual(len(self.errors(ann)), 10)

    def test_a_device_is_made_known_and_then_is_what_the_connection_is(self) -> None:
        ann = self.account("ann")
        added, attached, caught_up = self.be(ann, label="laptop")
        self.assertEqual((added["event"], added["label"]), ("deviceadded", "laptop"))
        self.assertEqual(
            (attached["account"], attached["log"], attached["epoch"], attached["keys"]),
            ("ann", "@ann/AAAAAAAAAA", 1, 0),
        )
        self.assertEqual((caught_up["room"], caught_up["seq"]), (attached["log"], 0))
        ann.hangs_up()
        self.rig.settle()
        ann = self.again("ann")
        self.assertEqual(self.be(ann)[0]["epoch"], 1)

    def test_its_keys_never_change(self) -> None:
        self.device("ann")
        ann = self.again("ann")
        self.be(ann, letter="x")
        ann.sends("publish", keys=signed("a"))
        self.assertEqual(self.errors(ann), ["no-device"])

    def test_guests_have_none(self) -> None:
        guest = self.rig.program("guy")
        self.assertEqual(self.be(guest)[0]["error"], "needs-account")

    def test_there_are_not_any_number_of_them(self) -> None:
        for at in range(MOST_DEVICES):
            client = self.again("ann") if at else self.account("ann")
            self.be(client, f"AAAAAAAAA{chr(ord('A') + at)}")
        last = self.again("ann")
        self.assertIn("/rmdevice", self.be(last, TWO)[0]["text"])

    def test_a_removed_one_is_closed_and_its_letters_are_gone(self) -> None:
        ann, bob = self.device("ann"), self.device("bob")
        bob.sends("deliver", who="ann", device=ONE, body="0.AAAA")
        other = self.again("ann")
        other.sends("removedevice", device=ONE)
        self.assertEqual([f["code"] for f in self.told(ann, "bye")], ["removed"])
        bob.sends("deliver", who="ann", device=ONE, body="0.AAAA")
        self.assertEqual(self.errors(bob), ["no-device"])
        self.rig.settle()
        self.assertNotIn(letters_of("ann", ONE), self.rig.store.logs())
        ann.hangs_up()
        self.rig.clock.advance(1000)
        self.rig.settle()
        self.be(other, ONE, "z")
        other.sends("devices")
        (listed,) = self.told(other, "devices")
        self.assertEqual(listed["epoch"], 3)

    def test_one_whose_removal_could_not_be_stored_stays_with_its_letters(self) -> None:
        ann, bob, other = self.device("ann"), self.device("bob"), self.again("ann")
        for away in (False, True):
            if away:
                ann.hangs_up()
                self.rig.settle()
            bob.sends("deliver", who="ann", device=ONE, body="0.AAAA")
            self.rig.store.fail_before = True
            other.sends("removedevice", device=ONE)
            self.assertEqual(self.errors(other), ["unavailable"])
            self.rig.store.fail_before = False
            self.rig.clock.advance(2)
            self.rig.settle()
            self.assertEqual(self.told(ann, "bye"), [])
        back = self.be(self.again("ann"), ONE)
        self.assertEqual(len([f for f in back if f.get("event") == "letter"]), 2)

    def test_people_at_a_terminal_list_them(self) -> None:
        self.device("ann")
        person = self.rig.account("bob")
        person.types("/devices ann")
        shown = "\n".join(person.hears())
        self.assertIn("AAAAAAAAAA  KKKK KKKK", shown)

    def test_an_account_that_is_erased_leaves_no_keys_to_the_next_of_its_name(self) -> None:

        ann, bob = self.device("ann"), self.device("bob")
        bob.sends("deliver", who="ann", device=ONE, body="0.AAAA")
        ann.hangs_up()
        bob.hangs_up()
        self.rig.settle()
        erasing = persons.erase(self.rig.host, OPERATOR_ACTOR, person_name("ann"), 0.0, "")
        done = Deferred.fromCoroutine(erasing)
        self.rig.settle()
        self.successResultOf(done)
        ann = self.account("ann")
        ann.sends("devices")
        self.assertEqual(self.told(ann, "devices")[0]["devices"], [])
        self.assertEqual(self.be(ann, ONE)[1]["upto"], 0)


class KeyTests(KeysTestCase):
    def test_each_one_time_key_is_handed_out_once_also_over_a_restart(self) -> None:
        ann, bob = self.device("ann"), self.device("bob")
        ann.sends("publish", keys=" ".join(map(signed, "abc")), fallback=signed("f"))
        bob.sends("claim", who="ann", device=ONE)
        bob.sends("claim", who="ann", device=ONE, cid="x")
        self.assertEqual([f["key"] for f in self.told(bob, "claimed")], [key("a"), key("b")])
        self.rig.restart()
        bob = self.again("bob")
        bob.sends("claim", who="ann", device=ONE, cid="x")
        self.assertEqual(self.told(bob, "claimed"), [])  # ok, without a key
        for _ in range(3):
            bob.sends("claim", who="ann", device=ONE)
        self.assertEqual(
            [(f["key"], f["fallback"]) for f in self.told(bob, "claimed")],
            [(key("c"), False), (key("f"), True), (key("f"), True)],
        )
        ann = self.again("ann")
        self.assertEqual([f["fallback"] for f in self.be(ann) if "keys" in f], [False])

    def test_without_any_that_is_said(self) -> None:
        self.device("ann")
        bob = self.device("bob")
        bob.sends("claim", who="ann", device=ONE)
        bob.sends("claim", who="ann", device=TWO)
        bob.sends("claim", who="zoe", device=TWO)
        self.assertEqual(self.errors(bob), ["no-device", "no-device", "no-such-person"])

    def test_what_is_no_key_is_not_taken(self) -> None:
        ann = self.device("ann")
        for asked in ({}, {"keys": "x"}, {"keys": signed("a") + "  "}, {"fallback": key("a")}):
            ann.sends("publish", **asked)
        ann.sends("publish", keys=" ".join([signed("a")] * 51))
        self.assertEqual(self.errors(ann), ["malformed"] * 5)

    def test_a_commit_that_fails_hands_out_nothing(self) -> None:
        ann, bob = self.device("ann"), self.device("bob")
        ann.sends("publish", keys=signed("a"))
        self.rig.store.fail_before = True
        bob.sends("claim", who="ann", device=ONE)
        self.assertEqual(self.errors(bob), ["unavailable"])
        self.rig.store.fail_before = False
        bob.sends("claim", who="ann", device=ONE)
        self.assertEqual([f["key"] for f in self.told(bob, "claimed")], [key("a")])


class LetterTests(KeysTestCase):
    def test_it_waits_for_a_device_that_is_away_until_that_has_collected_it(self) -> None:
        ann, bob = self.device("ann"), self.device("bob")
        ann.hangs_up()
        self.rig.settle()
        for body in ("0.AAAA", "1.BBBB"):
            bob.sends("deliver", who="Ann", device=ONE, body=body)
        self.rig.restart()
        ann = self.again("ann")
        _, *letters, _ = self.be(ann)
        self.assertEqual([f["body"] for f in letters], ["0.AAAA", "1.BBBB"])
        self.assertEqual((letters[0]["by"], letters[0]["device"]), ("bob", ONE))
        ann.sends("collected", upto=2)
        self.rig.clock.advance(SWEEP_SECONDS)
        self.rig.settle()
        log = letters_of("ann", ONE)
        self.assertEqual([entry.seq for entry in self.rig.store.kept(log)][:2], [3])
        ann = self.again("ann")
        self.assertEqual([f for f in self.be(ann) if f.get("event") == "letter"], [])

    def test_those_that_wait_are_bounded(self) -> None:
        _, bob = self.device("ann"), self.device("bob")
        self.rig.room(letters_of("ann", ONE)).log.head = MOST_LETTERS
        bob.sends("deliver", who="ann", device=ONE, body="0.AAAA")
        self.assertEqual(self.errors(bob), ["not-allowed"])
        bob.sends("deliver", who="ann", device=ONE, body="0." + "A" * 9000)
        self.assertEqual(self.errors(bob), ["malformed"])

    def test_one_device_does_not_read_those_of_another(self) -> None:
        ann, bob = self.device("ann"), self.device("bob")
        other = self.again("ann")
        self.be(other, TWO, "x")
        ann.receives()
        bob.sends("deliver", who="ann", device=TWO, body="0.AAAA")
        self.assertEqual(self.told(ann, "letter"), [])
        self.assertEqual(len(self.told(other, "letter")), 1)


class RoomTests(KeysTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.ann, self.bob = self.device("ann"), self.device("bob")
        for client in (self.ann, self.bob):
            client.sends("join", room="tea")
        self.ann.sends("encrypt", room="tea")
        self.ann.receives()
        self.bob.receives()

    def seal(self, client: Client, epoch: int, body: str = "AAAA", **asked: Any) -> list[Any]:
        client.sends("seal", room="tea", session=SESSION, epoch=epoch, body=body, **asked)
        return client.receives()

    @property
    def epoch(self) -> int:
        return self.rig.room("tea").state.epoch

    def test_who_is_in_it_and_has_an_account_reads_it(self) -> None:
        self.assertEqual(list(self.rig.room("tea").state.readers), ["ann", "bob"])
        self.seal(self.ann, 1, cid="1")
        (sealed,) = self.told(self.bob, "sealed")
        self.assertEqual((sealed["by"], sealed["device"], sealed["body"]), ("ann", ONE, "AAAA"))

    def test_plain_words_are_refused_there(self) -> None:
        self.ann.sends("say", room="tea", body="secret")
        guest = self.rig.program("guy")
        guest.sends("join", room="tea")
        guest.receives()
        guest.sends("say", room="tea", body="secret")
        guest.sends("say", room="tea", body="x" * 300_000)
        self.assertEqual(self.errors(self.ann), ["encrypted"])
        self.assertEqual(self.errors(guest), ["encrypted"] * 2)
        person = self.rig.arrives("/join tea")
        person.hears()
        person.types("secret", "secret")
        self.assertEqual(["is encrypted" in line for line in person.hears()], [True] * 2)
        self.assertNotIn("secret", repr(self.rig.store.kept("tea")))
        self.assertEqual(self.epoch, 1)  # guests read nothing

    def test_people_at_a_terminal_read_one_clear_line(self) -> None:
        person = self.rig.arrives("/join tea")
        person.hears()
        self.seal(self.ann, 1)
        (line,) = person.hears()
        self.assertEqual(
            line, "ann: (encrypted: a client with keys can read it, python -m chatnet.client)"
        )

    def test_there_is_no_way_back_and_only_moderators_have_it(self) -> None:
        self.bob.sends("encrypt", room="tea")
        self.assertEqual(self.errors(self.bob), ["not-allowed"])
        self.ann.sends("encrypt", room="tea")
        self.assertEqual(self.epoch, 1)
        self.rig.restart()
        ann = self.again("ann")
        ann.sends("join", room="tea")
        (entered,) = self.told(ann, "entered")
        self.assertTrue(entered["state"]["encrypted"])

    def test_what_was_encrypted_for_others_than_those_who_are_here_is_refused(self) -> None:
        zoe = self.device("zoe")
        zoe.sends("join", room="tea")
        self.assertEqual([f["error"] for f in self.seal(self.ann, 1) if "error" in f], ["stale"])
        self.assertEqual(self.errors(self.ann), [])
        self.seal(self.ann, 2)
        zoe.sends("leave", room="tea")
        self.bob.sends("leave", room="tea")
        self.assertEqual(self.epoch, 4)
        self.bob.sends("join", room="tea")
        self.ann.sends("kick", room="tea", who="bob")
        self.assertEqual(self.epoch, 6)
        self.assertEqual(list(self.rig.room("tea").state.readers), ["ann"])

    def test_it_is_decided_by_what_is_on_its_way_already(self) -> None:
        self.ann.asks('{"do":"kick","room":"tea","who":"bob"}')
        self.ann.asks(
            f'{{"do":"seal","room":"tea","session":"{SESSION}","epoch":1,"body":"AAAA","cid":"1"}}'
        )
        self.rig.settle()
        heard = self.ann.receives()
        self.assertEqual([f.get("event") or f.get("error") for f in heard], ["kicked", "stale"])

    def test_a_lost_link_changes_nothing(self) -> None:
        self.bob.hangs_up()
        self.rig.settle()
        self.assertEqual((self.epoch, len(self.rig.room("tea").state.readers)), (1, 2))
        self.seal(self.ann, 1, cid="1")
        bob = self.again("bob")
        bob.sends("join", room="tea", since=3)
        self.assertEqual(len(self.told(bob, "sealed")), 1)
        self.assertEqual(self.epoch, 1)

    def test_who_lost_it_can_be_put_out(self) -> None:
        self.bob.hangs_up()
        self.rig.settle()
        self.ann.sends("kick", room="tea", who="bob")
        self.assertEqual((self.epoch, list(self.rig.room("tea").state.readers)), (2, ["ann"]))

    def test_another_device_is_told_in_every_encrypted_room_in_the_same_commit(self) -> None:
        bob = self.again("bob")
        self.be(bob, TWO, "x")
        self.assertEqual(self.changes(self.ann), [("bob", TWO, True)])
        self.assertEqual([f["error"] for f in self.seal(self.ann, 1) if "error" in f], ["stale"])
        bob.sends("removedevice", device=ONE)
        self.assertEqual(self.changes(self.ann), [("bob", ONE, False)])
        self.rig.store.fail_before = True
        bob.sends("removedevice", device=TWO)
        self.rig.store.fail_before = False
        self.rig.settle()
        self.assertEqual(list(self.rig.room("@bob").decided.devices), [TWO])
        self.assertEqual((self.changes(self.ann), self.epoch), ([], 3))

    def test_a_connection_that_is_no_device_says_nothing(self) -> None:
        bob = self.again("bob")
        bob.sends("join", room="tea")
        self.assertIn("no-device", [f.get("error") for f in self.seal(bob, 1)])

    def test_it_is_paced_and_muted_and_voiced_as_plain_words_are(self) -> None:
        self.ann.sends("set", room="tea", setting="announce-only", value=1)
        self.assertIn("muted", [f.get("error") for f in self.seal(self.bob, 1)])

    def test_it_is_found_by_nothing_and_can_be_deleted(self) -> None:
        self.seal(self.ann, 1)
        self.ann.sends("search", words="", by="ann")
        self.ann.sends("search", words="AAAA")
        found = self.told(self.ann, "found")
        self.assertEqual([one["hits"] for one in found], [[], []])
        self.ann.sends("delete", room="tea")
        self.assertEqual([f["author"] for f in self.told(self.ann, "deleted")], ["ann"])
        self.assertNotIn("AAAA", repr(self.rig.store.kept("tea")))


class WhisperTests(KeysTestCase):
    def test_it_is_in_both_logs_and_for_the_devices_that_both_have(self) -> None:
        ann, bob = self.device("ann"), self.device("bob")
        asked = {"who": "bob", "session": SESSION, "body": "AAAA"}
        ann.sends("sealwhisper", epoch=1, **asked)
        self.assertEqual(self.errors(ann), ["stale"])
        ann.sends("sealwhisper", epoch=2, cid="1", **asked)
        self.assertEqual([f["to"] for f in self.told(ann, "sealedwhisper")], ["bob"])
        self.assertEqual([f["room"] for f in self.told(bob, "sealedwhisper")], ["@bob"])
        guest = self.rig.program("guy")
        guest.sends("sealwhisper", epoch=2, **asked)
        self.assertEqual(self.errors(guest), ["needs-account"])


class BackupTests(KeysTestCase):
    def test_it_is_kept_and_shown_in_order(self) -> None:
        ann = self.device("ann")
        ann.sends("keep", version="r1", body="AAAA")
        self.assertEqual(self.errors(ann), ["stale"])
        ann.sends("keep", version="r1", body="AAAA", fresh=True)
        ann.sends("keep", version="r1", body="BBBB")
        ann.sends("kept")
        (kept,) = self.told(ann, "kept")
        self.assertEqual((kept["version"], kept["chunks"]), ("r1", ["AAAA", "BBBB"]))
        ann.sends("keep", version="r2", body="CCCC", fresh=True)
        ann.sends("kept")
        (kept,) = [f for f in ann.receives() if f.get("reply") == "kept"]
        self.assertEqual((kept["version"], kept["chunks"], kept["more"]), ("r2", ["CCCC"], False))
        self.rig.clock.advance(SWEEP_SECONDS)
        self.rig.settle()
        self.assertNotIn("AAAA", repr(self.rig.store.kept("@ann/backup")))
        other = self.again("ann")
        attached = next(f for f in self.be(other, TWO, "x") if f.get("reply") == "attached")
        self.assertEqual(attached["backup"], "r2")
