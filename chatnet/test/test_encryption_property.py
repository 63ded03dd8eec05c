"""Whatever people do: who is in an encrypted room reads all that is said, and nobody else any."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from chatnet.accounts import passwords
from chatnet.client.keys.causes import Unreadable
from chatnet.client.keys.megolm import Place, Sessions
from chatnet.core import commands as c, events as e
from chatnet.core.names import fold
from chatnet.core.room import RoomState
from chatnet.test.keyring import Box, Person, World
from chatnet.test.properties import given, settings, st

NAMES = ("ann", "bob", "zoe")
ACTS = ("say", "say", "say", "join", "leave", "kick", "cut", "kill", "come", "device", "remove")
STEPS = st.lists(
    st.tuples(st.sampled_from(ACTS), st.sampled_from(NAMES), st.integers(0, 1), st.booleans()),
    min_size=10,
    max_size=40,
)


class Crowd:
    """Three accounts in an encrypted room, each with one device or two."""

    def __init__(self) -> None:
        self.world = World()
        self.boxes: dict[str, dict[str, Box]] = {name: {} for name in NAMES}  # by device
        self.since: dict[str, int] = {}  # from which place in the room's log a device was there
        self.until: dict[str, int] = {}
        self.here: dict[str, Person] = {}  # by device
        self.said = 0
        for name in NAMES:
            self.world.registers(name)
            self.adds(name)
        for person in self.here.values():
            person.does(c.Join("tea"))
        next(iter(self.here.values())).does(c.Encrypt("tea"))

    def adds(self, name: str) -> None:
        box = Box()
        person = self.world.comes(name, box, "")
        device = person.keys.ring.own.id
        self.boxes[name][device], self.here[device] = box, person
        head = self.world.rig.network.audiences.get("tea")
        self.since[device] = head.room.log.head if head is not None else 0

    def comes(self, name: str, device: str) -> None:
        if device not in self.here:
            self.here[device] = self.world.comes(name, self.boxes[name][device], "")

    def does(self, act: str, name: str, which: int, at_once: bool) -> None:
        """Let ``name`` do something on one of its devices; ``at_once``: before it hears more."""
        devices = [one for one in self.boxes[name] if one not in self.until]
        device = devices[which % len(devices)]
        if act == "device":
            if len(self.boxes[name]) < 3:
                self.world.carry()
                self.adds(name)
            return
        if device not in self.here:
            self.comes(name, device)
        person = self.here[device]
        match act:
            case "say":
                self.said += 1
                self.asks(person, c.Say("tea", f"word-{self.said}."))
            case "join":
                self.asks(person, c.Join("tea"))
            case "leave":
                self.asks(person, c.Leave("tea"))
            case "kick":
                self.asks(person, c.Kick("tea", NAMES[which]))
            case "cut":
                person.way.drop()
                self.world.passes(3)
            case "kill":
                person.ends()
                del self.here[device]
            case "remove" if len(devices) > 1:
                self.world.carry()
                other = devices[(which + 1) % len(devices)]
                person.does(c.RemoveDevice(other))
                self.until[other] = self.world.rig.room("tea").log.head
                gone = self.here.pop(other, None)
                if gone is not None:
                    gone.ends()
            case _:
                pass
        if not at_once:
            self.world.carry()

    def asks(self, person: Person, command: c.Command) -> None:
        try:
            person.link.submit(command)
        except Exception as refusal:
            assert type(refusal).__name__ in ("Encrypted", "NotAMember"), refusal

    def ends(self) -> None:
        """Let all devices come and collect what was left to them."""
        self.world.carry()
        for name, boxes in self.boxes.items():
            for device in boxes:
                if device not in self.until:
                    self.comes(name, device)
        self.world.passes(40)

    def judge(self) -> None:
        """See that each device can read exactly what was said while it was in the room."""
        log = self.world.rig.store.kept("tea")
        state, sealed = RoomState(), 0
        opened = {
            device: self.opened(box, log) for n in NAMES for device, box in self.boxes[n].items()
        }
        for entry in log:
            state.evolve(entry.event)
            if not isinstance(entry.event, e.Sealed):
                continue
            sealed += 1
            for name, boxes in self.boxes.items():
                for device in boxes:
                    present = name in state.readers and (
                        self.since[device] < entry.seq <= self.until.get(device, 2**60)
                    )
                    assert (entry.seq in opened[device]) == present, (
                        f"#{entry.seq} by {entry.event.by}: {name} {device} "
                        f"{'cannot' if present else 'can'} read it"
                    )
        words = [body for seqs in opened.values() for body in seqs.values()]
        assert not sealed or words
        for word in set(words):
            assert not any(word.encode() in part for part in self.world.traffic), word

    def opened(self, box: Box, log: Any) -> dict[int, str]:
        """Return what the keys in ``box`` open of all that the server has, by place."""
        found = {}
        sessions = Sessions(box)
        for entry in log:
            event = entry.event
            if isinstance(event, e.Sealed):
                place = Place("tea", entry.seq, "tea", fold(event.by), event.device, event.session)
                try:
                    found[entry.seq] = sessions.open(place, event.body, False).fields["body"]
                except Unreadable:
                    continue
        return found


class CrowdTests(SynchronousTestCase):
    @settings(max_examples=15, deadline=None, derandomize=True)
    @given(STEPS)
    def test_who_is_in_the_room_reads_all_and_nobody_else_any(
        self, steps: list[tuple[str, str, int, bool]]
    ) -> None:
        self.patch(passwords, "_MEMORY_KIB", 64)
        crowd = Crowd()
        for step in steps:
            crowd.does(*step)
        crowd.ends()
        crowd.judge()
