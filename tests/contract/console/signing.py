"""What tests of the way in share: an account with a password, and the form filled in."""

from __future__ import annotations

import re

from argon2 import PasswordHasher

from api.console import roster
from masking.staff import StaffRole
from storage import staff
from storage.audit import SYSTEM
from tests.contract.api.house import House
from tests.support.console import Desk, Shown

PASSWORD = "copper lantern ostrich"
CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
KEPT = CHEAP.hash(PASSWORD)
REFUSED = "Login or password is not right."


async def enlist(
    house: House, login: str = "vera", role: StaffRole = StaffRole.AGENT, *, first: bool = False
) -> staff.Account:
    def work(conn: object) -> staff.Account:
        return roster.enlist(
            conn,  # type: ignore[arg-type]
            by=SYSTEM,
            login=login,
            name="Vera",
            role=role,
            password_hash=KEPT,
            now=house.clock(),
            entropy=house.services.entropy,
            language="en",
            must_change=first,
        )

    return await house.db.write(work)


async def sign_in(
    desk: Desk, login: str = "vera", password: str = PASSWORD, to: str = "/console/account"
) -> Shown:
    """As a browser does it: the form first, then what was typed."""
    form = await desk.get("/console/sign-in", Accept_Language="en")
    assert form.status == 200
    token = re.search(r'name="csrf" value="([^"]+)"', form.html)
    assert token is not None
    sent = {"login": login, "password": password, "to": to}
    return await desk.post("/console/sign-in", sent, csrf=token[1], Accept_Language="en")


def csrf(shown: Shown) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', shown.html)
    assert found is not None
    return found[1]
