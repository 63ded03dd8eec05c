"""How fast one connection may go: what comes faster waits on the wire, in its order.

Each wait is signalled. Who heeds that never has anything waiting; who does not, and so goes on
sending faster than it is heard, is warned after a while, and muted at the end.
"""

from __future__ import annotations

from collections.abc import Sized
from math import ceil
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from chatnet.core import commands as c
from chatnet.core.durations import spell_duration, spell_span
from chatnet.core.limits import Bucket, Limit, spell_rate
from chatnet.core.room import Actor
from chatnet.server.defence import Defence

UNIT = 0.1  # of a message, that anything costs that is sent
LONGEST_WAIT = 10.0  # seconds that one unit holds up the next: clients take who is silent for dead
LONGEST_DEBT = 30.0  # seconds that a large message costs at most
ACCOUNT_BURSTS = 64  # bursts of bytes that someone with an account has: a large message or two
LONG = 1.0  # seconds, of which one is told also if nothing waits
EPISODE = 10.0  # seconds without a wait, after which one is told again
UNDER_WAY = 16  # units that were sent, perhaps, before their sender heard that it is to wait
LINGER_SECONDS = 60.0  # that what waits of someone who is gone is still heard
MOST_SHOWN = 20  # rooms for which a new name is paid: what LONGEST_WAIT brings back
_NEARLY = 0.001  # seconds that are no wait
_PACED = Limit(3, 2.0)  # messages of a newcomer while there is a flood
_SEEN_BY_ALL = 1.0 - UNIT
_COSTS: dict[type[c.Command], float] = {  # in messages, besides the unit
    c.Say: _SEEN_BY_ALL, c.Roll: _SEEN_BY_ALL, c.Announce: _SEEN_BY_ALL, c.Nick: _SEEN_BY_ALL,
    c.SetTopic: _SEEN_BY_ALL, c.Whisper: _SEEN_BY_ALL, c.Seal: _SEEN_BY_ALL,
    c.SealWhisper: _SEEN_BY_ALL, c.Share: _SEEN_BY_ALL, c.BeDevice: _SEEN_BY_ALL,
    c.RemoveDevice: _SEEN_BY_ALL,
    c.Join: UNIT, c.Leave: UNIT, c.Find: 4 * UNIT,
}  # fmt: skip


class Paced(Protocol):
    """What a pace needs of its session."""

    id: str
    actor: Actor
    since: float

    @property
    def rooms(self) -> Sized:
        """Those that it is in."""

    @property
    def coming(self) -> int:
        """How many bytes have come of a unit that is not complete."""

    def hold_back(self) -> None:
        """Take no input until it is let go."""

    def let_go(self) -> None:
        """Take input again."""

    def slow_down(self, seconds: float) -> None:
        """Signal that what is sent now is heard in ``seconds``."""

    def tell(self, text: str) -> None:
        """Say ``text`` to this one alone."""

    def part(self, reason: str, code: str) -> None:
        """Close, and say why."""

    def give_up(self) -> None:
        """Drop what waits of a connection that is gone."""


