"""Encrypted rooms that nobody used while devices changed: they know before they are used again."""

from __future__ import annotations

from typing import Any

from chatnet.core import events as e
from chatnet.core.room import RoomState
from chatnet.dialects.styles import LIVE
from chatnet.server.rekeying import RETRY_SECONDS
from chatnet.test.rig import Client, FailingStore, Rig
from chatnet.test.test_keys import ONE, SESSION, TWO, KeysTestCase, changes_in

DAY = 86_400.0


class Watched(FailingStore):
    """A store that tells which states were read."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.listed = 0
        self.unreadable = ""  # the key of a log

    def load(self, room: str) -> tuple[int, RoomState]:
        if room == self.unreadable:
            raise OSError("cannot read")
        self.loaded.append(room)
        return super().load(room)

    def rooms(self, limit: int) -> Any:
        self.listed += 1
        return super().rooms(limit)


class SleepingTests(KeysTestCase):
    """The encrypted room tea, of which ann and bob are readers, sleeps."""

    def setUp(self) -> None:
        super().setUp()
        self.store = Watched()
        self.rig = Rig(self.store, name="chatbox")
        ann, bob = self.device("ann"), self.device("bob")
        for client in (ann, bob):
            client.sends("join", room="tea")
        ann.sends("encrypt", room="tea")
        for client in (ann, bob):
            client.hangs_up()
        self.sleeps()

    def sleeps(self) -> None:
        """Let all rooms be taken out of memory."""
        self.rig.settle()
        self.rig.clock.advance(DAY)
        self.rig.settle()
        self.assertNotIn("tea", self.rig.network.audiences)

    def comes(self, name: str = "ann", **asked: Any) -> Client:
        """Return a device of ``name`` that is in the room."""
        client = self.again(name)
        self.be(client)
        client.sends("join", room="tea", **asked)
        return client

    def removes(self, name: str = "bob") -> None:
        """Let ``name`` remove the device that it had."""
        client = self.again(name)
        client.sends("removedevice", device=ONE)
        client.hangs_up()
        self.rig.settle()

    def adds(self) -> None:
        client = self.again("bob")
        self.be(client, TWO, "x")
        client.hangs_up()
        self.rig.settle()

    def seals(self, client: Client, epoch: int) -> list[str]:
        """Return what comes of it when ``client`` says something for those of ``epoch``."""
        client.receives()
        client.sends("seal", room="tea", session=SESSION, epoch=epoch, body="AAAA", cid=str(epoch))
        return [f.get("event") or f.get("error") or "ok" for f in client.receives()]

    @property
    def log(self) -> list[e.Event]:
        return [entry.event for entry in self.store.kept("tea")]

    @property
    def rekeyed(self) -> list[tuple[str, str, bool, int]]:
        return [
            (event.who, event.device, event.added, event.told)
            for event in self.log
            if isinstance(event, e.Rekeyed)
        ]

    def test_what_was_encrypted_for_a_device_that_is_removed_is_refused(self) -> None:
        self.removes()
        ann = self.comes()
        self.assertEqual(self.rekeyed, [("bob", "", False, 2)])
        self.assertEqual(self.seals(ann, 1), ["stale"])
        self.assertEqual(self.seals(ann, 2), ["sealed", "ok"])

    def test_it_is_known_to_who_enters_before_anything_can_be_said(self) -> None:
        self.removes()
        ann = self.comes(since=len(self.log))
        heard = [f for f in ann.receives() if f.get("room") == "tea"]
        (entered,) = [f for f in heard if f.get("reply") == "entered"]
        self.assertEqual(entered["state"]["epoch"], 2)
        self.assertEqual(changes_in(heard), [("bob", "", False)])

    def test_people_at_a_terminal_read_that_somebody_has_other_devices(self) -> None:
        entry = e.Entry("tea", 5, 1.0, e.Rekeyed("bob", "", False, 2))
        self.assertEqual(LIVE.render(entry), b"bob has other devices than before.\r\n")

    def test_so_it_is_across_a_restart(self) -> None:
        self.removes()
        self.rig.restart()
        ann = self.comes()
        self.assertEqual(self.seals(ann, 1), ["stale"])
        self.rig.restart()
        self.assertEqual(self.seals(self.comes(), 2), ["sealed", "ok"])
        self.assertEqual(len(self.rekeyed), 1)

    def test_so_it_is_when_a_device_was_added_and_of_many_changes_it_is_told_once(self) -> None:
        self.adds()
        self.removes()
        ann = self.comes()
        self.assertEqual(self.rekeyed, [("bob", "", False, 3)])
        self.assertEqual(self.seals(ann, 1), ["stale"])

    def test_a_room_that_missed_nothing_is_told_nothing(self) -> None:
        for _ in range(2):
            ann = self.comes()
            self.assertEqual(self.seals(ann, 1)[-1], "ok")
            ann.hangs_up()
            self.sleeps()
            self.rig.restart()
        self.assertEqual(self.rekeyed, [])

    def test_nor_is_it_of_those_who_came_or_were_told_while_it_was_awake(self) -> None:
        zoe = self.device("zoe")
        zoe.sends("join", room="tea")
        self.adds()
        self.assertEqual(self.rekeyed, [("bob", TWO, True, 2)])
        zoe.hangs_up()
        self.sleeps()
        self.rig.restart()
        self.comes()
        self.assertEqual(len(self.rekeyed), 1)
        self.assertEqual(self.rig.room("tea").state.told, {"ann": 1, "bob": 2, "zoe": 1})

    def test_of_whom_it_is_not_known_what_devices_it_had_it_is_told(self) -> None:
        self.device("zoe").hangs_up()
        self.rig.settle()
        self.rig.clock.advance(DAY)
        guest = self.rig.program("guy")
        guest.sends("join", room="tea")
        guest.sends("login", name="zoe", password="secret")
        guest.hangs_up()
        self.sleeps()
        ann = self.comes()
        self.assertEqual(self.rekeyed, [("zoe", "", False, 1)])
        self.assertEqual(self.seals(ann, 2), ["stale"])

    def test_changing_devices_reads_no_room_that_is_not_in_memory(self) -> None:
        self.store.loaded.clear()
        self.store.listed = 0
        self.adds()
        self.removes()
        self.assertEqual([key for key in self.store.loaded if not key.startswith("@")], [])
        self.assertEqual(self.store.listed, 0)

    def test_what_changes_while_it_is_being_opened_is_not_missed(self) -> None:
        zoe = self.device("zoe")  # whose log it waits for
        zoe.sends("join", room="tea")
        zoe.hangs_up()
        self.sleeps()
        ann, bob = self.again("ann"), self.again("bob")
        self.be(ann)
        ann.asks('{"do":"join","room":"tea"}')
        while self.store.loaded[-1] != "tea":
            self.rig.clock.advance(0)
            self.rig.reader.step()
        bob.asks(f'{{"do":"removedevice","device":"{ONE}"}}')
        for _ in range(9):
            self.rig.clock.advance(0)
            self.rig.writer.step()
        self.assertEqual(self.rig.room("@bob").state.devices, {})
        self.assertNotIn("tea", self.rig.network.audiences)
        self.rig.settle()
        self.assertEqual(self.seals(ann, 2), ["stale"])
        self.assertEqual(self.rekeyed, [("bob", "", False, 2)])

    def test_as_long_as_that_cannot_be_stored_nothing_encrypted_is_taken(self) -> None:
        self.removes()
        ann = self.again("ann")
        self.be(ann)
        self.store.fail_before = True
        ann.sends("join", room="tea")
        self.store.fail_before = False
        ann.sends("join", room="tea")
        self.assertEqual(self.seals(ann, 1), ["unavailable"])
        self.rig.clock.advance(RETRY_SECONDS)
        self.rig.settle()
        self.assertEqual(self.seals(ann, 1), ["stale"])
        self.assertEqual(self.seals(ann, 2), ["sealed", "ok"])
        self.assertEqual(len(self.rekeyed), 1)

    def test_a_commit_of_which_only_the_news_is_lost_is_not_told_twice(self) -> None:
        self.removes()
        ann = self.again("ann")
        self.be(ann)
        self.store.fail_after = True
        ann.sends("join", room="tea")
        self.store.fail_after = False
        self.rig.clock.advance(RETRY_SECONDS)
        self.rig.settle()
        ann.sends("join", room="tea")
        self.assertEqual(self.seals(ann, 1), ["stale"])
        self.assertEqual(len(self.rekeyed), 1)

    def test_it_is_not_opened_before_all_can_be_read(self) -> None:
        self.removes()
        self.sleeps()
        ann = self.again("ann")
        self.be(ann)
        self.store.unreadable = "@bob"
        ann.sends("join", room="tea")
        self.assertEqual(self.errors(ann), ["unavailable"])
        self.assertNotIn("tea", self.rig.network.audiences)
        self.store.unreadable = ""
        ann.sends("join", room="tea")
        self.assertEqual(self.seals(ann, 1), ["stale"])
