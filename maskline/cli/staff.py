"""`maskline staff`: accounts of the console, made and mended on the machine itself.

A first password is printed once, kept nowhere but hashed, and must be changed at sign-in.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import secrets
from collections.abc import Callable
from typing import Final, TypeVar

from sqlalchemy import Connection

from api.console import roster
from api.console.passwords import hash_password
from masking.staff import StaffRole
from maskline.cli.common import settings_of, table
from maskline.errors import MasklineError
from maskline.store import Store, open_store, utc_now
from storage import staff, staff_attempts, staff_sessions
from storage.audit import Actor, ActorKind
from storage.staff import Account

T = TypeVar("T")
_BYTES: Final = secrets.token_bytes


class StaffRefused(MasklineError):
    """What was asked of an account cannot be done."""

    error_id = "staff_refused"


def add(arguments: argparse.Namespace) -> int:
    """Make an account and print its first password, alone on its line."""
    login = staff.normal(arguments.login)
    if not roster.LOGIN.fullmatch(login):
        raise StaffRefused("a login is 2 to 64 of: a-z 0-9 . _ @ + -")
    first = roster.first_password(_BYTES)
    kept = hash_password(first)

    def work(conn: Connection, _: Store) -> None:
        if staff.by_login(conn, login) is not None:
            raise StaffRefused(f"there is an account {login} already")
        roster.enlist(
            conn,
            by=_actor(),
            login=login,
            name=arguments.name or arguments.login,
            role=StaffRole(arguments.role),
            password_hash=kept,
            now=utc_now(),
            entropy=_BYTES,
            language=arguments.language,
        )

    _write(arguments, work)
    print(first)
    return 0


def show(arguments: argparse.Namespace) -> int:
    """List accounts."""
    rows: list[tuple[str, ...]] = [
        (
            one.login,
            one.role.value,
            one.name,
            "yes" if one.second_factor else "",
            "locked" if one.locked_at else "",
            f"{one.signed_in_at:%Y-%m-%d %H:%M}" if one.signed_in_at else "",
        )
        for one in _write(arguments, lambda conn, _: staff.every(conn))
    ]
    print(table(rows, ("LOGIN", "ROLE", "NAME", "CODE", "STATE", "SIGNED IN (UTC)")))
    return 0


def password(arguments: argparse.Namespace) -> int:
    """Give an account a new first password, end its sessions and what held it up."""
    first = roster.first_password(_BYTES)
    kept = hash_password(first)

    def work(conn: Connection, store: Store, account: Account) -> None:
        values: dict[str, object] = {"password_hash": kept, "must_change": True}
        if arguments.reset_code:
            values |= {"totp_sealed": None, "totp_step": 0}
            staff.set_recovery_codes(conn, account.id, ())
        staff.change(conn, account.id, utc_now(), **values)
        staff_attempts.forget_account(conn, store.vault, account)
        _changed(conn, account, "password_reset")

    _change(arguments, work)
    print(first)
    return 0


def lock(arguments: argparse.Namespace) -> int:
    """Shut an account out, at once."""

    def work(conn: Connection, _: Store, account: Account) -> None:
        staff.change(conn, account.id, utc_now(), locked_at=utc_now())
        _changed(conn, account, "locked")

    _change(arguments, work)
    print(f"locked {arguments.login}")
    return 0


def unlock(arguments: argparse.Namespace) -> int:
    """Let an account in again."""

    def work(conn: Connection, store: Store, account: Account) -> None:
        staff.change(conn, account.id, utc_now(), locked_at=None)
        staff_attempts.forget_account(conn, store.vault, account)
        _changed(conn, account, "unlocked")

    _change(arguments, work)
    print(f"unlocked {arguments.login}")
    return 0


def _changed(conn: Connection, account: Account, what: str) -> None:
    staff_sessions.end_all(conn, account.id)
    roster.note(conn, _actor(), account, utc_now(), what=what)


def _actor() -> Actor:
    return Actor(ActorKind.COMMAND, getpass.getuser())


def _change(
    arguments: argparse.Namespace, work: Callable[[Connection, Store, Account], None]
) -> None:
    def found(conn: Connection, store: Store) -> None:
        account = staff.by_login(conn, arguments.login)
        if account is None:
            raise StaffRefused(f"there is no account {staff.normal(arguments.login)}")
        work(conn, store, account)

    _write(arguments, found)


def _write(arguments: argparse.Namespace, work: Callable[[Connection, Store], T]) -> T:
    async def go() -> T:
        async with open_store(settings_of(arguments)) as store:
            return await store.db.write(lambda conn: work(conn, store))

    return asyncio.run(go())
