"""The programs' dialect, an early one: a JSON object a line, see docs/protocol.md.

In:  {"do": VERB, ...fields of the command, "cid": ...}
Out: {"event": KIND, "room", "seq", "at", ...fields}      what happened, in the order of seq
     {"reply": KIND, ...fields, "cid"}                    what only the asker hears
     {"ok": CID, "room", "seq"}                           the command is in the log, durably
     {"error": CODE, "text", "cid"}                       it was refused
     {"signal": KIND, ...fields}                          what passes, and is not kept
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, fields, replace
from functools import cache
from typing import Any, assert_never, get_args, get_type_hints

from zope.interface import implementer

from chatnet.core import commands as c, replies as r
from chatnet.core.codec import fields_of, kind_of, quoted
from chatnet.core.events import Announced, Entry, Said, Whispered
from chatnet.core.large import SLICE, Work, decoding, finish, scanning
from chatnet.core.plain import is_text
from chatnet.core.refusals import Malformed
from chatnet.dialects.styles import OneByOne
from chatnet.interfaces import IDialect, IStyle


@cache
def _names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _shallow(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass; the encoder asks again for those within."""
    return {name: getattr(value, name) for name in _names(value.__class__)}


_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_shallow).encode
_loads = json.JSONDecoder().decode
_MARK = "\ufeff"  # which some programs write before all else

VERBS: dict[str, type[c.Command]] = {
    "hello": c.Hello, "password": c.Password, "nick": c.Nick, "register": c.Register,
    "login": c.Login, "passwd": c.ChangePassword, "logout": c.Logout, "quit": c.Quit,
    "ping": c.Ping, "ignore": c.Ignore, "unignore": c.Unignore, "say": c.Say, "roll": c.Roll,
    "join": c.Join, "leave": c.Leave, "typing": c.Typing, "topic": c.SetTopic, "kick": c.Kick,
    "ban": c.Ban, "unban": c.Unban, "mute": c.Mute, "unmute": c.Unmute, "op": c.Op,
    "deop": c.Deop, "lock": c.Lock, "unlock": c.Unlock, "whisper": c.Whisper,
    "announce": c.Announce, "who": c.ListMembers, "rooms": c.ListRooms, "bans": c.ListBans,
    "showtopic": c.ShowTopic, "showsettings": c.ShowSettings, "whois": c.Whois,
    "history": c.History, "search": c.Find, "delete": c.Delete, "retain": c.Retain, "owner": c.Own,
    "rename": c.RenameRoom, "deleteroom": c.DeleteRoom, "restoreroom": c.RestoreRoom,
    "voice": c.Voice, "devoice": c.Devoice, "invite": c.Invite, "set": c.Configure,
    "rank": c.SetRank, "serverban": c.ServerBan, "serverunban": c.ServerUnban,
    "encrypt": c.Encrypt, "seal": c.Seal, "sealwhisper": c.SealWhisper, "device": c.BeDevice,
    "removedevice": c.RemoveDevice, "publish": c.PublishKeys, "devices": c.ListDevices,
    "claim": c.ClaimKey, "deliver": c.Deliver, "collected": c.Collected, "keep": c.KeepBackup,
    "kept": c.ShowBackup, "exempt": c.Exempt, "unexempt": c.Unexempt, "serverset": c.ServerSet,
    "serverunset": c.ServerUnset, "purge": c.Purge, "admin": c.Operate,
    "token": c.Token, "get": c.Fetch,
}  # fmt: skip
# Fields that the server fills in:
_SERVERS_OWN = frozenset(
    ("proof", "target", "faces", "lock", "author", "own", "shielded", "grace", "sender")
)
_PRIVATE = frozenset(("target", "lock", "address", "told"))  # fields of events that nobody is shown
_LONG = 64 * 1024  # bytes of a line that is parsed with care
_NO_OBJECT = "Send one JSON object per line, in UTF-8."
_MOST_FIELDS = 32
_SPACE = r"[ \t\r\n]*"
_OPENS, _COMMA = re.compile(_SPACE + r"\{" + _SPACE + '"'), re.compile(_SPACE + "," + _SPACE + '"')
_COLON, _ENDS = re.compile(_SPACE + ":" + _SPACE), re.compile(_SPACE + r"\}" + _SPACE + r"\Z")
_PLAIN = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,20})?(?:[eE][-+]?[0-9]{1,3})?|true|false|null")
_MOST_SECONDS, _MOST_COUNT = 1e9, 2**53


@implementer(IStyle)
class JsonStyle(OneByOne):
    """One object per entry."""

    def render(self, entry: Entry) -> bytes:
        event = entry.event
        head = f'"room":{quoted(entry.room)},"seq":{entry.seq},"at":{entry.at:.3f}'
        if type(event) is Said:  # nearly always
            action = ',"action":true' if event.action else ""
            text = (
                f'{{"event":"said",{head},"by":{quoted(event.by)},'
                f'"body":{quoted(event.body)}{action}}}\n'
            )
            return text.encode()
        rest = {name: getattr(event, name) for name in fields_of(event) if name not in _PRIVATE}
        told = _dumps(rest)[1:] if rest else "}"
        comma = "," if rest else ""
        return f'{{"event":"{kind_of(event)}",{head}{comma}{told}\n'.encode()

    def part(self, entry: Entry, place: int) -> tuple[bytes, int]:
        event = entry.event
        assert isinstance(event, Said | Whispered | Announced), "nothing else is large"
        end = place + SLICE
        data = _dumps(event.body[place:end])[1:-1].encode()
        last = end >= len(event.body)
        if last or not place:
            around = self.render(replace(entry, event=replace(event, body="")))
            head, body, tail = around.partition(b'"body":"')  # a quote within text is escaped
            data = (b"" if place else head + body) + data + (tail if last else b"")
        return data, -1 if last else end


