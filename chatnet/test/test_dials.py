"""What staff sets while the server runs: kept in its log, shown with its source, and undone."""

from __future__ import annotations

import os
import signal
import socket
import struct
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.task import Clock
from twisted.logger import LogLevel, LogLevelFilterPredicate, PredicateResult
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import alsoProvides

from chatnet.admin.jobs import Job
from chatnet.admin.port import OperatorsFactory
from chatnet.core import commands as c, dials, events as e
from chatnet.core.codec import decode_state, encode_state
from chatnet.core.limits import Limits
from chatnet.core.names import known_name, person_name
from chatnet.core.office import Office
from chatnet.core.refusals import BadName, Malformed, Muted, NotAllowed, Refused
from chatnet.core.roles import Rank
from chatnet.core.room import Actor, Member, RoomState, Sanction
from chatnet.core.rules import decide as decide_in_room
from chatnet.core.staff import OPERATOR_ACTOR, decide, undo
from chatnet.options import Options
from chatnet.server.hangup import Hangup
from chatnet.server.lost import ROUND, Lost
from chatnet.settings import Settings
from chatnet.test.rig import OTHERS, Wire
from chatnet.test.test_admin_port import PortCase
from chatnet.wires.oneport import OnePort


class RuleTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.office = Office()

    def act(self, command: c.Governing, now: float = 100.0) -> e.Acted:
        (event,) = decide(self.office, OPERATOR_ACTOR, command, now)
        self.office.evolve(event)
        return event

    def value(self, what: str, now: float = 100.0) -> str | None:
        held = self.office.setting(what, now)
        return held.value if held is not None else None

    def test_what_cannot_be_is_refused(self) -> None:
        for what, value in (
            ("motd", "x" * 4001), ("motd", "\n".join("x" * 101)), ("motd", "\ud800"),
            ("motd x", "hello"), ("registration", "maybe"), ("level", "5"), ("level", "-1"),
            ("limit", "5"), ("limit tea", "5"), ("limit messages", "many"), ("log chatnet", "loud"),
            ("log os; rm", "info"), ("log " + "a" * 9000, "info"), ("tea", "1"), ("", ""),
        ):  # fmt: skip
            self.assertRaises(Malformed, dials.checked, what, value)
        for what, value in (
            ("motd", "one\ntwo"), ("motd", ""), ("registration", "invite"), ("level", "4"),
            ("limit messages", "20+5/s"), ("limit messages", "none"), ("log", "debug"),
            ("log chatnet.server", "warn"),
        ):  # fmt: skip
            self.assertEqual(dials.checked(what, value), value)

    def test_it_takes_an_admin(self) -> None:
        for command in (c.ServerSet("level", "1"), c.ServerUnset("level")):
            for rank in (Rank.USER, Rank.MODERATOR):
                actor = Actor("mia", "mia", True, "", rank)
                self.assertRaises(NotAllowed, decide, self.office, actor, command, 0)

    def test_what_is_set_for_a_while_goes_before_what_is_set_for_good_and_ends(self) -> None:
        self.act(c.ServerSet("level", "1"))
        self.act(c.ServerSet("level", "3", 60))
        self.assertEqual((self.value("level"), self.value("level", 160.0)), ("3", "1"))
        self.act(c.ServerSet("level", "2"))
        self.assertEqual(self.value("level"), "2")
        self.act(c.ServerUnset("level"))
        self.assertIsNone(self.value("level"))
        self.assertRaises(NotAllowed, self.act, c.ServerUnset("level"))

    def test_nobody_sets_anew_what_a_higher_rank_set(self) -> None:
        admin = Actor("mia", "mia", True, "", Rank.ADMIN)

        def does(actor: Actor, command: c.ServerSet | c.ServerUnset, now: float) -> None:
            (event,) = decide(self.office, actor, command, now)
            self.office.evolve(event)

        does(admin, c.ServerSet("motd", "one"), 100)
        does(OPERATOR_ACTOR, c.ServerSet("motd", "two", 60), 100)
        for command in (
            c.ServerSet("motd", "x"),
            c.ServerSet("motd", "x", 5),
            c.ServerUnset("motd"),
        ):
            with self.assertRaisesRegex(NotAllowed, "done by operator: an owner can take it back"):
                does(admin, command, 159)
        does(admin, c.ServerSet("motd", "three"), 160)  # it is over
        does(OPERATOR_ACTOR, c.ServerSet("motd", "four"), 161)
        self.assertRaises(NotAllowed, does, admin, c.ServerSet("motd", "x", 5), 162)
        does(OPERATOR_ACTOR, c.ServerUnset("motd"), 163)
        does(admin, c.ServerSet("motd", "five"), 164)

    def test_each_is_taken_back(self) -> None:
        first = self.act(c.ServerSet("motd", "one"))
        second = self.act(c.ServerSet("motd", "two three", 60))
        third = self.act(c.ServerUnset("motd"))
        self.assertEqual(undo(first, 110), c.ServerUnset("motd"))
        self.assertEqual(undo(second, 110), c.ServerSet("motd", "one"))
        self.assertIsNone(undo(second, 160))  # it is over
        self.assertEqual(undo(third, 110), c.ServerSet("motd", "two three", 50))
        self.assertIsNone(undo(third, 160))  # what it ended would be over

    def test_it_is_part_of_what_is_kept(self) -> None:
        for command in (c.ServerSet("motd", "a\nb"), c.ServerSet("level", "1", 60)):
            self.act(command)
        self.assertEqual(Office.of(self.office.told()), self.office)
        self.assertEqual(self.office.copy(), self.office)
        state = RoomState(office=self.office)
        self.assertEqual(decode_state(encode_state(state)).office, self.office)

    def test_nobody_is_called_as_who_runs_the_server(self) -> None:
        for name in ("operator", "Operator", "0perator"):
            with self.assertRaisesRegex(BadName, "whoever runs this server"):
                person_name(name)


