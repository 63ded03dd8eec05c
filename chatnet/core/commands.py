"""What a person may ask for. Every dialect parses its input into these, and nothing else.

Room and person names are as the asker wrote them. An empty ``room`` is the one the asker is in.
"""

from __future__ import annotations

from dataclasses import dataclass

from chatnet.core.files import File

PROTOCOL = 1  # of programs: raised by what those that speak an older one would misunderstand


@dataclass(frozen=True, slots=True)
class Hello:
    """Ask what server this is, in the version ``protocol`` of the programs' dialect."""

    protocol: int = PROTOCOL


@dataclass(frozen=True, slots=True)
class Password:
    """Say the server's password."""

    password: str


@dataclass(frozen=True, slots=True)
class Nick:
    """Be called ``name``. A guest of that name who gave the same ``secret`` makes way."""

    name: str
    secret: str = ""


@dataclass(frozen=True, slots=True)
class Register:
    """Make an account called ``name``, and be it; where that takes an ``invitation``, with one."""

    name: str
    password: str
    invitation: str = ""


@dataclass(frozen=True, slots=True)
class Login:
    """Be the account called ``name``."""

    name: str
    password: str


@dataclass(frozen=True, slots=True)
class ChangePassword:
    """Replace one's account's password."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Logout:
    """End the session, of which the account was part."""


@dataclass(frozen=True, slots=True)
class Quit:
    """End the session."""


@dataclass(frozen=True, slots=True)
class Ping:
    """Ask for a sign of life."""


@dataclass(frozen=True, slots=True)
class Operate:
    """Do what the verb of the operator's console says that ``words`` begin with; staff only."""

    words: str


@dataclass(frozen=True, slots=True)
class Ignore:
    """See nothing of what ``name`` says, or, with an empty name, ask who is ignored."""

    name: str = ""


@dataclass(frozen=True, slots=True)
class Unignore:
    """See again what ``name`` says."""

    name: str


@dataclass(frozen=True, slots=True)
class Say:
    """Speak ``body``; with ``action``, describe what one does."""

    room: str
    body: str
    action: bool = False


@dataclass(frozen=True, slots=True)
class Roll:
    """Throw dice where all can see it, written like ``2d6``. The server fills in ``faces``."""

    room: str
    dice: str = "1d6"
    faces: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Join:
    """Enter ``room``, creating it if it does not exist.

    Reading starts behind ``since``, a seq; if it is None, with the last ``replay`` messages
    (None: as many as the server likes, -1: all) before one's arrival. With ``alone``, every other
    room is left. ``proof`` is the lock that ``password`` opened; the server fills it in.
    """

    room: str
    password: str = ""
    since: int | None = None
    replay: int | None = None
    alone: bool = False
    proof: str = ""


@dataclass(frozen=True, slots=True)
class Typing:
    """Let those in ``room`` see that one is writing something; not kept."""

    room: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Leave ``room``."""

    room: str = ""


@dataclass(frozen=True, slots=True)
class SetTopic:
    """Say what ``room`` is about; moderators only."""

    room: str
    topic: str


@dataclass(frozen=True, slots=True)
class Kick:
    """Put ``who`` out of ``room``; moderators only.

    ``shielded`` is whether ``who`` is staff, and of no lower rank; the server fills it in.
    """

    room: str
    who: str
    reason: str = ""
    shielded: bool = False


@dataclass(frozen=True, slots=True)
class Ban:
    """Put ``who`` out of ``room`` and keep it out for ``seconds`` (0: for good).

    ``target`` is whom it holds against, see ``Actor.target``, and ``shielded`` as for ``Kick``;
    the server fills them in.
    """

    room: str
    who: str
    seconds: float = 0
    reason: str = ""
    target: str = ""
    shielded: bool = False


@dataclass(frozen=True, slots=True)
class Unban:
    """Let ``who`` into ``room`` again."""

    room: str
    who: str


@dataclass(frozen=True, slots=True)
class Mute:
    """Let ``who`` listen in ``room`` but not speak, for ``seconds`` (0: for good)."""

    room: str
    who: str
    seconds: float = 0
    reason: str = ""
    target: str = ""
    shielded: bool = False


@dataclass(frozen=True, slots=True)
class Unmute:
    """Let ``who`` speak in ``room`` again."""

    room: str
    who: str


@dataclass(frozen=True, slots=True)
class Op:
    """Make ``who`` a moderator of ``room``."""

    room: str
    who: str


@dataclass(frozen=True, slots=True)
class Deop:
    """Make ``who`` an ordinary member of ``room``."""

    room: str
    who: str


@dataclass(frozen=True, slots=True)
class Own:
    """Let ``room`` belong to ``who``, who is in it; its owner only, who moderates it on."""

    room: str
    who: str


@dataclass(frozen=True, slots=True)
class Voice:
    """Let ``who`` speak in ``room`` also where others may not, or not so often."""

    room: str
    who: str


@dataclass(frozen=True, slots=True)
class Devoice:
    """Let ``who`` speak in ``room`` as others do."""

    room: str
    who: str


@dataclass(frozen=True, slots=True)
class Invite:
    """Let ``who`` into ``room``, also if that is by invitation only.

    ``target`` is whom it holds for, see ``Actor.target``; the server fills it in.
    """

    room: str
    who: str
    target: str = ""


@dataclass(frozen=True, slots=True)
class Configure:
    """Let ``setting``, one of ``terms.SETTINGS``, be ``value`` in ``room``; 0 turns it off."""

    room: str
    setting: str
    value: float


@dataclass(frozen=True, slots=True)
class RenameRoom:
    """Let ``room`` be called ``name``; its owner only. Its old name goes on to lead to it."""

    room: str
    name: str


@dataclass(frozen=True, slots=True)
class DeleteRoom:
    """Put everybody out of ``room`` and let nobody in; its owner only.

    It can be restored for ``grace`` seconds (0: for good); the server fills them in.
    """

    room: str
    reason: str = ""
    grace: float = 0


@dataclass(frozen=True, slots=True)
class RestoreRoom:
    """Let ``room``, which was deleted, be what it was; staff only."""

    room: str


@dataclass(frozen=True, slots=True)
class Lock:
    """Let only those into ``room`` who know ``password``; the server makes ``lock`` of it."""

    room: str
    password: str
    lock: str = ""


@dataclass(frozen=True, slots=True)
class Unlock:
    """Let everyone into ``room`` again."""

    room: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Erase the body of the message at the seq ``message``; 0: of the last one of one's own.

    ``author`` is who said it, and ``own`` whether that is certainly oneself; the server fills
    them in. What others said is for moderators.
    """

    room: str
    message: int = 0
    reason: str = ""
    author: str = ""
    own: bool = False


