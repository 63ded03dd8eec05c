"""The commands of the human dialect: what they are called, how they are used, what they mean."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from chatnet.core import commands as c
from chatnet.core.durations import parse_duration
from chatnet.core.plain import plain
from chatnet.core.refusals import Malformed
from chatnet.core.times import parse_time

ALL = -1
# With blanks are what pastes and files bring along unseen: marks of order, of direction, of bytes.
_COMMAND = re.compile(
    r"/(?!/)|[\s\u200b-\u200f\u2060-\u206f\ufeff]+/(?=\s*[a-z?-]+(?!\S))", re.IGNORECASE
)

_TOO_LONG = re.compile(r"(?:\d+[smhdw])+", re.ASCII)  # if it is no length of time
_AFTER_SPAN = " A reason that begins with a digit stands behind one: 0s is for good."


@dataclass(frozen=True, slots=True)
class Verb:
    """One command. ``parse`` takes the rest of the line; it raises an empty ``Malformed`` when
    that is not how the command is used."""

    name: str
    usage: str
    about: str
    group: str
    parse: Callable[[str], c.Command]
    also: tuple[str, ...] = ()


def _none(command: Callable[[], c.Command]) -> Callable[[str], c.Command]:
    def parse(rest: str) -> c.Command:
        if rest:
            raise Malformed()
        return command()

    return parse


def _one(command: Callable[[str], c.Command], optional: bool = False) -> Callable[[str], c.Command]:
    def parse(rest: str) -> c.Command:
        if len(rest.split()) != 1 and not (optional and not rest):
            raise Malformed()
        return command(rest)

    return parse


def _two(command: Callable[[str, str], c.Command]) -> Callable[[str], c.Command]:
    def parse(rest: str) -> c.Command:
        words = rest.split()
        if len(words) != 2:
            raise Malformed()
        return command(*words)

    return parse


def _register(rest: str) -> c.Command:
    words = rest.split()
    if not 2 <= len(words) <= 3:
        raise Malformed()
    return c.Register(*words)


def _text(command: Callable[[str], c.Command]) -> Callable[[str], c.Command]:
    def parse(rest: str) -> c.Command:
        if not rest:
            raise Malformed()
        return command(rest)

    return parse


def _whom(rest: str) -> tuple[str, str]:
    who, _, tail = rest.partition(" ")
    if not who:
        raise Malformed()
    return who, tail.strip()


def _whisper(rest: str) -> c.Command:
    who, body = _whom(rest)
    if not body:
        raise Malformed()
    return c.Whisper(who, body)


def _spam(rest: str) -> c.Command:
    who, tail = _whom(rest)
    times, _, body = tail.partition(" ")
    if not (times.isascii() and times.isdigit() and body.strip()):
        raise Malformed()
    return c.Whisper(who, body.strip(), int(times[:9]))


def _send(rest: str) -> c.Command:
    who, body = _whom(rest)
    if not body:
        raise Malformed()
    return c.Announce(body) if who.lower() == "all" else c.Whisper(who, body)


def _join(rest: str) -> c.Command:
    words = rest.split()
    if not 1 <= len(words) <= 2:
        raise Malformed()
    return c.Join(words[0], words[1] if len(words) == 2 else "", alone=True)


def _history(rest: str) -> c.History:
    count, words = 50, rest.split()
    if words and words[0].lower() == "all":
        count = ALL
    elif words and len(words[0]) < 8 and _number(words[0]):
        count = _number(words[0])
    else:
        words = ["", *words]
    place = " ".join(words[1:])
    if place.startswith("@") and len(place) > 1:
        who, _, place = place[1:].partition(" ")
        return replace(_place(count, place), who=who)
    return _place(count, place)


def _place(count: int, place: str) -> c.History:
    if place.startswith("#") and _number(place[1:]):
        return c.History("", count, first=_number(place[1:]))
    if place and parse_time(place, 0) is None:
        raise Malformed()
    return c.History("", count, at=place)


def _number(word: str) -> int:
    """Return the number that ``word`` is; 0 if it is none."""
    return int(word) if word.isascii() and word.isdigit() and len(word) < 16 else 0


def _search(rest: str) -> c.Command:
    asked = {"from": "", "in": "", "since": ""}
    words = []
    for word in rest.split():
        name, colon, value = word.partition(":")
        if colon and value and name.lower() in asked:
            asked[name.lower()] = value
        else:
            words.append(word)
    if not words and not asked["from"]:
        raise Malformed()
    return c.Find(" ".join(words), asked["in"], asked["from"], asked["since"])


def _delete(rest: str) -> c.Command:
    word, _, reason = rest.partition(" ")
    number = _number(word.removeprefix("#"))
    if rest and not (number and word.startswith("#")):  # not what was meant, and it is for good
        raise Malformed(
            f"Nothing was deleted. Use it like this: /delete #{number or 1234} REASON, with the"
            " number that /history shows, or /delete by itself for your last message."
        )
    return c.Delete("", number, reason.strip())


def _retain(rest: str) -> c.Command:
    seconds = 0 if rest.lower() in ("off", "0") else _span(rest)
    if seconds is None:
        raise Malformed()
    return c.Retain("", seconds)


def _set(rest: str) -> c.Command:
    words = rest.lower().split()
    if not words:
        return c.ShowSettings()
    if len(words) != 2:
        raise Malformed()
    switch = {"on": 1, "off": 0, "0": 0}
    on = switch[words[1]] if words[1] in switch else _span(words[1])
    if on is None or words == ["slow", "on"]:
        raise Malformed()
    return c.Configure("", words[0], on)


def _encrypt(rest: str) -> c.Command:
    if rest.lower() != "on":
        raise Malformed()
    return c.Encrypt("")


def _delete_room(rest: str) -> c.Command:
    return c.DeleteRoom(*_whom(rest))


def _topic(rest: str) -> c.Command:
    return c.SetTopic("", "" if rest == "-" else rest) if rest else c.ShowTopic()


def _kick(rest: str) -> c.Command:
    return c.Kick("", *_whom(rest))


def _for_a_while(rest: str) -> tuple[str, float, str]:
    who, tail = _whom(rest)
    word, _, reason = tail.partition(" ")
    seconds = _span(word, _AFTER_SPAN)
    return (who, 0, tail) if seconds is None else (who, seconds, reason.strip())


def _span(word: str, more: str = "") -> int | None:
    """Return the seconds that ``word`` is; None if it does not begin with a digit.

    Raises:
        Malformed: it does, and is no length of time. It says ``more``, too.
    """
    seconds = parse_duration(word)
    if seconds is None and word.lstrip("+-.,")[:1].isnumeric():
        said = plain(word[:32])
        if _TOO_LONG.fullmatch(word):
            raise Malformed(
                f"Nothing was done: {said} is too long: each number has six digits at most.{more}"
            )
        raise Malformed(
            f"Nothing was done: {said} is no length of time, like 90s, 10m, 2h, 7d or 1d12h.{more}"
        )
    return seconds


def _ban(rest: str) -> c.Command:
    return c.Ban("", *_for_a_while(rest))


def _mute(rest: str) -> c.Command:
    return c.Mute("", *_for_a_while(rest))


def _here(command: Callable[[str, str], c.Command]) -> Callable[[str], c.Command]:
    return _one(lambda who: command("", who))


_GROUPS = ("Rooms", "Talking", "You", "Moderators")

ALL_VERBS = (
    Verb("join", "/join ROOM [PASSWORD]", "enter a room, or open a new one; you leave the one"
         " you are in", "Rooms", _join),
    Verb("leave", "/leave", "leave the room", "Rooms", _none(c.Leave), ("part",)),
    Verb("rooms", "/rooms", "list the rooms", "Rooms", _none(c.ListRooms), ("list",)),
    Verb("who", "/who [ROOM]", "list who is in a room; outside a room, who is on the server",
         "Rooms", _one(c.ListMembers, optional=True), ("names",)),
    Verb("topic", "/topic [TEXT]", "show what the room is about; moderators change it, and"
         " remove it with -", "Rooms", _topic),
    Verb("history", "/history [N|all] [@USER] [#NUMBER|DATE|DURATION]", "read the last messages of"
         " the room again, with their times (UTC) and numbers; or those from a number, a date"
         " (2026-11-20, 2026-11-20T18:30) or so long ago (2h, 7d) on. With @USER, what you two"
         " whispered", "Rooms", _history),
    Verb("search", "/search WORDS [from:USER] [in:ROOM] [since:DATE]", "find messages with all of"
         " these words in the rooms you are in; since: 2026-11-20, 2026-11-20T18:30 (UTC), or 7d"
         " for the last week", "Rooms", _search, ("find",)),
    Verb("whisper", "/whisper USER TEXT", "tell one person alone, now or at their next login",
         "Talking", _whisper, ("w", "msg", "tell")),
    Verb("send-file", "/send-file ROOM|USER PATH", "send a file to a room or to one person. With nc"
         " that takes a second program: /token tells which", "Talking", lambda rest: c.Token(),
         ("sendfile", "upload", "token")),
    Verb("get", "/get [ID]", "get a link to a file that was sent, or to the last one in the room",
         "Talking", _one(c.Fetch, optional=True), ("fetch", "get-file")),
    Verb("me", "/me TEXT", "say what you do: * ann waves", "Talking",
         _text(lambda rest: c.Say("", rest, True))),
    Verb("shout", "/shout TEXT", "SAY IT IN CAPITALS", "Talking",
         _text(lambda rest: c.Say("", rest.upper()))),
    Verb("send", "/send USER TEXT, or /send all TEXT", "tell one person, or everyone on the"
         " server (that takes an account)", "Talking", _send),
    Verb("spam", "/spam USER TIMES TEXT", "tell one person several times, up to 10", "Talking",
         _spam),
    Verb("roll", "/roll [DICE]", "throw dice, like 2d6, where all can see it: the server throws",
         "Talking", _one(lambda rest: c.Roll("", rest or "1d6"), optional=True), ("dice",)),
    Verb("delete", "/delete [#NUMBER [REASON]]", "delete your last message, or the one of that"
         " number: /history and /search show them. Moderators delete what others said, too."
         " Whispers, and what was said to all, cannot be deleted", "Talking", _delete, ("del",)),
    Verb("nick", "/nick NAME", "be called something else", "You", _one(c.Nick), ("name",)),
    Verb("newuser", "/newuser ID PASSWORD [INVITATION]", "make an account: the name is yours for"
         " good; some servers want an invitation", "You", _register, ("register",)),
    Verb("login", "/login ID PASSWORD", "be your account", "You", _two(c.Login)),
    Verb("passwd", "/passwd OLD NEW", "change your password", "You", _two(c.ChangePassword)),
    Verb("logout", "/logout", "log out, which closes the connection", "You", _none(c.Logout)),
    Verb("whois", "/whois USER", "see who someone is", "You", _one(c.Whois)),
    Verb("devices", "/devices [USER]", "list your devices that have keys, or someone's, and the"
         " fingerprints of these", "You", _one(c.ListDevices, optional=True)),
    Verb("rmdevice", "/rmdevice ID", "remove one of your devices: nothing is encrypted for it"
         " any more", "You", _one(c.RemoveDevice)),
    Verb("ignore", "/ignore [USER]", "see nothing more of what someone says; list whom you"
         " ignore", "You", _one(c.Ignore, optional=True)),
    Verb("unignore", "/unignore USER", "see it again", "You", _one(c.Unignore)),
    Verb("ping", "/ping", "see whether the server answers", "You", _none(c.Ping)),
    Verb("quit", "/quit", "leave", "You", _none(c.Quit), ("exit", "bye")),
    Verb("kick", "/kick USER [REASON]", "put someone out of the room", "Moderators", _kick),
    Verb("ban", "/ban USER [DURATION] [REASON]", "put someone out and keep them out: for good, or"
         " for 90s, 10m, 2h, 7d, 1w", "Moderators", _ban),
    Verb("unban", "/unban USER", "let them in again", "Moderators", _here(c.Unban)),
    Verb("bans", "/bans", "list who is banned or muted", "Moderators", _none(c.ListBans)),
    Verb("mute", "/mute USER [DURATION] [REASON]", "let someone listen, but not speak",
         "Moderators", _mute),
    Verb("unmute", "/unmute USER", "let them speak again", "Moderators", _here(c.Unmute)),
    Verb("op", "/op USER", "make someone a moderator", "Moderators", _here(c.Op)),
    Verb("deop", "/deop USER", "make a moderator an ordinary member", "Moderators",
         _here(c.Deop)),
    Verb("voice", "/voice USER", "let someone speak also where others may not, or not so often",
         "Moderators", _here(c.Voice)),
    Verb("devoice", "/devoice USER", "let them speak as others do", "Moderators",
         _here(c.Devoice)),
    Verb("invite", "/invite USER", "let someone in, also where one enters by invitation only",
         "Moderators", _here(lambda room, who: c.Invite(room, who))),
    Verb("encrypt", "/encrypt on", "encrypt the room, for good: the server cannot read what is"
         " said from then on, and only accounts with keys take part", "Moderators", _encrypt),
    Verb("set", "/set [SETTING on, off or DURATION]", "list what can be set here; moderators change"
         " it: invite-only, members-only (who has an account enters), announce-only (who has a"
         " voice speaks), slow (a DURATION between messages), closed (its owner)", "Moderators",
         _set),
    Verb("owner", "/owner USER", "let the room belong to someone who is in it; you moderate it on",
         "Moderators", _here(c.Own)),
    Verb("rename", "/rename NAME", "let the room be called something else; its old name goes on to"
         " lead to it. For its owner, who has an account", "Moderators", _here(c.RenameRoom)),
    Verb("delete-room", "/delete-room ROOM [REASON]", "put everybody out of the room of that name,"
         " for good: staff can restore it for a while, then its history is discarded. For its"
         " owner, who has an account", "Moderators", _delete_room, ("deleteroom",)),
    Verb("admin", "/admin VERB", "do what a verb of the operator's console says, like"
         " /admin who --sort lag; /admin help lists them. For the server's staff", "Moderators",
         _text(c.Operate)),
    Verb("lock", "/lock PASSWORD", "let only those in who know the password", "Moderators",
         _one(lambda password: c.Lock("", password))),
    Verb("unlock", "/unlock", "let everyone in again", "Moderators",
         _none(lambda: c.Unlock(""))),
    Verb("retain", "/retain DURATION, or /retain off", "let messages be kept no longer than that"
         " (1h, 7d, 30d); off: as long as the server keeps them, which a room can only shorten",
         "Moderators", _retain),
)  # fmt: skip

_HELP = Verb("help", "/help [COMMAND]", "list the commands, or explain one", "You", c.Whois, ("?",))

VERBS: dict[str, Verb] = {
    name: verb for verb in (*ALL_VERBS, _HELP) for name in (verb.name, *verb.also)
}


def command_of(line: str) -> str | None:
    """Return the command that ``line`` is, without its slash; None if it is none.

    One slash begins it, and not two. Behind blanks, or what nobody sees, only a slash with a word
    and no more signs does: what is pasted from a program is none, but a command that slipped is not
    said aloud.
    """
    found = _COMMAND.match(line)
    return line[found.end() :] if found else None


def is_command(line: str) -> bool:
    """Return whether ``line`` is a command; see ``command_of``."""
    return _COMMAND.match(line) is not None


def help_text() -> str:
    """Return the list of all commands."""
    lines = []
    for group in _GROUPS:
        names = [f"/{verb.name}" for verb in ALL_VERBS if verb.group == group]
        lines.append(f"{group}: {' '.join(names)}")
    lines += [
        "/help COMMAND explains one. What does not begin with / is said in the room;",
        "// begins a message with a slash. Whoever opens a room owns it.",
    ]
    return "\n".join(lines)


def help_on(name: str) -> str:
    """Return what there is to know about the command ``name``.

    Raises:
        Malformed: there is none.
    """
    verb = VERBS.get(name)
    if verb is None:
        raise Malformed(f"There is no command /{name[:32]}. /help lists them.")
    also = f" (also: {', '.join('/' + other for other in verb.also)})" if verb.also else ""
    return f"{verb.usage} - {verb.about}{also}"
