"""A pool as it is sent: its rules and its secrets, kept together or not at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final

from sqlalchemy import Connection, bindparam, exists, func, select

from masking.errors import ExtensionsInUse, PhoneIsProxy
from masking.model import Phone, Pool
from masking.pool_checks import check_secrets
from masking.rules import PoolSecrets
from storage import numbers as number_rows
from storage.pool_rules import keep_secrets, secrets_of
from storage.schema import leases, numbers, shown_numbers
from storage.vault import Vault


class Keep(Enum):
    """What was not sent stays."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP
_OURS: Final = select(numbers.c.id).where(numbers.c.e164 == bindparam("static"))
_LEASES_LONGER: Final = select(
    exists().where(
        leases.c.number_id == numbers.c.id,
        numbers.c.pool == bindparam("of_pool"),
        leases.c.active,
        leases.c.reserved_until > bindparam("at"),
        func.length(leases.c.extension).between(bindparam("above") + 1, bindparam("most")),
    )
)
_PLACES_LONGER: Final = select(
    exists().where(
        shown_numbers.c.pool == bindparam("of_pool"),
        shown_numbers.c.active,
        shown_numbers.c.free_from > bindparam("rested"),
        func.length(shown_numbers.c.extension) > bindparam("above"),
    )
)


@dataclass(frozen=True, slots=True)
class SecretsChange:
    """What becomes of a pool's secrets: KEEP leaves one as it is, None removes it."""

    static: Phone | Keep | None = field(default=KEEP, repr=False)
    hook_secret: str | Keep | None = field(default=KEEP, repr=False)
    push_secret: str | Keep | None = field(default=KEEP, repr=False)


def put(
    conn: Connection, vault: Vault, pool: Pool, change: SecretsChange, now: datetime
) -> PoolSecrets:
    """Keep a pool and its secrets; the secrets as they are then.

    Raises CoolDownOutOfRange, InvalidRule, PhoneIsProxy, ExtensionsInUse, SealBroken.
    """
    before = secrets_of(conn, vault, pool.name)
    secrets = PoolSecrets(
        static=before.static if isinstance(change.static, Keep) else change.static,
        hook_secret=before.hook_secret
        if isinstance(change.hook_secret, Keep)
        else change.hook_secret,
        push_secret=before.push_secret
        if isinstance(change.push_secret, Keep)
        else change.push_secret,
    )
    check_secrets(pool, secrets)
    if secrets.static is not None and conn.execute(_OURS, {"static": secrets.static}).first():
        raise PhoneIsProxy(
            "the static destination is a proxy number of ours, a circle for calls: send another",
            field="strangers.static",
        )
    _check_extensions(conn, pool, now)
    number_rows.put_pool(conn, pool, now)
    if secrets != before:
        keep_secrets(conn, vault, pool.name, secrets)
    return secrets


def _check_extensions(conn: Connection, pool: Pool, now: datetime) -> None:
    """Raise ExtensionsInUse where somebody was given more digits than the pool would ask for.

    Reads every lease of the pool, and only where its extensions are to be shorter.
    """
    before = number_rows.pool(conn, pool.name)
    if before is None:
        return
    ours, theirs = before.rules, pool.rules
    wanted = {"of_pool": pool.name, "at": now, "rested": now - ours.listings.rest}
    most, length = ours.numbers.extension_length, theirs.numbers.extension_length
    if length < most:
        longer = wanted | {"above": length, "most": most}
        if conn.execute(_LEASES_LONGER, longer).scalar_one():
            raise ExtensionsInUse(field="numbers.extension_length")
    if theirs.listings.extension_length < ours.listings.extension_length:
        longer = wanted | {"above": theirs.listings.extension_length}
        if conn.execute(_PLACES_LONGER, longer).scalar_one():
            raise ExtensionsInUse(field="listings.extension_length")