class SayingTests(SynchronousTestCase):
    def says(self, role: str, rank: Rank, **settings: float) -> Any:
        state = RoomState("tea", members={"zed": Member("zed")}, moderators={"zed": "zed"},
                          owner="zed", settings=settings)  # fmt: skip
        actor = Actor("mia", "mia", True, "", rank)
        if role != "elsewhere":
            state.members["mia"] = Member("mia", True)
        if role == "muted":
            state.mutes["mia"] = Sanction("mia", "zed", 0, "")
        if role == "banned":
            del state.members["mia"]
            state.bans["mia"] = Sanction("mia", "zed", 0, "")
        try:
            return decide_in_room(state, actor, c.Say("tea", "hello"), 1)
        except Refused as refusal:
            return refusal.code

    def test_staff_speaks_from_outside_whatever_the_room_s_terms(self) -> None:
        said = [e.Said("mia", "hello")]
        for terms in ({}, {"announce-only": 1.0}, {"closed": 1.0}, {"slow": 60.0}):
            self.assertEqual(self.says("elsewhere", Rank.MODERATOR, **terms), said)
            self.assertEqual(self.says("elsewhere", Rank.USER, **terms), "not-a-member")

    def test_who_is_in_it_speaks_as_the_others_do_and_a_mute_or_ban_holds(self) -> None:
        self.assertEqual(self.says("member", Rank.ADMIN, **{"announce-only": 1.0}), Muted.code)
        self.assertEqual(self.says("muted", Rank.OWNER), "muted")
        self.assertEqual(self.says("banned", Rank.OWNER), "banned")


