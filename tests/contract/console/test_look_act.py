"""A change that is asked for twice at once is made once, whatever the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from masking.staff import StaffRole
from storage.audit import Action
from tests.contract.api.conftest import run
from tests.contract.api.house import House
from tests.contract.console.look import Fields, kept, once, sent
from tests.support.console import Desk


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated, empty database of each kind."""
    found: str = request.getfixturevalue(f"migrated_{request.param}")
    return found


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    """The console over each database."""
    async for running in run(database_url):
        yield running


async def test_a_form_that_is_sent_five_times_at_once_is_done_once(house: House) -> None:
    await house.furnish()
    wanted = (await house.open_session())["id"]
    supervisor = await Desk.of(house, StaffRole.SUPERVISOR)
    path = f"/console/sessions/{wanted}/extend"
    form: Fields = {"once": once(await supervisor.get(path)), "hours": "72"}

    answers = await asyncio.gather(*(supervisor.post(path, form) for _ in range(5)))

    assert [one.status for one in answers] == [303] * 5
    assert len(await kept(house, Action.SESSION_CHANGED)) == 1


async def test_a_form_that_was_changed_after_it_was_sent_does_nothing(house: House) -> None:
    await house.furnish()
    wanted = (await house.open_session())["id"]
    supervisor = await Desk.of(house, StaffRole.SUPERVISOR)
    path = f"/console/sessions/{wanted}/extend"

    _, form = await sent(supervisor, path, {"hours": "72"})
    refused = await supervisor.post(path, {**form, "hours": "168"})

    assert refused.status in (409, 422)
    assert "This form was sent before with other values" in refused.words
    (entry,) = await kept(house, Action.SESSION_CHANGED)
    assert entry.facts["hours"] == 72


async def test_what_could_not_be_done_leaves_nothing_and_may_be_sent_again(house: House) -> None:
    await house.furnish()
    operator = await Desk.of(house, StaffRole.OPERATOR)
    path = "/console/pools/default/add"
    await house.ask("PUT", "/v1/pools/other", {})
    taken = {"pool": "other", "trunk": "carrier-a", "numbers": ["+74951110002"]}
    assert (await house.ask("POST", "/v1/numbers", taken)).status == 201

    refused, form = await sent(
        operator, path, {"trunk": "carrier-a", "numbers": "+74951110002\n+74951110003"}
    )
    await house.ask("DELETE", "/v1/numbers/%2B74951110002")
    done = await operator.post(path, form)

    assert refused.status == 409
    assert "None was added" in refused.words
    assert done.status == 303
    (entry,) = await kept(house, Action.POOL_CHANGED)
    assert entry.facts["added"] == 2
