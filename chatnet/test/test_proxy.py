"""Proxies that say for whom they speak; those who pretend to be one; and headers without an end."""

from __future__ import annotations

import struct
from ipaddress import ip_address
from typing import Any, cast

from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory
from twisted.logger import capturedLogs
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.test.requesthelper import DummyChannel

from chatnet.core.addresses import Networks, bare_address
from chatnet.core.events import Acted
from chatnet.test.properties import given, st
from chatnet.test.rig import Client, Rig, Wire
from chatnet.web.asker import Askers, Contradiction
from chatnet.web.request import ChatRequest
from chatnet.wires.certificates import Certificates
from chatnet.wires.oneport import GREET_SECONDS, HANDSHAKE_SECONDS, SIGNATURE, Speech, detect
from chatnet.wires.proxied import (
    LONGEST,
    LONGEST_LINE,
    Client as Named,
    NoHeader,
    Proxied,
    Proxies,
    read_header,
)

PROXY = "10.0.0.5"
CLIENT = "203.0.113.9"
LINE = f"PROXY TCP4 {CLIENT} {PROXY} 4000 8888\r\n".encode()
TLS_VALUE = b"\x20\x00\x05\x01\0\0\0\0"  # the client came over TLS


def binary(client: str, more: bytes = b"", command: int = 0x21) -> bytes:
    """Return a header of version 2."""
    ip = ip_address(client)
    body = ip.packed + bytes(len(ip.packed)) + struct.pack("!HH", 4000, 8888) + more
    family = 0x11 if ip.version == 4 else 0x21
    return SIGNATURE + struct.pack("!BBH", command, family, len(body)) + body


class NetworksTests(SynchronousTestCase):
    def test_addresses_and_networks_and_sockets_without_one(self) -> None:
        named = Networks(("192.0.2.0/24", "2001:db8::1", "unix"))
        for address in ("192.0.2.9", "::ffff:192.0.2.9", "2001:db8::1", ""):
            self.assertIn(address, named)
        for address in ("192.0.3.1", "2001:db8::2", "nonsense", "::ffff:192.0.3.1"):
            self.assertNotIn(address, named)
        self.assertNotIn("", Networks(("192.0.2.1",)))
        self.assertFalse(Networks(()))

    def test_what_is_none_is_refused(self) -> None:
        for written in ("proxy.example.org", "192.0.2.1/24", "192.0.2", "", "0.0.0.0/33"):
            self.assertRaises(ValueError, Networks, (written,))

    def test_an_address_may_have_a_port(self) -> None:
        for written, address in {
            "192.0.2.1": "192.0.2.1",
            "192.0.2.1:80": "192.0.2.1",
            "2001:DB8::1": "2001:db8::1",
            "[2001:db8::1]:80": "2001:db8::1",
            "[::ffff:192.0.2.1]": "192.0.2.1",
            "unknown": "",
            "_hidden": "",
            "": "",
            "[": "",
        }.items():
            self.assertEqual(bare_address(written), address)


