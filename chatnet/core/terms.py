"""On which terms one enters a room and speaks there: what its moderators can set."""

from __future__ import annotations

from chatnet.core import commands as c, events as e
from chatnet.core.durations import spell_duration
from chatnet.core.names import room_name
from chatnet.core.refusals import Muted, NeedsAccount, NoSuchPerson, NoSuchRoom, NotAllowed
from chatnet.core.roles import Role, outranks
from chatnet.core.room import MOST_SANCTIONS, Actor, RoomState

SETTINGS = {  # of a room, with the most that each can be
    "invite-only": 1.0,  # who is invited enters
    "members-only": 1.0,  # who has an account enters
    "announce-only": 1.0,  # who has a voice speaks
    "slow": 21_600.0,  # seconds from one message of a member to the next
    "closed": 1.0,  # nobody enters but those whose room it is
}


def check_there(state: RoomState) -> None:
    """See that the room was not deleted.

    Raises:
        NoSuchRoom: it was; the sentence says by whom, and why.
    """
    gone = state.deleted
    if gone is not None:
        why = f": {gone.reason.rstrip('.')}" if gone.reason else ""
        raise NoSuchRoom(
            f"The room {state.name} was deleted by {gone.by}{why}. The server's staff can restore"
            " it, until its history is discarded and its name is free."
        )


def restore(state: RoomState, actor: Actor, now: float) -> list[e.Event]:
    """Return what happens when ``actor`` restores the room ``now``.

    Raises:
        NotAllowed: nothing happens.
    """
    if state.deleted is None:
        raise NotAllowed(f"The room {state.name} is not deleted.")
    if state.deleted.until and now >= state.deleted.until:
        raise NotAllowed(f"The history of {state.name} is just being discarded: it is too late.")
    return [e.RoomRestored(actor.name)]


def rename(state: RoomState, actor: Actor, command: c.RenameRoom) -> list[e.Event]:
    """Return what happens when ``actor`` asks for ``command``; whose name it is, is known.

    Raises:
        BadName: no room can be called that.
    """
    name = room_name(command.name).text
    return [e.RoomRenamed(actor.name, state.name, name)] if name != state.name else []


def check_door(state: RoomState, actor: Actor) -> None:
    """See that the room's settings let ``actor`` in.

    Raises:
        NotAllowed: they do not.
    """
    if not state.settings or actor.rank or actor.key in state.moderators:
        return
    if "closed" in state.settings:
        raise NotAllowed(f"The room {state.name} is closed.")
    if not state.moderators:  # nobody is left who could let anybody in
        return
    if "members-only" in state.settings and not actor.registered:
        raise NeedsAccount(
            f"The room {state.name} is for those with an account: /newuser NAME PASSWORD, or /login"
        )
    if "invite-only" in state.settings and actor.target not in state.invited:
        names = ", ".join(state.moderators.values())
        raise NotAllowed(f"One enters {state.name} by invitation only. Ask one of: {names}.")


def check_voice(state: RoomState, role: Role) -> None:
    """See that someone of ``role``, who may speak, may do so here.

    Who does not enter and may speak all the same is staff.

    Raises:
        Muted: only those with a voice may.
    """
    if "announce-only" in state.settings and Role.OUTSIDER < role < Role.VOICE:
        raise Muted(f"In {state.name}, only those with a voice speak; /voice gives one.")


def check_pace(state: RoomState, role: Role, last: float, now: float) -> None:
    """See that someone of ``role``, who spoke ``last``, may speak again ``now``.

    Raises:
        Muted: not yet; the sentence says when.
    """
    wait = last + state.settings.get("slow", 0.0) - now
    if wait > 0 and Role.OUTSIDER < role < Role.VOICE:
        slow = spell_duration(state.settings["slow"])
        raise Muted(
            f"In {state.name}, one speaks every {slow}. Say it again in {spell_duration(wait)}."
        )


def invite(state: RoomState, actor: Actor, command: c.Invite) -> list[e.Event]:
    """Return what happens when ``actor`` asks for ``command``.

    Raises:
        Refused: nothing happens.
    """
    if not command.target:
        raise NoSuchPerson(f"Nobody called {command.who} is known here.")
    if len(state.invited) >= MOST_SANCTIONS and command.target not in state.invited:
        raise NotAllowed(f"A room holds {MOST_SANCTIONS} invitations. Kicking takes one back.")
    return [e.Invited(command.who, actor.name, command.target)]


def configure(state: RoomState, actor: Actor, role: Role, command: c.Configure) -> list[e.Event]:
    """Return what happens when ``actor``, who has ``role`` here, asks for ``command``.

    Raises:
        NotAllowed: nothing happens.
    """
    setting, value = command.setting, command.value
    if setting not in SETTINGS:
        raise NotAllowed(f"What can be set is {', '.join(SETTINGS)}.")
    most = SETTINGS[setting]
    if not 0 <= value <= most:
        raise NotAllowed(f"{setting} is 0 to {most:g} here.")
    if state.settings.get(setting, 0.0) == value:
        return []
    changed = e.Configured(actor.name, setting, value)
    if setting != "closed":
        return [changed]
    if role < Role.OWNER and not outranks(c.Configure, actor.rank):
        owner = state.moderators.get(state.owner, "nobody")
        raise NotAllowed(f"Only the owner of {state.name} can do that, who is {owner}.")
    if not value:
        return [changed]
    keys = sorted(state.members, key=lambda key: key == actor.key)  # oneself goes last
    why = "the room is closed"
    return [changed, *[e.Kicked(state.members[key].name, actor.name, why) for key in keys]]
