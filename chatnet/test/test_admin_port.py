"""The operators' port: verbs, pages, ranks and logins, over AMP in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.testing import StringTransport
from twisted.logger import Logger, capturedLogs, formatEvent
from twisted.protocols import amp
from twisted.python.failure import Failure
from twisted.test.iosim import FakeTransport, IOPump, connect
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import alsoProvides

from chatnet.admin import calls, importing, orders, port as admin_port, trying
from chatnet.admin.calling import Line
from chatnet.admin.calls import COMMANDS, Login, More, packed, page
from chatnet.admin.deeds import all_of_them
from chatnet.admin.desk import Answer, Building, Desk
from chatnet.admin.grammar import Given
from chatnet.admin.oneshot import dumped
from chatnet.admin.operator import Operator
from chatnet.admin.port import LOGIN_BYTES, LOGIN_SECONDS, OperatorsFactory, Port
from chatnet.admin.tables import Shown, lines_of, width
from chatnet.admin.verbs import ALL_VERBS, VERBS, help_on, help_text, understand
from chatnet.core import refusals
from chatnet.core.refusals import Malformed, NotAllowed
from chatnet.core.roles import RIGHTS, Rank
from chatnet.test.rig import Rig


class VerbTests(SynchronousTestCase):
    def given(self, line: str) -> dict[str, Any]:
        return understand(line.split())[1].values

    def test_arguments_come_by_place_and_options_by_name(self) -> None:
        self.assertEqual(
            self.given("ban bob tea --for 2h --reason=spam"),
            {"who": "bob", "room": "tea", "seconds": 7200.0, "reason": "spam"},
        )
        self.assertEqual(self.given("kick --reason x bob"), {"who": "bob", "reason": "x"})
        self.assertEqual(self.given("say tea a b  c"), {"room": "tea", "text": "a b c"})
        self.assertEqual(self.given("cert show"), {})
        self.assertEqual(self.given("stop --never"), {"never": True})

    def test_what_makes_no_sense_is_told_with_how_it_is_used(self) -> None:
        for line, sentence in (
            ("kick", "Use it like this: kick WHO [ROOM] [--reason REASON]"),
            ("kick bob tea more", "That is more than kick takes"),
            ("kick bob --why x", "kick has no option --why"),
            ("kick bob --reason", "--reason takes a value"),
            ("ban bob tea --for soon", "seconds is like 90s, 10m, 2h or 7d, not soon"),
            ("who --sort size", "sort is name or idle or rate or lag, not size"),
            ("du --limit many", "limit is a number, not many"),
            ("kik bob", "Did you mean kick?"),
            ("cert", "Did you mean cert show or cert reload?"),
            ("suspend ann", "Did you mean account suspend?"),
            ("rank ann admin", "There is no verb rank. help lists what there is."),
            ("", "There is no verb"),
        ):
            with self.assertRaises(Malformed) as caught:
                self.given(line)
            self.assertIn(sentence, str(caught.exception))

    def test_a_message_is_named_by_its_room_and_number(self) -> None:
        self.assertEqual(Given({"message": "tea/#42"}).message("message"), ("tea", 42))
        for word in ("tea", "42", "/42", "tea/", "tea/x"):
            with self.assertRaises(Malformed):
                Given({"message": word}).message("message")

    def test_help_fits_the_screen_and_names_each_verb(self) -> None:
        for verb in ALL_VERBS:
            self.assertIn(f"  {verb.name} ", help_text())
            self.assertIn(verb.usage, " ".join(help_on(verb.name.split()).split()))
        self.assertLess(max(map(len, help_text().splitlines())), 80)

    def test_each_verb_is_a_command_of_amp_and_has_someone_who_does_it(self) -> None:
        self.assertEqual(set(COMMANDS), set(VERBS))
        done = {verb.name for verb in ALL_VERBS if verb.asks is not None} | set(all_of_them())
        self.assertEqual(set(VERBS) - done, {"watch"})

    def test_a_verb_takes_the_rank_that_its_command_takes(self) -> None:
        values: Shown = {"message": "tea/1", "value": "on", "rank": "user", "seconds": 60.0}
        for verb in ALL_VERBS:
            if verb.asks is not None and verb.name != "tell":  # which anybody may
                command = verb.asks(Given(values))
                self.assertEqual(RIGHTS[type(command)].rank, verb.rank, verb.name)

    def test_each_way_to_say_no_has_its_own_code_on_the_wire(self) -> None:
        kinds = [k for k in vars(refusals).values() if isinstance(k, type)]
        self.assertEqual(set(calls.ERRORS), set(kinds))
        self.assertEqual(len(set(calls.ERRORS.values())), len(kinds))
        self.assertIs(list(calls.ERRORS)[-1], refusals.Refused)


class TableTests(SynchronousTestCase):
    def test_tables_fit_the_screen_and_obey_nobody(self) -> None:
        rows: list[Shown] = [
            {"name": "ann", "topic": "words " * 40, "people": 3},
            {"name": "名" * 40, "topic": "\x1b[2Jred\r\n", "people": 12345},
        ]
        lines = lines_of("", rows)
        self.assertLessEqual(max(map(width, lines)), 80)
        self.assertEqual(len(lines), 3)
        self.assertNotIn("\x1b", "".join(lines))
        self.assertIn("12,345", lines[2])

    def test_values_are_told_as_people_read_them(self) -> None:
        row: Shown = {
            "idle": 7500.0,
            "until": 0.0,
            "made": 1.8e9,
            "memory": 88_000_000,
            "muted": False,
        }
        self.assertEqual(
            lines_of("", [row], upright=True),
            [
                "idle    2h05m",
                "until   for good",
                "made    2027-01-15 08:00",
                "memory  88 MB",
                "muted   no",
            ],
        )

    def test_nor_does_json_hold_what_a_terminal_obeys(self) -> None:
        row: Shown = {"name": "Jürgen", "topic": "\x9b2J\x7f\u202ered"}
        self.assertEqual(json.loads(dumped(row)), row)
        self.assertTrue(dumped(row).isascii())
        self.assertIn("Jürgen", dumped({"name": "Jürgen"}))


class PortCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()
        self.stopped: list[str] = []
        self.rig.factory.aside = self.rig.reader
        building = Building(
            self.rig.factory,
            self.rig.clock.seconds(),
            lambda: self.stopped.append("stop"),
            lambda: self.stopped.append("lock up"),
            lambda: (self.rig.settings, ()),
        )
        self.desk = Desk(building, all_of_them(), trying.all_of_them())
        self.rig.network.desk = self.desk.converse
        self.happened: list[str] = []
        self.pumps: dict[amp.AMP, IOPump] = {}

    def calls_at(self, trusted: bool = True, tls: bool = False) -> amp.AMP:
        """Return an operator's end of a connection."""
        self.house = OperatorsFactory(self.desk, trusted)
        port = self.house.buildProtocol(None)
        assert isinstance(port, Port)
        self.port: Port = port
        line = Line(lambda rows: self.happened.extend(str(row["text"]) for row in rows))
        near, far = FakeTransport(line, False), FakeTransport(port, True)
        if tls:
            alsoProvides(far, ISSLTransport)
        self.pump: IOPump = connect(port, far, line, near)
        self.pumps[line] = self.pump
        return line

    def logged_in(self, name: str, rank: str) -> amp.AMP:
        self.rig.account(name)
        self.answer(self.calls_at(), f"account role {name} {rank}")
        line = self.calls_at(trusted=False, tls=True)
        self.asks(line, Login, {"name": name, "password": "secret"})
        return line

    def settle(self) -> None:
        for _ in range(6):
            self.pump.flush()
            self.rig.settle()
        self.pump.flush()

    def answer(self, line: amp.AMP, words: str) -> dict[str, Any]:
        return self.asks(line, *self.command(words))

    def refusal(self, line: amp.AMP, words: str) -> Exception:
        return self.refused(line, *self.command(words))

    def command(self, words: str) -> tuple[type[amp.Command], dict[str, Any]]:
        verb, given = understand(words.split())
        return COMMANDS[verb.name], given.values

    def asks(
        self, line: amp.AMP, command: type[amp.Command], values: dict[str, Any]
    ) -> dict[str, Any]:
        result = self._result(line, command, values)
        if isinstance(result, Failure):
            result.raiseException()
        answer: dict[str, Any] = result
        return answer

    def refused(
        self, line: amp.AMP, command: type[amp.Command], values: dict[str, Any]
    ) -> Exception:
        result = self._result(line, command, values)
        assert isinstance(result, Failure), result
        error: Any = result.value
        return cast(Exception, error)

    def _result(self, line: amp.AMP, command: type[amp.Command], values: dict[str, Any]) -> Any:
        results: list[Any] = []
        line.callRemote(command, **values).addBoth(results.append)
        self.settle()
        return results[0]

    def rows(self, line: amp.AMP, words: str) -> list[dict[str, Any]]:
        return [json.loads(row) for row in self.answer(line, words)["rows"]]


