from __future__ import annotations

import json
from itertools import count
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from chatnet.client.connection import (
    ANSWER_SECONDS,
    GREETING_SECONDS,
    LOOK_SECONDS,
    PING_SECONDS,
    SILENT_SECONDS,
)
from chatnet.client.dialogue import Dismissed, Identity
from chatnet.client.flow import EASE_SECONDS, LONGEST_SECONDS, MOST
from chatnet.client.link import (
    FIRST_PAUSE,
    GOODBYE_SECONDS,
    LONGEST_PAUSE,
    LONGEST_STAND,
    CannotConnect,
    Link,
    LinkLost,
)
from chatnet.client.places import Manner
from chatnet.client.screen import lines_of, lines_of_reply
from chatnet.core import commands as c, events as e, replies as r
from chatnet.core.refusals import (
    NameTaken,
    NotAllowed,
    NotAMember,
    PasswordNeeded,
    Plaintext,
    Refused,
    ServerFull,
    Unavailable,
    WrongPassword,
)


class Pipe(StringTransportWithDisconnection):
    """A connection in memory, which can be cut."""

    protocol: Any = None

    def abortConnection(self) -> None:  # noqa: N802 -- ITCPTransport's
        self.loseConnection()


@implementer(IStreamClientEndpoint)
class Server:
    """What is at the other end: says what a test tells it to say."""

    def __init__(self) -> None:
        self.tries: list[tuple[IProtocolFactory, Deferred[IProtocol]]] = []
        self.pipe = Pipe()

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:  # noqa: N803
        self.tries.append((protocolFactory, Deferred()))
        return self.tries[-1][1]

    def accepts(self) -> None:
        factory, done = self.tries.pop()
        protocol = factory.buildProtocol(None)  # type: ignore[arg-type]
        assert protocol is not None
        self.pipe = Pipe()
        self.pipe.protocol = protocol
        protocol.makeConnection(self.pipe)
        done.callback(protocol)

    def refuses(self) -> None:
        _, done = self.tries.pop()
        done.errback(Failure(ConnectionRefusedError()))

    def says(self, *things: dict[str, Any]) -> None:
        for thing in things:
            self.pipe.protocol.dataReceived(json.dumps(thing).encode() + b"\n")

    def hears(self) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.pipe.value().splitlines()]
        self.pipe.clear()
        return lines

    def hangs_up(self) -> None:
        if self.pipe.connected and self.pipe.protocol is not None:
            self.pipe.loseConnection()

    def answers(self, asked: dict[str, Any], thing: dict[str, Any]) -> None:
        self.says({**thing, "cid": asked["cid"]})

    def greets(
        self, password_needed: bool = False, max_message: int = 100, passwords: bool = True
    ) -> None:
        *_, asked = self.hears()
        hello = {
            "reply": "hello", "protocol": 1, "server": "chatnet", "version": "1", "motd": "",
            "you": "guest-1", "session": "s", "password_needed": password_needed,
            "passwords": passwords, "registration": True, "max_message": max_message,
            "password_length": [4, 128], "features": ["typing"],
        }  # fmt: skip
        self.says(hello)
        self.answers(asked, hello if asked["do"] == "hello" else {"reply": "pong"})

    def names(self) -> dict[str, Any]:
        [asked] = self.hears()
        name = {"reply": "youare", "name": asked["name"], "registered": asked["do"] == "login"}
        self.answers(asked, name)
        return asked

    def lets_in(self, seq: int = 0, since: int | None = None) -> dict[str, Any]:
        [asked] = self.hears()
        room = asked["room"]
        self.answers(
            asked,
            {"reply": "entered", "room": room, "name": room, "seq": seq,
             "since": seq if since is None else since,
             "state": {"seq": seq + 1, "topic": "", "locked": False, "moderators": ["bob"],
                       "members": [{"name": "ann", "registered": False, "moderator": False}]}},
        )  # fmt: skip
        self.says({"ok": asked["cid"], "room": room, "seq": seq + 1})
        return asked

    def confirms(self, asked: dict[str, Any], seq: int) -> None:
        self.says({"ok": asked["cid"], "room": asked["room"], "seq": seq})

    def tells(self, seq: int, by: str, body: str, room: str = "lobby") -> None:
        self.says({"event": "said", "room": room, "seq": seq, "at": 0.5, "by": by, "body": body})


