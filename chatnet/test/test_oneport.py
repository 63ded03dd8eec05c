"""The port that listens first: who speaks how, split at every byte, silent, late and hostile."""

from __future__ import annotations

from twisted.internet.interfaces import IProtocol, ITCPTransport
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from chatnet.core.refusals import ServerFull
from chatnet.test.properties import given, st
from chatnet.test.rig import Rig, Wire
from chatnet.wires.oneport import (
    GREET_SECONDS,
    HANDSHAKE_SECONDS,
    HTTP_SECONDS,
    LINGER_SECONDS,
    OnePort,
    Speech,
    detect,
)

FIRST = {
    b"\x16\x03\x01\x02\x00": Speech.TLS,
    b"GET / HTTP/1.1\r\n": Speech.HTTP,
    b"POST /say HTTP/1.1\r\n": Speech.HTTP,
    b"DELETE * HTTP/1.0\r\n": Speech.HTTP,
    b"PRI * HTTP/2.0\r\n": Speech.HTTP,
    b'{"do": "hello"}\n': Speech.JSON,
    b"/join tea\r\n": Speech.TEXT,
    b"get me some tea\r\n": Speech.TEXT,
    b"GETTING late\r\n": Speech.TEXT,
    b"PUT\r\n": Speech.TEXT,
    b"\x16\x00": Speech.TEXT,
    b"\xff\xfb\x01": Speech.TEXT,
    b"\r\n": Speech.TEXT,
    b" GET / HTTP/1.1\r\n": Speech.TEXT,
}


class Inner(Protocol):
    """Writes down what it was given."""

    def __init__(self) -> None:
        self.heard = b""
        self.lost = False

    def connectionMade(self) -> None:
        self.transport.registerProducer(self, True)  # type: ignore[union-attr]

    def dataReceived(self, data: bytes) -> None:
        self.heard += data

    def connectionLost(self, reason: object = None) -> None:
        self.lost = True


class Hotel:
    """A house that gives each guest a protocol that only listens."""

    def __init__(self, full: str = "") -> None:
        self.full = full
        self.inner = Inner()
        self.speeches: list[Speech] = []
        self.departed = 0
        self.mistakes = 0

    def admit(self, door: OnePort) -> None:
        door.refusal = ServerFull(self.full) if self.full else None

    def depart(self, door: OnePort) -> None:
        self.departed += 1

    def receive(self, door: OnePort, speech: Speech) -> IProtocol | bytes:
        self.speeches.append(speech)
        self.inner = Inner()
        return str(door.refusal).encode() if door.refusal else self.inner

    def mistaken(self, door: OnePort) -> None:
        self.mistakes += 1


@implementer(ITCPTransport)
class HalfClosing(Wire):
    """One that can say that no more comes, and be told so."""

    half_closed = False

    def loseWriteConnection(self) -> None:  # noqa: N802 -- Twisted's name
        self.half_closed = True

    def _set(self, enabled: bool) -> None:
        """It is no socket."""

    setTcpNoDelay = setTcpKeepAlive = _set  # noqa: N815
    getTcpNoDelay = getTcpKeepAlive = lambda self: True  # noqa: N815


def arrive(house: Hotel) -> tuple[OnePort, Wire, Clock]:
    clock, transport = Clock(), Wire()
    door = OnePort(house, clock, "192.0.2.1")
    door.makeConnection(transport)
    return door, transport, clock


class DetectionTests(SynchronousTestCase):
    def test_the_first_bytes_tell(self) -> None:
        for first, speech in FIRST.items():
            self.assertIs(detect(first), speech, first)

    def test_it_is_told_once_and_for_all_and_never_wrongly(self) -> None:
        for first, speech in FIRST.items():
            known = [detect(first[:size]) for size in range(len(first) + 1)]
            self.assertEqual({one for one in known if one}, {speech}, first)
            self.assertEqual(known, sorted(known, key=bool), first)  # it does not change its mind

    @given(st.binary(max_size=20), st.binary(max_size=20))
    def test_more_bytes_do_not_change_it(self, first: bytes, more: bytes) -> None:
        known = detect(first)
        if known is not None:
            self.assertIs(detect(first + more), known)
        else:
            self.assertLess(len(first), 13)


