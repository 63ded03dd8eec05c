"""What a newer server says stands in its place, and is not passed over in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from chatnet.client import cursors
from chatnet.client.chat import Chat
from chatnet.client.dialogue import Identity
from chatnet.client.full.items import Kind
from chatnet.client.tailing import Tail, Wish
from chatnet.test.test_client_chat import ChatTestCase, Way
from chatnet.test.test_full_hearing import FullTestCase

LINE = "something this client is too old to show: yawned; update chatnet"


class NewerWay(Way):
    """The way to a server of a newer release, in which rolling dice is called something else."""

    def connect(self, protocolFactory: Any) -> Any:  # noqa: N803
        done = super().connect(protocolFactory)
        receive = self.near.protocol.dataReceived

        def received(data: bytes) -> None:
            receive(data.replace(b'"event":"rolled"', b'"event":"yawned"'))

        self.near.protocol.dataReceived = received
        return done


class TailTests(ChatTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.way = NewerWay(self.rig)
        self.chat: Chat = self.make(Identity("robot"))
        self.ann.types("/roll 1d6", "after")
        self.cursor = Path(self.mktemp())

    def tail(self, **wish: Any) -> list[str]:
        out: list[bytes] = []
        err: list[str] = []
        tail = Tail(Wish("tea", "here", **wish), out.append, err.append, self.rig.clock)
        Deferred.fromCoroutine(self.chat.open())
        self.way.carry()
        done = Deferred.fromCoroutine(tail.print(self.chat))
        self.way.carry()
        self.assertIsNone(self.successResultOf(done))
        self.assertEqual(err, [])
        return b"".join(out).decode().splitlines()

    def test_it_is_a_line_among_the_others(self) -> None:
        *_, strange, after = self.tail()
        self.assertTrue(strange.endswith(f"*** {LINE}"), strange)
        self.assertTrue(after.endswith("ann: after"), after)

    def test_to_programs_it_is_what_the_server_said(self) -> None:
        *_, strange, _ = map(json.loads, self.tail(as_json=True))
        self.assertEqual((strange["event"], strange["by"]), ("yawned", "ann"))

    def test_it_counts_and_nothing_is_said_to_be_lost(self) -> None:
        cursors.save(self.cursor, cursors.Cursor("here", "tea", 1))
        self.tail(cursor=self.cursor)
        head = self.rig.room("tea").log.head - 1  # but for its own coming
        self.assertEqual(cursors.load(self.cursor, "here", "tea"), head)


class FullScreenTests(FullTestCase):
    def test_it_stands_in_its_room_and_calls_nobody(self) -> None:
        self.arrive()
        self.server.says({"event": "yawned", "room": "lobby", "seq": 5, "at": 0.5})
        self.assertEqual(self.shows()[-1], LINE)
        self.assertEqual((self.tea.items[-1].kind, self.tea.unread), (Kind.EVENT, 0))
        self.assertEqual((self.tea.last, self.alerts), (5, []))
