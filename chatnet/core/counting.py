"""How many of something there are, in words."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """Return ``number`` and what there is so many of: ``many``, or else ``one`` with an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
