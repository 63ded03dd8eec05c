"""The rules: from what is true and what is asked, to what happens. Changes nothing itself."""

from __future__ import annotations

import re
from typing import assert_never

from chatnet.core import commands as c, events as e, terms
from chatnet.core.devices import check_sealed
from chatnet.core.durations import spell_duration
from chatnet.core.files import File
from chatnet.core.names import fold, room_name
from chatnet.core.refusals import (
    Banned,
    Encrypted,
    Malformed,
    Muted,
    NeedsAccount,
    NoSuchPerson,
    NoSuchRoom,
    NotAllowed,
    NotAMember,
    PasswordNeeded,
    Refused,
    Stale,
    WrongPassword,
)
from chatnet.core.roles import RIGHTS, Role, outranks, permits, whose
from chatnet.core.room import MOST_READERS, MOST_SANCTIONS, Actor, RoomState, Sanction

LONGEST_TOPIC = LONGEST_REASON = 390  # characters
LONGEST_LOCK = 128  # characters of a room's password
SHORTEST_RETENTION, LONGEST_RETENTION = 60, 1_000_000_000  # seconds
MOST_WHISPERS = 10  # of one /spam
MOST_DICE, MOST_SIDES = 20, 1000

_AS_ANOTHER = ". /logout, then come again as someone else."
_COME_AGAIN: dict[type[c.Command], str] = {
    c.Nick: ", and your account's name is yours to keep. Come again to be someone else: /logout",
    c.Register: ". /logout, then come again to make another account.",
}
_DICE = re.compile(r"(\d{0,3})d(\d{1,4})", re.ASCII | re.IGNORECASE)


def role_of(state: RoomState, actor: Actor, now: float) -> Role:
    """Return what ``actor`` is to the room at ``now``, in UTC seconds since the epoch."""
    if actor.key in state.moderators:
        if actor.key not in state.members:
            return Role.OUTSIDER
        return Role.OWNER if actor.key == state.owner else Role.MODERATOR
    if actor.key in state.members:
        mute = state.mutes.get(actor.target) if state.mutes else None
        if mute and mute.holds(now):
            return Role.MUTED
        return Role.VOICE if actor.key in state.voices else Role.MEMBER
    ban = state.bans.get(actor.target) if state.bans else None
    return Role.BANNED if ban and ban.holds(now) else Role.OUTSIDER


def permit(state: RoomState, actor: Actor, verb: type[c.Command], now: float) -> None:
    """See that ``actor`` may do ``verb`` in the room at ``now``.

    Raises:
        Refused: not so; the sentence says why.
    """
    role = role_of(state, actor, now)
    if not permits(verb, role, actor.registered, actor.rank):
        raise _refusal(state, actor, verb, role, now)


def by_rank(state: RoomState, actor: Actor, command: c.RoomCommand, now: float) -> bool:
    """Return whether it is by rank alone that ``actor`` may do ``command``, as staff."""
    verb = type(command)
    if not actor.rank or not outranks(verb, actor.rank):
        return False
    role = role_of(state, actor, now)
    return not permits(verb, role, actor.registered) or role < _least(state, actor, command)


def _least(state: RoomState, actor: Actor, command: c.RoomCommand) -> int:
    """Return the least role for ``command``, where the table says not all.

    It is more than any role if none is enough.
    """
    match command:
        case c.Kick(_, who) | c.Ban(_, who) | c.Mute(_, who) if fold(who) != actor.key:
            fellow = isinstance(command, c.Ban) and fold(who) in state.moderators
            return Role.OWNER + 1 if fellow or fold(who) == state.owner else Role.BANNED
        case c.Configure(_, "closed"):
            return Role.OWNER
        case c.Delete(own=False):
            return Role.MODERATOR
        case _:
            return Role.BANNED


def permit_person(actor: Actor, verb: type[c.Command]) -> None:
    """See that ``actor`` may do ``verb``, which is about no room.

    Raises:
        Refused: not so; the sentence says why.
    """
    if not permits(verb, Role.OUTSIDER, actor.registered, actor.rank):
        raise _refusal(RoomState(), actor, verb, Role.OUTSIDER, 0)


def look(state: RoomState, actor: Actor, query: type[c.RoomQuery], now: float) -> None:
    """See that ``actor`` may ask ``query`` about the room: a locked one shows itself to members.

    Raises:
        Refused: not so; the sentence says why.
    """
    permit(state, actor, query, now)
    if state.lock and not actor.rank and role_of(state, actor, now) < Role.MUTED:
        raise NotAMember(f"The room {state.name} has a password; only those in it see that.")


def speaks_freely(state: RoomState, actor: Actor) -> bool:
    """Return whether nothing but being a member counts when ``actor`` speaks in the room."""
    rules = state.mutes or state.settings or state.encrypted
    return not rules and actor.key in state.members


