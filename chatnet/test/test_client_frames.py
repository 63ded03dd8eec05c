from __future__ import annotations

import contextlib
import json
import re
from dataclasses import fields, replace
from typing import Any, get_args, get_type_hints

from twisted.trial.unittest import SynchronousTestCase

from chatnet.client.frames import Heard, Strange, decode, encode
from chatnet.core import commands as c, events as e, refusals, replies as r
from chatnet.core.room import Sanction
from chatnet.dialects.jsonl import VERBS, JsonDialect, JsonStyle
from chatnet.test.properties import given, settings, st

SAMPLES: dict[Any, Any] = {
    str: "tea 茶 \u0001", bool: True, int: 7, float: 1.5, int | None: 3,
    tuple[str, ...]: ("ann", "bob"), tuple[int, ...]: (1, 2), tuple[int, int]: (4, 128),
    tuple[r.PersonLine, ...]: (r.PersonLine("ann", True),),
    tuple[r.RoomLine, ...]: (r.RoomLine("tea", "Tea", 2, "", False),),
    tuple[r.SettingLine, ...]: (r.SettingLine("slow", 30.0),),
    tuple[r.Present, ...]: (r.Present("ann", True, False),),
    r.Snapshot: r.Snapshot(
        9, "tea", True, (r.Present("ann", True, False),), ("ann",), True, 3, ("bob",)
    ),
    tuple[r.Hit, ...]: (r.Hit("tea", "Tea", 3, 1.5, "ann", "green tea", False),),
    tuple[Sanction, ...]: (Sanction("bob", "ann", 2.5, "rude"),),
    tuple[r.DeviceLine, ...]: (r.DeviceLine("QJ3XK7M2PA", "laptop", "a", "b", "c"),),
    refusals.Refused: refusals.Banned("You are banned."),
}  # fmt: skip
SERVERS_OWN = {"proof", "target", "faces", "lock", "author", "own", "shielded", "grace", "sender"}


def sample(kind: Any) -> Any:
    hints = get_type_hints(kind)
    return kind(**{field.name: SAMPLES[hints[field.name]] for field in fields(kind)})


class FramesTests(SynchronousTestCase):
    def test_every_reply_is_understood(self) -> None:
        for kind in get_args(r.Reply):
            reply = sample(kind)
            heard = decode(JsonDialect().reply(reply, "cid"))
            assert heard is not None, kind
            unnamed: dict[Any, Any] = {r.Done: "tea 茶 \u0001", r.Typing: None, r.Wait: None}
            self.assertEqual(heard.cid, unnamed.get(kind, "cid"))
            if isinstance(reply, r.Sorry):
                assert isinstance(heard.what, r.Sorry)
                self.assertIs(type(heard.what.refusal), type(reply.refusal))
                self.assertEqual(str(heard.what.refusal), str(reply.refusal))
            else:
                self.assertEqual(heard.what, reply)

    def test_every_event_is_understood_but_for_what_nobody_is_shown(self) -> None:
        for kind in set(get_args(e.Event)) - {e.Seen, e.Visited}:  # which is nobody's to see
            event = sample(kind)
            hidden: Any = {n: "" for n in ("target", "lock") if hasattr(event, n)}
            if hasattr(event, "told"):
                hidden["told"] = () if kind is e.Encrypted else 0
            shown: Any = replace(event, **hidden)
            line = JsonStyle().render(e.Entry("tea", 3, 1.5, event))
            self.assertEqual(decode(line), Heard(e.Entry("tea", 3, 1.5, shown)))

    def test_every_command_is_understood_by_the_server(self) -> None:
        for kind in VERBS.values():
            own = {f.name: f.default for f in fields(kind) if f.name in SERVERS_OWN}
            asked = replace(sample(kind), **own)
            self.assertEqual(JsonDialect().receive(encode(asked, "x"), True), c.Request(asked, "x"))

    def test_what_newer_servers_say_is_passed_over(self) -> None:
        for line in (
            b'{"reply":"horoscope","text":"good"}',
            b'{"event":"said","room":"tea","seq":true,"at":1,"by":"ann","body":"x"}',
            b'{"event":"yawned","room":"tea","at":1}',
            b'{"event":5,"room":"tea","seq":1,"at":1}',
            b'{"reply":"members","room":"","name":"","people":[5]}',
            b'{"event":["said"]}',
            b'{"ok":5,"room":"tea","seq":1}',
            b'{"signal":"laughing","room":"tea","who":"ann"}',
            b'{"signal":"typing","room":"tea"}',
            b'{"signal":"wait","seconds":1' + b"0" * 400 + b"}",
            b"{}",
        ):
            self.assertIsNone(decode(line), line)

    def test_what_is_in_a_log_and_unknown_stands_there_as_a_line(self) -> None:
        for line, kind in (
            (b'{"event":"yawned","room":"tea","seq":1,"at":1,"by":"ann"}', "yawned"),
            (b'{"event":"said","room":"tea","seq":1,"at":1,"by":"ann","body":5}', "said"),
            (b'{"event":"joined","room":"tea","seq":1,"at":1}', "joined"),
            (b'{"event":"\\u001b[2J","room":"tea","seq":1,"at":1}', "[2J"),
        ):
            heard = decode(line)
            assert heard is not None and isinstance(heard.what, e.Entry)
            event = heard.what.event
            assert isinstance(event, Strange)
            self.assertEqual((heard.what.room, heard.what.seq, event.line), ("tea", 1, line))
            self.assertRegex(event.text, f"too old to show: .?{re.escape(kind)}; update chatnet$")
            self.assertTrue(event.text.isprintable())

    def test_an_unknown_error_is_still_an_error(self) -> None:
        heard = decode(b'{"error":"moonstruck","text":"No.","cid":"x"}')
        assert heard is not None and isinstance(heard.what, r.Sorry)
        self.assertEqual(str(heard.what.refusal), "No.")

    def test_what_is_no_object_is_not_of_this_dialect(self) -> None:
        for line in (b"The server is full.", b"[1]", b"5", b"", b"\xff{}", b'{"at":NaN}'):
            self.assertRaises(ValueError, decode, line)

    @settings(derandomize=True, deadline=None)
    @given(st.binary())
    def test_any_bytes_are_heard_or_passed_over_or_foreign(self, line: bytes) -> None:
        with contextlib.suppress(ValueError):
            decode(line)

    @settings(derandomize=True, deadline=None)
    @given(
        st.dictionaries(
            st.sampled_from(["event", "reply", "ok", "error", "room", "seq", "at", "by", "text"]),
            st.one_of(st.text(max_size=3), st.integers(), st.none(), st.lists(st.integers())),
        )
    )
    def test_no_object_breaks_it(self, said: dict[str, Any]) -> None:
        decode(json.dumps(said).encode())
