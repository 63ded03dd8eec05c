"""The seams: everything an operator may swap, each implemented in the package of its name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, ParamSpec, Protocol, Self, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from zope.interface import Attribute, Interface

from chatnet.core.chain import Anchor, Record
from chatnet.core.commands import Request
from chatnet.core.events import Deleted, Entry, Event
from chatnet.core.large import Work
from chatnet.core.names import Name
from chatnet.core.replies import Done, Reply
from chatnet.core.room import Room, RoomState
from chatnet.core.search import Search
from chatnet.core.series import Series, in_series

REMEMBERED = 1000  # named commands of an origin whose answers can be repeated

P = ParamSpec("P")
T = TypeVar("T")


class Runs(Protocol):
    """Something that runs blocking calls elsewhere, in the order they are given."""

    def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Return what ``call`` will return."""


MAX_BYTES = 64 * 1024  # in about which portions entries are printed


class IStyle(Interface):
    """How entries look. One object for all sessions that read alike: they receive equal bytes."""

    def render(entry: Entry) -> bytes:
        """Return ``entry`` as complete wire units, or ``b""`` to pass over it."""

    def run(entries: Series) -> tuple[bytes, Sequence[int]]:
        """Return what ``render`` does of the first of ``entries``, joined, and the length of each.

        It may end with one that makes it ``MAX_BYTES`` or more. None of them is large.
        """

    def part(entry: Entry, place: int) -> tuple[bytes, int]:
        """Return what stands at ``place`` in ``entry``, a large message, and where to go on.

        The first place is 0, the last one returned -1. All parts after each other are as good as
        what ``render`` returns; each is some 100 KB.
        """


class IDialect(Interface):
    """One connection's grammar. Holds parse state only: never writes, never waits."""

    style = Attribute("The L{IStyle} in which this connection reads what is new.")
    past = Attribute("The L{IStyle} in which it reads the history on joining.")
    recall = Attribute("The L{IStyle} in which it reads the history it asks for.")
    echo = Attribute("Whether one's own words come back to oneself.")
    alone = Attribute("Whether one is in one room at a time.")
    escapes = Attribute("The most bytes on the wire that a byte of a message takes.")

    def receive(unit: bytes, in_room: bool) -> Request | Reply | None:
        """Parse one wire unit (a line or a frame, delimiter removed).

        ``in_room`` is whether plain speech has a room to go to. Returns what is asked for, or
        what the dialect itself says to it, in its turn; None if it was nothing.

        Raises:
            Malformed: not a sentence of this dialect. The connection stays usable.
        """

    def speech(units: Sequence[bytes]) -> Sequence[str]:
        """Return what ``units``, sent in a room, say there, if all of them are plain speech.

        Nothing if they are not, or if it takes ``receive`` to tell.
        """

    def read(unit: bytes, in_room: bool) -> Work[Request | Reply | None]:
        """Do what ``receive`` does, with a large unit: in slices."""

    def reply(reply: Reply, cid: str | None) -> bytes:
        """Return ``reply`` to the command named ``cid`` as complete wire units.

        ``b""`` for what is not said here.
        """