def decide(state: RoomState, actor: Actor, command: c.RoomCommand, now: float) -> list[e.Event]:
    """Return what happens when ``actor`` asks for ``command`` at ``now``.

    Raises:
        Refused: the rules do not allow it; nothing happens.
    """
    if isinstance(command, c.Say):  # by far the most frequent, and the simplest
        if not speaks_freely(state, actor):
            terms.check_there(state)
            permit(state, actor, c.Say, now)
            terms.check_voice(state, role_of(state, actor, now))
            check_plain(state)
        return [e.Said(actor.name, command.body, command.action)]
    if isinstance(command, c.Join) and actor.key in state.members:
        return []
    if not isinstance(command, c.RestoreRoom):
        terms.check_there(state)
    permit(state, actor, type(command), now)
    if not (state.name or state.members or isinstance(command, c.Join)):
        raise NoSuchRoom(f"There is no room called {command.room}.")
    match command:
        case c.Seal():
            return [_sealed(state, actor, command, role_of(state, actor, now))]
        case c.Encrypt():
            return _encrypt(state, actor)
        case c.Roll(_, dice, faces):
            parse_dice(dice)
            terms.check_voice(state, role_of(state, actor, now))
            return [e.Rolled(actor.name, dice, faces)]
        case c.Share(_, file):
            terms.check_voice(state, role_of(state, actor, now))
            if not file.sealed:
                check_plain(state)
            return [_shared(actor, file)]
        case c.Join():
            return _join(state, actor, command)
        case c.Leave():
            return [e.Left(actor.name)]
        case c.SetTopic(_, topic):
            return [e.TopicSet(actor.name, _short(topic, "topic", LONGEST_TOPIC))]
        case c.Kick(_, who, reason):
            _check_touch(state, actor, command)
            name = state.readers.get(fold(who)) or _member(state, who)  # it may have lost the link
            return [e.Kicked(name, actor.name, _reason(reason))]
        case c.Ban() | c.Mute():
            return _sanction(state, actor, command, now)
        case c.Unban(_, who):
            target, ban = _find(state.bans, who, "banned", now)
            return [e.Unbanned(ban.who, actor.name, target)]
        case c.Unmute(_, who):
            target, mute = _find(state.mutes, who, "muted", now)
            return [e.Unmuted(mute.who, actor.name, target)]
        case c.Op(_, who):
            name = _member(state, who)
            return [] if fold(name) in state.moderators else [e.Promoted(name, actor.name)]
        case c.Voice(_, who):
            name = _member(state, who)
            return [] if fold(name) in state.voices else [e.Voiced(name, actor.name)]
        case c.Devoice(_, who):
            if fold(who) not in state.voices:
                raise NotAllowed(f"{who} has no voice of its own here.")
            return [e.Devoiced(state.voices[fold(who)], actor.name)]
        case c.Invite():
            return terms.invite(state, actor, command)
        case c.Configure():
            return terms.configure(state, actor, role_of(state, actor, now), command)
        case c.RenameRoom():
            return terms.rename(state, actor, command)
        case c.DeleteRoom(_, reason, grace):
            return [e.RoomDeleted(actor.name, _reason(reason), now + grace if grace else 0.0)]
        case c.RestoreRoom():
            return terms.restore(state, actor, now)
        case c.Own(_, who):
            name = _member(state, who)
            if fold(name) == state.owner:
                return []
            owned: list[e.Event] = [e.Owned(name, actor.name)]
            if fold(name) in state.moderators:
                return owned
            return [e.Promoted(name, actor.name), *owned]
        case c.Deop(_, who):
            return _demote(state, actor, who)
        case c.Lock(_, _, lock):
            return [e.Locked(actor.name, lock)]
        case c.Unlock():
            if not state.lock:
                raise NotAllowed(f"The room {state.name} has no password.")
            return [e.Unlocked(actor.name)]
        case c.Delete(_, message, reason, author):
            role = role_of(state, actor, now)
            if role < _least(state, actor, command) and not outranks(c.Delete, actor.rank):
                raise _refusal(state, actor, c.Delete, role, now)
            return [e.Deleted(actor.name, message, _reason(reason), author)]
        case c.Retain(_, seconds):
            if seconds and not SHORTEST_RETENTION <= seconds <= LONGEST_RETENTION:
                raise Malformed("Messages are kept for a minute at least: /retain 30d, /retain off")
            return [e.RetentionSet(actor.name, seconds)]
        case _:
            assert_never(command)


