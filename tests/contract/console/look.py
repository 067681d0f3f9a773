"""What tests of the look-up pages share: forms opened and sent, entries that were kept."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping

from masking.staff import StaffRole
from storage import audit
from storage.audit import Action, Entry
from tests.contract.api.house import House
from tests.support.console import Desk, Shown

Seat = Callable[[StaffRole], Awaitable[Desk]]
Fields = Mapping[str, str | list[str]]


async def kept(house: House, action: Action) -> list[Entry]:
    """What the audit log says of this, the newest first."""
    page = await house.db.read(lambda conn: audit.page(conn, audit.Filter(action=action)))
    return [one.entry for one in page.items]


def once(page: Shown) -> str:
    """The hidden field of the page's form."""
    found = re.search(r'name="once" value="([0-9a-f]{32})"', page.html)
    assert found is not None, page.html
    return found[1]


async def sent(desk: Desk, path: str, fields: Fields | None = None) -> tuple[Shown, Fields]:
    """Open the form at `path` and send it; the answer, and all that was sent."""
    form = {"once": once(await desk.get(path)), **(fields or {})}
    return await desk.post(path.partition("?")[0], form), form
