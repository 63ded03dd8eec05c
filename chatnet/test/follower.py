"""What a program makes of the frames it is sent, going by docs/protocol.md and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chatnet.core.names import fold
from chatnet.core.room import RoomState
from chatnet.test.checker import Checker, fact_in

Frame = Mapping[str, Any]
BECOMING = ("nick", "login", "register")  # what one asks so as to be somebody else
QUESTIONS = (*BECOMING, "history", "who", "bans", "showtopic")  # what is not answered by ``ok``


@dataclass(slots=True)
class View:
    """What is known of a room one is in: one is called ``name`` there, and came after ``here``."""

    name: str
    here: int
    seq: int
    topic: str
    locked: bool
    members: dict[str, bool]  # by name, with whether it is an account's
    moderators: set[str]
    called: str = ""  # the room

    def evolve(self, frame: Frame) -> None:
        """Take the event ``frame`` into account, unless it was when the view began."""
        if frame["seq"] <= self.seq:
            return
        self.seq = frame["seq"]
        match frame["event"], frame.get("who", ""):
            case "joined", who:
                if not self.members and not self.moderators:
                    self.moderators.add(who)
                self.members[who] = frame["registered"]
            case ("left" | "kicked" | "banned") as kind, who:
                if not self.members.pop(who, True) or kind == "banned":
                    self.moderators.discard(who)
            case "renamed", _:
                self.members.pop(frame["old"], None)
                self.members[frame["new"]] = frame["registered"]
                if frame["old"] in self.moderators:
                    self.moderators.remove(frame["old"])
                    self.moderators.add(frame["new"])
            case "promoted", who:
                self.moderators.add(who)
            case "demoted", who:
                self.moderators.discard(who)
            case "topicset", _:
                self.topic = frame["topic"]
            case "roomdeleted", _:
                for name in [name for name, registered in self.members.items() if not registered]:
                    self.moderators.discard(name)
                self.members.clear()
            case "roomrenamed", _:
                self.called = frame["new"]
            case ("locked" | "unlocked") as kind, _:
                self.locked = kind == "locked"

    def is_like(self, state: RoomState) -> bool:
        """Return whether this is what ``state`` looks like from outside."""
        return (
            self.topic == state.topic
            and self.locked == bool(state.lock)
            and self.called == state.name
            and self.members == {m.name: m.registered for m in state.members.values()}
            and self.moderators == set(state.moderators.values())
        )


@dataclass(slots=True, eq=False)
class Follower:
    """One connection's client. Tells a ``checker`` what it is shown; ``faults`` are its own."""

    id: str
    checker: Checker
    secret: str = ""  # that it gives with its names
    name: str = ""
    origin: str = ""  # as whom its cids are remembered
    quiet: bool = False  # as people are: not shown what it does itself, and in one room at a time
    unsure: set[str] = field(default_factory=set)  # rooms in which it may be
    names: set[str] = field(default_factory=set)  # that it had
    parted: bool = False  # was told ``bye``
    rooms: dict[str, View] = field(default_factory=dict)  # where it is
    places: dict[str, int] = field(default_factory=dict)  # the last seq it saw, by room
    asked: dict[str, Frame] = field(default_factory=dict)  # what has no answer yet, by cid
    faults: list[str] = field(default_factory=list)
    _past: dict[str, tuple[str, int]] = field(default_factory=dict)  # history that is being shown

    @property
    def sure(self) -> bool:
        """Whether it knows who it is, and has not asked to be somebody else."""
        becoming = any(frame["do"] in BECOMING for frame in self.asked.values())
        return bool(self.origin) and not becoming

    def hear(self, frame: Frame) -> None:
        """Take ``frame`` in."""
        if self.parted:
            self._wrong("was told bye, then", frame)
        if "event" in frame:
            self._see(frame)
        elif "ok" in frame:
            if self.asked.pop(frame["ok"], {"do": ""})["do"] in ("say", "whisper"):
                self.checker.acknowledged(self.origin, frame["ok"], frame["room"], frame["seq"])
        elif "error" in frame:
            self._refused(frame)
        elif "reply" in frame:
            self._answered(frame)

    def _wrong(self, what: str, frame: Frame) -> None:
        self.faults.append(f"{self.id} {what} {dict(frame)}")

    def _refused(self, frame: Frame) -> None:
        asked = self.asked.pop(frame.get("cid", ""), {"do": ""})
        if asked["do"] in ("say", "whisper") and frame["error"] != "unavailable":
            self.checker.refused(self.origin, frame["cid"])
        if self.quiet and frame["text"].startswith("You were put out of"):
            self.unsure |= self.rooms.keys()  # it has left them for that
            self.rooms.clear()

    def _answered(self, frame: Frame) -> None:
        room, cid = frame.get("room", ""), frame.get("cid", "")
        since = self.asked.get(cid, {}).get("since")
        if self.asked.get(cid, {"do": ""})["do"] in QUESTIONS:
            del self.asked[cid]
        match frame["reply"]:
            case "hello":
                self.name, self.origin = frame["you"], frame["session"]
                self.names.add(self.name)
            case "youare":
                self.name = frame["name"]
                self.names.add(self.name)
                if self.quiet:  # it cannot know from where on it is called that in its rooms
                    self.unsure |= self.rooms.keys()
                    self.rooms.clear()
                self.origin = fold(self.name) if frame["registered"] else self.secret or self.origin
            case "entered":
                if room in self.rooms:
                    self._wrong("is in that room, and entered again:", frame)
                self._enter(frame)
                if since is not None and frame["since"] != min(since, frame["seq"]):
                    self._wrong(f"wanted to read behind {since}:", frame)
            case "out":
                self.rooms.pop(room, None)
            case "history":
                reading = f"{self.id} in the past"
                self._past[room] = (reading, frame["upto"])
                self.checker.begins(reading, room, frame["since"])
            case "caughtup" if room in self._past:
                reading, upto = self._past.pop(room)
                if self.checker.place(reading, room) != upto:
                    self._wrong("did not see all of that history:", frame)
            case "bye":
                self.parted = True

    def _enter(self, frame: Frame) -> None:
        room, state = frame["room"], frame["state"]
        if self.quiet:
            self.rooms.clear()
            self.unsure.clear()
        self.rooms[room] = View(
            self.name,
            frame["seq"],
            state["seq"],
            state["topic"],
            state["locked"],
            {one["name"]: one["registered"] for one in state["members"]},
            set(state["moderators"]),
            frame["name"],
        )
        self.checker.begins(self.id, room, frame["since"], self._own())

    def _own(self) -> set[str] | None:
        return self.names if self.quiet else None

    def _see(self, frame: Frame) -> None:
        room, fact = frame["room"], fact_in(frame)
        if room in self._past:
            reading, _ = self._past[room]
            self.checker.shown(reading, room, fact)
            return
        if room[0] in "@*" and room not in self.places:
            self.checker.begins(self.id, room, fact.seq - 1, self._own())  # these are not entered
        self.places[room] = fact.seq
        self.checker.shown(self.id, room, fact)
        view = self.rooms.get(room)
        if view is None:
            return
        view.evolve(frame)
        if fact.seq <= view.here:
            return
        if frame["event"] == "renamed" and frame["old"] == view.name:
            view.name = frame["new"]
        elif frame["event"] == "roomdeleted" or (
            frame["event"] in ("left", "kicked", "banned") and frame["who"] == view.name
        ):
            del self.rooms[room]
            self.checker.ends(self.id, room)
