"""A flock on real sockets: with the compiled loop, and without."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from operator import length_hint
from typing import Any, cast

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from chatnet.server import flock
from chatnet.server.cursors import Send
from chatnet.server.flock import Flock, send_none
from chatnet.test.rig import Rig

Sender = Callable[[list[Send], bytes, Iterator[Send]], int]
MANY = 300  # more than are sent to in one go
DATA = b"ann: hello\r\n"
LARGE = bytes(range(256)) * 4096  # more than a socket takes


class _Reader:
    """One end of a connection, and what is left over for it."""

    def __init__(self) -> None:
        self.here, self.there = socket.socketpair()
        self.here.setblocking(False)
        self.there.setblocking(False)
        self.rest = b""

    def heard(self) -> bytes:
        heard = b""
        try:
            while more := self.there.recv(1 << 20):
                heard += more
        except BlockingIOError:
            pass
        return heard

    def close(self) -> None:
        self.here.close()
        self.there.close()


class PurePythonTests(SynchronousTestCase):
    """What holds for both."""

    def setUp(self) -> None:
        self.patch(flock, "send_all", self.sender())
        self.broken: list[object] = []
        self.leaves: Callable[[], None] = lambda: None
        self.flock = Flock(Rig().member("ann").session.style, 0)
        self.upto = 0

    def sender(self) -> Sender:
        return send_none

    def reader(self, send: Send | None = None) -> _Reader:
        reader = _Reader()
        self.addCleanup(reader.close)
        self.assertTrue(self.flock.join(reader, send or reader.here.send))  # type: ignore[arg-type]
        return reader

    def send(self, data: bytes = DATA) -> None:
        self.upto += 1
        self.flock.send(data, self.upto, self.wait, self.broken.append)  # type: ignore[arg-type]

    def wait(self, reader: _Reader, rest: bytes) -> None:
        reader.rest += rest
        self.leaves()

    def test_all_hear_it_whole_however_many_they_are(self) -> None:
        readers = [self.reader() for _ in range(MANY)]
        self.send()
        self.send(b"more")
        for reader in readers:
            self.assertEqual((reader.heard(), reader.rest), (DATA + b"more", b""))

    def test_what_one_does_not_take_waits_and_the_others_hear_all(self) -> None:
        readers = [self.reader() for _ in range(5)]
        for size in (1 << 18, 1024, 1):
            with self.assertRaises(BlockingIOError):
                while True:
                    readers[2].here.send(b"x" * size)
        self.send()
        self.assertEqual([reader.rest for reader in readers], [b"", b"", DATA, b"", b""])
        for reader in (*readers[:2], *readers[3:]):
            self.assertEqual(reader.heard(), DATA)

    def test_a_part_that_it_took_is_not_sent_again(self) -> None:
        readers = [self.reader() for _ in range(3)]
        self.send(LARGE)
        for reader in readers:
            heard = reader.heard()
            self.assertTrue(heard and reader.rest)
            self.assertEqual(heard + reader.rest, LARGE)

    def test_who_is_gone_gets_nothing_and_keeps_nobody_waiting(self) -> None:
        closed, lost, here = self.reader(), self.reader(), self.reader()
        closed.here.close()
        lost.there.close()
        self.send()
        self.assertEqual((closed.rest, lost.rest, here.rest), (DATA, DATA, b""))
        self.assertEqual(here.heard(), DATA)

    def test_a_number_that_another_connection_has_now_is_not_sent_to(self) -> None:
        gone, here = self.reader(), self.reader()
        number = gone.here.fileno()
        gone.here.close()
        other = _Reader()
        self.addCleanup(other.close)
        self.assertIn(number, (other.here.fileno(), other.there.fileno()))
        self.send()
        self.assertEqual((other.heard(), here.heard()), (b"", DATA))

    def test_what_is_no_socket_is_asked_like_one(self) -> None:
        heard: list[bytes] = []

        def takes(data: bytes) -> int:
            heard.append(data)
            return len(data) - 3

        first, other, last = self.reader(), self.reader(takes), self.reader()
        self.send()
        self.assertEqual((heard, other.rest), ([DATA], DATA[-3:]))
        self.assertEqual((first.heard(), last.heard()), (DATA, DATA))

    def test_who_breaks_is_told_of_and_the_others_hear_it(self) -> None:
        def breaks(data: bytes) -> int:
            raise ZeroDivisionError

        first, other, last = self.reader(), self.reader(breaks), self.reader()
        self.send()
        self.assertEqual(self.broken, [other])
        self.assertEqual((first.heard(), last.heard()), (DATA, DATA))

    def test_who_leaves_in_the_midst_goes_on_from_where_it_was(self) -> None:
        readers = [self.reader() for _ in range(5)]
        places: list[int] = []

        def leaves() -> None:
            those = [readers[number] for number in (1, 2, 4)]
            places.extend(self.flock.leave(one) for one in those)  # type: ignore[arg-type]

        readers[2].there.close()
        self.leaves = leaves
        self.send()
        self.assertEqual(places, [1, 1, 0])
        self.assertEqual([len(reader.heard()) for reader in readers[:2]], [len(DATA)] * 2)
        self.assertEqual((readers[3].heard(), readers[4].heard()), (DATA, b""))
        self.assertEqual(len(self.flock), 2)


class CompiledTests(PurePythonTests):
    def sender(self) -> Sender:
        try:
            from _chatnet_sends import send_all
        except ImportError:
            raise SkipTest("the loop in C was not built: that takes a C compiler") from None
        return cast(Sender, send_all)

    def far(self, sends: list[Send], data: bytes = DATA) -> tuple[int, int]:
        """Return how many of ``sends`` took all of ``data``, and how much the next one did."""
        round_ = iter(sends)
        part = self.sender()(sends, data, round_)
        return len(sends) - length_hint(round_), part

    def test_it_says_how_far_it_came(self) -> None:
        readers = [self.reader() for _ in range(MANY)]
        sends: list[Send] = [reader.here.send for reader in readers]
        self.assertEqual(self.far(sends), (MANY, 0))
        self.assertEqual(self.far([]), (0, 0))
        self.assertEqual(self.far([len, *sends]), (0, 0))
        self.assertEqual(self.far([sends[0], readers[1].here.recv]), (1, 0))  # type: ignore[list-item]
        taken, part = self.far(sends, LARGE)
        self.assertEqual(taken, 0)
        self.assertEqual(len(readers[0].heard()), 3 * len(DATA) - len(DATA) + part)
        readers[1].here.close()
        self.assertEqual(self.far(sends)[0], 1)
        send_all: Any = self.sender()
        for wrong in ((sends,), (sends, DATA), ((), DATA, iter(())), (sends, "text", iter(sends))):
            self.assertRaises(TypeError, send_all, *wrong)
        self.assertRaises(AttributeError, send_all, sends, DATA, "no iterator of a list")

    def test_it_knows_where_a_socket_keeps_its_number(self) -> None:
        import _chatnet_sends

        self.assertTrue(_chatnet_sends.descriptors_are_read)

    def test_nothing_is_left_open_when_it_is_imported(self) -> None:
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-W", "error", "-c", "import _chatnet_sends"],
            capture_output=True, text=True, timeout=30,
        )  # fmt: skip
        self.assertEqual((done.returncode, done.stderr), (0, ""))
