"""The dialects, without a connection."""

from __future__ import annotations

import contextlib
import json
import struct
import time
from itertools import product
from typing import Any, get_args

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from chatnet.core import commands as c, events as e, replies as r
from chatnet.core.codec import KINDS, decode_event, encode_event
from chatnet.core.large import finish
from chatnet.core.plain import is_printable, plain, plain_lines
from chatnet.core.refusals import Malformed
from chatnet.core.room import RoomState, Sanction
from chatnet.core.series import Series
from chatnet.dialects.framed import framed
from chatnet.dialects.jsonl import VERBS as JSON_VERBS, JsonDialect
from chatnet.dialects.styles import DATED, LIVE, PAST
from chatnet.dialects.text import TextDialect
from chatnet.dialects.verbs import ALL_VERBS, VERBS
from chatnet.interfaces import IDialect, IStyle
from chatnet.test.properties import given, settings, st
from chatnet.test.test_moderation import union

props = settings(deadline=None, derandomize=True)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
SAMPLES: dict[str, Any] = {
    "str": text,
    "bool": st.booleans(),
    "int": st.integers(0, 10**9),
    "float": st.floats(0, 2e9),
    "tuple[str, ...]": st.lists(text, max_size=3).map(tuple),
    "tuple[int, ...]": st.lists(st.integers(1, 6), max_size=5).map(tuple),
}


def any_event() -> st.SearchStrategy[e.Event]:
    """Return events of every kind, with any text in them."""
    kinds = []
    for kind in get_args(e.Event):
        hints = kind.__dataclass_fields__.values()
        kinds.append(st.builds(kind, **{f.name: SAMPLES[f.type] for f in hints}))
    return st.one_of(kinds)


def said() -> st.SearchStrategy[e.Event]:
    """Return what is said nearly always: words, of ASCII or not, now and then with an escape."""
    words = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=40)
    body = st.one_of(words, words, text, st.sampled_from(["\x1b[2J", "a\r\nb", "tab\t", "\x7f"]))
    return st.builds(e.Said, st.one_of(words, text), body, st.sampled_from([False, False, True]))


