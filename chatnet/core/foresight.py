"""What somebody is to a room, or to the server, in words: so that before and after can be told."""

from __future__ import annotations

from chatnet.core import commands as c, terms
from chatnet.core.durations import spell_duration
from chatnet.core.office import Office
from chatnet.core.refusals import NeedsAccount, Refused
from chatnet.core.roles import Role
from chatnet.core.room import Actor, RoomState
from chatnet.core.rules import role_of
from chatnet.core.staff import barred

KEPT_OUT = "kept out"


def outcome(command: c.Command) -> str:
    """Return what would be so after ``command``, as a sentence; empty if it says that itself."""
    match command:
        case c.ServerBan(kind, what, seconds):
            words = f"The {kind} {what} would be banned{_span(seconds)}"
        case c.ServerUnban(kind, what):
            words = f"The {kind} {what} would be banned no more"
        case c.Exempt(kind, what, seconds):
            words = f"The {kind} {what} would be exempt{_span(seconds)}"
        case c.Unexempt(kind, what):
            words = f"The {kind} {what} would be exempt no more"
        case c.SetRank(who, rank):
            words = f"{who} would be {rank} of the server"
        case c.Ban(room, who, seconds):
            words = f"{who} would be banned from {room}{_span(seconds)}"
        case c.Unban(room, who):
            words = f"{who} would be banned from {room} no more"
        case c.Mute(room, who, seconds):
            words = f"{who} would be muted in {room}{_span(seconds)}"
        case c.Unmute(room, who) | c.Voice(room, who):
            words = f"{who} could speak in {room}"
        case c.Devoice(room, who):
            words = f"{who} would speak in {room} as others do"
        case c.Op(room, who):
            words = f"{who} would moderate {room}"
        case c.Deop(room, who):
            words = f"{who} would moderate {room} no more"
        case c.Own(room, who):
            words = f"{room} would belong to {who}"
        case c.Configure(room, setting, value):
            shown = spell_duration(value) if setting == "slow" and value else "on" * bool(value)
            words = f"{setting} of {room} would be {shown or 'off'}"
        case c.RenameRoom(room, name):
            words = f"{room} would be called {name}"
        case c.RestoreRoom(room):
            words = f"{room} would be there again"
        case c.Unlock(room):
            words = f"{room} would have no password"
        case _:
            return ""
    return f"{words}. "


def _span(seconds: float) -> str:
    return f" for {spell_duration(seconds)}" if seconds else ""


def in_room(state: RoomState, actor: Actor, now: float) -> str:
    """Return what ``actor`` is to the room, or what it takes to enter it."""
    role = role_of(state, actor, now)
    if role is Role.BANNED:
        return KEPT_OUT
    if role is not Role.OUTSIDER:
        return _inside(state, role)
    if actor.key in state.moderators:
        return "moderator, away" if actor.key != state.owner else "owner, away"
    if actor.key in state.voices:
        return "voice, away"
    return _outside(state, actor)


def on_server(office: Office, actor: Actor, now: float) -> str:
    """Return which rank ``actor`` has, or that it is kept out."""
    if barred(office, actor, now) is not None:
        return KEPT_OUT
    return office.rank(actor.key).name.lower() if actor.registered else "guest"


def _inside(state: RoomState, role: Role) -> str:
    listens = role is Role.MUTED or ("announce-only" in state.settings and role < Role.VOICE)
    if listens:
        return "may only listen"
    if "slow" in state.settings and role < Role.VOICE:
        return f"speaks every {spell_duration(state.settings['slow'])}"
    return role.name.lower()


def _outside(state: RoomState, actor: Actor) -> str:
    if state.lock and not actor.rank:
        return "needs the password"
    try:
        terms.check_door(state, actor)
    except NeedsAccount:
        return "needs an account"
    except Refused:
        return KEPT_OUT if "closed" in state.settings else "needs an invitation"
    return "invited" if actor.target in state.invited else "may enter"
