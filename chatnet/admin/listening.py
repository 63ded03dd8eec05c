"""Where operators come: a socket in the data folder, and what else the settings name."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from twisted.internet.endpoints import UNIXServerEndpoint
from twisted.internet.interfaces import IProtocolFactory, IStreamServerEndpoint
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory

from chatnet.admin import deeds, trying
from chatnet.admin.desk import Building, Desk
from chatnet.admin.places import LONGEST_PATH, socket_in
from chatnet.admin.port import OperatorsFactory
from chatnet.folder import CannotStart

_BACKLOG = 50
_log = Logger()

Door = tuple[str, IStreamServerEndpoint, IProtocolFactory]


def open_desks(
    building: Building, endpoints: Sequence[tuple[str, IStreamServerEndpoint]], reactor: Any
) -> list[Door]:
    """Return where to listen for operators, each with how that is written, and who meets them.

    Raises:
        CannotStart: the socket's place is taken by something else.
    """
    settings, desk = (
        building.host.settings,
        Desk(building, deeds.all_of_them(), trying.all_of_them()),
    )
    building.host.network.desk = desk.converse
    doors: list[Door] = []
    path = socket_in(settings.data)
    if settings.admin_socket and not settings.forgets:
        if len(os.fsencode(path)) > LONGEST_PATH:
            _log.warn(
                "operators are not heard at {path}: a socket's path has at most {most} bytes."
                " Give another place with --admin unix:FILE",
                path=path,
                most=LONGEST_PATH,
            )
        else:
            _make_way(path)
            ours = UNIXServerEndpoint(reactor, path, _BACKLOG, 0o600, wantPID=False)
            doors.append((path, ours, OperatorsFactory(desk, True)))
    for written, endpoint in endpoints:
        if written.startswith("unix:"):
            doors.append((written, endpoint, OperatorsFactory(desk, True)))
            continue
        assert building.certificates is not None, "there is TLS, or the options are refused"
        heard = OperatorsFactory(desk, False)
        tls = TLSMemoryBIOFactory(building.certificates, False, heard, building.host.clock)
        doors.append((written, endpoint, tls))
    return doors


def _make_way(path: str) -> None:
    """Remove a socket that a server left behind; no other one has the folder now."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise CannotStart(f"chatnet: {path} is in the way of the operators' socket")
        os.unlink(path)
