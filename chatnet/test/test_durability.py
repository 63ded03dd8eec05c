"""Nothing is shown, and nothing answered, before it is durable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from typing import TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from chatnet.core.events import Said
from chatnet.core.refusals import Unavailable
from chatnet.core.room import Room
from chatnet.server.session import WINDOW
from chatnet.stores.journal import ENOUGH_BYTES, IDLE_SECONDS, INDEXED, LOOKS, MOST_WAITING
from chatnet.test.rig import Rig

T = TypeVar("T")

SORRY = "That could not be stored. Please try again."


def log_lines(test: SynchronousTestCase) -> list[str]:
    """Return what will be told to the operator as an error, but is no bug, during ``test``."""
    lines: list[str] = []

    def note(event: LogEvent) -> None:
        if event["log_level"] is LogLevel.error and "log_failure" not in event:
            lines.append(formatEvent(event))

    observer = cast(ILogObserver, note)
    globalLogPublisher.addObserver(observer)
    test.addCleanup(globalLogPublisher.removeObserver, observer)
    return lines


class CommitTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()
        self.store = self.rig.store
        self.ann = self.rig.member("ann")
        self.bob = self.rig.member("bob")
        self.ann.hears()

    def test_nothing_is_heard_before_the_commit(self) -> None:
        self.ann.asks("hello")
        self.rig.clock.advance(0)
        self.assertEqual(self.bob.hears(), [])
        self.rig.settle()
        self.assertEqual(self.bob.hears(), ["ann: hello"])

    def test_one_turn_is_one_commit(self) -> None:
        self.ann.asks("one", "two", "/kick bob")
        self.bob.asks("three")
        self.rig.clock.advance(0)
        self.assertEqual(len(self.rig.writer.calls), 1)

    def test_later_commands_see_what_is_decided_and_not_yet_durable(self) -> None:
        self.ann.asks("/kick bob")
        self.bob.asks("still here?", "/join tea", "may I?")
        self.rig.settle()
        heard = self.bob.hears()
        self.assertEqual(heard[0], "bob was kicked by ann.")
        self.assertIn("You are in no room", heard[1])
        self.assertIn("Welcome to room tea!", heard)
        self.assertEqual(
            self.ann.hears(), ["bob was kicked by ann.", "bob has joined the room.", "bob: may I?"]
        )

    def test_a_failed_commit_takes_along_all_that_was_decided_after_it(self) -> None:
        self.store.fail_before = True
        self.ann.asks("/op bob")
        self.rig.clock.advance(0)  # the writer has it
        self.bob.asks("/topic green", "hello")
        self.rig.writer.step()
        self.store.fail_before = False
        self.rig.settle()
        self.assertEqual(self.ann.hears(), [SORRY])
        self.assertEqual(self.bob.hears(), [SORRY, SORRY])
        self.bob.types("never left")
        self.assertEqual(self.ann.hears(), ["bob: never left"])

    def test_a_bug_amid_that_keeps_nobody_waiting(self) -> None:
        def breaks(rooms: object) -> None:
            raise ZeroDivisionError

        self.rig.journal._rewind = breaks
        self.store.fail_before = True
        self.ann.types("one")
        self.store.fail_before = False
        self.assertEqual(self.ann.hears(), [SORRY])
        self.ann.types("two")
        self.assertEqual(self.bob.hears(), ["ann: two"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_a_bug_amid_the_opening_of_a_room_is_told_to_those_who_wait_for_it(self) -> None:
        def breaks(room: object) -> None:
            raise ZeroDivisionError

        rooms = self.rig.network.rooms
        for name in ("_reap", "_mend"):
            patch = self.patch(rooms, name, breaks)
            self.ann.asks("/join milk")
            self.bob.asks("/join milk")
            self.rig.settle()
            for client in (self.ann, self.bob):
                self.assertIn("cannot be read now", client.hears()[0])
            self.assertNotIn("milk", self.rig.network.audiences)
            patch.restore()
        self.ann.types("/join milk")
        self.assertIn("Welcome to room milk!", self.ann.hears())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_a_commit_whose_outcome_is_lost_is_looked_up(self) -> None:
        self.store.fail_after = True
        self.ann.types("hello")
        self.store.fail_after = False
        self.assertEqual(self.bob.hears(), ["ann: hello"])
        self.ann.types("again")
        self.assertEqual(self.bob.hears(), ["ann: again"])

    def test_a_commit_that_cannot_be_looked_up_is_shown_once_it_can(self) -> None:
        self.store.fail_after = self.store.fail_reads = True
        self.ann.types("/kick bob")
        self.store.fail_after = self.store.fail_reads = False
        self.assertEqual(self.ann.hears(), [SORRY])
        self.bob.types("am I here?")  # decided before the outcome was known
        self.assertEqual(self.bob.hears(), ["bob was kicked by ann.", SORRY, "You are out of tea."])
        self.bob.types("and now?")
        self.assertIn("You are in no room", self.bob.hears()[0])

    def test_a_departure_is_tried_until_it_is_durable(self) -> None:
        self.store.fail_before = True
        self.bob.hangs_up()
        self.rig.settle()
        self.assertEqual(self.ann.hears(), [])
        self.store.fail_before = False
        self.rig.clock.advance(1)
        self.rig.settle()
        self.assertEqual(self.ann.hears(), ["bob has disconnected."])

    def test_an_arrival_found_to_be_durable_after_its_person_is_gone_is_undone(self) -> None:
        cat = self.rig.arrives("/nick cat")
        self.store.fail_after = self.store.fail_reads = True
        cat.types("/join tea")
        self.store.fail_after = self.store.fail_reads = False
        cat.hangs_up()
        self.rig.settle()
        self.ann.types("who is there?")
        for _ in range(3):
            self.rig.clock.advance(1)
            self.rig.settle()
        self.assertEqual(list(self.rig.room("tea").state.members), ["ann", "bob"])

    def test_a_log_that_is_opened_while_it_is_discarded_begins_anew(self) -> None:
        journal, words = self.rig.journal, [Said("ann", "hello")]
        journal.subscribe(lambda _: None, lambda _: None)
        turn = partial(self.rig.clock.advance, 0)
        some: Sequence[Callable[[], object]] = (turn, self.rig.reader.step, self.rig.writer.step)
        opened: Deferred[Room]
        for steps, opens, discards in product(product(some, repeat=3), range(4), range(4)):
            self.success(journal.open("box"))
            self.success(journal.append("box", words, ""))
            self.assertTrue(journal.close("box"))
            kept = 1
            then: Sequence[Callable[[], object]] = (*steps, turn)
            for place, step in enumerate(then):
                if place == opens:
                    opened = journal.open("box")
                if place == discards and not (place > opens and opened.called):  # it is closed
                    journal.discard("box")
                    kept = 0
                step()
            room = self.success(opened)
            self.assertEqual(room.log.head, kept, (steps, opens, discards))
            again = self.success(journal.append("box", words, ""))
            self.assertEqual(again.first, room.log.head + 1)
            self.assertTrue(journal.close("box"))
            journal.discard("box")
            self.rig.settle()

    def test_a_log_that_could_not_be_discarded_is_not_opened_before_it_is(self) -> None:
        journal = self.rig.journal
        self.success(journal.open("box"))
        self.success(journal.append("box", [Said("ann", "hello")], "").addErrback(lambda _: None))
        self.assertTrue(journal.close("box"))
        self.store.fail_before = True
        journal.discard("box")
        self.rig.settle()
        for opening in (journal.open("box"), journal.state("box")):
            self.rig.settle()
            self.failureResultOf(opening, Unavailable)
        self.store.fail_before = False
        self.assertEqual(self.success(journal.open("box")).log.head, 0)
        self.flushLoggedErrors(KeyError)  # the network does not know it

    def success(self, done: Deferred[T]) -> T:
        """Return what ``done`` fires with when all is done that is to be done now."""
        self.rig.settle()
        return self.successResultOf(done)

    def test_what_the_store_put_off_is_done_when_there_is_nothing_to_commit(self) -> None:
        asked: list[int] = []

        def index(limit: int) -> bool:
            asked.append(limit)
            return len(asked) < 3

        self.patch(self.store, "index", index)
        for _ in range(INDEXED):
            self.ann.types("one")
        self.assertEqual(asked, [])
        self.rig.clock.advance(IDLE_SECONDS)
        self.ann.asks("two")
        self.rig.clock.advance(0)
        self.assertTrue(self.rig.journal._busy)
        self.assertEqual(asked, [])
        self.rig.settle()
        self.rig.clock.advance(IDLE_SECONDS)
        for _ in range(9):
            self.rig.settle()
        self.assertEqual(len(asked), 3)

    def test_a_few_messages_wait_for_others_but_not_for_ever(self) -> None:
        asked = self.indexes()
        self.waits(asked)  # who came
        self.ann.types("one")
        for _ in range(LOOKS):
            self.looks()
        self.rig.journal.keep("tea", 1, self.rig.room("tea").state)  # nothing to index
        self.ann.types("two")
        self.assertEqual(asked, [])
        self.assertEqual(self.waits(asked), 1)

    def test_much_does_not_wait_and_nor_does_what_was_there_before(self) -> None:
        asked = self.indexes()
        self.waits(asked)
        for _ in range(1 + ENOUGH_BYTES // 16000):
            self.ann.types("x" * 16000)
        self.assertEqual(self.waits(asked), 1)
        self.rig.restart()
        self.rig.journal.catch_up()
        self.rig.journal.keep("tea", 1, self.store.load("tea")[1])
        self.rig.settle()
        self.assertEqual(self.waits(asked), 1)

    def indexes(self) -> list[int]:
        """Return what the store is asked to index from now on."""
        asked: list[int] = []
        self.patch(self.store, "index", asked.append)
        return asked

    def looks(self) -> None:
        self.rig.clock.advance(IDLE_SECONDS)
        self.rig.settle()

    def waits(self, asked: list[int]) -> int:
        """Return after how many looks something is indexed, and forget that it was."""
        for count in range(1, 99):
            self.looks()
            if asked:
                asked.clear()
                return count
        raise AssertionError("nothing was indexed")

    def test_what_it_puts_off_under_load_does_not_grow_without_bound(self) -> None:
        asked: list[int] = []

        def index(limit: int) -> bool:
            asked.append(limit)
            return True

        self.patch(self.store, "index", index)
        self.rig.journal._unindexed, self.rig.journal._busy = MOST_WAITING, True
        self.rig.journal._index()
        self.rig.settle()
        self.assertEqual(asked, [INDEXED])
        self.assertEqual(self.rig.journal._unindexed, MOST_WAITING - INDEXED)

    def test_lines_that_come_together_are_one_append_and_each_is_told_when_it_fails(self) -> None:
        self.ann.asks("one", "  two \r", "//three", "four", "", "five")
        sizes = [len(append.events) for append in self.rig.journal._waiting if append.events]
        self.assertEqual(sizes, [1] * 5)  # one of them looks like a command
        self.rig.settle()
        said = ["ann: one", "ann:   two ␍", "ann: /three", "ann: four", "ann: five"]
        self.assertEqual(self.bob.hears()[-5:], said)
        self.ann.hears()
        self.store.fail_before = True
        self.ann.asks("six", "seven", "eight")
        (append,) = [append for append in self.rig.journal._waiting if append.events]
        self.assertEqual(
            [cast(Said, event).body for event in append.events], ["six", "seven", "eight"]
        )
        self.rig.settle()
        self.assertEqual(self.ann.hears(), ["That could not be stored. Please try again."] * 3)
        self.store.fail_before = False
        self.ann.types("nine")
        self.assertEqual(self.bob.hears(), ["ann: nine"])

    def test_a_pasted_book_takes_few_commits_and_bounded_memory(self) -> None:
        self.bob.asks(*[str(i) for i in range(10_000)])
        waiting = [event for append in self.rig.journal._waiting for event in append.events]
        self.assertEqual(len(waiting), WINDOW)
        commits = 0
        while self.rig.writer.calls or self.rig.journal._busy:
            self.rig.clock.advance(0)
            commits += len(self.rig.writer.calls)
            self.rig.writer.step()
        self.rig.settle()
        self.assertEqual(self.ann.hears(), [f"bob: {i}" for i in range(10_000)])
        self.assertLess(commits, 60)

    def test_large_messages_fill_the_window_sooner(self) -> None:
        self.bob.asks(*["x" * 100_000 for _ in range(50)])
        self.assertLess(len(self.rig.journal._waiting), 15)
        self.rig.settle()
        self.assertEqual(len(self.ann.hears()), 50)


class FullDiskTests(SynchronousTestCase):
    def test_a_foreseen_failure_is_one_line_in_the_log_without_a_traceback(self) -> None:
        rig = Rig()
        ann = rig.member("ann")
        lines = log_lines(self)
        rig.store.fail_before = True
        ann.types("hello")
        self.assertEqual(ann.hears(), [SORRY])
        self.assertEqual(lines, ["could not commit 1 appends: disk full"])


class IdleRoomTests(SynchronousTestCase):
    def test_a_room_nobody_is_in_leaves_memory_and_comes_back_as_it_was(self) -> None:
        rig = Rig()
        ann = rig.account("ann")
        ann.types("/join tea", "/topic green", "hello", "/leave")
        rig.clock.advance(299)
        rig.settle()
        self.assertIn("tea", rig.network.audiences)
        rig.clock.pump([60] * 3)
        self.assertNotIn("tea", rig.network.audiences)
        ann.hears()
        ann.types("rooms", "/join tea")
        heard = ann.hears()
        self.assertEqual(heard[:2], ["Rooms:", "tea (0 here): green"])
        self.assertIn("ann: hello", heard)
        self.assertEqual(rig.room("tea").state.moderators, {"ann": "ann"})

    def test_a_room_with_someone_in_it_stays(self) -> None:
        rig = Rig()
        rig.member("ann")
        rig.clock.pump([60] * 20)
        self.assertIn("tea", rig.network.audiences)

    def test_a_room_with_something_on_its_way_stays(self) -> None:
        rig = Rig()
        ann = rig.member("ann")
        ann.types("/leave")
        ann.asks("/join tea")
        rig.reader.step()
        rig.clock.advance(0)
        rig.clock.pump([60] * 20)
        rig.settle()
        self.assertEqual(list(rig.room("tea").state.members), ["ann"])
