"""Trunks: kept with their passwords sealed, and a version that rises with every change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, delete, select, update
from sqlalchemy.exc import IntegrityError

from masking.errors import TrunkExists, TrunkInUse, UnknownTrunk
from masking.trunks import AuthType, MediaEncryption, NumberFormat, Transport, Trunk, TrunkAuth
from storage.dialect import insert_for, insert_if_absent
from storage.prepared import Prepared
from storage.schema import numbers, trunks, versions
from storage.vault import Vault

_VERSION: Final = "trunks"
_BY_NAME: Final = select(trunks).where(trunks.c.name == bindparam("wanted"))
_NOW: Final = Prepared(select(versions.c.value).where(versions.c.name == _VERSION))
_ALL: Final = select(trunks).order_by(trunks.c.priority, trunks.c.name)
_USED: Final = select(numbers.c.id).where(numbers.c.trunk == bindparam("wanted")).limit(1)


def add(conn: Connection, vault: Vault, trunk: Trunk, now: datetime) -> None:
    """Keep a new trunk. Raises TrunkExists."""
    row = _row(vault, trunk) | {"created_at": now, "updated_at": now}
    if not insert_if_absent(conn, trunks, row):
        raise TrunkExists(field="name")
    _rise(conn)


def replace(conn: Connection, vault: Vault, trunk: Trunk, now: datetime) -> None:
    """Give the trunk of that name other settings. Raises UnknownTrunk."""
    values = _row(vault, trunk) | {"updated_at": now}
    changed = conn.execute(update(trunks).where(trunks.c.name == trunk.name).values(values))
    if changed.rowcount == 0:
        raise UnknownTrunk(trunk.name, field="name")
    _rise(conn)


def remove(conn: Connection, name: str) -> None:
    """Forget a trunk. Raises UnknownTrunk, or TrunkInUse while numbers belong to it."""
    if conn.execute(_USED, {"wanted": name}).first() is not None:
        raise TrunkInUse(field="name")
    try:
        removed = conn.execute(delete(trunks).where(trunks.c.name == name)).rowcount
    except IntegrityError:  # a number was added in this very moment
        raise TrunkInUse(field="name") from None
    if removed == 0:
        raise UnknownTrunk(name, field="name")
    _rise(conn)


def get(conn: Connection, vault: Vault, name: str) -> Trunk | None:
    """The trunk of that name. Raises SealBroken if its password was sealed by another vault."""
    row = conn.execute(_BY_NAME, {"wanted": name}).first()
    return None if row is None else _trunk(vault, row)


def all(conn: Connection, vault: Vault) -> tuple[Trunk, ...]:  # noqa: A001 (read as trunks.all)
    """Every trunk, those tried first at the front. Raises SealBroken."""
    return tuple(_trunk(vault, row) for row in conn.execute(_ALL))


def version(conn: Connection) -> int:
    """A number that rises with every change of any trunk: who copied them looks here."""
    found = _NOW.rows(conn, {})
    return found[0].value if found else 0


def exist(conn: Connection, names: Sequence[str]) -> bool:
    """Whether there are trunks of all these names."""
    wanted = set(names)
    found = conn.execute(select(trunks.c.name).where(trunks.c.name.in_(wanted)))
    return len(found.all()) == len(wanted)


def _rise(conn: Connection) -> None:
    first = insert_for(conn, versions).values(name=_VERSION, value=1)
    conn.execute(
        first.on_conflict_do_update(
            index_elements=[versions.c.name], set_={"value": versions.c.value + 1}
        )
    )


def _row(vault: Vault, trunk: Trunk) -> dict[str, Any]:
    auth = trunk.auth
    return {
        "name": trunk.name,
        "host": trunk.host,
        "port": trunk.port,
        "transport": trunk.transport.value,
        "auth_type": auth.type.value,
        "username": auth.username,
        "password_sealed": None if auth.password is None else vault.seal_secret(auth.password),
        "register": auth.register,
        "number_format": trunk.number_format.value,
        "country": trunk.country,
        "codecs": list(trunk.codecs),
        "max_channels": trunk.max_channels,
        "max_cps": trunk.max_cps,
        "priority": trunk.priority,
        "inbound": trunk.inbound,
        "outbound": trunk.outbound,
        "enabled": trunk.enabled,
        "trusted": trunk.trusted,
        "options_interval_s": trunk.options_interval_s,
        "media_encryption": trunk.media_encryption.value,
    }


def _trunk(vault: Vault, row: Row[Any]) -> Trunk:
    sealed = row.password_sealed
    return Trunk(
        name=row.name,
        host=row.host,
        port=row.port,
        transport=Transport(row.transport),
        auth=TrunkAuth(
            type=AuthType(row.auth_type),
            username=row.username,
            password=None if sealed is None else vault.open_secret(sealed),
            register=row.register,
        ),
        number_format=NumberFormat(row.number_format),
        country=row.country,
        codecs=tuple(row.codecs),
        max_channels=row.max_channels,
        max_cps=row.max_cps,
        priority=row.priority,
        inbound=row.inbound,
        outbound=row.outbound,
        enabled=row.enabled,
        trusted=row.trusted,
        options_interval_s=row.options_interval_s,
        media_encryption=MediaEncryption(row.media_encryption),
    )
