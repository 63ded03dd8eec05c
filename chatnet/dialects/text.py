"""The human dialect: what people on ``nc`` and ``telnet`` type and read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from operator import itemgetter
from typing import assert_never

from zope.interface import implementer

from chatnet.core import replies as r
from chatnet.core.commands import Password, Request, Say
from chatnet.core.durations import spell_duration, spell_span
from chatnet.core.files import spell_size
from chatnet.core.large import Work, decoding
from chatnet.core.plain import plain, plain_lines
from chatnet.core.refusals import Malformed
from chatnet.core.room import Sanction
from chatnet.core.search import excerpt
from chatnet.dialects.styles import DATED, LIVE, PAST, when
from chatnet.dialects.telnet import Negotiation
from chatnet.dialects.verbs import VERBS, command_of, help_on, help_text, is_command
from chatnet.interfaces import IDialect

SHOWN = 300  # characters of a message that was found

_END = "\r\n"
_RETURN = {ord("\r")}
_first: Callable[[str], str] = itemgetter(0)
_last: Callable[[bytes], int] = itemgetter(-1)
_SLASH = "// begins a message with a slash."
_NOT_UTF_8 = "That line is not UTF-8, so it was not sent. Set your terminal to UTF-8."


@implementer(IDialect)
class TextDialect:
    """Commands begin with ``/``, see ``is_command``, and anything else is speech.

    Outside a room there is nobody to speak to: there, a line that begins with a command's name is
    that command without its slash.
    """

    style, past, recall = LIVE, PAST, DATED
    echo = False
    alone = True
    escapes = 1

    def __init__(self, password_first: bool = False) -> None:
        self._password_first = password_first
        self._negotiation = Negotiation()

    def receive(self, unit: bytes, in_room: bool) -> Request | r.Reply | None:
        try:
            return self._understand(self._stripped(unit).decode(), in_room)
        except UnicodeDecodeError as error:
            raise Malformed(_NOT_UTF_8) from error

    def speech(self, units: Sequence[bytes]) -> Sequence[str]:
        data = b"\n".join(units)
        if self._may_negotiate(data) or self._password_first:
            return ()
        if b"\r" in data:
            bare = data.replace(b"\r", b"")
            if (
                len(data) - len(bare) == len(units)
                and all(units)
                and set(map(_last, units)) == _RETURN
            ):
                data = bare  # each line has one, at its end
            else:
                data = data.replace(b"\r\n", b"\n").removesuffix(b"\r")
        try:
            lines = data.decode().split("\n")
        except UnicodeDecodeError:
            return ()
        if not all(map(str.strip, lines)):
            return ()
        # To look for one byte is quick, and mostly it is nowhere.
        slashed = b"/" in data and ("/" in map(_first, lines) or any(map(is_command, lines)))
        return () if slashed else lines

    def read(self, unit: bytes, in_room: bool) -> Work[Request | r.Reply | None]:
        try:
            reading = decoding(self._stripped(unit))
            del unit  # it is as large as all the rest
            line = yield from reading
        except UnicodeDecodeError as error:
            raise Malformed(_NOT_UTF_8) from error
        return self._understand(line, in_room)

    def _stripped(self, unit: bytes) -> bytes:
        return self._negotiation.strip(unit) if self._may_negotiate(unit) else unit

    def _may_negotiate(self, data: bytes) -> bool:
        """Return whether telnet's commands, or its way to end a line, may be in ``data``."""
        return b"\xff" in data or b"\0" in data or self._negotiation.pending

    def _understand(self, line: str, in_room: bool) -> Request | r.Reply | None:
        if not line or line.isspace():
            return None
        if self._password_first:
            self._password_first = False
            return Request(Password(line.strip()))
        command = command_of(line)
        if command is not None:
            return self._command(command)
        if line.startswith("//"):
            return self._say(line[1:], in_room)
        if not in_room and line.split(maxsplit=1)[0].lower() in VERBS:
            return self._command(line)
        return self._say(line, in_room)

    def _say(self, line: str, in_room: bool) -> Request:
        if not in_room:
            raise Malformed(
                "You are in no room, so nobody hears that."
                " /join ROOM enters one, /rooms lists them, /help tells more."
            )
        return Request(Say("", line))

    def _command(self, line: str) -> Request | r.Reply:
        word, _, rest = line.strip().partition(" ")
        verb = VERBS.get(word.lower())
        if word.lower() in ("help", "?"):
            return r.Noted(help_on(rest.strip().lower().removeprefix("/")) if rest else help_text())
        if verb is None:
            near = get_close_matches(word.lower(), VERBS, 1)
            hint = f"Did you mean /{near[0]}? {_SLASH}" if near else f"/help lists them; {_SLASH}"
            raise Malformed(f"There is no command /{plain(word[:32])}. {hint}")
        try:
            return Request(verb.parse(rest.strip()))
        except Malformed as error:
            raise Malformed(str(error) or f"Use it like this: {verb.usage}") from error

    def reply(self, reply: r.Reply, cid: str | None) -> bytes:
        text = self._words(reply)
        return (_END.join(text.split("\n")) + _END).encode(errors="replace") if text else b""

    def _words(self, reply: r.Reply) -> str:
        match reply:
            case r.Hello():
                return _welcome(reply)
            case r.YouAre(name, registered):
                return f"You are logged in as {name}." if registered else f"You are now {name}."
            case r.Entered():
                return _entered(reply)
            case r.AlreadyIn(_, name):
                return f"You are in {name} already."
            case r.CaughtUp(room, name, seq, True):
                who = f"@{plain(name)} " if room.startswith("@") else ""
                return f"--- there is more: /history {who}#{seq + 1} ---"
            case r.CaughtUp():
                return "--- end of history ---"
            case r.Found():
                return _found(reply)
            case r.History(room, name, since) if room.startswith("@"):
                begin = f" from #{since + 1} on" if since else ""
                return f"--- whispers with {plain(name)}{begin} ---"
            case r.History(_, name, since, _, _, True):
                return f"--- {name} from #{since + 1} on ---"
            case r.History(_, name, _, _, count):
                what = {-1: "all messages", 1: "the last message"}.get(
                    count, f"the last {count:,} messages"
                )
                return f"--- {what} of {name} ---"
            case r.Out(_, name, put_out):
                return f"You are out of {name}." if put_out else f"You left {name}."
            case r.Members(_, name, people):
                return _members(name, people)
            case r.Rooms(rooms, more):
                return _rooms(rooms, more)
            case r.Bans(_, name, bans, mutes):
                return "\n".join(_sanctions(name, "banned from", bans, "muted in", mutes))
            case r.Topic(_, name, topic):
                return f"Topic of {name}: {plain(topic)}" if topic else f"{name} has no topic."
            case r.Settings(_, name, settings):
                return _settings(name, settings)
            case r.Whoami():
                return _whois(reply)
            case r.Ignored(names):
                return f"You ignore: {', '.join(names)}" if names else "You ignore nobody."
            case r.Token():
                return _token(reply)
            case r.Link(_, name, size, _, sha256, _, url, seconds):
                about = f"{plain(name)}, {spell_size(size)}, for {spell_duration(seconds)} at"
                return f"{about}\n{url}\nIts SHA-256 is {sha256}"
            case r.Noted(text):
                return "\n".join(plain_lines(text))
            case r.Pong():
                return "pong"
            case r.Devices(_, name, _, devices):
                return _devices(name, devices)
            case r.Done() | r.Typing() | r.Wait() | r.Attached() | r.Claimed() | r.Kept():
                return ""  # no command has a name in this dialect, and nothing is half said
            case r.Sorry(refusal):
                return plain(str(refusal))
            case r.Bye(text):
                return plain(text)
            case _:
                assert_never(reply)


