from __future__ import annotations

import sys
from collections.abc import Coroutine
from itertools import count
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from chatnet.client import stream
from chatnet.client.chat import Chat, connect
from chatnet.client.dialogue import Dismissed, Identity
from chatnet.client.link import Link, LinkLost
from chatnet.client.room import Room
from chatnet.client.stream import Missed
from chatnet.core import commands as c, events as e, replies as r
from chatnet.core.refusals import (
    BadName,
    NoSuchRoom,
    NotAllowed,
    NotAMember,
    PasswordNeeded,
    Plaintext,
    Refused,
    TooLong,
    Unavailable,
)
from chatnet.test.properties import given, settings, st
from chatnet.test.rig import Client, Rig
from chatnet.test.test_client_link import Pipe
from chatnet.test.test_client_state import snapshot


@implementer(IStreamClientEndpoint)
class Way:
    """The way to a whole server in memory; bytes go over it when it is told so."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.open = True
        self.far: Client | None = None
        self.near = Pipe()

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:  # noqa: N803
        protocol = protocolFactory.buildProtocol(None)  # type: ignore[arg-type]
        assert protocol is not None
        if not self.open:
            failed: Deferred[IProtocol] = Deferred()
            failed.errback(ConnectionRefusedError())
            return failed
        self.far, self.near = self.rig.connects(), Pipe()
        self.near.protocol = protocol
        protocol.makeConnection(self.near)
        return succeed(protocol)

    def carry(self) -> None:
        """Carry all there is to and fro."""
        quiet = False
        while not quiet:
            quiet = not self._carry_once()

    def _carry_once(self) -> bool:
        self.rig.settle()
        if self.far is None:
            return False
        out, back = self.near.value(), self.far.transport.value()
        self.near.clear()
        self.far.transport.clear()
        if out:
            self.far.door.dataReceived(out)
        if back and self.near.connected:
            self.near.protocol.dataReceived(back)
        if self.far.transport.disconnecting and not (out or back):
            self.drop()
            return True
        return bool(out or back)

    def drop(self) -> None:
        """Let both sides see that the link is lost."""
        far, self.far = self.far, None
        if far is not None:
            far.hangs_up()
            if self.near.connected:
                self.near.loseConnection()
            self.rig.settle()


class ChatTestCase(SynchronousTestCase):
    """A chat over the real link with a whole server, and ann, who is in the room tea."""

    def setUp(self) -> None:
        self.numbers = count(1)
        self.rig = Rig()
        self.way = Way(self.rig)
        self.ann = self.rig.account("ann")
        self.ann.types("/join tea", "before")
        self.news: list[str] = []
        self.chat = self.make(Identity("robot"))

    def make(self, identity: Identity, **more: Any) -> Chat:
        def chance(n: int) -> bytes:
            return next(self.numbers).to_bytes(n)

        return Chat(Link(self.way, identity, self.rig.clock, chance, 0, **more), self.news.append)

    def wait(self, work: Coroutine[Deferred[Any], Any, Any]) -> Any:
        """Return what ``work`` comes to, once all is carried."""
        done = Deferred.fromCoroutine(work)
        self.way.carry()
        return self.successResultOf(done)

    def fails(self, work: Coroutine[Deferred[Any], Any, Any], kind: type[Exception]) -> Exception:
        done = Deferred.fromCoroutine(work)
        self.way.carry()
        error = self.failureResultOf(done, kind).value
        assert isinstance(error, Exception)
        return error

    def open(self) -> None:
        self.wait(self.chat.open())

    def join(self, room: str = "tea", **how: Any) -> Room:
        joined = self.wait(self.chat.join(room, **how))
        assert isinstance(joined, Room)
        return joined

    def hears(self, source: Room | Chat) -> Hearing:
        hearing = Hearing(source)
        self.addCleanup(hearing.done.cancel)
        self.way.carry()
        return hearing

    def come_back(self) -> None:
        self.way.open = True
        for _ in range(40):
            self.rig.clock.advance(1)
            self.way.carry()

    def tearDown(self) -> None:
        closed = Deferred.fromCoroutine(self.chat.close())
        self.way.carry()
        self.successResultOf(closed)


class Hearing:
    """Iterates; takes no more than it may."""

    def __init__(self, source: Room | Chat, may_take: int = sys.maxsize) -> None:
        self.entries: list[e.Entry] = []
        self.error: BaseException | None = None
        self.may_take = may_take
        self._turn: Deferred[None] | None = None
        self.done = Deferred.fromCoroutine(self._iterate(source))
        self.done.addErrback(self._failed)

    async def _iterate(self, source: Room | Chat) -> str:
        async for entry in source:
            self.entries.append(entry)
            while len(self.entries) >= self.may_take:
                self._turn = Deferred()
                await self._turn
        return "ended"

    def take(self, more: int) -> None:
        self.may_take += more
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.callback(None)

    def said(self) -> list[str]:
        told = [entry.event for entry in self.entries]
        return [one.body for one in told if isinstance(one, e.Said | e.Whispered | e.Announced)]

    def _failed(self, failure: Failure) -> None:
        self.error = failure.value


class PacedTests(ChatTestCase):
    """The server has its usual limits."""

    def make(self, identity: Identity, **more: Any) -> Chat:
        self.rig = Rig(limits=())
        self.way = Way(self.rig)
        return super().make(identity, **more)

    def test_what_is_said_too_fast_is_all_said_in_its_order(self) -> None:
        self.open()
        room = self.join()
        said = [f"{n}" for n in range(200)]
        done = [Deferred.fromCoroutine(room.say(body)) for body in said]
        for _ in range(1200):
            self.way.carry()
            self.rig.clock.advance(0.1)
        for one in done:
            self.successResultOf(one)
        kept = [entry.event for entry in self.rig.store.kept("tea")]
        self.assertEqual([event.body for event in kept if isinstance(event, e.Said)], said)
        self.assertFalse([line for line in self.news if "You go on" in line], self.news)


class NamingTests(ChatTestCase):
    """The room is renamed, or deleted, while one is in it."""

    def setUp(self) -> None:
        super().setUp()
        self.open()
        self.room = self.join()

    def ann_types(self, *lines: str) -> None:
        self.ann.types(*lines)
        self.way.carry()

    def test_a_renamed_room_is_the_same_room_under_either_name(self) -> None:
        hearing = self.hears(self.room)
        self.ann_types("/rename Coffee", "here?")
        seq = self.wait(self.room.say("still here"))
        self.assertEqual(self.rig.store.kept("tea")[seq - 1].event, e.Said("robot", "still here"))
        self.assertEqual((self.room.name, self.room.key), ("Coffee", "tea"))
        self.assertIn(e.RoomRenamed("ann", "tea", "Coffee"), [x.event for x in hearing.entries])
        self.assertEqual(hearing.said(), ["here?", "still here"])
        self.assertEqual(len(self.wait(self.room.history(count=2))), 2)
        for name in ("tea", "coffee"):
            self.assertIs(self.join(name), self.room)

    def test_who_was_away_comes_back_to_it_and_misses_nothing(self) -> None:
        hearing = self.hears(self.room)
        self.way.open = False
        self.way.drop()
        self.ann.types("/rename coffee", "you were away")
        self.rig.settle()
        self.come_back()
        self.assertEqual(hearing.said(), ["you were away"])
        self.assertEqual(self.room.name, "coffee")
        self.wait(self.room.say("back"))
        self.assertEqual(hearing.said(), ["you were away", "back"])

    def test_one_who_comes_by_an_old_name_gets_the_room(self) -> None:
        self.wait(self.room.leave())
        self.ann_types("/rename coffee")
        again = self.join("tea")
        self.assertEqual((again.name, again.key), ("coffee", "tea"))
        self.wait(again.say("hello"))
        self.assertIn("The room tea is called coffee now.", self.news)

    def test_a_deleted_room_ends_and_says_why_to_who_asks_again(self) -> None:
        hearing = self.hears(self.room)
        self.ann_types("/rename coffee", "/delete-room coffee it is over")
        self.assertEqual(self.successResultOf(hearing.done), "ended")
        self.assertEqual(hearing.entries[-1].event.__class__, e.RoomDeleted)
        error = self.fails(self.room.say("x"), Refused)
        self.assertIn("was deleted by ann: it is over.", str(error))
        self.assertIn("was deleted", str(self.fails(self.chat.join("tea"), NoSuchRoom)))

    def test_so_it_does_for_who_was_away(self) -> None:
        self.ann_types("/rename coffee")
        hearing = self.hears(self.room)
        self.way.open = False
        self.way.drop()
        self.ann.types("/delete-room coffee")
        self.rig.settle()
        self.come_back()
        self.assertIsInstance(hearing.error, NoSuchRoom)
        self.assertTrue(self.chat.online)


class TalkTests(ChatTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.open()

    def test_what_is_said_has_its_place_when_it_is_stored(self) -> None:
        room = self.join()
        seq = self.wait(room.say("hello"))
        self.assertEqual(self.rig.store.kept("tea")[seq - 1].event, e.Said("robot", "hello"))

    def test_a_refusal_is_raised_with_its_sentence(self) -> None:
        room = self.join()
        error = self.fails(room.kick("ann"), Refused)
        self.assertEqual(str(error), "Only a moderator of tea can do that. Ask one: ann.")
        self.fails(self.chat.join("a b"), BadName)
        self.fails(self.chat.whisper("nobody-here", "x"), Refused)

    def test_what_is_too_long_is_refused_here(self) -> None:
        room = self.join()
        self.fails(room.say("x" * (self.rig.settings.max_message + 1)), TooLong)

    def test_one_hears_what_happens_and_ones_own_words(self) -> None:
        room = self.join()
        hearing = self.hears(room)
        self.ann.types("one")
        self.wait(room.say("two"))
        self.ann.types("three")
        self.way.carry()
        self.assertEqual(hearing.said(), ["one", "two", "three"])
        self.assertEqual(hearing.entries[0].event, e.Joined("robot"))

    def test_nothing_between_joining_and_iterating_is_left_out(self) -> None:
        room = self.join()
        self.ann.types("one")
        self.way.carry()
        self.assertEqual(self.hears(room).said(), ["one"])

    def test_the_past_comes_if_it_is_asked_for(self) -> None:
        room = self.join(history=1)
        self.assertEqual(self.hears(room).said(), ["before"])
        self.wait(room.leave())
        self.assertEqual(self.hears(self.join(since=0)).entries[0].event, e.Opened("tea", "ann"))

    def test_the_state_of_a_room_is_known(self) -> None:
        room = self.join()
        self.assertEqual([one.name for one in room.members], ["ann", "robot"])
        self.assertEqual((room.name, room.moderators), ("tea", ("ann",)))
        self.ann.types("/topic green", "/lock secret", "/op robot")
        self.way.carry()
        self.assertEqual(
            (room.topic, room.locked, room.moderators), ("green", True, ("ann", "robot"))
        )
        self.ann.types("/owner robot")
        self.assertEqual(self.wait(self.chat.do(c.Deop("tea", "ann"))), 9)
        self.assertEqual(room.moderators, ("robot",))

    def test_history_is_a_list(self) -> None:
        room = self.join()
        hearing = self.hears(room)
        self.ann.types(*(f"line {n}" for n in range(9)))
        self.way.carry()
        entries = self.wait(room.history(count=3))
        self.assertEqual([one.event.body for one in entries], ["line 6", "line 7", "line 8"])
        entries = self.wait(room.history(before=entries[0].seq, count=2))
        self.assertEqual([one.event.body for one in entries], ["line 4", "line 5"])
        self.assertEqual(len(self.wait(room.history(count=-1))), 13)
        self.assertEqual(len(hearing.said()), 9)

    def test_several_histories_at_once_come_one_after_the_other(self) -> None:
        room = self.join()
        asked = [Deferred.fromCoroutine(room.history(count=n)) for n in range(1, 9)]
        self.ann.types(*(f"line {n}" for n in range(9)))
        self.way.carry()
        self.assertEqual([len(self.successResultOf(one)) for one in asked], [1, *range(2, 9)])

    def test_words_are_found_and_deleted(self) -> None:
        room = self.join()
        hearing = self.hears(room)
        self.ann.types("green tea", "black tea")
        self.wait(room.say("my own tea"))
        hits = self.wait(self.chat.search("TEA"))
        self.assertEqual([hit.body for hit in hits], ["green tea", "black tea", "my own tea"])
        self.assertEqual(len(self.wait(self.chat.search("", by="ann", limit=1))), 1)
        self.assertEqual(self.wait(room.delete()), 8)
        self.assertEqual(len(self.wait(self.chat.search("tea", room="tea", since="1d"))), 2)
        self.fails(room.delete(hits[0].seq), NotAllowed)
        self.assertEqual(hearing.entries[-1].event, e.Deleted("robot", 7, "", "robot"))
        self.assertEqual(self.wait(room.history(count=1))[0].event, e.Erased("robot"))

    def test_a_program_is_told_of_what_is_not_kept_any_more(self) -> None:
        hearing = self.hears(self.join())
        self.ann.types("one", "/retain 1h")
        self.way.carry()
        self.way.open = False
        self.way.drop()
        self.ann.types("never read")
        for _ in range(4):
            self.rig.clock.advance(3600)
            self.rig.settle()
        self.ann.types("two")
        self.come_back()
        self.assertEqual(hearing.said(), ["one", "two"])
        self.assertIn("Part of what was said in tea is not kept any more.", self.news)

    def test_questions_are_answered(self) -> None:
        self.join()
        self.assertEqual([one.name for one in self.wait(self.chat.who("tea"))], ["ann", "robot"])
        self.assertEqual(len(self.wait(self.chat.who())), 2)
        self.assertEqual([(o.name, o.people) for o in self.wait(self.chat.rooms())], [("tea", 2)])
        reply = self.wait(self.chat.ask(c.Whois("ann")))
        self.assertIsInstance(reply, r.Whoami)

    def test_a_chat_is_all_rooms_and_what_is_whispered(self) -> None:
        self.join()
        self.join("coffee")
        hearing = self.hears(self.chat)
        self.ann.types("one", "/whisper robot psst", "/join coffee", "two")
        self.way.carry()
        self.wait(self.chat.whisper("ann", "what?"))
        self.assertEqual(hearing.said(), ["one", "psst", "two", "what?"])
        self.assertEqual({entry.room[0] for entry in hearing.entries}, {"t", "c", "@"})

    def test_others_see_that_one_is_writing(self) -> None:
        room = self.join()
        other = self.rig.program("eve")
        other.sends("join", room="tea", replay=0)
        other.receives()
        room.typing()
        self.way.carry()
        self.assertEqual(other.receives(), [{"signal": "typing", "room": "tea", "who": "robot"}])

    def test_the_same_room_is_the_same(self) -> None:
        self.assertIs(self.join(), self.join("TEA"))


class EndTests(ChatTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.open()
        self.room = self.join()
        self.hearing = self.hears(self.room)

    def test_who_is_put_out_hears_it_and_no_more(self) -> None:
        self.ann.types("/kick robot", "after")
        self.way.carry()
        self.assertEqual(self.successResultOf(self.hearing.done), "ended")
        self.assertIsInstance(self.hearing.entries[-1].event, e.Kicked)
        self.fails(self.room.say("hi"), NotAMember)

    def test_who_comes_again_hears_on_in_a_new_room(self) -> None:
        self.wait(self.room.leave())
        self.assertEqual(self.successResultOf(self.hearing.done), "ended")
        again = self.join()
        self.assertIsNot(again, self.room)
        hearing = self.hears(again)
        self.ann.types("hi")
        self.way.carry()
        self.assertEqual(hearing.said(), ["hi"])

    def test_closing_ends_all_and_answers_first(self) -> None:
        everywhere = self.hears(self.chat)
        said = Deferred.fromCoroutine(self.room.say("last words"))
        self.wait(self.chat.close())
        self.assertEqual(self.successResultOf(self.hearing.done), "ended")
        self.assertEqual(self.successResultOf(everywhere.done), "ended")
        self.assertIsInstance(self.successResultOf(said), int)
        self.fails(self.room.say("more"), Unavailable)

    def test_closing_without_a_link_ends_at_once(self) -> None:
        self.way.open = False
        self.way.drop()
        said = Deferred.fromCoroutine(self.room.say("lost"))
        self.wait(self.chat.close())
        self.failureResultOf(said, Unavailable)
        self.assertEqual(self.successResultOf(self.hearing.done), "ended")

    def test_who_is_sent_away_is_told_why(self) -> None:
        assert self.way.far is not None
        self.way.far.session.part("You came again on another connection.", "replaced")
        self.way.carry()
        self.assertIsInstance(self.hearing.error, Dismissed)
        self.fails(self.room.say("hi"), Unavailable)

    def test_a_room_that_is_shut_when_one_comes_back_raises_why(self) -> None:
        self.way.open = False
        self.way.drop()
        self.ann.types("/lock secret")
        self.come_back()
        self.assertIsInstance(self.hearing.error, PasswordNeeded)
        self.assertTrue(self.chat.online)

    def test_patience_ends(self) -> None:
        self.wait(self.chat.close())
        self.chat = self.make(Identity("robot"), patience=30.0)
        self.open()
        hearing = self.hears(self.join())
        self.way.open = False
        self.way.drop()
        self.rig.clock.advance(30)
        self.assertIsInstance(hearing.error, LinkLost)


class ReturnTests(ChatTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.open()
        self.room = self.join()

    def test_a_lost_link_is_not_noticed_but_in_the_news(self) -> None:
        hearing = self.hears(self.room)
        self.ann.types("one")
        self.way.drop()
        self.ann.types("two")
        said = Deferred.fromCoroutine(self.room.say("three"))
        self.come_back()
        self.assertIsInstance(self.successResultOf(said), int)
        self.assertEqual(hearing.said(), ["one", "two", "three"])
        kept = self.rig.store.kept("tea")
        self.assertEqual(hearing.entries, kept[hearing.entries[0].seq - 1 :])
        self.assertEqual(self.room.members, snapshot(0, self.rig.room("tea").state).members)
        self.assertEqual(
            self.news,
            ["The link to the server is lost. Trying to get it back ...", "The link is back."],
        )

    def test_what_was_stored_but_not_confirmed_is_said_once(self) -> None:
        said = Deferred.fromCoroutine(self.room.say("once"))
        self.rig.settle()
        assert self.way.far is not None
        self.way.far.door.dataReceived(self.way.near.value())
        self.rig.settle()
        self.way.drop()
        self.come_back()
        seq = self.successResultOf(said)
        bodies = [one.event.body for one in self.rig.store.kept("tea") if type(one.event) is e.Said]
        self.assertEqual(bodies, ["before", "once"])
        self.assertEqual(self.rig.store.kept("tea")[seq - 1].event, e.Said("robot", "once"))


class SlowTests(ChatTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.patch(stream, "MOST", 5)
        self.patch(stream, "MOST_TOLD", 5)
        self.patch(stream, "PAGE", 3)
        self.open()

    def waiting(self, room: Room) -> int:
        return sum(len(feed.waiting) for feed in room.stream._feeds.values())

    def test_who_is_slow_costs_little_and_misses_nothing(self) -> None:
        room = self.join()
        for n in range(40):
            self.ann.types(f"line {n}")
            self.way.carry()
            self.assertLessEqual(self.waiting(room), 5)
        hearing = self.hears(room)
        self.assertEqual(hearing.said(), [f"line {n}" for n in range(40)])
        self.ann.types("now")
        self.way.carry()
        self.assertEqual(hearing.said()[-1], "now")

    def test_also_where_nothing_was_said_for_long(self) -> None:
        room = self.join(since=0)
        for _ in range(8):
            self.ann.types("/leave", "/join tea")
        self.way.carry()
        hearing = self.hears(room)
        self.assertEqual(hearing.entries, self.rig.store.kept("tea"))

    def test_who_is_slow_still_gets_answers(self) -> None:
        room = self.join()
        self.ann.types(*(f"line {n}" for n in range(40)))
        answered: list[int] = []

        async def answer() -> None:
            async for entry in room:
                if isinstance(entry.event, e.Said) and entry.event.by == "ann":
                    seq = await room.say(f"echo of {entry.event.body}")
                    answered.append(seq)

        self.way.carry()
        done = Deferred.fromCoroutine(answer())
        self.way.carry()
        self.assertEqual(len(answered), 40)
        self.wait(self.chat.close())
        self.successResultOf(done)

    def test_a_room_that_nobody_iterates_over_disturbs_nobody(self) -> None:
        self.join()
        coffee = self.join("coffee")
        self.ann.types(*(f"line {n}" for n in range(40)), "/join coffee", "hi")
        self.way.carry()
        self.assertEqual(self.hears(coffee).said(), ["hi"])

    def test_what_cannot_be_read_again_is_said_to_be_missing(self) -> None:
        room = self.join()
        self.ann.types(*(f"line {n}" for n in range(40)), "/kick robot")
        self.way.carry()
        hearing = self.hears(room)
        self.assertIsInstance(hearing.error, Missed)
        self.assertEqual(len(hearing.entries), 5)
        self.assertEqual(self.successResultOf(self.hears(room).done), "ended")

    def test_whispers_that_nobody_takes_do_not_pile_up(self) -> None:
        self.ann.types(*(f"/whisper robot {n}" for n in range(40)))
        self.way.carry()
        hearing = self.hears(self.chat)
        self.assertIsInstance(hearing.error, Missed)
        self.assertEqual(hearing.said(), ["0", "1", "2", "3", "4"])
        hearing = self.hears(self.chat)
        self.ann.types("/whisper robot now")
        self.way.carry()
        self.assertEqual(hearing.said(), ["now"])

    def test_who_comes_again_has_missed_nothing_of_the_first_time(self) -> None:
        room = self.join()
        self.ann.types("one", "two")
        self.way.carry()
        self.wait(room.leave())
        self.ann.types("away")
        self.join()
        self.ann.types("three")
        self.way.carry()
        self.assertEqual(self.hears(self.chat).said(), ["one", "two", "three"])

    def test_stays_that_nobody_hears_of_do_not_pile_up(self) -> None:
        for n in range(30):
            room = self.join()
            self.ann.types(str(n))
            self.way.carry()
            self.wait(room.leave())
        hearing = self.hears(self.chat)
        self.assertIsInstance(hearing.error, Missed)
        self.assertEqual(self.hears(self.chat).said(), [str(n) for n in range(20, 30)])

    def test_large_messages_are_read_again_a_few_at_a_time(self) -> None:
        self.patch(stream, "PAGE", 200)
        self.patch(stream, "MOST_BYTES", 10_000)
        room = self.join()
        for n in range(60):
            self.ann.types(f"{n} " + "x" * 3000)
        self.way.carry()
        most = 0
        hearing = Hearing(room, 1)
        while len(hearing.entries) < 61:
            self.way.carry()
            most = max(most, self.waiting(room))
            hearing.take(1)
        self.assertEqual([int(body.split()[0]) for body in hearing.said()], list(range(60)))
        self.assertLess(most, 8)

    @settings(derandomize=True, deadline=None, max_examples=60)
    @given(
        st.lists(
            st.one_of(
                st.tuples(st.just("say"), st.integers(1, 12)),
                st.tuples(st.just("come and go"), st.integers(1, 8)),
                st.tuples(st.just("take"), st.integers(1, 9)),
                st.tuples(st.just("take of all"), st.integers(1, 9)),
                st.tuples(st.just("speak"), st.just(0)),
                st.tuples(st.just("drop"), st.just(0)),
                st.tuples(st.just("carry"), st.just(0)),
                st.tuples(st.just("time"), st.integers(1, 40)),
            ),
            max_size=40,
        )
    )
    def test_whatever_happens_each_entry_comes_once_and_in_order(
        self, plan: list[tuple[str, int]]
    ) -> None:
        self.wait(self.chat.close())
        self.rig = self.way.rig = rig = Rig()
        ann = rig.account("ann")
        ann.types("/join tea", "first")
        self.chat = chat = self.make(Identity("robot"))
        self.wait(chat.open())
        room = self.wait(chat.join("tea", since=0))
        one, all_ = Hearing(room, 1), Hearing(chat, 1)
        asked: list[Deferred[int]] = []
        for what, many in plan:
            match what:
                case "say":
                    ann.types(*("hi" for _ in range(many)))
                case "come and go":
                    for _ in range(many):
                        ann.types("/leave", "/join tea")
                case "take":
                    one.take(many)
                case "take of all":
                    all_.take(many)
                case "speak":
                    asked.append(Deferred.fromCoroutine(room.say(f"number {len(asked)}")))
                case "drop":
                    self.way.drop()
                case "carry":
                    self.way.carry()
                case "time":
                    rig.clock.advance(many)
        one.take(sys.maxsize // 2)
        all_.take(sys.maxsize // 2)
        for _ in range(60):
            rig.clock.advance(1)
            self.way.carry()
        kept = rig.store.kept("tea")
        self.assertEqual(one.entries, kept)
        self.assertEqual([entry for entry in all_.entries if entry.room == "tea"], kept)
        seqs = [self.successResultOf(each) for each in asked]
        self.assertEqual(
            [kept[seq - 1].event for seq in seqs],
            [e.Said("robot", f"number {n}") for n in range(len(asked))],
        )
        bodies = [each.event.body for each in kept if isinstance(each.event, e.Said)]
        self.assertEqual(
            [body for body in bodies if body.startswith("number")],
            [f"number {n}" for n in range(len(asked))],
        )
        self.wait(chat.close())
        self.assertEqual(self.successResultOf(one.done), "ended")


class ConnectTests(SynchronousTestCase):
    def test_no_password_goes_where_others_could_read_it(self) -> None:
        for secret in ({"user": "ann", "password": "x"}, {"server_password": "x"}):
            asked = Deferred.fromCoroutine(
                connect("192.0.2.1", tls=False, reactor=object(), **secret)  # type: ignore[arg-type]
            )
            self.failureResultOf(asked, Plaintext)

    def test_the_package_asks_for_no_reactor(self) -> None:
        import subprocess

        code = "import chatnet.client, sys; sys.exit('twisted.internet.reactor' in sys.modules)"
        self.assertEqual(subprocess.run([sys.executable, "-c", code]).returncode, 0)