class PortTests(PortCase):
    def test_an_operator_moderates_by_ordinary_commands(self) -> None:
        line = self.calls_at()
        self.rig.member("eve")
        ann, bob = self.rig.member("ann"), self.rig.member("bob")
        ann.hears()
        answer = self.answer(line, "kick bob tea --reason loud")
        head = self.rig.room("tea").log.head
        self.assertEqual(answer["said"], f"Done: tea, entry {head}.")
        self.assertEqual(ann.hears(), ["bob was kicked by operator: loud"])
        self.assertIn("You are out of tea.", bob.hears())
        self.answer(line, "topic tea scones and jam")
        self.answer(line, "mute ann tea --for 10m")
        self.assertEqual(self.rig.room("tea").state.topic, "scones and jam")
        (mute,) = self.rows(line, "bans tea")
        self.assertEqual((mute["who"], mute["is"], mute["by"]), ("ann", "muted", "operator"))
        self.answer(line, "unmute ann tea")
        self.assertEqual(self.rows(line, "bans tea"), [])

    def test_a_topic_is_shown_to_who_does_not_set_it(self) -> None:
        line = self.calls_at()
        self.rig.member("ann")
        answer = self.answer(line, "topic tea")
        self.assertEqual(answer["said"], "There is none: topic tea TEXT sets one.")
        self.answer(line, "topic tea scones")
        self.assertEqual(self.rows(line, "topic TEA"), [{"room": "tea", "topic": "scones"}])
        answer = self.answer(line, "topic tea --dry-run")
        self.assertEqual(answer["said"], "That only looks; nothing was done.")
        self.answer(line, "topic tea -")
        self.assertEqual(self.rows(line, "topic tea"), [{"room": "tea", "topic": ""}])

    def test_whoever_is_kicked_from_nowhere_in_particular_is_out_of_every_room(self) -> None:
        line = self.calls_at()
        self.rig.program("bot").sends("join", room="tea")
        bot = self.rig.factory.sessions[next(iter(self.rig.factory.sessions))]
        self.assertEqual(self.answer(line, "kick bot")["said"], "Done: bot is out of tea.")
        self.assertEqual(dict(bot.rooms), {})
        self.assertIn("bot is in no room", str(self.refusal(line, "kick bot")))
        nobody = "Nobody called bob is here. who lists who is."
        self.assertEqual(str(self.refusal(line, "kick bob")), nobody)

    def test_refusals_arrive_as_what_they_are(self) -> None:
        line = self.calls_at()
        self.rig.member("ann")
        for words, kind in (
            ("room nowhere", refusals.NoSuchRoom),
            ("kick bob tea", refusals.NotAMember),
            ("unlock tea", refusals.NotAllowed),
            ("tell zoe hello", refusals.NoSuchPerson),
            ("why ann fly tea", refusals.Malformed),
            ("delete tea/9", refusals.NoSuchMessage),
            ("cert show", refusals.Refused),
        ):
            self.assertIs(type(self.refusal(line, words)), kind, words)
        self.answer(line, "status")

    def test_a_verb_takes_its_rank(self) -> None:
        operator = Operator(self.rig.host, "1", "mia", Rank.MODERATOR)
        for verb in ALL_VERBS:
            if verb.rank > Rank.MODERATOR:
                work = self.desk.do(operator, verb, Given({}))
                failure = self.failureResultOf(Deferred.fromCoroutine(work))
                self.assertIn(f"takes the rank of {verb.rank.name.lower()}", str(failure.value))
        user = Operator(self.rig.host, "1", "una", Rank.USER)
        for verb in ALL_VERBS:
            work = self.desk.do(user, verb, Given({}))
            self.failureResultOf(Deferred.fromCoroutine(work), NotAllowed)

    def test_long_lists_come_in_pages(self) -> None:
        line = self.calls_at()
        rows: list[Shown] = [{"number": n, "text": "é" * 500} for n in range(300)]

        async def many(desk: Desk, operator: Operator, given: Given) -> Answer:
            return Answer("", rows)

        self.desk._does["who"] = many
        answer = self.answer(line, "who")
        first, got = answer["next"], list(answer["rows"])
        while answer["next"]:
            self.assertLess(sum(len(row.encode()) for row in answer["rows"]), 65_000)
            answer = self.asks(line, More, {"next": answer["next"]})
            got += answer["rows"]
        self.assertEqual([json.loads(row)["number"] for row in got], list(range(300)))
        self.assertIsInstance(self.refused(line, More, {"next": first}), refusals.NoSuchMessage)

    def test_one_row_fits_whatever_is_in_it(self) -> None:
        row = packed({"text": "\U0001f600" * 100_000})
        self.assertLess(len(row.encode()), 60_000)
        self.assertEqual(page([row, "x" * 70_000]), 1)
        self.assertEqual(page(["x" * 70_000]), 1)

    def test_what_happens_is_told_to_those_who_watch(self) -> None:
        line = self.calls_at()
        self.rig.member("ann")
        self.answer(line, "watch")
        self.rig.member("bob").types("psst")
        self.settle()
        self.assertIn("bob joined tea", self.happened)
        self.assertIn("bob spoke in tea", self.happened)
        self.assertNotIn("psst", "".join(self.happened))
        self.answer(line, "watch --off")
        self.happened.clear()
        self.rig.member("eve")
        self.settle()
        self.assertEqual(self.happened, [])

    def test_who_watches_and_does_not_read_is_told_how_much_is_missing(self) -> None:
        line = self.calls_at()
        self.answer(line, "watch")
        log = Logger("chatnet.test")
        for number in range(3000):
            log.info("{number}", number=number)
        for _ in range(50):
            self.settle()
        self.assertIn("1,000 lines were left out", self.happened)
        self.assertIn("1999", self.happened)
        self.port.connectionLost()
        log.info("nobody hears this")

    def test_the_server_stops_when_it_is_told_and_not_when_that_is_called_off(self) -> None:
        line = self.calls_at()
        ann = self.rig.member("ann")
        self.answer(line, "stop --in 5m")
        self.assertIn("[all] operator: This server stops in 5 minutes.", ann.hears())
        self.answer(line, "stop --never")
        self.assertIn(
            "does not stop after all", str(self.refusal(line, "stop --never")) + str(ann.hears())
        )
        self.rig.clock.advance(301)
        self.assertEqual(self.stopped, [])
        self.answer(line, "drain 1m We move.")
        self.assertEqual(self.stopped, ["lock up"])
        self.rig.clock.advance(61)
        self.assertEqual(self.stopped, ["lock up", "stop"])

    def test_values_that_no_console_sends_are_refused(self) -> None:
        line = self.calls_at()
        self.rig.member("eve")
        for name, values in (
            ("ban", {"who": "spam*", "seconds": float("nan")}),
            ("ban", {"who": "spam*", "seconds": float("inf")}),
            ("ban", {"who": "spam*", "seconds": -self.rig.clock.seconds()}),
            ("mute", {"who": "eve", "room": "tea", "seconds": 1e300}),
            ("stop", {"seconds": float("inf")}),
            ("who", {"sort": "door"}),
            ("audit", {"limit": -1}),
            ("undo", {"act": 10**30}),
            ("logout", {"who": "x" * 65_535}),
        ):
            self.assertIsInstance(self.refused(line, COMMANDS[name], values), Malformed, name)
        self.assertEqual(self.rows(line, "audit"), [])

    def test_values_that_are_not_of_their_type_are_refused_and_not_logged(self) -> None:
        for trusted in (True, False):
            line = self.calls_at(trusted)
            assert line.boxSender is not None
            for name, values in (
                (b"undo", {b"act": b"1" * 5000}),
                (b"undo", {b"act": b"tea"}),
                (b"undo", {}),
                (b"ban", {b"who": b"eve", b"seconds": b"long"}),
                (b"stop", {b"never": b"perhaps"}),
                (b"kick", {b"who": b"\xff"}),
                (b"Login", {b"name": b"\xff", b"password": b""}),
                (b"More", {}),
            ):
                with capturedLogs() as logged:
                    line.boxSender.sendBox(amp.AmpBox({amp.COMMAND: name, amp.ASK: b"x", **values}))
                    answers: list[amp.AmpBox] = []
                    self.patch(line, "ampBoxReceived", answers.append)
                    self.settle()
                self.assertEqual(answers[0][amp.ERROR_CODE], Malformed.code.encode(), name)
                self.assertEqual(logged, [], name)
            self.assertIsNotNone(self.port.transport)
            self.assertIn(self.port, self.house.ports)

    def test_a_verb_that_breaks_is_logged_and_the_connection_goes_on(self) -> None:
        async def broken(desk: Desk, operator: Operator, given: Given) -> Answer:
            raise ZeroDivisionError

        self.desk._does["top"] = broken
        line = self.calls_at()
        self.assertIsInstance(self.refusal(line, "top"), refusals.Unavailable)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.answer(line, "status")