def _welcome(reply: r.Hello) -> str:
    if reply.password_needed and not reply.passwords:
        return ""  # it is told why it has to go
    if reply.password_needed:
        return f"{reply.server} has a password. Please type it:"
    lines = [f"Welcome to {reply.server}! You are {reply.you}."]
    lines += plain_lines(reply.motd) if reply.motd else []
    lines.append("/join ROOM enters a room, /rooms lists them, /nick NAME names you, /help helps.")
    return "\n".join(lines)


def _entered(reply: r.Entered) -> str:
    lines = [
        f"Welcome to room {reply.name}!",
        f"Current users: {', '.join(one.name for one in reply.state.members)}",
    ]
    if reply.state.topic:
        lines.append(f"Topic: {plain(reply.state.topic)}")
    if reply.retention:
        lines.append(f"Messages here are kept for {spell_span(reply.retention)}.")
    if reply.since < reply.seq:
        lines.append("--- history ---")
    return "\n".join(lines)


def _found(reply: r.Found) -> str:
    if not reply.hits:
        return "Nothing was found." + (" There is more to look through." if reply.more else "")
    lines = []
    for hit in reply.hits:
        said = plain(" ".join(excerpt(hit.body, reply.words, SHOWN).split()))
        spoke = f"* {hit.by} {said}" if hit.action else f"{hit.by}: {said}"
        lines.append(f"[{when(hit.at)} #{hit.seq}] {hit.name}: {spoke}")
    what = "the last " if reply.more else ""
    count = f"{len(lines)} message" + ("s" if len(lines) != 1 else "")
    return "\n".join([f"--- {what}{count} found ---", *lines, "--- end of what was found ---"])