class IJournal(Interface):
    """The ordering point: gives events their places, and shows them once they are durable."""

    commits = Attribute("How long its commits took: a L{Tally}.")
    failures = Attribute("How many of them failed.")

    def subscribe(
        deliver: Callable[[Series], None], rewind: Callable[[Iterable[str]], None]
    ) -> None:
        """Say who is told.

        ``deliver`` hears all committed entries.
        ``rewind`` hears the keys of rooms whose appends failed, before their askers do.
        """

    def append(
        room: str, events: Sequence[Event], origin: str, cid: str | None = None
    ) -> Deferred[Series]:
        """Give ``events`` the next places in the log of ``room``, which is open.

        Fires in the order of calls, over all rooms, once the entries are durable and delivered.
        If ``cid`` is given, (``origin``, ``cid``) is remembered in the same transaction.
        Appends that wait together succeed or fail together.

        Errbacks:
            Unavailable: not known to be durable, like all appends that had not fired. If it is
                found to be, it is delivered later; to repeat a ``cid`` is always safe.
        """

    def park(key: str, text: str) -> Deferred[str]:
        """Store ``text``, which is large, in pieces between what others append.

        Returns it as what an event may carry that is appended next: then only that it is in the
        log ``key``, which nobody else uses, is written with it.

        Errbacks:
            Unavailable: it is not stored.
        """

    def settle() -> Deferred[None]:
        """Fire after every append made before: at once if there is none.

        Errbacks:
            Unavailable: they failed, so what was decided in their light is void as well.
        """

    def keep(room: str, seq: int, state: RoomState) -> None:
        """Remember, with the next commit, that ``room`` added up to ``state`` at ``seq``."""

    def discard(room: str) -> None:
        """Forget ``room``, its entries and its state, with the next commit."""

    def open(room: str) -> Deferred[Room]:
        """Bring ``room`` into memory. Append to it only afterwards."""

    def state(room: str) -> Deferred[RoomState]:
        """Return what ``room``, which is not in memory, adds up to, and leave it there."""

    def close(room: str) -> bool:
        """Let ``room`` go from memory; return False, and do nothing, if it has appends waiting."""

    def read(room: str, after: int, upto: int) -> Deferred[Sequence[Entry]]:
        """Return the first page of entries of ``room`` with ``after < seq <= upto``."""

    def back(room: str, upto: int, count: int) -> Deferred[int]:
        """Return the seq behind which the last ``count`` messages up to ``upto`` begin.

        ``upto`` if there are none.
        """

    def seq_at(room: str, at: float) -> Deferred[int]:
        """Return the seq of the last entry of ``room`` from before ``at``; its floor if none."""

    def search(rooms: Sequence[str], search: Search, limit: int) -> Deferred[Sequence[Entry]]:
        """Return the last ``limit`` entries of ``rooms`` that ``search`` finds, the latest first.

        The order is that of ``at``.
        """

    def rooms(limit: int) -> Deferred[Mapping[str, RoomState]]:
        """Return the kept states of up to ``limit`` rooms, the newest first, by key."""

    def logs() -> Deferred[Sequence[str]]:
        """Return the keys of all logs that are kept: those of rooms, and others."""

    def aged(seconds: float, now: float) -> AsyncIterator[str]:
        """Yield the keys of the logs that hold what is to be let go.

        That is what is older at ``now`` than ``seconds`` (0: any age is right), or than their
        own state allows.
        """

    def forget(room: str, upto: int) -> Deferred[int]:
        """Let go of some of the entries of ``room`` with ``seq <= upto``, and return its floor.

        Those that no kept state covers stay. What waits to be written meanwhile waits for some
        entries only: ask again until the floor is where it is wanted, or does not rise.
        """

    def answers(origin: str) -> Deferred[Mapping[str, Done]]:
        """Return what became of the latest named commands of ``origin``, oldest first."""


@dataclass
class Batch:
    """What is committed in one transaction."""

    runs: Sequence[Series]  # of one room, each goes on where the one before it ended
    answers: Sequence[tuple[str, Done]] = ()  # with the origin of each
    states: Mapping[str, tuple[int, RoomState]] = field(default_factory=dict)  # with their seq
    discards: Sequence[str] = ()  # rooms of which nothing is kept

    @classmethod
    def of(cls, entries: Iterable[Entry], *more: Any, **others: Any) -> Self:
        """Return a batch of ``entries``, in which those of one room are in order."""
        return cls(in_series(entries), *more, **others)

    @property
    def deletions(self) -> Sequence[tuple[Entry, Deleted]]:
        """What of it deletes a message: the entry, and its event."""
        return [
            (entry, event)
            for run in self.runs
            if Deleted in run.kinds  # seldom
            for entry in run
            if type(event := entry.event) is Deleted
        ]


