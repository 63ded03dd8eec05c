from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from chatnet.client.frames import decode
from chatnet.client.state import RoomView
from chatnet.core import events as e, replies as r
from chatnet.core.room import RoomState
from chatnet.dialects.jsonl import JsonStyle
from chatnet.test.properties import given, settings, st
from chatnet.test.rig import Rig

PEOPLE = st.sampled_from(["ann", "Ann", "bob", "eve", "zoe"])
EVENTS = st.one_of(
    st.builds(e.Opened, st.just("Tea"), PEOPLE),
    st.builds(e.Said, PEOPLE, st.just("hi")),
    st.builds(e.Joined, PEOPLE, st.booleans()),
    st.builds(e.Left, PEOPLE, st.booleans()),
    st.builds(e.Renamed, PEOPLE, PEOPLE, st.booleans()),
    st.builds(e.Kicked, PEOPLE, PEOPLE, st.just("")),
    st.builds(e.Banned, PEOPLE, PEOPLE, PEOPLE, st.just(0.0), st.just("")),
    st.builds(e.Muted, PEOPLE, PEOPLE, PEOPLE, st.just(0.0), st.just("")),
    st.builds(e.Unmuted, PEOPLE, PEOPLE, PEOPLE),
    st.builds(e.Unbanned, PEOPLE, PEOPLE, PEOPLE),
    st.builds(e.Promoted, PEOPLE, PEOPLE),
    st.builds(e.Demoted, PEOPLE, PEOPLE),
    st.builds(e.TopicSet, PEOPLE, st.sampled_from(["", "tea"])),
    st.builds(e.Locked, PEOPLE, st.just("a verifier")),
    st.builds(e.Unlocked, PEOPLE),
    st.builds(e.Noticed, st.just("hear")),
)


def snapshot(seq: int, state: RoomState) -> r.Snapshot:
    """What a server says of ``state``."""
    members = tuple(
        r.Present(one.name, one.registered, key in state.moderators)
        for key, one in state.members.items()
    )
    moderators = tuple(state.moderators.values())
    return r.Snapshot(seq, state.topic, bool(state.lock), members, moderators)


def heard(entry: e.Entry) -> e.Entry:
    """``entry`` as it comes over the wire, without what nobody is shown."""
    told = decode(JsonStyle().render(entry))
    assert told is not None and isinstance(told.what, e.Entry)
    return told.what


class RoomViewTests(SynchronousTestCase):
    @settings(derandomize=True, deadline=None)
    @given(st.lists(EVENTS, max_size=40), st.integers(0, 40), st.integers(0, 5))
    def test_an_old_snapshot_and_the_entries_behind_it_are_a_fresh_one(
        self, happened: list[e.Event], begin: int, overlap: int
    ) -> None:
        entries = [e.Entry("tea", seq, 0.5, event) for seq, event in enumerate(happened, 1)]
        state = RoomState()
        for entry in entries[:begin]:
            state.evolve(entry.event)
        view = RoomView(snapshot(min(begin, len(entries)), state))
        for entry in entries[begin:]:
            state.evolve(entry.event)
        for entry in entries[max(0, begin - overlap) :]:  # what is in already is not added again
            view.apply(heard(entry))
        self.assertEqual(view.snapshot(), snapshot(len(entries), state))

    def test_it_agrees_with_the_server(self) -> None:
        rig = Rig()
        ann = rig.account("ann")
        ann.types("/join tea")
        program = rig.program("robot")
        program.sends("join", room="tea", replay=0, cid="x")
        view: RoomView | None = None
        plan = ("/op robot", "/topic green", "/lock secret", "hi", "/deop robot", "/unlock")
        for line in (*plan, "/op robot", "/kick robot"):
            ann.types(line)
            for told in program.receives():
                what = decode(json.dumps(told).encode())
                assert what is not None
                if isinstance(what.what, r.Entered):
                    view = RoomView(what.what.state)
                elif view is not None and isinstance(what.what, e.Entry):
                    view.apply(what.what)
            assert view is not None
            room = rig.room("tea")
            if line != "/kick robot":
                self.assertEqual(view.snapshot(), snapshot(room.log.head, room.state))
        assert view is not None
        self.assertFalse(view.has("robot"))
        self.assertTrue(view.has("Ann"))
