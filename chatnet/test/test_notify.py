"""What the service manager hears, on a socket as systemd's."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from tempfile import mkdtemp

from twisted.internet.task import Clock
from twisted.python.filepath import FilePath
from twisted.trial.unittest import SynchronousTestCase

from chatnet.server.notify import Manager


class ManagerTests(SynchronousTestCase):
    def setUp(self) -> None:
        folder = mkdtemp()
        self.addCleanup(FilePath(folder).remove)
        self.path = str(Path(folder, "notify"))
        self.clock = Clock()

    def listens(self, path: str) -> socket.socket:
        inbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.addCleanup(inbox.close)
        inbox.bind(path)
        return inbox

    def heard(self, inbox: socket.socket) -> list[str]:
        heard = []
        try:
            while True:
                heard.append(inbox.recv(4096).decode())
        except BlockingIOError:
            return heard

    def test_it_hears_that_the_server_is_ready_and_that_it_stops(self) -> None:
        inbox = self.listens(self.path)
        manager = Manager(self.clock, {"NOTIFY_SOCKET": self.path})
        self.assertEqual(self.heard(inbox), [])
        manager.ready("listens on 127.0.0.1, port 8888")
        (ready,) = self.heard(inbox)
        self.assertEqual(
            ready.split("\n"),
            ["READY=1", "STATUS=listens on 127.0.0.1, port 8888", f"MAINPID={os.getpid()}"],
        )
        manager.stopping()
        self.assertEqual(self.heard(inbox), ["STOPPING=1\nSTATUS=stopping"])
        manager.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_it_sees_that_the_reactor_turns_twice_as_often_as_it_wants(self) -> None:
        inbox = self.listens(self.path)
        environment = {
            "NOTIFY_SOCKET": self.path,
            "WATCHDOG_USEC": "30000000",
            "WATCHDOG_PID": str(os.getpid()),
        }
        manager = Manager(self.clock, environment)
        manager.ready("")
        self.heard(inbox)
        self.clock.pump([14.0, 1.0, 15.0])
        self.assertEqual(self.heard(inbox), ["WATCHDOG=1", "WATCHDOG=1"])
        manager.stopping()
        self.clock.advance(15.0)
        self.assertEqual(self.heard(inbox)[1:], ["WATCHDOG=1"])  # the last words take their time
        manager.stop()
        self.clock.advance(60.0)
        self.assertEqual(self.heard(inbox), [])

    def test_the_watchdog_of_another_process_is_not_ours(self) -> None:
        for environment in (
            {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"},
            {"WATCHDOG_USEC": "soon"},
            {},
        ):
            manager = Manager(self.clock, {"NOTIFY_SOCKET": self.path} | environment)
            manager.ready("")
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_socket_may_have_an_abstract_name(self) -> None:
        name = f"chatnet-test-{os.getpid()}"
        inbox = self.listens(f"\0{name}")
        Manager(self.clock, {"NOTIFY_SOCKET": f"@{name}"}).ready("here")
        self.assertIn("READY=1", self.heard(inbox)[0])

    def test_nobody_who_wants_to_know_is_told_nothing(self) -> None:
        manager = Manager(self.clock, {"WATCHDOG_USEC": "30000000"})
        manager.ready("")
        manager.stopping()
        manager.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_manager_that_is_away_is_no_reason_to_fail(self) -> None:
        manager = Manager(self.clock, {"NOTIFY_SOCKET": self.path})
        manager.ready("")
        manager.stopping()
