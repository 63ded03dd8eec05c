"""What a message costs, counted: however busy the machine is, these numbers are the same.

What a delivery costs is what each further reader adds, and what a message costs is what each
further message adds for one reader. The ceilings are a little above what was counted last; whoever
lowers a number lowers its ceiling, and whoever has to raise one says why. Instructions are those
of CPython 3.11's interpreter, and calls are those of functions in Python and in C.
"""

from __future__ import annotations

import gc
import sqlite3
import sys
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import astuple, dataclass
from functools import partial
from io import StringIO
from operator import attrgetter
from types import FrameType
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import FilteringLogObserver, LogLevelFilterPredicate, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from chatnet.core.events import Entry, Said
from chatnet.core.replies import Done
from chatnet.core.series import Series
from chatnet.dialects.styles import LiveStyle
from chatnet.interfaces import Batch
from chatnet.logs import text_observer
from chatnet.stores.databases import Sqlite
from chatnet.stores.sql import SqlStore
from chatnet.test.rig import Client, FailingStore, Rig

FEW, MANY = 10, 50  # readers, or messages
BURST = 16  # messages that come at once
BODY = "x" * 100
# Everything is counted, and nobody is held back.
GENEROUS = (
    *((name, "1000000+1000000/s") for name in ("messages", "arrivals", "flood")),
    ("connections", "1000"),
    ("bytes", "100M+100M/s"),
)