def _token(reply: r.Token) -> str:
    """Return how a file is sent with what every system has."""
    way = f"curl -T FILE --oauth2-bearer {reply.token} {reply.url}"
    most = f", of up to {spell_size(reply.most)}" if reply.most else ""
    return "\n".join(
        [
            f"With this token you send files for {spell_duration(reply.seconds)}{most}."
            " Keep it to yourself.",
            f"To a room that you are in: {way}/r/ROOM/",
            f"To one person: {way}/p/USER/",
        ]
    )


def _members(name: str, people: tuple[r.PersonLine, ...]) -> str:
    marks = [
        line.name + (" (moderator)" if line.moderator else "") + (" (muted)" if line.muted else "")
        for line in people
    ]
    where = f"In {name}" if name else "On the server"
    return f"{where} ({len(people)}): {', '.join(marks)}" if marks else f"{where}: nobody"


def _devices(name: str, devices: tuple[r.DeviceLine, ...]) -> str:
    if not devices:
        return f"{name} has no devices with keys, so nothing can be encrypted for {name}."
    lines = [f"{d.device}  {fingerprint(d.signing)}  {plain(d.label)}".rstrip() for d in devices]
    return "\n".join([f"Devices of {name}, and the fingerprints of their keys:", *lines])


def fingerprint(signing: str) -> str:
    """Return the public key ``signing`` as people compare it: in groups of four characters."""
    return " ".join(signing[at : at + 4] for at in range(0, len(signing), 4))


def _rooms(rooms: tuple[r.RoomLine, ...], more: int) -> str:
    if not rooms:
        return "There are no rooms yet. /join ROOM opens one."
    lines = [
        f"{line.name} ({line.people} here)"
        + (" [password]" if line.locked else "")
        + (f": {plain(line.topic)}" if line.topic else "")
        for line in rooms
    ]
    return "\n".join(["Rooms:", *lines, *([f"... and {more:,} more"] if more else [])])


def _sanctions(
    name: str, banned: str, bans: tuple[Sanction, ...], muted: str, mutes: tuple[Sanction, ...]
) -> list[str]:
    lines = []
    for what, held in ((banned, bans), (muted, mutes)):
        for one in held:
            until = f" until {when(one.until)} UTC" if one.until else ""
            reason = f": {plain(one.reason)}" if one.reason else ""
            lines.append(f"{one.who} is {what} {name} by {one.by}{until}{reason}")
    return lines or [f"Nobody is banned from {name}, and nobody is muted there."]


def _settings(name: str, settings: tuple[r.SettingLine, ...]) -> str:
    lines = [f"What can be set in {name}, and what it is:"]
    for one in settings:
        value = spell_duration(one.value) if one.value > 1 else "on" if one.value else "off"
        lines.append(f"{plain(one.setting)}: {value}")
    return "\n".join([*lines, "Moderators change it: /set SETTING on, off or DURATION"])


def _whois(reply: r.Whoami) -> str:
    kind = "has an account" if reply.registered else "is a guest"
    if not reply.online:
        return f"{reply.name} {kind} and is not here now."
    rooms = f", in {', '.join(reply.rooms)}" if reply.rooms else ", in no room"
    return (
        f"{reply.name} {kind}{rooms}; here for {spell_duration(reply.seconds)},"
        f" silent for {spell_duration(reply.idle)}; connection {', '.join(reply.sessions)}."
    )