class IStore(Interface):
    """Remembers. All its methods block, and each instance is used by one thread.

    Each entry is kept with its digest and its link, see ``chatnet.core.chain``.
    """

    def write(batch: Batch) -> None:
        """Make all of ``batch`` durable, or raise and keep none of it.

        Remembers the last thousand answers of an origin or more. A ``Deleted`` entry takes with
        it the body of the one that it names: what is kept of that is ``chain.erased``.

        Raises:
            OSError: the disk is full, the database away, or the like.
            Exception: anything else, for an entry whose place is taken, or is not the next.
        """

    def index(limit: int) -> bool:
        """Make up to ``limit`` entries that were written quicker to find; return whether it did.

        Before that they are found as well: all that a store does that can wait is done here.
        """

    def load(room: str) -> tuple[int, RoomState]:
        """Return the latest state kept of ``room`` and its seq; 0 and an empty state if none."""

    def read(room: str, after: int, upto: int, limit: int) -> Sequence[Entry]:
        """Return up to ``limit`` entries of ``room`` with ``after < seq <= upto``, in order.

        May return fewer than ``limit`` if they are large, but at least one if there is one.
        """

    def back(room: str, upto: int, count: int) -> int:
        """Return the seq behind which the last ``count`` messages up to ``upto`` begin.

        ``upto`` if there are none.
        """

    def rooms(limit: int) -> Mapping[str, RoomState]:
        """Return the kept states of up to ``limit`` rooms by key, the newest room first.

        Keys that begin with ``@`` or ``*`` are no rooms.
        """

    def floor(room: str) -> int:
        """Return the seq up to which entries of ``room`` were let go; 0 if none was."""

    def forget(room: str, upto: int, limit: int) -> int:
        """Let go, durably, of up to ``limit`` entries with ``seq <= upto``, the oldest first.

        Those that the latest kept state of ``room`` does not cover stay. Returns the new floor.

        Raises:
            OSError: as for ``write``.
        """

    def seq_at(room: str, at: float) -> int:
        """Return the seq of the last entry of ``room`` from before ``at``; its floor if none.

        ``at`` is in UTC seconds since the epoch, and is taken to grow along the log.
        """

    def search(rooms: Sequence[str], search: Search, limit: int) -> Sequence[Entry]:
        """Return the last ``limit`` entries of ``rooms`` that ``search`` finds, the latest first.

        The order is that of ``at``. A store without an index may give up after looking at many
        entries; then it returns what it found. So may any once it found ``search.ENOUGH``.
        """

    def strays() -> Sequence[str]:
        """Return the keys of guests' own logs, which a server that was killed left behind."""

    def recall(origin: str, limit: int) -> Sequence[Done]:
        """Return the answers to the last ``limit`` named commands of ``origin``, oldest first."""

    def close() -> None:
        """Let go of what is held; nothing is called afterwards."""

    # What a backup is made of, and put back with.

    def logs(prefix: str = "") -> Sequence[str]:
        """Return the keys that begin with ``prefix`` of logs that have entries or a floor, sorted.

        However many entries there are: the time it takes goes by the number of such logs.
        """

    def anchor(room: str) -> Anchor:
        """Return where the log of ``room`` begins."""

    def records(room: str, after: int, limit: int) -> Sequence[Record]:
        """Return up to ``limit`` records of ``room`` with ``seq > after``, in order.

        May return fewer if they are large, but at least one if there is one. Does not check them.
        """

    def adopt(room: str, anchor: Anchor, records: Sequence[Record]) -> None:
        """Keep ``records``, durably and as they are, behind what there is of ``room``.

        A room of which there is nothing begins at ``anchor``.

        Raises:
            OSError: as for ``write``.
            Exception: anything else, for a record whose place is taken.
        """

    def states() -> Iterable[tuple[str, int, RoomState]]:
        """Yield each room that has a kept state, its seq, and the state; the oldest room first.

        Other methods may be called before all are taken.
        """

    def answers() -> Iterable[tuple[str, Done]]:
        """Yield all answers that are kept, each with its origin; those of one oldest first."""


@dataclass(frozen=True, slots=True)
class Account:
    """A name that belongs to someone, since ``made``, in UTC seconds since the epoch.

    ``verifier`` is the password's hash, in PHC format.
    """

    name: str
    key: str
    verifier: str = field(repr=False)
    made: float = field(default=inf, compare=False)


