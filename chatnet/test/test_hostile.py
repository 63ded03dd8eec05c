"""What one client could do to the others, and cannot."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from chatnet.core.commands import Ban
from chatnet.core.events import Banned
from chatnet.core.large import finish
from chatnet.core.refusals import Malformed, NotAllowed
from chatnet.core.room import MOST_SANCTIONS, Actor, Member, RoomState
from chatnet.core.rules import decide
from chatnet.dialects.jsonl import JsonDialect, _flat
from chatnet.server.session import MOST_LINES
from chatnet.test.properties import given, settings, st
from chatnet.test.rig import Rig

values = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.booleans(),
    st.none(),
    st.integers(-(10**18), 10**18),
)


class FairnessTests(SynchronousTestCase):
    def test_many_questions_in_one_chunk_take_many_turns(self) -> None:
        rig = Rig()
        ann = rig.member("ann")
        ann.asks(*["/who"] * 1000)
        self.assertLess(len(ann.session._replies), 100)  # in the turn in which it came
        rig.settle()
        self.assertEqual(len(ann.hears()), 1000)

    def test_refusals_count_as_well(self) -> None:
        rig = Rig()
        ann = rig.member("ann")
        ann.asks(*["/?"] * 10_000)
        self.assertLess(len(ann.session._replies), 100)
        rig.settle()
        self.assertEqual(len(ann.hears()), 60_000)

    def test_many_histories_asked_for_at_once_are_refused_and_break_nothing(self) -> None:
        rig = Rig()
        ann, bob = rig.member("ann"), rig.member("bob")
        bob.types("hi")
        ann.asks(*["/history 1"] * 3000)
        rig.settle()
        heard = ann.hears()
        shown = heard.count("--- end of history ---")
        refused = len([line for line in heard if "still being shown" in line])
        self.assertEqual(shown + refused, 3000)
        bob.types("still there?")
        self.assertEqual(ann.hears(), ["bob: still there?"])


class LongTests(SynchronousTestCase):
    def test_a_long_name_is_refused_at_once(self) -> None:
        rig = Rig()
        bot = rig.program("robot")
        name = "a" + "\u0301" * 60_000 + "\u0316" * 60_000
        for do, field in (("whois", "who"), ("nick", "name"), ("join", "room"), ("whisper", "who"),
                          ("ignore", "name"), ("ban", "who"), ("who", "room")):  # fmt: skip
            bot.sends(do, **{"room": "tea", "body": "x"} | {field: name})
            self.assertIn("error", bot.receives()[-1], do)

    def test_who_has_not_said_the_password_is_not_listened_to_for_long(self) -> None:
        rig = Rig(password="open sesame")
        bot = rig.connects()
        bot.types('{"do": "ping", "x": "' + "y" * 10_000 + '"}')
        self.assertEqual(bot.receives()[-1]["error"], "too-long")
        bot.sends("password", password="open sesame")
        bot.sends("join", room="tea")
        bot.sends("say", room="tea", body="y" * 10_000, cid="1")
        self.assertEqual(bot.receives()[-1]["ok"], "1")

    def test_a_message_has_a_bounded_number_of_lines(self) -> None:
        rig = Rig()
        bot = rig.program("robot")
        bot.sends("join", room="tea")
        bot.sends("say", room="tea", body="\n" * MOST_LINES, cid="1")
        self.assertEqual(bot.receives()[-1]["error"], "too-long")
        bot.sends("say", room="tea", body="\n" * (MOST_LINES - 1), cid="2")
        self.assertEqual(bot.receives()[-1]["ok"], "2")

    def test_a_long_line_that_nests_is_refused_without_being_built(self) -> None:
        dialect = JsonDialect()
        pad = '"pad": "' + "x" * 70_000 + '"'
        for nested in ('"x": [[]]', '"x": {}', ", ".join(f'"{n}": 1' for n in range(100))):
            with self.assertRaises(Malformed):
                dialect.receive(f'{{"do": "ping", {pad}, {nested}}}'.encode(), False)
        self.assertIsNotNone(dialect.receive(f'{{"do": "ping", {pad}}}'.encode(), False))

    @settings(deadline=None, derandomize=True)
    @given(st.dictionaries(st.text(max_size=5), values, min_size=1, max_size=8), st.booleans())
    def test_a_long_line_is_read_as_any_other(
        self, asked: dict[str, object], ascii_only: bool
    ) -> None:
        try:
            text = json.dumps(asked, ensure_ascii=ascii_only, indent=1)
            self.assertEqual(finish(_flat(text)), asked)
        except UnicodeEncodeError:
            pass


class RaceTests(SynchronousTestCase):
    def test_a_room_that_is_not_written_as_its_key_opens_again_after_a_restart(self) -> None:
        rig = Rig()
        rig.member("ann", "Tea").types("hi")
        rig.restart()
        bob = rig.arrives("/join tea")
        self.assertIn("Welcome to room Tea!", bob.hears())
        bob.types("/leave", "/ping")
        self.assertEqual(bob.hears()[-1], "pong")
        rig.clock.pump([60] * 10)
        self.assertNotIn("tea", rig.network.audiences)

    def test_an_answer_is_not_lost_when_only_a_state_is_being_kept(self) -> None:
        rig = Rig()
        ann, bob, vic = rig.member("ann"), rig.member("bob"), rig.member("vic")
        ann.types("/w bob psst")
        vic.hears()
        bob.hangs_up()
        for _ in range(6):  # every moment of bob's leaving
            vic.asks("/ping")
            rig.writer.step()
            rig.clock.advance(0)
        rig.settle()
        self.assertEqual(vic.hears().count("pong"), 6)

    def test_a_whisper_to_someone_who_is_just_leaving_is_refused(self) -> None:
        rig = Rig()
        ann, bob = rig.member("ann"), rig.member("bob")
        ann.hears()
        ann.asks("/w bob psst")
        bob.hangs_up()
        rig.settle()
        self.assertIn("bob has just left.", ann.hears())
        rig.clock.pump([60] * 10)
        rig.settle()
        self.assertEqual([key for key in rig.network.audiences if bob.door.id in key], [])

    def test_who_waits_for_a_name_gets_it_also_when_its_owner_logs_in(self) -> None:
        rig = Rig()
        rig.account("tom").hangs_up()
        rig.settle()
        one, two = rig.connects(), rig.connects()
        one.sends("nick", name="zoe", secret="s")
        one.asks('{"do": "login", "name": "tom", "password": "secret"}')
        two.asks('{"do": "nick", "name": "zoe", "secret": "s"}')
        one.hangs_up()
        rig.settle()
        self.assertEqual(two.receives()[-1].get("name"), "zoe")


class LeftoverTests(SynchronousTestCase):
    def test_expired_bans_do_not_fill_a_room(self) -> None:
        state = RoomState("tea")
        for n in range(MOST_SANCTIONS + 50):
            state.evolve(Banned(f"bob{n}", "ann", f"bob{n}", 10.0 + n, ""))
        self.assertEqual(len(state.bans), MOST_SANCTIONS)
        ann = Actor("ann", "ann")
        state.moderators, state.members = {"ann": "ann"}, {"ann": Member("ann")}
        command = Ban("tea", "zoe", 0, "", "zoe")
        self.assertRaises(NotAllowed, decide, state, ann, command, 0.0)
        self.assertEqual(len(decide(state, ann, command, 60.0)), 1)

    def test_an_account_that_cannot_be_stored_leaves_its_name_free(self) -> None:
        rig = Rig()
        ann = rig.arrives()
        rig.store.fail_accounts = True
        ann.hears()
        ann.types("/newuser zoe abcd")
        rig.store.fail_accounts = False
        self.assertEqual(ann.hears(), ["That could not be stored. Please try again."])
        bob = rig.arrives("/nick zoe")
        self.assertEqual(bob.hears()[-1], "You are now zoe.")

    def test_asking_about_rooms_that_are_none_leaves_nothing(self) -> None:
        rig = Rig()
        ann = rig.arrives()
        known = set(rig.network.audiences)
        for n in range(20):
            ann.types(f"/who room{n}")
        self.assertEqual(set(rig.network.audiences), known)