class Listener:
    """Notes what it hears, as people would read it."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.lines: list[str] = []
        self.mine: list[str] = []
        link.dialogue.ear = self

    def online(self) -> None:
        self.lines.append("(online)")

    def entry(self, entry: e.Entry, manner: Manner, mine: bool) -> None:
        self.lines += lines_of(entry, manner, mine, self.link.dialogue.name)
        if mine and isinstance(entry.event, e.Said):
            self.mine.append(entry.event.body)

    def answered(self, reply: r.Reply, command: c.Command | None) -> None:
        self.lines += lines_of_reply(reply)

    def refused(self, refusal: Refused, command: c.Command | None) -> None:
        self.lines.append(f"no: {refusal}")

    def signalled(self, signal: r.Typing) -> None:
        self.lines.append(f"{signal.who} is writing in {signal.room}")

    def concluded(self) -> None:
        pass

    def silent(self) -> None:
        self.lines.append(f"({self.link.silence:.0f} seconds of silence)")

    def notice(self, text: str) -> None:
        self.lines.append(text)

    def heard(self) -> list[str]:
        lines, self.lines = self.lines, []
        return lines


class LinkTestCase(SynchronousTestCase):
    """A link, its listener and a server."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.server = Server()
        self.make(Identity("ann"))

    def make(self, identity: Identity, **more: Any) -> None:
        numbers = count(1)
        more.setdefault("entropy", lambda n: next(numbers).to_bytes(n))
        self.link = Link(self.server, identity, self.clock, **more)
        self.listener = Listener(self.link)

    def arrive(self) -> None:
        """Be ann, in the lobby, where three things have happened."""
        self.running = self.link.run("lobby")
        self.server.accepts()
        self.server.greets()
        self.server.names()
        self.server.lets_in(3)
        self.server.hears()
        self.listener.heard()

    def come_back(self, seq: int, since: int) -> dict[str, Any]:
        """Return how it asked for the lobby, after it found its way back."""
        self.clock.advance(FIRST_PAUSE * 1.5)
        self.server.accepts()
        self.server.greets()
        self.server.names()
        return self.server.lets_in(seq, since)

    def say(self, body: str) -> dict[str, Any]:
        self.link.submit(c.Say("", body))
        [asked] = self.server.hears()
        return asked

    def tearDown(self) -> None:
        self.link.leave()
        self.server.hangs_up()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class ArrivalTests(LinkTestCase):
    def test_it_speaks_first_and_then_asks_for_name_and_room(self) -> None:
        self.link.run("lobby")
        self.server.accepts()
        self.assertEqual(self.server.pipe.value()[:1], b"{")
        self.server.greets()
        asked = self.server.names()
        self.assertEqual((asked["do"], asked["name"]), ("nick", "ann"))
        self.assertTrue(asked["secret"])
        asked = self.server.lets_in()
        self.assertEqual((asked["do"], asked["room"]), ("join", "lobby"))
        self.assertNotIn("since", asked)
        self.assertEqual(self.listener.heard()[0], "Welcome to chatnet! You are ann.")
        self.assertTrue(self.link.online)

    def test_an_account_logs_in(self) -> None:
        self.make(Identity("ann", "geheim"))
        self.link.run()
        self.server.accepts()
        self.server.greets()
        asked = self.server.names()
        self.assertEqual((asked["do"], asked["password"]), ("login", "geheim"))

    def test_someone_without_a_name_takes_one_and_another_if_that_is_taken(self) -> None:
        self.make(Identity())
        self.link.run()
        self.server.accepts()
        self.server.greets()
        [first] = self.server.hears()
        self.server.answers(first, {"error": "name-taken", "text": "Taken."})
        second = self.server.names()
        self.assertTrue(first["name"].startswith("visitor-"))
        self.assertNotEqual(first["name"], second["name"])
        self.assertEqual(self.link.dialogue.identity.name, second["name"])

    def test_the_servers_password_comes_before_all_else(self) -> None:
        self.make(Identity("ann", server_password="sesam"))
        self.link.run()
        self.server.accepts()
        self.server.greets(password_needed=True)
        password = self.server.pipe.value().splitlines()[0]
        self.assertEqual(json.loads(password), {"do": "password", "password": "sesam"})
        self.server.greets()
        self.server.names()
        self.assertTrue(self.link.online)

    def test_a_wrong_password_of_the_server_is_told(self) -> None:
        self.make(Identity("ann", server_password="simsalabim"))
        running = self.link.run()
        self.server.accepts()
        self.server.greets(password_needed=True)
        self.server.says({"error": "wrong-password", "text": "No."})
        self.failureResultOf(running, WrongPassword)

    def test_a_missing_password_of_the_server_is_told(self) -> None:
        running = self.link.run()
        self.server.accepts()
        self.server.greets(password_needed=True)
        self.failureResultOf(running, PasswordNeeded)

    def test_no_password_is_told_where_others_could_read_it(self) -> None:
        for needed, identity in (
            (False, Identity("ann", "geheim")),
            (True, Identity("ann", server_password="sesam")),
        ):
            for confides, passwords in ((False, True), (True, False)):
                self.make(identity, confides=confides)
                running = self.link.run()
                self.server.accepts()
                self.server.greets(password_needed=needed, passwords=passwords)
                self.failureResultOf(running, Plaintext)
                self.assertEqual(self.server.hears(), [])

    def test_nor_is_one_that_is_typed(self) -> None:
        self.make(Identity("ann"), confides=False)
        self.arrive()
        for command in (c.Login("ann", "x"), c.Lock("", "x"), c.Join("tea", "x")):
            self.assertRaises(Plaintext, self.link.submit, command)
        self.assertEqual(self.server.hears(), [])

    def test_a_taken_name_is_told(self) -> None:
        running = self.link.run()
        self.server.accepts()
        self.server.greets()
        [asked] = self.server.hears()
        self.server.answers(asked, {"error": "name-taken", "text": "Taken."})
        self.failureResultOf(running, NameTaken)

    def test_nobody_there_is_told_at_once(self) -> None:
        running = self.link.run()
        self.server.refuses()
        failure = self.failureResultOf(running, CannotConnect)
        self.assertIsInstance(failure.value.__cause__, ConnectionRefusedError)

    def test_what_is_not_of_the_dialect_is_shown_as_it_is(self) -> None:
        running = self.link.run()
        self.server.accepts()
        self.server.pipe.protocol.dataReceived(b"The server is full.\x1b[2J\r\n")
        self.server.hangs_up()
        self.assertEqual(self.listener.heard(), ["The server is full.␛[2J"])
        self.failureResultOf(running, Refused)

    def test_who_says_nothing_is_no_server(self) -> None:
        running = self.link.run()
        self.server.accepts()
        for _ in range(int(GREETING_SECONDS)):
            self.clock.advance(1)
        self.failureResultOf(running, CannotConnect)

    def test_a_room_that_is_shut_is_told_and_the_link_stays(self) -> None:
        self.link.run("lobby")
        self.server.accepts()
        self.server.greets()
        self.server.names()
        [asked] = self.server.hears()
        self.server.answers(asked, {"error": "banned", "text": "Banned."})
        self.assertEqual(self.listener.heard()[-2:], ["no: Banned.", "(online)"])
        self.assertEqual(self.link.dialogue.here, "")


