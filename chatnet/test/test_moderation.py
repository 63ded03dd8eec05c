"""Keeping the peace: kicks, bans, mutes, locks, and who may."""

from __future__ import annotations

from itertools import product
from typing import get_args

from twisted.trial.unittest import SynchronousTestCase

from chatnet.core import commands as c, events as e
from chatnet.core.codec import decode_state, encode_state
from chatnet.core.refusals import Refused
from chatnet.core.roles import RIGHTS, Rank, Role, outranks, permits
from chatnet.core.room import Actor, Member, RoomState, Sanction
from chatnet.core.rules import permit, role_of
from chatnet.test.properties import given, st
from chatnet.test.rig import Client, Rig


def union(*kinds: object) -> set[type]:
    """Return the classes in unions of unions."""
    found: set[type] = set()
    for kind in kinds:
        found |= union(*get_args(kind)) if get_args(kind) else {kind}  # type: ignore[arg-type]
    return found


TABLE: dict[type[c.Command], tuple[str, str, str]] = {
    # verb: who may, from the least role on; with an account, without one; staff, from which rank on
    c.Hello: ("banned", "both", "nobody"),
    c.Ping: ("banned", "both", "nobody"),
    c.Password: ("banned", "both", "nobody"),
    c.Quit: ("banned", "both", "nobody"),
    c.Ignore: ("banned", "both", "nobody"),
    c.Unignore: ("banned", "both", "nobody"),
    c.Whisper: ("banned", "both", "nobody"),
    c.Give: ("banned", "both", "nobody"),
    c.Token: ("banned", "both", "nobody"),
    c.Whois: ("banned", "both", "nobody"),
    c.ListRooms: ("banned", "both", "nobody"),
    c.Nick: ("banned", "guest", "nobody"),
    c.Login: ("banned", "guest", "nobody"),
    c.Register: ("banned", "guest", "nobody"),
    c.ChangePassword: ("banned", "account", "nobody"),
    c.Logout: ("banned", "account", "nobody"),
    c.Announce: ("banned", "account", "admin"),
    c.Join: ("outsider", "both", "moderator"),
    c.ListMembers: ("outsider", "both", "moderator"),
    c.ShowTopic: ("outsider", "both", "moderator"),
    c.ShowSettings: ("outsider", "both", "moderator"),
    c.Leave: ("muted", "both", "nobody"),
    c.History: ("muted", "both", "nobody"),
    c.Find: ("muted", "both", "nobody"),
    c.Fetch: ("muted", "both", "nobody"),
    c.Delete: ("muted", "both", "moderator"),  # of one's own; see test_deletion
    c.Say: ("member", "both", "moderator"),  # unless banned or muted there
    c.Typing: ("member", "both", "nobody"),
    c.Roll: ("member", "both", "nobody"),
    c.Encrypt: ("moderator", "account", "nobody"),
    c.Seal: ("member", "account", "nobody"),
    c.SealWhisper: ("banned", "account", "nobody"),
    c.BeDevice: ("banned", "account", "nobody"),
    c.RemoveDevice: ("banned", "account", "nobody"),
    c.PublishKeys: ("banned", "account", "nobody"),
    c.ListDevices: ("banned", "account", "nobody"),
    c.ClaimKey: ("banned", "account", "nobody"),
    c.Deliver: ("banned", "account", "nobody"),
    c.Collected: ("banned", "account", "nobody"),
    c.KeepBackup: ("banned", "account", "nobody"),
    c.ShowBackup: ("banned", "account", "nobody"),
    c.Share: ("member", "both", "nobody"),
    c.SetTopic: ("moderator", "both", "moderator"),
    c.Kick: ("moderator", "both", "moderator"),
    c.Ban: ("moderator", "both", "moderator"),
    c.Unban: ("moderator", "both", "moderator"),
    c.ListBans: ("moderator", "both", "moderator"),
    c.Mute: ("moderator", "both", "moderator"),
    c.Unmute: ("moderator", "both", "moderator"),
    c.Op: ("moderator", "both", "admin"),
    c.Deop: ("moderator", "both", "admin"),
    c.Lock: ("moderator", "both", "admin"),
    c.Unlock: ("moderator", "both", "admin"),
    c.Retain: ("moderator", "both", "admin"),
    c.Voice: ("moderator", "both", "moderator"),
    c.Devoice: ("moderator", "both", "moderator"),
    c.Invite: ("moderator", "both", "admin"),
    c.Configure: ("moderator", "both", "admin"),
    c.RenameRoom: ("owner", "account", "admin"),
    c.DeleteRoom: ("owner", "account", "admin"),
    c.RestoreRoom: ("nobody", "both", "admin"),
    c.Own: ("owner", "both", "admin"),
    c.SetRank: ("nobody", "both", "admin"),
    c.ServerBan: ("nobody", "both", "moderator"),
    c.ServerUnban: ("nobody", "both", "moderator"),
    c.Exempt: ("nobody", "both", "admin"),
    c.Unexempt: ("nobody", "both", "admin"),
    c.ServerSet: ("nobody", "both", "admin"),
    c.ServerUnset: ("nobody", "both", "admin"),
    c.Purge: ("nobody", "both", "moderator"),
    c.Operate: ("nobody", "both", "moderator"),
}


