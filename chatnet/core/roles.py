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
    VOICE = 4  # speaks also where others may not, or not so often
    MODERATOR = 5
    OWNER = 6


class Rank(IntEnum):
    """What an account is to the server. Who is more than a user is staff."""

    USER = 0
    MODERATOR = 1  # keeps the peace, in every room
    ADMIN = 2  # keeps the rooms, and says who keeps the peace
    OWNER = 3


@dataclass(frozen=True, slots=True)
class Right:
    """What a verb takes: a role in its room, and an account (None: with or without).

    Or a rank: staff from that ``rank`` on may do it in any room, without being in it (None: no
    rank is enough). What is for staff alone takes no ``role``. Where ``bound``, a ban or a mute in
    the room holds against staff as well.
    """

    role: Role | None = Role.BANNED
    account: bool | None = None
    rank: Rank | None = None
    bound: bool = False


_ANYONE = Right()
_ACCOUNT = Right(account=True)
_NEWCOMER = Right(Role.OUTSIDER, rank=Rank.MODERATOR)
_LISTENER = Right(Role.MUTED)
_MEMBER = Right(Role.MEMBER)
_PEACE = Right(Role.MODERATOR, rank=Rank.MODERATOR)
_ROOMS = Right(Role.MODERATOR, rank=Rank.ADMIN)
_MODERATORS = Right(None, rank=Rank.MODERATOR)
_ADMINS = Right(None, rank=Rank.ADMIN)

RIGHTS: dict[type[c.Command], Right] = {
    c.Hello: _ANYONE,
    c.Ping: _ANYONE,
    c.Password: _ANYONE,
    c.Quit: _ANYONE,
    c.Ignore: _ANYONE,
    c.Unignore: _ANYONE,
    c.Whisper: _ANYONE,
    c.Give: _ANYONE,
    c.Token: _ANYONE,
    c.Whois: _ANYONE,
    c.ListRooms: _ANYONE,
    c.Nick: Right(account=False),
    c.Login: Right(account=False),
    c.Register: Right(account=False),
    c.ChangePassword: _ACCOUNT,
    c.Logout: _ACCOUNT,
    c.Announce: Right(account=True, rank=Rank.ADMIN),
    c.Join: _NEWCOMER,
    c.ListMembers: _NEWCOMER,  # of a locked room: members only, see rules.look
    c.ShowTopic: _NEWCOMER,
    c.ShowSettings: _NEWCOMER,
    c.Leave: _LISTENER,
    c.History: _LISTENER,
    c.Find: _LISTENER,
    c.Fetch: _LISTENER,  # what was sent to a room: also in the middle of it, see server.files
    c.Delete: Right(Role.MUTED, rank=Rank.MODERATOR),  # of what others said: see rules.decide
    c.Say: Right(Role.MEMBER, rank=Rank.MODERATOR, bound=True),
    c.Typing: _MEMBER,
    c.Roll: _MEMBER,
    c.Encrypt: Right(Role.MODERATOR, True),  # for good, and who has no account could not read it
    c.Seal: Right(Role.MEMBER, account=True),
    c.SealWhisper: _ACCOUNT,
    c.BeDevice: _ACCOUNT,
    c.RemoveDevice: _ACCOUNT,
    c.PublishKeys: _ACCOUNT,
    c.ListDevices: _ACCOUNT,
    c.ClaimKey: _ACCOUNT,
    c.Deliver: _ACCOUNT,
    c.Collected: _ACCOUNT,
    c.KeepBackup: _ACCOUNT,
    c.ShowBackup: _ACCOUNT,
    c.Share: _MEMBER,
    c.SetTopic: _PEACE,
    c.Kick: _PEACE,
    c.Ban: _PEACE,
    c.Unban: _PEACE,
    c.ListBans: _PEACE,
    c.Mute: _PEACE,
    c.Unmute: _PEACE,
    c.Op: _ROOMS,
    c.Deop: _ROOMS,
    c.Lock: _ROOMS,
    c.Unlock: _ROOMS,
    c.Retain: _ROOMS,
    c.Voice: _PEACE,
    c.Devoice: _PEACE,
    c.Invite: _ROOMS,
    c.Configure: _ROOMS,  # to close it: its owner only, see rules.decide
    c.Own: Right(Role.OWNER, rank=Rank.ADMIN),
    c.RenameRoom: Right(Role.OWNER, True, Rank.ADMIN),  # for good, and a guest owns it for a while
    c.DeleteRoom: Right(Role.OWNER, True, Rank.ADMIN),
    c.RestoreRoom: _ADMINS,
    c.SetRank: _ADMINS,  # whose, and up to which: see staff.decide
    c.ServerBan: _MODERATORS,
    c.ServerUnban: _MODERATORS,
    c.Exempt: _ADMINS,
    c.Unexempt: _ADMINS,
    c.ServerSet: _ADMINS,
    c.ServerUnset: _ADMINS,
    c.Purge: _MODERATORS,
    c.Operate: _MODERATORS,  # and what its verb takes: see admin.verbs
}


def permits(verb: type[c.Command], role: Role, registered: bool, rank: Rank = Rank.USER) -> bool:
    """Return whether someone of ``role`` in the room that ``verb`` is about may do it.

    ``registered`` is whether they have an account, and ``rank`` what that is to the server. Verbs
    that are about no room ignore ``role``.
    """
    right = RIGHTS[verb]
    if outranks(verb, rank) and not (right.bound and role in (Role.BANNED, Role.MUTED)):
        return True
    return right.role is not None and role >= right.role and right.account in (None, registered)


def whose(verb: type[c.Command], rank: Rank) -> str:
    """Return for whom ``verb`` is, in words to somebody whose ``rank`` is not enough for it."""
    enough = RIGHTS[verb].rank
    if rank and enough:
        return f"That takes the rank of {enough.name.lower()}"
    return "That is for the server's staff"


def outranks(verb: type[c.Command], rank: Rank) -> bool:
    """Return whether ``rank`` alone is enough for ``verb``, whatever one is to the room."""
    enough = RIGHTS[verb].rank
    return enough is not None and rank >= enough