class ReturnTests(LinkTestCase):
    def test_only_what_is_unanswered_is_repeated_in_order_under_the_same_names(self) -> None:
        self.arrive()
        one, two, three = self.say("one"), self.say("two"), self.say("three")
        self.server.confirms(one, 4)
        self.server.hangs_up()
        self.link.submit(c.Say("", "four"))
        self.come_back(4, 3)
        repeated = self.server.hears()
        self.assertEqual(repeated[:2], [two, three])
        self.assertEqual([asked["body"] for asked in repeated], ["two", "three", "four"])
        self.server.confirms(two, 5)
        self.server.confirms(three, 6)
        self.assertEqual(len(self.link.dialogue.outbox), 1)

    def test_rooms_are_entered_again_behind_what_was_seen(self) -> None:
        self.arrive()
        self.server.tells(7, "bob", "hi")
        self.server.hangs_up()
        asked = self.come_back(9, 7)
        self.assertEqual((asked["do"], asked["room"], asked["since"]), ("join", "lobby", 7))

    def test_nothing_is_shown_twice(self) -> None:
        self.arrive()
        self.server.tells(4, "bob", "one")
        self.server.tells(4, "bob", "one")
        self.server.hangs_up()
        self.come_back(6, 4)
        self.server.tells(4, "bob", "one")
        self.server.tells(5, "bob", "two")
        self.server.says({"reply": "caughtup", "room": "lobby", "name": "lobby", "seq": 6})
        self.server.tells(7, "bob", "three")
        self.assertEqual(
            self.listener.heard(),
            ["bob: one", "The link to the server is lost. Trying to get it back ...",
             "The link is back.", "(online)", "bob: two", "bob: three"],
        )  # fmt: skip

    def test_the_echo_of_what_was_said_confirms_it_and_is_not_shown(self) -> None:
        self.arrive()
        self.server.confirms(self.say("hi"), 4)  # before its echo: history may be on its way
        self.server.tells(4, "ann", "hi")
        self.assertEqual((self.listener.heard(), self.listener.mine), ([], ["hi"]))
        self.server.tells(5, "ann", "hi")  # on another connection of the same account
        self.assertEqual(self.listener.heard(), ["ann: hi"])

    def test_an_echo_that_was_missed_is_not_shown_either(self) -> None:
        self.arrive()
        self.say("hi")
        self.server.hangs_up()
        self.come_back(5, 3)
        self.listener.heard()
        self.server.tells(4, "ann", "hi")
        self.assertEqual((self.listener.heard(), self.listener.mine), ([], ["hi"]))

    def test_what_was_refused_has_no_echo(self) -> None:
        self.arrive()
        self.server.answers(self.say("hi"), {"error": "muted", "text": "You are muted."})
        self.server.tells(4, "ann", "hi")
        self.assertEqual(self.listener.heard(), ["no: You are muted.", "ann: hi"])

    def test_a_server_that_forgot_is_told_and_read_anew(self) -> None:
        self.arrive()
        self.server.tells(40, "bob", "one")
        self.server.hangs_up()
        self.come_back(2, 2)
        self.assertIn(
            "The server has lost part of what was in lobby. It goes on from here.",
            self.listener.heard(),
        )
        self.server.tells(3, "bob", "two")
        self.assertEqual(self.listener.heard(), ["bob: two"])

    def test_the_same_secret_takes_the_name_over(self) -> None:
        self.link.run()
        self.server.accepts()
        self.server.greets()
        first = self.server.names()
        self.server.hangs_up()
        self.clock.advance(1)
        self.server.accepts()
        self.server.greets()
        self.assertEqual(self.server.names()["secret"], first["secret"])

    def test_a_new_name_is_kept(self) -> None:
        self.arrive()
        self.link.submit(c.Nick("anna"))
        self.server.names()
        self.server.hangs_up()
        self.clock.advance(1)
        self.server.accepts()
        self.server.greets()
        self.assertEqual(self.server.names()["name"], "anna")

    def test_joining_is_asked_for_anew_and_only_one_room_is_left(self) -> None:
        self.arrive()
        self.link.submit(c.Join("tea", alone=True))
        [before] = self.server.hears()
        self.assertEqual(self.link.dialogue.here, "tea")
        self.server.hangs_up()
        self.come_back(4, 3)
        after = self.server.lets_in()
        self.assertNotEqual(before.pop("cid"), after.pop("cid"))
        self.assertEqual(before, after)
        self.assertEqual(list(self.link.dialogue.places.rooms), ["tea"])

    def test_what_follows_a_wish_to_be_elsewhere_is_meant_for_there(self) -> None:
        self.arrive()
        self.link.submit(c.Join("tea", alone=True))
        join = self.server.hears()[0]
        self.assertEqual(self.say("hi")["room"], "tea")
        self.server.answers(join, {"error": "password-needed", "text": "No."})
        self.assertEqual(self.say("hi")["room"], "lobby")

    def test_a_password_of_a_room_is_remembered(self) -> None:
        self.arrive()
        self.link.submit(c.Join("tea", "sesam", alone=True))
        self.server.lets_in()
        self.server.hangs_up()
        asked = self.come_back(1, 0)
        self.assertEqual((asked["room"], asked["password"]), ("tea", "sesam"))

    def test_a_missed_whisper_is_shown_with_its_time(self) -> None:
        self.make(Identity("ann", "geheim"))
        self.link.run()
        self.server.accepts()
        self.server.greets()
        told = {"event": "whispered", "room": "@ann", "at": 0.5, "by": "bob", "to": "ann"}
        self.server.says({**told, "seq": 1, "body": "psst"})
        self.server.names()
        self.server.says({**told, "seq": 2, "body": "now"})
        self.assertEqual(self.listener.lines[0], "[1970-01-01 00:00] [whisper] bob: psst")
        self.assertEqual(self.listener.lines[-1], "[whisper] bob: now")

    def test_history_that_is_asked_for_is_shown_again(self) -> None:
        self.arrive()
        self.server.tells(4, "bob", "one")
        self.link.submit(c.History("", 1))
        [asked] = self.server.hears()
        stretch = {"since": 3, "upto": 4, "count": 1}
        self.server.answers(
            asked, {"reply": "history", "room": "lobby", "name": "lobby", **stretch}
        )
        self.server.tells(4, "bob", "one")
        self.server.says({"reply": "caughtup", "room": "lobby", "name": "lobby", "seq": 4})
        self.server.tells(4, "bob", "one")
        self.server.tells(5, "bob", "two")
        self.assertEqual(
            self.listener.heard(),
            ["bob: one", "--- the last message of lobby ---", "[1970-01-01 00:00 #4] bob: one",
             "--- end of history ---", "bob: two"],
        )  # fmt: skip

    def test_history_is_answered_when_it_has_come(self) -> None:
        self.arrive()
        self.link.submit(c.History("", 1))
        [asked] = self.server.hears()
        heading = {"reply": "history", "room": "lobby", "name": "lobby", "count": 1}
        self.server.answers(asked, {**heading, "since": 2, "upto": 3})
        self.server.tells(3, "bob", "one")
        self.server.hangs_up()
        self.come_back(3, 3)
        [again] = self.server.hears()
        self.assertEqual(again, asked)
        self.server.answers(asked, {**heading, "since": 2, "upto": 3})
        self.server.tells(3, "bob", "one")
        self.assertEqual(len(self.link.dialogue.outbox), 1)
        self.server.says({"reply": "caughtup", "room": "lobby", "name": "lobby", "seq": 3})
        self.assertEqual(len(self.link.dialogue.outbox), 0)

    def test_a_history_that_ends_with_ones_stay_is_refused(self) -> None:
        self.arrive()
        done: Deferred[r.Reply] = Deferred()
        self.link.submit(c.History("", 1), done)
        self.server.says({"reply": "out", "room": "lobby", "name": "lobby", "put_out": True})
        self.failureResultOf(done, NotAMember)

    def test_who_waits_for_an_answer_gets_it_over_a_lost_link(self) -> None:
        self.arrive()
        done: Deferred[r.Reply] = Deferred()
        pending = self.link.submit(c.Say("", "hi"), done)
        [asked] = self.server.hears()
        self.server.hangs_up()
        self.come_back(4, 3)
        self.assertNoResult(done)
        self.server.confirms(asked, 4)
        self.assertEqual(self.successResultOf(done), r.Done(pending.cid, "lobby", 4))

    def test_who_waits_is_told_when_no_answer_will_come(self) -> None:
        self.arrive()
        done: Deferred[r.Reply] = Deferred()
        self.link.submit(c.Say("", "hi"), done)
        self.server.hangs_up()
        self.link.leave()
        self.failureResultOf(done, Unavailable)

    def test_a_signal_is_passed_on(self) -> None:
        self.arrive()
        self.server.says({"signal": "typing", "room": "lobby", "who": "bob"})
        self.assertEqual(self.listener.heard(), ["bob is writing in lobby"])

    def test_someone_put_out_is_in_no_room(self) -> None:
        self.arrive()
        self.server.says({"reply": "out", "room": "lobby", "name": "lobby", "put_out": True})
        self.assertEqual(self.listener.heard(), ["You are out of lobby."])
        self.assertEqual(self.link.dialogue.here, "")
        self.server.hangs_up()
        self.clock.advance(1)
        self.server.accepts()
        self.server.greets()
        self.server.names()
        self.assertEqual(self.server.hears(), [])


