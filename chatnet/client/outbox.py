"""What was asked for and is not answered yet, and what will come back as one's own words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from twisted.internet.defer import Deferred

from chatnet.client.frames import encode
from chatnet.core import commands as c, events as e, replies as r
from chatnet.core.names import EVERYBODY, fold, room_name

_TURNS = c.Join | c.Leave | c.Login | c.Logout
Echo = tuple[str, str, bool]  # where or to whom, what, and whether it is an action


@dataclass(slots=True)
class Pending:
    """A command without an answer, and how it goes over the wire.

    If somebody waits for the answer, ``done`` fires with its last part, or fails with the refusal.
    Of history, ``stretch`` then holds the entries, which are behind ``since``.
    """

    cid: str
    command: c.Command
    line: bytes
    done: Deferred[r.Reply] | None = None
    stretch: list[e.Entry] = field(default_factory=list)
    since: int = 0
    held: bool = False  # it does not go over the wire as it is: it is to be encrypted
    echo: tuple[Echo | None, int] = (None, 0)  # and how often it will come back

    def conclude(self, reply: r.Reply) -> None:
        """Tell whoever waits that ``reply`` is the end of the answer."""
        if self.done is not None and not self.done.called:
            if isinstance(reply, r.Sorry):
                self.done.errback(reply.refusal)
            else:
                self.done.callback(reply)


class Outbox:
    """The commands without an answer, in the order in which they were given.

    After a lost link they are repeated under the same name, by which the server knows those that
    it has obeyed. Joining and leaving are about one connection: repeated, they are new commands.
    """

    def __init__(
        self,
        entropy: Callable[[int], bytes],
        key_of: Callable[[str], str] = lambda name: room_name(name).key,
    ) -> None:
        """Know by ``key_of`` which room's log is meant by a name."""
        self.weight = 0  # bytes
        self._entropy = entropy
        self._key_of = key_of
        self._pending: dict[str, Pending] = {}
        self._turns: dict[str, c.Command] = {}  # those that change who or where one is
        self._echoes: Counter[Echo] = Counter()

    def __len__(self) -> int:
        return len(self._pending)

    def __iter__(self) -> Iterator[Pending]:
        return iter(list(self._pending.values()))

    @property
    def turns(self) -> list[c.Command]:
        """Those commands that change who or where one is."""
        return list(self._turns.values())

    def add(self, command: c.Command, done: Deferred[r.Reply] | None = None) -> Pending:
        """Keep ``command`` until it is answered; ``done`` as ``Pending`` has it.

        Raises:
            BadName: it is about a room that cannot be.
        """
        echo, times = self._echo_of(command)
        cid = self.name()
        pending = Pending(cid, command, encode(command, cid), done, echo=(echo, times))
        self._pending[cid] = pending
        self.weight += len(pending.line)
        if isinstance(command, _TURNS):
            self._turns[cid] = command
        if echo:
            self._echoes[echo] += times
        return pending

    def name(self) -> str:
        """Return a name that no command had."""
        return self._entropy(12).hex()

    def get(self, cid: str | None) -> Pending | None:
        """Return what was asked for under ``cid``."""
        return self._pending.get(cid) if cid is not None else None

    def answered(self, cid: str | None, refused: bool) -> Pending | None:
        """Forget what was asked for under ``cid``, and return it."""
        pending = self._pending.pop(cid, None) if cid is not None else None
        if pending is None:
            return None
        self._turns.pop(pending.cid, None)
        self.weight -= len(pending.line)
        echo, times = pending.echo
        if echo and refused:
            self._expect(echo, -times)
        return pending

    def renew(self) -> None:
        """Give new names to what is about a connection, which is to be made again."""
        kept, self._pending, self._turns = self._pending, {}, {}
        for pending in kept.values():
            if isinstance(pending.command, c.Join | c.Leave):
                pending.cid = self.name()
                pending.line = encode(pending.command, pending.cid)
            if isinstance(pending.command, _TURNS):
                self._turns[pending.cid] = pending.command
            self._pending[pending.cid] = pending

    def echoes(self, entry: e.Entry) -> bool:
        """Return whether ``entry``, which is by its reader, was said here; each once."""
        echo = _echo_in(entry)
        if self._echoes[echo] <= 0:
            del self._echoes[echo]
            return False
        self._expect(echo, -1)
        return True

    def _echo_of(self, command: c.Command) -> tuple[Echo | None, int]:
        match command:
            case c.Say(room, body, action):
                return (self._key_of(room), body, action), 1
            case c.Whisper(who, body, times):
                return (f"@{fold(who)}", body, False), times
            case c.Announce(body):
                return (EVERYBODY, body, False), 1
            case _:
                return None, 0

    def _expect(self, echo: Echo, times: int) -> None:
        self._echoes[echo] += times
        if self._echoes[echo] <= 0:
            del self._echoes[echo]


def _echo_in(entry: e.Entry) -> Echo:
    match entry.event:
        case e.Said(_, body, action):
            return entry.room, body, action
        case e.Whispered(_, to, body):
            return f"@{fold(to)}", body, False
        case e.Announced(_, body):
            return EVERYBODY, body, False
        case _:
            return "", "", False