def state_for(actor: Actor, role: Role) -> RoomState:
    """Return a room in which ``actor`` has ``role``."""
    state = RoomState("tea", members={"zed": Member("zed")}, moderators={"zed": "zed"}, owner="zed")
    sanction = {actor.target: Sanction(actor.name, "zed", 0, "")}
    match role:
        case Role.BANNED:
            state.bans = sanction
        case Role.MUTED:
            state.members[actor.key] = Member(actor.name, actor.registered)
            state.mutes = sanction
        case Role.MEMBER:
            state.members[actor.key] = Member(actor.name, actor.registered)
        case Role.VOICE:
            state.members[actor.key] = Member(actor.name, actor.registered)
            state.voices[actor.key] = actor.name
        case Role.MODERATOR | Role.OWNER:
            state.members[actor.key] = Member(actor.name, actor.registered)
            state.moderators[actor.key] = actor.name
            state.owner = actor.key if role is Role.OWNER else "zed"
    return state


class PermissionTests(SynchronousTestCase):
    def test_every_command_has_a_right_and_a_row_here(self) -> None:
        self.assertEqual(set(RIGHTS), union(c.Command))
        self.assertEqual(set(TABLE), union(c.Command))

    def test_every_verb_for_every_role_and_rank_with_and_without_an_account(self) -> None:
        for verb, role, rank, registered in product(TABLE, Role, Rank, (False, True)):
            least, accounts, staff = TABLE[verb]
            by_role = least != "nobody" and role >= Role[least.upper()]
            by_role &= accounts == "both" or registered == (accounts == "account")
            by_rank = staff != "nobody" and rank >= Rank[staff.upper()]
            by_rank &= verb is not c.Say or role not in (Role.BANNED, Role.MUTED)
            self.assertEqual(
                permits(verb, role, registered, rank),
                by_role or by_rank,
                (verb, role, rank, registered),
            )

    def test_the_rules_ask_the_table_about_the_role_and_the_rank(self) -> None:
        for verb, role, rank, registered in product(TABLE, Role, Rank, (False, True)):
            actor = Actor("ann", "ann", registered, "192.0.2.1", rank)
            state = state_for(actor, role)
            self.assertEqual(role_of(state, actor, 0), role)
            allowed = True
            try:
                permit(state, actor, verb, 0)
            except Refused as refusal:
                allowed = False
                self.assertTrue(str(refusal).strip())
            self.assertEqual(allowed, permits(verb, role, registered, rank))

    def test_a_user_is_no_staff(self) -> None:
        for verb in TABLE:
            self.assertFalse(outranks(verb, Rank.USER), verb)

    def test_a_ban_and_a_mute_end_when_their_time_is_over(self) -> None:
        actor = Actor("ann", "ann", True)
        state = RoomState("tea", bans={"ann": Sanction("ann", "zed", 10, "")})
        self.assertEqual(role_of(state, actor, 9.9), Role.BANNED)
        self.assertEqual(role_of(state, actor, 10), Role.OUTSIDER)
        state.members["ann"] = Member("ann", True)
        state.mutes["ann"] = Sanction("ann", "zed", 10, "")
        self.assertEqual(role_of(state, actor, 9.9), Role.MUTED)
        self.assertEqual(role_of(state, actor, 10), Role.MEMBER)


class ModerationTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()
        self.ann = self.rig.member("ann")
        self.bob = self.rig.member("bob", address="192.0.2.2")
        self.ann.hears()

    def after(self, *lines: str, by: Client | None = None) -> list[str]:
        """Return what a moderator hears to ``lines``."""
        (by or self.ann).types(*lines)
        return (by or self.ann).hears()