class WaitingTests(LinkTestCase):
    """A server that is not there yet."""

    def setUp(self) -> None:
        super().setUp()
        self.make(Identity("ann"), wait=10.0)
        self.running = self.link.run("lobby")

    def test_it_is_tried_for_a_while_and_then_all_goes_on(self) -> None:
        for _ in range(3):
            self.server.refuses()
            self.clock.advance(3)
        self.assertEqual(self.listener.lines, ["There is no server yet. Trying for 10 seconds ..."])
        self.server.accepts()
        self.server.greets()
        self.server.names()
        self.server.lets_in()
        self.assertTrue(self.link.online)

    def test_the_last_try_is_when_the_time_is_over(self) -> None:
        tries = 0
        while self.clock.seconds() < 10:
            self.server.refuses()
            self.assertNoResult(self.running)
            tries += 1
            [call] = self.clock.getDelayedCalls()
            self.clock.advance(call.getTime() - self.clock.seconds())
        self.assertEqual((self.clock.seconds(), tries < 10), (10.0, True))
        self.server.refuses()
        self.failureResultOf(self.running, CannotConnect)

    def test_a_server_that_is_full_or_starts_is_waited_for_too(self) -> None:
        self.server.accepts()
        self.server.says({"error": "server-full", "text": "Full."})
        self.server.hangs_up()
        self.assertNoResult(self.running)
        self.clock.advance(3)
        self.server.accepts()

    def test_it_is_tried_once_more_when_the_time_was_over_before_one_was_cut(self) -> None:
        self.server.accepts()
        self.patch(self.server.pipe, "abortConnection", lambda: None)
        self.server.says({"error": "server-full", "text": "Full."})
        self.clock.advance(11)
        self.server.hangs_up()
        [call] = self.clock.getDelayedCalls()
        self.assertEqual(call.getTime(), self.clock.seconds())
        self.clock.advance(0)
        self.server.refuses()
        self.failureResultOf(self.running, CannotConnect)

    def test_one_may_leave_meanwhile(self) -> None:
        self.server.refuses()
        self.link.leave()
        self.assertIsNone(self.successResultOf(self.running))


