"""One alarm of the board: read by who watches, taken by the first who says so, and remembered."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from masking.staff import StaffRole
from storage import alarms, audit
from storage.alarms import Kept
from storage.audit import Action
from tests.contract.api.house import START, House
from tests.contract.console.conftest import Seat
from tests.contract.console.look import once

PATH = "/console/board/alarms/"
ALARM = Kept(
    id="alm_" + "0" * 26,
    condition="trunk_silent",
    subject="carrier-a",
    grave=True,
    facts={},
    times=1,
    since=START,
    raised_at=START + timedelta(seconds=10),
    observer="one",
    seen_at=START + timedelta(seconds=10),
)


@pytest.fixture
async def up(lite: House) -> Kept:
    """An alarm that is up, and stays up while the test goes on."""
    lite.clock.now = START + timedelta(seconds=12)
    await lite.db.write(lambda conn: alarms.put_up(conn, ALARM))
    return ALARM


async def test_it_says_what_is_wrong_since_when_and_who_takes_it(
    lite: House, desk: Seat, up: Kept
) -> None:
    operator = await desk(StaffRole.OPERATOR)
    shown = await operator.get(PATH + up.id)
    assert shown.status == 200
    assert "Trunk carrier-a does not answer OPTIONS." in shown.words
    assert "nobody yet" in shown.words

    taken = await operator.post(PATH + up.id, {"once": once(shown)})
    assert taken.location == "/console/board"
    after = await operator.get(PATH + up.id)
    assert operator.account is not None
    assert operator.account.name in after.words
    assert "Take it" not in after.words
    [entry] = (
        await lite.db.read(lambda conn: audit.page(conn, audit.Filter(action=Action.ALARM_TAKEN)))
    ).items
    assert entry.entry.object_id == up.id
    assert entry.entry.actor.id == operator.account.id
    assert entry.entry.facts == {"condition": "trunk_silent", "subject": "carrier-a"}


async def test_only_the_first_takes_it(lite: House, desk: Seat, up: Kept) -> None:
    first, second = await desk(StaffRole.OPERATOR), await desk(StaffRole.SUPERVISOR)
    theirs = once(await second.get(PATH + up.id))
    form = {"once": once(await first.get(PATH + up.id))}
    taken = await first.post(PATH + up.id, form, partial=True)  # as the page's script sends it
    late = await second.post(PATH + up.id, {"once": theirs})

    assert (taken.status, taken.reply.headers["HX-Redirect"]) == (204, "/console/board")
    assert late.status == 409
    assert "Somebody has taken it already" in late.words
    kept = await lite.db.read(lambda conn: alarms.get(conn, up.id))
    assert kept is not None
    assert first.account is not None
    assert kept.acknowledged_by == first.account.id


async def test_what_is_over_is_read_and_not_taken(lite: House, desk: Seat, up: Kept) -> None:
    operator = await desk(StaffRole.OPERATOR)
    form = {"once": once(await operator.get(PATH + up.id))}
    await lite.db.write(lambda conn: alarms.clear(conn, up.id, up.observer, lite.clock()))

    assert "Take it" not in (await operator.get(PATH + up.id)).words
    assert (await operator.post(PATH + up.id, form)).status == 409
    missing = replace(up, id="alm_" + "1" * 26).id
    assert (await operator.get(PATH + missing)).status == 404
