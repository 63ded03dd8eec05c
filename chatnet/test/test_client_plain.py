from __future__ import annotations

from typing import Any, cast

from twisted.internet.defer import Deferred

from chatnet.client.dialogue import Identity
from chatnet.client.exits import Exit
from chatnet.client.plain import MOST_PENDING, Plain
from chatnet.client.sending import Sender
from chatnet.client.writing import unsent
from chatnet.test.test_client_link import LinkTestCase


class Input:
    """Stands in for standard input."""

    def __init__(self) -> None:
        self.paused = False

    def pauseProducing(self) -> None:
        self.paused = True

    def resumeProducing(self) -> None:
        self.paused = False


class PlainTests(LinkTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.out: list[str] = []
        self.err: list[str] = []
        self.make(Identity("ann"), history=0)
        self.plain = Plain(self.link, self.out.append, self.err.append)
        self.input: Any = Input()
        self.plain.makeConnection(self.input)

    def arrive(self) -> None:
        self.done: Deferred[None] = Deferred.fromCoroutine(self.plain.converse("lobby"))
        self.server.accepts()
        self.server.greets()
        self.server.names()
        self.server.lets_in()
        self.server.hears()

    def bodies(self, asked: list[dict[str, Any]]) -> list[Any]:
        return [one.get("body") for one in asked]

    def end(self) -> None:
        self.plain.readConnectionLost()

    def test_nothing_is_read_before_there_is_a_link(self) -> None:
        self.assertTrue(self.input.paused)
        self.arrive()
        self.assertFalse(self.input.paused)

    def test_lines_are_sent_however_they_come(self) -> None:
        self.arrive()
        for piece in (b"on", b"e\ntwo\r\n\nth", b"ree"):
            self.plain.dataReceived(piece)
        self.end()
        self.assertEqual(self.bodies(self.server.hears()), ["one", "two", "three"])

    def test_it_leaves_when_all_is_answered(self) -> None:
        self.arrive()
        self.plain.dataReceived(b"one\ntwo")
        self.end()
        one, two = self.server.hears()
        self.server.confirms(one, 3)
        self.assertEqual(self.server.hears(), [])
        self.server.confirms(two, 4)
        self.assertEqual(self.server.hears(), [{"do": "quit"}])
        self.server.hangs_up()
        self.successResultOf(self.done)
        self.assertEqual((self.plain.status, self.out, self.err), (Exit.FINE, [], []))

    def test_an_empty_input_ends_at_once(self) -> None:
        self.arrive()
        self.end()
        self.assertEqual(self.server.hears(), [{"do": "quit"}])

    def test_it_reads_no_more_than_can_be_answered(self) -> None:
        self.arrive()
        self.plain.dataReceived(b"x\n" * 1000)
        asked = self.server.hears()
        self.assertEqual(len(self.link.dialogue.outbox), MOST_PENDING)
        self.assertTrue(self.input.paused)
        seq = 2
        while asked:
            for one in asked:
                seq += 1
                self.server.confirms(one, seq)
            asked = self.server.hears()
        self.assertEqual(seq, 1002)
        self.assertFalse(self.input.paused)

    def test_a_refused_line_makes_the_status_and_the_rest_is_sent(self) -> None:
        self.arrive()
        self.plain.dataReceived(b"/nope\n" + b"x" * 101 + b"\n\xff\nhi\n")
        self.assertEqual(self.bodies(self.server.hears()), ["hi"])
        self.assertEqual(len(self.err), 3)
        self.assertEqual(self.plain.status, Exit.REFUSED)

    def test_a_line_without_end_does_not_pile_up(self) -> None:
        self.arrive()
        for _ in range(100):
            self.plain.dataReceived(b"x" * 50)
        self.plain.dataReceived(b"\nhi\n")
        self.assertEqual(self.bodies(self.server.hears()), ["hi"])
        self.assertEqual(len(self.err), 1)

    def test_messages_are_printed_and_coming_and_going_is_not(self) -> None:
        self.arrive()
        at = {"room": "lobby", "at": 0.5}
        self.server.says({"event": "joined", "seq": 2, "who": "bob", "registered": False, **at})
        self.server.tells(3, "bob", "hi")
        self.server.says({"event": "topicset", "seq": 4, "by": "bob", "topic": "tea", **at})
        self.assertEqual(self.out, ["bob: hi"])
        self.assertEqual(self.err, ["bob changed the topic to: tea"])

    def test_what_only_newer_clients_know_is_told_beside_the_messages(self) -> None:
        self.arrive()
        self.server.says({"event": "yawned", "room": "lobby", "seq": 2, "at": 0.5})
        told = "*** something this client is too old to show: yawned; update chatnet"
        self.assertEqual((self.out, self.err), ([], [told]))
        self.assertEqual(self.link.dialogue.places.rooms["lobby"].last, 2)

    def test_answers_that_were_asked_for_are_printed(self) -> None:
        self.arrive()
        self.plain.dataReceived(b"/topic\n")
        [asked] = self.server.hears()
        topic = {"reply": "topic", "room": "lobby", "name": "lobby", "topic": "tea"}
        self.server.answers(asked, topic)
        self.assertEqual(self.out, ["Topic of lobby: tea"])

    def test_quit_ends_before_the_input_does(self) -> None:
        self.arrive()
        self.plain.dataReceived(b"one\n/quit\ntwo\n")
        self.assertEqual([one["do"] for one in self.server.hears()], ["say", "quit"])

    def test_a_room_that_is_renamed_and_deleted_meanwhile_is_told_of(self) -> None:
        self.arrive()
        head = {"room": "lobby", "at": 1.0, "by": "bob"}
        frames = (
            head | {"event": "roomrenamed", "seq": 8, "old": "lobby", "new": "hall"},
            head | {"event": "roomdeleted", "seq": 9, "reason": "over", "until": 2.0},
            {"reply": "out", "room": "lobby", "name": "hall", "put_out": True},
        )
        self.server.says(frames[0])
        self.plain.dataReceived(b"one\n")
        [said] = self.server.hears()
        self.assertEqual((said["room"], said["body"]), ("hall", "one"))
        self.server.says(*frames[1:])
        self.plain.dataReceived(b"two\n")
        self.assertEqual(
            self.err[:3],
            [
                "bob renamed this room: it is called hall now.",
                "bob deleted this room: over",
                "You are out of hall.",
            ],
        )
        self.assertEqual(self.plain.status, Exit.REFUSED)

    def test_a_room_that_is_shut_ends_it(self) -> None:
        self.done = Deferred.fromCoroutine(self.plain.converse("lobby"))
        self.server.accepts()
        self.server.greets()
        self.server.names()
        [asked] = self.server.hears()
        self.server.answers(asked, {"error": "banned", "text": "Banned."})
        self.assertEqual((self.err, self.plain.status), (["Banned."], Exit.REFUSED))
        self.assertEqual(self.server.hears(), [{"do": "quit"}])

    def test_what_was_read_without_a_link_is_sent_when_it_is_back(self) -> None:
        self.arrive()
        self.server.hangs_up()
        self.plain.dataReceived(b"one\n")
        self.end()
        self.come_back(2, 1)
        self.assertEqual(self.bodies(self.server.hears()), ["one"])

    def test_what_the_server_did_not_confirm_is_told_at_the_end(self) -> None:
        self.arrive()
        self.plain.dataReceived(b"one\ntwo\n/quit\n")
        self.server.confirms(self.server.hears()[0], 5)
        self.server.hangs_up()
        self.successResultOf(self.done)
        self.assertEqual(self.err, [unsent(1)])
        self.assertEqual(self.plain.status, Exit.LOST)


class SenderTests(LinkTestCase):
    def test_it_tells_which_line_was_refused(self) -> None:
        err: list[str] = []
        sender = Sender(self.link, "lobby", False, err.append)
        sender.makeConnection(cast(Any, Input()))
        self.arrive()
        sender.dataReceived(b"one\n\x1b[2J" + b"x" * 80 + b"\n")
        one, two = self.server.hears()
        self.server.confirms(one, 5)
        self.server.says({"error": "muted", "text": "You are muted.", "cid": two["cid"]})
        self.assertEqual(err, ["You are muted.", f"The line was: \u241b[2J{'x' * 56} …"])
        self.assertEqual(sender.status, Exit.REFUSED)
