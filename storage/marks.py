"""Facts about a database as a whole. So far one: which vault sealed it."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, select

from storage.dialect import insert_if_absent
from storage.errors import VaultKeyDiffers
from storage.schema import marks
from storage.vault import Vault

_VAULT: Final = "vault"


def vault_fingerprint(conn: Connection) -> bytes | None:
    """The fingerprint of the vault whose database this is; None: nobody's yet."""
    return conn.execute(select(marks.c.value).where(marks.c.name == _VAULT)).scalar()


def bind_vault(conn: Connection, vault: Vault) -> None:
    """Note whose database this is, the first time; later, raise VaultKeyDiffers if it is another's.

    To be called before anything is served: with another index key every caller would be unknown,
    and new sessions would be sealed beyond the reach of the right key.
    """
    row = {"name": _VAULT, "value": vault.fingerprint()}
    if insert_if_absent(conn, marks, row):
        return
    kept = conn.execute(select(marks.c.value).where(marks.c.name == _VAULT)).scalar_one()
    if kept != vault.fingerprint():
        raise VaultKeyDiffers
