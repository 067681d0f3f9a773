"""Accounts of the console. Never returns a hash or a secret but to what checks one."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, delete, func, select, update

from masking.staff import StaffRole
from storage.dialect import insert_if_absent
from storage.errors import ConstraintViolated
from storage.schema import staff_accounts, staff_recovery_codes, staff_sessions

_COLUMNS: Final = staff_accounts.c
_BY_LOGIN: Final = select(staff_accounts).where(_COLUMNS.login == bindparam("login"))
_BY_ID: Final = select(staff_accounts).where(_COLUMNS.id == bindparam("id"))
MOST: Final = 2000  # accounts that a list shows
AS_BROWSER: Final = "browser"  # a language that nobody chose: whichever the browser asks for


class Theme(StrEnum):
    """How pages look."""

    SYSTEM = "system"  # as the machine is set
    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who works in the console."""

    id: str  # ``stf_…``
    login: str
    name: str
    role: StaffRole
    language: str = AS_BROWSER  # or ``ru``, ``en``
    theme: Theme = Theme.SYSTEM
    time_zone: str = "Europe/Moscow"  # of IANA's database
    must_change: bool = False  # the password, before anything else
    second_factor: bool = False
    has_password: bool = False
    oidc: bool = False  # signs in through the organisation's provider
    locked_at: datetime | None = None
    created_at: datetime | None = None
    signed_in_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Secrets:
    """What an account is checked against. `repr` shows none of it."""

    account: Account
    password_hash: str | None = field(repr=False)
    totp_sealed: bytes | None = field(repr=False)
    totp_step: int = field(repr=False)


def normal(login: str) -> str:
    """A login as it is kept: without space around, in lower case."""
    return login.strip().casefold()


def add(conn: Connection, account: Account, *, password_hash: str | None, now: datetime) -> None:
    """Keep a new account. Raises ConstraintViolated if the login is taken."""
    row = {
        "id": account.id,
        "login": account.login,
        "name": account.name,
        "role": account.role.value,
        "language": account.language,
        "theme": account.theme.value,
        "time_zone": account.time_zone,
        "password_hash": password_hash,
        "must_change": account.must_change,
        "totp_step": 0,
        "created_at": now,
        "updated_at": now,
    }
    if not insert_if_absent(conn, staff_accounts, row):
        raise ConstraintViolated("this login is taken")


def every(conn: Connection) -> tuple[Account, ...]:
    """All accounts, by login."""
    rows = conn.execute(select(staff_accounts).order_by(_COLUMNS.login).limit(MOST)).all()
    return tuple(map(account_of, rows))


def by_id(conn: Connection, account_id: str) -> Account | None:
    """The account with this id."""
    row = conn.execute(_BY_ID, {"id": account_id}).first()
    return None if row is None else account_of(row)


def by_login(conn: Connection, login: str) -> Account | None:
    """The account with this login."""
    row = conn.execute(_BY_LOGIN, {"login": normal(login)}).first()
    return None if row is None else account_of(row)


def by_subject(conn: Connection, issuer: str, subject: str) -> Account | None:
    """The account that signs in through a provider as `subject`."""
    query = select(staff_accounts).where(
        _COLUMNS.oidc_issuer == issuer, _COLUMNS.oidc_subject == subject
    )
    row = conn.execute(query).first()
    return None if row is None else account_of(row)


def secrets_by_login(conn: Connection, login: str) -> Secrets | None:
    """What the account with this login is checked against."""
    row = conn.execute(_BY_LOGIN, {"login": normal(login)}).first()
    return None if row is None else _secrets(row)


def secrets_by_id(conn: Connection, account_id: str) -> Secrets | None:
    """What the account with this id is checked against."""
    row = conn.execute(_BY_ID, {"id": account_id}).first()
    return None if row is None else _secrets(row)


def change(conn: Connection, account_id: str, now: datetime, **values: Any) -> None:  # noqa: ANN401 (columns)
    """Set columns of an account."""
    which = update(staff_accounts).where(_COLUMNS.id == account_id)
    conn.execute(which.values(updated_at=now, **values))


def admins(conn: Connection) -> int:
    """How many admins can sign in."""
    query = select(func.count()).where(
        _COLUMNS.role == StaffRole.ADMIN.value, _COLUMNS.locked_at.is_(None)
    )
    return int(conn.execute(query).scalar_one())


def use_step(conn: Connection, account_id: str, step: int) -> bool:
    """Take a step of TOTP; False: it, or a later one, was taken already (RFC 6238, 5.2)."""
    which = (_COLUMNS.id == account_id) & (_COLUMNS.totp_step < step)
    return conn.execute(update(staff_accounts).where(which).values(totp_step=step)).rowcount == 1


def use_recovery_code(conn: Connection, account_id: str, code_hash: bytes) -> bool:
    """Take a recovery code; False: there is none such. It serves once."""
    code = staff_recovery_codes.c
    which = (code.account_id == account_id) & (code.code_hash == code_hash)
    return conn.execute(delete(staff_recovery_codes).where(which)).rowcount == 1


def set_recovery_codes(conn: Connection, account_id: str, hashes: tuple[bytes, ...]) -> None:
    """Replace the codes of an account."""
    code = staff_recovery_codes.c
    conn.execute(delete(staff_recovery_codes).where(code.account_id == account_id))
    rows = [{"account_id": account_id, "code_hash": one} for one in hashes]
    if rows:
        conn.execute(staff_recovery_codes.insert(), rows)


def recovery_codes_left(conn: Connection, account_id: str) -> int:
    """How many are left."""
    query = select(func.count()).where(staff_recovery_codes.c.account_id == account_id)
    return int(conn.execute(query).scalar_one())


def remove(conn: Connection, account_id: str) -> None:
    """Forget an account; the audit log keeps its id and name."""
    conn.execute(delete(staff_sessions).where(staff_sessions.c.account_id == account_id))
    set_recovery_codes(conn, account_id, ())
    conn.execute(delete(staff_accounts).where(_COLUMNS.id == account_id))


def account_of(row: Row[Any]) -> Account:
    """A row of `staff_accounts`."""
    return Account(
        id=row.id,
        login=row.login,
        name=row.name,
        role=StaffRole(row.role),
        language=row.language,
        theme=Theme(row.theme),
        time_zone=row.time_zone,
        must_change=bool(row.must_change),
        second_factor=row.totp_sealed is not None,
        has_password=row.password_hash is not None,
        oidc=row.oidc_subject is not None,
        locked_at=row.locked_at,
        created_at=row.created_at,
        signed_in_at=row.signed_in_at,
    )


def _secrets(row: Row[Any]) -> Secrets:
    return Secrets(account_of(row), row.password_hash, row.totp_sealed, row.totp_step)
