"""``/metrics``: what the server counts, as Prometheus reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

from prometheus_client.core import (
    CollectorRegistry,
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from twisted.web.resource import Resource

from chatnet import __version__
from chatnet.core import events as e
from chatnet.core.addresses import networks, party_of
from chatnet.core.tally import Tally
from chatnet.server.factory import ChatFactory
from chatnet.web.asker import Askers, Contradiction
from chatnet.web.request import request_of
from chatnet.wires.certificates import Certificates
from chatnet.wires.oneport import OnePort, Speech

MOST_CURSORS = 50_000  # readers' places that are looked at for one answer
SPOKEN = (
    e.Said, e.Sealed, e.Rolled, e.Shared, e.Whispered, e.SealedWhisper, e.Announced, e.Noticed
)  # fmt: skip
_DOORS = ("text", "json", "websocket", "http", "silent")
_ELSEWHERE = (
    "Metrics are for this machine, and for those whom the operator named with --metrics ADDRESS."
)


class Metrics(Resource):
    """Tells this machine, and those whom the operator named, how the server is."""

    isLeaf = True

    def __init__(self, factory: ChatFactory, certificates: Certificates | None) -> None:
        super().__init__()
        self._askers = Askers(factory.host.proxies)
        self._host = factory.host
        self._registry = CollectorRegistry()
        self._registry.register(Measures(factory, certificates))
        ProcessCollector(registry=self._registry)

    def render_GET(self, request: Any) -> bytes:
        asked = request_of(request)
        try:
            asker = self._askers.of(asked)
        except Contradiction as error:
            return asked.refuse(400, str(error))
        # Behind a proxy that was not named, everybody seems to be on this machine.
        hidden = asker.forwarded and not asker.vouched
        if hidden or (
            party_of(asker.address) and asker.address not in networks(self._host.settings.metrics)
        ):
            return asked.refuse(403, _ELSEWHERE)
        encode, kind = choose_encoder((asked.getHeader(b"accept") or b"").decode("latin-1"))
        asked.setHeader(b"content-type", kind.encode())
        return encode(self._registry)


class Measures(Collector):
    """Reads what is counted, at the moment that it is asked."""

    def __init__(self, factory: ChatFactory, certificates: Certificates | None) -> None:
        self._factory = factory
        self._certificates = certificates
        self._network = factory.host.network
        self._meter = factory.host.network.meter

    def describe(self) -> list[Metric]:
        """Return nothing: to collect merely for the names would be a waste."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield everything, as Prometheus has it."""
        yield from self._connections()
        yield from self._work()
        yield from self._readers()
        network, host = self._network, self._factory.host
        yield _durations(
            "commit", "Taken by a commit until it is durable.", network.journal.commits
        )
        yield _durations("fanout", "Taken to show all readers of a room its news.", host.turn.shown)
        yield _durations("reactor_delay", "By which the event loop was late.", self._meter.delays)
        if self._certificates is not None:
            yield _gauge(
                "certificate_expiry_timestamp_seconds",
                "When the TLS certificate expires, since the epoch.",
                self._certificates.expires.timestamp(),
            )

    def _connections(self) -> Iterator[Metric]:
        info = GaugeMetricFamily("chatnet_info", "What runs here.", labels=("version",))
        info.add_metric((__version__,), 1)
        yield info
        found = Counter(self._door(door) for door in self._factory.registry)
        clients = GaugeMetricFamily(
            "chatnet_clients", "Connections, by how they speak.", labels=("door", "tls")
        )
        for door in _DOORS:
            for tls in ("no", "yes"):
                clients.add_metric((door, tls), found[door, tls])
        yield clients
        yield _gauge("clients_limit", "Connections at once.", self._factory.registry.most)
        yield _counter("connections", "Connections that were let in.", self._meter.connections)

    def _door(self, door: OnePort) -> tuple[str, str]:
        match door.speaks:
            case Speech.HTTP if door.id in self._factory.sessions:
                speech = "websocket"
            case Speech.TEXT | Speech.JSON | Speech.HTTP as known:
                speech = known.value
            case _:
                speech = "silent"
        return speech, "yes" if door.encrypted or door.inside else "no"

    def _work(self) -> Iterator[Metric]:
        meter, host = self._meter, self._factory.host
        spoken = {kind.__name__.lower(): meter.entries[kind] for kind in SPOKEN}
        yield _counters(
            "messages",
            "Messages stored and shown, by kind; a whisper stands in two people's logs.",
            "kind",
            spoken,
        )
        yield _counter("entries", "Log entries stored and shown.", meter.entries.total())
        yield _counters("refusals", "Commands and clients refused.", "reason", meter.refusals)
        yield _counters("partings", "Connections closed by the server.", "reason", meter.partings)
        tries = host.throttle.delayed + host.accounts.delayed
        yield _counters(
            "throttled",
            "Made to wait: for a password's next try; for others' turn; for sending too fast.",
            "what",
            {"password": tries, "turn": meter.turns, "pace": host.defence.held},
        )
        yield _counter(
            "commit_failures",
            "Commits that failed, with all that waited.",
            self._network.journal.failures,
        )
        yield _counter(
            "order_violations",
            "Entries that did not follow those before. Must be 0.",
            meter.disorders,
        )
        files = host.files
        yield _gauge("files", "Files that were sent and are kept.", len(files.sheets))
        yield _gauge("uploads", "Files that are coming.", files.uploads.coming)
        yield _gauge("file_bytes", "That files take, and are going to.", files.space.total)
        budget = self._network.budget
        yield _gauge("budget_used_bytes", "Held by large messages on their way.", budget.used)
        yield _gauge("budget_bytes", "That large messages may hold together.", budget.size)

    def _readers(self) -> Iterator[Metric]:
        audiences = list(self._network.audiences.values())
        lags = list(islice((lag for one in audiences for lag in one.lags()), MOST_CURSORS))
        yield _gauge("logs_in_memory", "Rooms and other logs in memory.", len(audiences))
        yield _gauge("people", "People who are here.", len(self._network.people))
        yield _gauge("readers", "Places at which somebody reads a log.", sum(map(len, audiences)))
        held = sum(session.full for session in self._factory.sessions.values())
        yield _gauge("readers_full", "Clients that do not take what is sent to them.", held)
        most = f"by which a reader is behind (of up to {MOST_CURSORS:,} places)."
        yield _gauge("cursor_lag_max_entries", f"The most entries {most}", max(lags, default=0))
        yield _gauge("cursor_lag_entries", f"The sum of the entries {most}", sum(lags))


def _gauge(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(f"chatnet_{name}", help_, value)


def _counter(name: str, help_: str, value: float) -> Metric:
    return CounterMetricFamily(f"chatnet_{name}", help_, value)


def _counters(name: str, help_: str, label: str, values: dict[str, int]) -> Metric:
    family = CounterMetricFamily(f"chatnet_{name}", help_, labels=(label,))
    for key, value in sorted(values.items()):
        family.add_metric((key,), value)
    return family


def _durations(name: str, help_: str, tally: Tally) -> Metric:
    buckets = [
        ("+Inf" if bound == float("inf") else str(bound), count)
        for bound, count in tally.cumulative()
    ]
    return HistogramMetricFamily(f"chatnet_{name}_seconds", help_, buckets, tally.total)