class LoginTests(PortCase):
    def login(self, line: amp.AMP, password: str) -> Exception:
        return self.refused(line, Login, {"name": "ann", "password": password})

    def test_nothing_is_done_for_who_is_not_logged_in(self) -> None:
        line = self.calls_at(trusted=False, tls=True)
        self.assertIsInstance(self.refusal(line, "status"), NotAllowed)

    def test_nobody_makes_it_begin_tls(self) -> None:
        line = self.calls_at(trusted=False, tls=True)
        results: list[Any] = []
        line.callRemoteString(b"StartTLS").addBoth(results.append)
        self.settle()
        self.assertIsInstance(results[0].value, amp.UnhandledCommand)
        self.assertIsInstance(self.refusal(line, "status"), NotAllowed)

    def test_a_password_over_plain_text_is_not_even_looked_at(self) -> None:
        self.rig.account("ann")
        line = self.calls_at(trusted=False)
        self.assertIn("over TLS only", str(self.login(line, "secret")))

    def test_an_account_without_a_rank_is_turned_away(self) -> None:
        self.rig.account("ann")
        line = self.calls_at(trusted=False, tls=True)
        self.assertIsInstance(self.login(line, "wrong"), refusals.WrongPassword)
        self.assertIn("not one of this server's staff", str(self.login(line, "secret")))

    def test_who_says_too_much_or_nothing_before_that_is_cut(self) -> None:
        self.calls_at(trusted=False)
        port = self.opened()
        self._cut(port, lambda: port.dataReceived(b"\0\x01k\xff\xff" + b"x" * LOGIN_BYTES))
        late = self.opened()
        self._cut(late, lambda: self.rig.clock.advance(LOGIN_SECONDS + 1))

    def test_who_says_nothing_makes_way_where_all_places_are_taken(self) -> None:
        self.patch(admin_port, "MOST_PORTS", 2)
        line = self.logged_in("mia", "moderator")
        self._cut(self.opened(), self.opened)
        self.answer(line, "status")
        self.patch(admin_port, "MOST_PORTS", 1)
        full, transport = self.house.buildProtocol(None), StringTransport()
        full.makeConnection(transport)
        self.assertTrue(transport.disconnected)

    def test_a_login_that_fails_is_logged(self) -> None:
        self.rig.account("ann")
        with capturedLogs() as events:
            self.login(self.calls_at(trusted=False, tls=True), "wrong")
            self.login(self.calls_at(trusted=False, tls=True), "secret")
        seen = [formatEvent(event) for event in events]
        self.assertEqual(sum("did not let ann in" in one for one in seen), 2, seen)
        self.assertNotIn("secret", "".join(seen))

    def opened(self) -> Port:
        port = self.house.buildProtocol(None)
        assert isinstance(port, Port)
        return port

    def _cut(self, port: Port, act: Any) -> None:
        transport = StringTransport()
        cut: list[bool] = []
        transport.abortConnection = lambda: cut.append(True)  # type: ignore[method-assign]
        port.makeConnection(transport)
        act()
        self.assertEqual(cut, [True])


