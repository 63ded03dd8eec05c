"""Where keys lie on this machine, and what opens them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from twisted.internet.threads import deferToThread

from chatnet.client.keys.keys import Keys
from chatnet.client.keys.vault import Vault, key_file
from chatnet.client.link import Link
from chatnet.client.trust import data_folder

KEY_FILE = "key"  # its name, beside the keys


def keys_of(
    link: Link, clock: Any, place: str, passphrase: str = "", folder: str = "", label: str = ""
) -> Keys:
    """Return the keys with which ``link`` encrypts, to the server at ``place``: its host and port.

    Each account has a file in ``folder`` (the user's own), encrypted under ``passphrase``; if that
    is empty, under a key file beside it, which only the user can read.
    """
    home = Path(folder) if folder else data_folder() / "keys"

    def opened(account: str) -> Vault:
        secret = passphrase.encode() or key_file(str(home / KEY_FILE))
        return Vault(str(home / f"{quote(f'{account}@{place}', safe='@')}.db"), secret)

    async def open_vault(account: str) -> Vault:
        vault: Vault = await deferToThread(opened, account)  # Argon2id takes a moment
        return vault

    return Keys(link, clock, os.urandom, open_vault, label)
