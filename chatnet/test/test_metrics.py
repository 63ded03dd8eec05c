"""What is counted, and who may read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from chatnet.core.events import Said
from chatnet.core.series import Series
from chatnet.core.tally import Tally
from chatnet.server.meter import PULSE_SECONDS, Pulse
from chatnet.test.rig import Client, Rig
from chatnet.web.metrics import Measures
from chatnet.web.site import ChatSite
from chatnet.wires.certificates import Certificates


def asks(rig: Rig, address: str, *headers: str, path: str = "/metrics") -> tuple[int, str]:
    """Return the status and the body of what ``path`` answers to ``address``."""
    client = rig.connects(address)
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", *headers, "", ""]
    client.door.dataReceived("\r\n".join(lines).encode())
    head, _, body = client.transport.value().decode().partition("\r\n\r\n")
    client.hangs_up()
    return int(head.split()[1]), body


def samples(body: str) -> Mapping[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return all values by their names and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(body)
        for sample in family.samples
    }


class Scraped:
    """What a server says of itself now."""

    def __init__(self, rig: Rig) -> None:
        status, body = asks(rig, "127.0.0.1")
        assert status == 200, body
        self._values = samples(body)

    def value(self, name: str, **labels: str) -> float:
        return self._values[f"chatnet_{name}", frozenset(labels.items())]


class TallyTests(SynchronousTestCase):
    def test_durations_are_counted_by_the_bound_that_they_do_not_exceed(self) -> None:
        tally = Tally((0.1, 1.0))
        for seconds in (0.05, 0.1, 0.5, 7.0):
            tally.note(seconds)
        self.assertEqual(list(tally.cumulative()), [(0.1, 2), (1.0, 3), (float("inf"), 4)])
        self.assertEqual((tally.count, round(tally.total, 6)), (4, 7.65))

    def test_a_clock_that_was_set_back_takes_nothing_away(self) -> None:
        tally = Tally((0.1,))
        tally.note(-3600.0)
        self.assertEqual((tally.count, tally.total), (1, 0.0))


class PulseTests(SynchronousTestCase):
    def test_it_notes_how_late_the_reactor_is(self) -> None:
        clock, delays = Clock(), Tally((0.1,))
        pulse = Pulse(clock, delays)
        pulse.start()
        clock.advance(PULSE_SECONDS)
        clock.advance(PULSE_SECONDS + 0.5)
        clock.advance(PULSE_SECONDS)
        self.assertEqual((delays.count, round(delays.total, 6)), (3, 0.5))
        pulse.stop()
        pulse.stop()
        self.assertEqual(clock.getDelayedCalls(), [])


class CountingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()

    def test_nothing_happened_yet_and_all_of_it_is_there(self) -> None:
        said = Scraped(self.rig)
        self.assertEqual(said.value("order_violations_total"), 0)
        self.assertEqual(said.value("messages_total", kind="said"), 0)
        self.assertEqual(said.value("clients", door="http", tls="no"), 1)
        self.assertEqual(said.value("clients", door="websocket", tls="yes"), 0)

    def test_clients_are_counted_by_their_doors(self) -> None:
        self.rig.member("ann")
        self.rig.member("bob")
        self.rig.program("bot")
        self.rig.connects()
        opening = (
            "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        self.rig.connects().door.dataReceived(opening.encode())
        said = Scraped(self.rig)
        doors = {
            door: said.value("clients", door=door, tls="no")
            for door in ("text", "json", "websocket", "http", "silent")
        }
        self.assertEqual(doors, {"text": 2, "json": 1, "websocket": 1, "http": 1, "silent": 1})
        self.assertEqual(said.value("connections_total"), 6)
        self.assertEqual(said.value("people"), 4)

    def test_messages_are_counted_once_whoever_reads_them(self) -> None:
        ann = self.rig.member("ann")
        self.rig.member("bob")
        ann.types("one", "two", "/roll 2d6", "/msg bob psst")
        said = Scraped(self.rig)
        self.assertEqual(said.value("messages_total", kind="said"), 2)
        self.assertEqual(said.value("messages_total", kind="rolled"), 1)
        self.assertEqual(said.value("messages_total", kind="whispered"), 2)  # in both logs

    def test_refusals_are_counted_by_their_codes(self) -> None:
        ann = self.rig.arrives()
        ann.types("/nick", "/join tea", "/kick bob", "/nosuch", "/nosuch")
        said = Scraped(self.rig)
        self.assertEqual(said.value("refusals_total", reason="malformed"), 3)
        self.assertEqual(said.value("refusals_total", reason="not-a-member"), 1)

    def test_who_is_parted_with_is_counted(self) -> None:
        ann = self.rig.member("ann")
        ann.types("/quit")
        self.assertEqual(Scraped(self.rig).value("partings_total", reason="quit"), 1)

    def test_a_full_server_counts_whom_it_turned_away(self) -> None:
        rig = Rig(max_clients=1)
        rig.member("ann")
        rig.arrives()
        self.assertEqual(rig.network.meter.refusals["server-full"], 1)
        self.assertEqual(rig.network.meter.connections, 1)

    def test_wrong_passwords_are_throttled(self) -> None:
        self.rig.account("ann")
        guest = self.rig.arrives()
        guest.types(*["/login ann wrong"] * 7)
        for _ in range(20):
            self.rig.clock.advance(10)
            self.rig.settle()
        said = Scraped(self.rig)
        self.assertEqual(said.value("refusals_total", reason="wrong-password"), 7)
        self.assertGreaterEqual(said.value("throttled_total", what="password"), 1)

    def test_who_asks_for_too_much_at_once_is_counted(self) -> None:
        ann = self.rig.member("ann")
        ann.types(*["/who"] * 100)
        self.assertGreaterEqual(Scraped(self.rig).value("throttled_total", what="turn"), 1)

    def test_commits_take_as_long_as_the_disk_does(self) -> None:
        ann = self.rig.member("ann")
        before = Scraped(self.rig)
        ann.asks("slow")
        self.rig.clock.advance(0)
        self.rig.clock.advance(0.3)
        self.rig.settle()
        after = Scraped(self.rig)
        grown = after.value("commit_seconds_sum") - before.value("commit_seconds_sum")
        self.assertAlmostEqual(grown, 0.3, 3)
        self.assertEqual(
            after.value("commit_seconds_count") - before.value("commit_seconds_count"), 1
        )
        self.assertGreater(
            after.value("fanout_seconds_count"), before.value("fanout_seconds_count")
        )

    def test_failed_commits_are_counted(self) -> None:
        ann = self.rig.member("ann")
        self.rig.store.fail_before = True
        ann.types("lost")
        self.rig.store.fail_before = False
        self.assertEqual(Scraped(self.rig).value("commit_failures_total"), 1)
        self.flushLoggedErrors()

    def test_a_reader_that_does_not_read_lags_behind(self) -> None:
        ann, bob = self.rig.member("ann"), self.rig.member("bob")
        bob.stops_listening()
        ann.types("one", "two", "three")
        said = Scraped(self.rig)
        self.assertEqual(said.value("cursor_lag_max_entries"), 3)
        self.assertEqual(said.value("cursor_lag_entries"), 3)
        self.assertEqual(said.value("readers_full"), 1)
        bob.listens()
        self.assertEqual(Scraped(self.rig).value("cursor_lag_entries"), 0)

    def test_disorder_is_counted_and_not_shown(self) -> None:
        ann = self.rig.member("ann")
        head = self.rig.room("tea").log.head
        said, now = [Said("bob", "from nowhere")], self.rig.clock.seconds()
        stray = Series("tea", head + 2, [now], said)
        self.assertRaises(AssertionError, self.rig.network._deliver, stray)
        ann.types("/who")
        self.assertNotIn("from nowhere", "\n".join(ann.hears()))
        self.assertEqual(Scraped(self.rig).value("order_violations_total"), 1)

    def test_when_the_certificate_expires_is_told(self) -> None:
        certificates = Certificates.in_memory()
        self.rig.factory.web = ChatSite(self.rig.factory, certificates).answer
        expires = Scraped(self.rig).value("certificate_expiry_timestamp_seconds")
        self.assertEqual(expires, certificates.expires.timestamp())

    def test_every_name_is_as_prometheus_wants_it(self) -> None:
        self.rig.member("ann")
        for family in Measures(self.rig.factory, Certificates.in_memory()).collect():
            self.assertTrue(family.name.startswith("chatnet_"), family.name)
            self.assertTrue(family.documentation.endswith("."), family.name)
            if "seconds" in family.name or "bytes" in family.name:
                self.assertRegex(family.name, "_(seconds|bytes)$")


class ReadersTests(SynchronousTestCase):
    def status(self, address: str, *headers: str, **settings: Any) -> int:
        return asks(Rig(**settings), address, *headers)[0]

    def test_this_machine_may(self) -> None:
        for address in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
            self.assertEqual(self.status(address), 200)

    def test_strangers_may_not_and_learn_nothing(self) -> None:
        status, body = asks(Rig(), "192.0.2.1")
        self.assertEqual(status, 403)
        self.assertNotIn("chatnet_", body)

    def test_those_who_were_named_may(self) -> None:
        named = {"metrics": ("192.0.2.0/24", "2001:db8::7")}
        self.assertEqual(self.status("192.0.2.1", **named), 200)
        self.assertEqual(self.status("2001:db8::7", **named), 200)
        self.assertEqual(self.status("::ffff:192.0.2.1", **named), 200)
        self.assertEqual(self.status("198.51.100.1", **named), 403)

    def test_whoever_comes_through_a_proxy_that_was_not_named_may_not(self) -> None:
        for header in ("X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1"):
            self.assertEqual(self.status("127.0.0.1", header), 403)

    def test_of_a_named_proxy_its_client_counts(self) -> None:
        named = {"proxies": ("127.0.0.1",)}
        self.assertEqual(self.status("127.0.0.1", "X-Forwarded-For: 192.0.2.1", **named), 403)
        self.assertEqual(self.status("127.0.0.1", "X-Forwarded-For: ::1", **named), 200)
        self.assertEqual(self.status("127.0.0.1", "X-Forwarded-For: what", **named), 400)

    def test_only_to_read_is_possible(self) -> None:
        client: Client = Rig().connects("127.0.0.1")
        client.door.dataReceived(
            b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
        )
        self.assertIn(b" 405 ", client.transport.value())

    def test_openmetrics_is_spoken_too(self) -> None:
        accept = "Accept: application/openmetrics-text; version=1.0.0"
        _, body = asks(Rig(), "127.0.0.1", accept)
        self.assertTrue(body.endswith("# EOF\n"))
