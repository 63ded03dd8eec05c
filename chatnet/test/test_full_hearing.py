from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred

from chatnet.client.dialogue import Identity
from chatnet.client.full.hearing import Hearing
from chatnet.client.full.items import Item, Kind
from chatnet.client.full.pages import Pages
from chatnet.client.full.talking import Talking
from chatnet.client.full.windows import Older, Sending, Window, Windows
from chatnet.client.offers import Offers
from chatnet.core import commands as c, replies as r
from chatnet.core.refusals import Malformed, NotAllowed, NotAMember
from chatnet.test.test_client_link import LinkTestCase


class Screen:
    """Counts what it is told."""

    def __init__(self) -> None:
        self.drawn = 0
        self.hits: list[r.Found] = []

    def changed(self) -> None:
        self.drawn += 1

    def found(self, found: r.Found) -> None:
        self.hits.append(found)


class FullTestCase(LinkTestCase):
    """Ann at her windows; a server that says what a test has it say."""

    def make(self, identity: Identity, **more: Any) -> None:
        super().make(identity, **more)
        self.screen = Screen()
        self.alerts: list[str] = []
        self.noted: list[Item] = []
        self.windows = Windows("here", lambda window, item: self.alerts.append(window.key))
        self.hearing = Hearing(
            self.link, self.windows, self.clock.seconds, self.screen,
            lambda window, item: self.noted.append(item),
        )  # fmt: skip
        self.hearing.offers = Offers()
        self.talking = Talking(self.link, self.windows, self.hearing, self.clock.seconds)
        self.pages = Pages(self.link, self.hearing, self.screen.changed)

    def arrive(self) -> None:
        super().arrive()
        self.tea = self.windows.current

    def types(self, text: str) -> dict[str, Any]:
        self.assertIsNone(self.talking.typed(text))
        [asked] = self.server.hears()
        return asked

    def whispers(self, seq: int, by: str, to: str, body: str) -> None:
        self.server.says(
            {"event": "whispered", "room": "@ann", "seq": seq, "at": 0.5, "by": by, "to": to,
             "body": body}
        )  # fmt: skip

    def shows(self, window: Window | None = None) -> list[str]:
        window = window or self.windows.current
        lines = [f"{item.who}: {line}" if item.who else line
                 for item in window.items for line in item.lines]  # fmt: skip
        return lines + [f"{said.body} ({said.state.value})" for said in window.outgoing]


