"""The heads of logs as text: a line for each, with the place, the link and the log's key."""

from __future__ import annotations

from chatnet.admin.survey import Heads
from chatnet.admin.telling import Unable
from chatnet.core.chain import Anchor


def write_heads(heads: Heads) -> str:
    """Return ``heads`` as lines."""
    return "".join(
        f"{head.seq} {head.link.hex()} {room}\n" for room, head in sorted(heads.items()) if head.seq
    )


def read_heads(path: str) -> dict[str, Anchor]:
    """Return what ``write_heads`` was given, from the file at ``path``.

    Raises:
        OSError: it cannot be read.
        Unable: it is something else.
    """
    heads = {}
    with open(path, encoding="utf-8") as file:
        try:
            for line in file:
                seq, link, room = line.rstrip("\n").split(" ", 2)
                heads[room] = Anchor(int(seq), bytes.fromhex(link))
        except ValueError:
            raise Unable(f"{path} is not what --heads prints") from None
    return heads