class Pace:
    """Counts what one session sends. All that happens for each unit is some arithmetic."""

    __slots__ = (
        "_bytes", "_clock", "_defence", "_heedless", "_held", "_held_at", "_messages", "_new",
        "_new_bytes", "_new_lines", "_owed", "_released_at", "_session", "_timer", "_told",
        "_until", "_warned", "_watch", "_what",
    )  # fmt: skip

    def __init__(self, session: Paced, defence: Defence, clock: IReactorTime) -> None:
        self._session = session
        self._defence = defence
        self._clock = clock
        self._messages, self._bytes, self._held = Bucket(), Bucket(), Bucket()
        self._new, self._new_bytes, self._new_lines = True, 0, 0
        self._owed = 0.0  # messages, in parts, that were not counted yet
        self._until = self._held_at = self._released_at = 0.0
        self._what = ""  # it sends too much of, in words
        self._told = self._warned = False
        self._heedless = 0  # waits at whose end more was waiting
        self._timer: IDelayedCall | None = None  # the end of a wait
        self._watch: IDelayedCall | None = None  # of a newcomer, or of what waits of one who left

    @property
    def holding(self) -> bool:
        """Whether its session has to wait now, because it sent too much."""
        return self._timer is not None

    def begin(self, patience: float) -> None:
        """See that the newcomer takes a name in time, ``patience`` times as long as others."""
        seconds = self._defence.limits.newcomer_time.most * patience
        if self._new and seconds < 1e9:
            self._watch = self._clock.callLater(seconds, self._too_late)

    def settle(self) -> None:
        """It took a name or entered a room: it is no newcomer any more."""
        if self._new:
            self._new = False
            self._stop_watching()

    def end(self) -> None:
        """The connection is gone, and all it said was heard."""
        self._stop_watching()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def forget(self) -> None:
        """Let go of the session, which has ended and does nothing any more."""
        del self._session

    def lost(self) -> None:
        """The other side is gone: what waits is heard for a while, and then dropped."""
        if self._timer is not None and self._watch is None:
            self._watch = self._clock.callLater(LINGER_SECONDS, self._give_up)

    def unit(self, size: int) -> None:
        """Count a unit of ``size`` bytes."""
        if self._new:
            self._count(size)
        limits, now = self._defence.limits, self._clock.seconds()
        wait = self._bytes.take(limits.bytes, size, now)
        if wait > _NEARLY:
            if self._session.actor.registered:
                wait -= (ACCOUNT_BURSTS - 1) * limits.bytes.span
            if wait > LONGEST_DEBT:
                self._bytes.full_at -= wait - LONGEST_DEBT
            if wait > _NEARLY:
                rate = limits.bytes.most / limits.bytes.span
                self._hold(wait, now, f"more than {rate:,.0f} bytes a second")
        self._owed += UNIT
        if self._owed >= 1.0:
            self._spend(0.0, now)

    def speech(self, units: int, size: int) -> bool:
        """Count so many messages of ``size`` bytes in all, unless one would have to wait for them.

        Returns whether they were counted: as by ``unit`` and ``command``, at once.
        """
        limits, now = self._defence.limits, self._clock.seconds()
        if (
            self._new
            or self._defence.levels.level
            or not self._bytes.has(limits.bytes, size, now)
            or not self._messages.has(limits.messages, units + self._owed + 1, now)
        ):
            return False
        self._bytes.take(limits.bytes, size, now)
        self._messages.take(limits.messages, units + self._owed, now)
        self._owed = 0.0
        return True

    def command(self, command: c.Command) -> None:
        """Count what ``command`` costs besides its unit."""
        cost = _COSTS.get(type(command), 0.0)
        if cost:
            if isinstance(command, c.Whisper):
                cost += max(0, min(command.times, 10) - 1)
            elif isinstance(command, c.Nick):  # each of its rooms is shown it
                cost += max(0, min(len(self._session.rooms), MOST_SHOWN) - 1)
            self._spend(cost, self._clock.seconds())

    def request(self) -> float:
        """Count a request that cannot be made to wait, like joining a room.

        Returns in how many seconds it may be made; 0, and only then it counts: now.
        """
        limit, now, cost = self._defence.limits.messages, self._clock.seconds(), 2 * UNIT
        if self._messages.has(limit, cost, now):
            self._messages.take(limit, cost, now)
            return 0.0
        return self._messages.full_at + cost * limit.each - limit.span - now

    def _spend(self, cost: float, now: float) -> None:
        limit = self._defence.limits.messages
        if self._defence.levels.level and self._is_newcomer() and limit.each:
            limit = _PACED
        cost += self._owed
        self._owed = 0.0
        wait = self._messages.take(limit, cost, now) + limit.each  # until there is another one
        if wait > _NEARLY:
            self._hold(wait, now, f"faster than {spell_rate(limit)}")

    def _is_newcomer(self) -> bool:
        session = self._session
        return not session.actor.registered and session.since >= self._defence.levels.since

    def _hold(self, wait: float, now: float, what: str) -> None:
        """Hold the wire for ``wait`` seconds, because more was sent than ``what``."""
        wait = min(wait, LONGEST_WAIT)
        if self._timer is None and now - self._released_at > EPISODE:
            self._told = self._warned = False
            self._heedless = 0
        if now + wait > self._until:
            self._until, self._what = now + wait, what
            self._session.slow_down(ceil(wait * 1000) / 1000)
        if wait > LONG:
            self._tell()
        if self._timer is None:
            self._defence.held += 1
            self._held_at = now
            self._session.hold_back()
            self._timer = self._clock.callLater(wait, self._release)

    def _release(self) -> None:
        self._timer, now = None, self._clock.seconds()
        if now < self._until - _NEARLY:
            self._timer = self._clock.callLater(self._until - now, self._release)
            return
        self._released_at = now
        session, wait = self._session, now - self._held_at
        session.let_go()
        if self.holding or session.coming:  # something was waiting
            self._tell()
            self._heedless += 1
            if self._heedless >= UNDER_WAY:
                self._tire(wait, now)

    def _tell(self) -> None:
        if not self._told:
            self._told = True
            self._session.tell(
                f"You are sending {self._what}. What you send is held back for now, and comes in"
                " order."
            )

    def _tire(self, wait: float, now: float) -> None:
        """Count ``wait`` seconds, for which more was waiting; warn of them, then mute."""
        limit = self._defence.limits.held
        left = -self._held.take(limit, wait, now) / limit.each if limit.each else limit.most
        if left < 0:
            self._held = Bucket()
            self._defence.mute(self._session)
        elif left < limit.most / 2 and not self._warned:
            self._warned = True
            self._session.tell(
                f"You go on sending {self._what}. After {spell_span(ceil(left))} more of that you"
                " are muted for a while, and what waits then is refused. Wait until all of it is"
                " here."
            )

    def _count(self, size: int) -> None:
        limits = self._defence.limits
        self._new_bytes += size
        self._new_lines += 1
        if (
            self._new_bytes > limits.newcomer_bytes.most
            or self._new_lines > limits.newcomer_lines.most
        ):
            self._session.part(
                "That is much for someone who has no name yet and is in no room. Please come"
                " again, and first /nick NAME, /login, or /join ROOM.",
                "refused",
            )

    def _too_late(self) -> None:
        self._watch = None
        seconds = spell_duration(self._defence.limits.newcomer_time.most)
        self._session.part(
            f"You took no name and entered no room in {seconds}. Please come again: /nick NAME,"
            " /login, or /join ROOM.",
            "refused",
        )

    def _give_up(self) -> None:
        self._watch = None
        self._session.give_up()

    def _stop_watching(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
