"""What follows from a recorded call besides its entries: what caps count, and how to call back."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, func, select, update

from cdr.ingest import Ingester, IngestSettings
from masking.caps import Taken
from masking.model import Phone, Pool
from storage import call_tallies, numbers
from storage.schema import call_tallies as tallies
from storage.schema import leases, outbox, sessions
from storage.schema import numbers as proxies
from tests.integration.cdr.world import CAPS, World
from tests.unit.cdr.calls import call, interleaved
from tests.unit.cdr.scenario import START, scenarios

APP_HOST = "sip.example.org"


async def had(world: World) -> Taken:
    return await world.db.read(
        lambda conn: call_tallies.taken(
            conn,
            session_id="ses_1",
            position=0,
            caller_user_id="u-1",
            callee_user_id="u-2",
            now=START,
        )
    )


async def test_calls_are_counted_once_however_often_they_are_read(world: World) -> None:
    # answered, missed and busy in turn: after the last answered one come two in vain
    world.append(b"".join(interleaved([call(n, talk_s=1.0) for n in range(9)])))
    await world.ingest()
    expected = await had(world)
    assert (expected.pair_an_hour, expected.caller_an_hour) == (9, 9)

    world.file.rename(world.file.with_name("events.jsonl.1"))
    world.append(b"".join(interleaved([call(n, talk_s=1.0) for n in range(9)])) * 2)
    again = await world.ingest()

    assert again.stats.recorded == 0
    assert await had(world) == expected


async def test_a_pool_without_caps_counts_nothing(world: World) -> None:
    await world.db.write(lambda conn: numbers.put_pool(conn, Pool("default"), START))
    world.append(b"".join(interleaved([call(n) for n in range(3)])))
    await world.ingest()
    rows = await world.db.read(
        lambda conn: conn.execute(select(func.count(tallies.c.hour))).scalar()
    )
    assert rows == 0


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        ("missed_time_out", Taken(1, 1, 1)),
        ("busy", Taken(1, 1, 1)),
        ("cancelled", Taken(1, 1, 1)),
        ("app_declined", Taken(1, 1, 1)),
        ("given_up_while_waking", Taken(1, 1, 1)),
        ("app_to_app", Taken(0, 1, 1)),
        ("handover_caller", Taken(0, 1, 1)),
        ("all_trunks_failed", Taken(0, 1, 1)),  # nobody was rung: no run, but a call
        ("blocked", Taken()),
        ("capped", Taken()),  # what a cap refuses does not feed it
        ("quiet_hours", Taken(1, 1, 1)),  # nobody was rung, but the callee's log has it
        ("click_unreached", Taken()),
        ("unknown_caller", Taken()),
    ],
)
async def test_what_counts_is_a_call_for_which_somebody_was_to_be_rung(
    small_world: World, story: str, expected: Taken
) -> None:
    assert CAPS.unanswered_in_row
    [scenario] = [one for one in scenarios() if one.name == story]
    small_world.append(scenario.file("AAAA"))
    await small_world.ingest()
    assert await had(small_world) == expected


async def missed_notice(world: World, now_after: timedelta) -> dict[str, Any]:
    [scenario] = [one for one in scenarios() if one.name == "missed_time_out"]
    world.append(scenario.file())
    world.now[0] = START + now_after
    ingester = Ingester(
        world.db,
        world.vault,
        world.spool,
        world.node,
        lambda: world.now[0],
        IngestSettings(app_host=APP_HOST),
    )
    await ingester.drain()
    data = await world.db.read(
        lambda conn: conn.execute(
            select(outbox.c.data).where(outbox.c.kind == "call.missed")
        ).scalar_one()
    )
    told: dict[str, Any] = json.loads(data)
    return told


async def test_whoever_missed_a_call_is_told_how_to_call_back(world: World) -> None:
    told = await missed_notice(world, timedelta(minutes=5))
    assert told["reason"] == "no_answer"
    assert told["text"] == {"en": "You missed a call", "ru": "Пропущенный звонок"}
    assert told["call_back"] == {
        "session_id": "ses_1",
        "app": f"sip:ses_1@{APP_HOST}",
        "gsm": None,  # the session of these tests has no leases
        "extension": None,
        "until": "2023-11-14T23:13:20.000Z",
    }


async def test_a_session_that_is_over_is_no_way_back(world: World) -> None:
    told = await missed_notice(world, timedelta(hours=2))
    assert told["call_back"] is None


async def test_a_closed_session_is_no_way_back(world: World) -> None:
    closed = update(sessions).values(closed_at=START + timedelta(minutes=1))
    await world.db.write(lambda conn: conn.execute(closed))
    told = await missed_notice(world, timedelta(minutes=5))
    assert told["call_back"] is None


def lease(position: int, number_id: int) -> dict[str, Any]:
    return {
        "session_id": "ses_1",
        "position": position,
        "slot": 0,
        "number_id": number_id,
        "phone_index": bytes([position]),
        "extension": "12" if position else "",
        "once": False,
        "since": START,
        "expires_at": START + timedelta(hours=1),
        "reserved_until": START + timedelta(days=7),
        "active": True,
    }


async def test_the_number_to_call_back_is_the_callees_own(small_world: World) -> None:
    def put(conn: Connection) -> list[str]:
        numbers.add_numbers(conn, "default", "carrier-a", (Phone("+74951110002"),), START)
        found = conn.execute(select(proxies.c.id, proxies.c.e164).order_by(proxies.c.id)).all()
        conn.execute(leases.insert(), [lease(n, row.id) for n, row in enumerate(found)])
        return [row.e164 for row in found]

    theirs, own = await small_world.db.write(put)
    told = await missed_notice(small_world, timedelta(minutes=5))
    assert (told["call_back"]["gsm"], told["call_back"]["extension"]) == (own, "12")
    assert theirs not in json.dumps(told)
