"""What opens files, believed only of who sent them: any reader could tell of others' files."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from chatnet.client.keys.causes import Forged, Unreadable
from chatnet.client.keys.files import Secret
from chatnet.client.keys.vault import Vault
from chatnet.core import events as e
from chatnet.core.names import fold

_KIND = "shared"  # of rows: by whom a file is, and what was told of it, by accounts


def note_sharer(vault: Vault, event: e.Shared) -> None:
    """Remember who sent the file of ``event``, and forget what others told of it."""
    row = _row(vault, event.id)
    if not row["by"]:  # the first one is it
        by = fold(event.by)
        told = {teller: secret for teller, secret in row["told"].items() if teller == by}
        _put(vault, event.id, {"by": by, "told": told})


def note_secret(vault: Vault, by: str, id: str, secret: Secret) -> None:
    """Remember what the account ``by``, which is sure, told of the file ``id``.

    Raises:
        Unreadable: the file is not by that account.
    """
    row = _row(vault, id)
    if row["by"] not in ("", by):
        raise Unreadable(Forged(f"it tells of a file that {row['by']} sent"))
    if by not in row["told"]:
        _put(vault, id, {**row, "told": {**row["told"], by: asdict(secret)}})


def secret_of(vault: Vault, id: str) -> Secret | None:
    """Return what the sender of the file ``id`` told; None if nothing, or it is not known who."""
    row = _row(vault, id)
    told = row["told"].get(row["by"])
    return None if told is None else Secret(**told)


def _row(vault: Vault, id: str) -> dict[str, Any]:
    return vault.get(_KIND, id) or {"by": "", "told": {}}


def _put(vault: Vault, id: str, row: dict[str, Any]) -> None:
    with vault.saving(later=True):
        vault.put(_KIND, id, row)
