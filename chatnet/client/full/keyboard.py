"""Keys that Textual takes for others where the terminal speaks the old way."""

from __future__ import annotations

from enum import Enum
from typing import Any

from textual import _ansi_sequences as table


class _Key(Enum):
    """Keys by the names that bindings have for them."""

    ALT_ENTER = "alt+enter"
    ALT_1 = "alt+1"
    ALT_2 = "alt+2"
    ALT_3 = "alt+3"
    ALT_4 = "alt+4"
    ALT_5 = "alt+5"
    ALT_6 = "alt+6"
    ALT_7 = "alt+7"
    ALT_8 = "alt+8"
    ALT_9 = "alt+9"


def know_keys() -> None:
    """Tell Alt-Enter from Enter, and Alt-1 from the sign that one kind of keyboard has there."""
    known: Any = table.ANSI_SEQUENCES_KEYS
    known["\x1b\r"] = (_Key.ALT_ENTER,)
    for number in range(1, 10):
        known[f"\x1b{number}"] = (_Key(f"alt+{number}"),)