@dataclass(frozen=True, slots=True)
class Retain:
    """Let what is said in ``room`` be kept for ``seconds``; 0: as long as the server keeps it."""

    room: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Share:
    """Send ``file``, whose bytes are on the server's disk, to ``room``; asked for by its upload."""

    room: str
    file: File


@dataclass(frozen=True, slots=True)
class Give:
    """Send ``file`` to ``who`` alone, as ``Share`` does to a room."""

    who: str
    file: File


@dataclass(frozen=True, slots=True)
class Token:
    """Ask for a token, with which to send and fetch files over HTTP."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """Ask for a link to the file ``id``; without one, to the last one in the room one is in."""

    id: str = ""


@dataclass(frozen=True, slots=True)
class Whisper:
    """Tell ``who`` alone ``body``, ``times`` times."""

    who: str
    body: str
    times: int = 1


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell everyone on the server ``body``; takes an account."""

    body: str


@dataclass(frozen=True, slots=True)
class Encrypt:
    """Let what is said in ``room`` be encrypted from now on, for good."""

    room: str


@dataclass(frozen=True, slots=True)
class Seal:
    """Speak ``body``, which is encrypted with the Megolm ``session`` for those of ``epoch``.

    See ``RoomState.epoch``. ``sender`` is the device that one is; the server fills it in.
    """

    room: str
    session: str
    epoch: int
    body: str
    sender: str = ""


@dataclass(frozen=True, slots=True)
class SealWhisper:
    """Tell ``who`` alone ``body``, which is encrypted; as for ``Seal``."""

    who: str
    session: str
    epoch: int
    body: str
    sender: str = ""


@dataclass(frozen=True, slots=True)
class BeDevice:
    """Be ``device`` of one's account on this connection, and read its letters behind ``since``.

    If the account has none of that id, it gets one, called ``label``: with the public keys
    ``identity`` (Curve25519) and ``signing`` (Ed25519), and its ``signature`` of all that.
    """

    device: str
    identity: str
    signing: str
    signature: str
    label: str = ""
    since: int = 0


@dataclass(frozen=True, slots=True)
class RemoveDevice:
    """Let one's account have the device ``device`` no more."""

    device: str


@dataclass(frozen=True, slots=True)
class PublishKeys:
    """Let others have one-time ``keys`` of this device, with spaces between, and a ``fallback``.

    Each is a key, a dot, and the device's signature.
    """

    keys: str = ""
    fallback: str = ""


@dataclass(frozen=True, slots=True)
class ListDevices:
    """Ask which devices the account ``who`` has, or, with an empty name, one's own."""

    who: str = ""


@dataclass(frozen=True, slots=True)
class ClaimKey:
    """Take a one-time key of ``device`` of the account ``who``, which nobody gets again."""

    who: str
    device: str


@dataclass(frozen=True, slots=True)
class Deliver:
    """Leave ``body``, which is encrypted, to ``device`` of the account ``who``.

    ``sender`` is as for ``Seal``.
    """

    who: str
    device: str
    body: str
    sender: str = ""


@dataclass(frozen=True, slots=True)
class Collected:
    """The letters to this device are safe there, up to and including the seq ``upto``."""

    upto: int


@dataclass(frozen=True, slots=True)
class KeepBackup:
    """Keep ``body``, which is encrypted, in the account's backup called ``version``.

    If it is ``fresh``, that begins, and what was kept before is forgotten.
    """

    version: str
    body: str
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class ShowBackup:
    """Ask for what is kept in the account's backup, behind the seq ``after``."""

    after: int = 0


