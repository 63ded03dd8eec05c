"""The parts that someone who embeds chatnet works with."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from chatnet.core.events import Entry, Said
from chatnet.core.refusals import ServerFull
from chatnet.server.messages import MessageStore
from chatnet.server.registry import Registry
from chatnet.server.session import Status
from chatnet.test.rig import Rig
from chatnet.wires.oneport import GREET_SECONDS

T = TypeVar("T")


class MessageStoreTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()
        self.ann = self.rig.member("ann")
        self.messages = MessageStore(self.rig.network, "#Tea")

    def result(self, work: Coroutine[Deferred[Any], Any, T]) -> T:
        done: Deferred[T] = Deferred.fromCoroutine(work)
        self.rig.settle()
        return self.successResultOf(done)

    async def everything(self) -> list[Entry]:
        return [entry async for entry in self.messages.all()]

    def test_what_is_saved_is_heard_and_found_again(self) -> None:
        saved = self.result(self.messages.save("robot", "beep"))
        self.assertEqual(self.ann.hears(), ["robot: beep"])
        self.assertEqual(saved.event, Said("robot", "beep"))
        self.assertEqual(self.result(self.messages.last()), saved.seq)
        self.assertEqual(self.result(self.messages.get(saved.seq)), saved)

    def test_all_is_every_message_in_order_and_nothing_else(self) -> None:
        self.ann.types(*[str(i) for i in range(1000)])
        bodies = [e.event.body for e in self.result(self.everything()) if isinstance(e.event, Said)]
        self.assertEqual(bodies, [str(i) for i in range(1000)])

    def test_there_is_no_message_where_something_else_happened(self) -> None:
        for seq in (1, 999):
            done = Deferred.fromCoroutine(self.messages.get(seq))
            self.rig.settle()
            self.failureResultOf(done, LookupError)

    def test_an_empty_room_has_none(self) -> None:
        self.messages = MessageStore(self.rig.network, "milk")
        self.assertEqual(self.result(self.messages.last()), 0)
        self.assertEqual(self.result(self.everything()), [])


class RegistryTests(SynchronousTestCase):
    def test_connections_are_added_found_listed_and_removed(self) -> None:
        registry: Registry[str] = Registry(2)
        for id in ("a", "b"):
            registry.accept()
            registry.add(id, id.upper())
        self.assertEqual((list(registry), len(registry), "a" in registry), (["A", "B"], 2, True))
        with self.assertRaisesRegex(ServerFull, "The server is full: 2 people"):
            registry.accept()
        registry.remove("a")
        registry.remove("a")
        registry.accept()
        self.assertEqual((list(registry), registry.get("a"), registry.get("b")), (["B"], None, "B"))

    def test_the_third_of_two_is_told_and_closed(self) -> None:
        rig = Rig(max_clients=2)
        ann, bob = rig.member("ann"), rig.member("bob")
        third = rig.connects()
        sentence = "The server is full: 2 people are here. Please try again later."
        self.assertEqual(third.hears(), [])
        rig.clock.advance(GREET_SECONDS)
        self.assertEqual(third.hears(), [sentence])
        self.assertTrue(third.transport.disconnecting)
        third.hangs_up()
        program, browser = rig.connects(), rig.connects()
        program.asks('{"do": "hello"}')
        self.assertEqual(program.receives(), [{"error": "server-full", "text": sentence}])
        browser.asks("GET / HTTP/1.1")
        self.assertEqual(browser.hears()[0], "HTTP/1.1 503 Service Unavailable")
        program.hangs_up()
        browser.hangs_up()
        ann.types("just us")
        self.assertEqual(bob.hears(), ["ann: just us"])
        bob.hangs_up()
        self.assertIn("Welcome", rig.arrives().hears()[0])

    def test_every_connection_has_an_id_of_its_own(self) -> None:
        rig = Rig()
        ids = {rig.connects().door.id for _ in range(50)}
        self.assertEqual(len(ids), 50)
        self.assertEqual({door.id for door in rig.factory.registry}, ids)


class SessionTests(SynchronousTestCase):
    def test_its_status_is_told(self) -> None:
        rig = Rig()
        ann = rig.member("ann")
        session, seen = ann.session, []
        seen.append(session.status)
        ann.stops_listening()
        seen.append(session.status)
        ann.listens()
        ann.types("/quit")
        seen.append(session.status)
        ann.hangs_up()
        seen.append(session.status)
        self.assertEqual(seen, [Status.HERE, Status.FULL, Status.LEAVING, Status.GONE])

    def test_the_server_speaks_to_one_alone(self) -> None:
        rig = Rig()
        ann, bob = rig.member("ann"), rig.member("bob")
        ann.hears()
        ann.session.tell("mind the step\x1b[2J")
        rig.settle()
        self.assertEqual((ann.hears(), bob.hears()), (["mind the step\u241b[2J"], []))
