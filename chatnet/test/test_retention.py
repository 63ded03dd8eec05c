"""What is older than it is to be kept is let go: in memory, in the store, and for who reads."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from chatnet.accounts import passwords
from chatnet.core.events import Entry, Said, Whispered
from chatnet.core.log import Log
from chatnet.core.names import EVERYBODY, STAFF
from chatnet.core.room import retention
from chatnet.core.series import Series
from chatnet.interfaces import Batch
from chatnet.server import broom
from chatnet.stores import pieces
from chatnet.test.rig import Rig

DAY = 86400.0


class LogTests(SynchronousTestCase):
    def test_a_log_drops_what_is_old(self) -> None:
        log = Log("tea")
        log.extend(Series("tea", 1, [1.0] * 9, [Said("ann", "x")] * 9))
        log.drop(4)
        self.assertEqual((log.floor, log.tail, log.head), (4, 4, 9))
        self.assertEqual([entry.seq for entry in log.between(4, 9)], [5, 6, 7, 8, 9])
        self.assertEqual(log.back(9, 99), 4)
        log.drop(2)
        log.drop(99)
        self.assertEqual((log.floor, log.tail, log._bytes), (9, 9, 0))
        log.extend(Series("tea", 10, [10.0], [Said("ann", "x")]))
        self.assertEqual(log.between(9, 10)[0].seq, 10)

    def test_what_is_left_has_its_own_time(self) -> None:
        for forgets in (True, False):
            log = Log("tea", keep=3)
            for seq in range(1, 11):
                log.extend(Series("tea", seq, [float(seq)], [Said("ann", str(seq))]))
                if forgets:
                    log.forget()
            log.drop(4)
            left = [Entry("tea", n, float(n), Said("ann", str(n))) for n in range(log.tail + 1, 11)]
            self.assertEqual(log.between(log.tail, 10), left)
            self.assertEqual(log.tail, 6 if forgets else 4)

    def test_a_log_that_forgot_them_drops_them_too(self) -> None:
        log = Log("tea", head=9)
        log.drop(4)
        self.assertEqual((log.floor, log.tail), (4, 9))
        self.assertEqual(log.back(9, 5), None)  # the store has some

    def test_the_shorter_time_holds(self) -> None:
        for server, room, both in ((0, 0, 0), (5, 0, 5), (0, 5, 5), (5, 9, 5), (9, 5, 5)):
            self.assertEqual(retention(server, room), both)


class RetentionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.patch(passwords, "_MEMORY_KIB", 8)  # as safe as it is quick
        self.patch(passwords, "_PASSES", 1)
        self.patch(passwords, "_PARAMETERS", "$argon2id$v=19$m=8,t=1,p=1$")

    def rig(self, **settings: Any) -> Rig:
        return Rig(**{"retention": 30 * DAY} | settings)

    def passes(self, rig: Rig, seconds: float) -> None:
        """Let time pass, and a sweep come after it."""
        rig.clock.advance(seconds)
        rig.settle()
        for _ in range(2):
            rig.clock.advance(60)
            rig.settle()

    def bodies(self, rig: Rig, room: str = "tea") -> list[str]:
        said = [entry.event for entry in rig.store.kept(room)]
        return [event.body for event in said if isinstance(event, Said | Whispered)]

    def test_what_is_old_goes(self) -> None:
        rig = self.rig()
        ann = rig.member("ann")
        ann.types("one")
        self.passes(rig, 20 * DAY)
        ann.types("two")
        self.assertEqual(self.bodies(rig), ["one", "two"])
        self.passes(rig, 20 * DAY)
        self.assertEqual(self.bodies(rig), ["two"])
        self.assertEqual(rig.room("tea").log.floor, rig.store.floor("tea"))
        ann.hears()
        ann.types("/history all")
        self.assertEqual(len([line for line in ann.hears() if "ann: " in line]), 1)
        rig.restart()
        zoe = rig.arrives("/nick zoe", "/join tea")
        self.assertIn("Messages here are kept for 30 days.", zoe.hears())

    def test_without_a_limit_nothing_goes(self) -> None:
        rig = Rig()
        ann = rig.member("ann")
        ann.types("one")
        self.passes(rig, 2000 * DAY)
        self.assertEqual(self.bodies(rig), ["one"])
        zoe = rig.arrives("/nick zoe", "/join tea")
        self.assertNotIn("kept", "".join(zoe.hears()))

    def test_a_room_may_only_shorten_it(self) -> None:
        rig = self.rig()
        ann, bob = rig.member("ann"), rig.member("bob")
        ann.hears()
        ann.types("/retain 31d", "/retain 10s", "/retain long", "/retain 2d")
        told = ann.hears()
        self.assertIn("only shorten", told[0])
        self.assertIn("a minute at least", told[1])
        self.assertIn("Use it like this: /retain", told[2])
        self.assertEqual(told[3:], bob.hears(), "ann lets messages be kept for 2 days.")
        bob.types("/retain off")
        self.assertIn("Only a moderator", bob.hears()[0])
        ann.types("one")
        bot = rig.program("bot")
        bot.sends("join", room="tea")
        self.assertEqual(bot.receives()[0]["retention"], 2 * DAY)
        self.passes(rig, 3 * DAY)
        self.assertEqual(self.bodies(rig), [])
        ann.types("two", "/retain off")
        self.assertIn("kept as long as the server keeps them", ann.hears()[-1])
        self.passes(rig, 3 * DAY)
        self.assertEqual(self.bodies(rig), ["two"])

    def test_without_the_servers_a_room_has_its_own(self) -> None:
        rig = Rig()
        ann = rig.member("ann")
        ann.types("/retain 1h", "one")
        self.passes(rig, 7200)
        self.assertEqual(self.bodies(rig), [])
        self.assertEqual(rig.store.load("tea")[1].retention, 3600)

    def test_it_holds_for_rooms_that_nobody_is_in(self) -> None:
        rig = self.rig()
        for room in "abc":
            ann = rig.arrives(f"/nick ann-{room}", f"/join {room}", "one", "two")
            ann.hangs_up()
            rig.settle()
        rig.restart()
        self.assertEqual(list(rig.network.audiences), [EVERYBODY, STAFF])
        self.passes(rig, 31 * DAY)
        for _ in range(broom.ASLEEP_EVERY):
            self.passes(rig, 0)
        for room in "abc":
            self.assertEqual(self.bodies(rig, room), [])
            self.assertLess(0, rig.store.floor(room))
        self.assertEqual(list(rig.network.audiences), [EVERYBODY, STAFF])

    def test_a_room_whose_last_state_is_old_goes_as_well(self) -> None:
        rig = self.rig()
        rig.member("ann").types("one", "two", "/topic tea", "three", "four")
        rig.restart()  # it was killed: the last state is that of the topic
        self.passes(rig, 31 * DAY)
        for _ in range(broom.ASLEEP_EVERY):
            self.passes(rig, 0)
        self.assertEqual(self.bodies(rig), [])
        ann = rig.arrives("/nick ann", "/join tea", "/topic")
        self.assertIn("Topic of tea: tea", ann.hears())

    def test_it_holds_for_whispers_also_unread_ones(self) -> None:
        rig = self.rig()
        tom = rig.account("tom")
        tom.hangs_up()
        rig.settle()
        rig.member("ann").types("/whisper tom hello")
        self.assertEqual(self.bodies(rig, "@tom"), ["hello"])
        self.passes(rig, 31 * DAY)
        for _ in range(broom.ASLEEP_EVERY):
            self.passes(rig, 0)
        self.assertEqual(self.bodies(rig, "@tom"), [])
        tom = rig.arrives("/login tom secret")
        self.assertNotIn("hello", "".join(tom.hears()))
        rig.member("bob").types("/whisper tom again")
        self.assertEqual(tom.hears(), ["[whisper] bob: again"])

    def test_it_holds_for_what_was_told_to_everybody(self) -> None:
        rig = self.rig()
        rig.account("tom").types("/send all hello")
        self.assertEqual(len(rig.store.kept("*")), 1)
        self.passes(rig, 31 * DAY)
        self.assertEqual(rig.store.kept("*"), [])

    def test_it_goes_in_pieces(self) -> None:
        self.patch(pieces, "FORGET", 3)
        rig = self.rig()
        ann = rig.member("ann")
        ann.types(*[f"number {n}" for n in range(20)])
        rig.clock.advance(31 * DAY)
        forgets = 0
        for _ in range(100):
            rig.clock.advance(60 if not (rig.writer.calls or rig.reader.calls) else 0)
            before = rig.store.floor("tea")
            rig.writer.step()
            forgets += rig.store.floor("tea") > before
            self.assertLessEqual(rig.store.floor("tea") - before, 3)
            rig.reader.step()
            rig.hasher.step()
        self.assertGreater(forgets, 5)
        self.assertEqual(self.bodies(rig), [])

    def test_what_fails_is_tried_again(self) -> None:
        rig = self.rig()
        ann = rig.member("ann")
        ann.types("one")
        rig.store.fail_before = True
        self.passes(rig, 31 * DAY)
        self.assertEqual(self.bodies(rig), ["one"])
        rig.store.fail_before = False
        self.passes(rig, 0)
        self.assertEqual(self.bodies(rig), [])
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_who_comes_back_is_told_where_it_begins(self) -> None:
        rig = self.rig()
        ann = rig.member("ann")
        ann.types("one", "two")
        self.passes(rig, 20 * DAY)
        ann.types("three")
        bot = rig.program("bot")
        self.passes(rig, 20 * DAY)
        bot.sends("join", room="tea", since=1)
        heard = bot.receives()
        floor = rig.store.floor("tea")
        self.assertEqual((heard[0]["reply"], heard[0]["since"]), ("entered", floor))
        self.assertEqual(next(f["seq"] for f in heard if "event" in f), floor + 1)
        bot.sends("leave", room="tea")
        bot.sends("join", room="tea", replay=-1)
        heard = bot.receives()
        self.assertIn(floor, [f["since"] for f in heard if f.get("reply") == "entered"])

    def test_history_below_the_floor_is_empty(self) -> None:
        rig = self.rig()
        ann = rig.member("ann")
        ann.types("one", "two")
        self.passes(rig, 20 * DAY)
        ann.types("three")
        self.passes(rig, 20 * DAY)
        floor = rig.store.floor("tea")
        bot = rig.program("bot")
        bot.sends("join", room="tea")
        bot.receives()
        below: list[dict[str, Any]] = [{"before": floor}, {"before": floor + 1}, {"before": 1}]
        for asked in below:
            bot.sends("history", room="tea", **asked)
            told, end = bot.receives()
            self.assertEqual((told["since"], told["upto"]), (floor, floor), asked)
            self.assertEqual(end["reply"], "caughtup")
        across: list[dict[str, Any]] = [{"count": -1}, {"first": 1, "count": -1}, {"since": 1}]
        for asked in [*across, {"at": "90d"}]:
            bot.sends("history", room="tea", **asked)
            told, *events, end = bot.receives()
            self.assertEqual(told["since"], floor, asked)
            self.assertEqual(events[0]["seq"], floor + 1, asked)

    def test_who_is_reading_goes_on_where_it_begins_now(self) -> None:
        rig = self.rig(stall_seconds=1e9)
        ann = rig.member("ann")
        ann.types(*[f"number {n}" for n in range(3000)])
        self.passes(rig, 20 * DAY)
        ann.types("new")
        bot = rig.program("bot")
        bot.sends("join", room="tea")
        bot.receives()
        bot.asks('{"do": "history", "room": "tea", "count": -1}')
        rig.clock.advance(0)
        rig.reader.step()
        rig.clock.advance(0)
        bot.stops_listening()  # it has some of it, and waits
        self.passes(rig, 20 * DAY)
        bot.listens()
        seqs = [f["seq"] for f in bot.receives() if "event" in f]
        self.assertEqual(seqs, sorted(set(seqs)))
        self.assertLess(len(seqs), 3000)
        self.assertEqual(seqs[-1], rig.room("tea").log.head)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_a_page_that_was_asked_for_before_is_passed_over(self) -> None:
        rig = self.rig()
        ann = rig.member("ann")
        ann.types(*[f"number {n}" for n in range(3000)])
        self.passes(rig, 20 * DAY)
        bot = rig.program("bot")
        bot.sends("join", room="tea")
        bot.receives()
        bot.asks('{"do": "history", "room": "tea", "first": 1, "count": -1}')
        rig.clock.advance(0)
        rig.store.write(_states(rig))
        rig.room("tea").log.drop(2000)  # while the page is on its way
        rig.store.forget("tea", 2000, 5000)
        rig.settle()
        seqs = [f["seq"] for f in bot.receives() if "event" in f]
        self.assertEqual((seqs[0], len(seqs)), (2001, len(set(seqs))))

    def test_it_stops_with_the_server(self) -> None:
        rig = self.rig()
        rig.member("ann").types("one")
        rig.clock.advance(31 * DAY)
        rig.network.rooms.stop()
        self.passes(rig, 0)
        self.assertEqual(self.flushLoggedErrors(), [])


def _states(rig: Rig) -> Batch:
    room = rig.room("tea")
    return Batch([], states={"tea": (room.log.head, room.state)})
