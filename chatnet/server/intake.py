"""What comes of a file over one connection: written as it comes, no faster than the disk is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatnet.core.limits import Bucket, Limit
from chatnet.core.refusals import Malformed, NoSpace, NotWhole, Refused, Unavailable
from chatnet.interfaces import Runs

if TYPE_CHECKING:
    from chatnet.server.uploads import Upload

AHEAD = 256 * 1024  # bytes that came and are not written, from which on no more is taken
LOOK_SECONDS, LEAST = 20.0, 20 * 1024  # bytes that come in that time, or it is too slow


class Tap(Protocol):
    """Where it comes from."""

    def hold(self) -> None:
        """Let nothing come."""

    def release(self) -> None:
        """Let it come again."""

    def fail(self, refusal: Refused, late: bool = False) -> None:
        """Say why no more is taken, and take no more; ``late`` if it came too slowly."""


class Intake:
    """Writes what comes from ``tap`` behind what there is of ``upload``."""

    _log = Logger()

    def __init__(
        self,
        upload: Upload,
        tap: Tap,
        clock: IReactorTime,
        worker: Runs,
        pace: tuple[Bucket, Limit],
        grow: Callable[[Upload, int], None],
    ) -> None:
        """Take as many bytes as ``pace`` allows; ask ``grow`` for more than was said to come.

        That raises ``Refused``.
        """
        self._upload = upload
        self._tap = tap
        self._clock = clock
        self._worker = worker
        self._bucket, self._limit = pace
        self._grow = grow
        self._parts: list[bytes] = []
        self._waiting = 0  # bytes
        self._writing = False
        self._held = False
        self._over = False
        self._ends: list[Deferred[None]] = []
        self._wait: IDelayedCall | None = None  # for more to be allowed
        self._taken, self._was_held = 0, True  # since it was looked
        self._watch: IDelayedCall | None = clock.callLater(LOOK_SECONDS, self._look)

    def is_busy(self) -> bool:
        """Return whether more of it is to come, or to be written."""
        return self._watch is not None or self._writing

    def write(self, data: bytes) -> None:
        """Take ``data``."""
        if self._over:
            return
        try:
            self._grow(self._upload, self._upload.have + self._waiting + len(data))
        except Refused as refusal:
            self._fail(refusal)
            return
        self._taken += len(data)
        self._parts.append(data)
        self._waiting += len(data)
        if self._waiting >= AHEAD:
            self._hold()
        if not self._writing:
            self._go_on()

    def end(self) -> Deferred[None]:
        """Fire when all that came is written, or will not be; no more comes."""
        self._stop_looking()
        if not self._writing:
            return succeed(None)
        done: Deferred[None] = Deferred()
        self._ends.append(done)
        return done

    def give_way(self) -> Deferred[None]:
        """Take no more, because another connection goes on, or none; say so. As ``end``."""
        if self._watch is not None:
            self._fail(Unavailable("The file is sent on another connection, or given up."))
        return self.cut()

    def cut(self) -> Deferred[None]:
        """Take no more, because the connection is gone; as ``end``."""
        self._over = True
        done = self.end()
        if self._wait is not None:
            self._wait.cancel()
            self._waited()
        return done

    def _go_on(self) -> None:
        parts, self._parts, size, self._waiting = self._parts, [], self._waiting, 0
        if not parts:
            self._writing = False
            ends, self._ends = self._ends, []
            for one in ends:
                one.callback(None)
            return
        self._writing = True
        writing = self._upload.writing
        assert writing is not None, "it is open"
        done = self._worker.run(writing.write, parts)
        done.addCallbacks(self._wrote, self._failed, callbackArgs=(size,))
        done.addErrback(self._broke)

    def _wrote(self, have: int, size: int) -> None:
        self._upload.have, self._upload.touched = have, self._clock.seconds()
        wait = self._bucket.take(self._limit, size, self._clock.seconds())
        if wait > 0 and not self._over:
            self._hold()
            self._wait = self._clock.callLater(wait, self._waited)
        else:
            self._waited()

    def _waited(self) -> None:
        self._wait = None
        self._go_on()
        if self._waiting < AHEAD and not self._over:
            self._release()

    def _failed(self, failure: Failure) -> None:
        failure.trap(OSError)
        self._give_up(NoSpace(f"It cannot be written: {failure.getErrorMessage()}."))

    def _broke(self, failure: Failure) -> None:
        self._log.failure("a file cannot be taken", failure)
        self._give_up(Unavailable("Something broke here; the operator's log has it. Sorry."))

    def _give_up(self, refusal: Refused) -> None:
        self._parts, self._waiting = [], 0
        self._fail(refusal)
        self._go_on()

    def _fail(self, refusal: Refused, late: bool = False) -> None:
        if not self._over:
            self._over = True
            self._stop_looking()
            self._tap.fail(refusal, late)

    def _hold(self) -> None:
        if not self._held and not self._over:
            self._held = self._was_held = True
            self._tap.hold()

    def _release(self) -> None:
        if self._held:
            self._held = False
            self._tap.release()

    def _look(self) -> None:
        """Look whether it comes fast enough, unless it was us who held it up."""
        self._watch = None
        if not self._was_held and self._taken < LEAST:
            self._fail(NotWhole("It came too slowly. What came is kept: go on from there."), True)
            return
        self._taken, self._was_held = 0, self._held
        self._watch = self._clock.callLater(LOOK_SECONDS, self._look)

    def _stop_looking(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None


def too_much(size: int) -> Malformed:
    """Return the refusal of what comes behind the end of a file of ``size`` bytes."""
    return Malformed(f"The file was to have {size:,} bytes, and more came.")
