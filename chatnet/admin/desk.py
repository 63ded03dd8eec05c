"""The operator's desk: verbs in, answers out; whatever changes a log is an ordinary command."""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from chatnet.admin.calls import Row
from chatnet.admin.grammar import Given, Kind, Verb
from chatnet.admin.operator import Operator
from chatnet.admin.tables import lines_of
from chatnet.admin.verbs import help_on, help_text, understand
from chatnet.core import commands as c, staff as rules, terms as rooms
from chatnet.core.events import Acted
from chatnet.core.names import STAFF
from chatnet.core.plain import plain
from chatnet.core.refusals import Malformed, NoSuchRoom, NotAllowed, TooLong, Unavailable
from chatnet.core.room import Actor
from chatnet.interfaces import Runs
from chatnet.server import errands, staff
from chatnet.server.audience import Audience
from chatnet.server.factory import ChatFactory
from chatnet.server.host import Host
from chatnet.settings import Settings
from chatnet.wires.certificates import Certificates

MOST_LINES = 100  # of an answer in the chat


class Job(Protocol):
    """What takes long, and is done elsewhere."""

    task: str

    def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a verb: a sentence, rows, or both."""

    said: str = ""
    rows: Sequence[Row] = field(default=())


@dataclass(frozen=True, slots=True, eq=False)
class Building:
    """What of the server is not about rooms and people."""

    factory: ChatFactory
    began: float  # in UTC seconds since the epoch
    stop: Callable[[], object]
    lock_up: Callable[[], object]  # lets nobody in any more
    # The settings that a start would have now; None, and what is wrong with them.
    again: Callable[[], tuple[Settings | None, Sequence[str]]]
    spawn: Callable[..., object] | None = None  # starts a process, as a reactor does

    @property
    def host(self) -> Host:
        """What all sessions share."""
        return self.factory.host

    @property
    def certificates(self) -> Certificates | None:
        """What the server shows in TLS."""
        return self.factory.certificates

    @property
    def aside(self) -> Runs | None:
        """What runs what blocks."""
        return self.factory.aside


Does = Callable[["Desk", Operator, Given], Awaitable[Answer]]


class Desk:
    """Does what operators ask for, as far as their rank goes."""

    _log = Logger()

    def __init__(
        self, building: Building, does: dict[str, Does], tries: dict[str, Does] | None = None
    ) -> None:
        """Answer with ``does``, by the names of verbs, what is no ordinary command.

        With ``tries`` answer what would come of those that write.
        """
        self.building = building
        self.host = building.host
        self.job: Job | None = None  # that another process does
        self.end: IDelayedCall | None = None  # of the server, if it is about to stop
        self._does = does
        self._tries = tries or {}

    def stop(self) -> None:
        """Stop what is being done, for the server stops."""
        if self.job is not None:
            self.job.stop()

    async def do(self, operator: Operator, verb: Verb, given: Given) -> Answer:
        """Do what ``verb`` says.

        Raises:
            Refused: not so; the sentence says why.
        """
        if operator.actor.rank < verb.rank:
            raise NotAllowed(f"{verb.name} takes the rank of {verb.rank.name.lower()}.")
        for argument in verb.arguments:
            if not (argument.optional or argument.option) and argument.name not in given.values:
                raise Malformed(f"Use it like this: {verb.usage}")
            if argument.name in given.values:
                argument.check(given.values[argument.name])
        operator.heard_at = self.host.clock.seconds()
        if verb.writes:
            self._note(operator, verb, given)
        if given.flag("dry"):
            if verb.name not in self._tries:
                raise NotAllowed(f"{verb.name} cannot be tried out.")
            return await self._tries[verb.name](self, operator, given)
        if verb.asks is not None:
            return await self.ask(operator, verb.asks(given))
        return await self._does[verb.name](self, operator, given)

    async def converse(self, actor: Actor, id: str, line: str) -> str:
        """Return what comes of ``line``, which ``actor`` typed in the chat, as people read it.

        Raises:
            Refused: not so; the sentence says why.
        """
        try:
            words = shlex.split(line)
        except ValueError:
            raise Malformed("Quotes come in pairs.") from None
        if words[:1] == ["help"]:
            return help_on(words[1:]) if words[1:] else help_text()
        verb, given = understand(words)
        if (
            verb.name == "watch"
            or verb.long
            or any(one.kind is Kind.SECRET for one in verb.arguments)
        ):
            raise NotAllowed(f"{verb.name} is for the console: python -m chatnet.admin")
        operator = Operator(self.host, id, actor.name, actor.rank, actor.address)
        answer = await self.do(operator, verb, given)
        lines = lines_of(answer.said, [dict(row) for row in answer.rows], upright=verb.upright)
        more = len(lines) - MOST_LINES
        if more > 0:
            lines[MOST_LINES:] = [f"({more:,} more lines; the console shows all)"]
        return "\n".join(lines)

    async def ask(
        self, operator: Operator, command: staff.Order | c.Whisper | c.Announce
    ) -> Answer:
        """Let ``operator`` ask for ``command``, as anybody else does.

        Raises:
            Refused: as for anybody else.
        """
        if isinstance(command, c.Whisper | c.Announce):
            return await self._tell(operator, command)
        entries = await staff.order(self.host, operator.actor, command)
        if not entries:
            return Answer("That is so already.")
        last = entries[-1]
        if last.room == STAFF:
            assert isinstance(last.event, Acted)
            again = rules.undo(last.event, self.host.clock.seconds()) is not None
            hint = f" undo {last.seq} takes it back." if again else ""
            return Answer(f"Done: act {last.seq}.{hint}", [{"act": last.seq}])
        name = self.host.network.audiences[last.room].room.name
        return Answer(f"Done: {name}, entry {last.seq}.", [{"room": name, "entry": last.seq}])

    async def room(self, name: str) -> Audience:
        """Return the room called ``name``, in memory.

        Raises:
            NoSuchRoom: nobody ever opened it, or it was deleted.
        """
        audience = await self.host.network.open(self.host.network.key_of(name))
        rooms.check_there(audience.room.decided)
        if not audience.room.decided.name:
            raise NoSuchRoom(f"There is no room called {name}. rooms lists them.")
        return audience

    async def note(self, act: Acted) -> None:
        """Put ``act`` into the staff's log; it is done, also where that cannot be stored."""
        with suppress(Unavailable):
            await self.host.network.note([act])

    def check_length(self, body: str) -> None:
        """See that ``body`` is no longer than what others say.

        Raises:
            TooLong: it is.
        """
        most = self.host.settings.max_message
        if most and len(body.encode()) > most:
            raise TooLong(f"A message has at most {most:,} bytes here. It was not sent.")

    async def _tell(self, operator: Operator, command: c.Whisper | c.Announce) -> Answer:
        self.check_length(command.body)
        keys, events, reply = await errands.address(self.host, operator, command)
        await self.host.network.tell(operator, keys, events, None)
        return Answer(getattr(reply, "text", "") or "Done: it is told.")

    def _note(self, operator: Operator, verb: Verb, given: Given) -> None:
        hidden = (Kind.SECRET, Kind.TEXT)  # nor does the log hold what people say
        secret = {argument.name for argument in verb.arguments if argument.kind in hidden}
        shown = [f"{key}={value}" for key, value in given.values.items() if key not in secret]
        self._log.info(
            "{who} asks for: {verb} {given}",
            who=operator.actor.name,
            verb=verb.name,
            given=plain(" ".join(shown)),
        )