class HearingTests(FullTestCase):
    def test_the_room_one_enters_is_looked_at(self) -> None:
        self.arrive()
        self.assertEqual((self.tea.key, self.tea.older), ("lobby", Older.MORE))
        self.assertEqual(self.windows.server.items[0].lines[0], "Welcome to chatnet! You are ann.")

    def test_of_several_rooms_at_the_start_the_first_is_looked_at(self) -> None:
        self.link.run("tea", "cake")
        self.server.accepts()
        self.server.greets()
        self.server.names()
        self.server.lets_in()
        self.server.lets_in()
        self.assertEqual([one.key for one in self.windows], ["tea", "cake", "*"])
        self.assertEqual(self.windows.current.key, "tea")

    def test_what_is_said_stands_in_its_room(self) -> None:
        self.arrive()
        self.server.tells(5, "bob", "hi\nthere")
        self.assertEqual(self.shows(), ["bob: hi", "bob: there"])
        self.assertEqual([item.body for item in self.noted], ["hi\nthere"])

    def test_whispers_are_a_window_of_their_own(self) -> None:
        self.arrive()
        self.whispers(1, "Bob", "ann", "psst")
        window = self.windows.get("@bob")
        assert window is not None
        self.assertEqual((self.shows(window), window.unread), (["Bob: psst"], 1))
        self.assertEqual(self.alerts, ["@bob"])
        self.whispers(2, "ann", "Bob", "yes?")
        self.assertEqual(self.shows(window), ["Bob: psst", "ann: yes?"])

    def test_announcements_stand_at_the_server(self) -> None:
        self.arrive()
        self.server.says(
            {"event": "announced", "room": "*", "seq": 1, "at": 0, "by": "bob", "body": "all!"}
        )
        self.assertEqual(self.shows(self.windows.server)[-1], "bob: all!")
        self.assertEqual(self.alerts, ["*"])

    def test_what_is_told_on_the_way_is_read_in_the_room_one_comes_to(self) -> None:
        self.link.run("lobby")
        self.server.accepts()
        self.server.greets()
        self.hearing.notice("/recovery new gives you 12 words")
        self.hearing.shout("!!! take care")
        self.server.names()
        self.server.lets_in()
        self.assertEqual(self.windows.current.key, "lobby")
        for window in (self.windows.current, self.windows.server):
            told = [line for line in self.shows(window) if "words" in line or "care" in line]
            self.assertEqual(told, ["/recovery new gives you 12 words", "!!! take care"])
        self.assertIs(self.windows.current.items[-1].kind, Kind.REFUSAL)
        self.server.hangs_up()
        self.assertEqual(sum("12 words" in line for line in self.shows()), 1)

    def test_news_of_the_link_is_told_where_one_looks_and_at_the_server(self) -> None:
        self.arrive()
        self.server.hangs_up()
        for window in (self.tea, self.windows.server):
            self.assertIn("The link to the server is lost", self.shows(window)[-1])

    def test_what_is_told_before_there_is_a_link_is_read_in_the_room_one_comes_to(self) -> None:
        self.link.run("lobby")
        self.hearing.notice("You meet here:1 for the first time.")
        self.server.accepts()
        self.server.greets()
        self.server.names()
        self.server.lets_in()
        self.assertEqual(self.windows.current.key, "lobby")
        for window in (self.windows.current, self.windows.server):
            self.assertEqual(self.shows(window)[0], "You meet here:1 for the first time.")

    def test_why_the_server_says_goodbye_is_told_where_one_looks(self) -> None:
        self.arrive()
        self.server.says({"reply": "bye", "text": "The server is going down.", "code": "shutdown"})
        self.server.hangs_up()
        for window in (self.tea, self.windows.server):
            why, lost = self.shows(window)[-2:]
            self.assertEqual(why, "The server is going down.")
            self.assertIn("The link to the server is lost", lost)

    def test_nothing_is_lost_or_doubled_after_a_cut(self) -> None:
        self.arrive()
        self.server.tells(5, "bob", "one")
        self.server.hangs_up()
        asked = self.come_back(7, 5)
        self.assertEqual(asked["since"], 5)
        for seq, body in ((5, "one"), (6, "two"), (7, "three"), (8, "four")):
            self.server.tells(seq, "bob", body)
        self.assertEqual(
            [item.lines[0] for item in self.tea.items if item.seq], ["one", "two", "three", "four"]
        )

    def test_what_was_read_in_an_earlier_life_is_not_new(self) -> None:
        self.hearing.read = {"lobby": 5}
        self.running = self.link.run("lobby")
        self.server.accepts()
        self.server.greets()
        self.server.names()
        self.server.lets_in(7, 3)
        for seq in (4, 5, 6, 7):
            self.server.tells(seq, "bob", f"m{seq}")
        mark = self.windows.current.mark
        assert mark is not None
        self.assertEqual((mark.seq, self.windows.current.unread), (6, 0))

    def test_a_deleted_message_is_gone_from_the_screen(self) -> None:
        self.arrive()
        self.server.tells(5, "bob", "oops")
        self.server.says(
            {"event": "deleted", "room": "lobby", "seq": 6, "at": 0, "by": "bob", "message": 5,
             "author": "bob"}
        )  # fmt: skip
        self.assertEqual(self.shows(), ["bob: (deleted)", "bob deleted their own message."])

    def test_a_room_that_is_renamed_keeps_its_window_and_its_log(self) -> None:
        self.arrive()
        self.server.says(
            {"event": "roomrenamed", "room": "lobby", "seq": 5, "at": 0, "by": "bob",
             "old": "lobby", "new": "Salon"}
        )  # fmt: skip
        self.assertEqual((self.tea.name, self.tea.key), ("Salon", "lobby"))
        asked = self.types("hi")
        self.assertEqual(asked["room"], "Salon")
        self.server.tells(6, "ann", "hi")
        self.server.confirms({"cid": asked["cid"], "room": "lobby"}, 6)
        self.assertEqual(self.shows()[1:], ["ann: hi"])
        Deferred.fromCoroutine(self.pages.older(self.tea)).addErrback(self.fail)
        [asked] = self.server.hears()
        self.assertEqual(asked["room"], "Salon")

    def test_who_is_put_out_is_told_and_keeps_the_window(self) -> None:
        self.arrive()
        self.server.says({"reply": "out", "room": "lobby", "name": "lobby", "put_out": True})
        self.assertTrue(self.tea.out)
        self.assertEqual(self.shows(), ["You are out of lobby."])
        self.assertRaises(NotAMember, self.talking.typed, "hi")

    def test_coming_and_going_is_shown_if_one_wants_it(self) -> None:
        self.arrive()
        joined = {"event": "joined", "room": "lobby", "at": 0, "who": "bob", "registered": False}
        self.server.says({**joined, "seq": 5})
        self.hearing.presence = False
        self.server.says({**joined, "seq": 6})
        self.assertEqual(self.shows(), ["bob has joined the room."])
        self.assertEqual((self.tea.unread, self.tea.last), (0, 6))

    def test_who_writes_is_known_until_something_comes(self) -> None:
        self.arrive()
        self.server.says({"signal": "typing", "room": "lobby", "who": "bob"})
        self.assertEqual(list(self.tea.writers), ["bob"])
        self.server.tells(5, "bob", "hi")
        self.assertEqual(self.tea.writers, {})