class DialsTests(PortCase):
    def setUp(self) -> None:
        super().setUp()
        self.line = self.calls_at()

    def greeting(self) -> list[str]:
        return self.rig.arrives().hears()

    def restarted(self, seconds: float = 0.0) -> None:
        self.rig.began = self.rig.clock.seconds() + seconds
        self.rig.host.dials.stop()
        self.rig.restart()

    def test_a_message_of_the_day_is_shown_at_every_door_and_taken_back(self) -> None:
        line = self.line
        command, _ = self.command("motd")
        said = self.asks(line, command, {"text": "Be kind.\\nBe brief."})["said"]
        self.assertEqual(
            said, 'Done: act 1: motd is "Be kind. ...", and was nothing. undo 1 takes it back.'
        )
        heard = self.greeting()
        self.assertLess(heard.index("Be kind."), heard.index("Be brief."))
        program = self.rig.connects()
        program.sends("hello")
        self.assertEqual(program.receives()[0]["motd"], "Be kind.\nBe brief.")
        (row,) = self.rows(line, "motd")
        self.assertEqual(row, {"motd": "Be kind.\nBe brief.", "from": "operator #1"})
        self.restarted()
        self.assertIn("Be brief.", self.greeting())
        self.assertEqual(self.rig.host.dials.source("motd"), "operator #1")

    def test_the_option_is_what_holds_where_nobody_set_one(self) -> None:
        self.rig.host.settings = replace(self.rig.settings, motd="Hello.")
        self.assertIn("Hello.", self.greeting())
        self.answer(self.line, "motd --clear")
        self.assertNotIn("Hello.", self.greeting())
        self.answer(self.line, "motd --reset")
        self.assertIn("Hello.", self.greeting())
        self.answer(self.line, "undo 2")
        self.assertNotIn("Hello.", self.greeting())
        for words in ("motd x --clear", "motd --clear --reset", "motd x --reset"):
            self.assertIsInstance(self.refusal(self.line, words), Malformed)
        self.assertIn("Nothing was done.", self.answer(self.line, "motd new --dry-run")["said"])
        self.assertNotIn("new", self.greeting())

    def test_a_limit_is_kept_ends_by_itself_and_is_taken_back(self) -> None:
        line, limits = self.line, self.rig.host.defence.limits
        self.answer(line, "limit set mute 5m")
        self.answer(line, "limit set mute 7m --for 10m")
        (row,) = self.rows(line, "limit get mute")
        self.assertEqual((row["value"], row["from"][:17]), ("7m", "operator #2 until"))
        self.rig.clock.advance(601)
        self.assertEqual(limits.get("mute"), "5m")
        self.answer(line, "limit set mute 9m --for 10m")
        self.restarted()
        self.assertEqual(self.rig.host.defence.limits.get("mute"), "9m")
        self.restarted(601)
        self.assertEqual(self.rig.host.defence.limits.get("mute"), "5m")
        self.setUpAgain()
        self.answer(self.line, "undo 1")
        self.assertEqual(self.rig.host.defence.limits.get("mute"), "none")
        for words in ("limit set tea 1", "limit set mute maybe", "limit reset tea"):
            self.assertIsInstance(self.refusal(self.line, words), Malformed)
        self.assertIsInstance(self.refusal(self.line, "limit reset mute"), NotAllowed)

    def setUpAgain(self) -> None:  # noqa: N802
        rig = self.rig
        self.setUp()
        self.rig, self.desk.host = rig, rig.host
        self.line = self.calls_at()

    def test_it_is_tried_out_first(self) -> None:
        for _ in range(3):
            self.rig.connects()
        said = self.answer(self.line, "limit set connections 2 --dry-run")["said"]
        self.assertIn("1 address has more now, and would keep them. Nothing was done.", said)
        self.answer(self.line, "level 4 --dry-run")
        self.answer(self.line, "registration closed --dry-run")
        self.assertEqual(self.rows(self.line, "audit"), [])
        self.assertEqual(self.rig.host.defence.levels.level, 0)

    def test_a_level_ends_also_while_the_server_is_down(self) -> None:
        self.answer(self.line, "level 4 --for 1h --reason flood")
        self.restarted(1800)
        self.assertEqual(self.rig.host.defence.levels.level, 4)
        self.rig.clock.advance(1801)
        self.assertEqual(self.rig.host.defence.levels.level, 0)
        self.rig.began = self.rig.clock.seconds() - 3000
        self.restarted(-3000)
        self.assertEqual(self.rig.host.defence.levels.level, 4)
        self.restarted(3600)
        self.assertEqual(self.rig.host.defence.levels.level, 0)

    def test_whether_accounts_are_made_outlives_the_server(self) -> None:
        self.answer(self.line, "registration closed")
        self.restarted()
        eve = self.rig.arrives("/newuser eve secret")
        self.assertIn("No new accounts are made on this server.", eve.hears())

    def test_what_comes_to_nothing_changes_nothing(self) -> None:
        self.rig.store.fail_before = True
        self.assertIn("Unavailable", type(self.refusal(self.line, "registration closed")).__name__)
        self.assertEqual(self.rig.host.invitations.registration.value, "open")

    def test_an_old_account_of_that_name_is_found_but_nobody_is_it(self) -> None:
        self.rig.store.add(known_name("operator"), "nothing", 0.0)
        (row,) = self.rows(self.line, "account show operator")
        self.assertEqual(row["account"], "operator")
        eve = self.rig.arrives("/login operator secret")
        self.assertIn("whoever runs this server is called", "".join(eve.hears()))
        self.answer(self.line, "account erase operator --sure")
        self.assertIsInstance(self.refusal(self.line, "account show operator"), Refused)

    def test_what_operators_say_is_noted_without_the_words(self) -> None:
        self.rig.member("bob")
        for words in ("say tea hello there", "tell bob hello there", "shout hello there"):
            self.answer(self.line, words)
        rows = self.rows(self.line, "audit")
        self.assertEqual([row["did"] for row in rows], ["shout", "tell", "say"])
        self.assertNotIn("hello", str(rows))

    def test_the_log_keeps_what_it_is_told_to(self) -> None:
        self.assertIn("not its own", str(self.refusal(self.line, "log level")))
        logs = self.rig.host.dials.logs = LogLevelFilterPredicate()
        self.answer(self.line, "log level debug chatnet.server --for 10m")
        event = {"log_level": LogLevel.debug, "log_namespace": "chatnet.server.session.Session"}
        self.assertIsNot(logs(event), PredicateResult.no)
        self.assertTrue(self.rig.host.dials.keeps(event))
        self.assertIs(logs(event | {"log_namespace": "chatnet.wires"}), PredicateResult.no)
        self.assertEqual(len(self.rows(self.line, "log level")), 2)
        self.rig.clock.advance(601)
        self.assertIs(logs(event), PredicateResult.no)
        self.answer(self.line, "log level warn")
        self.assertIs(logs(event | {"log_level": LogLevel.info}), PredicateResult.no)
        self.answer(self.line, "log level --reset")
        self.assertIsNot(logs(event | {"log_level": LogLevel.info}), PredicateResult.no)