class PauseTests(LinkTestCase):
    def test_it_tries_again_ever_less_often(self) -> None:
        self.arrive()
        self.server.hangs_up()
        pauses = []
        for _ in range(12):
            [call] = self.clock.getDelayedCalls()
            pauses.append(call.getTime() - self.clock.seconds())
            self.clock.advance(pauses[-1])
            self.server.refuses()
        self.assertLess(pauses[0], FIRST_PAUSE * 1.5)
        self.assertGreater(pauses[3], pauses[0])
        self.assertLessEqual(max(pauses), LONGEST_PAUSE * 1.5)
        self.assertGreaterEqual(pauses[-1], LONGEST_PAUSE * 0.5)

    def test_chance_spreads_the_tries(self) -> None:
        pauses = []
        for chance in (b"\0", b"\xff"):
            self.make(Identity("ann"), entropy=lambda n, chance=chance: chance * n)
            self.arrive()
            self.server.hangs_up()
            [call] = self.clock.getDelayedCalls()
            pauses.append(call.getTime() - self.clock.seconds())
            self.link.leave()
        self.assertGreater(pauses[1], 2 * pauses[0])

    def test_a_silent_link_is_asked_for_signs_of_life_and_then_lost(self) -> None:
        self.arrive()
        self.clock.advance(PING_SECONDS)
        self.assertEqual(self.server.hears(), [{"do": "ping"}])
        self.server.says({"reply": "pong"})
        for _ in range(int(SILENT_SECONDS)):
            self.assertTrue(self.link.online)
            self.clock.advance(1)
        self.assertFalse(self.link.online)
        self.assertEqual(
            self.listener.heard()[-1], "The link to the server is lost. Trying to get it back ..."
        )

    def wait(self, seconds: float) -> list[str]:
        """Let so many seconds pass, and return what was heard."""
        for _ in range(int(seconds)):
            self.clock.advance(1)
        return self.listener.heard()

    def test_a_sign_of_life_that_is_overdue_is_told(self) -> None:
        self.arrive()
        self.assertEqual(self.wait(PING_SECONDS + ANSWER_SECONDS - LOOK_SECONDS), [])
        told = self.wait(3 * LOOK_SECONDS)
        first = PING_SECONDS + ANSWER_SECONDS
        silences = [first, first + LOOK_SECONDS, first + 2 * LOOK_SECONDS]
        self.assertEqual(told, [f"({silence:.0f} seconds of silence)" for silence in silences])
        self.server.says({"reply": "pong"})
        self.assertEqual(self.listener.heard(), ["(0 seconds of silence)"])
        self.assertEqual(self.wait(ANSWER_SECONDS), [])

    def test_so_is_any_other_answer(self) -> None:
        self.arrive()
        self.say("hi")
        self.assertEqual(self.wait(ANSWER_SECONDS), ["(10 seconds of silence)"])
        self.server.hangs_up()
        self.assertEqual(self.link.silence, 0)

    def test_what_has_no_answer_is_not_waited_for(self) -> None:
        self.arrive()
        self.link.tell(c.Typing("lobby"))
        self.assertEqual(self.wait(2 * ANSWER_SECONDS), [])

    def test_whoever_slept_did_not_hear_and_that_is_no_silence(self) -> None:
        self.arrive()
        self.say("hi")
        self.clock.advance(3600)
        self.assertEqual(self.listener.heard(), [])
        self.assertTrue(self.link.online)

    def test_a_link_that_lives_is_kept(self) -> None:
        self.arrive()
        for _ in range(20):
            self.clock.advance(PING_SECONDS)
            self.server.says({"reply": "pong"})
        self.assertTrue(self.link.online)
        self.assertEqual(self.listener.heard(), [])

    def test_a_large_message_that_is_coming_is_a_sign_of_life(self) -> None:
        self.arrive()
        for second in range(int(4 * SILENT_SECONDS)):
            self.clock.advance(1)
            if second % int(SILENT_SECONDS / 2) == 0:
                self.server.pipe.protocol.dataReceived(b"x")
        self.assertTrue(self.link.online)
        for _ in range(int(2 * SILENT_SECONDS)):
            self.clock.advance(1)
        self.assertFalse(self.link.online)

    def test_patience_ends(self) -> None:
        self.make(Identity("ann"), patience=60.0)
        self.arrive()
        self.server.hangs_up()
        self.clock.advance(1)
        self.server.refuses()
        self.clock.advance(59)
        self.failureResultOf(self.running, LinkLost)

    def test_a_busy_server_is_tried_again_later(self) -> None:
        self.arrive()
        self.server.hangs_up()
        self.clock.advance(1)
        self.server.accepts()
        self.server.greets()
        [asked] = self.server.hears()
        self.server.answers(asked, {"error": "too-many-tries", "text": "Wait."})
        self.clock.advance(2)
        self.assertEqual(len(self.server.tries), 1)