@dataclass(frozen=True, slots=True)
class SetRank:
    """Let the account ``who`` have ``rank``: user, moderator, admin or owner of the server.

    ``target`` is how the account writes its name; the server fills it in.
    """

    who: str
    rank: str
    reason: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class ServerBan:
    """Keep ``what`` off the server for ``seconds`` (0: for good).

    ``kind`` is ``account``, ``name`` (a pattern with ``*`` and ``?``) or ``address`` (or a network,
    like ``192.0.2.0/24``). ``reason`` is told to whom it hits, ``note`` to staff alone.
    """

    kind: str
    what: str
    seconds: float = 0
    reason: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class ServerUnban:
    """Let ``what`` onto the server again, for ``reason``."""

    kind: str
    what: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Exempt:
    """Let no ban hit ``what``, an ``account`` or an ``address``, for ``seconds`` (0: for good)."""

    kind: str
    what: str
    seconds: float = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Unexempt:
    """Let bans hit ``what`` again."""

    kind: str
    what: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ServerSet:
    """Let ``what``, as ``dials`` names it, be ``value`` for ``seconds`` (0: for good)."""

    what: str
    value: str
    seconds: float = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ServerUnset:
    """Let ``what`` be again as the server was started."""

    what: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Purge:
    """Delete what ``who`` said in the last ``seconds`` in ``room``, or in all of them: ``*``."""

    room: str
    who: str
    seconds: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ListMembers:
    """Ask who is in ``room``; outside any room, who is on the server."""

    room: str = ""


@dataclass(frozen=True, slots=True)
class ListRooms:
    """Ask what rooms there are."""


@dataclass(frozen=True, slots=True)
class ListBans:
    """Ask who is banned from ``room``, and who is muted there; moderators only."""

    room: str = ""


@dataclass(frozen=True, slots=True)
class ShowTopic:
    """Ask what ``room`` is about."""

    room: str = ""


@dataclass(frozen=True, slots=True)
class ShowSettings:
    """Ask what can be set in ``room``, and what it is now."""

    room: str = ""


@dataclass(frozen=True, slots=True)
class Whois:
    """Ask who ``who`` is."""

    who: str


@dataclass(frozen=True, slots=True)
class History:
    """Read the last ``count`` messages of ``room`` again; -1 for all of them.

    With ``who``, a name, what that person and oneself whispered, out of one's own log.

    With ``before``, the last ones whose seq is lower; with ``since``, nothing up to that seq. With
    ``first``, a seq, or ``at``, a time as ``times.parse_time`` takes it, it is the first ``count``
    from there on.
    """

    room: str = ""
    count: int = 50
    before: int | None = None
    since: int | None = None
    first: int | None = None
    at: str = ""
    who: str = ""


@dataclass(frozen=True, slots=True)
class Find:
    """Look for the last ``limit`` messages with all ``words``.

    In ``room``; if that is empty, in all the rooms that one reads here. With ``by``, those of this
    person; with ``since``, a time as ``times.parse_time`` takes it, no older ones.
    """

    words: str = ""
    room: str = ""
    by: str = ""
    since: str = ""
    limit: int = 50


Moderation = (
    Kick
    | Ban
    | Unban
    | Mute
    | Unmute
    | Op
    | Deop
    | Own
    | Voice
    | Devoice
    | Invite
    | Configure
    | RenameRoom
    | DeleteRoom
    | RestoreRoom
    | Lock
    | Unlock
    | SetTopic
    | Retain
)
RoomCommand = (
    # decided by the rules; changes a room's log
    Say | Seal | Roll | Share | Join | Leave | Delete | Encrypt | Moderation
)  # fmt: skip
Governing = (  # changes the staff's log
    SetRank | ServerBan | ServerUnban | Exempt | Unexempt | ServerSet | ServerUnset
)
StaffCommand = Governing | Purge
Telling = Whisper | SealWhisper | Announce  # changes the log of a person, or of everybody
RoomQuery = ListMembers | ListBans | ShowTopic | ShowSettings | History
Query = RoomQuery | ListRooms | Whois  # answered from what is shown; changes nothing
KeyCommand = (  # about the keys of one's own or another account
    BeDevice | RemoveDevice | PublishKeys | ListDevices | ClaimKey | Deliver | Collected
    | KeepBackup | ShowBackup
)  # fmt: skip
SessionCommand = (
    Hello | Password | Nick | Register | Login | ChangePassword | Logout | Quit
    | Ping | Ignore | Unignore | Typing | Token | Fetch | Operate
)  # fmt: skip
Command = (
    RoomCommand | StaffCommand | Telling | Give | Query | Find | KeyCommand | SessionCommand
)  # fmt: skip


def tells_password(command: Command) -> bool:
    """Return whether there is a password in ``command``, which nobody on the way may read."""
    match command:
        case Password() | Register() | Login() | ChangePassword() | Lock():
            return True
        case Join(_, password):
            return bool(password)
        case _:
            return False


@dataclass(frozen=True, slots=True)
class Request:
    """A command, and the name its sender gave it so as to be able to repeat it safely."""

    command: Command
    cid: str | None = None
