from __future__ import annotations

from importlib.util import find_spec

from twisted.internet.defer import Deferred

from chatnet.client.full.hearing import Hearing
from chatnet.client.full.items import Kind
from chatnet.client.full.pages import Pages
from chatnet.client.full.talking import Talking
from chatnet.client.full.windows import Older, Windows
from chatnet.client.offers import Offers
from chatnet.client.state import RoomView
from chatnet.core import commands as c
from chatnet.core.refusals import Encrypted
from chatnet.test.keyring import Person
from chatnet.test.test_encryption import EncryptionTestCase
from chatnet.test.test_full_hearing import Screen

if find_spec("textual") is None:
    skip = "the full-screen client needs Textual"
else:
    from chatnet.client.full import frame


class Seat:
    """Somebody with keys at the windows of the full-screen client, in the room tea."""

    def __init__(self, person: Person) -> None:
        link, now = person.link, person.world.rig.clock.seconds
        self.person, self.screen = person, Screen()
        self.windows = Windows("here", lambda window, item: None)
        self.hearing = Hearing(link, self.windows, now, self.screen, lambda window, item: None)
        self.hearing.offers = Offers()
        self.talking = Talking(link, self.windows, self.hearing, now)
        self.pages = Pages(link, self.hearing, self.screen.changed)
        self.tea = self.windows.open("tea", "tea")
        self.tea.older, self.tea.last = Older.MORE, link.dialogue.places.rooms["tea"].last or 0
        self.windows.show(self.tea)

    def shows(self) -> list[str]:
        return [line for item in self.tea.items for line in item.lines]


class KeysTests(EncryptionTestCase):
    def test_what_is_encrypted_is_read_and_the_room_has_a_lock(self) -> None:
        bob = Seat(self.bob)
        self.ann.says("marmalade")
        bob.talking.typed("porridge")
        self.assertEqual(bob.tea.outgoing[0].body, "porridge")
        self.world.carry()
        self.assertEqual((bob.shows(), bob.tea.outgoing), (["marmalade", "porridge"], []))
        self.assertIn("encrypted", frame.head(self.bob.link, bob.tea))
        [(_, row), *_] = frame.rooms(self.bob.link, bob.windows, 20)
        self.assertIn("\N{LOCK}", row[0][0])
        self.secret("marmalade", "porridge")

    def test_a_room_that_the_server_says_is_plain_has_no_lock_and_that_is_told(self) -> None:
        bob = Seat(self.bob)
        self.patch(RoomView, "encrypted", False)  # as a lying server has it
        self.assertIn("NOT ENCRYPTED", frame.head(self.bob.link, bob.tea))
        [(_, row), *_] = frame.rooms(self.bob.link, bob.windows, 20)
        self.assertNotIn("\N{LOCK}", row[0][0])
        self.assertRaises(Encrypted, bob.talking.typed, "porridge")
        self.secret("porridge")

    def test_what_was_said_before_one_came_is_one_line(self) -> None:
        for word in ("marmalade", "porridge", "jam"):
            self.ann.says(word)
        zoe = Seat(self.comes("zoe"))
        self.ann.says("toast")
        Deferred.fromCoroutine(zoe.pages.older(zoe.tea)).addErrback(self.fail)
        self.world.carry()
        folded = [item for item in zoe.tea.items if item.kind is Kind.FOLD]
        self.assertEqual(len(folded), 1)
        self.assertEqual(zoe.shows()[-1], "toast")
        self.assertNotIn("marmalade", " ".join(zoe.shows()))

    def test_a_whisper_between_keys_has_a_lock_of_its_own(self) -> None:
        bob = Seat(self.bob)
        self.ann.does(c.Whisper("bob", "psst"))
        window = bob.windows.get("@ann")
        assert window is not None
        [item] = window.items
        self.assertEqual((item.lines, item.locked), (("psst",), True))
        self.secret("psst")
