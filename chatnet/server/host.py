"""What all sessions of one server share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IReactorTime

from chatnet.accounts.throttle import Throttle
from chatnet.interfaces import IAccounts
from chatnet.server.defence import Defence
from chatnet.server.invitations import Invitations
from chatnet.server.network import Network
from chatnet.server.turn import Turn
from chatnet.settings import Settings

if TYPE_CHECKING:
    from chatnet.server.files import Files


@dataclass(frozen=True, slots=True, eq=False)
class Host:
    """One server: what it was told, whom it knows, and the means it has."""

    settings: Settings
    network: Network
    accounts: IAccounts
    turn: Turn
    clock: IReactorTime
    entropy: Callable[[int], bytes]
    throttle: Throttle  # of tries at the server's own password
    defence: Defence
    invitations: Invitations
    files: Files