class ReloadTests(PortCase):
    def setUp(self) -> None:
        super().setUp()
        self.after: tuple[Settings | None, Sequence[str]] = (self.rig.settings, ())
        object.__setattr__(self.desk.building, "again", lambda: self.after)
        self.line = self.calls_at()

    def configures(self, **changes: Any) -> None:
        self.after = (replace(self.rig.settings, **changes), ())

    def test_all_that_can_be_is_taken_up_and_what_cannot_is_told(self) -> None:
        self.configures(
            motd="Hello.", limits=(*OTHERS, ("mute", "3m")), retention=3600.0, max_clients=7,
            password="sesame", origins=("https://a.example",), proxies=("10.0.0.1",),
            budget=5, name="tearoom",
        )  # fmt: skip
        rows = self.rows(self.line, "config check")
        self.assertEqual([row["setting"] for row in rows if row["takes"] == "a restart"],
                         ["budget"])  # fmt: skip
        self.assertNotIn("sesame", str(rows))
        self.assertEqual(self.rig.host.settings, self.rig.settings)
        self.answer(self.line, "config reload --dry-run")
        self.assertEqual(self.rig.host.settings, self.rig.settings)
        said = self.answer(self.line, "config reload")["said"]
        self.assertEqual(said, "Done. Without a restart: 8. With one: 1.")
        host = self.rig.host
        self.assertEqual(host.defence.limits.get("mute"), "3m")
        self.assertEqual((host.dials.motd, host.settings.budget), ("Hello.", Settings().budget))
        self.assertIn("10.0.0.1", host.defence.proxies)
        self.assertEqual(self.rig.factory.registry.most, 7)
        self.assertIn("tearoom has a password", self.rig.arrives().hears()[0])
        self.assertEqual(
            [row["setting"] for row in self.rows(self.line, "config check")], ["budget"]
        )
        (row,) = self.rows(self.line, "audit")
        self.assertEqual((row["did"], "sesame" in str(row)), ("config-reload", False))

    def test_where_the_server_listens_is_not_shown_to_moderators(self) -> None:
        self.configures(listen=("tcp:8890:interface=10.0.0.7",))
        sentence = str(self.refusal(self.logged_in("mia", "moderator"), "config check"))
        self.assertEqual(sentence, "config check takes the rank of admin.")
        told = str(self.rows(self.logged_in("ada", "admin"), "config check"))
        self.assertIn("10.0.0.7", told)

    def test_of_what_is_wrong_nothing_is_taken_up(self) -> None:
        self.after = (None, ["--port is a number, not x", "--replay is a number, not y"])
        rows = self.rows(self.line, "config check")
        self.assertEqual([row["wrong"] for row in rows], list(self.after[1]))
        sentence = str(self.refusal(self.line, "config reload"))
        self.assertIn("Nothing was changed", sentence)
        self.assertIn("--replay is a number, not y", sentence)
        self.configures(tls_cert="/nowhere/cert.pem", motd="Hello.")
        self.assertIn("/nowhere/cert.pem", str(self.refusal(self.line, "config reload")))
        self.assertEqual(self.rig.host.settings, self.rig.settings)

    def test_what_staff_set_goes_before(self) -> None:
        self.answer(self.line, "motd mine")
        self.configures(motd="Hello.")
        (row,) = self.rows(self.line, "config reload")
        self.assertIn("operator #1", row["takes"])
        self.assertEqual(self.rig.host.dials.motd, "mine")
        self.answer(self.line, "undo 1")
        self.assertEqual(self.rig.host.dials.motd, "Hello.")

    def test_what_fails_half_way_is_taken_back(self) -> None:
        self.configures(motd="Hello.", limits=(("mute", "nonsense"),))
        object.__setattr__(self.desk.building, "again", lambda: self.after)
        self.assertIsInstance(self.refusal(self.line, "config reload"), Refused)
        self.assertEqual(self.rig.host.settings, self.rig.settings)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)


