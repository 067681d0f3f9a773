"""Staff of the demo: one account of the console for each role, and how to sign in to it.

The password is made by chance and kept in the demo's own data folder, for its owner alone.
"""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from api.console import roster
from api.console.passwords import check, hash_password
from masking.staff import StaffRole
from maskline import instance
from maskline.data_folder import write_private
from maskline.settings import Settings
from maskline.store import open_store, utc_now
from storage import staff
from storage.audit import SYSTEM

FILE: Final = "demo-staff.txt"
_NAMES: Final = {
    StaffRole.AGENT: "Vera (demo)",
    StaffRole.SUPERVISOR: "Oleg (demo)",
    StaffRole.OPERATOR: "Maria (demo)",
    StaffRole.ADMIN: "Ivan (demo)",
}


async def open_console(settings: Settings) -> str:
    """See to it that there is an account of each role; what to tell people."""
    file = settings.data / FILE
    password = await asyncio.to_thread(_password, file)
    async with open_store(settings) as store:
        there = await store.db.read(_kept)
        fits = await asyncio.to_thread(lambda: all(check(one, password) for one in there))
        if len(there) < len(StaffRole) or not fits:
            kept = await asyncio.to_thread(hash_password, password)
            await store.db.write(lambda conn: _make(conn, kept))
    logins = ", ".join(login_of(role) for role in StaffRole)
    url = f"{instance.find(settings.data).url}/console/"
    return f"Console: {url}\n  sign in as {logins}\n  password {password}  (kept in {file})"


def login_of(role: StaffRole) -> str:
    """The login of the demo's account of that role."""
    return f"demo-{role.value}"


def _kept(conn: Connection) -> list[str | None]:
    """What is kept of the passwords of those who are there."""
    found = [staff.secrets_by_login(conn, login_of(role)) for role in StaffRole]
    return [one.password_hash for one in found if one is not None]


def _make(conn: Connection, kept: str) -> None:
    for role in StaffRole:
        found = staff.by_login(conn, login_of(role))
        if found is None:
            roster.enlist(
                conn,
                by=SYSTEM,
                login=login_of(role),
                name=_NAMES[role],
                role=role,
                password_hash=kept,
                now=utc_now(),
                entropy=secrets.token_bytes,
                must_change=False,
            )
        else:
            staff.change(conn, found.id, utc_now(), password_hash=kept, must_change=False)


def _password(file: Path) -> str:
    if file.exists():
        return file.read_text().strip()
    made = roster.first_password(secrets.token_bytes)
    write_private(file, made + "\n")
    return made