class ContractTests(SynchronousTestCase):
    """What every dialect promises."""

    dialects = (TextDialect, JsonDialect)

    def test_they_keep_their_interfaces(self) -> None:
        for make in self.dialects:
            dialect = make()
            verifyObject(IDialect, dialect)
            for style in (dialect.style, dialect.past, dialect.recall):
                verifyObject(IStyle, style)

    @props
    @given(st.lists(st.binary(max_size=80), max_size=8), st.booleans())
    def test_any_bytes_are_commands_or_malformed(self, units: list[bytes], in_room: bool) -> None:
        for make in self.dialects:
            dialect = make()
            for unit in units:
                with contextlib.suppress(Malformed):
                    dialect.receive(unit, in_room)

    @props
    @given(any_event())
    def test_every_event_is_whole_units_in_every_style(self, event: e.Event) -> None:
        for make in self.dialects:
            for style in (make().style, make().past, make().recall):
                shown = style.render(e.Entry("tea", 1, 1.5, event))
                self.assertTrue(shown == b"" or shown.endswith(b"\n"))

    @props
    @given(st.lists(st.one_of(said(), said(), any_event()), min_size=1, max_size=6))
    def test_many_entries_look_as_each_of_them_does(self, events: list[e.Event]) -> None:
        entries = Series("tea", 1, [1.5] * len(events), events)
        for make in self.dialects:
            for style in (make().style, make().past, make().recall, framed(make().style)):
                pieces = [style.render(entry) for entry in entries]
                whole, sizes = style.run(entries)
                self.assertEqual((whole, list(sizes)), (b"".join(pieces), list(map(len, pieces))))

    def test_of_many_lines_one_cr_at_the_end_of_each_is_left_out(self) -> None:
        for units in (
            [b"a\r", b"b\r"], [b"a\r", b"b"], [b"a", b"b\r"], [b"a\rb"], [b"a\rb", b"c\r"],
            [b"a\r\r"], [b"a\r\r", b"b"], [b"\ra\r", b"b"], [b"a\rb\r", b"c\r", b"d"],
        ):  # fmt: skip
            said = [unit.removesuffix(b"\r").decode() for unit in units]
            self.assertEqual(TextDialect().speech(units), said, units)
        for units in ([b"", b"a\r\r"], [b"\r", b"a\r"], [b"a\r", b"", b"b\r\r"]):
            self.assertEqual(TextDialect().speech(units), (), units)

    @props
    @given(st.lists(st.text(" \t\xa0/ab", max_size=5), min_size=1, max_size=4))
    def test_what_is_taken_for_speech_at_once_is_said_as_line_by_line(
        self, lines: list[str]
    ) -> None:
        units = [line.encode() for line in lines]
        said = TextDialect().speech(units)
        if said:
            asked = [TextDialect().receive(unit, True) for unit in units]
            self.assertEqual(asked, [c.Request(c.Say("", body)) for body in said])

    @props
    @given(st.one_of(st.text(), st.text(st.characters(codec="ascii"))))
    def test_what_is_printable_is_what_python_says(self, words: str) -> None:
        self.assertEqual(is_printable(words), words.isprintable())

    def test_every_reply_is_said_or_passed_over_by_everyone(self) -> None:
        replies: list[r.Reply] = [
            r.Hello(1, "chatnet", "1", "", "guest-1", "1", False, True, True, 0, (4, 128)),
            r.YouAre("ann", False),
            r.Entered(
                "tea",
                "Tea",
                3,
                1,
                r.Snapshot(3, "green", False, (r.Present("ann", False, True),), ("ann",)),
            ),
            r.History("tea", "Tea", 1, 3, 50),
            r.Token("s3cret", 3600, "http://192.0.2.9:8888", 100),
            r.Link("0" * 12, "a.txt", 1, "text/plain", "0" * 64, "", "http://x/get/y/a.txt", 900),
            r.Found(("tea",), (r.Hit("tea", "Tea", 3, 1.5, "ann", "green tea", False),), True),
            r.Typing("tea", "ann"),
            r.Wait(0.5),
            r.AlreadyIn("tea", "Tea"),
            r.CaughtUp("tea", "Tea", 3),
            r.Out("tea", "Tea"),
            r.Members("tea", "Tea", (r.PersonLine("ann", True, True, True),)),
            r.Rooms((r.RoomLine("tea", "Tea", 1, "green", True),), 1),
            r.Bans("tea", "Tea", (Sanction("bob", "ann", 0, ""),), ()),
            r.Topic("tea", "Tea", ""),
            r.Settings("tea", "Tea", (r.SettingLine("slow", 30.0),)),
            r.Whoami("ann", True, False),
            r.Ignored(()),
            r.Noted("noted"),
            r.Pong(),
            r.Attached("ann", "QJ3XK7M2PA", 1, "@ann/QJ3XK7M2PA", 0, 0, 0, False),
            r.Devices("ann", "Ann", 1, (r.DeviceLine("QJ3XK7M2PA", "laptop", "a", "b", "c"),)),
            r.Claimed("ann", "QJ3XK7M2PA", "a", "b", False),
            r.Kept("r1", ("AAAA",), 1, False),
            r.Done("1", "tea", 3),
            r.Sorry(Malformed("no")),
            r.Bye("bye", "quit"),
        ]
        self.assertEqual({type(reply) for reply in replies}, union(r.Reply))
        for make in self.dialects:
            for reply in replies:
                said = make().reply(reply, "7")
                self.assertTrue(said == b"" or said.endswith(b"\n"), reply)


class PlainTests(SynchronousTestCase):
    @props
    @given(any_event())
    def test_nothing_that_a_terminal_obeys_is_shown_to_people(self, event: e.Event) -> None:
        for style in (LIVE, PAST, DATED):
            shown = style.render(e.Entry("tea", 1, 1.5, event)).decode()
            left = [char for char in shown if not char.isprintable() and char not in "\r\n\t"]
            for char in left:
                self.assertNotIn(char, "\x1b\x07\x08\x7f\x9b\u202e\u2066\u2028")
                self.assertGreater(ord(char), 0x9F)

    def test_a_message_cannot_look_like_another_persons(self) -> None:
        shown = LIVE.render(e.Entry("tea", 1, 1.5, e.Said("eve", "hi\r\nann: I agree\x1b[1A")))
        self.assertEqual(shown.decode(), "eve: hi\r\neve: ann: I agree\u241b[1A\r\n")
        self.assertEqual(plain("a\nb\x9b\u202ec"), "a\u240ab\ufffd\ufffdc")
        self.assertEqual(plain_lines("plain"), ["plain"])


