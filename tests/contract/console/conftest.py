"""The console's pages over SQLite: `lite` is the running house, `desk` makes somebody at a desk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from api.console import passwords
from api.console.audit_words import name_of
from api.console.render import texts_of
from masking.staff import StaffRole
from storage import audit
from tests.contract.api.conftest import run
from tests.contract.api.house import House
from tests.contract.console.signing import CHEAP
from tests.support.console import Desk

Seat = Callable[[StaffRole], Awaitable[Desk]]


@pytest.fixture
async def lite(migrated_sqlite: str) -> AsyncIterator[House]:
    """The API and the console over SQLite.

    At the end all it said is searched for phones, and every fact in its audit log has its words.
    """
    async for running in run(migrated_sqlite):
        yield running
        kept = await running.db.read(lambda conn: audit.page(conn, audit.Filter()))
        said = {name for one in kept.items for name in one.entry.facts}
        for texts in texts_of().values():
            assert [name for name in said if name_of(name, texts) is None] == []


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash cheaply, for those who are there and those who are not."""
    monkeypatch.setattr(passwords, "_HASHER", CHEAP)
    monkeypatch.setattr(passwords, "_NOBODY", CHEAP.hash("nobody"))


@pytest.fixture
def desk(lite: House) -> Seat:
    """`await desk(StaffRole.AGENT)`: somebody of that role, signed in."""

    async def seat(role: StaffRole) -> Desk:
        return await Desk.of(lite, role)

    return seat
