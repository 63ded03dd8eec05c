"""What all sessions of one server share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IReactorTime

from chatnet.accounts.throttle import Throttle
from chatnet.core.addresses import Networks, networks
from chatnet.interfaces import IAccounts
from chatnet.server.defence import Defence
from chatnet.server.dials import Dials
from chatnet.server.invitations import Invitations
from chatnet.server.network import Network
from chatnet.server.turn import Turn
from chatnet.settings import Settings

if TYPE_CHECKING:
    from chatnet.server.files import Files


@dataclass(slots=True, eq=False)
class Host:
    """One server: what it was told, whom it knows, and the means it has.

    ``settings`` may be replaced while it runs, and are to be looked at when they are needed.
    """

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
    dials: Dials = field(init=False)

    def __post_init__(self) -> None:
        self.dials = Dials(self)

    def proxies(self) -> Networks:
        """Return the proxies that may say for whom they speak."""
        return networks(self.settings.proxies)
