"""Making accounts: what a login may be, first passwords. Used by pages and by the command line."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from masking import ids
from masking.staff import StaffRole
from storage import audit, staff
from storage.audit import Action, Actor, Entry
from storage.staff import Account

LOGIN: Final = re.compile(r"[a-z0-9][a-z0-9._@+-]{1,63}")
_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"


def first_password(entropy: Callable[[int], bytes]) -> str:
    """A password to be changed at once: four groups of five, 99 bits."""
    number = int.from_bytes(entropy(20), "big")
    text = ""
    for _ in range(20):
        number, digit = divmod(number, len(_LETTERS))
        text += _LETTERS[digit]
    return "-".join(text[at : at + 5] for at in range(0, 20, 5))


def enlist(  # noqa: PLR0913 (what an account is)
    conn: Connection,
    *,
    by: Actor,
    login: str,
    name: str,
    role: StaffRole,
    password_hash: str | None,
    now: datetime,
    entropy: Callable[[int], bytes],
    language: str = staff.AS_BROWSER,
    must_change: bool = True,
) -> Account:
    """Add an account and remember who did. Raises ConstraintViolated if the login is taken."""
    account = Account(
        id=ids.staff_id(now, entropy(10)),
        login=staff.normal(login),
        name=name,
        role=role,
        language=language,
        must_change=must_change and password_hash is not None,
    )
    staff.add(conn, account, password_hash=password_hash, now=now)
    note(conn, by, account, now, what="added", role=role.value)
    return account


def note(
    conn: Connection, by: Actor, account: Account, now: datetime, *, what: str, **facts: str | int
) -> None:
    """Keep in the audit log that an account was changed."""
    entry = Entry(
        at=now,
        actor=by,
        action=Action.STAFF_CHANGED,
        object_kind="staff",
        object_id=account.id,
        facts={"what": what, **facts},
    )
    audit.append(conn, entry)
