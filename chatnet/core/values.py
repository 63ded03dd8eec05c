"""Values that are made for every message, or every arrival."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def value(kind: type[T]) -> type[T]:
    """Return a dataclass with slots, which is frozen as far as the type checker is asked.

    ``dataclass(frozen=True)`` sets each field by a call, which takes three times as long as all
    else that making one takes.
    """
    return dataclass(slots=True, unsafe_hash=True)(kind)
