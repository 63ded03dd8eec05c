"""Readers who are at one place in a log, and are brought on together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import length_hint

from chatnet.interfaces import IStyle
from chatnet.server.cursors import Reader, Send


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
    """

    __slots__ = ("_before", "_gone", "_places", "_readers", "_round", "_sends", "after", "style")

    def __init__(self, style: IStyle, after: int) -> None:
        self.style = style
        self.after = after  # all up to here has been written to each of them
        self._places: dict[Reader, int] = {}  # who is where in the following two
        self._readers: list[Reader] = []
        self._sends: list[Send] = []
        self._round: Iterator[Send] | None = None  # what is left of a round
        self._before = after  # where those are to whom that is still to be sent
        self._gone: list[int] = []  # the places of who left in the midst of it

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, reader: Reader) -> bool:
        return reader in self._places

    def __iter__(self) -> Iterator[Reader]:
        return iter(list(self._places))

    def join(self, reader: Reader, send: Send) -> bool:
        """Let ``reader``, who is here, go on with the others, if this is not the midst of a round.

        Returns whether it does.
        """
        if self._round is not None:
            return False
        self._places[reader] = len(self._readers)
        self._readers.append(reader)
        self._sends.append(send)
        return True

    def leave(self, reader: Reader) -> int:
        """Let ``reader`` go its own way; return up to where all has been written to it."""
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

    def _at(self) -> int:
        """Return the number of the one that is being sent to."""
        return len(self._sends) - length_hint(self._round or ()) - 1

    def _close_up(self, place: int) -> None:
        """Put the last one where nobody is any more."""
        reader, send = self._readers.pop(), self._sends.pop()
        if place < len(self._readers):
            self._readers[place], self._sends[place] = reader, send
            self._places[reader] = place
