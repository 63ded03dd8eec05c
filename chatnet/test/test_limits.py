"""Who sends, comes or asks too much waits or is told so; everybody else notices nothing."""

from __future__ import annotations

import gc
import json
import socket
import weakref

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import directlyProvides

from chatnet.client.flow import MOST
from chatnet.core.limits import (
    TABLE,
    UNLIMITED,
    Bucket,
    Limit,
    Limits,
    Registration,
    parse_change,
    spell_rate,
)
from chatnet.core.refusals import (
    Closed,
    NeedsAccount,
    NoSuchPerson,
    Refused,
    TooManyConnections,
    TooManyTries,
)
from chatnet.server import defence
from chatnet.server.defence import Defence
from chatnet.server.levels import LEVELS, Levels
from chatnet.server.pace import LINGER_SECONDS, LONGEST_WAIT, UNDER_WAY
from chatnet.test.properties import given, settings, st
from chatnet.test.rig import Client, Rig, Wire


class TableTests(SynchronousTestCase):
    def test_every_limit_has_a_default_that_it_could_be_set_to(self) -> None:
        limits = Limits()
        self.assertEqual([entry.name for entry, _ in limits.all()], [e.name for e in TABLE])
        for entry, value in limits.all():
            self.assertEqual(value, entry.value)
            self.assertNotEqual(getattr(limits, entry.name.replace("-", "_")), UNLIMITED)

    def test_a_limit_is_changed_while_it_holds_and_turned_off(self) -> None:
        limits = Limits([("messages", "20+5/s"), ("connections", "none")])
        self.assertEqual(limits.messages, Limit(20, 0.2))
        self.assertEqual(limits.connections, UNLIMITED)
        limits.set("messages", "5/1m")
        self.assertEqual((limits.messages, limits.get("messages")), (Limit(5, 12.0), "5/1m"))
        limits.set("all", "none")
        self.assertEqual({value for _, value in limits.all()}, {"none"})

    def test_what_makes_no_sense_is_told(self) -> None:
        for written, sentence in (
            ("messages", "a limit is written NAME=VALUE"),
            ("words=5", "there is no limit words; there are connections, arrivals"),
            ("messages=fast", "messages is a number in a time, like 32/10m, or one at once"),
            ("messages=0/s", "messages is a number in a time"),
            ("messages=5/0s", "messages is a number in a time"),
            ("mute=5", "mute is a time, like 60s or 10m, or none, not 5"),
            ("connections=-1", "connections is a number, like 16, 64K or 2G, or none, not -1"),
        ):
            with self.assertRaisesRegex(ValueError, sentence):
                parse_change(written)
        self.assertEqual(parse_change("none"), ("all", "none"))
        self.assertEqual(parse_change("bytes=1M+64K/s"), ("bytes", "1M+64K/s"))

    def test_rates_in_words(self) -> None:
        self.assertEqual(spell_rate(Limit(10, 0.5)), "2 a second")
        self.assertEqual(spell_rate(Limit(3, 2.0)), "one in 2 s")
        self.assertEqual(spell_rate(Limit(3, 1200.0)), "one every 20 minutes")


READ = 65536  # bytes that come at once


class BucketTests(SynchronousTestCase):
    @settings(derandomize=True, deadline=None, max_examples=50)
    @given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 30)), max_size=20))
    def test_never_more_than_the_burst_and_the_rate(self, steps: list[tuple[int, int]]) -> None:
        """Who waits as long as it is told takes no more than the limit, over any time."""
        limit, bucket, now = Limit(10, 0.5), Bucket(), 1000.0
        taken: list[tuple[float, float]] = []
        for pause, cost in [(tenths / 10, parts / 10) for tenths, parts in steps]:
            now += pause
            if not bucket.has(limit, cost, now):
                continue
            bucket.take(limit, cost, now)
            taken.append((now, cost))
        for begin, (since, _) in enumerate(taken):
            for end in range(begin, len(taken)):
                amount = sum(cost for _, cost in taken[begin : end + 1])
                allowed = limit.most + (taken[end][0] - since) / limit.each
                self.assertLessEqual(amount, allowed + 1e-6)

    def test_what_is_given_back_was_not_taken(self) -> None:
        limit, bucket = Limit(2, 10.0), Bucket()
        bucket.take(limit, 2, 0.0)
        self.assertFalse(bucket.has(limit, 1, 0.0))
        bucket.give_back(limit, 1)
        self.assertTrue(bucket.has(limit, 1, 0.0))

    def test_without_a_limit_there_is_always_more(self) -> None:
        bucket = Bucket()
        self.assertLess(bucket.take(UNLIMITED, 1e12, 0.0), 0)
        self.assertTrue(bucket.has(UNLIMITED, 1e12, 0.0))


class PaceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig(limits=())
        self.bob = self.rig.member("bob", address="192.0.2.9")
        self.ann = self.rig.member("ann")
        self.rest()

    def rest(self) -> None:
        """Let all be forgotten that ann and bob did."""
        self.passes(30)
        self.bob.hears()

    def passes(self, seconds: float) -> None:
        steps = max(1, round(seconds * 10))
        for _ in range(steps):
            self.rig.clock.advance(seconds / steps)
            self.rig.settle()

    def said(self) -> list[str]:
        return [line.removeprefix("ann: ") for line in self.bob.hears() if line.startswith("ann:")]

    def test_ten_messages_at_once_then_two_a_second_and_all_in_order(self) -> None:
        self.ann.types(*(f"{n}" for n in range(20)))
        self.assertEqual(self.said(), [f"{n}" for n in range(10)])
        self.assertEqual(self.ann.hears(), [])
        self.passes(0.6)
        self.assertEqual(self.said(), ["10"])
        (told,) = self.ann.hears()
        self.assertIn("You are sending faster than 2 a second.", told)
        self.passes(2)
        self.assertEqual(self.said(), ["11", "12", "13", "14"])
        self.passes(10)
        self.assertEqual(self.said(), ["15", "16", "17", "18", "19"])
        self.assertEqual(self.ann.hears(), [])  # told once

    def test_who_speaks_at_leisure_is_not_told_anything(self) -> None:
        for n in range(100):
            self.ann.types(f"{n}")
            self.passes(0.5)
        self.assertEqual(self.said(), [f"{n}" for n in range(100)])
        self.assertEqual(self.ann.hears(), [])

    def test_one_is_told_again_another_time(self) -> None:
        for _ in range(2):
            self.ann.types(*(f"{n}" for n in range(15)))
            self.passes(60)
            self.assertEqual(len(self.said()), 15)
            self.assertEqual(sum("faster than" in line for line in self.ann.hears()), 1)

    def test_what_nobody_else_sees_costs_a_tenth(self) -> None:
        self.ann.types(*(["/ping"] * 80))
        self.assertEqual(self.ann.hears(), ["pong"] * 80)
        self.ann.types(*(["/ping"] * 80))
        self.assertLess(len(self.ann.hears()), 40)
        self.passes(10)
        self.assertGreater(len(self.ann.hears()), 40)

    def named_in(self, rooms: int) -> Client:
        """Return a program called robot0, in tea and so many other rooms, that has rested."""
        robot = self.rig.program("robot0")
        for n in range(rooms):
            robot.sends("join", room=f"room{n}")
            self.passes(0.1)
        robot.sends("join", room="tea")
        self.rest()
        robot.receives()
        return robot

    def test_a_new_name_costs_a_message_in_each_room_that_is_shown_it(self) -> None:
        robot = self.named_in(4)
        for n in range(1, 5):
            robot.sends("nick", name=f"robot{n}")
        heard = [f"robot{n} is now known as robot{n + 1}." for n in range(4)]
        self.assertEqual(self.bob.hears(), heard[:2])
        self.passes(0.4)
        self.assertEqual(self.bob.hears(), [])
        self.passes(0.2)
        self.assertEqual(self.bob.hears(), heard[2:3])
        self.passes(2)
        self.assertEqual(self.bob.hears(), [])
        notes = [f["text"] for f in robot.receives() if f.get("reply") == "noted"]
        self.assertEqual(len(notes), 1)
        self.assertIn("You are sending faster than 2 a second.", notes[0])
        self.passes(1)
        self.assertEqual(self.bob.hears(), heard[3:])

    def test_a_new_name_in_very_many_rooms_does_not_hold_one_up_for_long(self) -> None:
        robot = self.named_in(99)
        robot.sends("nick", name="robot1")
        robot.sends("say", room="tea", body="hello")
        self.assertEqual(len(self.bob.hears()), 1)
        self.passes(LONGEST_WAIT)
        self.assertEqual(self.bob.hears(), ["robot1: hello"])

    def test_a_limit_that_is_changed_holds_at_once(self) -> None:
        self.rig.host.defence.limits.set("messages", "none")
        self.ann.types(*(f"{n}" for n in range(200)))
        self.assertEqual(len(self.said()), 200)

    def test_bytes_wait_as_well(self) -> None:
        line = "x" * 30_000
        self.ann.types(*([line] * 10))
        self.assertEqual(len(self.said()), 9)
        self.passes(2)
        self.assertEqual(len(self.said()), 1)
        self.assertIn("more than 32,768 bytes a second", self.ann.hears()[0])

    def test_a_large_message_passes_and_what_follows_waits_a_little(self) -> None:
        self.ann.types("y" * 5_000_000, "after")
        self.passes(1)
        self.assertEqual([len(said) for said in self.said()], [5_000_000])
        self.passes(LONGEST_WAIT)
        self.assertEqual(self.said(), ["after"])

    def test_who_has_an_account_may_send_a_large_one_without_waiting(self) -> None:
        tom = self.rig.account("tom")
        tom.types("/join tea", "z" * 5_000_000, "after")
        self.passes(1)
        self.assertEqual(self.bob.hears()[-1], "tom: after")

    def test_who_does_not_stop_is_muted_for_a_minute_and_then_for_ten(self) -> None:
        self.ann.types(*(f"{n}" for n in range(1000)))
        self.passes(110)
        before = len(self.said())
        self.assertLess(before, 200)
        heard = self.ann.hears()
        self.assertEqual(sum("you are muted for 1 minute." in line for line in heard), 1)
        self.assertTrue(heard[-1].startswith("You were sending too fast, and are muted for"))
        self.passes(90)
        self.assertTrue(any("you are muted for 10 minutes." in line for line in self.ann.hears()))
        self.said()
        self.passes(30)
        self.assertEqual(self.said(), [])

    def test_who_goes_on_is_warned_before_it_is_muted(self) -> None:
        self.ann.types(*(f"{n}" for n in range(1000)))
        self.passes(30)
        (told,) = self.ann.hears()
        self.assertIn("You are sending faster", told)
        self.passes(20)
        (warning,) = self.ann.hears()
        self.assertIn("After 30 seconds more of that you are muted", warning)
        self.passes(15)
        self.assertEqual(self.ann.hears(), [])
        self.passes(15)
        self.assertIn("you are muted for 1 minute.", self.ann.hears()[0])

    def test_who_floods_with_long_lines_is_warned_and_muted_too(self) -> None:
        for size in (40_000, 150_000):
            eve = self.rig.member(f"eve{size}", address="192.0.2.40")
            data, heard = (b"x" * size + b"\n") * 200, ""
            for _ in range(3000):
                while data and eve.transport.producerState != "paused":  # what is asked for comes
                    eve.door.dataReceived(data[:READ])
                    data = data[READ:]
                self.passes(0.1)
                heard += "\n".join(eve.hears())
            self.assertIn("You go on sending more than 32,768 bytes a second", heard)
            self.assertIn("you are muted for", heard)
            eve.hangs_up()

    def test_who_heeds_the_signal_is_never_muted(self) -> None:
        bot = self.named_in(0)
        for n in range(300):
            bot.sends("say", room="tea", body=f"{n}", cid=f"c{n}")
            frames = bot.receives()
            self.assertEqual([f["ok"] for f in frames if "ok" in f], [f"c{n}"])
            self.assertNotIn("noted", [f.get("reply") for f in frames])
            for frame in frames:
                if frame.get("signal") == "wait":
                    self.passes(frame["seconds"] + 0.01)

    def test_what_was_under_way_when_a_wait_was_told_does_not_count(self) -> None:
        bot = self.named_in(0)
        said = [json.dumps({"do": "say", "room": "tea", "body": f"{n}"}) for n in range(MOST)]
        for _ in range(200):
            bot.types(*said)
            self.passes(20)
        self.assertNotIn("error", [key for frame in bot.receives() for key in frame])
        self.assertEqual(
            len([line for line in self.bob.hears() if line[:7] == "robot0:"]), 200 * MOST
        )
        self.assertLessEqual(MOST, UNDER_WAY)

    def test_who_speaks_in_the_moment_after_a_wait_did_not_wait(self) -> None:
        self.ann.types(*(f"{n}" for n in range(10)))
        for n in range(300):
            self.passes(0.51)
            self.ann.types(f"{n}")
        self.assertEqual(self.ann.hears(), [])

    def test_the_signal_tells_the_longest_of_all_waits(self) -> None:
        bot = self.named_in(0)
        for _ in range(20):
            bot.sends("say", room="tea", body="z" * 50_000)
        waits = [f["seconds"] for f in bot.receives() if f.get("signal") == "wait"]
        self.assertEqual(len(waits), 1)
        self.passes(waits[0] - 0.1)
        self.assertEqual(bot.receives(), [])
        self.passes(0.2)
        self.assertNotEqual(bot.receives(), [])

    def test_a_mute_ends_and_others_are_heard_meanwhile(self) -> None:
        self.rig.host.defence.mute(self.ann.session)
        self.ann.types("hello?")
        self.bob.types("hello!")
        heard = self.ann.hears()
        self.assertIn("muted for 1 minute", heard[0])
        self.assertEqual(heard[-1], "bob: hello!")
        self.assertEqual(self.said(), [])
        self.passes(61)
        self.ann.types("again")
        self.assertEqual(self.said(), ["again"])

    def test_a_mute_of_a_guest_holds_when_it_comes_back(self) -> None:
        self.rig.host.defence.mute(self.ann.session)
        self.ann.hangs_up()
        self.rig.settle()
        again = self.rig.member("eve")
        again.types("hello?")
        self.assertIn("You were sending too fast", again.hears()[0])

    def test_what_waits_of_one_who_is_gone_is_heard_for_a_while_only(self) -> None:
        self.rig.host.defence.limits.set("held", "none")
        self.ann.asks(*(f"{n}" for n in range(1000)))
        self.ann.hangs_up()
        self.passes(LINGER_SECONDS + 5)
        said = self.said()
        self.assertEqual(said, [f"{n}" for n in range(len(said))])
        self.assertGreater(len(said), 100)
        self.assertNotIn(
            "ann", [member.name for member in self.rig.room("tea").state.members.values()]
        )
        self.assertEqual(len(self.rig.factory.registry), 1)

    def test_programs_wait_as_people_do(self) -> None:
        program = self.rig.program("bot")
        program.sends("join", room="tea")
        program.receives()
        self.passes(30)
        frames = [{"do": "say", "room": "tea", "body": f"{n}", "cid": f"c{n}"} for n in range(30)]
        program.types(*map(json.dumps, frames))
        self.assertEqual(len([f for f in program.receives() if "ok" in f]), 10)
        self.passes(11)
        heard = program.receives()
        self.assertEqual([f["ok"] for f in heard if "ok" in f], [f"c{n}" for n in range(10, 30)])
        self.assertEqual(len([f for f in heard if f.get("reply") == "noted"]), 1)


class NewcomerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig(limits=())

    def gone(self, client: Client) -> str:
        self.assertTrue(client.transport.disconnecting)
        return client.hears()[-1]

    def test_who_begins_in_time_may_listen_for_ever(self) -> None:
        ann = self.rig.member("ann")
        self.rig.clock.pump([60] * 100)
        self.assertFalse(ann.transport.disconnecting)

    def test_a_name_is_a_beginning(self) -> None:
        ann = self.rig.arrives("/nick ann")
        self.rig.clock.pump([60] * 10)
        self.assertFalse(ann.transport.disconnecting)

    def test_who_does_not_begin_is_told_and_parted_with(self) -> None:
        ann = self.rig.arrives("/rooms")
        self.rig.clock.advance(59)
        self.assertFalse(ann.transport.disconnecting)
        self.rig.clock.advance(2)
        self.assertIn("You took no name and entered no room in 1 minute.", self.gone(ann))

    def test_a_hundred_lines_are_enough_to_begin(self) -> None:
        ann = self.rig.arrives()
        ann.hears()
        for _ in range(10):
            ann.types(*(["/ping"] * 10))
            self.rig.clock.advance(1)
        self.assertFalse(ann.transport.disconnecting)
        ann.types("/ping")
        self.rig.clock.advance(10)
        self.rig.settle()
        self.assertIn("That is much for someone who has no name yet", self.gone(ann))

    def test_so_are_64_kilobytes(self) -> None:
        ann = self.rig.arrives("x" * 40_000)
        self.assertFalse(ann.transport.disconnecting)
        ann.types("x" * 40_000)
        self.assertIn("That is much", self.gone(ann))


class PlaceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.defence = Defence(self.clock, Limits())

    def test_sixteen_at_once_from_one_address(self) -> None:
        for _ in range(16):
            self.defence.arrive("192.0.2.1")
        with self.assertRaisesRegex(TooManyConnections, "There are 16 connections from your"):
            self.defence.arrive("192.0.2.1")
        self.defence.arrive("192.0.2.2")
        self.defence.depart("192.0.2.1", False)
        self.defence.arrive("192.0.2.1")

    def test_32_in_ten_minutes(self) -> None:
        for _ in range(32):
            self.defence.arrive("192.0.2.1")
            self.defence.depart("192.0.2.1", False)
        with self.assertRaisesRegex(TooManyConnections, "Please wait for 19 seconds."):
            self.defence.arrive("192.0.2.1")
        self.clock.advance(19)
        self.defence.arrive("192.0.2.1")

    def test_proxies_that_were_named_come_for_others(self) -> None:
        self.defence = Defence(self.clock, Limits(), ("192.0.2.0/24",))
        for _ in range(100):
            self.assertEqual(self.defence.arrive("192.0.2.1"), "")

    def test_one_network_of_ipv6_is_one_address(self) -> None:
        for n in range(16):
            self.defence.arrive(f"2001:db8::{n}")
        self.assertRaises(TooManyConnections, self.defence.arrive, "2001:db8::ffff:1")
        self.defence.arrive("2001:db8:0:1::1")

    def test_this_machine_may_come_as_often_as_it_likes(self) -> None:
        for _ in range(100):
            self.defence.arrive("127.0.0.1")
            self.defence.arrive("::1")

    def test_who_fetches_pages_comes_cheaper(self) -> None:
        for _ in range(100):
            self.defence.arrive("192.0.2.1")
            self.defence.depart("192.0.2.1", True)

    def test_what_is_remembered_is_bounded_and_swept(self) -> None:
        self.patch(defence, "MOST_PLACES", 100)
        for n in range(1000):
            address = f"10.1.{n // 250}.{n % 250}"
            self.defence.arrive(address)
            self.defence.depart(address, False)
        self.assertLessEqual(len(self.defence._places), 101)
        self.clock.advance(3600)
        for _ in range(32):
            self.defence.arrive("192.0.2.1")
            self.defence.depart("192.0.2.1", False)
        self.assertLess(len(self.defence._places), 50)

    def test_three_accounts_an_hour(self) -> None:
        for _ in range(3):
            self.defence.register("192.0.2.1")
        with self.assertRaisesRegex(TooManyTries, "The next one in 20 minutes."):
            self.defence.register("192.0.2.1")
        self.defence.unregister("192.0.2.1")
        self.defence.register("192.0.2.1")
        self.defence.register("192.0.2.2")

    def test_thirty_two_rooms_and_then_one_every_19_seconds(self) -> None:
        for _ in range(32):
            self.defence.open_room("192.0.2.1")
        with self.assertRaisesRegex(TooManyTries, "The next one in 19 seconds."):
            self.defence.open_room("192.0.2.1")
        self.defence.open_room("192.0.2.2")
        self.clock.advance(19)
        self.defence.open_room("192.0.2.1")


class LevelTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.limits = Limits([("flood", "100+1/s")])
        self.levels = Levels(self.clock, self.limits)
        self.told: list[str] = []
        self.levels.told.append(self.told.append)

    def flood(self, seconds: int) -> None:
        for _ in range(seconds):
            for _ in range(150):
                self.levels.arrived(self.clock.seconds())
            self.clock.advance(1)

    def test_it_rises_in_a_flood_and_sinks_when_it_is_quiet(self) -> None:
        self.flood(5)
        self.assertEqual(self.levels.level, 1)
        self.flood(30)
        self.assertEqual(self.levels.level, 3)  # the highest that it takes by itself
        for level in (2, 1, 0):
            self.clock.advance(125)
            self.assertEqual(self.levels.level, level)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(
            self.told[0],
            "The level rose, for very many come: it is 1, new guests are heard slowly.",
        )
        self.assertEqual(
            self.told[-1], "The level sank, for it is quiet: it is 0, all is as usual."
        )
        self.assertEqual(len(self.told), 6)

    def test_as_many_as_usual_are_no_flood(self) -> None:
        for _ in range(1000):
            self.levels.arrived(self.clock.seconds())
            self.clock.advance(1)
        self.assertEqual(self.told, [])

    def test_by_hand_it_stays_as_long_as_it_was_told_to(self) -> None:
        self.levels.set(0, 60)
        self.flood(30)
        self.assertEqual(self.levels.level, 0)
        self.levels.set(None)  # which who set it sees to, when a minute is over
        self.flood(2)
        self.assertEqual(self.levels.level, 1)
        self.levels.set(4)
        self.clock.pump([600] * 10)
        self.assertEqual(self.levels.level, 4)
        self.levels.set(None)
        self.assertEqual(self.levels.level, 0)
        self.assertRaises(ValueError, self.levels.set, 5)

    def test_what_a_level_ends_is_told_kindly(self) -> None:
        self.levels.set(4)
        for level, kind in ((2, Closed), (3, NeedsAccount), (4, Closed)):
            self.assertRaises(kind, self.levels.refuse, level)
            self.assertTrue(str(LEVELS[level].refusal).startswith("So many come at this moment"))
        self.levels.set(1)
        for level in (2, 3, 4):
            self.levels.refuse(level)


class FloodedServerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig(limits=(("arrivals", "none"),))
        self.levels = self.rig.host.defence.levels
        self.old = self.rig.member("old")
        self.rig.account("tom").hangs_up()
        self.rig.clock.advance(1)

    def test_new_guests_are_heard_slowly(self) -> None:
        self.levels.set(1)
        new = self.rig.member("new", address="192.0.2.5")
        self.rig.clock.pump([1] * 20)
        self.rig.settle()
        self.old.hears()
        new.types(*(f"{n}" for n in range(8)))
        self.assertEqual(len(self.old.hears()), 3)
        self.old.types(*(f"{n}" for n in range(8)))
        self.assertEqual(len([line for line in new.hears() if line.startswith("old:")]), 8)
        self.levels.stop()

    def test_no_new_accounts(self) -> None:
        self.levels.set(2)
        new = self.rig.arrives("/newuser ned secret")
        self.assertIn("no accounts are made", new.hears()[-1])
        new.types("/nick ned", "/join tea", "hello")
        self.assertIn("ned: hello", self.old.hears())

    def test_new_guests_log_in_or_listen_to_reason(self) -> None:
        self.levels.set(3)
        new = self.rig.arrives("/join tea")
        self.assertIn("only those with accounts can take part", new.hears()[-1])
        new.types("/login tom secret", "/join tea", "hello")
        self.assertIn("tom: hello", self.old.hears())
        self.old.types("still here")
        self.assertIn("old: still here", new.hears())

    def test_nobody_new(self) -> None:
        self.levels.set(4)
        new = self.rig.arrives("/join tea")
        self.assertEqual(len(new.hears()), 1)
        self.old.types("still here")
        self.assertEqual(len(self.rig.factory.registry), 1)

    def test_who_opens_room_after_room_is_told_so_and_enters_what_is_there(self) -> None:
        self.rig.host.defence.limits.set("rooms", "2/10m")
        ned = self.rig.arrives("/join one", "/join two", address="192.0.2.5")
        ned.hears()
        ned.types("/join three")
        self.assertEqual(
            ned.hears(),
            ["Enough rooms were opened from your address for now. The next one in 5 minutes."],
        )
        ned.types("/join tea")
        self.assertIn("Welcome to room tea!", ned.hears())
        self.old.types("/join three")
        self.assertIn("Welcome to room three!", self.old.hears())

    def test_too_many_from_one_address_are_told_in_what_they_speak(self) -> None:
        self.rig.host.defence.limits.set("connections", "2")
        self.rig.member("two", address="192.0.2.5")
        self.rig.member("three", address="192.0.2.5")
        person = self.rig.arrives(address="192.0.2.5")
        self.assertIn("There are 2 connections from your address already", person.hears()[0])
        program = self.rig.connects("192.0.2.5")
        program.types('{"do": "hello"}')
        self.assertEqual(program.receives()[0]["error"], "too-many-connections")
        browser = self.rig.connects("192.0.2.5")
        browser.types("GET / HTTP/1.1", "")
        self.assertEqual(browser.hears()[0], "HTTP/1.1 429 Too Many Requests")
        for client in (person, program, browser):
            client.hangs_up()
        self.assertEqual(len(self.rig.factory._spare), 0)

    def test_who_is_turned_away_leaves_nothing_to_be_collected(self) -> None:
        self.rig.host.defence.limits.set("connections", "0")
        client = self.rig.arrives(address="192.0.2.5")
        self.assertIn("There are 0 connections from your address", client.hears()[0])
        client.hangs_up()
        left = weakref.ref(client.door)
        gc.disable()
        self.addCleanup(gc.enable)
        del client
        self.assertIs(left(), None)

    def test_whom_a_proxy_speaks_for_is_counted_and_not_the_proxy(self) -> None:
        rig = Rig(proxies=("192.0.2.9",), limits=(("connections", "2"),))
        head = "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        head += "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        for client, status in (("5", 101), ("5", 101), ("5", 429), ("6", 101)):
            proxied = rig.connects("192.0.2.9")
            proxied.asks(f"{head}X-Forwarded-For: 198.51.100.{client}", "")
            rig.settle()
            self.assertIn(f"HTTP/1.1 {status} ".encode(), proxied.transport.value())
        places = rig.host.defence._places
        self.assertEqual(
            {p: place.here for p, place in places.items()}, {"198.51.100.5": 2, "198.51.100.6": 1}
        )

    def test_accounts_that_come_to_nothing_do_not_count(self) -> None:
        new = self.rig.arrives(address="192.0.2.7")
        for _ in range(5):
            new.types("/newuser tom secret")
        for name in ("one", "two1", "three"):
            new = self.rig.arrives(f"/newuser {name} secret", address="192.0.2.7")
            self.assertIn(f"You are logged in as {name}.", new.hears())
        new = self.rig.arrives("/newuser four secret", address="192.0.2.7")
        self.assertIn("Enough accounts were made from your address", new.hears()[-1])
        self.assertFalse(isinstance(self.rig.network.people.find("four"), Refused))


class InvitationTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig(registration=Registration.INVITE)
        self.invitations = self.rig.host.invitations

    def invites(self, uses: int = 1, seconds: float = 0.0) -> str:
        made = Deferred.fromCoroutine(self.invitations.new("operator", uses, seconds))
        self.rig.settle()
        return self.successResultOf(made)

    def registers(self, name: str, invitation: str) -> str:
        person = self.rig.arrives(f"/newuser {name} secret {invitation}")
        heard = person.hears()[-1]
        person.hangs_up()
        self.rig.settle()
        return heard

    def test_without_one_no_account_is_made(self) -> None:
        self.assertIn("takes an invitation here: /newuser", self.registers("tom", ""))
        self.assertIn("That is no invitation", self.registers("tom", "abcdefgh"))

    def test_one_is_good_for_so_many_accounts(self) -> None:
        token = self.invites(2)
        self.assertEqual(self.registers("tom", token), "You are logged in as tom.")
        self.assertEqual(self.registers("ann", token.upper()), "You are logged in as ann.")
        self.assertIn("it was used or has expired", self.registers("bob", token))
        self.assertEqual(self.invitations.all(), [])

    def test_it_is_not_used_by_an_account_that_is_not_made(self) -> None:
        token = self.invites()
        self.assertIn(
            "4 to 128 characters", self.rig.arrives(f"/newuser tom x {token}").hears()[-1]
        )
        self.assertEqual(self.registers("tom", token), "You are logged in as tom.")
        token = self.invites()
        self.assertIn("There is an account called tom", self.registers("tom", token))
        self.assertEqual(self.registers("ann", token), "You are logged in as ann.")

    def test_several_at_once_do_not_share_it(self) -> None:
        token = self.invites()
        people = [self.rig.arrives() for _ in range(3)]
        for number, person in enumerate(people):
            person.asks(f"/newuser person{number} secret {token}")
        self.rig.settle()
        logged_in = [p for p in people if any("You are logged in" in line for line in p.hears())]
        self.assertEqual(len(logged_in), 1)

    def test_it_expires_and_can_be_revoked(self) -> None:
        token = self.invites(seconds=60)
        self.rig.clock.advance(61)
        self.assertIn("has expired", self.registers("tom", token))
        token = self.invites()
        (invitation,) = self.invitations.all()
        self.assertEqual((invitation.by, invitation.uses), ("operator", 1))
        self.assertNotIn(token, repr(invitation))
        done = Deferred.fromCoroutine(self.invitations.revoke("operator", str(invitation.id)))
        self.rig.settle()
        self.successResultOf(done)
        self.assertIn("That is no invitation", self.registers("tom", token))
        self.failureResultOf(
            Deferred.fromCoroutine(self.invitations.revoke("operator", str(invitation.id))),
            NoSuchPerson,
        )

    def test_it_outlives_the_server_and_so_does_its_use(self) -> None:
        token = self.invites(2)
        self.assertEqual(self.registers("tom", token), "You are logged in as tom.")
        self.rig.restart()
        self.invitations = self.rig.host.invitations
        self.assertEqual(self.registers("ann", token), "You are logged in as ann.")
        self.assertIn("it was used", self.registers("bob", token))

    def test_programs_know_that_it_takes_one(self) -> None:
        program = self.rig.connects()
        program.sends("hello")
        self.assertIn("invitation", program.receives()[0]["features"])
        program.sends("register", name="tom", password="secret", invitation="x")
        self.assertEqual(program.receives()[-1]["error"], "not-invited")

    def test_what_is_needed_can_be_changed_at_any_time(self) -> None:
        self.invitations.registration = Registration.OPEN
        self.assertEqual(self.registers("tom", ""), "You are logged in as tom.")
        self.invitations.registration = Registration.CLOSED
        token = self.invites()
        self.assertIn("No new accounts", self.registers("ann", token))


class SignOfLifeTests(SynchronousTestCase):
    def test_tcp_asks_those_who_cannot_be_asked_otherwise(self) -> None:
        rig = Rig(limits=())
        set_: list[tuple[int, int, int]] = []

        class Handle:
            def setsockopt(self, *option: int) -> None:
                set_.append((option[0], option[1], option[2]))

        transport = Wire()
        directlyProvides(transport, ITCPTransport)
        for name in ("setTcpNoDelay", "setTcpKeepAlive"):
            setattr(transport, name, lambda enabled: None)
        transport.getHandle = Handle  # type: ignore[attr-defined]
        rig.factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 1)).makeConnection(transport)
        options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        self.assertEqual(
            set_, [(socket.IPPROTO_TCP, o, v) for o, v in zip(options, (45, 15, 5), strict=True)]
        )
