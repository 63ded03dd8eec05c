"""Codes for those who forgot a password: as good as that for a day, until they set another one.

What the staff's log keeps of a code is a verifier, as accounts have of their passwords.
"""

from __future__ import annotations

import re
from base64 import b32encode
from collections.abc import Callable

from chatnet.core.events import Acted
from chatnet.core.names import Name
from chatnet.interfaces import Account, Gone, never
from chatnet.server.host import Host

SECONDS = 86_400.0  # that a code holds
_BYTES = 10  # of chance in one
_CODE = re.compile(r"[a-z2-7]{4}(-[a-z2-7]{4}){3}")


def make(entropy: Callable[[int], bytes]) -> str:
    """Return a new code, such as ``k7qd-2mxp-b5ra-4wze``."""
    letters = b32encode(entropy(_BYTES)).decode().lower()
    return "-".join(letters[place : place + 4] for place in range(0, len(letters), 4))


async def login(host: Host, name: Name, password: str, address: str, gone: Gone = never) -> Account:
    """Return the account called ``name``, if ``password`` is its password, or its code.

    Raises:
        WrongPassword: it is neither, or there is no such account.
        TooManyTries: from ``address``, or at that account.
    """
    account = (
        await host.accounts.find(name) if await _fits(host, name, password, address, gone) else None
    )
    if account is not None and account.key == name.key:
        return account
    return await host.accounts.login(name, password, address, gone)


async def change(
    host: Host, name: Name, old: str, new: str, address: str, gone: Gone = never
) -> None:
    """Replace the password ``old``, which may be a code; no code holds afterwards.

    Raises:
        Refused: as for ``IAccounts.change``.
    """
    if await _fits(host, name, old, address, gone):
        await host.accounts.reset(name, new)
    else:
        await host.accounts.change(name, old, new, address, gone)
    if name.key in host.network.office.codes:
        await host.network.note([Acted(name.text, "passwd", name.text)])


async def _fits(host: Host, name: Name, word: str, address: str, gone: Gone) -> bool:
    """Return whether ``word`` is the code of the account called ``name``."""
    if not is_one(host, name.key, word):
        return False
    verifier = host.network.office.code(name.key, host.clock.seconds())
    return await host.accounts.verify(word.lower(), verifier, address, gone)


def is_one(host: Host, key: str, word: str) -> bool:
    """Return whether the account ``key`` has a code, and ``word`` may be that."""
    held = host.network.office.code(key, host.clock.seconds())
    return bool(held) and _CODE.fullmatch(word.lower()) is not None
