"""What a row costs each store: written in batches of 1, 50 and 500, read in pages, and found.

    python -m benchmarks.stores sqlite:/tmp/bench.db mysql+pymysql://... postgresql+psycopg://...

Counts the CPU time of this process, all threads (microseconds per row; the least of the rounds,
since whatever else runs only adds to it), and the wall time beside it. A database's own process is
not counted. Use empty databases: everything is left there.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Sequence

from chatnet.core.events import Entry, Said
from chatnet.core.replies import Done
from chatnet.core.search import Search, words_of
from chatnet.interfaces import Batch, IStore
from chatnet.stores.databases import Sqlite, server
from chatnet.stores.journal import INDEXED
from chatnet.stores.sql import SqlStore

PAGE = 256
WORDS = [f"{a}{b}{c}" for a in "tkmnrs" for b in ("ea", "o", "ilk", "un") for c in ("", "s", "ing")]


def messages(room: str, count: int) -> Sequence[Entry]:
    """Return ``count`` messages of ten words each, the same in every run."""
    chance = random.Random(room)
    bodies = [" ".join(chance.choices(WORDS, k=10)) for _ in range(count)]
    return [Entry(room, n, 1.7e9 + n / 10, Said("ann", body)) for n, body in enumerate(bodies, 1)]


def writes(store: IStore, room: str, size: int, batches: int, named: bool) -> Callable[[], int]:
    """Return what writes ``batches`` of ``size`` messages, each with an answer if ``named``."""
    entries = messages(room, size * batches)

    def write() -> int:
        for start in range(0, len(entries), size):
            run = entries[start : start + size]
            answers = [("ann", Done(f"{room}{e.seq}", room, e.seq)) for e in run] if named else []
            store.write(Batch.of(run, answers))
        return len(entries)

    return write


def reads(store: IStore, room: str, count: int) -> Callable[[], int]:
    """Return what reads the first ``count`` entries of ``room``, in pages."""

    def read() -> int:
        seq = 0
        while seq < count:
            seq = store.read(room, seq, count, PAGE)[-1].seq
        return count

    return read


def indexes(store: IStore, count: int) -> Callable[[], int]:
    """Return what does what ``store`` put off when it wrote ``count`` rows."""

    def index() -> int:
        while store.index(INDEXED):
            pass
        return count

    return index


def searches(store: IStore, room: str) -> Callable[[], int]:
    """Return what searches ``room`` twenty times for two words."""

    def search() -> int:
        for _ in range(20):
            assert store.search([room], Search(tuple(words_of("tea milk"))), 20) is not None
        return 20

    return search


def measure(work: Callable[[], int]) -> tuple[float, float]:
    """Return the microseconds of CPU and of the clock that ``work`` takes for each row."""
    clock, cpu = time.perf_counter(), time.process_time()
    rows = work()
    return (time.process_time() - cpu) / rows * 1e6, (time.perf_counter() - clock) / rows * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stores", nargs="+")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for url in options.stores:
        store = opened(url)
        best: dict[str, tuple[float, float]] = {}
        for turn in range(options.rounds):
            works = {
                f"write {size}{', named' if named else ''}": writes(
                    store, f"{size}{named}{turn}", size, 4000 // size if size > 1 else 500, named
                )
                for named in (False, True)
                for size in (1, 50, 500)
            }
            works["index"] = indexes(store, 17_000)
            works["read"] = reads(store, f"500False{turn}", 4000)
            works["search"] = searches(store, f"500False{turn}")
            for name, work in works.items():
                best[name] = min(measure(work), best.get(name, (1e9, 1e9)))
        print(f"{url.partition(':')[0]}: microseconds per row: CPU (wall)")  # noqa: T201
        for name, (cpu, wall) in best.items():
            print(f"  {name:<18} {cpu:8.1f} ({wall:.1f})")  # noqa: T201


def opened(url: str) -> IStore:
    scheme, _, name = url.partition(":")
    return SqlStore(Sqlite(name) if scheme == "sqlite" else server(url))


if __name__ == "__main__":
    main()
