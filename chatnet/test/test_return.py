"""Coming back: repeating what may be lost, and reading what was missed."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from chatnet.test.rig import Client, Rig


def events(client: Client) -> list[dict[str, Any]]:
    """Return what ``client`` heard happen."""
    return [frame for frame in client.receives() if "event" in frame]


def said(client: Client) -> list[tuple[int, str]]:
    """Return the seq and body of what ``client`` heard said."""
    return [(f["seq"], f["body"]) for f in events(client) if f["event"] == "said"]


def oks(client: Client) -> list[dict[str, Any]]:
    """Return what was acknowledged to ``client``."""
    return [frame for frame in client.receives() if "ok" in frame]


class NamedCommandTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()
        self.ann = self.rig.program("ann")
        self.ann.sends("join", room="tea", cid="j")
        self.ann.receives()

    def say(self, body: str, cid: str, by: Client | None = None) -> None:
        (by or self.ann).sends("say", room="tea", body=body, cid=cid)

    def test_a_named_command_is_acknowledged_with_its_place(self) -> None:
        self.say("hi", "1")
        entry, ack = self.ann.receives()
        self.assertEqual((entry["event"], entry["by"], entry["body"]), ("said", "ann", "hi"))
        self.assertEqual(ack, {"ok": "1", "room": "tea", "seq": entry["seq"]})

    def test_repeating_a_name_gets_the_first_answer_and_nothing_twice(self) -> None:
        for body in ("hi", "something else"):
            self.say(body, "1")
        self.assertEqual(oks(self.ann), [{"ok": "1", "room": "tea", "seq": 3}] * 2)
        self.assertEqual(self.rig.room("tea").log.head, 3)

    def test_repeating_it_before_it_is_durable_does_as_well(self) -> None:
        line = '{"do": "say", "room": "tea", "body": "hi", "cid": "1"}'
        self.ann.types(line, line)
        self.assertEqual(len(oks(self.ann)), 2)
        self.assertEqual(self.rig.room("tea").log.head, 3)

    def test_it_is_remembered_after_a_restart(self) -> None:
        self.say("hi", "1")
        self.rig.restart()
        ann = self.rig.program("ann")
        self.say("hi", "1", ann)
        self.assertEqual(ann.receives(), [{"ok": "1", "room": "tea", "seq": 3}])

    def test_what_several_entries_came_of_is_answered_by_the_last_one_again(self) -> None:
        self.ann.sends("join", room="milk", cid="1")
        first = oks(self.ann)
        self.rig.restart()
        ann = self.rig.program("ann")
        ann.sends("join", room="milk", cid="1")
        self.assertEqual((first, oks(ann)), ([{"ok": "1", "room": "milk", "seq": 2}],) * 2)

    def test_it_is_remembered_after_hanging_up_before_the_commit(self) -> None:
        self.ann.asks('{"do": "say", "room": "tea", "body": "hi", "cid": "1"}')
        self.ann.hangs_up()
        self.rig.settle()
        ann = self.rig.program("ann")
        self.say("hi", "1", ann)
        self.assertEqual(ann.receives(), [{"ok": "1", "room": "tea", "seq": 3}])

    def test_a_whisper_is_not_told_twice(self) -> None:
        bob = self.rig.program("bob")
        for _ in range(2):
            self.ann.sends("whisper", who="bob", body="psst", cid="w")
        self.assertEqual([f["body"] for f in events(bob)], ["psst"])
        self.assertEqual(len(oks(self.ann)), 2)

    def test_after_a_failed_commit_the_same_name_may_be_tried_again(self) -> None:
        self.rig.store.fail_before = True
        self.say("hi", "1")
        self.rig.store.fail_before = False
        self.assertEqual([frame["error"] for frame in self.ann.receives()], ["unavailable"])
        self.say("hi", "1")
        self.assertEqual(self.ann.receives()[-1], {"ok": "1", "room": "tea", "seq": 3})

    def test_after_a_commit_of_unknown_outcome_the_same_name_does_nothing_twice(self) -> None:
        self.rig.store.fail_after = self.rig.store.fail_reads = True
        self.say("hi", "1")
        self.rig.store.fail_after = self.rig.store.fail_reads = False
        self.assertEqual([frame["error"] for frame in self.ann.receives()], ["unavailable"])
        self.say("hi", "1")
        self.assertEqual(self.ann.receives()[-1], {"ok": "1", "room": "tea", "seq": 3})
        self.say("new", "2")
        self.say("new", "2")
        self.assertEqual(self.ann.receives()[-1], {"ok": "2", "room": "tea", "seq": 4})

    def test_half_a_surrogate_pair_spoils_nobodys_commit(self) -> None:
        self.say("\ud800", "1")
        self.assertEqual(self.ann.receives()[0]["error"], "malformed")

    def test_an_account_is_one_origin_on_all_its_connections(self) -> None:
        self.rig.account("tom")
        one, two = self.rig.connects(), self.rig.connects()
        for tom in (one, two):
            tom.sends("login", name="tom", password="secret")
            tom.sends("join", room="tea")
            tom.receives()
            self.say("hi", "1", tom)
        self.assertEqual([body for _, body in said(one)], ["hi"])
        self.assertEqual(oks(two)[0]["ok"], "1")


class ResumeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()
        self.ann = self.rig.member("ann")

    def test_who_comes_back_hears_exactly_what_it_missed(self) -> None:
        bob = self.rig.program("bob")
        bob.sends("join", room="tea")
        self.ann.types("one")
        ((last, _),) = said(bob)
        bob.hangs_up()
        self.ann.types("two", "three")
        bob = self.rig.program("bob")
        bob.sends("join", room="tea", since=last)
        self.ann.types("four")
        heard = events(bob)
        self.assertEqual([frame["seq"] for frame in heard], list(range(last + 1, last + 6)))
        self.assertEqual(
            [f["body"] for f in heard if f["event"] == "said"], ["two", "three", "four"]
        )

    def test_also_what_memory_forgot_and_without_a_seam(self) -> None:
        for start in range(0, 6000, 500):
            self.ann.types(*[str(i) for i in range(start, start + 500)])
        self.assertGreater(self.rig.room("tea").log.tail, 3000)
        bob = self.rig.program("bob")
        bob.sends("join", room="tea", since=0)
        self.assertEqual([body for _, body in said(bob)], [str(i) for i in range(6000)])

    def test_also_after_a_restart_where_the_room_is_the_sum_of_its_log(self) -> None:
        self.ann.types(*[str(i) for i in range(2500)])
        self.assertEqual(self.rig.store.load("tea")[0] // 1000, 2)  # a state was kept
        self.rig.restart()
        bob = self.rig.program("bob")
        bob.sends("join", room="tea", since=0)
        kinds = [(f["event"], f.get("who")) for f in events(bob)]
        self.assertEqual(kinds[-2:], [("left", "ann"), ("joined", "bob")])
        self.assertEqual(len(kinds), 2504)
        self.assertEqual(list(self.rig.room("tea").state.members), ["bob"])

    def test_a_place_beyond_the_end_is_the_end(self) -> None:
        bob = self.rig.program("bob")
        bob.sends("join", room="tea", since=999)
        self.ann.types("hi")
        self.assertEqual([body for _, body in said(bob)], ["hi"])

    def test_who_did_not_listen_while_memory_forgot_misses_nothing_and_delays_nobody(self) -> None:
        bob, cat = self.rig.member("bob"), self.rig.member("cat")
        bob.hears()
        bob.stops_listening()
        for start in range(0, 5000, 500):
            self.ann.types(*[str(i) for i in range(start, start + 500)])
        everything = [f"ann: {i}" for i in range(5000)]
        self.assertEqual(cat.hears(), everything)
        bob.session.resumeProducing()
        self.rig.reader.step()  # one page has come; meanwhile the room goes on
        self.ann.asks("more")
        self.rig.settle()
        self.assertEqual(bob.hears(), [*everything, "ann: more"])

    def test_ones_own_words_are_not_shown_either_when_they_come_from_the_store(self) -> None:
        bob = self.rig.member("bob")
        bob.asks("mine")
        bob.stops_listening()
        self.rig.settle()
        self.ann.types(*[str(i) for i in range(5000)])
        bob.listens()
        self.assertEqual(bob.hears(), [f"ann: {i}" for i in range(5000)])

    def test_history_waits_for_a_reader_that_is_full(self) -> None:
        for start in range(0, 5000, 500):
            self.ann.types(*[str(i) for i in range(start, start + 500)])
        bob = self.rig.program("bob")
        bob.asks('{"do": "join", "room": "tea", "since": 0}')
        while not self.rig.reader.calls:
            self.rig.clock.advance(0)
            self.rig.writer.step()
        bob.stops_listening()
        self.rig.settle()
        bob.receives()
        self.rig.settle()
        self.assertEqual(bob.receives(), [])
        bob.listens()
        self.assertEqual(len(said(bob)), 5000)

    def test_an_answer_about_the_past_waits_for_a_wire_that_is_full_just_then(self) -> None:
        for start in range(0, 3000, 500):
            self.ann.types(*[str(i) for i in range(start, start + 500)])
        bob = self.rig.program("bob")
        write = bob.transport.write

        def fill(data: bytes) -> None:
            write(data)
            if b'"2999"' in data:
                bob.stops_listening()

        bob.transport.write = fill  # type: ignore[method-assign]
        bob.asks('{"do": "join", "room": "tea", "since": 0}')
        bob.asks('{"do": "history", "room": "tea", "before": 1, "cid": "1"}')
        self.rig.settle()
        bob.listens()
        heard = [frame["reply"] for frame in bob.receives() if "reply" in frame]
        self.assertEqual(heard, ["entered", "caughtup", "history", "caughtup"])

    def test_a_reader_whose_history_cannot_be_read_is_parted_with(self) -> None:
        for start in range(0, 5000, 500):
            self.ann.types(*[str(i) for i in range(start, start + 500)])
        self.rig.store.fail_reads = True
        bob = self.rig.program("bob")
        bob.sends("join", room="tea", since=0)
        self.assertTrue(bob.transport.disconnecting)
        self.assertEqual(bob.receives()[-1]["reply"], "bye")
        self.assertEqual(self.flushLoggedErrors(), [])  # a lost database is no bug

    def test_a_reader_that_breaks_takes_none_along_of_those_at_the_same_page(self) -> None:
        for start in range(0, 5000, 500):
            self.ann.types(*[str(i) for i in range(start, start + 500)])
        bob, cat = self.rig.program("bob"), self.rig.program("cat")
        session = self.rig.factory.sessions[bob.door.id]
        write = session.write

        def breaks(data: bytes) -> None:
            if b'"said"' in data:
                raise ValueError("broken")
            write(data)

        session.write = breaks
        for one in (bob, cat):
            one.asks('{"do": "join", "room": "tea", "since": 0}')
        self.rig.settle()
        self.assertEqual(len(said(cat)), 5000)
        self.assertEqual(bob.receives()[-1]["reply"], "bye")
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_a_long_history_holds_bounded_memory_for_each_reader(self) -> None:
        self.ann.types(*["x" * 10_000 for _ in range(400)])
        log = self.rig.room("tea").log
        self.assertLess(log._bytes, 3_000_000)
        self.assertGreater(log.tail, 0)
