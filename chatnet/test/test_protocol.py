"""docs/protocol.md and its schema: complete, true to the code, and enough to fold a state from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, get_args

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from chatnet.accounts import passwords
from chatnet.client.frames import decode
from chatnet.core import events as e, refusals, replies as r
from chatnet.core.codec import KINDS
from chatnet.core.names import fold
from chatnet.dialects import jsonl
from chatnet.test import schema
from chatnet.test.properties import given, settings, st
from chatnet.test.rig import Client, Rig

Frame = dict[str, Any]
UNTOLD = {e.Visited}  # stands in a log that nobody reads but staff
TOLD = {kind for kind, event in KINDS.items() if event not in UNTOLD}
_TICKED = re.compile(r"`([a-z-]+)`")


class SchemaTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        if schema.missing():
            raise SkipTest(schema.missing())

    def definition(self, name: str) -> Frame:
        found: Frame = schema.definition(name)
        return found


class SchemaTests(SchemaTestCase):
    """The schema is complete, and says what the code says."""

    def test_it_is_a_schema(self) -> None:
        from jsonschema import Draft202012Validator

        Draft202012Validator.check_schema(schema.schema())

    def test_every_request_is_in_it_with_its_fields(self) -> None:
        self.assertEqual(set(schema.names("client")), {f"do-{verb}" for verb in jsonl.VERBS})
        for verb, shape in jsonl._SHAPES.items():
            found = self.definition(f"do-{verb}")
            taken = {name for name, *_ in shape}
            self.assertEqual(set(found["properties"]), {"do", "cid", *taken}, verb)
            self.assertEqual(found["properties"]["do"], {"const": verb})
            wanted = {"do"} | {name for name, *_, required in shape if required}
            self.assertEqual(set(found["required"]), wanted, verb)

    def test_every_event_is_in_it_with_its_fields(self) -> None:
        for event in set(get_args(e.Event)) - UNTOLD:
            shown = {field.name for field in fields(event)} - jsonl._PRIVATE
            optional = {"action"} if event is e.Said else set()
            self.check("event", event.__name__.lower(), shown | {"room", "seq", "at"}, optional)

    def test_every_reply_is_in_it_with_its_fields(self) -> None:
        for reply in get_args(r.Reply):
            shown = {field.name for field in fields(reply)}
            match reply:
                case r.Done | r.Sorry:
                    continue
                case r.Typing | r.Wait:
                    self.check("signal", reply.__name__.lower(), shown)
                case r.CaughtUp | r.Bye:
                    self.check("reply", reply.__name__.lower(), shown)
                case _:
                    self.check("reply", reply.__name__.lower(), shown | {"cid"}, {"cid"})

    def check(self, key: str, kind: str, shown: set[str], optional: set[str] = frozenset()) -> None:  # type: ignore[assignment]
        found = self.definition(f"{key}-{kind}")
        self.assertEqual(set(found["properties"]), shown | {key}, kind)
        self.assertEqual(found["properties"][key], {"const": kind})
        self.assertEqual(set(found["required"]), (shown | {key}) - optional, kind)
        self.assertIs(found["additionalProperties"], False)

    def test_there_is_nothing_else_in_it(self) -> None:
        named = {"ok", "error"} | {f"event-{kind}" for kind in TOLD}
        named |= {"signal-typing", "signal-wait"}
        apart = (r.Done, r.Sorry, r.Typing, r.Wait)
        named |= {f"reply-{k.__name__.lower()}" for k in get_args(r.Reply) if k not in apart}
        self.assertEqual(set(schema.names("server")), named)
        written = json.dumps(schema.schema())
        for name in schema.schema()["$defs"]:
            if name not in ("client", "server"):
                self.assertIn(f'"#/$defs/{name}"', written)

    def test_every_refusal_has_its_code_in_it(self) -> None:
        codes = {
            kind.code
            for kind in vars(refusals).values()
            if isinstance(kind, type) and issubclass(kind, refusals.Refused)
        }
        self.assertEqual(set(self.definition("error")["properties"]["error"]["enum"]), codes)

    def test_everything_in_it_is_described(self) -> None:
        for name, found in schema.schema()["$defs"].items():
            self.assertIn("description", found, name)
            for field in found.get("properties", {}):
                told = schema.definition(name)["properties"][field]
                if "const" not in told or field not in schema.KEYS:
                    self.assertRegex(told.get("description", ""), r"\w.*\.$", f"{name}.{field}")


class DocumentTests(SynchronousTestCase):
    """docs/protocol.md is complete, and its examples keep the schema."""

    def setUp(self) -> None:
        if not (schema.FOLDER / "protocol.md").exists():
            raise SkipTest("chatnet is installed without its docs")
        self.text = (schema.FOLDER / "protocol.md").read_text(encoding="utf-8")

    def examples(self) -> Iterator[tuple[str, Frame, bool]]:
        """Yield which side sends each frame in it, the frame, and whether that is a mistake."""
        for _, lines in schema.conversations():
            sent = [line for line in lines if line.does != "--"]
            frames = [json.loads(line.what) for line in sent]
            sides = ["client" if line.does == "->" else "server" for line in sent]
            for side, frame, answer in zip(sides, frames, [*frames[1:], {}], strict=True):
                yield side, frame, side == "client" and answer.get("error") == "malformed"
        for block in schema.blocks():
            if block.language == "json":
                for _, text in block.lines:
                    yield "server", json.loads(text), False

    def test_every_example_is_as_the_schema_says(self) -> None:
        if schema.missing():
            raise SkipTest(schema.missing())
        for side, frame, mistaken in self.examples():
            self.assertEqual(bool(schema.fault(side, frame)), mistaken, frame)

    def test_the_client_understands_every_example(self) -> None:
        for side, frame, _ in self.examples():
            if side == "server":
                self.assertIsNotNone(decode(json.dumps(frame).encode()), frame)

    def test_every_kind_of_frame_has_an_example(self) -> None:
        shown = {schema.name_of(frame) for _, frame, _ in self.examples()}
        if not schema.missing():
            self.assertEqual({*schema.names("client"), *schema.names("server")} - shown, set())

    def test_its_tables_are_complete(self) -> None:
        verbs, kinds = set(jsonl.VERBS), TOLD
        self.assertEqual(self.first_column("Requests"), verbs)
        self.assertEqual(self.first_column("Entries"), kinds)
        if not schema.missing():
            codes = schema.definition("error")["properties"]["error"]["enum"]
            self.assertEqual(self.first_column("Errors"), set(codes))
            codes = schema.definition("reply-bye")["properties"]["code"]["enum"]
            self.assertEqual(self.first_column("Bye"), set(codes))

    def first_column(self, heading: str) -> set[str]:
        """Return what is in the first column of the table under ``heading``."""
        section = self.text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
        rows = [line.split("|") for line in section.splitlines() if line.startswith("|")]
        return {name for row in rows[2:] for name in _TICKED.findall(row[1])}


class State:
    """How it is in a room, folded as docs/protocol.md says, and by nothing else."""

    def __init__(self, told: Frame) -> None:
        self.seq = told["seq"]
        self.topic, self.locked = told["topic"], told["locked"]
        self.members = {m["name"]: m["registered"] for m in told["members"]}
        self.moderators = set(told["moderators"])
        for member in told["members"]:
            assert member["moderator"] == (member["name"] in self.moderators), told

    def add(self, entry: Frame) -> None:
        """Take ``entry``, the next one, into account."""
        assert entry["seq"] == self.seq + 1, (entry, self.seq)
        self.seq = entry["seq"]
        match entry["event"]:
            case "joined":
                if not self.members and not self.moderators:
                    self.moderators.add(entry["who"])
                self.members[entry["who"]] = entry["registered"]
            case "left" | "kicked":
                if not self.members.pop(entry["who"], True):
                    self.moderators.discard(entry["who"])
            case "banned":
                self.members.pop(entry["who"], None)
                self.moderators.discard(entry["who"])
            case "renamed":
                self.members.pop(entry["old"], None)
                self.members[entry["new"]] = entry["registered"]
                if entry["old"] in self.moderators:
                    self.moderators.discard(entry["old"])
                    self.moderators.add(entry["new"])
            case "promoted":
                self.moderators.add(entry["who"])
            case "demoted":
                self.moderators.discard(entry["who"])
            case "topicset":
                self.topic = entry["topic"]
            case "locked" | "unlocked":
                self.locked = entry["event"] == "locked"

    def shown(self) -> Any:
        """Return what can be compared with another one."""
        return sorted(self.members.items()), sorted(self.moderators), self.topic, self.locked


NOTHING: Frame = {"seq": 0, "topic": "", "locked": False, "members": [], "moderators": []}


class Watcher:
    """A program in the room, and all that it can say of how it was there at which seq.

    Each ``entered`` begins another account of that, and the ones before go on as long as they can.
    """

    def __init__(self, rig: Rig, name: str, claims: dict[int, list[Any]]) -> None:
        self.rig, self.name, self.claims = rig, name, claims
        self.states: list[State] = []
        self.place = self.asked = 0
        self.comes()

    def comes(self) -> None:
        number = sum(map(ord, self.name))
        self.stored = 0  # up to where an ok has said so
        self.client: Client = self.rig.connects(f"192.0.2.{number % 250}")
        self.asks("nick", name=self.name, secret=f"{self.name}'s own")

    def asks(self, do: str, **how: Any) -> None:
        self.asked += 1
        frame = {"do": do, "room": "tea", "cid": f"{self.name} {self.asked}"} | how
        self.client.asks(json.dumps(frame))

    def joins(self, **how: Any) -> None:
        self.asks("join", **how)

    def drops(self) -> None:
        self.hears()
        self.client.hangs_up()
        self.comes()

    def hears(self) -> list[Frame]:
        heard = self.client.receives()
        for frame in heard:
            if "ok" in frame:
                self.stored = frame["seq"]
            elif frame.get("reply") == "entered":
                self.stored = 0
                self.states.append(State(frame["state"]))
                self.claim(self.states[-1])
            elif "event" in frame and frame["room"] == "tea":
                assert frame["seq"] > self.stored, "an ok comes after the entries"
                self.place = frame["seq"]
                for state in list(self.states):
                    self.add(state, frame)
        return heard

    def add(self, state: State, entry: Frame) -> None:
        if entry["seq"] <= state.seq:
            return
        if entry["seq"] > state.seq + 1 and state is not self.states[-1]:
            self.states.remove(state)  # it was away meanwhile
            return
        state.add(entry)
        self.claim(state)

    def claim(self, state: State) -> None:
        self.claims.setdefault(state.seq, []).append(state.shown())


SLOTS = ("ann", "bob", "cat", "dan")
names = st.sampled_from([*SLOTS, "Ann", "BOB", "eve", "Tom", "tim"])
wishes = st.one_of(
    *[st.builds(lambda: {"do": "join"}), st.builds(lambda: {"do": "leave"})] * 2,
    st.builds(lambda: {"do": "join", "password": "sesame"}),
    st.builds(lambda: {"do": "rejoin", "password": "sesame"}),
    st.builds(lambda name: {"do": "nick", "name": name, "secret": "mine"}, names),
    st.builds(
        lambda do, name: {"do": do, "name": name, "password": "secret"},
        st.sampled_from(["login", "register"]),
        st.sampled_from(["Tom", "tim"]),
    ),
    st.builds(lambda: {"do": "say", "body": "hi"}),
    st.builds(lambda: {"do": "drop"}),
)
moderation = st.one_of(
    *[
        st.builds(
            lambda do, who: {"do": do, "who": who},
            st.sampled_from(["op", "op", "op", "op", "deop", "deop", "kick", "mute", "unban"]),
            st.sampled_from(SLOTS),
        )
    ]
    * 4,
    st.builds(
        lambda who, seconds: {"do": "ban", "who": who, "seconds": seconds}, names, st.integers(0, 3)
    ),
    st.builds(lambda topic: {"do": "topic", "topic": topic}, st.sampled_from(["", "green"])),
    st.builds(lambda do: {"do": do, "password": "sesame"}, st.sampled_from(["lock", "unlock"])),
)
times = st.sampled_from(
    [{"do": do} for do in ("settle", "settle", "turn", "wait", "fail", "all leave")]
)
moves = st.one_of(
    *[st.tuples(st.sampled_from(SLOTS), wishes)] * 3,
    *[st.tuples(st.sampled_from(["a moderator"] * 4 + [*SLOTS]), moderation)] * 2,
    st.tuples(st.just(""), times),
)


class StateTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.patch(passwords, "_MEMORY_KIB", 8)  # as safe as it is quick
        self.patch(passwords, "_PASSES", 1)
        self.patch(passwords, "_PARAMETERS", "$argon2id$v=19$m=8,t=1,p=1$")

    @settings(deadline=None, derandomize=True, max_examples=150)
    @given(st.lists(moves, min_size=10, max_size=60), st.booleans())
    def test_an_old_state_and_the_entries_since_are_a_new_state(
        self, plan: list[tuple[str, Frame]], account: bool
    ) -> None:
        rig, claims = Rig(), dict[int, list[Any]]()
        here = {name: Watcher(rig, name, claims) for name in SLOTS}
        if account:
            here["ann"].asks("register", name="Tom", password="secret")
        for watcher in here.values():
            watcher.joins()
            rig.settle()
            watcher.hears()
        for name, wish in plan:
            self.move(rig, here, name, wish)
        rig.settle()
        for watcher in here.values():
            watcher.hears()
        self.check(rig, claims)

    def move(self, rig: Rig, here: dict[str, Watcher], name: str, wish: Frame) -> None:
        match wish["do"]:
            case "settle":
                rig.settle()
            case "turn":
                rig.clock.advance(0)
                rig.writer.step()
                rig.reader.step()
                rig.hasher.step()
            case "wait":
                rig.clock.advance(2)
                rig.settle()
            case "fail":
                rig.store.fail_before = True
                rig.settle()
                rig.store.fail_before = False
                rig.clock.advance(1)
            case "drop":
                here[name].drops()
            case "rejoin":
                here[name].hears()
                here[name].joins(since=here[name].place, password="sesame")
            case "all leave":
                for watcher in here.values():
                    watcher.asks("leave")
            case _:
                who = here[name] if name in here else self.moderator(rig, here)
                if wish.get("who") in here:
                    wish = wish | {"who": here[wish["who"]].client.session.actor.name}
                if wish["do"] == "deop":  # the only one stays one
                    who.asks("op", who=wish["who"])
                    rig.settle()
                    wish = wish | {"who": self.moderators(rig)[0]}
                who.asks(**wish)
                if name not in here:
                    rig.settle()
        for watcher in here.values():
            watcher.hears()

    def moderator(self, rig: Rig, here: dict[str, Watcher]) -> Watcher:
        """Return one who moderates the room, if there is one."""
        keys = rig.room("tea").state.members.keys() & set(map(fold, self.moderators(rig)))
        there = [watcher for watcher in here.values() if watcher.client.session.actor.key in keys]
        return there[0] if there else here["ann"]

    def moderators(self, rig: Rig) -> list[str]:
        return list(rig.room("tea").state.moderators.values()) or ["nobody"]

    def check(self, rig: Rig, claims: dict[int, list[Any]]) -> None:
        """See that all that was claimed is what the whole log, read from its start, adds up to."""
        for _ in range(4):  # departures are tried again after a second
            rig.clock.advance(1)
            rig.settle()
        last = Watcher(rig, "zoe", claims)
        last.joins(since=0)
        rig.settle()
        heard = last.hears()
        if not any(frame.get("reply") == "entered" for frame in heard):
            last.joins(since=0, password="sesame")
            rig.settle()
            heard += last.hears()
        log = [f for f in heard if "event" in f and f["room"] == "tea"]
        whole = State(NOTHING)
        for entry in log:
            whole.add(entry)
            for claim in claims.pop(whole.seq, []):
                self.assertEqual(claim, whole.shown(), entry)
        self.assertEqual(claims, {})
        self.assertEqual(log[-1]["who"], "zoe")


def like(part: Frame) -> st.SearchStrategy[Any]:
    """Return values that ``part`` of the schema allows."""
    if "const" in part:
        return st.just(part["const"])
    kinds = part["type"] if isinstance(part["type"], list) else [part["type"]]
    return st.one_of(*[_like(kind, part) for kind in kinds])


def _like(kind: str, part: Frame) -> st.SearchStrategy[Any]:
    if kind == "string" and "pattern" in part:
        return st.from_regex(re.compile(part["pattern"], re.ASCII), fullmatch=True)
    fewest, most = part.get("minLength", 0), part.get("maxLength", 40)
    least, top = part.get("minimum"), part.get("maximum")
    found: dict[str, st.SearchStrategy[Any]] = {
        "null": st.none(),
        "boolean": st.booleans(),
        "integer": st.integers(least, top),
        "number": st.floats(least, top) | st.integers(0, 9),
        "string": st.text(st.characters(exclude_categories=["Cs"]), min_size=fewest, max_size=most),
    }
    return found[kind]


@st.composite
def valid(draw: Any) -> Frame:
    """Return requests that the schema allows, often about those who are here."""
    verb = draw(st.sampled_from(sorted(jsonl.VERBS)))
    part = schema.definition(f"do-{verb}")
    asked: Frame = {"do": verb, "cid": "1"}
    for name, field in part["properties"].items():
        if name in part["required"] or (name not in asked and draw(st.booleans())):
            known = {"room": "tea", "who": "bob", "name": "tom"}.get(name)
            near = st.just(known) if known and draw(st.booleans()) else like(field)
            asked[name] = draw(near)
    return asked


anything = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=9)
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=4,
)


@st.composite
def doubtful(draw: Any) -> Frame:
    """Return requests of which a field may be anything."""
    asked: Frame = draw(valid())
    name = draw(st.sampled_from(sorted(schema.definition(f"do-{asked['do']}")["properties"])))
    if draw(st.booleans()):
        asked[name] = draw(anything)
    else:
        asked.pop(name, None)
    return asked


class HostileTests(SchemaTestCase):
    """Whatever comes, what goes out is a frame: ``Client.receives`` checks each."""

    def setUp(self) -> None:
        super().setUp()
        StateTests.setUp(self)  # type: ignore[arg-type]

    def rig(self) -> tuple[Rig, Client]:
        """Return a server with an account ``tom``, two guests in ``tea``, and one of them."""
        rig = Rig()
        tom, ann, bob = rig.connects(), rig.program("ann"), rig.program("bob")
        tom.sends("register", name="tom", password="secret")
        for program in (ann, bob):
            program.sends("join", room="tea")
        ann.receives()
        return rig, ann

    @settings(deadline=None, derandomize=True, max_examples=100)
    @given(st.data())
    def test_what_the_schema_allows_is_answered_and_not_malformed(self, data: Any) -> None:
        _, ann = self.rig()
        asked = data.draw(valid())
        ann.sends(**asked)
        heard = ann.receives()
        if asked["do"] not in ("password", "quit", "typing"):
            answers = [f for f in heard if f.get("cid", f.get("ok")) == "1"]
            self.assertTrue(answers, (asked, heard))
        ours = ("You ", "That is you", "There is no word", "A time is ", "Messages are kept")
        for frame in heard:
            if frame.get("error") == "malformed":
                self.assertTrue(frame["text"].startswith(ours), frame)

    @settings(deadline=None, derandomize=True, max_examples=150)
    @given(st.data())
    def test_what_it_does_not_allow_is_refused(self, data: Any) -> None:
        _, ann = self.rig()
        asked = data.draw(doubtful())
        ann.types(json.dumps(asked))
        heard = ann.receives()
        if schema.fault("client", asked):
            self.assertIn("error", heard[0], (asked, heard))

    @settings(deadline=None, derandomize=True, max_examples=100)
    @given(st.lists(st.one_of(st.binary(max_size=60), anything)))
    def test_any_bytes_get_frames_or_nothing(self, lines: list[Any]) -> None:
        rig = Rig()
        bot = rig.connects()
        bot.sends("ping")
        for line in lines:
            data = line if isinstance(line, bytes) else json.dumps(line).encode()
            bot.door.dataReceived(data + b"\n")
            rig.settle()
            bot.receives()
