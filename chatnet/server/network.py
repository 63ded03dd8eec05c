"""The live network: every room and everyone in it. The only place where truth changes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from itertools import repeat
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from chatnet.core import commands as c, events as e, rules, staff, terms
from chatnet.core.durations import spell_duration
from chatnet.core.names import EVERYBODY, STAFF, Name, fold, room_name
from chatnet.core.office import Office
from chatnet.core.refusals import NameTaken, NotAllowed, Refused, Unavailable
from chatnet.core.replies import Done, Typing
from chatnet.core.room import Actor, Room
from chatnet.core.series import Series
from chatnet.interfaces import IJournal
from chatnet.server.answers import Answers, Origins
from chatnet.server.audience import Audience
from chatnet.server.chronicle import Chronicle, Transcript
from chatnet.server.cursors import Cursor
from chatnet.server.meter import Meter
from chatnet.server.people import People, Person
from chatnet.server.rooms import RETRY_SECONDS, Rooms, ghosts
from chatnet.server.seating import Seating
from chatnet.server.seats import Participant, Seat, inbox_of
from chatnet.server.turn import Turn
from chatnet.server.visitors import Visitors
from chatnet.settings import Settings
from chatnet.wires.budget import Budget

SNAPSHOT, SNAPSHOT_BYTES = 1000, 4 * 1024 * 1024  # entries, or their weight, between two kept
# states of a room: what is read again when it is opened


RENAME_SECONDS = 60.0  # between two names of a room, for those without a rank
_NAMING = (c.RenameRoom, c.DeleteRoom, c.RestoreRoom)  # which is noted, whoever does it
_NOBODY = Office()  # is in charge: one for all who ask, who only read it
_OWN = set(e.OWN)
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
        self.meter = Meter()
        self.budget = budget or Budget(clock, Settings().budget)
        self.rooms = Rooms(journal, clock, self.budget, retention)
        self.seating = Seating(self.people, turn, self.rooms.reap_later)
        self.origins = Origins()
        self.audiences = self.rooms.audiences
        self.start = self.rooms.start
        self.open = self.rooms.open
        self.journal = journal
        self.settle = journal.settle
        self._clock = clock
        self.chronicle = Chronicle(clock, transcript)
        self.visitors = Visitors(self, clock)
        self.erasing: set[str] = set()  # the keys of accounts that just are
        # What answers a line of an operator's, who is connected by that id.
        self.desk: Callable[[Actor, str, str], Awaitable[str]] | None = None
        self.watchers: list[Callable[[e.Entry], None]] = []  # who is told what staff did
        self.erased: Callable[[str, int], object] = lambda _key, _seq: None  # hears of deletions
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
        if cid is not None and cid in _answers(session):
            return self._again(session, cid)
        try:
            events, act = self._decide(audience.room, session.actor, command)
        except Refused as refusal:
            return self.refuse(refusal)
        if act is not None:
            done = self._append(session, audience, events, cid)
            self.note([act]).addErrback(lambda _: None)  # it falls with what it is about
            return done
        if seat is not None:
            self.seating.wish(session, seat)
            done = self._append(session, audience, events, cid)
            return done.addBoth(self.seating.granted, session, seat)
        if isinstance(command, c.Leave) and self.seating.others(session, key):
            seat = self.seating.leave(session, key)  # one of someone's sessions goes
            done = self._append(session, audience, (), cid)
            return done.addBoth(self.seating.left, session, seat)
        return self._append(session, audience, events, cid)

    def is_plain(self, session: Participant, key: str) -> bool:
        """Return whether no rule of the room ``key`` is to be asked when ``session`` speaks."""
        audience = self.audiences.get(key)
        return audience is not None and rules.speaks_freely(audience.room.decided, session.actor)

    def say_all(self, session: Participant, key: str, bodies: Sequence[str]) -> Deferred[Any]:
        """Say all ``bodies`` in the open room ``key``, where ``session`` speaks freely.

        Fires as ``submit`` does.
        """
        name = session.actor.name
        said = list(map(e.Said, repeat(name), bodies))
        return self._append(session, self.audiences[key], said)

    def _decide(
        self, room: Room, actor: Actor, command: c.RoomCommand
    ) -> tuple[list[e.Event], e.Acted | None]:
        """Return what happens when ``actor`` asks for ``command``, and what is noted of it.

        Raises:
            Refused: the rules do not allow it.
        """
        now = self._clock.seconds()
        spoken = c.Say | c.Seal | c.Roll | c.Share
        slow = "slow" in room.decided.settings and isinstance(command, spoken)
        if slow:
            role = rules.role_of(room.decided, actor, now)
            terms.check_pace(room.decided, role, room.spoke.get(actor.key, 0.0), now)
        events = rules.decide(room.decided, actor, command, now)
        if slow:
            room.speaks(actor.key, now)
        if isinstance(command, c.Say):  # by far the most frequent, and never noted
            return events, None
        self._vet(room, actor, command, events)
        if isinstance(command, c.Join | c.Encrypt):
            events = [self.rooms.rekeying.noting(room.decided, event) for event in events]
        if isinstance(command, _NAMING):
            act = staff.noted(room.decided, actor, command, events)
            return events, replace(act, whom=room.key) if act is not None else None
        if actor.rank and rules.by_rank(room.decided, actor, command, now):
            return events, staff.noted(room.decided, actor, command, events)
        return events, None

    def foresee(self, actor: Actor, key: str, command: c.RoomCommand) -> list[e.Event]:
        """Return what would happen if ``actor`` asked for ``command`` in the open room ``key``.

        Raises:
            Refused: the rules say no.
        """
        return self._decide(self.audiences[key].room, actor, command)[0]

    def _vet(
        self, room: Room, actor: Actor, command: c.RoomCommand, events: Sequence[e.Event]
    ) -> None:
        """See that ``command`` is allowed by what is so on the server, besides in ``room``.

        Raises:
            Refused: it is not.
        """
        state, office = room.decided, self.office
        match command:
            case c.Join() if not state.name:
                office.rooms.check_free(room.key)
                self._check_unlike(room, command)
            case c.RenameRoom() if events:
                self.check_name(room, actor, command)
            case c.Seal():
                self.rooms.rekeying.check(room)
            case c.RestoreRoom() if state.deleted is not None:
                staff.check_by(office, actor, state.deleted.by)
            case c.Ban() | c.Mute() | c.Unban() | c.Unmute():
                staff.check_lift(office, state, actor, command, self._clock.seconds())

    def check_name(self, room: Room, actor: Actor, command: c.RenameRoom) -> None:
        """See that nothing else is, or was, called what ``room`` is to be called.

        If another room could be, that must be in memory: it may be opened at any moment.

        Raises:
            Refused: something is, or the room was just renamed.
        """
        wait = room.called_at + RENAME_SECONDS - self._clock.seconds()
        if wait > 0 and not actor.rank:
            raise NotAllowed(
                f"The room was renamed just now. Do it again in {spell_duration(wait)}."
            )
        name = room_name(command.name)
        other = self.audiences.get(name.key)
        opened = other is None or bool(other.room.decided.name)
        self.office.rooms.check_name(room.key, name.text, opened)
        if self.key_of(name.text) != room.key:  # it may have a name again that it had before
            self._check_unlike(room, command)

    def _check_unlike(self, room: Room, command: c.Join | c.RenameRoom) -> None:
        """See that what ``room`` is to be called looks like the name of no other one.

        Raises:
            NameTaken: it does.
        """
        name = room_name(command.name if isinstance(command, c.RenameRoom) else command.room)
        other = self.rooms.likeness.other(room.key, name)
        if other:
            enter = f" /join {other} enters it." if isinstance(command, c.Join) else ""
            raise NameTaken(
                f"{name.text} looks too much like {other}, which is another room.{enter}"
            )

    def order(self, actor: Actor, key: str, command: c.RoomCommand) -> Deferred[Series]:
        """Ask for ``command`` in the open room ``key`` for ``actor``, who has no session.

        Fires with its entries, once they are durable and delivered here.

        Errbacks:
            Refused: the rules say no, or the store does.
        """
        try:
            events, act = self._decide(self.audiences[key].room, actor, command)
        except Refused as refusal:
            return self.refuse(refusal)
        done = self.write(key, events)
        if act is not None:
            self.note([act]).addErrback(lambda _: None)
        return done

    def note(self, acts: Sequence[e.Acted]) -> Deferred[Series]:
        """Put ``acts``, which the rules allow, into the staff's log; fires as ``write``."""
        return self.write(STAFF, acts)

    def write(self, key: str, events: Sequence[e.Event]) -> Deferred[Series]:
        """Put ``events``, which the rules allow, into the open log ``key``.

        Fires with their entries once they are durable and delivered here.

        Errbacks:
            Unavailable: they are not known to be stored.
        """
        self.audiences[key].room.expect(events)
        return self.journal.append(key, events, "")

    def key_of(self, name: str) -> str:
        """Return the key of the log of the room that is, was, or could be called ``name``.

        Raises:
            BadName: no room can be called that.
        """
        key, office = room_name(name).key, self.audiences[STAFF].room.decided.office
        return office.rooms.key_of(key) if office is not None else key

    @property
    def office(self) -> Office:
        """Who is staff, and who is kept out, when all that was decided has happened."""
        return self.audiences[STAFF].room.decided.office or _NOBODY

    async def speak(self, key: str, by: str, body: str) -> e.Entry:
        """Let the server itself say ``body`` in the room ``key``, as ``by``; rules do not bind it.

        Raises:
            NoSuchRoom: it was deleted.
            Unavailable: it is not known to be stored.
        """
        return await self._itself(key, e.Said(by, body))

    async def _itself(self, key: str, event: e.Event) -> e.Entry:
        room = (await self.open(key)).room
        terms.check_there(room.decided)
        room.expect([event])
        entries = await self.journal.append(key, [event], "")
        return entries[0]

    async def notice(self, key: str, text: str) -> e.Entry:
        """Let the server itself tell those in the room ``key`` ``text``.

        Raises:
            NoSuchRoom: it was deleted.
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
        if cid is not None and cid in _answers(session):
            return self._again(session, cid)
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
        """Append ``events``, and do not show ``session`` what it need not be shown of them."""
        room, person = audience.room, session.person
        room.expect(events)
        done: Deferred[Any] = self.journal.append(room.key, events, person.origin, cid)
        if not session.echo:
            done.addCallback(_skip_own, session, audience)
        if cid is None:
            return done
        answers = _answers(session)
        answers.expect(cid)
        return done.addCallbacks(
            _answered, _unanswered, callbackArgs=(answers, room, cid), errbackArgs=(answers, cid)
        )

    def _again(self, session: Participant, cid: str) -> Deferred[Any]:
        """Give the answer to ``cid``, which was asked for before, once there is one."""
        return self.settle().addCallback(_repeated, _answers(session), cid)

    async def recall(self, person: Person) -> None:
        """See that the answers to the named commands of ``person`` are in memory.

        Raises:
            OSError: the store cannot be read.
        """
        if person.answers is None:
            person.answers = self.origins.answers(person.origin)
        if not person.answers.complete:
            await person.answers.recall(self.journal)

    # -- coming and going ----------------------------------------------------------

    def begin(self, session: Participant) -> None:
        """Let ``session`` hear what is told to everybody from now on."""
        audience = self.audiences[EVERYBODY]
        audience.open(Cursor(session, session.style, audience.room.log.head))

    def rename(
        self, session: Participant, old: Person, new: Name, registered: bool
    ) -> Deferred[None]:
        """Let ``session``, which was ``old``, be called ``new`` in all its rooms.

        Fires when that is so, and all is shown that was decided about it by its old name. Both
        names belong to it meanwhile, and it asks for nothing.

        Errbacks:
            Unavailable: it is so in none of them.
        """
        for seat in session.rooms.values():
            room = seat.audience.room
            if old.name.key in room.decided.members:
                events = ghosts(seat.audience, new.key)  # with its rights, if it has any
                events += self._renaming(session, room, new, registered)
                seat.put_out = isinstance(events[-1], e.Left)
                self._append(session, seat.audience, events).addErrback(lambda _: None)
        return self.settle()  # appends that wait together succeed or fail together

    def _renaming(
        self, session: Participant, room: Room, new: Name, registered: bool
    ) -> list[e.Event]:
        """Return what happens in ``room`` when ``session`` turns out to be ``new``."""
        old, now = session.actor, self._clock.seconds()
        ban = room.decided.bans.get(new.key) if registered else None
        if ban is not None and ban.holds(now):
            return [e.Left(old.name)]  # it was let in before it was known who it is
        renamed = e.Renamed(old.name, new.text, registered)
        events = [self.rooms.rekeying.noting(room.decided, renamed)]
        mute = room.decided.mutes.get(old.target) if registered else None
        if mute is not None and mute.holds(now) and old.key not in room.decided.moderators:
            muted = e.Muted(new.text, mute.by, new.key, mute.until, mute.reason)
            events.append(muted)  # an account is no way out of it
        return events

    def exit(self, session: Participant) -> None:
        """Let ``session``, which is gone, leave every room; then its name is free again."""
        person = session.person
        if session in person.sessions:
            del person.sessions[session]
        if self.rooms.closing:
            return
        self.visitors.sees(session.actor)
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
            if name.key in room.decided.members and not self.seating.others(session, key):
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
        self.seating.vacate(session)
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

    # -- truth ---------------------------------------------------------------------

    def _deliver(self, entries: Series) -> None:
        audience = self.audiences[entries.room]
        room = audience.room
        plain = entries.kinds == {e.Said}  # nearly always, and it changes nothing
        self.meter.deliver(entries, room.log.head)
        audience.unkept += room.log.extend(entries)
        audience.used_at = entries.times[0]
        listed = False  # whether something happened that is asked for while nobody is there
        named = False  # or that changes what rooms are called
        for entry in entries if not plain else ():
            match entry.event:
                case e.Joined(who):
                    self.seating.arrived(audience, fold(who), entry.seq)
                case e.Left(who):
                    self.seating.departed(audience, fold(who), entry.seq, False)
                case e.Kicked(who) | e.Banned(who) if fold(who) in room.state.members:
                    self.seating.departed(audience, fold(who), entry.seq, True)
                case e.Renamed(old, new):
                    self.seating.renamed(audience, fold(old), fold(new), entry.seq)
                case e.Invited(who, by):
                    self._invited(room, fold(who), by)
                case e.Deleted(_, message):
                    self.erased(room.key, message)
                case e.RoomDeleted():
                    listed = named = True
                    for key in room.state.members:
                        self.seating.departed(audience, key, entry.seq, True)
                case (
                    e.TopicSet() | e.Locked() | e.Unlocked() | e.RetentionSet() | e.Encrypted()
                ):  # fmt: skip
                    listed = True
                case e.RoomRenamed() | e.RoomRestored() | e.RoomDiscarded():
                    listed = named = True
                case e.Opened():
                    named = True
                    listed |= entry.seq > 1  # again, after it was discarded
            room.evolve(entry)
        self.chronicle.note(room, entries)
        if named:
            self.rooms.likeness.note(room.key, room.state)
        head = room.log.head
        if (
            listed
            or head // SNAPSHOT > (entries.first - 1) // SNAPSHOT
            or audience.unkept > SNAPSHOT_BYTES
        ):
            audience.unkept = 0
            self.journal.keep(room.key, head, room.state)
        self._turn.ring(audience)
        if room.key == STAFF:
            for entry in entries:
                self._acted(entry)

    def _invited(self, room: Room, who: str, by: str) -> None:
        person = self.people.find(who)
        for session in person.sessions if person is not None else ():
            session.tell(f"{by} invites you to {room.name}: /join {room.name}")

    def _acted(self, entry: e.Entry) -> None:
        """Let a rank be had by those who are here, and all who watch know of it."""
        event = entry.event
        if isinstance(event, e.Acted) and event.verb == "rank":
            person = self.people.find(fold(event.whom))
            if person is not None and person.registered:
                for session in person.sessions:
                    rank = self.office.rank(person.name.key)
                    session.actor = replace(session.actor, rank=rank)
        for watcher in list(self.watchers):
            watcher(entry)


def _answered(entries: Series, answers: Answers, room: Room, cid: str) -> Done:
    done = Done(cid, room.key, entries.last if entries else room.log.head)
    answers.add(done)
    return done


def _repeated(_: None, answers: Answers, cid: str) -> Done:
    done = answers.get(cid)
    if done is None:
        raise Unavailable("It is not known yet what became of that. Please try again.")
    return done


def _unanswered(failure: Failure, answers: Answers, cid: str) -> Failure:
    answers.fail(cid)
    return failure


def _answers(session: Participant) -> Answers:
    answers = session.person.answers
    assert answers is not None, "not prepared"
    return answers


def _skip_own(entries: Series, session: Participant, audience: Audience) -> Series:
    if entries and entries.kinds <= _OWN:  # nearly always
        audience.skip(session, entries.places)
        return entries
    for entry in entries:
        if type(entry.event) in _OWN:
            audience.skip(session, range(entry.seq, entry.seq + 1))
    return entries
