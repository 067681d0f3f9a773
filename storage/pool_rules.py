"""The rules of a pool as text and back. A rule that is not in the text has its default."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from pydantic import TypeAdapter
from sqlalchemy import Connection, bindparam, select, update

from masking.errors import UnknownPool
from masking.rules import PoolRules, PoolSecrets
from storage.schema import pools
from storage.vault import Vault

_RULES: Final = TypeAdapter(PoolRules)
_SECRETS: Final = TypeAdapter(PoolSecrets)
_SEALED: Final = select(pools.c.secrets_sealed).where(pools.c.name == bindparam("wanted"))


def write_rules(rules: PoolRules) -> str:
    """The text that is kept."""
    return _RULES.dump_json(rules, exclude_defaults=True).decode()


@lru_cache(maxsize=256)
def read_rules(text: str) -> PoolRules:
    """The rules in `text`; cached, since every call reads those of its pool."""
    return _RULES.validate_json(text)


def keep_secrets(conn: Connection, vault: Vault, pool: str, secrets: PoolSecrets) -> None:
    """Keep the pool's secrets instead of those it had. Raises UnknownPool."""
    sealed = vault.seal_secret(_SECRETS.dump_json(secrets).decode())
    kept = update(pools).where(pools.c.name == pool).values(secrets_sealed=sealed)
    if conn.execute(kept).rowcount != 1:
        raise UnknownPool(pool)


def secrets_of(conn: Connection, vault: Vault, pool: str) -> PoolSecrets:
    """The pool's secrets; empty ones if it has none. Raises SealBroken."""
    sealed = conn.execute(_SEALED, {"wanted": pool}).scalar()
    if sealed is None:
        return PoolSecrets()
    return _SECRETS.validate_json(vault.open_secret(sealed))