class OptionsTests(SynchronousTestCase):
    def parse(self, config: str, *words: str) -> Options:
        path = self.mktemp()
        with open(path, "w", encoding="utf-8") as file:
            file.write(config)
        options = Options()
        options.parseOptions(["--config", path, *words])
        return options

    def test_it_is_known_where_values_come_from(self) -> None:
        options = self.parse('motd = "x"\nlimit = ["mute=2m", "quiet=3m"]', "--limit", "mute=4m",
                             "--registration", "invite")  # fmt: skip
        self.assertEqual(
            dict(options.settings.sources),
            {"motd": "config", "registration": "option", "limit mute": "option",
             "limit quiet": "config"},
        )  # fmt: skip

    def test_all_that_is_wrong_is_known_at_once(self) -> None:
        options = Options()
        path = self.mktemp()
        with open(path, "w", encoding="utf-8") as file:
            file.write('replay = "some"\nteapot = 1\nstall-seconds = 0\nlimit = ["mute=x"]\n')
        self.assertRaises(SystemExit, options.parseOptions, ["--config", path])
        self.assertEqual(len(options.faults), 4)
        for word in ("teapot", "--replay", "--stall-seconds", "mute"):
            self.assertTrue(any(word in fault for fault in options.faults), word)


class JobTests(PortCase):
    def setUp(self) -> None:
        super().setUp()
        self.folder = os.path.realpath(self.mktemp())
        os.mkdir(self.folder)
        self.rig.host.settings = replace(
            self.rig.settings, data=self.folder, store="sqlite:", store_password="sesame"
        )
        self.jobs: list[Job] = []
        self.words: list[str] = []
        self.written: dict[int, bytes] = {}
        self.signals: list[str] = []
        self.gone = False
        object.__setattr__(self.desk.building, "spawn", self.spawn)
        self.line = self.calls_at()

    def spawn(self, job: Job, path: str, words: list[str], **_: Any) -> None:
        self.jobs.append(job)
        self.words = words
        job.makeConnection(self)

    def writeToChild(self, fd: int, data: bytes) -> None:  # noqa: N802 -- Twisted's name
        self.written[fd] = data

    def closeChildFD(self, fd: int) -> None:  # noqa: N802 -- Twisted's name
        pass

    def signalProcess(self, name: str) -> None:  # noqa: N802 -- Twisted's name
        if self.gone:
            raise ProcessExitedAlready
        self.signals.append(name)

    def closeStdin(self) -> None:  # noqa: N802 -- Twisted's name
        pass

    def starts(self, words: str) -> list[Any]:
        results: list[Any] = []
        command, values = self.command(words)
        self.line.callRemote(command, **values).addBoth(results.append)
        self.settle()
        return results

    def ends(self, status: int) -> None:
        self.jobs[-1].processEnded(Failure(ProcessTerminated(status)))
        self.settle()

    def test_it_tells_how_far_it_is_and_what_came_of_it(self) -> None:
        results = self.starts(f"backup {self.folder}/new.gz")
        self.assertEqual(self.words[2:4], ["chatnet.admin", "backup"])
        self.assertNotIn("sesame", str(self.words))
        self.assertEqual(self.written[3], b"sesame\n")
        self.jobs[0].errReceived(b"chatnet: 2,560 entries written, 5 s; now in tea\nchatnet: x.gz:")
        self.settle()
        self.assertEqual(self.happened, ["2,560 entries written, 5 s; now in tea"])
        self.assertEqual(results, [])
        busy = self.refusal(self.line, "verify")
        self.assertIn("One at a time: backup is not done yet", str(busy))
        self.jobs[0].errReceived(b" 12 logs\n")
        self.ends(0)
        self.assertEqual(results[0]["said"], "Done: x.gz: 12 logs.")
        (row,) = self.rows(self.line, "audit")
        self.assertEqual((row["did"], row["to"]), ("backup", f"{self.folder}/new.gz"))

    def test_faults_are_rows_and_what_failed_is_a_refusal(self) -> None:
        results = self.starts("verify")
        self.jobs[0].errReceived(b"chatnet: tea: 3 is lost\nchatnet: 9 logs; 1 fault\n")
        self.ends(1)
        self.assertEqual(results[0]["said"], "To be looked at: 9 logs; 1 fault.")
        self.assertEqual(results[0]["rows"], ['{"fault": "tea: 3 is lost"}'])
        results = self.starts("verify")
        self.jobs[1].errReceived(b"chatnet: disk full\n")
        self.ends(2)
        self.assertIn("came to nothing: disk full", str(results[0].value))

    def test_only_a_new_file_in_a_folder_that_is_there(self) -> None:
        there = os.path.join(self.folder, "there")
        os.symlink("/nowhere", there)
        for path, sentence in (
            ("chat.backup", "Write all of the path"),
            (there, "is there already"),
            (f"{self.folder}/none/chat", "There is no folder"),
            (f"{self.folder}/", "name a file"),
        ):
            self.assertIn(sentence, str(self.refusal(self.line, f"backup {path}")), path)
        self.assertIn("There is no file", str(self.refusal(self.line, f"verify {there}")))
        self.assertEqual(self.jobs, [])

    def test_who_is_elsewhere_names_a_file_in_the_data_folder(self) -> None:
        line = self.logged_in("ann", "owner")
        os.symlink("/tmp", os.path.join(self.folder, "out"))
        for path in ("/tmp/chat", f"{self.folder}/../chat", f"{self.folder}/out/chat"):
            sentence = str(self.refusal(line, f"backup {path}"))
            self.assertIn("names a file below", sentence, path)
        self.assertEqual(self.jobs, [])

    def test_what_is_in_memory_or_in_the_chat_is_refused(self) -> None:
        self.rig.host.settings = replace(self.rig.settings, store="memory:")
        self.assertIn("in memory", str(self.refusal(self.line, "verify")))
        asked = Deferred.fromCoroutine(self.desk.converse(OPERATOR_ACTOR, "1", "backup /srv/x"))
        self.failureResultOf(asked, NotAllowed)
        self.assertIsNone(self.desk.job)

    def test_what_runs_is_ended_with_the_server(self) -> None:
        results = self.starts(f"backup {self.folder}/new.gz")
        OperatorsFactory(self.desk, True).stopFactory()
        self.assertEqual(self.signals, ["TERM"])
        self.gone = True
        self.desk.stop()
        self.ends(130)
        self.assertIn("came to nothing", str(results[0].value))
        self.desk.stop()
        self.assertEqual(self.signals, ["TERM"])