class TalkingTests(FullTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.arrive()

    def test_ones_words_are_there_at_once_and_marked_until_they_come_back(self) -> None:
        asked = self.types("hi\nbob")
        self.assertEqual((asked["do"], asked["body"]), ("say", "hi\nbob"))
        self.assertEqual(self.shows(), ["hi\nbob (pending)"])
        self.server.confirms(asked, 5)
        self.assertEqual(self.shows(), ["hi\nbob (stored)"])
        self.server.tells(5, "ann", "hi\nbob")
        self.assertEqual(self.shows(), ["ann: hi", "ann: bob"])

    def test_it_is_all_the_same_what_comes_first(self) -> None:
        asked = self.types("hi")
        self.server.tells(5, "ann", "hi")
        self.server.confirms(asked, 5)
        self.assertEqual(self.shows(), ["ann: hi"])

    def test_what_is_refused_stays_and_says_why(self) -> None:
        asked = self.types("hi")
        self.server.answers(asked, {"error": "muted", "text": "You are muted."})
        [said] = self.tea.outgoing
        self.assertEqual((said.state, said.why), (Sending.REFUSED, "You are muted."))

    def test_what_is_typed_without_a_link_is_sent_when_it_is_back_and_shown_once(self) -> None:
        self.server.hangs_up()
        self.assertIsNone(self.talking.typed("hi"))
        self.assertEqual(self.shows()[-1], "hi (pending)")
        self.come_back(4, 4)
        [asked] = self.server.hears()
        self.server.tells(6, "ann", "hi")
        self.server.confirms(asked, 6)
        self.assertEqual([one for one in self.shows() if "hi" in one], ["ann: hi"])

    def test_what_was_stored_before_a_cut_is_shown_once(self) -> None:
        asked = self.types("hi")
        self.server.hangs_up()
        self.come_back(5, 4)
        self.server.tells(5, "ann", "hi")
        [again] = self.server.hears()
        self.assertEqual(again["cid"], asked["cid"])
        self.server.confirms(again, 5)
        self.assertEqual([one for one in self.shows() if "hi" in one], ["ann: hi"])

    def test_in_a_whisper_window_all_is_whispered(self) -> None:
        self.windows.show(self.windows.person("Bob"))
        asked = self.types("psst")
        self.assertEqual((asked["do"], asked["who"], asked["body"]), ("whisper", "Bob", "psst"))
        self.whispers(1, "ann", "Bob", "psst")
        self.server.confirms({"cid": asked["cid"], "room": "@ann"}, 1)
        self.assertEqual(self.shows(), ["ann: psst"])

    def test_a_whisper_of_which_a_cut_took_the_echo_stands_where_it_was_said(self) -> None:
        bob = self.windows.person("bob")
        self.windows.show(bob)
        for n, body in enumerate(("one", "two")):
            asked = self.types(body)
            self.server.confirms({"cid": asked["cid"], "room": "@ann"}, n)
        self.assertEqual(self.shows(), ["ann: one", "two (stored)"])

    def test_a_whisper_from_elsewhere_is_told_there_and_opens_a_window(self) -> None:
        asked = self.types("/w bob psst")
        self.assertEqual(self.shows(), ["ann: [whisper to bob] psst"])
        window = self.windows.get("@bob")
        assert window is not None
        self.server.answers(asked, {"reply": "noted", "text": "bob is not here."})
        self.assertEqual(self.shows()[-1], "bob is not here.")

    def test_commands_are_about_the_window_one_looks_at(self) -> None:
        self.assertEqual(self.types("/kick bob")["room"], "lobby")
        self.assertNotIn("alone", self.types("/join tea"))
        self.windows.show(self.windows.server)
        for line in ("hi", "/kick bob", "/history"):
            self.assertRaises(Malformed, self.talking.typed, line)
        self.assertEqual(self.types("/who")["do"], "who")

    def test_quit_leaves(self) -> None:
        self.talking.typed("/quit")
        self.assertTrue(self.link.leaving)


class PagesTests(FullTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.arrive()
        self.server.tells(5, "bob", "five")

    def older(self) -> dict[str, Any]:
        work = Deferred.fromCoroutine(self.pages.older(self.tea))
        work.addErrback(self.fail)
        [asked] = self.server.hears()
        return asked

    def sends(self, asked: dict[str, Any], *seqs: int) -> None:
        name = {"room": "lobby", "name": "lobby"}
        told = {"reply": "history", **name, "since": 0, "upto": 4, "count": 100}
        self.server.answers(asked, told)
        for seq in seqs:
            self.server.tells(seq, "bob", f"m{seq}")
        self.server.says({"reply": "caughtup", **name, "seq": 4})

    def test_what_was_whispered_before_comes_from_the_server(self) -> None:
        bob, dialogue = self.windows.person("Bob"), self.link.dialogue
        assert dialogue.hello is not None
        dialogue.registered = True
        dialogue.hello = replace(dialogue.hello, features=("whispers",))
        self.whispers(9, "Bob", "ann", "nine")
        for before, since, body in ((9, 6, "seven"), (7, 3, "four"), (4, 0, "one")):
            Deferred.fromCoroutine(self.pages.older(bob)).addErrback(self.fail)
            [asked] = self.server.hears()
            self.assertEqual(
                (asked["do"], asked["who"], asked["before"]), ("history", "Bob", before)
            )
            self.assertNotIn("room", asked)
            log = {"room": "@ann", "name": "Bob"}
            told = {"reply": "history", **log, "since": since, "upto": before - 1, "count": 100}
            self.server.answers(asked, {**told, "ahead": False})
            self.whispers(since + 1, "ann", "Bob", body)
            self.server.says({"reply": "caughtup", **log, "seq": before - 1, "more": False})
            self.assertEqual(bob.older, Older.MORE if since else Older.NONE)
        self.assertEqual(self.shows(bob), ["ann: one", "ann: four", "ann: seven", "Bob: nine"])
        self.assertEqual(bob.unread, 1)
        self.whispers(10, "Bob", "ann", "ten")
        self.assertEqual(self.shows(bob)[-1], "Bob: ten")

    def test_guests_and_old_servers_have_no_whispers_of_before(self) -> None:
        bob = self.windows.person("Bob")
        Deferred.fromCoroutine(self.pages.older(bob)).addErrback(self.fail)
        self.assertEqual((self.server.hears(), bob.older), ([], Older.NONE))
        self.windows.show(bob)
        history = self.talking.typed("/history 5")
        self.assertEqual(history, c.History("", 5, who="Bob"))
        assert history is not None
        self.assertRaises(NotAllowed, self.link.submit, history)

    def test_what_is_older_comes_before(self) -> None:
        asked = self.older()
        self.assertEqual((asked["do"], asked["before"], asked["count"]), ("history", 5, 100))
        self.assertEqual(self.tea.older, Older.COMING)
        self.sends(asked, 2, 3)
        self.assertEqual(self.shows(), ["bob: m2", "bob: m3", "bob: five"])
        self.assertEqual(self.tea.older, Older.NONE)  # fewer than were asked for: that was all
        Deferred.fromCoroutine(self.pages.older(self.tea)).addErrback(self.fail)
        self.assertEqual(self.server.hears(), [])

    def test_what_comes_meanwhile_stands_behind(self) -> None:
        asked = self.older()
        self.server.tells(6, "bob", "six")
        self.sends(asked, 2)
        self.assertEqual(self.shows(), ["bob: m2", "bob: five", "bob: six"])

    def test_a_refusal_is_told_and_one_may_ask_again(self) -> None:
        asked = self.older()
        self.server.answers(asked, {"error": "not-allowed", "text": "Not now."})
        self.assertEqual((self.tea.older, self.shows()[-1]), (Older.MORE, "Not now."))
        self.assertEqual(self.tea.items[-1].kind, Kind.REFUSAL)

    def test_what_was_found_is_reached_with_all_behind_it(self) -> None:
        found: list[Item | None] = []
        Deferred.fromCoroutine(self.pages.reach(self.tea, 3)).addCallback(found.append)
        [asked] = self.server.hears()
        self.assertEqual((asked["before"], asked["since"]), (5, 1))
        self.sends(asked, 3, 4)
        [item] = found
        assert item is not None
        self.assertEqual(item.lines, ("m3",))

    def reads_again(self, line: str, *seqs: int) -> list[Item]:
        history = self.talking.typed(line)
        assert history is not None
        Deferred.fromCoroutine(self.pages.again(self.tea, history)).addErrback(self.fail)
        [asked] = self.server.hears()
        self.sends(asked, *seqs)
        shown = self.tea.items[1:]
        self.assertEqual(
            [shown.pop(0).lines, shown.pop().lines],
            [("--- history ---",), ("--- end of history ---",)],
        )
        return shown

    def test_history_is_read_again_with_times_and_numbers(self) -> None:
        [item] = self.reads_again("/history 2", 3)
        self.assertEqual((item.at, item.number, item.who, item.lines), (0.5, 3, "bob", ("m3",)))

    def test_what_is_read_again_is_not_taken_for_the_log(self) -> None:
        self.reads_again("/history 2", 3)
        self.assertEqual((self.tea.first, self.tea.find(3)), (5, None))

    def test_what_is_deleted_is_gone_where_it_was_read_again_too(self) -> None:
        shown = self.reads_again("/history 2", 3, 4)
        self.server.says({"event": "deleted", "room": "lobby", "seq": 6, "at": 0.5, "by": "bob",
                          "message": 3, "author": "bob", "reason": ""})  # fmt: skip
        self.assertEqual([item.lines for item in shown], [("(deleted)",), ("m4",)])
