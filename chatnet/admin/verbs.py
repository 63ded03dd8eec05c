"""What an operator can do: one table for the port, the console and its one-shot form.

A verb becomes an ordinary command, or, without ``asks``, is answered by ``chatnet.admin.looks`` or
``chatnet.admin.deeds``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from textwrap import wrap

from chatnet.admin.grammar import Argument, Given, Kind, Verb
from chatnet.core import commands as c
from chatnet.core.dials import LOG_LEVELS
from chatnet.core.refusals import Malformed
from chatnet.core.roles import Rank

_WHO = Argument("who", Kind.PERSON)
_ROOM = Argument("room", Kind.ROOM)
_SOME_ROOM = Argument("room", Kind.ROOM, optional=True)
_REASON = Argument("reason", Kind.WORD, option="reason")
_FOR = Argument("seconds", Kind.SPAN, option="for")
_KIND = Argument("kind", option="kind", choices=("account", "name", "address"))
_TEXT = Argument("text", Kind.TEXT)
_LIMIT = Argument("limit", Kind.NUMBER, option="limit")

GROUPS = ("Look", "People", "Rooms", "Talking", "Defence", "Server")

LOOK = (
    Verb("status", "Look", "version, uptime, who is here by door, rooms, memory, store and"
         " certificate", upright=True),
    Verb("who", "Look", "who is connected, on the server or in a room; --sort idle, rate (of what"
         " they ask for) or lag (entries that they have not read)",
         (_SOME_ROOM, Argument("sort", option="sort", choices=("name", "idle", "rate", "lag")))),
    Verb("info", "Look", "all about a name, an account, an address, a network (10.0.0.0/8) or the"
         " id of a connection", (Argument("what", Kind.PERSON),)),
    Verb("rooms", "Look", "the rooms, the busiest first; --deleted: those that can be restored",
         (_LIMIT, Argument("deleted", Kind.FLAG, option="deleted"))),
    Verb("room", "Look", "how a room is set up, and who is in it", (_ROOM,), upright=True),
    Verb("why", "Look", "whether somebody may do something in a room, and which rule decides",
         (_WHO, Argument("verb"), _ROOM), upright=True),
    Verb("top", "Look", "the busiest rooms and connections since the server began", (_LIMIT,)),
    Verb("audit", "Look", "what staff did, the last first; --by somebody, or --match a word",
         (_LIMIT, Argument("by", Kind.PERSON, option="by"), Argument("match", option="match"))),
    Verb("watch", "Look", "follow what happens, until Ctrl-C",
         (Argument("off", Kind.FLAG, option="off"),)),
)  # fmt: skip

PEOPLE = (
    Verb("kick", "People", "put somebody out of a room; without ROOM, of every room",
         (_WHO, _SOME_ROOM, _REASON), writes=True),
    Verb("mute", "People", "let somebody listen in a room, but not speak; for good, or --for 2h",
         (_WHO, _ROOM, _FOR, _REASON), writes=True,
         asks=lambda g: c.Mute(g.text("room"), g.text("who"), g.seconds(), g.text("reason"))),
    Verb("warn", "People", "tell somebody alone what staff does not like, now or at the next login",
         (_WHO, _TEXT), writes=True),
    Verb("unmute", "People", "let them speak again", (_WHO, _ROOM), writes=True,
         asks=lambda g: c.Unmute(g.text("room"), g.text("who"))),
    Verb("ban", "People", "keep an account, a name (or a pattern: spam*), an address or a network"
         " (192.0.2.0/24) off the server, or somebody out of a room; for good, or --for 2h. WHO is"
         " told the reason, staff alone the note. --purge 1h deletes what WHO said so long back",
         (_WHO, _SOME_ROOM, _FOR, _REASON, Argument("note", option="note"), _KIND,
          Argument("purge", Kind.SPAN, option="purge")), writes=True),
    Verb("unban", "People", "let them in again", (_WHO, _SOME_ROOM, _KIND, _REASON), writes=True),
    Verb("bans", "People", "who is banned from the server, or banned or muted in a room; --match"
         " only those that hit that name or address. --export prints those from the server, an"
         " object of JSON a line, which python -m chatnet.admin ban import FILE lays",
         (_SOME_ROOM, Argument("match", Kind.PERSON, option="match"),
          Argument("export", Kind.FLAG, option="export"))),
    Verb("exempt", "People", "let no ban hit an account or an address, for good or --for 2h",
         (_WHO, _FOR, _REASON, _KIND), Rank.ADMIN, writes=True),
    Verb("unexempt", "People", "let bans hit them again", (_WHO, _KIND, _REASON), Rank.ADMIN,
         writes=True),
    Verb("purge", "People", "delete what somebody said so long back, in a room or, with *, in all",
         (_WHO, _ROOM, Argument("seconds", Kind.SPAN), _REASON), writes=True,
         asks=lambda g: c.Purge(g.text("room"), g.text("who"), g.seconds(), g.text("reason"))),
    Verb("sessions", "People", "the connections of somebody", (_WHO,)),
    Verb("undo", "People", "take back an act, by its number in audit",
         (Argument("act", Kind.NUMBER),), writes=True),
    Verb("logout", "People", "close all connections of somebody, or the one of that id",
         (_WHO, _REASON), writes=True),
    Verb("account add", "People", "make an account", (Argument("name"),
         Argument("password", Kind.SECRET, optional=True)), Rank.ADMIN, writes=True),
    Verb("account role", "People", "let an account be a user, moderator, admin or owner of the"
         " server", (_WHO, Argument("rank", choices=tuple(rank.name.lower() for rank in Rank)),
         _REASON), Rank.ADMIN, writes=True,
         asks=lambda g: c.SetRank(g.text("who"), g.text("rank"), g.text("reason"))),
    Verb("account suspend", "People", "let nobody log in to an account, for good or --for 7d; who"
         " is logged in is told the reason, and parted with",
         (_WHO, _FOR, _REASON), writes=True),
    Verb("account resume", "People", "let an account be logged in to again", (_WHO, _REASON),
         writes=True),
    Verb("account passwd", "People", "give an account another password, which is asked for, and"
         " close its connections",
         (_WHO, Argument("password", Kind.SECRET, optional=True)), Rank.ADMIN, writes=True),
    Verb("account reset-code", "People", "make a code for who forgot a password: for a day it is as"
         " good as that, and what another one is set with", (_WHO,), Rank.ADMIN, writes=True),
    Verb("account export", "People", "all that is kept of an account: what it is to the server and"
         " to rooms, what it said, what was whispered to it; --json for a line each",
         (_WHO,), Rank.ADMIN, writes=True),
    Verb("account erase", "People", "remove an account: its messages are deleted, its own log is"
         " discarded, its name is free; that cannot be taken back, so say --sure",
         (_WHO, _REASON, Argument("sure", Kind.FLAG, option="sure")), Rank.ADMIN, writes=True),
    Verb("account show", "People", "what is known of an account", (_WHO,), upright=True),
)  # fmt: skip

ROOMS = (
    Verb("op", "Rooms", "make somebody a moderator of a room", (_WHO, _ROOM),
         Rank.ADMIN, writes=True, asks=lambda g: c.Op(g.text("room"), g.text("who"))),
    Verb("deop", "Rooms", "make a moderator an ordinary member", (_WHO, _ROOM),
         Rank.ADMIN, writes=True, asks=lambda g: c.Deop(g.text("room"), g.text("who"))),
    Verb("owner", "Rooms", "let a room belong to somebody who is in it", (_WHO, _ROOM),
         Rank.ADMIN, writes=True, asks=lambda g: c.Own(g.text("room"), g.text("who"))),
    Verb("voice", "Rooms", "let somebody speak also where others may not, or not so often",
         (_WHO, _ROOM), writes=True, asks=lambda g: c.Voice(g.text("room"), g.text("who"))),
    Verb("devoice", "Rooms", "let them speak as others do", (_WHO, _ROOM), writes=True,
         asks=lambda g: c.Devoice(g.text("room"), g.text("who"))),
    Verb("invite", "Rooms", "let somebody in, also where one enters by invitation only",
         (_WHO, _ROOM), Rank.ADMIN, writes=True,
         asks=lambda g: c.Invite(g.text("room"), g.text("who"))),
    Verb("set", "Rooms", "change a room: invite-only, members-only, announce-only or closed is on"
         " or off, slow is a span between messages, or off",
         (_ROOM, Argument("setting"), Argument("value")), Rank.ADMIN, writes=True,
         asks=lambda g: c.Configure(g.text("room"), g.text("setting"), g.switch("value"))),
    Verb("room rename", "Rooms", "let a room be called something else: its log goes on, those in it"
         " stay, and its old name leads to it",
         (_ROOM, Argument("name")), Rank.ADMIN, writes=True),
    Verb("room delete", "Rooms", "put everybody out of a room and let nobody in. undo brings it"
         " back whole, until --room-grace is over: then its history is discarded and its name is"
         " free",
         (_ROOM, _REASON), Rank.ADMIN, writes=True),
    Verb("room restore", "Rooms", "bring back a room that was deleted; rooms --deleted lists them",
         (_ROOM,), Rank.ADMIN, writes=True, asks=lambda g: c.RestoreRoom(g.text("room"))),
    Verb("topic", "Rooms", "show, or set, what a room is about; - removes it",
         (_ROOM, Argument("text", Kind.TEXT, optional=True)), writes=True, upright=True),
    Verb("lock", "Rooms", "let only those in who know a password",
         (_ROOM, Argument("password", Kind.SECRET, optional=True)), rank=Rank.ADMIN, writes=True,
         asks=lambda g: c.Lock(g.text("room"), g.text("password"))),
    Verb("unlock", "Rooms", "let everyone in again", (_ROOM,), rank=Rank.ADMIN, writes=True,
         asks=lambda g: c.Unlock(g.text("room"))),
    Verb("retain", "Rooms", "let messages be kept no longer than that; 0: as long as the server"
         " keeps them", (_ROOM, Argument("seconds", Kind.SPAN)), rank=Rank.ADMIN, writes=True,
         asks=lambda g: c.Retain(g.text("room"), g.seconds())),
    Verb("delete", "Rooms", "erase a message; /history and watch show its number",
         (Argument("message", Kind.MESSAGE), _REASON), writes=True,
         asks=lambda g: c.Delete(*g.message("message"), g.text("reason"))),
)  # fmt: skip

TALKING = (
    Verb("say", "Talking", "say something in a room", (_ROOM, _TEXT), writes=True),
    Verb("tell", "Talking", "tell somebody alone, now or at the next login", (_WHO, _TEXT),
         writes=True),
    Verb("shout", "Talking", "tell everyone on the server", (_TEXT,), rank=Rank.ADMIN, writes=True),
    Verb("motd", "Talking", "show, or set, what everyone is told who connects; \\n in TEXT begins a"
         " line. --clear: nothing; --reset: what the server was started with. To set it takes the"
         " rank of admin",
         (Argument("text", Kind.TEXT, optional=True),
          Argument("clear", Kind.FLAG, option="clear"),
          Argument("reset", Kind.FLAG, option="reset"), _FOR, _REASON), writes=True,
         upright=True),
)  # fmt: skip

SERVER = (
    Verb("config check", "Server", "read the configuration as a start would: what is wrong with it,"
         " what would change, and what takes a restart", (), Rank.ADMIN),
    Verb("config reload", "Server", "take up what changed in the configuration, as SIGHUP does; if"
         " anything is wrong with it, nothing", (), Rank.OWNER, writes=True),
    Verb("log level", "Server", "show, or set, what the log keeps: of NAMESPACE, like"
         " chatnet.server, or of all; for good, or --for 10m; --reset: as it was started",
         (Argument("to", optional=True, choices=LOG_LEVELS),
          Argument("namespace", optional=True), _FOR, Argument("reset", Kind.FLAG,
          option="reset")), Rank.ADMIN, writes=True),
    Verb("backup", "Server", "write all that is kept to PATH on the server's machine, a new file",
         (Argument("path"),), Rank.OWNER, writes=True, long=True),
    Verb("verify", "Server", "find what is lost, changed or moved in what is kept or, with PATH, in"
         " a backup on the server's machine",
         (Argument("path", optional=True),), Rank.OWNER, writes=True, long=True),
    Verb("cert show", "Server", "the TLS certificate: names, fingerprint, expiry",
         upright=True),
    Verb("cert reload", "Server", "look at the certificate's files now", rank=Rank.ADMIN,
         writes=True, upright=True),
    Verb("drain", "Server", "let nobody in any more, tell all, and stop after so long",
         (Argument("seconds", Kind.SPAN), _TEXT), Rank.OWNER, writes=True),
    Verb("stop", "Server", "stop the server, at once or --in 5m; --never calls that off",
         (Argument("seconds", Kind.SPAN, option="in"), Argument("never", Kind.FLAG,
         option="never")), Rank.OWNER, writes=True),
    Verb("du", "Server", "how many entries each room has, and what its files take", (_LIMIT,)),
    Verb("doctor", "Server", "look for what may go wrong: disk, fsync, clock, certificate, backup,"
         " open files"),
)  # fmt: skip

DEFENCE = (
    Verb("limit get", "Defence", "what one person and one address may do",
         (Argument("name", optional=True),)),
    Verb("limit set", "Defence", "change that, for good or --for 10m; none is no limit",
         (Argument("name"), Argument("value"), _FOR, _REASON), Rank.ADMIN, writes=True),
    Verb("limit reset", "Defence", "let a limit be again what the server was started with",
         (Argument("name"), _REASON), Rank.ADMIN, writes=True),
    Verb("registration", "Defence", "whether people can make accounts: all, who has an invitation,"
         " or nobody; for good or --for 1h; reset: as the server was started",
         (Argument("to", optional=True, choices=("open", "invite", "closed", "reset")), _FOR,
          _REASON), Rank.ADMIN, writes=True),
    Verb("invite new", "Defence", "make an invitation: for one account, or --uses 5; for good, or"
         " --for 7d", (Argument("uses", Kind.NUMBER, option="uses"), _FOR,
         Argument("note", option="note")), Rank.ADMIN, writes=True),
    Verb("invite list", "Defence", "the invitations that are good for something",
         rank=Rank.ADMIN),
    Verb("invite revoke", "Defence", "let one, or all, be good for nothing",
         (Argument("id"),), Rank.ADMIN, writes=True),
    Verb("level", "Defence", "how careful the server is with those who are new: 0 to 4, for good"
         " or --for 1h; auto: as many as come",
         (Argument("to", optional=True, choices=("0", "1", "2", "3", "4", "auto")), _FOR, _REASON),
          Rank.ADMIN, writes=True),
)  # fmt: skip

ALL_VERBS = (*LOOK, *PEOPLE, *ROOMS, *TALKING, *DEFENCE, *SERVER)
VERBS = {verb.name: verb for verb in ALL_VERBS}
BY_THEMSELVES = {  # what needs no server, see chatnet.admin.keeping
    "backup": "write all that is kept to a file, while the server runs",
    "restore": "put a backup back into an empty store",
    "verify": "find what is lost, changed or moved",
}

_CLAUSE = re.compile(r"(\([^)]*\)|[^;:.(]|[:.](?! ))+")  # up to the end of it


def understand(words: Sequence[str]) -> tuple[Verb, Given]:
    """Return the verb that ``words`` begin with, and what it is given.

    Raises:
        Malformed: there is none, or that is not how it is used.
    """
    verb, rest = find(words)
    return verb, verb.understand(rest)


def find(words: Sequence[str]) -> tuple[Verb, Sequence[str]]:
    """Return the verb that ``words`` begin with, and what follows.

    Raises:
        Malformed: there is none.
    """
    for count in (2, 1):
        verb = VERBS.get(" ".join(words[:count]).lower())
        if verb is not None:
            return verb, words[count:]
    first = words[0].lower()[:32] if words else ""
    longer = [name for name in VERBS if name.startswith(f"{first} ") or name.endswith(f" {first}")]
    if first in BY_THEMSELVES:
        raise Malformed(f"{first} needs no server. In a shell: python -m chatnet.admin {first}")
    near = longer or get_close_matches(first, VERBS, 1, cutoff=0.7)
    hint = f"Did you mean {' or '.join(near)}?" if near else "help lists what there is."
    raise Malformed(f"There is no verb {first}. {hint}")


def help_text() -> str:
    """Return the list of all verbs."""
    width = max(len(verb.name) for verb in ALL_VERBS)
    lines = []
    for group in GROUPS:
        lines.append(f"{group}:")
        for verb in ALL_VERBS:
            if verb.group == group:
                lines += _entry(verb.name, verb.about, width)
    lines.append("Without a server:")
    for name, about in BY_THEMSELVES.items():
        lines += _entry(name, about, width)
    return "\n".join(lines)


def _entry(name: str, about: str, width: int) -> list[str]:
    """Return the lines of the list of verbs that begin to say what ``name`` is ``about``."""
    first = _CLAUSE.match(about)
    assert first is not None
    return wrap(f"  {name:{width}}  {first[0]}", 79, subsequent_indent=" " * (width + 4))


def help_on(words: Sequence[str]) -> str:
    """Return what there is to know about the verb that ``words`` name.

    Raises:
        Malformed: there is none.
    """
    verb, _ = find(words)
    rank = f" Takes the rank of {verb.rank.name.lower()}." if verb.rank else ""
    dry = " --dry-run only tells who would be hit, of those who are here and who were lately."
    about = f"{verb.about[0].upper()}{verb.about[1:]}.{dry if verb.writes else ''}{rank}"
    return "\n".join([*wrap(verb.usage, 79, subsequent_indent="    "), *wrap(about, 79)])
