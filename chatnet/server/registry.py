"""Every connection there is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from chatnet.core.refusals import ServerFull

T = TypeVar("T")


class Registry(Generic[T]):
    """Connections by id, up to ``most`` of them."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._connections: dict[str, T] = {}

    def __len__(self) -> int:
        return len(self._connections)

    def __iter__(self) -> Iterator[T]:
        """List all, the oldest first; they may come and go meanwhile."""
        return iter(list(self._connections.values()))

    def __contains__(self, id: object) -> bool:
        """Return whether there is a connection called ``id``."""
        return id in self._connections

    def accept(self) -> None:
        """See that there is room for one more.

        Raises:
            ServerFull: there is not.
        """
        if len(self._connections) >= self.most:
            raise ServerFull(
                f"The server is full: {self.most:,} people are here. Please try again later."
            )

    def add(self, id: str, connection: T) -> None:
        """Note ``connection`` under ``id``, which is new."""
        assert id not in self._connections, id
        self._connections[id] = connection

    def remove(self, id: str) -> None:
        """Forget ``id``."""
        self._connections.pop(id, None)

    def get(self, id: str) -> T | None:
        """Return the connection called ``id``."""
        return self._connections.get(id)