class OnePortTests(SynchronousTestCase):
    def test_wherever_the_bytes_are_cut_all_reach_the_one_who_was_chosen(self) -> None:
        for first, speech in FIRST.items():
            for cut in range(1, len(first) + 1):
                house = Hotel()
                door, _, _ = arrive(house)
                door.dataReceived(first[:cut])
                if first[cut:]:
                    door.dataReceived(first[cut:])
                door.dataReceived(b"more")
                self.assertEqual(house.speeches, [speech])
                self.assertEqual(house.inner.heard, first + b"more")

    def test_byte_by_byte(self) -> None:
        for first, speech in FIRST.items():
            house = Hotel()
            door, _, _ = arrive(house)
            for byte in first:
                door.dataReceived(bytes((byte,)))
            self.assertEqual((house.speeches, house.inner.heard), ([speech], first))

    def test_silence_is_a_person_who_waits(self) -> None:
        house = Hotel()
        door, _, clock = arrive(house)
        clock.advance(GREET_SECONDS)
        self.assertEqual((house.speeches, clock.getDelayedCalls()), ([Speech.TEXT], []))
        door.dataReceived(b"G")
        door.dataReceived(b"ood day")
        door.dataReceived(b"GET out")
        self.assertEqual((house.inner.heard, house.mistakes), (b"Good dayGET out", 0))

    def test_who_has_begun_to_speak_is_not_greeted_but_has_to_go_on(self) -> None:
        for first in (b"G", b"\x16"):
            house = Hotel()
            door, transport, clock = arrive(house)
            door.dataReceived(first)
            clock.advance(HANDSHAKE_SECONDS - 1)
            self.assertEqual((house.speeches, transport.aborted), ([], False))
            clock.advance(1)
            self.assertEqual((house.speeches, transport.aborted), ([], True))

    def test_a_browser_that_was_greeted_is_never_taken_for_a_person(self) -> None:
        for first in (b"POST / HTTP/1.1\r\n\r\n/quit\r\n", b"\x16\x03\x01/quit\r\n"):
            for cut in range(1, len(first)):
                house = Hotel()
                door, _, clock = arrive(house)
                clock.advance(GREET_SECONDS)
                door.dataReceived(first[:cut])
                door.dataReceived(first[cut:])
                door.dataReceived(b"/quit\r\n")
                self.assertEqual((house.inner.heard, house.mistakes), (b"", 1), first[:cut])

    def test_who_was_greeted_may_still_turn_out_to_speak_json(self) -> None:
        house = Hotel()
        door, _, clock = arrive(house)
        clock.advance(GREET_SECONDS)
        greeter = house.inner
        door.dataReceived(b'{"do"')
        door.dataReceived(b": ...")
        self.assertEqual(house.speeches, [Speech.TEXT, Speech.JSON])
        self.assertEqual(
            (greeter.lost, greeter.heard, house.inner.heard), (True, b"", b'{"do": ...')
        )

    def test_who_sends_no_more_has_said_all_it_wanted_to(self) -> None:
        for greeted in (False, True):
            house = Hotel()
            door, transport, clock = arrive(house)
            if greeted:
                clock.advance(GREET_SECONDS)
            door.dataReceived(b"GE")
            door.readConnectionLost()
            self.assertEqual((house.speeches, house.inner.heard), ([Speech.TEXT], b"GE"))
            self.assertTrue(transport.disconnecting)

    def test_who_is_turned_away_is_told_why_and_never_heard(self) -> None:
        house = Hotel(full="full\r\n")
        door, transport, clock = arrive(house)
        door.dataReceived(b"hello")
        door.dataReceived(b"hello?")
        self.assertEqual((transport.value(), house.inner.heard), (b"full\r\n", b""))
        self.assertTrue(transport.disconnecting)
        clock.advance(LINGER_SECONDS)
        self.assertTrue(transport.aborted)
        door.connectionLost()
        self.assertEqual((house.departed, clock.getDelayedCalls()), (1, []))

    def test_who_is_turned_away_and_has_read_why_is_not_waited_for(self) -> None:
        house = Hotel(full="full\r\n")
        door, transport = OnePort(house, Clock(), "192.0.2.1"), HalfClosing()
        door.makeConnection(transport)
        door.dataReceived(b"hello")
        self.assertEqual((transport.half_closed, transport.disconnecting), (True, False))
        door.readConnectionLost()
        self.assertTrue(transport.disconnecting)

    def test_http_goes_on_for_a_bounded_time(self) -> None:
        house = Hotel()
        door, transport, clock = arrive(house)
        door.dataReceived(b"GET / HTTP/1.1\r\n")
        clock.advance(HTTP_SECONDS)
        self.assertTrue(transport.aborted)

    def test_what_http_becomes_goes_on_for_as_long_as_it_likes(self) -> None:
        house = Hotel()
        door, transport, clock = arrive(house)
        door.dataReceived(b"GET / HTTP/1.1\r\n")
        other = Inner()
        door.become(other)
        clock.advance(HTTP_SECONDS)
        door.dataReceived(b"frames")
        self.assertEqual((other.heard, transport.aborted), (b"frames", False))
        door.connectionLost()
        self.assertTrue(other.lost)

    def test_the_end_reaches_the_house_and_the_chosen_one(self) -> None:
        house = Hotel()
        door, _, clock = arrive(house)
        door.dataReceived(b"ab")
        door.connectionLost()
        self.assertEqual((house.departed, house.inner.lost, clock.getDelayedCalls()), (1, True, []))

    def test_it_is_counted_out_also_if_what_was_spoken_breaks(self) -> None:
        house = Hotel()
        door, *_ = arrive(house)
        door.dataReceived(b"hello\r\n")
        self.patch(house.inner, "connectionLost", lambda *_: 1 / 0)
        self.assertRaises(ZeroDivisionError, door.connectionLost)  # which the reactor logs
        self.assertEqual((house.departed, door.inner), (1, None))


class GreetedTests(SynchronousTestCase):
    """The same with the whole server behind the port."""

    def test_a_post_on_a_silent_connection_runs_no_command(self) -> None:
        rig = Rig()
        bob = rig.member("bob")
        browser = rig.arrives()
        browser.hears()
        browser.types("POST / HTTP/1.1", "", "/join tea", "hello")
        self.assertIn("HTTP and TLS speak first", browser.hears()[0])
        self.assertTrue(browser.transport.disconnecting)
        self.assertEqual(bob.hears(), [])

    def test_json_typed_by_hand(self) -> None:
        rig = Rig()
        person = rig.arrives()
        guest = person.hears()[0].rpartition(" ")[2].rstrip(".")
        person.types('{"do": "join", "room": "tea"}')
        hello, entered, joined = person.receives()
        self.assertEqual((hello["reply"], entered["reply"]), ("hello", "entered"))
        self.assertEqual(joined["who"], hello["you"])
        self.assertNotEqual(hello["you"], guest)
        self.assertEqual(len(rig.factory.sessions), 1)
        self.assertIsNone(rig.network.people.find(guest))
