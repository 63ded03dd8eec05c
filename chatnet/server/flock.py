"""Readers who are at one place in a log, and are brought on together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import length_hint

from chatnet.interfaces import IStyle
from chatnet.server.cursors import Reader, Send
from chatnet.server.runs import Run


def send_none(sends: list[Send], data: bytes, round_: Iterator[Send]) -> int:
    """Leave all of ``sends`` to the loop in Python, as ``send_all`` does with what is no socket."""
    return 0


try:
    from _chatnet_sends import send_all  # chatnet/server/_sends.c
except ImportError:  # there was no compiler where this was installed
    send_all = send_none

_GONE: Send = (
    len  # in the place of who left in the midst of a round: it takes all, and does nothing
)


class Flock:
    """Readers of one style for whom nothing is to be done but to send them what is new.

    None of them has a place of its own, and no reader is looked at as long as its connection takes
    what it is sent: the loop over them waits for memory, and this is the least that it can touch.
    Who spoke stands aside until its words are shown, which it need not read.
    """

    __slots__ = (
        "_aside", "_before", "_gone", "_places", "_readers", "_round", "_sends", "after", "style",
    )  # fmt: skip

    def __init__(self, style: IStyle, after: int) -> None:
        self.style = style
        self.after = after  # all up to here was written to each of them that does not stand aside
        self._places: dict[Reader, int] = {}  # who is where in the following two
        self._readers: list[Reader] = []
        self._sends: list[Send] = []
        self._round: Iterator[Send] | None = None  # what is left of a round
        self._before = after  # where those are to whom that is still to be sent
        self._gone: list[int] = []  # the places of who left in the midst of it
        # Who stands aside: what sends to it, up to where it has read, and where its own words are.
        self._aside: dict[Reader, tuple[Send, int, range]] = {}

    def __len__(self) -> int:
        return len(self._places) + len(self._aside)

    def __contains__(self, reader: Reader) -> bool:
        return reader in self._places or reader in self._aside

    def __iter__(self) -> Iterator[Reader]:
        return iter([*self._places, *self._aside])

    def join(self, reader: Reader, send: Send) -> bool:
        """Let ``reader``, who is here, go on with the others, if this is not the midst of a round.

        Returns whether it does.
        """
        if self._round is not None:
            return False
        self._add(reader, send)
        return True

    def _add(self, reader: Reader, send: Send) -> None:
        self._places[reader] = len(self._readers)
        self._readers.append(reader)
        self._sends.append(send)

    def step_aside(self, reader: Reader, own: range) -> bool:
        """Do not send ``reader``, who is here, its ``own`` words, which are still to be sent.

        Returns whether that can be had here.
        """
        if reader in self._aside:
            send, after, before = self._aside[reader]
            if before.stop != own.start:
                return False
            self._aside[reader] = send, after, range(before.start, own.stop)
        elif self._round is not None or own.start <= self.after:
            return False
        else:
            place = self._places.pop(reader)
            self._aside[reader] = self._sends[place], self.after, own
            self._close_up(place)
        return True

    def own(self, reader: Reader) -> range:
        """Return where what ``reader``, who is here, is not to be sent stands."""
        return self._aside[reader][2] if reader in self._aside else range(0)

    def leave(self, reader: Reader) -> int:
        """Let ``reader`` go its own way; return up to where all has been written to it."""
        if reader in self._aside:
            return self._aside.pop(reader)[1]
        place = self._places.pop(reader)
        if self._round is None:
            self._close_up(place)
            return self.after
        self._sends[place] = _GONE
        self._gone.append(place)
        return self.after if place <= self._at() else self._before

    def send(
        self,
        data: bytes,
        upto: int,
        wait: Callable[[Reader, bytes], None],
        broke: Callable[[Reader], None],
    ) -> None:
        """Send ``data`` to all; then they are at ``upto``.

        Call ``wait`` with what a connection did not take, and ``broke`` if one raises what no
        socket does.
        """
        # A turn of this loop is what a delivery costs, with the send: see docs/performance.md.
        self._before, self.after, size = self.after, upto, len(data)
        sends, readers = self._sends, self._readers
        round_ = self._round = iter(sends)
        try:
            part = send_all(sends, data, round_)  # up to where somebody has to look
        except Exception:
            part = 0
            broke(readers[self._at()])
        if part:
            next(round_)
            wait(readers[self._at()], data[part:])
        for send in round_:
            try:
                sent = send(data)
            except OSError:  # full, or broken: the reactor finds out which
                sent = 0
            except Exception:
                broke(readers[self._at()])
                continue
            if sent != size:
                wait(readers[self._at()], data[sent:])
        self._round = None
        for place in sorted(self._gone, reverse=True):
            self._close_up(place)
        self._gone.clear()

    def send_aside(
        self,
        run: Run,
        wait: Callable[[Reader, bytes], None],
        broke: Callable[[Reader], None],
    ) -> None:
        """Send ``run``, which was sent to the others, to who stands aside: all but its own words.

        ``wait`` and ``broke`` are as for ``send``.
        """
        for reader in list(self._aside):
            if reader not in self._aside:  # it left meanwhile
                continue
            send, _, own = self._aside.pop(reader)
            if own.stop > run.upto + 1:
                self._aside[reader] = send, run.upto, own
            else:
                self._add(reader, send)
            data = run.without(own)
            try:
                sent = send(data) if data else 0
            except OSError:
                sent = 0
            except Exception:
                broke(reader)
                continue
            if sent != len(data):
                wait(reader, data[sent:])

    def _at(self) -> int:
        """Return the number of the one that is being sent to."""
        return len(self._sends) - length_hint(self._round or ()) - 1

    def _close_up(self, place: int) -> None:
        """Put the last one where nobody is any more."""
        reader, send = self._readers.pop(), self._sends.pop()
        if place < len(self._readers):
            self._readers[place], self._sends[place] = reader, send
            self._places[reader] = place
