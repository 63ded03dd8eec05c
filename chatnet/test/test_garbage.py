"""Who comes and goes leaves nothing that the garbage collector has to find.

It looks through everything in memory, while nobody is heard: see docs/performance.md.
"""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from collections.abc import Callable

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from chatnet.test.rig import Client, Rig
from chatnet.test.test_records import Speaker, served
from chatnet.test.test_websocket import Browser
from chatnet.wires.certificates import Certificates
from chatnet.wires.oneport import OnePort


def lost(client: Client) -> OnePort:
    """Let the connection of ``client`` be gone; return its door."""
    client.door.connectionLost(Failure(ConnectionDone()))
    client.rig.settle()
    return client.door


class GarbageTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()
        self.rig.member("zoe")
        self.rig.factory._tls = served(Certificates.in_memory())

    def text(self, *words: str) -> OnePort:
        client = self.rig.member("ann")
        client.types("hello", "/who", "nonsense", *words)
        return lost(client)

    def json(self) -> OnePort:
        client = self.rig.program("ann")
        client.sends("join", room="tea", cid="a")
        client.sends("say", room="tea", body="hello", cid="b")
        client.sends("say", room="milk", body="hello")
        return lost(client)

    def websocket(self) -> OnePort:
        browser = Browser(self.rig, "/ws/tea")
        browser.receives()
        return lost(browser.client)

    def refused(self) -> OnePort:
        self.rig.host.defence.limits.set("connections", "0")
        return lost(self.rig.arrives("hello"))

    def tls(self) -> OnePort:
        client, speaker = self.rig.connects(), Speaker()
        while hello := speaker.shakes_hands():
            client.door.dataReceived(hello)
            speaker.takes(client.transport.value())
            client.transport.clear()
        client.door.dataReceived(speaker.says(b"/nick ann\r\n/join tea\r\nhello\r\n"))
        self.rig.settle()
        heard = speaker.hears(client.transport.value())
        self.assertIn(b"Welcome to room tea!", heard)
        return lost(client)  # without the end that TLS wants

    def left(self, comes: Callable[[], OnePort]) -> Counter[str]:
        """Return what of ours is to be collected when somebody ``comes`` a second time."""
        comes()
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        door = weakref.ref(comes())
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            gc.collect()
        finally:
            gc.set_debug(0)
        kinds = Counter(type(one).__qualname__ for one in gc.garbage if _ours(one))
        gc.garbage.clear()
        self.assertIsNone(door() if not kinds else None, "it is still there")
        return kinds

    def test_a_person_who_quits_or_is_lost(self) -> None:
        self.assertEqual(self.left(self.text), {})
        self.assertEqual(self.left(lambda: self.text("/leave tea", "/quit")), {})

    def test_a_program(self) -> None:
        self.assertEqual(self.left(self.json), {})

    def test_a_page(self) -> None:
        self.assertEqual(self.left(self.websocket), {})

    def test_someone_who_is_turned_away(self) -> None:
        self.assertEqual(self.left(self.refused), {})

    def test_someone_over_tls(self) -> None:
        self.assertEqual(self.left(self.tls), {})

    def test_what_holds_itself_would_be_noticed(self) -> None:
        def comes() -> OnePort:
            client = self.rig.member("ann")
            door = client.door
            door.house = door  # type: ignore[attr-defined]
            return lost(client)

        self.assertEqual(self.left(comes)["OnePort"], 1)


def _ours(one: object) -> bool:
    return type(one).__module__.startswith("chatnet.")