class HeaderTests(SynchronousTestCase):
    HEADERS = (
        (LINE, Named(CLIENT)),
        (b"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n", Named("2001:db8::1")),
        (b"PROXY TCP6 fe80::1%\x1b[2J 2001:db8::2 1 2\r\n", Named("fe80::1")),
        (b"PROXY UNKNOWN\r\n", Named("")),
        (b"PROXY UNKNOWN ffff:: ffff:: 65535 65535\r\n", Named("")),
        (binary(CLIENT), Named(CLIENT)),
        (binary("2001:db8::1"), Named("2001:db8::1")),
        (binary("::ffff:192.0.2.1"), Named("192.0.2.1")),
        (binary(CLIENT, b"\x03\x00\x04abcd" + TLS_VALUE), Named(CLIENT, True)),
        (binary(CLIENT, b"\x20\x00\x05\x00\0\0\0\0"), Named(CLIENT)),
        (binary(CLIENT, b"\x20\xff\xff\x01"), Named(CLIENT, True)),
        (binary(CLIENT, b"\x20\x00"), Named(CLIENT)),
        (binary(CLIENT, command=0x20), Named("")),  # LOCAL: the proxy itself
        (SIGNATURE + b"\x20\x00\x00\x00", Named("")),
        (SIGNATURE + b"\x21\x00\x00\x00", Named("")),
        (SIGNATURE + b"\x21\x31\x00\xd8" + bytes(216), Named("")),  # of a UNIX socket
    )

    def test_what_they_say_wherever_they_are_cut(self) -> None:
        for header, client in self.HEADERS:
            for size in range(len(header)):
                self.assertIsNone(read_header(header[:size]), header[:size])
            self.assertEqual(read_header(header), (client, b""))
            self.assertEqual(read_header(header + b"\r\nmore\r\n"), (client, b"\r\nmore\r\n"))

    def test_what_makes_no_sense_is_none(self) -> None:
        for header in (
            b"PROXY TCP4 203.0.113.999 10.0.0.5 1 2\r\n",
            b"PROXY TCP4 localhost 10.0.0.5 1 2\r\n",
            b"PROXY TCP4 203.0.113.9\r\n",
            b"PROXY TCP4 203.0.113.9 10.0.0.5 x y\r\n",
            b"PROXY TCP5 203.0.113.9 10.0.0.5 1 2\r\n",
            b"PROXY TCP4 \xff\xff 10.0.0.5 1 2\r\n",
            b"PROXY \r\n",
            b"PROXY " + b"x" * LONGEST_LINE,
            b"GET / HTTP/1.1\r\n",
            SIGNATURE + b"\x11\x11\x00\x00",
            SIGNATURE + b"\x22\x11\x00\x00",
            SIGNATURE + b"\x21\x11\x00\x04\1\2\3\4",
            SIGNATURE + b"\x21\xff\x00\x00",
            SIGNATURE + b"\x21\x11\xff\xff",  # more than anybody has to say
        ):
            self.assertRaises(NoHeader, read_header, header)

    @given(st.binary(max_size=300), st.sampled_from((b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE)))
    def test_whatever_comes_is_a_header_or_none_or_too_short(
        self, data: bytes, first: bytes
    ) -> None:
        try:
            found = read_header(first + data)
        except NoHeader:
            return
        if found is None:
            self.assertLess(len(first + data), LONGEST)
        else:
            self.assertTrue((first + data).endswith(found[1]))


class ProxiedRig(Rig):
    """A server before which stands who meets proxies."""

    def __init__(self, *named: str, **settings: Any) -> None:
        super().__init__(**{"proxies": named} | settings)

    def meets(self, *data: bytes, peer: str | IAddress = PROXY) -> Client:
        """Return a connection from ``peer`` that brings ``data``."""
        address = IPv4Address("TCP", peer, 1) if isinstance(peer, str) else peer
        settings = self.settings
        front = Proxies(self.factory, self.clock, self.host.proxies, settings.max_clients)
        door = front.buildProtocol(cast(Any, address))
        assert door is not None
        transport = Wire()
        door.makeConnection(transport)
        for chunk in data:
            door.dataReceived(chunk)
        self.settle()
        return Client(cast(Any, door), transport, self)

    def actor(self) -> tuple[str, bool]:
        """Return the address of the only session, and whether it may say passwords."""
        (session,) = self.factory.sessions.values()
        return session.actor.address, session._trusted


