"""People who talk whatever happens to their links and their server, and remember what they saw."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress as ignoring
from dataclasses import dataclass, field
from random import Random
from socket import SO_RCVBUF, SOL_SOCKET
from typing import Any

from twisted.internet import reactor as installed  # noqa: TID251
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectError
from twisted.internet.protocol import connectionDone
from twisted.internet.task import LoopingCall, deferLater
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

from chatnet.test.checker import Checker, Fact, fact_in

reactor: Any = installed

TICK_SECONDS = 0.02
BACK_SECONDS = 0.1  # after a lost link
AGAIN_SECONDS = 0.2  # after a refusal
WINDOW = 32  # messages of one voice that are not answered yet
REPEATED = 20  # of the last answered ones, that it may ask for again
FORESEEN = ("unavailable", "not-a-member")  # how a server refuses that cannot store


class Link(LineOnlyReceiver):
    """One connection of a voice."""

    delimiter = b"\n"
    MAX_LENGTH = 2**26

    def __init__(self, voice: Voice, name: str) -> None:
        self.name = name
        self.ready = False  # it is known who this is, and all rooms are entered
        self.joining: set[str] = set()  # cids
        self.lost: Deferred[None] = Deferred()
        self._voice = voice

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)  # type: ignore[union-attr]
        self._voice.connected(self)

    def lineReceived(self, line: bytes) -> None:
        self._voice.hears(self, json.loads(line))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.ready = False
        self.lost.callback(None)

    def asks(self, **command: Any) -> None:
        self.transport.write(_line(command))  # type: ignore[union-attr]


@dataclass(frozen=True, slots=True)
class Manner:
    """How someone talks: so many messages a second, of at most so many characters."""

    rate: float = 100.0
    longest: int = 400
    rooms: Sequence[str] = ("tea", "den")


@dataclass(slots=True)
class Counts:
    """What happened to all voices together."""

    acknowledged: int = 0
    repeated: int = 0  # and answered again
    shown: int = 0
    links: int = 0
    refused: Counter[str] = field(default_factory=Counter)  # by code
    alarm: Callable[[], None] | None = None  # called when so many are acknowledged
    alarm_at: int = 0

    def acknowledge(self) -> None:
        self.acknowledged += 1
        if self.alarm is not None and self.acknowledged >= self.alarm_at:
            alarm, self.alarm = self.alarm, None
            alarm()


class Voice:
    """Someone on one connection at a time, who comes back, resumes, and asks again.

    ``who`` is the frame that says who it is. It does the same things for the same ``chance``,
    though not at the same moments.
    """

    def __init__(
        self,
        label: str,
        who: dict[str, str],
        where: Callable[[], int],
        checker: Checker,
        counts: Counts,
        chance: Random,
        manner: Manner,
    ) -> None:
        self.label, self.account = label, who["name"]
        self.link: Link | None = None
        self.seen = dict.fromkeys(manner.rooms, 0)  # the last seq
        self.states: dict[str, dict[str, Any]] = {}  # of rooms, as they were entered
        self.surprises: list[str] = []
        self.silent = False
        self.twin: Voice | None = None  # of the same account, on another connection
        self._who, self._where, self._checker, self._counts = who, where, checker, counts
        self._chance, self._manner = chance, manner
        self._said = self._links = 0
        self._waiting: dict[str, dict[str, Any]] = {}  # commands that are not answered, by cid
        self._done: deque[dict[str, Any]] = deque(maxlen=REPEATED)  # the last that are
        self._again: deque[tuple[float, str]] = deque()  # when to ask for which again
        self._deaf_until = 0.0
        self._leaving = False
        self._ticking = LoopingCall(self._tick)

    # -- its life ------------------------------------------------------------------

    def begin(self) -> None:
        self._ticking.start(TICK_SECONDS, now=False)
        self._life = Deferred.fromCoroutine(self._live())

    async def leave(self) -> None:
        """Hang up for good."""
        self._leaving = True
        if self._ticking.running:
            self._ticking.stop()
        self.hangs_up()
        await self._life

    @property
    def content(self) -> bool:
        """Whether all it asked for was answered, and it reads."""
        ready = self.link is not None and self.link.ready
        return ready and not self._waiting and not self._deaf_until

    # -- what befalls it -----------------------------------------------------------

    def hangs_up(self) -> None:
        if self.link is not None:
            self.link.transport.abortConnection()  # type: ignore[union-attr]

    def says_half(self) -> None:
        """Lose the link in the middle of a message."""
        if self.link is not None and self.link.ready:
            line = _line(self._wish())
            self.link.ready = False
            self.link.transport.write(line[: self._chance.randrange(1, len(line))])  # type: ignore[union-attr]
            self.link.transport.loseConnection()  # type: ignore[union-attr]

    def says_no_more(self) -> None:
        """Close the sending half; the server closes the other one."""
        if self.link is not None:
            self.link.ready = False
            self.link.transport.loseWriteConnection()  # type: ignore[union-attr]

    def goes_deaf(self, seconds: float) -> None:
        """Read nothing for a while."""
        if self.link is not None:
            self._deaf_until = reactor.seconds() + seconds
            self._widen(128 * 1024)  # with less than a segment the kernel dawdles
            self.link.transport.pauseProducing()  # type: ignore[union-attr]

    def hears_again(self) -> None:
        if self.link is not None and self._deaf_until:
            self._widen(1024 * 1024)
            self.link.transport.resumeProducing()  # type: ignore[union-attr]
        self._deaf_until = 0.0

    def _widen(self, size: int) -> None:
        """Let the kernel keep up to about ``size`` bytes that are not read yet."""
        assert self.link is not None
        with ignoring(OSError):  # it is lost already
            handle = self.link.transport.getHandle()  # type: ignore[union-attr]
            handle.setsockopt(SOL_SOCKET, SO_RCVBUF, size)

    def suffers(self, chance: Random) -> None:
        """Have something happen to the link."""
        match chance.randrange(5):
            case 0 | 1:
                self.hangs_up()
            case 2:
                self.says_half()
            case 3:
                self.says_no_more()
            case _:
                self.goes_deaf(chance.uniform(0.1, 1.0))

    # -- what it hears -------------------------------------------------------------

    def connected(self, link: Link) -> None:
        self.link = link
        self._deaf_until = 0.0
        self._again.clear()
        link.asks(**self._who)

    def hears(self, link: Link, frame: dict[str, Any]) -> None:
        match frame:
            case {"event": _, "room": room} if room in self.seen:
                self._is_shown(link, room, fact_in(frame))
            case {"reply": "youare"}:
                for room in self.seen:
                    link.joining.add(cid := f"{link.name} {room}")
                    link.asks(do="join", room=room, cid=cid, **self._from(room))
            case {"reply": "entered", "room": room}:
                self.states[room] = frame["state"]
                self._checker.begins(link.name, room, self.seen[room])
            case {"ok": cid} if cid in link.joining:
                link.joining.discard(cid)
                if not link.joining:
                    link.ready = True
                    self._catch_up(link)
            case {"ok": cid}:
                self._is_answered(cid, frame["room"], frame["seq"])
            case {"error": code}:
                self._is_refused(link, frame.get("cid", ""), code, frame["text"])

    def _from(self, room: str) -> dict[str, int]:
        """Return where it reads on."""
        return {"since": self.seen[room]}

    def _is_shown(self, link: Link, room: str, fact: Fact) -> None:
        self._checker.shown(link.name, room, fact)
        self._counts.shown += 1
        self.seen[room] = fact.seq

    def _is_answered(self, cid: str, room: str, seq: int) -> None:
        self._checker.acknowledged(self.account, cid, room, seq)
        command = self._waiting.pop(cid, None)
        if command is None:
            self._counts.repeated += 1
        else:
            self._counts.acknowledge()
            self._done.append(command)

    def _is_refused(self, link: Link, cid: str, code: str, text: str) -> None:
        self._counts.refused[code] += 1
        if code not in FORESEEN:
            self.surprises.append(f"{link.name}: {code}: {text}")
        if link.ready and code == "unavailable":
            self._again.append((reactor.seconds() + AGAIN_SECONDS, cid))
        else:
            link.transport.loseConnection()  # type: ignore[union-attr]

    # -- what it does --------------------------------------------------------------

    async def _live(self) -> None:
        while not self._leaving:
            self._links += 1
            link = Link(self, f"{self.label}#{self._links}")
            endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self._where(), timeout=5)
            with ignoring(ConnectError):
                await connectProtocol(endpoint, link)
                self._counts.links += 1
                await link.lost
                self.link = None
                self._leave_it_to_the_twin()
            for room in self.seen:
                self._checker.ends(link.name, room)
            await deferLater(reactor, BACK_SECONDS)

    def _catch_up(self, link: Link) -> None:
        """Ask again for what was not answered, and for some of what was."""
        repeated = [command for command in self._done if self._chance.random() < 0.2]
        for command in (*repeated, *self._waiting.values()):
            link.asks(**command)

    def _leave_it_to_the_twin(self) -> None:
        """Have someone else ask for what was not answered: the account is the same."""
        other = self.twin.link if self.twin is not None else None
        if other is not None and other.ready:
            for command in self._waiting.values():
                other.asks(**command)

    def _tick(self) -> None:
        now, link = reactor.seconds(), self.link
        if self._deaf_until and now > self._deaf_until:
            self.hears_again()
        if link is None or not link.ready:
            return
        while self._again and self._again[0][0] <= now:
            command = self._waiting.get(self._again.popleft()[1])
            if command is not None:
                link.asks(**command)
        usual = 0.0 if self.silent else self._manner.rate * TICK_SECONDS
        for _ in range(int(self._chance.uniform(0, 2 * usual) + self._chance.random())):
            if usual and len(self._waiting) < WINDOW:
                link.asks(**(command := self._wish()))
                self._lose_patience(link, command)

    def _lose_patience(self, link: Link, command: dict[str, Any]) -> None:
        """Ask for ``command`` again at once, from time to time, perhaps on another connection."""
        if self._chance.random() < 0.1:
            other = self.twin.link if self.twin is not None else None
            (other if other is not None and other.ready else link).asks(**command)

    def _wish(self) -> dict[str, Any]:
        """Return a new message that it will repeat until it is answered."""
        self._said += 1
        cid, room = f"{self.label} {self._said}", self._chance.choice(self._manner.rooms)
        body = f"{cid} " + "x" * self._chance.randrange(self._manner.longest)
        self._checker.sent(self.account, cid, room, body)
        command = {"do": "say", "room": room, "body": body, "cid": cid}
        self._waiting[cid] = command
        return command


class Observer(Voice):
    """Someone who says nothing, and reads the whole of every room."""

    def __init__(
        self, label: str, where: Callable[[], int], checker: Checker, rooms: Sequence[str]
    ) -> None:
        who, manner = {"do": "nick", "name": label}, Manner(0, rooms=rooms)
        super().__init__(label, who, where, checker, Counts(), Random(label), manner)
        self.silent = True
        self.log: dict[str, list[Fact]] = {room: [] for room in rooms}

    def _from(self, room: str) -> dict[str, int]:
        return {"replay": -1} if not self.seen[room] else super()._from(room)

    def _is_shown(self, link: Link, room: str, fact: Fact) -> None:
        super()._is_shown(link, room, fact)
        self.log[room].append(fact)


def _line(command: dict[str, Any]) -> bytes:
    return json.dumps(command).encode() + b"\n"