class IAccountStore(Interface):
    """Remembers accounts. All its methods block."""

    def holders(claims: Iterable[str]) -> Mapping[str, Account]:
        """Return, by those of ``claims`` that an account has, which one that is."""

    def add(name: Name, verifier: str, at: float) -> bool:
        """Make an account, durably; return False if one of the claims of ``name`` is taken.

        ``at`` is in UTC seconds since the epoch.
        """

    def change(key: str, verifier: str) -> None:
        """Give the account ``key`` another password, durably."""

    def remove(key: str) -> None:
        """Remove the account ``key``, durably; its claims are free then. Nothing if there is none.

        Raises:
            OSError: as for ``IStore.write``.
        """

    def accounts() -> Iterable[tuple[Account, float]]:
        """Yield every account, and when it was made, in UTC seconds since the epoch."""


Gone = Callable[[], bool]  # whether who asked for something is there no more


def never() -> bool:
    """Return that they are there."""
    return False


class IAccounts(Interface):
    """Who is who: made accounts, checked passwords."""

    password_length = Attribute("The fewest and the most characters of a password.")
    delayed = Attribute("How many tries at passwords had to wait.")

    def find(name: Name) -> Deferred[Account | None]:
        """Return the account whose name is ``name``, or looks like it."""

    def made_since(at: float) -> Deferred[int]:
        """Return how many accounts were made since ``at``, in UTC seconds since the epoch."""

    def check_length(password: str) -> None:
        """See that ``password`` may be one.

        Raises:
            BadPassword: it is too short or too long.
        """

    def register(name: Name, password: str, address: str, gone: Gone = never) -> Deferred[Account]:
        """Make an account, unless who asks for it is gone when it is its turn.

        Errbacks:
            NameTaken: there is one whose name is or looks like that.
            BadPassword: the password is too short or too long.
        """

    def login(name: Name, password: str, address: str, gone: Gone = never) -> Deferred[Account]:
        """Return the account called ``name`` if ``password`` is its password.

        Errbacks:
            WrongPassword: it is not, or there is no such account.
            TooManyTries: from ``address``, or at that account.
        """

    def change(name: Name, old: str, new: str, address: str, gone: Gone = never) -> Deferred[None]:
        """Replace a password.

        Errbacks:
            As for ``register`` and ``login``.
        """

    def reset(name: Name, password: str) -> Deferred[None]:
        """Give the account called ``name`` another password, whatever the old one is.

        Errbacks:
            BadPassword: the password is too short or too long.
        """

    def remove(name: Name) -> Deferred[None]:
        """Remove the account called ``name``; then its name is free."""

    def hash(password: str) -> Deferred[str]:
        """Return a verifier for ``password``, such as a room's."""

    def verify(password: str, verifier: str, address: str, gone: Gone = never) -> Deferred[bool]:
        """Return whether ``password`` is what ``verifier`` was made of.

        Errbacks:
            TooManyTries: from ``address``.
        """


class ISession(IPushProducer):
    """What a wire feeds: one connected person. Produces what the wire writes."""

    def begin() -> None:
        """The wire is connected."""

    def receive(unit: bytes) -> None:
        """Obey one unit of input. Holds the wire if the next one must wait."""

    def hear(units: Sequence[bytes]) -> int:
        """Take as many of the first of ``units`` as are plain speech that nothing stands against.

        Returns how many were taken, as by ``receive``; perhaps none. What is left is for
        ``receive``, once the wire is not held.
        """

    def overlong(limit: int) -> None:
        """A unit of more than ``limit`` bytes came, and is lost."""

    def late() -> None:
        """A unit came so slowly, while others waited for its memory, that it is lost."""

    def finish(cut: bool) -> None:
        """No more input will come; ``cut`` if the last unit had no end, and is lost."""

    def queued() -> None:
        """Something of what it said waits on the wire, and all that it says now waits behind it."""

    def end() -> None:
        """The wire is gone."""