def texts(rows: Sequence[dict[str, Any]], key: str) -> list[str]:
    return [str(row[key]) for row in rows]


class LookTests(PortCase):
    def test_who_is_sorted_by_what_is_asked_for(self) -> None:
        line = self.calls_at()
        bob = self.rig.member("bob")
        self.rig.clock.advance(60)
        ann = self.rig.member("ann", "cake", address="198.51.100.7")
        self.assertEqual(texts(self.rows(line, "who"), "name"), ["ann", "bob"])
        self.assertEqual(texts(self.rows(line, "who --sort idle"), "name"), ["bob", "ann"])
        self.assertEqual(texts(self.rows(line, "who tea"), "name"), ["bob"])
        ann.types("a", "b", "c", "d", "e", "f")
        self.assertEqual(texts(self.rows(line, "who --sort rate"), "name"), ["ann", "bob"])
        bob.stops_listening()
        self.rig.member("eve").types("1", "2", "3")
        (row,) = [row for row in self.rows(line, "who --sort lag") if row["lag"]]
        self.assertEqual((row["name"], row["lag"]), ("bob", 4))

    def test_info_finds_a_name_an_address_a_network_and_a_connection(self) -> None:
        line = self.calls_at()
        self.rig.account("ann").types("/join tea")
        bob = self.rig.member("bob", address="198.51.100.7")
        for what in ("bob", "198.51.100.7", "198.51.100.0/24", bob.session.id):
            self.assertEqual(texts(self.rows(line, f"info {what}"), "name")[:1], ["bob"], what)
        account, connection, place = self.rows(line, "info Ann")
        self.assertEqual((account["account"], account["connections"]), ("ann", 1))
        self.assertEqual((connection["name"], place["is"]), ("ann", "moderator"))
        self.assertIsInstance(self.refusal(line, "info 10.0.0.0/8"), refusals.NoSuchPerson)
        self.assertIsInstance(self.refusal(line, "info zoe"), refusals.NoSuchPerson)

    def test_why_names_the_rule_that_decides(self) -> None:
        line = self.calls_at()
        self.rig.member("ann")
        self.rig.member("bob")
        (row,) = self.rows(line, "why ann kick tea")
        self.assertTrue(row["allowed"])
        (row,) = self.rows(line, "why bob kick tea")
        self.assertFalse(row["allowed"])
        self.assertEqual((row["role"], row["takes"]), ("member", "moderator"))
        self.assertIn("Only a moderator of tea can do that", row["because"])

    def test_status_counts_doors(self) -> None:
        line = self.calls_at()
        self.rig.member("ann")
        self.rig.program("bot")
        (row,) = self.rows(line, "status")
        self.assertEqual((row["text"], row["json"], row["connections"]), (1, 1, 2))

    def test_rooms_that_are_not_in_memory_count_as_well(self) -> None:
        line = self.calls_at()
        self.rig.member("ann").types("one", "two")
        self.rig.restart()
        self.setUpAgain()
        line = self.calls_at()
        (row,) = self.rows(line, "du")
        self.assertEqual((row["room"], row["entries"]), ("tea", 4))

    def setUpAgain(self) -> None:  # noqa: N802
        building = Building(self.rig.factory, 0.0, list, list, lambda: (self.rig.settings, ()))
        self.desk = Desk(building, all_of_them(), trying.all_of_them())