class KickTests(ModerationTestCase):
    def test_the_room_hears_it_and_the_one_who_is_out_nothing_after(self) -> None:
        self.assertEqual(
            self.after("/kick BOB rude", "peace at last"), ["bob was kicked by ann: rude"]
        )
        self.assertEqual(self.bob.hears(), ["bob was kicked by ann: rude", "You are out of tea."])
        self.bob.types("hello?")
        self.assertIn("You are in no room", self.bob.hears()[0])

    def test_who_is_kicked_may_come_back(self) -> None:
        self.after("/kick bob")
        self.bob.types("/join tea")
        self.assertIn("Welcome to room tea!", self.bob.hears())

    def test_only_a_moderator_can_and_only_who_is_here(self) -> None:
        self.assertEqual(
            self.after("/kick ann", by=self.bob),
            ["Only a moderator of tea can do that. Ask one: ann."],
        )
        self.assertEqual(
            self.after("/kick zoe", "/kick"),
            ["zoe is not in tea.", "Use it like this: /kick USER [REASON]"],
        )

    def test_what_was_said_before_the_kick_was_known_is_refused_after_it(self) -> None:
        self.ann.asks("/kick bob")
        self.bob.asks("still here?")
        self.rig.settle()
        heard = self.bob.hears()
        self.assertEqual(heard[0], "bob was kicked by ann.")
        self.assertIn("no room", heard[1])


class BanTests(ModerationTestCase):
    def test_a_banned_guest_is_kept_out_by_its_address(self) -> None:
        self.assertEqual(
            self.after("/ban bob 2h spam"), ["bob was banned by ann for 2 hours: spam"]
        )
        self.bob.hears()
        again = self.rig.arrives("/nick rob", "/join tea", address="192.0.2.2")
        self.assertRegex(
            again.hears()[-1], r"^You are banned from this room for another 1 hour 59 .*: spam$"
        )
        other = self.rig.arrives("/nick bob2", "/join tea", address="192.0.2.3")
        self.assertIn("Welcome to room tea!", other.hears())

    def test_a_ban_ends_by_itself(self) -> None:
        self.after("/ban bob 90s")
        self.rig.clock.advance(91)
        self.bob.hears()
        self.bob.types("/join tea")
        self.assertIn("Welcome to room tea!", self.bob.hears())

    def test_an_account_is_kept_out_wherever_it_comes_from_and_also_while_it_is_away(self) -> None:
        self.rig.account("tom").hangs_up()
        self.rig.settle()
        self.assertEqual(self.after("/ban tom"), ["tom was banned by ann."])
        tom = self.rig.arrives("/login tom secret", "/join tea", address="192.0.2.9")
        self.assertEqual(tom.hears()[-1], "You are banned from this room.")

    def test_bans_are_listed_and_lifted(self) -> None:
        self.after("/ban bob 2h spam", "/mute zoe")
        self.assertEqual(
            self.after("/bans", "/unban BOB", "/unban bob", "/bans"),
            [
                "bob is banned from tea by ann until 2027-01-15 10:00 UTC: spam",
                "ann lifted the ban on bob.",
                "bob is not banned here. /bans lists who is.",
                "Nobody is banned from tea, and nobody is muted there.",
            ],
        )
        self.bob.types("/join tea")
        self.assertIn("Welcome to room tea!", self.bob.hears())
        self.assertIn("Only a moderator", self.after("/bans", by=self.bob)[0])

    def test_nobody_bans_themselves_or_another_moderator_or_nobody(self) -> None:
        self.after("/op bob")
        self.assertEqual(
            self.after("/ban ann", "/ban bob", "/ban nobody"),
            [
                "You cannot ban yourself.",
                "bob is a moderator: /deop bob first.",
                "Nobody called nobody is known here.",
            ],
        )

    def test_no_one_else_sees_the_address(self) -> None:
        robot = self.rig.program("robot")
        robot.sends("join", room="tea")
        self.after("/ban bob")
        frame = next(frame for frame in robot.receives() if frame.get("event") == "banned")
        self.assertNotIn("target", frame)
        self.assertNotIn("192.0.2.2", str(frame))

    def test_bans_and_moderators_outlive_the_server(self) -> None:
        self.ann.types("/newuser ann abcd")
        self.after("/ban bob", "/topic tea time", "/lock key")
        self.rig.restart()
        bob = self.rig.arrives("/nick bob", "/join tea key", address="192.0.2.2")
        self.assertEqual(bob.hears()[-1], "You are banned from this room.")
        ann = self.rig.arrives("/login ann abcd", "/join tea")
        self.assertEqual(ann.hears()[-2:], ["Current users: ann", "Topic: tea time"])
        self.assertEqual(self.after("/unban bob", by=ann), ["ann lifted the ban on bob."])