def _sealed(state: RoomState, actor: Actor, command: c.Seal, role: Role) -> e.Event:
    terms.check_voice(state, role)
    check_sealed(command.session, command.body)
    if not state.encrypted:
        raise NotAllowed(f"The room {state.name} is not encrypted; /encrypt on makes it so.")
    check_epoch(command.epoch, state.epoch, state.name)
    return e.Sealed(actor.name, command.sender, command.session, command.body)


def check_plain(state: RoomState) -> None:
    """See that plain words may be said in the room.

    Raises:
        Encrypted: they may not.
    """
    if state.encrypted:
        raise Encrypted(
            f"The room {state.name} is encrypted, and that was not: it was not sent, for others"
            " could read it. Speak with a client that has keys, logged in to an account:"
            " python -m chatnet.client --user NAME"
        )


def check_epoch(epoch: int, now: int, where: str) -> None:
    """See that what was encrypted for those of ``epoch`` was so for those of the one it is ``now``.

    Raises:
        Stale: it was not.
    """
    if epoch != now:
        raise Stale(
            f"Who has keys in {where} has changed (it is {now} now) since that was encrypted (for"
            f" {epoch}). Encrypt it for those who have them now, and send it again."
        )


def _encrypt(state: RoomState, actor: Actor) -> list[e.Event]:
    if state.encrypted:
        return []
    if sum(member.registered for member in state.members.values()) > MOST_READERS:
        raise NotAllowed(f"An encrypted room has at most {MOST_READERS} people with accounts.")
    return [e.Encrypted(actor.name)]


def whisper_sealed(actor: Actor, to: str, command: c.SealWhisper, now: int) -> list[e.Event]:
    """Return what happens when ``actor`` asks for ``command``, to an account called ``to``.

    Raises:
        Refused: nothing happens.
    """
    permit_person(actor, c.SealWhisper)
    check_sealed(command.session, command.body)
    check_epoch(command.epoch, now, f"this talk with {to}")
    return [e.SealedWhisper(actor.name, to, command.sender, command.session, command.body)]


def parse_dice(dice: str) -> tuple[int, int]:
    """Return how many dice ``dice`` means, like ``2d6``, and how many sides they have.

    Raises:
        Malformed: it is not written like that, or too much.
    """
    match = _DICE.fullmatch(dice)
    count, sides = (int(match[1] or 1), int(match[2])) if match else (0, 0)
    if not 1 <= count <= MOST_DICE or not 2 <= sides <= MOST_SIDES:
        raise Malformed(
            f"Dice are written like 2d6: up to {MOST_DICE} dice of 2 to {MOST_SIDES} sides."
        )
    return count, sides


def whisper(actor: Actor, to: str, command: c.Whisper) -> list[e.Event]:
    """Return what happens when ``actor`` asks for ``command``, to someone called ``to``.

    Raises:
        Refused: nothing happens.
    """
    permit_person(actor, c.Whisper)
    if not 1 <= command.times <= MOST_WHISPERS:
        raise Malformed(f"You can repeat a message 1 to {MOST_WHISPERS} times at once.")
    return [e.Whispered(actor.name, to, command.body)] * command.times


def give(actor: Actor, to: str, command: c.Give) -> list[e.Event]:
    """Return what happens when ``actor`` asks for ``command``, to someone called ``to``.

    Raises:
        Refused: nothing happens.
    """
    permit_person(actor, c.Give)
    return [_shared(actor, command.file, to)]


def announce(actor: Actor, command: c.Announce) -> list[e.Event]:
    """Return what happens when ``actor`` asks for ``command``.

    Raises:
        Refused: nothing happens.
    """
    permit_person(actor, c.Announce)
    return [e.Announced(actor.name, command.body)]


def _shared(actor: Actor, file: File, to: str = "") -> e.Shared:
    return e.Shared(
        actor.name, file.id, file.name, file.size, file.type, file.sha256, file.sealed, to
    )


def _join(state: RoomState, actor: Actor, command: c.Join) -> list[e.Event]:
    knows = command.proof == state.lock or actor.key in state.moderators or actor.rank
    if state.lock and not knows:
        if not command.password:
            raise PasswordNeeded(
                f"The room {state.name} has a password: /join {state.name} PASSWORD"
            )
        raise WrongPassword(f"That is not the password of {state.name}.")
    terms.check_door(state, actor)
    if state.encrypted and actor.registered and actor.key not in state.readers:
        present = sum(key in state.members for key in state.readers)
        if present >= MOST_READERS:
            raise NotAllowed(f"An encrypted room has at most {MOST_READERS} people with accounts.")
    joined = e.Joined(actor.name, actor.registered)
    if not state.name:
        return [e.Opened(room_name(command.room).text, actor.name), joined]
    return [joined]