class FlowTests(LinkTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.arrive()

    def bodies(self, asked: list[dict[str, Any]]) -> list[Any]:
        return [one.get("body", one["do"]) for one in asked]

    def says(self, count: int) -> list[dict[str, Any]]:
        for n in range(count):
            self.link.submit(c.Say("", f"{n}"))
        return self.server.hears()

    def waits(self, seconds: float) -> None:
        self.server.says({"signal": "wait", "seconds": seconds})

    def test_so_many_are_on_their_way_and_the_next_when_one_is_answered(self) -> None:
        asked = self.says(MOST + 5)
        self.assertEqual(len(asked), MOST)
        self.server.confirms(asked[0], 5)
        self.server.confirms(asked[1], 6)
        self.assertEqual(self.bodies(self.server.hears()), [f"{MOST}", f"{MOST + 1}"])

    def test_nothing_is_sent_during_a_wait_and_then_one_after_the_other(self) -> None:
        asked = self.says(3)
        self.waits(0.5)
        for seq, one in enumerate(asked, 5):
            self.server.confirms(one, seq)
        self.assertEqual(self.says(5), [])
        self.clock.advance(0.4)
        self.assertEqual(self.server.hears(), [])
        self.clock.advance(0.2)
        [one] = self.server.hears()
        self.waits(0.5)
        self.server.confirms(one, 9)
        self.assertEqual(self.server.hears(), [])
        self.clock.advance(0.5)
        [one] = self.server.hears()
        self.assertEqual(one["body"], "1")
        self.server.confirms(one, 10)
        [one] = self.server.hears()
        self.assertEqual(one["body"], "2")

    def test_some_time_after_a_wait_all_is_sent_at_once_again(self) -> None:
        self.waits(0.5)
        self.clock.advance(0.5)
        self.clock.advance(EASE_SECONDS)
        self.assertEqual(len(self.says(5)), 5)

    def test_the_last_wait_that_was_told_is_kept(self) -> None:
        self.waits(5)
        self.waits(1)
        self.says(1)
        self.clock.advance(1)
        self.assertEqual(len(self.server.hears()), 1)

    def test_no_server_makes_it_wait_for_ever(self) -> None:
        for seconds in (1e308, -1.0, 0.0):
            self.waits(seconds)
            self.clock.advance(LONGEST_SECONDS)
            [asked] = [one for one in self.says(1) if one["do"] == "say"]
            self.server.confirms(asked, 5)

    def test_questions_keep_their_place(self) -> None:
        self.waits(1)
        self.says(2)
        self.link.ask(c.Ping())
        self.clock.advance(1)
        for what in ("0", "1", "ping"):
            [one] = self.server.hears()
            self.assertEqual(self.bodies([one]), [what])
            self.server.says({"ok": one["cid"], "room": "lobby", "seq": 9})

    def test_a_lost_link_ends_the_wait_and_all_is_sent_over_the_next(self) -> None:
        asked = self.says(MOST + 5)
        self.waits(60)
        self.server.confirms(asked[0], 5)
        self.server.hangs_up()
        self.come_back(5, 3)
        again = self.server.hears()
        self.assertEqual(self.bodies(again), [f"{n}" for n in range(1, MOST + 1)])
        for seq, one in enumerate(again, 6):
            self.server.confirms(one, seq)
        rest = self.bodies(self.server.hears())
        self.assertEqual(rest, [f"{n}" for n in range(MOST + 1, MOST + 5)])

    def test_leaving_comes_behind_all_that_waits(self) -> None:
        asked = self.says(MOST + 1)
        self.link.leave()
        self.assertEqual(self.server.hears(), [])
        self.server.confirms(asked[0], 5)
        self.server.confirms(asked[1], 6)
        self.assertEqual(self.bodies(self.server.hears()), [f"{MOST}", "quit"])

    def test_leaving_waits_as_long_as_something_goes_out(self) -> None:
        asked = self.says(MOST + 4)
        self.link.leave()
        self.clock.advance(GOODBYE_SECONDS)
        for place in range(3):
            self.clock.advance(LONGEST_STAND - 1)
            self.server.confirms(asked[place], 5 + place)
        self.assertNoResult(self.running)
        self.clock.advance(LONGEST_STAND)
        self.clock.advance(LONGEST_STAND)
        self.assertIsNone(self.successResultOf(self.running))

    def test_leaving_does_not_wait_for_a_server_that_stands_still(self) -> None:
        self.waits(60)
        self.link.leave()
        for _ in range(5):
            self.clock.advance(GOODBYE_SECONDS)
            self.waits(60)
        self.assertIsNone(self.successResultOf(self.running))

    def test_who_wants_to_leave_twice_leaves_at_once(self) -> None:
        self.says(MOST + 1)
        self.link.leave()
        self.assertNoResult(self.running)
        self.link.leave()
        self.assertIsNone(self.successResultOf(self.running))


class FarewellTests(LinkTestCase):
    def test_leaving_waits_for_the_server(self) -> None:
        self.arrive()
        self.link.leave()
        self.assertEqual(self.server.hears(), [{"do": "quit"}])
        self.assertNoResult(self.running)
        self.server.says({"reply": "bye", "text": "Goodbye.", "code": "quit"})
        self.server.hangs_up()
        self.assertIsNone(self.successResultOf(self.running))

    def test_leaving_does_not_wait_for_long(self) -> None:
        self.arrive()
        self.link.leave()
        self.clock.advance(GOODBYE_SECONDS)
        self.assertIsNone(self.successResultOf(self.running))

    def test_leaving_without_a_link_is_done_at_once(self) -> None:
        self.arrive()
        self.server.hangs_up()
        self.link.leave()
        self.assertIsNone(self.successResultOf(self.running))

    def test_who_logs_out_does_not_come_back(self) -> None:
        self.arrive()
        self.link.submit(c.Logout())
        self.server.says({"reply": "bye", "text": "You are logged out.", "code": "logout"})
        self.server.hangs_up()
        self.assertIsNone(self.successResultOf(self.running))

    def test_who_is_sent_away_says_why_and_does_not_come_back(self) -> None:
        for code in ("replaced", "late", "refused"):
            self.make(Identity("ann"))
            self.arrive()
            self.server.says({"reply": "bye", "text": "Go.", "code": code})
            self.server.hangs_up()
            failure = self.failureResultOf(self.running, Dismissed)
            self.assertEqual((str(failure.value), failure.value.reason), ("Go.", code))
            self.assertEqual(self.listener.heard(), [])
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_who_is_sent_away_while_arriving_does_not_come_back_either(self) -> None:
        running = self.link.run()
        self.server.accepts()
        self.server.says({"reply": "bye", "text": "TLS only.", "code": "refused"})
        self.server.hangs_up()
        self.assertEqual(str(self.failureResultOf(running, Dismissed).value), "TLS only.")

    def test_after_any_other_farewell_it_comes_back(self) -> None:
        for code in ("shutdown", "stalled", "broken", "moonstruck"):
            self.make(Identity("ann"))
            self.arrive()
            self.server.says({"reply": "bye", "text": "Until later.", "code": code})
            self.server.hangs_up()
            self.assertEqual(self.listener.heard()[0], "Until later.")
            self.come_back(3, 3)
            self.assertTrue(self.link.online)
            self.link.leave()
            self.server.hangs_up()

    def test_a_full_server_is_tried_again_only_by_who_was_in(self) -> None:
        full = {"error": "server-full", "text": "The server is full."}
        running = self.link.run()
        self.server.accepts()
        self.server.says(full)
        self.failureResultOf(running, ServerFull)
        self.make(Identity("ann"))
        self.arrive()
        self.server.hangs_up()
        self.clock.advance(1)
        self.server.accepts()
        self.server.says(full)
        self.server.hangs_up()
        self.come_back(3, 3)
        self.assertTrue(self.link.online)

    def test_what_is_asked_for_without_a_link_has_no_answer(self) -> None:
        failure = self.failureResultOf(self.link.ask(c.ListRooms()))
        self.assertIsInstance(failure.value, Refused)
        self.assertNotIsInstance(failure.value, NotAllowed)