class MuteTests(ModerationTestCase):
    def test_who_is_muted_listens_and_is_told_why_it_cannot_speak(self) -> None:
        self.assertEqual(
            self.after("/mute bob 10m shh", "quiet now"),
            ["bob was muted by ann for 10 minutes: shh"],
        )
        self.bob.hears()
        self.bob.types("hey", "/me waves", "/roll")
        self.assertEqual(
            self.bob.hears(), ["You are muted in this room for another 10 minutes: shh"] * 3
        )
        self.rig.clock.advance(600)
        self.bob.types("hey")
        self.assertEqual(self.ann.hears(), ["bob: hey"])

    def test_a_mute_is_lifted(self) -> None:
        self.after("/mute bob")
        self.assertEqual(self.after("/unmute bob"), ["ann let bob speak again."])
        self.bob.types("thanks")
        self.assertEqual(self.ann.hears(), ["bob: thanks"])

    def test_a_muted_guest_stays_muted_on_coming_back(self) -> None:
        self.after("/mute bob")
        self.bob.types("/leave", "/nick rob", "/join tea", "hey")
        self.assertEqual(self.bob.hears()[-1], "You are muted in this room.")

    def test_an_account_is_no_way_out_of_it(self) -> None:
        self.after("/mute bob 10m")
        self.bob.types("/newuser bob abcd", "hey")
        self.assertIn("muted in this room for another", self.bob.hears()[-1])


class LoginInRoomTests(ModerationTestCase):
    def test_a_banned_account_that_came_as_a_guest_is_out_when_it_logs_in(self) -> None:
        self.rig.account("tom").hangs_up()
        self.rig.settle()
        self.after("/ban tom")
        guest = self.rig.arrives("/join tea", address="192.0.2.9")
        guest.types("/login tom secret", "I am back")
        self.assertNotIn("tom: I am back", self.after("/who"))
        self.assertNotIn("tom", self.rig.room("tea").state.members)


class RoleTests(ModerationTestCase):
    def test_moderators_are_made_and_unmade(self) -> None:
        self.assertEqual(
            [
                *self.after("/op bob", "/op bob"),
                *self.after("/deop bob", "/deop bob", "/deop ann"),
            ],
            [
                "ann made bob a moderator.",
                "bob is a moderator already.",
                "ann took bob's moderation away.",
                "bob is not a moderator here.",
                "tea belongs to ann: /owner USER first.",
            ],
        )

    def test_a_guest_moderates_while_it_is_here_and_an_account_for_good(self) -> None:
        tom = self.rig.account("tom")
        tom.types("/join tea")
        self.after("/op bob", "/op tom")
        for client in (self.bob, tom):
            client.types("/leave", "/join tea")
        self.assertEqual(self.rig.room("tea").state.moderators, {"ann": "ann", "tom": "tom"})

    def test_an_empty_room_without_a_moderator_goes_to_whoever_enters_next(self) -> None:
        self.bob.types("/leave")
        self.ann.types("/leave")
        self.bob.types("/join tea")
        self.assertEqual(self.rig.room("tea").state.moderators, {"bob": "bob"})

    def test_the_topic_is_the_moderators_and_shown_to_all(self) -> None:
        self.assertEqual(
            self.after("/topic", "/topic green"),
            ["tea has no topic.", "ann changed the topic to: green"],
        )
        self.assertIn("Only a moderator", self.after("/topic black", by=self.bob)[-1])
        self.assertEqual(self.after("/topic", by=self.bob), ["Topic of tea: green"])
        self.assertEqual(self.after("/topic -"), ["ann removed the topic."])
        self.assertIn("at most 390 characters", self.after("/topic " + "x" * 391)[0])