@implementer(IDialect)
class JsonDialect:
    """Objects in, objects out."""

    style = past = recall = JsonStyle()
    echo = True
    alone = False
    escapes = 6  # \\u0001

    def receive(self, unit: bytes, in_room: bool) -> c.Request | r.Reply | None:
        if len(unit) > _LONG:
            return finish(self.read(unit, in_room))
        if not unit.strip():
            return None
        try:
            asked = _loads(unit.decode().removeprefix(_MARK))
        except (ValueError, RecursionError) as error:
            raise Malformed(_NO_OBJECT) from error
        return _request(asked)

    def speech(self, units: Sequence[bytes]) -> Sequence[str]:
        return ()  # each says by itself where to, and what it is called

    def read(self, unit: bytes, in_room: bool) -> Work[c.Request | r.Reply | None]:
        if unit.isspace():
            return None
        try:
            reading = decoding(unit)
            del unit  # it is as large as all the rest
            asked = yield from _flat((yield from reading))
        except ValueError as error:
            raise Malformed(_NO_OBJECT) from error
        return _request(asked)

    def reply(self, reply: r.Reply, cid: str | None) -> bytes:
        match reply:
            case r.Done(done, room, seq):
                return f'{{"ok":{quoted(done)},"room":{quoted(room)},"seq":{seq}}}\n'.encode()
            case r.Sorry(refusal):
                said: dict[str, Any] = {"error": refusal.code, "text": str(refusal)}
            case r.Typing() | r.Wait():
                said = {"signal": type(reply).__name__.lower(), **_shallow(reply)}
            case (
                r.Hello() | r.YouAre() | r.Entered() | r.AlreadyIn() | r.CaughtUp() | r.History()
                | r.Found() | r.Out() | r.Members() | r.Rooms() | r.Bans() | r.Topic()
                | r.Settings() | r.Whoami() | r.Ignored() | r.Token() | r.Link() | r.Noted()
                | r.Pong() | r.Bye() | r.Attached() | r.Devices() | r.Claimed() | r.Kept()
            ):  # fmt: skip
                said = {"reply": type(reply).__name__.lower(), **_shallow(reply)}
            case _:
                assert_never(reply)
        if cid is not None:
            said["cid"] = cid
        return _dumps(said).encode(errors="replace") + b"\n"


def _request(asked: Any) -> c.Request:
    if not isinstance(asked, dict):
        raise Malformed('Send a JSON object, like {"do": "rooms"}.')
    cid = _cid(asked)
    try:
        return c.Request(_command(asked), cid)
    except Malformed as refusal:
        refusal.cid = cid
        raise


def _flat(text: str) -> Work[dict[str, Any]]:
    """Return the object that ``text`` is, if no field of it is a list or an object.

    No command has such a field, and a long line full of them would take gigabytes.

    Raises:
        ValueError: it is not such an object, or has too many fields.
    """
    found: dict[str, Any] = {}
    place = _OPENS.match(text)
    while place is not None and len(found) <= _MOST_FIELDS:
        name, end = yield from scanning(text, place.end())
        place = _COLON.match(text, end)
        if place is None:
            break
        if text.startswith('"', place.end()):
            found[name], end = yield from scanning(text, place.end() + 1)
        else:
            value = _PLAIN.match(text, place.end())
            if value is None:
                break
            found[name], end = json.loads(value[0]), value.end()
        if _ENDS.match(text, end):
            return found
        place = _COMMA.match(text, end)
    raise ValueError("not a flat object")


def _cid(asked: dict[str, Any]) -> str | None:
    cid = asked.get("cid")
    if cid is not None and not (isinstance(cid, str) and 0 < len(cid) <= 100 and is_text(cid)):
        raise Malformed("A cid is text of 1 to 100 characters.")
    return cid


def _command(asked: dict[str, Any]) -> c.Command:
    verb = asked.get("do")
    if not isinstance(verb, str) or verb not in VERBS:
        raise Malformed(f'"do" is one of: {", ".join(VERBS)}.')
    values: dict[str, Any] = {}
    for name, check, what, optional, required in _SHAPES[verb]:
        if name not in asked:
            if required:
                raise Malformed(f'"{verb}" takes "{name}".')
            continue
        value = values[name] = asked[name]
        if not (check(value) or (value is None and optional)):
            raise Malformed(f'"{name}" is {what}.')
    return VERBS[verb](**values)


_CHECKS: dict[Any, tuple[Callable[[Any], bool], str]] = {
    # What is longer was looked at slice by slice, all but the last one.
    str: (lambda v: isinstance(v, str) and is_text(v[-SLICE:]), "text"),
    bool: (lambda v: isinstance(v, bool), "true or false"),
    int: (
        lambda v: isinstance(v, int) and not isinstance(v, bool) and -1 <= v <= _MOST_COUNT,
        "a whole number from -1",
    ),
    float: (
        lambda v: (
            isinstance(v, int | float) and not isinstance(v, bool) and 0 <= v <= _MOST_SECONDS
        ),
        "a number of seconds",
    ),
}


def _shape(kind: type[c.Command]) -> Iterator[tuple[str, Callable[[Any], bool], str, bool, bool]]:
    """Yield each field of ``kind`` that a client fills in.

    What is right there, in code and in words; whether it may be null, and whether it must be said.
    """
    hints = get_type_hints(kind)
    for field in fields(kind):
        if field.name not in _SERVERS_OWN:
            some = get_args(hints[field.name]) or (hints[field.name],)
            check, what = next(_CHECKS[one] for one in some if one is not type(None))
            yield field.name, check, what, type(None) in some, field.default is MISSING


_SHAPES = {verb: list(_shape(kind)) for verb, kind in VERBS.items()}
