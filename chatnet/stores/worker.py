"""Threads for what blocks."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import ParamSpec, TypeVar

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure

P = ParamSpec("P")
T = TypeVar("T")


class AtOnce:
    """Runs calls on the reactor's own thread: for those that wait for nothing."""

    def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Return what ``call`` returned."""
        return maybeDeferred(call, *args, **kwargs)

    def stop(self) -> None:
        """Nothing goes on."""


class Worker:
    """One thread that runs calls in their order; or several, that share them."""

    def __init__(self, reactor: IReactorFromThreads, name: str, threads: int = 1) -> None:
        self._reactor = reactor
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads = [Thread(target=self._work, name=name, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Return what ``call`` will return."""
        done: Deferred[T] = Deferred()

        def work() -> None:
            try:
                result = call(*args, **kwargs)
            except Exception:
                self._reactor.callFromThread(done.errback, Failure())
            else:
                self._reactor.callFromThread(done.callback, result)

        self._calls.put(work)
        return done

    def stop(self) -> None:
        """Finish what was given, then end. Blocks until then; run nothing afterwards."""
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (work := self._calls.get()) is not None:
            work()
