"""Standard input, where it is no terminal."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from twisted.internet.protocol import Protocol
from twisted.internet.stdio import StandardIO


@contextmanager
def piped(protocol: Protocol, reactor: Any) -> Iterator[None]:
    """Let ``protocol`` have what comes, and leave standard input as it was."""
    blocking = os.get_blocking(0)
    nowhere = os.open(os.devnull, os.O_WRONLY)  # what is written goes another way
    StandardIO(protocol, stdout=nowhere, reactor=reactor)  # type: ignore[call-arg]
    try:
        yield
    finally:
        os.set_blocking(0, blocking)