class LockTests(ModerationTestCase):
    def test_a_locked_room_takes_its_password(self) -> None:
        self.assertEqual(self.after("/lock sesame"), ["ann gave the room a password."])
        cat = self.rig.arrives("/nick cat")
        cat.hears()
        cat.types("/join tea", "/join tea guess", "/who tea", "/join tea sesame")
        heard = cat.hears()
        self.assertEqual(
            heard[:4],
            [
                "The room tea has a password: /join tea PASSWORD",
                "That is not the password of tea.",
                "The room tea has a password; only those in it see that.",
                "Welcome to room tea!",
            ],
        )
        self.assertEqual(
            self.after("/unlock", "/unlock")[-2:],
            ["ann removed the room's password.", "The room tea has no password."],
        )

    def test_the_password_is_kept_as_a_verifier_only(self) -> None:
        self.after("/lock sesame")
        self.assertNotIn("sesame", str(self.rig.store.kept("tea")))
        self.assertIn("$argon2id$", str(self.rig.store.kept("tea")))

    def test_guessing_is_slowed_down(self) -> None:
        self.after("/lock sesame")
        cat = self.rig.arrives("/nick cat", address="192.0.2.7")
        cat.hears()
        for _ in range(5):
            cat.types("/join tea guess")
        self.assertEqual(len(cat.hears()), 5)
        cat.types("/join tea guess")
        self.assertEqual(cat.hears(), [])
        self.rig.clock.advance(1)
        self.rig.settle()
        self.assertEqual(len(cat.hears()), 1)


who = st.sampled_from(["ann", "bob", "cat", "dan"])
what_moves_a_room = st.one_of(
    st.builds(e.Joined, who, st.booleans()),
    st.builds(e.Left, who),
    st.builds(e.Kicked, who, who, st.just("")),
    st.builds(e.Banned, who, who, who, st.just(0.0), st.just("")),
    st.builds(e.Renamed, who, who, st.booleans()),
    st.builds(e.Promoted, who, who),
    st.builds(e.Demoted, who, who),
    st.builds(e.Owned, who, who),
)


class OwnershipTests(SynchronousTestCase):
    @given(st.lists(what_moves_a_room, max_size=30))
    def test_a_room_with_moderators_has_an_owner_among_them_whatever_happens(
        self, events: list[e.Event]
    ) -> None:
        state = RoomState("tea")
        for event in events:
            state.evolve(event)
            self.assertEqual(bool(state.owner), bool(state.moderators))
            self.assertIn(state.owner, [*state.moderators, ""])
        self.assertEqual(decode_state(encode_state(state)), state)


class OwnerTests(ModerationTestCase):
    def test_a_room_belongs_to_who_opened_it_until_it_is_given_away(self) -> None:
        self.after("/op bob")
        self.assertEqual(
            self.after(
                "/kick ann", "/ban ann", "/mute ann", "/deop ann", "/owner bob", by=self.bob
            ),
            [
                "ann made bob a moderator.",
                "tea belongs to ann.",
                "tea belongs to ann.",
                "tea belongs to ann.",
                "tea belongs to ann: /owner USER first.",
                "Only the owner of tea can do that, who is ann.",
            ],
        )
        self.assertEqual(self.after("/owner bob"), ["ann let the room belong to bob."])
        self.bob.hears()
        self.assertEqual(self.after("/deop ann", by=self.bob), ["bob took ann's moderation away."])

    def test_who_gets_a_room_moderates_it(self) -> None:
        self.assertEqual(
            self.after("/owner bob"),
            ["ann made bob a moderator.", "ann let the room belong to bob."],
        )

    def test_who_moderated_it_longest_inherits_it(self) -> None:
        cat = self.rig.member("cat")
        self.after("/op bob", "/op cat")
        for leaves, owner in ((self.ann, "bob"), (self.bob, "cat"), (cat, "")):
            leaves.types("/leave")
            self.assertEqual(self.rig.room("tea").state.owner, owner)

    def test_an_owner_may_change_the_name(self) -> None:
        self.ann.types("/nick anna")
        self.assertEqual(self.rig.room("tea").state.owner, "anna")


