"""Who may do what: one table, and the one function that reads it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from chatnet.core import commands as c


class Role(IntEnum):
    """What someone is to a room. Each may do all that those before it may."""

    BANNED = 0
    OUTSIDER = 1
    MUTED = 2  # a member who may only listen
    MEMBER = 3
    MODERATOR = 4


class Rank(IntEnum):
    """What someone is to the server."""

    USER = 0
    MODERATOR = 1  # moderates every room
    ADMIN = 2
    OWNER = 3


@dataclass(frozen=True, slots=True)
class Right:
    """What a verb takes: a role in its room, and an account (None: with or without)."""

    role: Role = Role.BANNED
    account: bool | None = None


_ANYONE = Right()
_NEWCOMER = Right(Role.OUTSIDER)
_LISTENER = Right(Role.MUTED)
_MEMBER = Right(Role.MEMBER)
_MODERATOR = Right(Role.MODERATOR)

RIGHTS: dict[type[c.Command], Right] = {
    c.Hello: _ANYONE,
    c.Ping: _ANYONE,
    c.Password: _ANYONE,
    c.Quit: _ANYONE,
    c.Ignore: _ANYONE,
    c.Unignore: _ANYONE,
    c.Whisper: _ANYONE,
    c.Whois: _ANYONE,
    c.ListRooms: _ANYONE,
    c.Nick: Right(account=False),
    c.Login: Right(account=False),
    c.Register: Right(account=False),
    c.ChangePassword: Right(account=True),
    c.Logout: Right(account=True),
    c.Announce: Right(account=True),
    c.Join: _NEWCOMER,
    c.ListMembers: _NEWCOMER,  # of a locked room: members only, see rules.look
    c.ShowTopic: _NEWCOMER,
    c.Leave: _LISTENER,
    c.History: _LISTENER,
    c.Find: _LISTENER,
    c.Delete: _LISTENER,  # of what others said: moderators only, see rules.decide
    c.Say: _MEMBER,
    c.Typing: _MEMBER,
    c.Roll: _MEMBER,
    c.SetTopic: _MODERATOR,
    c.Kick: _MODERATOR,
    c.Ban: _MODERATOR,
    c.Unban: _MODERATOR,
    c.ListBans: _MODERATOR,
    c.Mute: _MODERATOR,
    c.Unmute: _MODERATOR,
    c.Op: _MODERATOR,
    c.Deop: _MODERATOR,
    c.Lock: _MODERATOR,
    c.Unlock: _MODERATOR,
    c.Retain: _MODERATOR,
}


def permits(verb: type[c.Command], role: Role, registered: bool) -> bool:
    """Return whether someone of ``role`` in the room that ``verb`` is about may do it.

    ``registered`` is whether they have an account. Verbs that are about no room ignore ``role``.
    """
    right = RIGHTS[verb]
    return role >= right.role and right.account in (None, registered)
