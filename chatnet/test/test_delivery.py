"""Whatever the wires, the disk and the people do, the delivery contract holds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from chatnet.core import events as e
from chatnet.core.codec import kind_of
from chatnet.core.room import RoomState
from chatnet.test.properties import given, settings, st
from chatnet.test.rig import Client, FailingStore, Rig

NAMES = ("ann", "bob", "cat")
people = st.sampled_from(NAMES)
requests = st.one_of(
    st.builds(lambda cid: {"do": "say", "cid": cid}, st.sampled_from("123456789")),
    st.builds(lambda cid: {"do": "say", "cid": cid}, st.sampled_from("abcdefghi")),
    st.builds(lambda do: {"do": do}, st.sampled_from(["join", "leave", "who", "nonsense"])),
    st.builds(lambda who: {"do": "kick", "who": who}, people),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), people, requests),
        st.tuples(st.just("ask"), people, requests),
        st.tuples(st.sampled_from(["pause", "resume", "drop"]), people, st.just({})),
        st.tuples(
            st.sampled_from(
                [
                    "turn",
                    "turn",
                    "write",
                    "write",
                    "read",
                    "settle",
                    "fail",
                    "lose",
                    "blind",
                    "heal",
                ]
            ),
            st.just(""),
            st.just({}),
        ),
    ),
    min_size=20,
    max_size=100,
)


class Server(Rig):
    """A server that forgets early, and is watched showing nothing that is not kept."""

    def restart(self) -> None:
        super().restart()
        deliver = self.network._deliver

        def watched(entries: Sequence[e.Entry]) -> None:
            kept = self.store.kept(entries[0].room)
            assert kept[entries[0].seq - 1 : entries[-1].seq] == list(entries), "shown too early"
            deliver(entries)
            if "tea" in self.network.audiences:
                self.room("tea").log._keep = 4

        self.journal.subscribe(watched, self.network.rooms.rewind)


class DeliveryTests(SynchronousTestCase):
    @settings(deadline=None, derandomize=True, max_examples=300)
    @given(steps)
    def test_the_contract(self, plan: list[tuple[str, str, dict[str, Any]]]) -> None:
        store = FailingStore()
        rig = Server(store)
        here = {name: rig.program(name) for name in NAMES}
        stays: list[tuple[str, list[dict[str, Any]]]] = []
        cids: Counter[tuple[str, str | None]] = Counter()
        for name in NAMES:
            here[name].sends("join", room="tea")
        for step, name, asked in plan:
            match step:
                case "ask":
                    body = f"{name} {asked.get('cid')}"
                    cids[name, asked.get("cid")] += 1
                    here[name].asks(json.dumps({"room": "tea", "body": body, "replay": 0} | asked))
                case "pause":
                    here[name].stops_listening()
                case "resume":
                    here[name].session.resumeProducing()
                case "drop":
                    stays.append((name, here[name].receives()))
                    here[name].hangs_up()
                    here[name] = rig.connects()
                    again = {"do": "nick", "name": name, "secret": f"{name}'s own"}
                    here[name].asks(json.dumps(again))
                    here[name].asks('{"do": "join", "room": "tea", "replay": 0}')
                case "settle":
                    rig.settle()
                case "turn":
                    rig.clock.advance(0)
                case "write":
                    rig.writer.step()
                case "read":
                    rig.reader.step()
                case "fail" | "lose" | "blind" | "heal":
                    store.fail_before = step == "fail"
                    store.fail_after = step in ("lose", "blind")
                    store.fail_reads = step == "blind"
        store.fail_before = store.fail_after = store.fail_reads = False
        for person in here.values():
            person.session.resumeProducing()
        rig.settle()
        probe = rig.connects()
        probe.asks('{"do": "nick", "name": "eve"}', '{"do": "join", "room": "tea"}')
        for _ in range(4):  # departures are tried again after a second
            rig.clock.advance(1)
            rig.settle()
        stays += [(name, person.receives()) for name, person in here.items()]

        log, room = store.kept("tea"), rig.room("tea")
        self.assertEqual([entry.seq for entry in log], list(range(1, len(log) + 1)))
        self.assertEqual(room.log.head, len(log))  # all that is kept was shown
        fresh = RoomState()
        for entry in log:
            self.check_legal(fresh, entry.event)
            fresh.evolve(entry.event)
        self.assertEqual(room.state, fresh)
        self.assertEqual(room.decided, fresh)
        said = [entry.event.body for entry in log if isinstance(entry.event, e.Said)]
        self.assertEqual(len(said), len(set(said)))  # nothing twice
        for place, (name, heard) in enumerate(stays):
            still_here = (  # and was not parted with because its history could not be read
                place >= len(stays) - len(NAMES) and not here[name].transport.disconnecting
            )
            happened = [f for f in heard if "event" in f and f["room"] == "tea"]
            blind = any(step in ("lose", "blind") for step, _, _ in plan)
            self.check_stretches(name, happened, log, still_here, blind)
            for ack in [frame for frame in heard if "ok" in frame]:
                event = log[ack["seq"] - 1].event  # nothing lost
                self.assertEqual(event, e.Said(name, f"{name} {ack['ok']}"))
        self.check_nobody_is_a_ghost(rig, fresh, [*here.values(), probe])
        if not any(step in ("lose", "blind") for step, _, _ in plan):
            asked_once = [cid for cid, count in cids.items() if count == 1]
            self.check_refused(stays, said, asked_once)

    def check_legal(self, before: RoomState, event: e.Event) -> None:
        """See that ``event`` could be decided in the light of all before it, and nothing else."""
        match event:
            case e.Said(who) | e.Left(who):
                self.assertIn(who, before.members)
            case e.Joined(who):
                self.assertNotIn(who, before.members)
            case e.Kicked(who, by):
                self.assertIn(who, before.members)
                self.assertIn(by, before.moderators)

    def check_stretches(
        self,
        name: str,
        heard: list[dict[str, Any]],
        log: list[e.Entry],
        still_here: bool,
        blind: bool,
    ) -> None:
        """See that ``name`` heard stretches of the log: whole, in order, from coming to going."""
        inside, last = False, 0
        for frame in heard:
            entry = log[frame["seq"] - 1]
            self.assertEqual(frame["event"], kind_of(entry.event))
            self.assertEqual(frame.get("body"), getattr(entry.event, "body", None))
            if inside:
                self.assertEqual(frame["seq"], last + 1)
            else:
                self.assertGreater(frame["seq"], last)
                if not blind:  # else it may have been a member before it knew
                    self.assertIn(frame["event"], ("opened", "joined"))
            last = frame["seq"]
            inside = not (frame["event"] in ("left", "kicked") and frame["who"] == name)
        if inside and still_here:
            self.assertEqual(last, len(log))

    def check_nobody_is_a_ghost(self, rig: Rig, state: RoomState, here: list[Client]) -> None:
        """See that behind every member there is someone."""
        names = {
            client.session.actor.key for client in here if client.door.id in rig.factory.sessions
        }
        self.assertLessEqual(set(state.members), names)

    def check_refused(
        self,
        stays: list[tuple[str, list[dict[str, Any]]]],
        said: list[str],
        asked_once: list[tuple[str, str | None]],
    ) -> None:
        """See that what could not be stored, and was not tried again, is not there."""
        for name, heard in stays:
            for frame in heard:
                cid = frame.get("cid")
                if frame.get("error") == "unavailable" and (name, cid) in asked_once:
                    self.assertNotIn(f"{name} {cid}", said)
