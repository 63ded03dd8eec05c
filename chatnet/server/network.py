"""The live network: every room and everyone in it. The only place where truth changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from chatnet.core import commands as c, events as e, rules
from chatnet.core.names import EVERYBODY, Name, fold
from chatnet.core.refusals import Refused
from chatnet.core.replies import Done, Typing
from chatnet.core.room import Room
from chatnet.interfaces import REMEMBERED, IJournal
from chatnet.server.audience import Audience, Cursor
from chatnet.server.chronicle import Chronicle, Transcript
from chatnet.server.people import People, Person
from chatnet.server.rooms import RETRY_SECONDS, Rooms
from chatnet.server.seats import Participant, Seat, inbox_of
from chatnet.server.turn import Turn
from chatnet.settings import Settings
from chatnet.wires.budget import Budget

SNAPSHOT, SNAPSHOT_BYTES = 1000, 4 * 1024 * 1024  # entries, or their weight, between two kept
# states of a room: what is read again when it is opened


MOST_SIGNALLED = 50  # connections in a room, up to which it is told who is writing


class Network:
    """Commands leave through ``submit``; truth arrives through ``_deliver``."""

    def __init__(
        self,
        journal: IJournal,
        turn: Turn,
        clock: IReactorTime,
        transcript: Transcript | None = None,
        retention: float = 0.0,
        budget: Budget | None = None,
    ) -> None:
        self.people = People()
        self.budget = budget or Budget(clock, Settings().budget)
        self.rooms = Rooms(journal, self.people, clock, self.budget, retention)
        self.audiences = self.rooms.audiences
        self.start = self.rooms.start
        self.open = self.rooms.open
        self.journal = journal
        self.settle = journal.settle
        self._clock = clock
        self._chronicle = Chronicle(transcript)
        self._vacated: dict[Person, list[Deferred[None]]] = {}
        self._turn = turn
        journal.subscribe(self._deliver, self.rooms.rewind)

    # -- wishes --------------------------------------------------------------------

    def submit(
        self,
        session: Participant,
        key: str,
        command: c.RoomCommand,
        cid: str | None = None,
        seat: Seat | None = None,
    ) -> Deferred[Any]:
        """Ask for ``command`` in the open room ``key``, for which all else is prepared too.

        A ``Join`` comes with the ``seat`` to be taken.

        Fires, in the order of calls, once what it caused is durable and delivered here; with
        ``Done`` if it has a ``cid``. Repeating a ``cid`` gets the first answer and does nothing.

        Errbacks:
            Refused: the rules say no, or the store does.
        """
        audience = self.audiences[key]
        room = audience.room
        if cid is not None and cid in (answers := _answers(session)):
            return self.settle().addCallback(lambda _: answers[cid])
        try:
            events = rules.decide(room.decided, session.actor, command, self._clock.seconds())
        except Refused as refusal:
            return self.refuse(refusal)
        if seat is not None:
            session.rooms[key] = seat
        stays = isinstance(command, c.Leave) and self._others(session, key)
        if stays:
            events = []  # one of someone's sessions goes, and someone stays
        done = self._append(session, audience, events, cid)
        if stays:
            session.rooms.pop(key, None)
            done.addBoth(self._unseat, session, audience)
        elif isinstance(command, c.Join):
            done.addBoth(self._answering, session, key)
        return done

    async def speak(self, key: str, by: str, body: str) -> e.Entry:
        """Let the server itself say ``body`` in the room ``key``, as ``by``; rules do not bind it.

        Raises:
            Unavailable: it is not known to be stored.
        """
        return await self._itself(key, e.Said(by, body))

    async def _itself(self, key: str, event: e.Event) -> e.Entry:
        room = (await self.open(key)).room
        room.expect([event])
        entries = await self.journal.append(key, [event], "")
        return entries[0]

    async def notice(self, key: str, text: str) -> e.Entry:
        """Let the server itself tell those in the room ``key`` ``text``.

        Raises:
            Unavailable: it is not known to be stored.
        """
        return await self._itself(key, e.Noticed(text))

    def signal(self, session: Participant, key: str) -> None:
        """Let the others in the room ``key``, if they are few, see that ``session`` writes."""
        audience = self.audiences[key]
        if len(audience) > MOST_SIGNALLED:
            return
        signal = Typing(key, session.actor.name)
        for reader in audience.readers():
            if reader not in session.person.sessions and session.actor.key not in reader.ignored:
                reader.signal(signal)

    def tell(
        self, session: Participant, keys: Sequence[str], events: Sequence[e.Event], cid: str | None
    ) -> Deferred[Any]:
        """Put ``events``, which the rules allow, into the open logs ``keys``.

        Fires as for ``submit``; a ``Done`` is about the first log.
        """
        if cid is not None and cid in (answers := _answers(session)):
            return self.settle().addCallback(lambda _: answers[cid])
        first, *others = [
            self._append(session, self.audiences[key], events, None if at else cid)
            for at, key in enumerate(keys)
        ]
        for done in others:
            done.addErrback(lambda _: None)
        return first

    def refuse(self, refusal: Refused) -> Deferred[Any]:
        """Fail with ``refusal``, in order.

        It may rest on what is not durable yet: then it is told after that, or not at all.
        """
        failure = Failure(refusal)
        return self.settle().addCallback(lambda _: failure)

    def _append(
        self,
        session: Participant,
        audience: Audience,
        events: Sequence[e.Event],
        cid: str | None = None,
    ) -> Deferred[Any]:
        room, person = audience.room, session.person
        room.expect(events)
        done: Deferred[Any] = self.journal.append(room.key, events, person.origin, cid)
        if not session.echo:
            done.addCallback(_skip_own, session, audience)
        if cid is None:
            return done
        _answers(session)[cid] = None
        return done.addCallbacks(
            self._answered,
            self._unanswered,
            callbackArgs=(person, room, cid),
            errbackArgs=(person,),
        )

    def _answered(self, entries: Sequence[e.Entry], person: Person, room: Room, cid: str) -> Done:
        done = Done(cid, room.key, entries[-1].seq if entries else room.log.head)
        answers = person.answers
        if answers is not None:
            answers[cid] = done
            if len(answers) > REMEMBERED:
                del answers[next(iter(answers))]
        return done

    def _unanswered(self, failure: Failure, person: Person) -> Failure:
        person.answers = None  # only the store knows; it is asked before the next named command
        return failure

    async def recall(self, person: Person) -> None:
        """See that the answers to the named commands of ``person`` are in memory."""
        if person.answers is None:
            answers: Mapping[str, Done] = await self.journal.answers(person.origin)
            if person.answers is None:
                person.answers = dict(answers)

    # -- coming and going ----------------------------------------------------------

    def begin(self, session: Participant) -> None:
        """Let ``session`` hear what is told to everybody from now on."""
        audience = self.audiences[EVERYBODY]
        audience.open(Cursor(session, session.style, audience.room.log.head))

    def rename(
        self, session: Participant, old: Person, new: Name, registered: bool
    ) -> Deferred[Any]:
        """Let ``session``, which was ``old``, be called ``new`` in all its rooms.

        Fires when that is so. Both names belong to it meanwhile, and it asks for nothing.

        Errbacks:
            Unavailable: it is so in none of them.
        """
        last: Deferred[Any] = succeed(None)  # of appends that succeed or fail together
        for seat in session.rooms.values():
            room = seat.audience.room
            if old.name.key in room.decided.members:
                events = self._renaming(session, room, new, registered)
                last.addErrback(lambda _: None)
                last = self._append(session, seat.audience, events)
        return last

    def _renaming(
        self, session: Participant, room: Room, new: Name, registered: bool
    ) -> list[e.Event]:
        """Return what happens in ``room`` when ``session`` turns out to be ``new``."""
        old, now = session.actor, self._clock.seconds()
        ban = room.decided.bans.get(new.key) if registered else None
        if ban is not None and ban.holds(now):
            return [e.Left(old.name)]  # it was let in before it was known who it is
        events: list[e.Event] = [e.Renamed(old.name, new.text, registered)]
        mute = room.decided.mutes.get(old.target) if registered else None
        if mute is not None and mute.holds(now) and old.key not in room.decided.moderators:
            muted = e.Muted(new.text, mute.by, new.key, mute.until, mute.reason)
            events.append(muted)  # an account is no way out of it
        return events

    def exit(self, session: Participant) -> None:
        """Let ``session``, which is gone, leave every room; then its name is free again."""
        person = session.person
        person.sessions.discard(session)
        if self.rooms.closing:
            return
        self.leave_all(session)
        self.mark_seen(session)
        self.settle().addCallbacks(
            self._gone, self._lingers, callbackArgs=(session,), errbackArgs=(session,)
        )

    def leave_all(self, session: Participant) -> None:
        """Let ``session`` leave every room that none of its person's other sessions is in."""
        name = session.person.name
        for key, seat in session.rooms.items():
            room = seat.audience.room
            if name.key in room.decided.members and not self._others(session, key):
                left = [e.Left(name.text, not session.quitting)]
                self._append(session, seat.audience, left).addErrback(lambda _: None)

    def vacated(self, person: Person) -> Deferred[None]:
        """Fire when ``person`` is gone, or has another name, and its name is free."""
        done: Deferred[None] = Deferred()
        self._vacated.setdefault(person, []).append(done)
        return done

    def release(self, name: Name, person: Person, keeping: Name | None = None) -> None:
        """Let ``name`` go, which ``person`` does not use any more; tell those who wait for it."""
        self.people.release(name, person, keeping)
        for vacated in self._vacated.pop(person, ()):
            if not vacated.called:
                vacated.callback(None)

    def _gone(self, _: None, session: Participant) -> None:
        for audience in list(session.reading()):
            audience.drop(session)
        person = session.person
        if person.sessions:
            return
        self.release(person.name, person)
        self.rooms.let_go(inbox_of(session.person))

    def _lingers(self, failure: Failure, session: Participant) -> None:
        self._clock.callLater(RETRY_SECONDS, self.exit, session)

    def mark_seen(self, session: Participant) -> None:
        """Remember how far an account has read its own log, for when it comes back."""
        audience = self.audiences.get(inbox_of(session.person))
        if audience is None or not session.person.registered:
            return
        read, room = audience.drop(session), audience.room
        if read > room.decided.seen:
            events = [e.Seen(read)]
            room.expect(events)
            self.journal.append(room.key, events, "").addErrback(lambda _: None)

    def _others(self, session: Participant, key: str) -> bool:
        """Return whether another session of the same person is in ``key``, or about to be."""
        for other in session.person.sessions:
            seat = other.rooms.get(key) if other is not session else None
            if seat is not None and (seat.answering or seat.audience in other.reading()):
                return True
        return False

    # -- truth ---------------------------------------------------------------------

    def _deliver(self, entries: Sequence[e.Entry]) -> None:
        audience = self.audiences[entries[0].room]
        room = audience.room
        room.apply(entries)
        audience.used_at = entries[0].at
        for entry in entries:
            match entry.event:
                case e.Joined(who):
                    self._arrived(audience, who, entry.seq)
                case e.Left(who):
                    self._departed(audience, who, entry.seq, False)
                case e.Renamed(old, new) if not self.rooms.peopled(room.key, fold(new)):
                    self._departed(audience, old, entry.seq, True)  # it was given up, and is
                    self.rooms.reap_later(room.key)  # durable after all: nobody is called that
                case e.Kicked(who) | e.Banned(who):
                    self._departed(audience, who, entry.seq, True)
                case (
                    e.TopicSet() | e.Locked() | e.Unlocked() | e.RetentionSet()
                ):  # asked for elsewhere
                    self.journal.keep(room.key, room.log.head, room.state)
        self._chronicle.note(room, entries)
        head = room.log.head
        audience.unkept += sum([e.weight(entry.event) for entry in entries])
        if head // SNAPSHOT > (entries[0].seq - 1) // SNAPSHOT or audience.unkept > SNAPSHOT_BYTES:
            audience.unkept = 0
            self.journal.keep(room.key, head, room.state)
        self._turn.ring(audience)

    def _arrived(self, audience: Audience, who: str, seq: int) -> None:
        person = self.people.find(fold(who))
        key = audience.room.key
        seated = False
        for session in person.sessions if person else ():
            if key in session.rooms:
                self._seat(session, audience, seq - 1 if session.echo else seq)
                seated = True
        if not seated:
            self.rooms.reap_later(key)

    def _departed(self, audience: Audience, who: str, seq: int, put_out: bool) -> None:
        person = self.people.find(fold(who))
        for session in person.sessions if person else ():
            seat = session.rooms.get(audience.room.key)
            audience.close(session, seq, put_out)
            if seat is not None and seat.taken:  # else it is a wish to come back
                del session.rooms[audience.room.key]

    def _seat(self, session: Participant, audience: Audience, here: int) -> None:
        """Let ``session`` read as it wished; what is behind ``here`` is new to it."""
        seat, log = session.rooms[audience.room.key], audience.room.log
        seat.taken = True
        if audience.has(session):
            return
        if seat.since is not None:
            start = max(0, min(seat.since, here))
        elif seat.replay < 0:
            start = log.floor
        else:
            back = log.back(min(here, log.head), seat.replay)
            start = seat.back if back is None else back
        start = max(start, min(log.floor, here))  # what is gone is not promised
        if seat.since is None and start >= log.tail and not log.says(start, here):
            start = here  # nothing was said yet
        seat.start, seat.here = start, max(start, here)
        past = Cursor(session, session.past, start, seat.here, held=seat.answering)
        if start < here:
            past.closing = session.closing(audience.room, seat.here)
        audience.open(past, Cursor(session, session.style, seat.here))

    def _answering(self, result: Any, session: Participant, key: str) -> Any:
        """See that who is told that it is in a room reads there, whatever its other sessions did.

        Its arrival may have been in the log before, or be that of another of its sessions.
        """
        seat = session.rooms.get(key)
        if seat is None:
            return result
        room = seat.audience.room
        if isinstance(result, Failure):
            if seat.audience.has(session):  # from before, or its arrival was durable after all
                seat.taken = True
                seat.audience.release(session)
            else:
                del session.rooms[key]
        elif not seat.taken:
            if session.actor.key in room.state.members:
                self._seat(session, seat.audience, room.log.head)
            else:
                del session.rooms[key]  # it was in the room, and is no more
        seat.answering = False
        self._turn.ring(seat.audience)
        return result

    def _unseat(self, result: Any, session: Participant, audience: Audience) -> Any:
        audience.close(session, audience.room.log.head)
        self._turn.ring(audience)
        return result


def _answers(session: Participant) -> dict[str, Done | None]:
    answers = session.person.answers
    assert answers is not None, "not prepared"
    return answers


def _skip_own(
    entries: Sequence[e.Entry], session: Participant, audience: Audience
) -> Sequence[e.Entry]:
    mine = [entry.seq for entry in entries if isinstance(entry.event, e.OWN)]
    if mine:
        audience.skip(session, mine)
    return entries
