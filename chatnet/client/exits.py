"""How the client ends: a status for programs and a sentence for people."""

from __future__ import annotations

from enum import IntEnum

from twisted.internet.error import ConnectionRefusedError, DNSLookupError, TimeoutError

from chatnet.client.dialogue import Dismissed
from chatnet.client.link import CannotConnect, LinkLost
from chatnet.client.tls import NoTLS
from chatnet.client.trust import Untrusted
from chatnet.core.refusals import NameTaken, PasswordNeeded, Refused, WrongPassword

INTERRUPTED = 130  # as shells have it


class Exit(IntEnum):
    """The exit statuses, which ``--help`` explains."""

    FINE = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3
    WRONG_PASSWORD = 4
    NAME_TAKEN = 5
    LOST = 6
    UNTRUSTED = 7


_DISMISSED = {"replaced": Exit.LOST, "late": Exit.WRONG_PASSWORD}


def status_of(error: BaseException | None) -> int:
    """Return the status to end with because of ``error``."""
    match error:
        case CannotConnect():
            return Exit.UNREACHABLE
        case Untrusted():
            return Exit.UNTRUSTED
        case LinkLost():
            return Exit.LOST
        case Dismissed():
            return _DISMISSED.get(error.reason, Exit.REFUSED)
        case PasswordNeeded() | WrongPassword():
            return Exit.WRONG_PASSWORD
        case NameTaken():
            return Exit.NAME_TAKEN
        case _:
            return Exit.REFUSED


def explain(error: BaseException | None, host: str, port: int) -> tuple[int, str]:
    """Return the status to end with because of ``error``, and what to say."""
    return status_of(error), _sentence(error, host, port)


def _sentence(error: BaseException | None, host: str, port: int) -> str:
    match error:
        case CannotConnect():
            return _unreachable(error.__cause__, host, port)
        case LinkLost():
            return f"The link to {host}:{port} is lost, and did not come back."
        case PasswordNeeded():
            return f"{error} Give it with --server-password-file FILE, or --server-password."
        case NameTaken():
            hint = "Choose another --name, or give the name of your account as --user."
            return f"{error}\n{hint}"
        case Refused() | Untrusted():
            return str(error)
        case _:
            return f"Something broke in the client, which is a bug: {error!r}"


def _unreachable(cause: BaseException | None, host: str, port: int) -> str:
    where = f"{host}:{port}"
    match cause:
        case ConnectionRefusedError():
            return (
                f"Nothing listens at {where}. Is the server running, and are host and port"
                " right? On this machine, twistd -n chatnet starts one."
            )
        case DNSLookupError():
            return f"There is no host called {host}. Is that right?"
        case TimeoutError():
            return f"There is no answer from {where}. Are host and port right?"
        case NoTLS():
            return f"{cause} If it has none, and you know who is on the way to it, add --no-tls."
        case None | Refused():
            return f"What listens at {where} said nothing. Is it a chatnet server?"
        case _:
            return f"Cannot connect to {where}: {cause}"