class Handle:
    def __init__(self, unacked: int, since: int) -> None:
        self.told = struct.pack("=24xI28xI", unacked, since)

    def getsockopt(self, *_: int) -> bytes:
        return self.told


class LostTests(SynchronousTestCase):
    def test_who_acknowledges_nothing_is_cut_and_nobody_else(self) -> None:
        clock, cut = Clock(), list[str]()

        class Line:
            def __init__(self, id: str, seconds: float) -> None:
                self.id, self.seconds = id, seconds

            def unheard(self) -> float:
                return self.seconds

            def abort(self) -> None:
                cut.append(self.id)
                lines.remove(self)

        limits = Limits()
        lines = [Line("alive", 119.9), Line("dead", 120.0), *(Line("x", 0) for _ in range(20))]
        lost = Lost(clock, lines, limits)
        lost.start()
        clock.pump([1] * ROUND)
        self.assertEqual(cut, ["dead"])
        limits.set("silence", "none")
        lines.append(Line("dead too", 1e9))
        clock.pump([1] * ROUND)
        self.assertEqual(cut, ["dead"])
        lost.stop()
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_only_what_waits_for_it_counts(self) -> None:
        if not hasattr(socket, "TCP_INFO"):
            return
        door = OnePort(None, Clock(), "")  # type: ignore[arg-type]
        transport: Any = Wire()
        door.transport = transport
        self.assertEqual(door.unheard(), 0.0)
        alsoProvides(transport, ITCPTransport)
        for unacked, since, expected in ((0, 500_000, 0.0), (2, 121_000, 121.0)):
            handle = Handle(unacked, since)
            transport.getHandle = lambda one=handle: one
            self.assertEqual(door.unheard(), expected)
        transport.getHandle = list
        self.assertEqual(door.unheard(), 0.0)


class HangupTests(SynchronousTestCase):
    def test_it_is_taken_and_let_go(self) -> None:
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL:
            return
        with open(os.devnull, encoding="ascii") as nothing:
            self.patch(__import__("sys"), "stdin", nothing)
            calls: list[str] = []
            hangup = Hangup()

            class Threads:
                def callFromThread(self, call: Any) -> None:  # noqa: N802 -- Twisted's name
                    call()

            hangup.start(Threads(), lambda: calls.append("again"))
            try:
                os.kill(os.getpid(), signal.SIGHUP)
                self.assertEqual(calls, ["again"])
            finally:
                hangup.stop()
        self.assertIs(signal.getsignal(signal.SIGHUP), signal.SIG_DFL)


del PortCase  # whose tests are those of others