def _sanction(state: RoomState, actor: Actor, command: c.Ban | c.Mute, now: float) -> list[e.Event]:
    member = state.members.get(fold(command.who))
    who = member.name if member else command.who
    verb = "ban" if isinstance(command, c.Ban) else "mute"
    if fold(who) == actor.key:
        raise NotAllowed(f"You cannot {verb} yourself.")
    _check_touch(state, actor, command)
    if fold(who) in state.moderators and not (verb == "ban" and outranks(c.Ban, actor.rank)):
        raise NotAllowed(f"{who} is a moderator: /deop {who} first.")
    if not command.target:
        raise NoSuchPerson(f"Nobody called {command.who} is known here.")
    until = now + command.seconds if command.seconds else 0.0
    reason = _reason(command.reason)
    held = state.bans if isinstance(command, c.Ban) else state.mutes
    holding = sum(sanction.holds(now) for sanction in held.values())
    if holding >= MOST_SANCTIONS and command.target not in held:
        raise NotAllowed(f"A room holds {MOST_SANCTIONS} of these. Lift one first: /bans")
    if isinstance(command, c.Ban):
        return [e.Banned(who, actor.name, command.target, until, reason)]
    return [e.Muted(who, actor.name, command.target, until, reason)]


def _check_touch(state: RoomState, actor: Actor, command: c.Kick | c.Ban | c.Mute) -> None:
    """See that ``actor`` may do something to whom ``command`` names.

    Raises:
        NotAllowed: it is staff, or the room belongs to it.
    """
    key = fold(command.who)
    if command.shielded and key != actor.key:
        raise NotAllowed(f"{command.who} is of this server's staff, and not yours to put out.")
    allowed = key == actor.key or outranks(type(command), actor.rank)
    if key == state.owner and not allowed:
        raise NotAllowed(f"{state.name} belongs to {state.moderators[key]}.")


def _demote(state: RoomState, actor: Actor, who: str) -> list[e.Event]:
    key = fold(who)
    if key not in state.moderators:
        raise NotAllowed(f"{who} is not a moderator here.")
    if key == state.owner:
        raise NotAllowed(f"{state.name} belongs to {state.moderators[key]}: /owner USER first.")
    return [e.Demoted(state.moderators[key], actor.name)]


def _member(state: RoomState, who: str) -> str:
    member = state.members.get(fold(who))
    if member is None:
        raise NotAMember(f"{who} is not in {state.name}.")
    return member.name


def _find(held: dict[str, Sanction], who: str, what: str, now: float) -> tuple[str, Sanction]:
    key = fold(who)
    for target, sanction in held.items():
        if sanction.holds(now) and fold(sanction.who) == key:
            return target, sanction
    raise NoSuchPerson(f"{who} is not {what} here. /bans lists who is.")


def _reason(reason: str) -> str:
    return _short(reason, "reason", LONGEST_REASON)


def _short(text: str, what: str, longest: int) -> str:
    if len(text) > longest:
        raise Malformed(f"A {what} has at most {longest} characters; that has {len(text)}.")
    return text


def _refusal(
    state: RoomState, actor: Actor, verb: type[c.Command], role: Role, now: float
) -> Refused:
    """Return why ``role`` is not enough for ``verb``."""
    right = RIGHTS[verb]
    if right.role is None:
        return NotAllowed(f"{whose(verb, actor.rank)}.")
    if right.account and not actor.registered:
        return NeedsAccount("That takes an account: /newuser NAME PASSWORD, or /login")
    if right.account is False and actor.registered:
        return NotAllowed(f"You are logged in as {actor.name}{_COME_AGAIN.get(verb, _AS_ANOTHER)}")
    match role:
        case Role.BANNED:
            return Banned(_sentence("You are banned from this room", state.bans, actor, now))
        case Role.OUTSIDER:
            return NotAMember(f"You are not in {state.name or 'that room'}. /join it first.")
        case Role.MUTED if right.role is Role.MEMBER:
            return Muted(_sentence("You are muted in this room", state.mutes, actor, now))
        case _ if right.role is Role.OWNER:
            owner = state.moderators.get(state.owner, "nobody")
            return NotAllowed(f"Only the owner of {state.name} can do that, who is {owner}.")
        case _:
            names = ", ".join(
                state.moderators[key] for key in state.members if key in state.moderators
            )
            ask = f" Ask one: {names}." if names else " None is here now."
            what = "delete what others said" if verb is c.Delete else "do that"
            return NotAllowed(f"Only a moderator of {state.name} can {what}.{ask}")


def _sentence(what: str, held: dict[str, Sanction], actor: Actor, now: float) -> str:
    sanction = held[actor.target]
    left = f" for another {spell_duration(sanction.until - now)}" if sanction.until else ""
    return f"{what}{left}" + (f": {sanction.reason}" if sanction.reason else ".")
