"""Where the operators' socket is, for those who listen and those who call."""

from __future__ import annotations

import os

SOCKET = "admin.sock"  # in the data folder
LAST_BACKUP = "last-backup"  # there, too: touched when a backup was made
LONGEST_PATH = 107  # bytes of a UNIX socket's path


def socket_in(data: str) -> str:
    """Return the path of the operators' socket in the folder ``data``."""
    return os.path.join(data, SOCKET)
