"""What staff may do to the server, what is noted of what it does, and how that is taken back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import assert_never

from chatnet.core import commands as c, dials, directory, events as e
from chatnet.core.addresses import network_of, party_of
from chatnet.core.durations import spell_duration
from chatnet.core.names import LONGEST, OPERATOR, fold
from chatnet.core.office import (
    KINDS,
    MOST_MEASURES,
    Measure,
    Office,
    parse_rank,
    spell,
)
from chatnet.core.refusals import Banned, Malformed, NoSuchPerson, NotAllowed
from chatnet.core.roles import Rank, outranks, whose
from chatnet.core.room import Actor, RoomState

LONGEST_REASON = 390  # characters
LEAST_LETTERS, MOST_WILD = 2, 6  # of a name's pattern: letters that are given, and * and ?
LEAST_WIDTH = {4: 8, 6: 16}  # bits of a network that may be banned, by IP version
LEAST_EXEMPT = {4: 8, 6: 32}  # and of one that may be exempt

OPERATOR_ACTOR = Actor(OPERATOR, OPERATOR, True, "", Rank.OWNER)  # who is at the machine itself


def permit(actor: Actor, verb: type[c.Command]) -> None:
    """See that the rank of ``actor`` is enough for ``verb``.

    Raises:
        NotAllowed: it is not.
    """
    if not outranks(verb, actor.rank):
        raise NotAllowed(f"{whose(verb, actor.rank)}, and you are {_article(actor.rank)}.")


def check_below(office: Office, actor: Actor, who: str) -> None:
    """See that ``actor`` may take over, or remove, the account ``who``.

    Raises:
        NotAllowed: its rank is as high.
    """
    held = office.rank(fold(who))
    if actor.rank < Rank.OWNER and held >= actor.rank:
        raise NotAllowed(f"{who} is {_article(held)}, and not yours to change.")


def check_by(office: Office, actor: Actor, by: str) -> None:
    """See that ``actor`` may take back what ``by`` did, whatever rank that has now.

    Raises:
        NotAllowed: its rank is higher.
    """
    held = Rank.OWNER if fold(by) == OPERATOR else office.rank(fold(by))
    if held > actor.rank:
        above = " or ".join(_article(rank) for rank in Rank if rank >= held)
        raise NotAllowed(f"That was done by {by}: {above} can take it back, and nobody below.")


def check_lift(
    office: Office,
    state: RoomState,
    actor: Actor,
    command: c.Ban | c.Mute | c.Unban | c.Unmute,
    now: float,
) -> None:
    """See that ``actor`` may lift, or lay anew, what staff of a higher rank laid in the room.

    What they did as moderators of the room is the room's affair.

    Raises:
        NotAllowed: their rank is higher.
    """
    held = state.bans if isinstance(command, c.Ban | c.Unban) else state.mutes
    target = command.target if isinstance(command, c.Ban | c.Mute) else ""
    for key, laid in held.items():
        meant = key == target or fold(laid.who) == fold(command.who)
        if meant and laid.holds(now) and fold(laid.by) not in state.moderators:
            check_by(office, actor, laid.by)


def decide(
    office: Office, actor: Actor, command: c.Governing, now: float, present: Iterable[Actor] = ()
) -> list[e.Acted]:
    """Return what happens when ``actor`` asks for ``command`` at ``now``.

    ``present`` are those who are here, among whom nobody may be hit whom ``actor`` may not touch.

    Raises:
        Refused: the rules do not allow it; nothing happens.
    """
    permit(actor, type(command))
    if len(command.reason) > LONGEST_REASON:
        raise Malformed(f"A reason has at most {LONGEST_REASON} characters.")
    match command:
        case c.SetRank():
            return [_rank(office, actor, command)]
        case c.ServerBan():
            return [_ban(office, actor, command, now, present)]
        case c.Exempt(kind, what, seconds, reason):
            if kind == "name":
                raise Malformed("An account or an address is exempt, not a name's pattern.")
            place = _place(kind, what)
            _check_exempt(place)
            _check_laid(office, actor, office.exempt.get(place), now)
            _room_for(office.exempt, place, now)
            until = now + seconds if seconds else 0.0
            return [e.Acted(actor.name, "exempt", place, until=until, reason=reason)]
        case c.ServerUnban(kind, what, reason):
            measure = _held(office.bans, kind, what, "banned", now)
            check_by(office, actor, measure.by)
            return [_lifted(actor, "unban", measure, reason)]
        case c.Unexempt(kind, what, reason):
            measure = _held(office.exempt, kind, what, "exempt", now)
            check_by(office, actor, measure.by)
            return [_lifted(actor, "unexempt", measure, reason)]
        case c.ServerSet(what, value, seconds, reason):
            value, was = dials.checked(what, value), _was(office, what, now)
            _check_set(office, actor, what, now)
            until = now + seconds if seconds else 0.0
            return [e.Acted(actor.name, "set", what, "", value, was, until, reason)]
        case c.ServerUnset(what, reason):
            was = _was(office, what, now)
            if not was:
                raise NotAllowed(f"Nobody set {what[:LONGEST]}: it is as the server was started.")
            _check_set(office, actor, what, now)
            return [e.Acted(actor.name, "unset", what, was=was, reason=reason)]
        case _:
            assert_never(command)


def _check_set(office: Office, actor: Actor, what: str, now: float) -> None:
    """See that ``actor`` may set ``what`` anew: for good or for a while, no higher rank set it.

    Raises:
        NotAllowed: it did.
    """
    for held in (office.passing.get(what), office.settings.get(what)):
        if held is not None and held.holds(now):
            check_by(office, actor, held.by)


def _was(office: Office, what: str, now: float) -> str:
    """Return what ``what`` is set to: until when, and the value; empty if nobody set it."""
    held = office.setting(what, now)
    return f"{held.until:.0f} {held.value}" if held is not None else ""


def _rank(office: Office, actor: Actor, command: c.SetRank) -> e.Acted:
    rank = parse_rank(command.rank)
    if rank is None:
        raise Malformed(f"Ranks are {', '.join(one.name.lower() for one in Rank)}.")
    who = command.target
    if not who:
        raise NoSuchPerson(f"There is no account called {command.who[:LONGEST]}.")
    held = office.rank(fold(who))
    if held is rank:
        raise NotAllowed(f"{who} is {_article(rank)} already.")
    if actor.rank < Rank.OWNER and (rank >= actor.rank or held >= actor.rank):
        raise NotAllowed(
            f"{who} is {_article(held)}, and you are {_article(actor.rank)}:"
            f" you cannot make {_article(rank)} of them."
        )
    owners = [key for key, (_, one) in office.ranks.items() if one is Rank.OWNER]
    if owners == [fold(who)]:
        raise NotAllowed(f"{who} is the server's last owner: make someone else one first.")
    return e.Acted(
        actor.name, "rank", who, to=rank.name.lower(), was=held.name.lower(), reason=command.reason
    )


def _ban(
    office: Office, actor: Actor, command: c.ServerBan, now: float, present: Iterable[Actor]
) -> e.Acted:
    place = _place(command.kind, command.what)
    if len(command.note) > LONGEST_REASON:
        raise Malformed(f"A note has at most {LONGEST_REASON} characters.")
    _, _, what = place.partition(" ")
    _check_width(command.kind, what)
    if office.is_exempt(command.kind, what, now):
        raise NotAllowed(f"{what} is exempt from bans. Lift that first.")
    until = now + command.seconds if command.seconds else 0.0
    if command.kind == "account" and what != actor.key and office.rank(what) >= actor.rank:
        raise NotAllowed(f"{what} is {_article(office.rank(what))}, and not yours to ban.")
    _check_laid(office, actor, office.bans.get(place), now)
    _room_for(office.bans, place, now)
    event = e.Acted(actor.name, "ban", place, until=until, reason=command.reason, note=command.note)
    only = office.with_only(event)
    for one in [actor, *(one for one in present if one.rank)]:
        if barred(only, one, now) is None:
            continue
        if one.key == actor.key:
            raise NotAllowed("That would keep yourself out.")
        if one.rank >= actor.rank:
            raise NotAllowed(f"That would keep out {one.name}, who is {_article(one.rank)}.")
    return event


def barred(office: Office, actor: Actor, now: float) -> Measure | None:
    """Return the ban that keeps ``actor`` out; None if none does.

    The operator is at the machine itself, and cannot be kept out.
    """
    by_name = office.bars_name(actor.name, actor.registered, now) if actor.name else None
    return by_name or office.bars_address(actor.address, now)


def refusal(ban: Measure, now: float) -> Banned:
    """Return what to tell those whom ``ban`` keeps out."""
    what = "You are banned from this server"
    if ban.kind == "account":
        what = f"The account {ban.what} is suspended"
    left = f" for another {spell_duration(ban.until - now)}" if ban.until else ""
    why = f": {ban.reason.rstrip('.')}." if ban.reason else "."
    return Banned(
        f"{what}{left}{why} If you think that is a mistake, tell its"
        f" operator, and name ban {ban.id}."
    )


# -- what is noted, and taken back -----------------------------------------------------


def noted(
    state: RoomState, actor: Actor, command: c.RoomCommand, events: Sequence[e.Event]
) -> e.Acted | None:
    """Return what the staff's log says of ``command``, which ``actor`` may do.

    That is by rank alone, or about what rooms are called and which there are. ``state`` is the
    room's before ``events``, which it causes. None if nothing: it is no act of staff, or nothing
    happens.
    """
    verb = _VERBS.get(type(command))
    event = None if not events else events[0] if isinstance(command, c.Configure) else events[-1]
    if verb is None or event is None:
        return None
    whom = str(getattr(event, "who", "") or getattr(event, "author", ""))
    before = {
        c.SetTopic: state.topic,
        c.RenameRoom: state.name,
        c.Retain: f"{state.retention:g}",
        c.Configure: f"{state.settings.get(getattr(command, 'setting', ''), 0.0):g}",
        c.Own: state.moderators.get(state.owner, ""),
    }
    to = ""
    match event:
        case e.TopicSet(_, topic):
            to = topic
        case e.RetentionSet(_, seconds):
            to = f"{seconds:g}"
        case e.Configured(_, setting, value):
            whom, to = setting, f"{value:g}"
        case e.RoomRenamed(_, _, new):
            to = new
        case e.Deleted(_, message):
            to = f"#{message}"
        case _:
            pass
    return e.Acted(
        actor.name,
        verb,
        whom,
        state.name,
        to,
        before.get(type(command), "") or _until_before(state, event),
        float(getattr(event, "until", 0.0)),
        str(getattr(event, "reason", "")),
    )


def _until_before(state: RoomState, event: e.Event) -> str:
    """Return until when what ``event`` lifts would have held; empty if it lifts nothing."""
    match event:
        case e.Unbanned(_, _, target) if target in state.bans:
            return f"{state.bans[target].until:.0f}"
        case e.Unmuted(_, _, target) if target in state.mutes:
            return f"{state.mutes[target].until:.0f}"
        case _:
            return ""


_VERBS: dict[type[c.Command], str] = {
    c.Kick: "kick", c.Ban: "ban", c.Unban: "unban", c.Mute: "mute", c.Unmute: "unmute",
    c.Op: "op", c.Deop: "deop", c.Own: "owner", c.Lock: "lock", c.Unlock: "unlock",
    c.Voice: "voice", c.Devoice: "devoice", c.Invite: "invite", c.Configure: "set",
    c.SetTopic: "topic", c.Retain: "retain", c.Delete: "delete",
    c.RenameRoom: directory.RENAMED, c.DeleteRoom: directory.DELETED,
    c.RestoreRoom: directory.RESTORED,
}  # fmt: skip


def undo(act: e.Acted, now: float) -> c.Moderation | c.Governing | None:
    """Return the command that takes ``act`` back at ``now``; None if it cannot be.

    Who was put out is not brought back, and what was deleted is gone.
    """
    return _undo_in_room(act, now) if act.where else _undo(act, now)


def _undo(act: e.Acted, now: float) -> c.Governing | None:
    kind, _, what = act.whom.partition(" ")
    left = act.until - now if act.until else 0.0
    match act.verb:
        case "rank":
            return c.SetRank(act.whom, act.was)
        case "ban":
            return c.ServerUnban(kind, what)
        case "exempt":
            return c.Unexempt(kind, what)
        case "set" | "unset":
            return _turned_back(act, now)
        case "unban" if left >= 0:
            return c.ServerBan(kind, what, left, act.was, act.note)
        case "unexempt" if left >= 0:
            return c.Exempt(kind, what, left, act.was)
        case _:
            return None


def _turned_back(act: e.Acted, now: float) -> c.ServerSet | c.ServerUnset | None:
    """Return what lets be so again what was so before ``act`` set, or unset, something."""
    if act.until and act.until <= now:
        return None
    until, _, value = act.was.partition(" ")
    over = not until or 0 < float(until) <= now
    if not over:
        return c.ServerSet(act.whom, value, float(until) - now if float(until) else 0)
    return c.ServerUnset(act.whom) if act.verb == "set" else None


def _undo_in_room(act: e.Acted, now: float) -> c.Moderation | None:
    room, whom = act.where, act.whom
    match act.verb:
        case "ban":
            return c.Unban(room, whom)
        case "mute":
            return c.Unmute(room, whom)
        case "unban" | "unmute":
            until = float(act.was or 0)
            if until and until <= now:
                return None
            again = c.Ban if act.verb == "unban" else c.Mute
            return again(room, whom, until - now if until else 0)
        case "op":
            return c.Deop(room, whom)
        case "deop":
            return c.Op(room, whom)
        case "owner":
            return c.Own(room, act.was) if act.was else None
        case "voice":
            return c.Devoice(room, whom)
        case "devoice":
            return c.Voice(room, whom)
        case directory.RENAMED:
            return c.RenameRoom(whom, act.was)
        case directory.DELETED if not act.until or now < act.until:
            return c.RestoreRoom(whom)
        case "set":
            return c.Configure(room, whom, float(act.was))
        case "lock":
            return c.Unlock(room)
        case "topic":
            return c.SetTopic(room, act.was)
        case "retain":
            return c.Retain(room, float(act.was or 0))
        case _:
            return None


# -- how -------------------------------------------------------------------------------


def _place(kind: str, what: str) -> str:
    """Return under what ``what`` is kept.

    Raises:
        Malformed: it is nothing of that ``kind``.
    """
    if kind not in KINDS:
        raise Malformed(f"It is {', '.join(KINDS[:-1])} or {KINDS[-1]} that is banned.")
    spelled = spell(kind, what[:LONGEST])
    if not spelled:
        raise Malformed(f"{what[:LONGEST]} is no {kind}.")
    if kind == "name":
        wild = sum(spelled.count(one) for one in "*?")
        if wild > MOST_WILD or len(spelled) - wild < LEAST_LETTERS:
            raise Malformed(
                f"A pattern has {LEAST_LETTERS} letters or more, and {MOST_WILD} * and ? at most."
            )
    return f"{kind} {spelled}"


def _check_width(kind: str, what: str) -> None:
    net = network_of(what) if kind == "address" else None
    if net is None:
        return
    if not party_of(str(net.network_address)):
        raise NotAllowed("This machine itself cannot be banned.")
    least = LEAST_WIDTH[net.version]
    if net.prefixlen < least:
        raise NotAllowed(f"{what} is too much of the world: /{least} is the most at once.")


def _check_laid(office: Office, actor: Actor, laid: Measure | None, now: float) -> None:
    """See that ``actor`` may lay something in the place of ``laid``, which would be lifted."""
    if laid is not None and laid.holds(now):
        check_by(office, actor, laid.by)


def _check_exempt(place: str) -> None:
    kind, _, what = place.partition(" ")
    net = network_of(what) if kind == "address" else None
    if net is not None and net.prefixlen < LEAST_EXEMPT[net.version]:
        least = LEAST_EXEMPT[net.version]
        raise NotAllowed(f"{what} is too much of the world: /{least} is the most that is exempt.")


def _room_for(held: dict[str, Measure], place: str, now: float) -> None:
    if place not in held and sum(one.holds(now) for one in held.values()) >= MOST_MEASURES:
        raise NotAllowed(f"The server holds {MOST_MEASURES:,} of these. Lift one first.")


def _held(held: dict[str, Measure], kind: str, what: str, how: str, now: float) -> Measure:
    measure = held.get(_place(kind, what))
    if measure is None or not measure.holds(now):
        raise NoSuchPerson(f"{what[:LONGEST]} is not {how}.")
    return measure


def _lifted(actor: Actor, verb: str, measure: Measure, reason: str) -> e.Acted:
    return e.Acted(
        actor.name,
        verb,
        f"{measure.kind} {measure.what}",
        was=measure.reason,
        until=measure.until,
        reason=reason,
        note=measure.note,
    )


def _article(rank: Rank) -> str:
    name = rank.name.lower()
    return f"an {name}" if name[0] in "ao" else f"a {name}"