class TextTests(SynchronousTestCase):
    def receive(self, line: str, in_room: bool = False) -> Any:
        got = TextDialect().receive(line.encode(), in_room)
        return got.command if isinstance(got, c.Request) else got

    @props
    @given(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1))
    def test_plain_speech_is_said_verbatim(self, body: str) -> None:
        if not body.startswith("/"):
            self.assertEqual(self.receive(body, in_room=True), c.Say("", body))

    def test_spaces_within_and_around_a_message_stay(self) -> None:
        self.assertEqual(self.receive("  def f():  ", in_room=True), c.Say("", "  def f():  "))

    def test_commands_need_no_slash_outside_a_room_and_do_inside(self) -> None:
        self.assertEqual(self.receive("login Tom Tom11"), c.Login("Tom", "Tom11"))
        self.assertEqual(self.receive("WHO"), c.ListMembers())
        self.assertEqual(
            self.receive("who goes there?", in_room=True), c.Say("", "who goes there?")
        )
        self.assertEqual(self.receive("//shrug", in_room=True), c.Say("", "/shrug"))

    def test_blanks_before_a_command_do_not_make_it_speech(self) -> None:
        for blanks in (" ", "   ", "\t", "\xa0", "\u3000 ", "\ufeff", "\u200b \u2066"):
            for in_room in (True, False):
                got = self.receive(f"{blanks}/login Tom Tom11", in_room)
                self.assertEqual(got, c.Login("Tom", "Tom11"))
                got = self.receive(f"{blanks}/ login Tom Tom11", in_room)
                self.assertEqual(got, c.Login("Tom", "Tom11"))
            with self.assertRaisesRegex(Malformed, "/help lists them; // begins a message"):
                self.receive(f"{blanks}/qqqq Tom11", in_room=True)
            units = ["green tea", f"{blanks}/login Tom Tom11"]
            self.assertEqual(TextDialect().speech([unit.encode() for unit in units]), ())

    def test_what_is_pasted_from_a_program_is_said_as_it_is(self) -> None:
        for line in (" // why", "\t/* how */", "  /usr/bin/true", " /-\\", "   /", "  /a_b c"):
            self.assertEqual(self.receive(line, in_room=True), c.Say("", line))

    def test_slashes_within_a_message_stay(self) -> None:
        units = [b"either/or //", b" see a//b"]
        self.assertEqual(TextDialect().speech(units), ["either/or //", " see a//b"])
        self.assertEqual(self.receive("either/or //", in_room=True), c.Say("", "either/or //"))

    def test_every_command_explains_itself_and_says_so_when_misused(self) -> None:
        for verb in ALL_VERBS:
            about = self.receive(f"/help {verb.name}")
            self.assertIsInstance(about, r.Noted)
            self.assertTrue(about.text.startswith(f"/{verb.name}"))
            try:
                self.receive(f"/{verb.name} \x00 ' x y z " + "w " * 20)
            except Malformed as refusal:
                self.assertIn("Use it like this: /", str(refusal))
        overview = self.receive("/help").text
        for verb in ALL_VERBS:
            self.assertIn(f"/{verb.name}", overview)

    def test_the_nearest_command_is_suggested(self) -> None:
        with self.assertRaisesRegex(Malformed, "There is no command /jion. Did you mean /join?"):
            self.receive("/jion tea")
        with self.assertRaisesRegex(Malformed, "/help lists them"):
            self.receive("/qqqqqq")

    def test_durations_and_reasons_are_told_apart(self) -> None:
        self.assertEqual(
            self.receive("/ban bob 1d12h too loud"), c.Ban("", "bob", 129600, "too loud")
        )
        self.assertEqual(self.receive("/ban bob too loud"), c.Ban("", "bob", 0, "too loud"))
        self.assertEqual(self.receive("/ban bob 0s 3rd time"), c.Ban("", "bob", 0, "3rd time"))
        self.assertEqual(self.receive("/mute bob 90s"), c.Mute("", "bob", 90, ""))
        self.assertEqual(self.receive("/kick bob"), c.Kick("", "bob", ""))

    def test_what_begins_with_a_digit_and_is_no_duration_is_no_reason(self) -> None:
        for line in (
            "/ban bob 2x", "/mute bob 10 minutes", "/ban bob 2H", "/ban bob \u0663d",
            "/ban bob -5m", "/ban bob .5h", "/ban bob \u00bdh",
            "/set slow 2x", "/retain 7", "/retain 12345678",
        ):  # fmt: skip
            with self.assertRaises(Malformed, msg=line) as caught:
                self.receive(line, in_room=True)
            self.assertIn("is no length of time, like 90s", str(caught.exception))
        for line in ("/ban bob 9999999d", "/set slow 1234567s"):
            with self.assertRaisesRegex(Malformed, "is too long: each number has six digits"):
                self.receive(line, in_room=True)
        with self.assertRaisesRegex(Malformed, "Use it like this: /set .SETTING"):
            self.receive("/set slow maybe")

    def test_telnets_negotiation_is_passed_over_also_across_lines(self) -> None:
        dialect = TextDialect()
        iac = b"\xff\xfb\x1f\xff\xfa\x1f\x00\x50\x00"
        self.assertIsNone(dialect.receive(iac, True))  # its window is 10 high: a line end
        got = dialect.receive(b"\xff\xf0hello\xff\xf1 there\xff\xfd\x06", True)
        assert isinstance(got, c.Request)
        self.assertEqual(got.command, c.Say("", "hello there"))

    def test_what_telnet_does_not_know_is_refused_whole_and_takes_nothing_with_it(self) -> None:
        dialect = TextDialect()
        for line in (
            b"x \xff\xfa y", b"\xff\xfa y", b"\xff\xfa\x1f\x00\x50\x00\x0b\x01", b"a\xff b c",
            b"y\xff", b"ok \xff\xfe", b"\xff\xfe", b"\xff\xfeh\0i\0", b"d\xff\xffe",
            b"a\xff\xff\xf1b", b"\xff\xf1" * 40_000,
        ):  # fmt: skip
            for slowly in (False, True):
                with self.assertRaisesRegex(Malformed, "not UTF-8", msg=line[:20]):
                    finish(dialect.read(line, True)) if slowly else dialect.receive(line, True)
                got = dialect.receive(b"hello", True)
                self.assertEqual(got, c.Request(c.Say("", "hello")))
            self.assertEqual(dialect.speech([b"hello", line]), ())

    def test_a_window_of_any_size_is_passed_over(self) -> None:
        for width, height in product((10, 80, 255, 266, 2560, 2570), repeat=2):
            size = struct.pack(">HH", width, height).replace(b"\xff", b"\xff\xff")
            dialect = TextDialect()
            for line in (b"\xff\xfa\x1f" + size + b"\xff\xf0").split(b"\n"):
                self.assertIsNone(dialect.receive(line, True), (width, height))
            self.assertEqual(dialect.receive(b"hi", True), c.Request(c.Say("", "hi")))

    def test_looking_for_telnets_commands_takes_no_longer_than_the_line_is_long(self) -> None:
        for begins in (b"\xff\xff\xfa", b"\xff\xfa\xff", b"\xff\xfa", b"\xfa\xff\xff", b"\xff"):
            line = (begins * 65536)[:65536]
            began = time.process_time()
            with self.assertRaisesRegex(Malformed, "not UTF-8"):
                TextDialect().receive(line, True)
            self.assertLess(time.process_time() - began, 2)  # it takes some 0.01, and took 20

    def test_a_window_whose_size_was_begun_takes_no_line_with_it(self) -> None:
        dialect = TextDialect()
        self.assertIsNone(dialect.receive(b"\xff\xfa\x1f\x00\x50\x00", True))
        self.assertEqual(dialect.speech([b"hello", b"there"]), ())
        for line, said in ((b"hello", "hello"), (b"x\xff\xf0y", "xy")):
            self.assertEqual(dialect.receive(line, True), c.Request(c.Say("", said)))

    def test_a_line_may_end_as_telnet_ends_it(self) -> None:
        for line in (b"/quit\r\0", b"/quit"):
            self.assertEqual(TextDialect().receive(line, True), c.Request(c.Quit()))
        self.assertEqual(TextDialect().speech([b"one\r\0", b"two\r\0"]), ())
        for line in (b"a\r\0b\r\0", b"a\rb"):
            self.assertEqual(TextDialect().receive(line, True), c.Request(c.Say("", "a\rb")))

    def test_a_line_that_is_not_utf8_is_refused_whole(self) -> None:
        with self.assertRaisesRegex(Malformed, "not UTF-8"):
            TextDialect().receive(b"caf\xe9", True)

    def test_every_name_of_every_command_is_one_commands(self) -> None:
        names = [name for verb in ALL_VERBS for name in (verb.name, *verb.also)]
        self.assertEqual(len(names), len(set(names)))
        self.assertLessEqual(set(names), set(VERBS))

    def test_what_is_no_number_deletes_nothing(self) -> None:
        for line, next_time in (
            ("/delete 4", "/delete #4 "), ("/delete 4 a typo", "/delete #4 "),
            ("/delete foo", "/delete #1234 "), ("/delete #foo", "/delete #1234 "),
            ("/delete by mistake", "/delete by itself for your last message."),
        ):  # fmt: skip
            with self.assertRaises(Malformed, msg=line) as caught:
                self.receive(line, in_room=True)
            self.assertIn("Nothing was deleted.", str(caught.exception))
            self.assertIn(next_time, str(caught.exception))
        self.assertEqual(self.receive("/delete #4 a typo"), c.Delete("", 4, "a typo"))
        self.assertEqual(self.receive("/delete"), c.Delete("", 0))


