"""What tests of the list of calls share: calls to look at, rows that are shown, what is typed."""

from __future__ import annotations

from masking.outcome import Outcome
from tests.contract.api.house import House
from tests.contract.api.recorded import keep, record
from tests.support.console import Desk, Shown


async def lived(house: House, calls: int = 3) -> str:
    """A session, with so many calls: the first answered, the rest missed. Its id."""
    await house.furnish()
    session: str = (await house.open_session())["id"]
    kept = [
        record(n, session, Outcome.ANSWERED if n == 0 else Outcome.MISSED) for n in range(calls)
    ]
    await keep(house, *kept)
    house.clock.advance(hours=2)
    return session


def rows(shown: Shown) -> int:
    return shown.html.count('<th scope="row" class="c-time">')


async def typed(desk: Desk, **form: str | list[str]) -> str:
    """Where the filter form goes on to."""
    sent = await desk.post("/console/calls", form)
    assert sent.status == 303, sent.words
    return sent.location