class SpokenForTests(SynchronousTestCase):
    def rig(self, *named: str, **settings: Any) -> ProxiedRig:
        return ProxiedRig(*named or (PROXY,), allow_plaintext_passwords=False, **settings)

    def test_the_client_is_whom_the_header_names(self) -> None:
        for header, client in HeaderTests.HEADERS:
            rig = self.rig()
            ann = rig.meets(header + b"/nick ann\r\n")
            self.assertIn("You are now ann.", ann.hears())
            self.assertEqual(rig.actor()[0], client.address or PROXY)

    def test_it_may_come_a_byte_at_a_time(self) -> None:
        for header in (LINE, binary(CLIENT)):
            rig = self.rig()
            data = header + b"/nick ann\r\n"
            ann = rig.meets(*(data[at : at + 1] for at in range(len(data))))
            self.assertIn("You are now ann.", ann.hears())
            self.assertEqual(rig.actor()[0], CLIENT)

    def test_a_person_behind_it_is_greeted(self) -> None:
        rig = self.rig()
        ann = rig.meets(LINE)
        rig.clock.advance(GREET_SECONDS)
        rig.settle()
        self.assertTrue(ann.hears()[0].startswith("Welcome to chatnet!"))

    def test_bans_hold_against_the_client_and_not_against_its_proxy(self) -> None:
        rig = self.rig()
        op = rig.member("op")
        rude = rig.meets(LINE + b"/nick rude\r\n/join tea\r\n")
        op.types("/ban rude")
        again = rig.meets(LINE + b"/nick other\r\n/join tea\r\n")
        self.assertIn("banned", "\n".join(again.hears()))
        nice = rig.meets(LINE.replace(b".9 ", b".10 ") + b"/nick nice\r\n/join tea\r\n")
        self.assertIn("Welcome to room tea!", nice.hears())
        rude.hangs_up()

    def test_passwords_are_taken_only_if_all_of_the_way_is_private(self) -> None:
        for peer, header, private in (
            (PROXY, LINE, False),
            (PROXY, binary(CLIENT, TLS_VALUE), False),  # from the proxy to here, anybody can read
            ("127.0.0.1", LINE, False),
            ("127.0.0.1", binary(CLIENT), False),
            ("127.0.0.1", binary(CLIENT, TLS_VALUE), True),
            ("127.0.0.1", b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n", True),
            ("127.0.0.1", b"PROXY UNKNOWN\r\n", True),
        ):
            rig = self.rig(PROXY, "127.0.0.1")
            rig.meets(header + b"/nick ann\r\n", peer=peer)
            self.assertEqual(rig.actor()[1], private, header)

    def test_it_may_come_through_a_unix_socket(self) -> None:
        rig = self.rig("unix")
        rig.meets(LINE + b"/nick ann\r\n", peer=UNIXAddress(b""))
        self.assertEqual(rig.actor(), (CLIENT, False))

    def test_json_and_http_and_tls_may_follow(self) -> None:
        rig = self.rig()
        bot = rig.meets(LINE + b'{"do":"nick","name":"bot"}\n')
        self.assertIn(b'"bot"', bot.transport.value())
        self.assertEqual(rig.actor()[0], CLIENT)
        page = rig.meets(LINE + b"GET /about HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertIn(b" 200 ", page.transport.value())
        certificates = Certificates.in_memory()
        rig.factory._tls = TLSMemoryBIOFactory(certificates, False, Factory(), rig.clock)
        tls = rig.meets(LINE + b"\x16\x03\x01\x02\x00")
        door = tls.door._door  # type: ignore[attr-defined]
        self.assertIs(door.speech, Speech.TLS)
        self.assertEqual((door.inside.address, door.inside.peer), (CLIENT, PROXY))

    def test_its_end_is_the_end(self) -> None:
        rig = self.rig()
        ann = rig.meets(LINE + b"/nick ann\r\n/join tea\r\n")
        ann.hangs_up()
        rig.settle()
        self.assertEqual((len(rig.factory.registry), rig.room("tea").state.members), (0, {}))

    def test_who_sends_no_more_may_still_read(self) -> None:
        rig = self.rig()
        ann = rig.meets(LINE + b"/nick ann\r\n/join tea\r\nhello\r\n")
        cast(Any, ann.door).readConnectionLost()
        rig.settle()
        self.assertTrue(ann.transport.disconnecting)
        self.assertEqual(
            [e.event.body for e in rig.store.kept("tea") if hasattr(e.event, "body")], ["hello"]
        )


class ForgedTests(SynchronousTestCase):
    def test_strangers_are_refused_in_a_sentence(self) -> None:
        for header in (LINE, binary(CLIENT), b"PROXY UNKNOWN\r\n"):
            rig = ProxiedRig(PROXY)
            mallory = rig.meets(header + b"/nick ann\r\n", peer="198.51.100.1")
            (said,) = mallory.hears()
            self.assertTrue(said.startswith("You say for whom you are"), said)
            self.assertEqual(rig.factory.sessions, {})
            self.assertEqual(rig.network.meter.refusals["not-allowed"], 1)

    def test_without_any_proxy_nobody_is_one(self) -> None:
        rig = Rig()
        for header in (LINE, binary(CLIENT)):
            mallory = rig.connects(PROXY)
            mallory.door.dataReceived(header)
            self.assertTrue(mallory.hears()[0].startswith("You say for whom you are"))

    def test_a_second_header_is_the_client_s_own_and_refused(self) -> None:
        for first in (LINE, binary(CLIENT)):
            rig = ProxiedRig(PROXY)
            mallory = rig.meets(first + LINE.replace(b".9 ", b".1 ") + b"/nick ann\r\n")
            (said,) = mallory.hears()
            self.assertTrue(said.startswith("You say for whom you are"), said)

    def test_a_header_of_http_behind_one_of_the_proxy_counts_for_nothing(self) -> None:
        rig = ProxiedRig(PROXY)
        lines = (
            "GET /metrics HTTP/1.1", "Host: localhost", "X-Forwarded-For: 127.0.0.1", "", "",
        )  # fmt: skip
        mallory = rig.meets(LINE + "\r\n".join(lines).encode())
        self.assertIn(b" 403 ", mallory.transport.value())

    def test_a_proxy_that_names_nobody_is_told_to(self) -> None:
        for said in (b"/nick ann\r\n", b'{"do":"hello"}\n', b"PROXY TCP4 x y 1 2\r\n/nick ann\r\n"):
            rig = ProxiedRig(PROXY)
            nobody = rig.meets(said)
            self.assertEqual(rig.factory.sessions, {})
            self.assertTrue(nobody.transport.disconnecting, said)
            self.assertTrue(nobody.hears(), said)

    def test_it_may_look_how_the_server_is(self) -> None:
        rig = ProxiedRig(PROXY)
        check = rig.meets(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertIn(b" 200 ", check.transport.value())

    def test_the_beginning_of_a_word_is_not_taken_for_a_header(self) -> None:
        self.assertIs(detect(LINE), Speech.PROXY)
        self.assertIs(detect(binary(CLIENT)), Speech.PROXY)
        for word in (b"PROXY ", b"P", b"PROXY TCP4", b"PROXY UNKNOW"):
            self.assertIsNone(detect(word))
        for words in (b"PROXY of the day\r\n", b"PROXIES\r\n", b"\r\n\r\n", b"PROXY TCP7 "):
            self.assertIs(detect(words), Speech.TEXT)


class EndlessTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = ProxiedRig(PROXY, max_clients=3)

    def test_half_a_header_is_cut_however_slowly_it_comes(self) -> None:
        for header in (LINE, binary(CLIENT)):
            half = self.rig.meets(header[:4])
            for at in range(4, 13):
                self.rig.clock.advance(2)
                half.door.dataReceived(header[at : at + 1])
            self.assertFalse(half.transport.aborted)
            self.rig.clock.advance(HANDSHAKE_SECONDS - 18)
            self.assertTrue(half.transport.aborted)
            half.hangs_up()

    def test_silence_is_cut(self) -> None:
        silent = self.rig.meets()
        self.rig.clock.advance(HANDSHAKE_SECONDS)
        self.assertTrue(silent.transport.aborted)
        self.assertEqual(silent.transport.value(), b"")

    def test_a_line_without_an_end_is_no_header(self) -> None:
        endless = self.rig.meets(b"PROXY TCP4 " + b"1" * 2000)
        self.assertTrue(endless.transport.disconnecting)
        self.assertTrue(endless.hears())

    def test_a_long_one_is_not_waited_for(self) -> None:
        long = self.rig.meets(SIGNATURE + b"\x21\x11\xff\xff")
        self.assertTrue(long.transport.disconnecting)

    def test_only_so_many_may_be_begun(self) -> None:
        proxies = Proxies(self.rig.factory, self.rig.clock, lambda: Networks((PROXY,)), 2)
        address = IPv4Address("TCP", PROXY, 1)
        begun = [proxies.buildProtocol(address) for _ in range(2)]
        for one in begun:
            cast(Any, one).makeConnection(Wire())
        self.assertIsNone(proxies.buildProtocol(address))
        cast(Any, begun[0]).connectionLost()
        self.assertIsInstance(proxies.buildProtocol(address), Proxied)
        self.rig.clock.advance(HANDSHAKE_SECONDS)

    def test_whoever_goes_on_while_the_server_stops_is_not_let_in(self) -> None:
        late = self.rig.meets(LINE[:8])
        self.rig.factory.stopping = True
        late.door.dataReceived(LINE[8:])
        self.assertTrue(late.transport.aborted)
        self.assertEqual(len(self.rig.factory.registry), 0)


def request(address: str, **headers: str) -> ChatRequest:
    """Return a request from ``address`` with ``headers``, with hyphens for underscores."""
    rig = Rig()
    made = ChatRequest(DummyChannel(), rig.connects(address).door)
    for name, value in headers.items():
        made.requestHeaders.addRawHeader(name.replace("_", "-").encode(), value.encode())
    return made


class AskerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.askers = Askers(lambda: Networks((PROXY, "10.0.1.0/24")))

    def client(self, address: str = PROXY, **headers: str) -> str:
        return self.askers.of(request(address, **headers)).address

    def test_the_rightmost_that_is_no_proxy_is_the_client(self) -> None:
        for header, client in {
            CLIENT: CLIENT,
            f"127.0.0.1, {CLIENT}": CLIENT,  # the client's own invention stands further left
            f"forged, {CLIENT}": CLIENT,
            f"127.0.0.1, {CLIENT}, 10.0.1.7": CLIENT,
            f"{CLIENT}:4000": CLIENT,
            "2001:db8::1": "2001:db8::1",
            "10.0.1.7": "10.0.1.7",  # a proxy asks for itself
        }.items():
            self.assertEqual(self.client(x_forwarded_for=header), client, header)

    def test_forwarded_says_it_too(self) -> None:
        for header, client in {
            f"for={CLIENT}": CLIENT,
            f"for=127.0.0.1, for={CLIENT};proto=https;by=10.0.0.5": CLIENT,
            'For="[2001:db8::1]:4711"': "2001:db8::1",
            f'for="127.0.0.1, for={CLIENT}': CLIENT,  # a quote that was not closed
        }.items():
            self.assertEqual(self.client(forwarded=header), client, header)

    def test_two_that_do_not_agree_are_refused(self) -> None:
        self.assertEqual(self.client(x_forwarded_for=CLIENT, forwarded=f"for={CLIENT}"), CLIENT)
        for headers in (
            {"x_forwarded_for": CLIENT, "forwarded": "for=127.0.0.1"},
            {"x_forwarded_for": "127.0.0.1", "forwarded": f"for={CLIENT}"},
        ):
            self.assertRaises(Contradiction, self.client, **headers)

    def test_nonsense_is_refused(self) -> None:
        for headers in (
            {"x_forwarded_for": "unknown"},
            {"x_forwarded_for": ","},
            {"x_forwarded_for": "1" * 8000},
            {"forwarded": "for=_hidden"},
            {"forwarded": "nothing"},
        ):
            self.assertRaises(Contradiction, self.client, **headers)

    def test_nobody_else_is_believed(self) -> None:
        asker = self.askers.of(request("198.51.100.1", x_forwarded_for="127.0.0.1"))
        self.assertEqual((asker.address, asker.vouched), ("198.51.100.1", False))

    def test_what_came_without_tls_was_overheard(self) -> None:
        for proto, client, overheard in (
            ("http", CLIENT, True),
            ("https, http", CLIENT, True),
            ("HTTPS", CLIENT, False),
            ("http, https", CLIENT, False),
            ("http", "127.0.0.1", False),
        ):
            asked = request(PROXY, x_forwarded_for=client, x_forwarded_proto=proto)
            self.assertEqual(self.askers.of(asked).overheard, overheard, (proto, client))


class WebSocketTests(SynchronousTestCase):
    def opens(self, rig: ProxiedRig, *headers: str, peer: str = PROXY) -> bytes:
        lines = (
            "GET /ws HTTP/1.1", "Host: chat.example.org", "Upgrade: websocket",
            "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13", *headers, "", "",
        )  # fmt: skip
        client = rig.meets("\r\n".join(lines).encode(), peer=peer)
        said: bytes = client.transport.value()
        return said

    def test_the_session_is_the_client_s(self) -> None:
        rig = ProxiedRig(PROXY, allow_plaintext_passwords=False)
        said = self.opens(rig, f"X-Forwarded-For: {CLIENT}")
        self.assertIn(b" 101 ", said)
        self.assertEqual(rig.actor(), (CLIENT, False))

    def test_passwords_are_taken_if_the_proxy_is_here_and_speaks_tls(self) -> None:
        for proto, private in (("https", True), ("http", False)):
            rig = ProxiedRig("127.0.0.1", allow_plaintext_passwords=False)
            headers = (f"X-Forwarded-For: {CLIENT}", f"X-Forwarded-Proto: {proto}")
            self.opens(rig, *headers, peer="127.0.0.1")
            self.assertEqual(rig.actor(), (CLIENT, private))

    def test_a_proxy_has_to_say_for_whom(self) -> None:
        rig = ProxiedRig(PROXY)
        self.assertIn(b" 400 ", self.opens(rig))
        self.assertEqual(rig.network.meter.refusals["http-400"], 1)

    def test_a_ban_from_the_server_hits_the_client_and_not_the_proxy(self) -> None:
        rig = ProxiedRig(PROXY)
        rig.network.note([Acted("operator", "ban", f"address {CLIENT}")])
        rig.settle()
        self.assertIn(b" 403 ", self.opens(rig, f"X-Forwarded-For: {CLIENT}"))
        self.assertIn(b" 101 ", self.opens(rig, "X-Forwarded-For: 198.51.100.77"))
        self.assertIn("banned", rig.meets(LINE + b"hello\r\n").hears()[-1])

    def test_a_proxy_that_was_not_named_is_told_to_the_operator_once(self) -> None:
        rig = ProxiedRig("198.51.100.5")
        strange, warnings = "127.0.0.1", 0
        for peer, seen in (("203.0.113.1", ""), (strange, strange), (strange, strange)):
            with capturedLogs() as logged:
                self.opens(rig, f"X-Forwarded-For: {CLIENT}", peer=peer)
            self.assertEqual(rig.network.meter.strange_proxy, seen)
            warnings += sum(
                "was not named with --proxy" in str(one["log_format"]) for one in logged
            )
        self.assertEqual(warnings, 1)

    def test_strangers_say_what_they_like(self) -> None:
        rig = ProxiedRig(PROXY)
        self.opens(rig, "X-Forwarded-For: 127.0.0.1", peer="198.51.100.1")
        self.assertEqual(rig.actor()[0], "198.51.100.1")