class StaffTests(PortCase):
    def test_a_ban_is_tried_out_noted_and_taken_back(self) -> None:
        line = self.calls_at()
        bob = self.rig.member("bob", address="198.51.100.7")
        (row,) = self.rows(line, "ban 198.51.100.0/24 --dry-run")
        self.assertEqual((row["name"], row["here"]), ("bob", True))
        self.assertEqual(bob.hears(), [])
        said = self.answer(line, "ban 198.51.100.0/24 --for 2h --reason flood --note bots")["said"]
        self.assertEqual(said, "Done: act 1. undo 1 takes it back.")
        self.assertIn("You are banned from this server", bob.hears()[-1])
        (ban,) = self.rows(line, "bans --match 198.51.100.9")
        self.assertEqual((ban["kind"], ban["reason"], ban["note"]), ("address", "flood", "bots"))
        self.assertEqual(self.rows(line, "bans --match 192.0.2.1"), [])
        self.assertIn("undo 2 takes it back", self.answer(line, "undo 1")["said"])
        self.assertEqual(self.rows(line, "bans"), [])
        self.assertEqual(texts(self.rows(line, "audit"), "did"), ["unban", "ban"])
        self.assertIsInstance(self.refusal(line, "undo 9"), refusals.NoSuchMessage)

    def test_what_is_banned_is_seen_from_how_it_is_written(self) -> None:
        line = self.calls_at()
        self.rig.account("ann")
        for what, kind in (
            ("ann", "account"),
            ("zoe", "name"),
            ("spam*", "name"),
            ("203.0.113.9", "address"),
            ("2001:db8::/48", "address"),
        ):
            self.answer(line, f"ban {what}")
            self.assertEqual(self.rows(line, "bans")[-1]["kind"], kind, what)
            self.answer(line, f"unban {what}")
        self.assertEqual(self.rows(line, "bans"), [])

    def test_no_ban_keeps_the_operator_out(self) -> None:
        line = self.calls_at()
        for words in ("ban operator", "ban oper*", "ban 127.0.0.1", "ban ::1"):
            self.assertIsInstance(self.refusal(line, words), NotAllowed, words)
        self.answer(line, "status")

    def test_what_staff_writes_steers_nobody_who_reads_the_log(self) -> None:
        line, who = self.calls_at(), "\x1b[2Jspam*\n12:00 all is well"
        with capturedLogs() as events:
            self.asks(line, COMMANDS["ban"], {"who": who, "kind": "name", "reason": "\x9b"})
        seen = "".join(formatEvent(event) for event in events if event["log_namespace"] != "amp")
        self.assertIn("(act 1)", seen)
        self.assertTrue(seen.isprintable(), seen)

    def test_a_moderator_does_not_take_back_what_those_above_did(self) -> None:
        operator = self.calls_at()
        self.rig.account("eve")
        self.rig.member("bob")
        mia = self.logged_in("mia", "moderator")
        self.pump = self.pumps[operator]
        self.answer(operator, "account suspend eve")
        self.answer(operator, "topic tea scones")
        self.pump = self.pumps[mia]
        for words in ("unban eve", "account resume eve", "undo 2", "undo 3", "ban eve --for 1s"):
            refusal = self.refusal(mia, words)
            self.assertIsInstance(refusal, NotAllowed, words)
            self.assertIn("done by operator: an owner can take it back", str(refusal), words)
        self.answer(mia, "ban spam*")
        self.answer(mia, "undo 4")

    def test_bans_are_exported_with_all_that_is_known_of_them(self) -> None:
        line = self.calls_at()
        self.rig.member("ann")
        self.assertEqual(self.answer(line, "bans --export")["said"], "")
        self.answer(line, "ban spam* --for 1h --reason rude --note again")
        (row,) = self.rows(line, "bans --export")
        self.assertEqual((row["is"], row["kind"], row["note"]), ("banned", "name", "again"))
        self.assertIsInstance(self.refusal(line, "bans tea --export"), Malformed)
        old = json.dumps({**row, "until": self.rig.clock.seconds() - 1})
        lines = importing.read(f"{json.dumps(row)}\n\n{old}\n", self.rig.clock.seconds())
        self.assertEqual([one.number for one in lines], [1])
        self.assertEqual(lines[0].given.seconds(), 3600)
        for odd in ({"note": "\ud800"}, {"note": 1}, {"until": "soon"}, {"kind": "shoe"}):
            with self.assertRaisesRegex(Malformed, "Line 1: .* Nothing was done"):
                importing.read(json.dumps({**row, **odd}), 0.0)

    def test_an_address_of_ipv6_means_its_64(self) -> None:
        line = self.calls_at()
        for verb, back in (("ban", "unban"), ("exempt", "unexempt")):
            said = self.answer(line, f"{verb} 2001:db8::7 --for 1h")["said"]
            self.assertIn("It holds for 2001:db8::/64; 2001:db8::7/128 is that one alone.", said)
            self.answer(line, f"{back} 2001:db8::9")
            for alone in ("2001:db8::7/128", "192.0.2.7", "2001:db8::/48"):
                self.assertNotIn("holds for", self.answer(line, f"{verb} {alone}")["said"])
                self.answer(line, f"{back} {alone}")

    def test_no_address_said_anything_that_could_be_purged(self) -> None:
        line = self.calls_at()
        refusal = self.refusal(line, "ban 192.0.2.7 --purge 1h")
        self.assertIn("--purge is for an account or a name", str(refusal))
        self.assertEqual(self.rows(line, "bans"), [])

    def test_what_is_no_ordinary_command_is_noted_as_well(self) -> None:
        line = self.calls_at()
        self.rig.member("bob")
        for words in (
            "say tea good morning", "account add zoe open-sesame", "logout bob --reason enough",
            "stop --in 5m", "stop --never", "drain 1h We move.",
        ):  # fmt: skip
            self.answer(line, words)
        rows = self.rows(line, "audit")
        self.assertEqual(
            [(row["did"], row["whom"], row["room"], row["to"]) for row in reversed(rows)],
            [
                ("say", "", "tea", f"#{self.rig.room('tea').log.head}"),
                ("account-add", "zoe", "", ""),
                ("logout", "bob", "", ""),
                ("stop", "", "", "in 5 minutes"),
                ("stop", "", "", "never"),
                ("drain", "", "", "in 1 hour"),
            ],
        )
        self.assertEqual(rows[3]["reason"], "enough")
        for secret in ("sesame", "good morning", "We move"):
            self.assertNotIn(secret, str(rows))

    def test_the_server_stops_also_where_nothing_can_be_stored(self) -> None:
        line = self.calls_at()
        self.rig.store.fail_before = True
        self.answer(line, "stop")
        self.rig.clock.advance(1)
        self.assertEqual(self.stopped, ["stop"])

    def test_not_all_acts_are_shown_at_once(self) -> None:
        line = self.calls_at()
        self.patch(orders, "MOST_ACTS", 2)
        for number in range(3):
            self.answer(line, f"ban spam{number}")
        self.assertEqual(len(self.rows(line, "audit --limit 1000")), 2)

    def test_acts_are_found_by_who_did_them_and_in_pages(self) -> None:
        line = self.calls_at()
        self.rig.member("eve")
        for number in range(300):
            self.answer(line, f"topic tea number {number}")
        rows = self.rows(line, "audit --limit 1000")
        self.assertEqual(texts(rows, "to"), [f"number {n}" for n in reversed(range(300))])
        self.assertEqual(len(self.rows(line, "audit --by operator --limit 3")), 3)
        self.assertEqual(self.rows(line, "audit --by mia"), [])
        self.assertEqual(len(self.rows(line, "audit --match 299")), 1)

    def test_a_rank_that_is_lost_is_lost_at_once(self) -> None:
        self.rig.account("mia")
        self.answer(self.calls_at(), "account role mia moderator")
        line = self.calls_at(trusted=False, tls=True)
        answer = self.asks(line, Login, {"name": "mia", "password": "secret"})
        self.assertEqual(answer["rank"], "moderator")
        self.answer(line, "watch")
        self.answer(self.calls_at(), "account role mia user")
        self.pump = self.pump_of(line)
        self.settle()
        self.happened.clear()
        self.rig.member("eve")
        self.settle()
        self.assertEqual(self.happened, [])
        for words in ("status", "watch"):
            self.assertIsInstance(self.refusal(line, words), NotAllowed, words)

    def test_a_password_is_replaced_by_who_is_above_its_owner(self) -> None:
        line = self.calls_at()
        for name in ("ann", "mia", "zed"):
            self.rig.account(name).hangs_up()
        self.answer(line, "account role mia admin")
        self.answer(line, "account role zed admin")
        self.assertIsInstance(self.refusal(line, "account passwd ann x"), refusals.BadPassword)
        admin = self.calls_at(trusted=False, tls=True)
        self.asks(admin, Login, {"name": "mia", "password": "secret"})
        self.assertIn("not yours to change", str(self.refusal(admin, "account passwd zed sesame")))
        self.answer(admin, "account passwd ann sesame")
        ann = self.rig.arrives("/login ann secret", "/login ann sesame")
        self.assertIn("You are logged in as ann.", ann.hears())
        self.pump = self.pump_of(line)
        self.assertEqual(self.rows(line, "audit")[0]["did"], "passwd")

    def test_the_same_verbs_serve_staff_in_the_chat(self) -> None:
        mia = self.rig.account("mia")
        mia.types("/admin who")
        self.assertEqual(mia.hears(), ["That is for the server's staff, and you are a user."])
        self.answer(self.calls_at(), "account role mia moderator")
        mia.types("/admin who --sort lag")
        *_, header, row = mia.hears()
        self.assertEqual((header.split()[0], row.split()[0]), ("NAME", "mia"))
        mia.types("/join den", "/delete-room den")
        mia.hears()
        mia.types("/admin motd hello", "/admin undo 2")
        self.assertEqual(
            mia.hears(),
            [
                "That takes the rank of admin, and you are a moderator.",
                "That takes the rank of admin.",
            ],
        )
        bob = self.rig.member("bob")
        mia.types("/admin kick bob --reason 'too loud'", "/admin kick")
        self.assertIn("bob was kicked by mia: too loud", bob.hears())
        done, wrong = mia.hears()
        self.assertEqual(done, "Done: bob is out of tea.")
        self.assertEqual(wrong, "Use it like this: kick WHO [ROOM] [--reason REASON] [--dry-run]")
        mia.types("/admin stop", "/admin account add zoe", "/admin watch")
        mia.types("/admin help kick", "/admin '")
        self.assertEqual(
            [line.partition(":")[0] for line in mia.hears()],
            [
                "stop takes the rank of owner.",
                "account add is for the console",
                "watch is for the console",
                "kick WHO [ROOM] [--reason REASON] [--dry-run]",
                "Put somebody out of a room; without ROOM, of every room. --dry-run only tells",
                "who would be hit, of those who are here and who were lately. Takes the rank of",
                "moderator.",
                "Quotes come in pairs.",
            ],
        )

    def test_staff_that_is_banned_is_not_heard_and_lets_nobody_in(self) -> None:
        line = self.logged_in("mia", "moderator")
        trusted = self.calls_at()
        self.answer(trusted, "ban mia --reason trust")
        self.pump = self.pump_of(line)
        self.assertIsInstance(self.refusal(line, "unban mia"), refusals.Banned)
        line = self.calls_at(trusted=False, tls=True)
        values = {"name": "mia", "password": "secret"}
        self.assertIsInstance(self.refused(line, Login, values), refusals.Banned)
        self.assertIsInstance(self.refusal(line, "unban mia"), NotAllowed)

    def test_nobody_disconnects_who_has_their_rank_or_a_higher_one(self) -> None:
        olga, bob = self.rig.account("olga"), self.rig.member("bob")
        self.answer(self.calls_at(), "account role olga owner")
        line = self.logged_in("mia", "moderator")
        for who in ("olga", olga.session.id):
            self.assertIsInstance(self.refusal(line, f"logout {who}"), NotAllowed)
        self.assertFalse(olga.session.ended)
        self.answer(line, "logout bob")
        self.assertIn("closed your connection", bob.hears()[-1])

    def pump_of(self, line: amp.AMP) -> IOPump:
        return self.pumps[line]