class JsonTests(SynchronousTestCase):
    def receive(self, **asked: Any) -> Any:
        return JsonDialect().receive(json.dumps(asked).encode(), False)

    def test_every_command_can_be_asked_for(self) -> None:
        by_http = {c.Share, c.Give}  # asked for by the upload of a file
        self.assertEqual(set(JSON_VERBS.values()) | by_http, union(c.Command))

    def test_fields_are_checked(self) -> None:
        for asked in (
            {"do": "say", "room": "tea"},
            {"do": "say", "room": "tea", "body": 7},
            {"do": "say", "room": "tea", "body": "x", "action": "yes"},
            {"do": "say", "room": "tea", "body": "\ud800"},
            {"do": "say", "room": "tea", "body": "x", "cid": 7},
            {"do": "say", "room": "tea", "body": "x", "cid": ""},
            {"do": "join", "room": "tea", "since": "1"},
            {"do": "join", "room": "tea", "since": True},
            {"do": "ban", "room": "tea", "who": "bob", "seconds": -1},
            {"do": "ban", "room": "tea", "who": "bob", "seconds": 1e300},
            {"do": ["say"]},
            {},
        ):
            with self.assertRaises(Malformed, msg=str(asked)):
                self.receive(**asked)

    def test_a_byte_order_mark_is_nothing_and_other_encodings_are_refused(self) -> None:
        line = '{"do":"ping"}'
        self.assertEqual(self.heard(b"\xef\xbb\xbf" + line.encode()), c.Ping())
        for encoding in ("utf-16-le", "utf-32-be"):
            with self.assertRaises(Malformed):
                self.heard(line.encode(encoding))

    def heard(self, unit: bytes) -> c.Command:
        asked = JsonDialect().receive(unit, False)
        assert isinstance(asked, c.Request)
        return asked.command

    def test_what_the_server_fills_in_cannot_be_filled_in_by_a_client(self) -> None:
        got = self.receive(do="join", room="tea", proof="$argon2id$", since=7)
        self.assertEqual(got.command, c.Join("tea", since=7))
        got = self.receive(do="ban", room="tea", who="bob", target="ann")
        self.assertEqual(got.command, c.Ban("tea", "bob"))
        got = self.receive(do="roll", room="tea", dice="2d6", faces=[6, 6])
        self.assertEqual(got.command, c.Roll("tea", "2d6"))

    def test_a_deep_nest_is_malformed(self) -> None:
        with self.assertRaises(Malformed):
            JsonDialect().receive(b"[" * 100_000, False)

    @props
    @given(any_event())
    def test_every_event_is_one_object_on_one_line_without_what_is_private(
        self, event: e.Event
    ) -> None:
        shown = JsonDialect.style.render(e.Entry("tea", 7, 1.5, event))
        self.assertEqual(shown.count(b"\n"), 1)
        frame = json.loads(shown)
        self.assertEqual((frame["room"], frame["at"]), ("tea", 1.5))
        self.assertNotIn("target", frame)
        self.assertNotIn("lock", frame)
        self.assertIs(KINDS[frame["event"]], type(event))


class CodecTests(SynchronousTestCase):
    @props
    @given(any_event())
    def test_what_is_written_is_read(self, event: e.Event) -> None:
        self.assertEqual(decode_event(encode_event(event)), event)

    @props
    @given(st.lists(any_event(), max_size=12))
    def test_every_event_folds_in_any_state(self, events: list[e.Event]) -> None:
        state = RoomState()
        for event in events:
            state.evolve(event)
        self.assertEqual(state.copy(), state)
