"""A pool as it is sent: its rules and its secrets, kept together or not at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final

from sqlalchemy import Connection, bindparam, select

from masking.errors import PhoneIsProxy
from masking.model import Phone, Pool
from masking.pool_checks import check_secrets
from masking.rules import PoolSecrets
from storage import numbers as number_rows
from storage.pool_rules import keep_secrets, secrets_of
from storage.schema import numbers
from storage.vault import Vault


class Keep(Enum):
    """What was not sent stays."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP
_OURS: Final = select(numbers.c.id).where(numbers.c.e164 == bindparam("static"))


@dataclass(frozen=True, slots=True)
class SecretsChange:
    """What becomes of a pool's secrets: KEEP leaves one as it is, None removes it."""

    static: Phone | Keep | None = field(default=KEEP, repr=False)
    hook_secret: str | Keep | None = field(default=KEEP, repr=False)


def put(
    conn: Connection, vault: Vault, pool: Pool, change: SecretsChange, now: datetime
) -> PoolSecrets:
    """Keep a pool and its secrets; the secrets as they are then.

    Raises CoolDownOutOfRange, InvalidRule, PhoneIsProxy, SealBroken.
    """
    before = secrets_of(conn, vault, pool.name)
    secrets = PoolSecrets(
        static=before.static if isinstance(change.static, Keep) else change.static,
        hook_secret=before.hook_secret
        if isinstance(change.hook_secret, Keep)
        else change.hook_secret,
    )
    check_secrets(pool, secrets)
    if secrets.static is not None and conn.execute(_OURS, {"static": secrets.static}).first():
        raise PhoneIsProxy(
            "the static destination is a proxy number of ours, a circle for calls: send another",
            field="strangers.static",
        )
    number_rows.put_pool(conn, pool, now)
    if secrets != before:
        keep_secrets(conn, vault, pool.name, secrets)
    return secrets
