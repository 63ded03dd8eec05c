"""What a client keeps of keys, and what people type and read of them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from chatnet.accounts import passwords
from chatnet.client.keys import backup, olm
from chatnet.client.keys.causes import Earlier, Forged, KeyMissing, NoKeys, explain
from chatnet.client.keys.device import OwnDevice
from chatnet.client.keys.files import SLICE, Secret, lock, unlock
from chatnet.client.keys.news import Trouble, spell
from chatnet.client.keys.olm import NoOlm
from chatnet.client.keys.people import DeviceNew
from chatnet.client.keys.shown import Shown
from chatnet.client.keys.vault import Shut, Vault, key_file
from chatnet.client.places import Manner
from chatnet.client.talk import Talk
from chatnet.core import commands as c, events as e, replies as r
from chatnet.core.refusals import BadPassword, Malformed, NoDevice, NotWhole, Refused
from chatnet.test.keyring import Box, Person, World


class VaultTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = os.path.join(self.mktemp(), "keys", "ann.db")

    def open(self, secret: bytes = b"secret") -> Vault:
        vault = Vault(self.path, secret, memory=32, iterations=1)
        self.addCleanup(vault.close)
        return vault

    def test_what_is_put_is_there_again(self) -> None:
        vault = self.open()
        vault.put("room", "tea", {"since": 3})
        vault.put("room", "milk", None)
        vault.drop("room", "milk")
        vault.close()
        vault = self.open()
        self.assertEqual(vault.all("room"), {"tea": {"since": 3}})
        self.assertEqual((vault.get("room", "tea"), vault.get("room")), ({"since": 3}, None))

    def test_rows_that_were_exchanged_are_damaged(self) -> None:
        vault = self.open()
        for name in ("ann", "bob"):
            vault.put("people", name, {})
        of = "(SELECT sealed FROM rows WHERE id = ?)"
        ids = [vault._id("people", name) for name in ("ann", "bob")]
        vault._db.execute(f"UPDATE rows SET sealed = {of} WHERE id = ?", ids)
        self.assertRaises(Shut, vault.get, "people", "bob")

    def test_a_key_file_that_is_not_whole_is_no_key(self) -> None:
        path = self.mktemp()
        with open(path, "wb"):
            pass
        self.assertRaises(Shut, key_file, path)

    def test_only_its_owner_reads_it_and_nobody_without_the_secret(self) -> None:
        vault = self.open()
        vault.put("room", "marmalade", "porridge")
        vault.close()
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)
        kept = Path(self.path).read_bytes()
        self.assertFalse(b"marmalade" in kept or b"porridge" in kept or b"room" in kept)
        self.assertIn("not the passphrase", str(self.assertRaises(Shut, self.open, b"other")))

    def test_two_clients_cannot_use_it_at_once(self) -> None:
        self.open()
        self.assertIn("Another client", str(self.assertRaises(Shut, self.open)))

    def test_what_was_put_later_is_kept_with_the_next(self) -> None:
        vault = self.open()
        with vault.saving(later=True):
            vault.put("room", "tea", 1)
        vault.put("room", "milk", 2)
        vault._db.close()  # killed
        self.assertEqual(self.open().all("room"), {"tea": 1, "milk": 2})

    def test_what_was_changed_on_the_disk_is_not_believed(self) -> None:
        vault = self.open()
        vault.put("room", "tea", 1)
        vault._db.execute("UPDATE rows SET sealed = x'" + "00" * 40 + "'")
        self.assertRaises(Shut, vault.get, "room", "tea")

    def test_what_is_no_such_file_is_said(self) -> None:
        os.makedirs(self.path)
        self.assertIn("cannot be opened", str(self.assertRaises(Shut, self.open)))

    def test_a_key_file_is_made_once(self) -> None:
        path = os.path.join(self.mktemp(), "key")
        secret = key_file(path)
        self.assertEqual((len(secret), key_file(path)), (32, secret))
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        self.assertRaises(Shut, key_file, "/dev/null/key")

    def test_the_keys_of_one_account_are_not_those_of_another(self) -> None:
        box = Box()
        OwnDevice(box, "ann", os.urandom)
        self.assertRaises(Shut, OwnDevice, box, "bob", os.urandom)


class FileTests(SynchronousTestCase):
    def locked(self, data: bytes) -> tuple[Path, Secret]:
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "plain").write_bytes(data)
        key, size = lock(folder / "plain", folder / "locked")
        return folder, Secret(key, "plain", size, "text/plain", "")

    def test_it_is_opened_by_its_key_whatever_its_length(self) -> None:
        for length in (0, 1, SLICE - 1, SLICE, SLICE + 1, 2 * SLICE, 3 * SLICE + 7):
            data = os.urandom(length)
            folder, secret = self.locked(data)
            self.assertEqual(secret.size, length)
            self.assertFalse(length > 16 and data[:16] in (folder / "locked").read_bytes())
            unlock(folder / "locked", folder / "open", secret)
            self.assertEqual((folder / "open").read_bytes(), data)
            self.assertEqual(stat.S_IMODE((folder / "open").stat().st_mode), 0o600)

    def test_what_was_changed_cut_or_put_in_another_order_is_dropped(self) -> None:
        folder, secret = self.locked(os.urandom(2 * SLICE + 9))
        whole, slice_ = (folder / "locked").read_bytes(), SLICE + 16
        for wrong in (
            whole[:-1],
            whole[:slice_],
            whole[: 2 * slice_],
            whole[slice_ : 2 * slice_] + whole[:slice_] + whole[2 * slice_ :],
            bytes([whole[0] ^ 1]) + whole[1:],
            whole + b"x",
            b"",
        ):
            (folder / "locked").write_bytes(wrong)
            self.assertRaises(NotWhole, unlock, folder / "locked", folder / "open", secret)
            self.assertFalse((folder / "open").exists())


class PhraseTests(SynchronousTestCase):
    def test_it_is_as_bip39_has_it(self) -> None:
        phrase = backup.new_phrase(bytes(16))
        self.assertEqual(phrase, "abandon " * 11 + "about")
        key = backup.key_of(phrase, "ann")
        self.assertEqual(key, backup.key_of(f" {phrase.upper()} ", "ann"))
        self.assertNotEqual(key, backup.key_of(phrase, "bob"))

    def test_a_wrong_word_is_noticed(self) -> None:
        for phrase in ("abandon " * 12, "abandon", "abandon " * 11 + "nonesuch"):
            self.assertRaises(BadPassword, backup.key_of, phrase, "ann")


class CommandTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.patch(passwords, "_MEMORY_KIB", 64)
        self.world = World()
        for name in ("ann", "bob"):
            self.world.registers(name)
        self.ann, self.bob = self.world.comes("ann"), self.world.comes("bob")
        for person in (self.ann, self.bob):
            person.news.clear()

    def types(self, person: Person, line: str) -> list[str]:
        """Return what is said to ``person``, who types ``line``."""
        answer = Talk(person.link).typed(line)
        self.world.carry()
        said = [answer.text] if isinstance(answer, r.Noted) else []
        said += [spell(news) for news in person.news]
        person.news.clear()
        return said

    def test_encrypting_a_room_and_asking_about_it(self) -> None:
        self.assertIn("is not encrypted", self.types(self.ann, "/encrypt")[0])
        self.types(self.ann, "/encrypt on")
        self.assertEqual(self.types(self.bob, "/encrypt"), ["tea is encrypted for ann, bob."])
        self.bob.ends()
        self.assertIn("Not here now, but with keys: bob", self.types(self.ann, "/encrypt")[0])

    def test_devices_and_fingerprints_are_listed(self) -> None:
        mine, theirs = (
            "".join(self.types(self.ann, line)) for line in ("/devices", "/devices bob")
        )
        self.assertIn(self.ann.keys.ring.own.id, mine)
        self.assertIn("this device", self.types(self.ann, "/fingerprint")[1])
        self.assertIn("Devices of bob", theirs)
        self.types(self.ann, "/fingerprint bob ok")
        self.assertIn("verified", self.types(self.ann, "/fingerprint bob")[1])
        self.assertIn("Nobody called", self.types(self.ann, "/devices nobody")[0])

    def test_comparing_emoji(self) -> None:
        self.assertIn("Asked a device", self.types(self.ann, "/verify bob")[-1])
        self.assertIn("wants to compare", spell(self.bob.news.pop()))
        self.assertIn("Does ann see the same?", self.types(self.bob, "/verify ann")[-1])
        self.types(self.bob, "/verify yes")
        self.assertIn("bob is verified", self.types(self.ann, "/verify yes")[-1])
        self.assertIn("nothing to compare", self.types(self.ann, "/verify no")[0])
        self.types(self.ann, "/verify bob")
        self.assertIn("called off", "".join(self.types(self.ann, "/verify off")))

    def test_recovery_by_words(self) -> None:
        phrase = self.types(self.bob, "/recovery new")[0].rpartition(": ")[2]
        self.assertEqual(len(phrase.split()), 12)
        self.assertIn("keys are back", self.types(self.bob, f"/recovery {phrase}")[0])
        for line in ("/recovery a b c", " /recovery a b c"):
            self.assertIn("no recovery phrase", self.types(self.bob, line)[0])

    def test_trust_is_for_those_who_wait(self) -> None:
        self.assertIn("waits for that", self.types(self.ann, "/trust bob")[0])

    def test_help_and_misuse(self) -> None:
        self.assertIn("12 words", self.types(self.ann, "/help recovery")[0])
        for line in ("/verify", "/trust", "/recovery", "/fingerprint a b c"):
            self.assertRaises(Malformed, Talk(self.ann.link).typed, line)

    def test_who_has_no_account_is_told_what_to_do(self) -> None:
        self.ann.keys._standing.opened = False
        for line in ("/devices", "/verify bob", "/recovery new"):
            self.assertIn("/login", self.types(self.ann, line)[0])
        self.assertRaises(NoDevice, self.ann.keys.accept, "bob")
        self.ann.keys._standing.opened = True

    def test_without_the_extra_that_is_said_when_it_matters(self) -> None:
        self.patch(olm, "WITH_OLM", False)
        zoe = self.lacks()
        self.assertEqual(zoe.news, [])
        self.types(self.ann, "/encrypt on")
        self.ann.says("marmalade")
        (line,) = self.shown(zoe)[-1:]
        self.assertIn('pip install "chatnet[e2ee]"', line)
        refusal = self.assertRaises(Refused, zoe.link.submit, c.Say("tea", "porridge"))
        self.assertIn('pip install "chatnet[e2ee]"', str(refusal))
        self.assertRaises(NoOlm, olm.check)

    def lacks(self) -> Person:
        self.world.registers("zoe")
        return self.world.comes("zoe")

    def shown(self, person: Person) -> list[str]:
        shown, lines = Shown(), list[str]()
        for entry, manner in person.shown:
            lines += shown.lines(person.keys, entry, manner, False, person.name)
        return lines

    def test_how_it_looks(self) -> None:
        self.types(self.ann, "/encrypt on")
        self.ann.says("one")
        self.ann.says("two")
        self.ann.does(c.Whisper("bob", "psst"))
        zoe = self.lacks()
        zoe.does(c.History("tea"))
        self.ann.says("three")
        lines = self.shown(self.bob)
        self.assertEqual(lines[-5:-2], ["ann: one", "ann: two", "🔒 [whisper] ann: psst"])
        old = [line for line in self.shown(zoe) if "before you came" in line]
        self.assertEqual(len(old), 1)  # for all of it
        self.assertIn("ann: three", self.shown(zoe))
        forged = e.Entry("tea", 99, 1.0, e.Said("ann", "made up"))
        self.bob.keys._hearing._show(forged, Manner.LIVE)
        self.assertIn("!!! not encrypted", self.shown(self.bob)[-1])

    def test_every_cause_says_what_to_do(self) -> None:
        for cause in (Earlier(), KeyMissing("bob", "X"), Forged("it"), NoKeys()):
            self.assertRegex(explain(cause), r"\w.*\w")
        self.assertTrue(spell(DeviceNew("bob", "X", "phone", True)).startswith("!!! bob"))
        self.assertEqual(spell(Trouble("so it is")), "so it is")