class SettingTests(ModerationTestCase):
    def test_who_has_a_voice_speaks_where_others_may_not(self) -> None:
        self.assertEqual(self.after("/set announce-only on"), ["ann set announce-only."])
        self.bob.hears()
        self.bob.types("hey", "/roll")
        self.assertEqual(len(self.bob.hears()), 2)
        self.assertEqual(
            self.after("I am heard", "/voice bob", "/voice bob"), ["ann gave bob a voice."]
        )
        self.bob.types("hey")
        self.assertEqual(self.ann.hears(), ["bob: hey"])
        self.after("/devoice bob", "/devoice bob")
        self.bob.types("hey")
        self.assertEqual(self.ann.hears(), [])
        self.assertEqual(self.after("/set announce-only off"), ["ann turned announce-only off."])
        self.bob.types("hey")
        self.assertEqual(self.ann.hears(), ["bob: hey"])

    def test_where_it_is_slow_one_waits_and_is_told_how_long(self) -> None:
        self.assertEqual(self.after("/set slow 10s"), ["ann set slow to 10 seconds."])
        self.bob.hears()
        self.bob.asks("one", "two")
        self.rig.settle()
        told = ["In tea, one speaks every 10 seconds. Say it again in 10 seconds."]
        self.assertEqual(self.bob.hears(), told)
        self.rig.clock.advance(4)
        self.bob.types("/nick rob", "three")
        self.assertIn("again in 6 seconds", self.bob.hears()[-1])
        self.rig.clock.advance(6)
        self.bob.types("four")
        self.after("five", "six")
        self.assertEqual(self.bob.hears(), ["ann: five", "ann: six"])
        self.assertEqual(len(self.rig.store.kept("tea")), 9)

    def test_one_enters_by_invitation(self) -> None:
        self.assertEqual(self.after("/set invite-only on"), ["ann set invite-only."])
        cat = self.rig.arrives("/nick cat", "/join tea", address="192.0.2.3")
        self.assertEqual(cat.hears()[-1], "One enters tea by invitation only. Ask one of: ann.")
        self.assertEqual(self.after("/invite cat", "/invite nobody")[0], "ann invited cat.")
        self.assertEqual(cat.hears(), ["ann invites you to tea: /join tea"])
        cat.types("/join tea")
        self.assertIn("Welcome to room tea!", cat.hears())
        self.after("/kick cat")
        cat.hears()
        cat.types("/join tea")
        self.assertIn("by invitation only", cat.hears()[-1])

    def test_an_account_is_invited_wherever_it_is(self) -> None:
        self.rig.account("tom").hangs_up()
        self.rig.settle()
        self.after("/set invite-only on", "/invite tom")
        tom = self.rig.arrives("/login tom secret", "/join tea", address="192.0.2.9")
        self.assertIn("Welcome to room tea!", tom.hears())

    def test_some_rooms_are_for_accounts(self) -> None:
        self.after("/set members-only on")
        cat = self.rig.arrives("/join tea", "/newuser cat secret", "/join tea")
        heard = cat.hears()
        self.assertIn("The room tea is for those with an account", "".join(heard))
        self.assertIn("Welcome to room tea!", heard)

    def test_a_room_that_is_closed_is_empty_and_its_owner_opens_it_again(self) -> None:
        self.ann.types("/newuser ann abcd", "/op bob")
        self.bob.hears()
        self.bob.types("/set closed on")
        self.assertIn("Only the owner of tea", self.bob.hears()[-1])
        self.ann.types("/set closed on")
        self.assertEqual(self.rig.room("tea").state.members, {})
        self.assertIn("bob was kicked by ann: the room is closed", self.bob.hears())
        cat = self.rig.arrives("/join tea")
        self.assertEqual(cat.hears()[-1], "The room tea is closed.")
        self.ann.types("/join tea", "/set closed off")
        cat.types("/join tea")
        self.assertIn("Welcome to room tea!", cat.hears())

    def test_what_can_be_set_is_listed_for_everyone(self) -> None:
        self.after("/set slow 90s", "/set announce-only on")
        self.assertEqual(
            self.after("/set", by=self.bob)[-7:],
            [
                "What can be set in tea, and what it is:", "invite-only: off",
                "members-only: off", "announce-only: on", "slow: 1 minute 30 seconds",
                "closed: off", "Moderators change it: /set SETTING on, off or DURATION",
            ],
        )  # fmt: skip
        self.after("/lock sesame")
        bot = self.rig.program("bot")
        bot.sends("showsettings", room="tea")
        self.assertEqual(bot.receives()[-1]["error"], "not-a-member")

    def test_what_makes_no_sense_is_refused(self) -> None:
        for line in ("/set slow", "/set slow on", "/set loud on", "/set slow 7h"):
            self.assertEqual(len(self.after(line)), 1, line)
        self.assertEqual(self.rig.room("tea").state.settings, {})
        self.assertEqual(self.after("/set slow off"), [])
        self.assertIn("Only a moderator", self.after("/set slow 9s", by=self.bob)[-1])

    def test_they_outlive_the_server(self) -> None:
        self.ann.types("/newuser ann abcd")
        self.after("/set slow 9s", "/voice bob")
        self.rig.restart()
        self.rig.arrives("/join tea")
        self.assertEqual(self.rig.room("tea").state.settings, {"slow": 9})