@dataclass
class Counts:
    """What was done: ``blocks`` are those of memory that it left."""

    sends: float = 0
    renderings: float = 0
    batches: float = 0
    rows: float = 0
    calls: float = 0
    instructions: float = 0
    blocks: float = 0

    def per(self, other: Counts, times: int) -> Counts:
        """Return what of this is more than in ``other``, for each of ``times``."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Counts(*((mine - its) / times for mine, its in pairs))

    def above(self, ceiling: Counts) -> list[str]:
        """Return what is above ``ceiling``, by name."""
        return [name for name, most in vars(ceiling).items() if getattr(self, name) > most]


# 16 messages that come at once make one send to each reader: what differs is who reads.
DELIVERY = Counts(sends=1, calls=2, instructions=28, blocks=0.2)
DELIVERY_IN_BURST = Counts(sends=1 / BURST, calls=2 / BURST, instructions=28 / BURST, blocks=0.02)
MESSAGE = Counts(renderings=1, rows=1, calls=4, instructions=62, blocks=3)
# One of 16 messages, where ten speak at once: with all that its chunk costs.
AMONG_MANY = Counts(1 / BURST, 1, 1 / BURST / FEW, 1, calls=15, instructions=208, blocks=3)
# A series is four calls more, and fewer instructions, than the entries that are not made for it.
ALONE = Counts(sends=FEW, renderings=1, batches=1, rows=1, calls=437, instructions=5460, blocks=22)
NAMED_MESSAGE = Counts(renderings=1, rows=1, calls=163, instructions=2230, blocks=20)
# Log lines and the clock of the tests are counted as well.
ARRIVAL = Counts(calls=645, instructions=8300, blocks=80)  # of one who takes a name
# And opens a room, in its turn; 27 instructions ask whether that is being forgotten.
ENTRY = Counts(calls=1110, instructions=15690, blocks=160)
STATEMENTS, STATEMENTS_OF_MANY = 9, 16  # of batches of 50 and 500 messages with answers
ROW = Counts(rows=1, calls=15, instructions=180)  # in SQLite, besides its statement
COMMIT = Counts(batches=1, rows=1, calls=71, instructions=830)  # of one row


def traced(work: Callable[[], None]) -> tuple[int, int]:
    """Return how many functions ``work`` calls, and how many instructions that takes."""
    calls = instructions = 0

    def profile(frame: FrameType, what: str, _: Any) -> None:
        nonlocal calls
        calls += what in ("call", "c_call")

    def trace(frame: FrameType, what: str, _: Any) -> Any:
        nonlocal instructions
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        instructions += what == "opcode"
        return trace

    before, collects = (sys.getprofile(), sys.gettrace()), gc.isenabled()
    gc.disable()  # what others left to be collected calls as well
    sys.setprofile(profile)
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before[1])
        sys.setprofile(before[0])
        if collects:
            gc.enable()
    return calls, instructions


class Straight:
    """A TCP connection that is never full: it counts what is sent, and forgets it.

    It has of ``tcp.Connection`` what a wire asks for that sends without asking the reactor.
    """

    dataBuffer, disconnecting, connected, TLS = b"", False, True, False  # noqa: N815
    _tempDataBuffer: Sequence[bytes] = ()  # noqa: N815 -- Twisted's names
    sends = 0

    def __init__(self) -> None:
        self.socket = self

    def send(self, data: bytes) -> int:
        Straight.sends += 1
        return len(data)


def straight(client: Client) -> None:
    """Let ``client`` be on TCP without TLS."""
    wire: Any = client.session._wire
    assert hasattr(wire, "_plain")
    wire._plain = Straight()
    client.session.queued()  # it reads on by itself, until it has caught up


class CountingStore(FailingStore):
    """Counts what is kept."""

    batches = rows = 0

    def write(self, batch: Batch) -> None:
        super().write(batch)
        self.batches += 1
        self.rows += sum(map(len, batch.runs))


class CostTests(SynchronousTestCase):
    def setUp(self) -> None:
        gc.collect()  # or what others left counts, if it is collected amid this
        self.renderings = 0
        run = LiveStyle.run

        def counted(style: LiveStyle, entries: Series) -> tuple[bytes, Sequence[int]]:
            self.renderings += len(entries)
            return run(style, entries)

        self.patch(LiveStyle, "run", counted)

    def room(self, readers: int) -> tuple[Rig, Client]:
        """Return a server with one who speaks and ``readers``, who have heard something already."""
        rig = Rig(CountingStore(), limits=GENEROUS)
        speaker = rig.member("ann")
        for number in range(readers):
            straight(rig.member(f"reader{number}"))
        straight(speaker)
        speaker.types("warm", "warm")
        return rig, speaker

    def says(
        self,
        rig: Rig,
        speaker: Client,
        messages: int,
        frame: str = BODY,
        speakers: Sequence[Client] = (),
    ) -> Counts:
        """Return what it takes that ``messages`` come at once, and are kept and shown.

        They come from ``speaker``, or so many from each of ``speakers``.
        """
        store: Any = rig.store
        data = "".join((frame % n if "%" in frame else frame) + "\r\n" for n in range(messages))
        chunk = data.encode()
        began = Straight.sends, self.renderings, store.batches, store.rows
        blocks = sys.getallocatedblocks()

        def work() -> None:
            for client in speakers or (speaker,):
                client.door.dataReceived(chunk)
            rig.settle()

        calls, instructions = traced(work)
        blocks = sys.getallocatedblocks() - blocks
        ended = Straight.sends, self.renderings, store.batches, store.rows
        sends, renderings, batches, rows = (b - a for a, b in zip(began, ended, strict=True))
        return Counts(sends, renderings, batches, rows, calls, instructions, blocks)

    def delivery(self, messages: int, each: Callable[[Rig], None] = lambda rig: None) -> Counts:
        """Return what a delivery costs if ``messages`` come at once; do ``each`` to the server."""
        found = []
        for readers in (FEW, MANY):
            rig, speaker = self.room(readers)
            each(rig)
            self.says(rig, speaker, messages)
            found.append(self.says(rig, speaker, messages))
        return found[1].per(found[0], (MANY - FEW) * messages)

    def message(self, speaks: Callable[[Rig, Client], Client], frame: str) -> Counts:
        """Return what a message costs that comes as ``frame``, and is shown to one reader."""
        rig, ann = self.room(1)
        speaker = speaks(rig, ann)
        self.says(rig, speaker, FEW, frame.replace("%d", "a%d"))
        few = self.says(rig, speaker, FEW, frame.replace("%d", "b%d"))
        many = self.says(rig, speaker, MANY, frame.replace("%d", "c%d"))
        return many.per(few, MANY - FEW)

    def test_a_delivery_is_a_send_and_little_more(self) -> None:
        cost = self.delivery(1)
        self.assertEqual(cost.above(DELIVERY), [], cost)
        self.assertEqual(cost.sends, 1)

    def test_a_message_costs_the_same_beside_many_other_rooms(self) -> None:
        costs = []
        for others in (0, 99, 396):
            rig, speaker = self.room(FEW)
            for first in range(0, others, 99):
                keeper = rig.arrives(f"/nick keeper{first}")
                keeper.types(*(f"/join other{n}" for n in range(first, first + 99)))
            self.assertEqual(len(rig.network.audiences), others + 3)
            self.says(rig, speaker, 1)
            cost = self.says(rig, speaker, 1)
            costs.append((cost.calls, cost.instructions))
        self.assertEqual(len(set(costs)), 1, costs)

    def test_what_comes_at_once_is_sent_at_once(self) -> None:
        cost = self.delivery(BURST)
        self.assertEqual(cost.above(DELIVERY_IN_BURST), [], cost)

    def test_printing_for_each_reader_would_be_noticed(self) -> None:
        def own_styles(rig: Rig) -> None:
            for audience in rig.network.audiences.values():
                for reader in audience.readers():
                    audience.stray(reader)
                for cursor in audience._cursors.values():
                    cursor.style = copy(cursor.style)

        cost = self.delivery(1, own_styles)
        self.assertEqual(cost.renderings, 1)
        self.assertGreaterEqual(set(cost.above(DELIVERY)), {"renderings", "calls", "instructions"})

    def test_a_message_is_taken_in_at_once(self) -> None:
        cost = self.message(lambda rig, ann: ann, BODY)
        self.assertEqual(cost.above(MESSAGE), [], cost)
        self.assertEqual((cost.renderings, cost.rows, cost.batches), (1, 1, 0))

    def test_a_message_among_many_bears_little_of_what_they_share(self) -> None:
        rig = Rig(CountingStore(), limits=GENEROUS)
        people = [rig.member(f"reader{number}") for number in range(FEW)]
        for person in people:
            straight(person)
        for person in people:
            person.types("warm", "warm")
        self.says(rig, people[0], BURST, speakers=people)
        cost = self.says(rig, people[0], BURST, speakers=people).per(Counts(), FEW * BURST)
        self.assertEqual(cost.above(AMONG_MANY), [], cost)

    def test_what_all_say_at_once_is_printed_once(self) -> None:
        rig = Rig(CountingStore(), limits=GENEROUS)
        people = [rig.member(f"reader{number}") for number in range(FEW)]
        for count in (1, 2, FEW):
            self.renderings = 0
            for person in people[:count]:
                person.door.dataReceived(f"{BODY}\r\n".encode() * BURST)
            rig.settle()
            self.assertEqual(self.renderings, BURST * count)

    def test_a_message_alone_bears_what_others_share(self) -> None:
        rig, speaker = self.room(FEW)
        self.says(rig, speaker, 1)
        cost = self.says(rig, speaker, 1)
        self.assertEqual(cost.above(ALONE), [], cost)

    def test_a_named_message_is_answered_as_well(self) -> None:
        def program(rig: Rig, ann: Client) -> Client:
            client = rig.program("bob")
            client.sends("join", room="tea")
            straight(client)
            return client

        frame = '{"do":"say","room":"tea","cid":"%d","body":"' + BODY + '"}'
        cost = self.message(program, frame)
        self.assertEqual(cost.above(NAMED_MESSAGE), [], cost)
        self.assertEqual((cost.rows, cost.batches), (1, 0))


class QuestionTests(SynchronousTestCase):
    def test_questions_cost_little_however_many_rooms_there_are(self) -> None:
        rig = Rig()
        ann = rig.member("ann")
        for most, question in ((6, "/rooms"), (1, "/whois ann")):
            costs = []
            for _ in range(2):  # first there are more than are listed
                for some in (rig.arrives(), rig.arrives(), rig.arrives()):
                    some.types(*(f"/join {some.door.id}x{place}" for place in range(100)))
                costs.append(traced(lambda: ann.types(question))[0])  # noqa: B023 -- called at once
            self.assertLess((costs[1] - costs[0]) / 300, most, question)


class ArrivalTests(SynchronousTestCase):
    """Twisted's part is not in it: the transport, the system calls, and waiting for them."""

    def setUp(self) -> None:
        gc.collect()  # as above
        # The clock of these tests looks at all timers for each new one.
        self.patch(Clock, "_sortCalls", lambda clock: clock.calls.sort(key=attrgetter("time")))
        log = FilteringLogObserver(text_observer(StringIO()), [LogLevelFilterPredicate()])
        self.patch(globalLogPublisher, "_observers", [log])  # what a server has, and not trial's

    def arrival(self, words: str) -> Counts:
        """Return what it costs that somebody comes who says ``words``."""
        rig = Rig(CountingStore(), limits=GENEROUS)
        self.arrives(rig, words, FEW, "a")
        few, many = (
            self.arrives(rig, words, count, tag) for count, tag in ((FEW, "b"), (MANY, "c"))
        )
        return many.per(few, MANY - FEW)

    def arrives(self, rig: Rig, words: str, count: int, tag: str) -> Counts:
        blocks = sys.getallocatedblocks()
        clients: list[Client] = []

        def work() -> None:
            for number in range(count):
                client = rig.connects()
                clients.append(client)
                client.door.dataReceived(words.replace("%s", f"{tag}{number:03}").encode())
            rig.settle()

        calls, instructions = traced(work)
        self.assertEqual(len(rig.factory.sessions) % FEW, 0)
        self.assertIn(b"You are now", clients[-1].transport.value())
        return Counts(0, 0, 0, 0, calls, instructions, sys.getallocatedblocks() - blocks)

    def test_who_takes_a_name_costs_little(self) -> None:
        cost = self.arrival("/nick %s\r\n")
        self.assertEqual(cost.above(ARRIVAL), [], cost)

    def test_who_opens_a_room_as_well_costs_not_much_more(self) -> None:
        cost = self.arrival("/nick %s\r\n/join tea-%s\r\n")
        self.assertEqual(cost.above(ENTRY), [], cost)


class StatementTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.store = SqlStore(Sqlite(self.mktemp()))
        self.addCleanup(self.store.close)
        self.seq = 0

    def entries(self, count: int) -> list[Entry]:
        first, self.seq = self.seq + 1, self.seq + count
        return [Entry("tea", n, 1.8e9, Said("ann", BODY)) for n in range(first, self.seq + 1)]

    def commit(self, count: int) -> Counts:
        batch = Batch.of(self.entries(count))
        return Counts(0, 0, 1, count, *traced(partial(self.store.write, batch)))

    def test_a_row_costs_little(self) -> None:
        few, many = 128, 256  # one statement each
        _, _, *costs = map(self.commit, (few, many, few, many))  # each is made once
        cost = costs[1].per(costs[0], many - few)
        self.assertEqual(cost.above(ROW), [], cost)

    def test_a_commit_of_one_row_costs_little(self) -> None:
        _, cost = map(self.commit, (1, 1))
        self.assertEqual(cost.above(COMMIT), [], cost)

    def test_a_batch_takes_few_statements_however_large_it_is(self) -> None:
        counts = []
        for count in (1, 50, 500):
            entries = self.entries(count)
            batch = Batch.of(entries, [("ann", Done(str(e.seq), "tea", e.seq)) for e in entries])
            counts.append(self.statements(partial(self.store.write, batch)))
        self.assertLessEqual(counts[1], STATEMENTS, counts)
        self.assertLessEqual(counts[2], STATEMENTS_OF_MANY, counts)

    def statements(self, work: Callable[[], None]) -> int:
        """Return how often ``work`` asks SQLite, each time giving the interpreter away."""
        asked = 0

        def profile(frame: FrameType, what: str, called: Any) -> None:
            nonlocal asked
            if what == "c_call" and isinstance(
                called.__self__, sqlite3.Cursor | sqlite3.Connection
            ):
                asked += called.__name__.startswith("execute")

        before = sys.getprofile()
        sys.setprofile(profile)
        try:
            work()
        finally:
            sys.setprofile(before)
        return asked
