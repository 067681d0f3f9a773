"""The event stream of an app: what was missed arrives once, what happens arrives now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from api.services import ApiSettings
from masking.outcome import Outcome
from tests.contract.api.conftest import run
from tests.contract.api.house import House
from tests.contract.api.recorded import keep, record
from tests.support.app_events import EventReader, Told


@pytest.fixture
async def impatient(sqlite_url: str) -> AsyncIterator[House]:
    """A house whose streams are few, and show often that they live."""
    few = ApiSettings(sip_host="sip.test", keep_alive_s=0.05, streams_of_device=2, streams=3)
    async for house in run(sqlite_url, few):
        yield house


async def a_session(house: House) -> tuple[str, str]:
    """A session, and the seller's token."""
    await house.furnish()
    session_id: str = (await house.open_session())["id"]
    return session_id, (await house.credential("u-2"))["token"]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def all_until(reader: EventReader, call_id: str) -> list[Told]:
    """The events up to the one of this call."""
    found = [await reader.next()]
    while found[-1].data.get("call_id") != call_id:
        found.append(await reader.next())
    return found


async def test_a_call_missed_while_nobody_listened_is_told_on_return(house: House) -> None:
    session_id, token = await a_session(house)
    missed = record(1, session_id, Outcome.MISSED)
    await keep(house, missed)

    async with house.events(token) as reader:
        told = await reader.next()

    assert reader.response.headers["Content-Type"] == "text/event-stream"
    assert reader.response.headers["Cache-Control"] == "no-store"
    assert told.kind == "call.missed"
    assert told.id == told.data["id"]
    assert told.data["call_id"] == missed.call_id
    assert told.data["card"] == {"role": "buyer", "name": "Anna", "rating": 4.9, "facts": {}}
    assert told.data["listing"] == {"id": "L-42", "title": "Lada Vesta 2019"}
    assert told.data["call_back"]["session_id"] == session_id
    shown = (await house.ask("GET", "/v1/users/u-2/call-log")).json()["items"][0]
    assert told.data == shown


async def test_entries_come_as_they_are_written_each_once(house: House) -> None:
    session_id, token = await a_session(house)
    outcomes = (Outcome.MISSED, Outcome.ANSWERED, Outcome.MISSED, Outcome.BUSY)
    calls = [record(n, session_id, outcome) for n, outcome in enumerate(outcomes)]

    async with house.events(token) as reader:
        await keep(house, calls[0])
        first = await reader.next()
        await keep(house, *calls[1:])
        rest = [await reader.next() for _ in calls[1:]]

    told = [first, *rest]
    assert [one.data["call_id"] for one in told] == [call.call_id for call in calls]
    assert [one.kind for one in told] == ["call.missed", "call_log", "call.missed", "call_log"]
    ids = [one.id or 0 for one in told]
    assert sorted(set(ids)) == ids


async def test_a_reader_who_remembers_goes_on_where_it_was(house: House) -> None:
    session_id, token = await a_session(house)
    calls = [record(n, session_id, Outcome.MISSED) for n in range(4)]
    await keep(house, *calls[:2])
    async with house.events(token) as reader:
        first = await reader.next()
    await keep(house, calls[2])

    async with house.events(token, after=first.id) as reader:
        missed = [await reader.next(), await reader.next()]
        await keep(house, calls[3])
        missed.append(await reader.next())

    assert [one.data["call_id"] for one in missed] == [call.call_id for call in calls[1:]]


async def test_a_reader_who_remembers_nothing_gets_what_is_unread(house: House) -> None:
    session_id, token = await a_session(house)
    calls = [record(n, session_id, Outcome.MISSED) for n in range(3)]
    await keep(house, *calls[:2])
    seen = {"until": calls[0].offered_at.isoformat()}
    assert (await house.ask_app("POST", "/v1/app/call-log/seen", seen, token=token)).json() == {
        "marked": 1
    }

    async with house.events(token) as reader:
        told = await all_until(reader, calls[1].call_id)
        await keep(house, calls[2])
        told += await all_until(reader, calls[2].call_id)

    assert [one.data["call_id"] for one in told] == [calls[1].call_id, calls[2].call_id]


async def test_all_devices_of_a_user_are_told_and_nobody_else(house: House) -> None:
    session_id, phone = await a_session(house)
    tablet = (await house.credential("u-2"))["token"]
    buyer = (await house.credential("u-1"))["token"]
    call = record(1, session_id, Outcome.MISSED)

    async with house.events(phone) as one, house.events(tablet) as two, house.events(buyer) as out:
        await keep(house, call)
        told = [await reader.next() for reader in (one, two, out)]

    assert [each.data["direction"] for each in told] == ["in", "in", "out"]
    assert [each.kind for each in told] == ["call.missed", "call.missed", "call_log"]
    assert told[2].data["card"]["name"] == "Petr"


async def test_what_happens_now_is_told_to_those_who_listen(house: House) -> None:
    _, token = await a_session(house)
    bus = house.services.bus
    bus.publish("u-2", "call.quality", {"call_id": "cal_1", "mos": 2.0})

    async with house.events(token) as reader:
        bus.publish("u-2", "call.handover_offered", {"call_id": "cal_1", "to": "gsm"})
        bus.publish("u-1", "call.quality", {"call_id": "cal_1", "mos": 4.0})
        bus.publish("u-2", "call.ended", {"call_id": "cal_1"})
        told = [await reader.next(), await reader.next()]

    assert told == [
        Told("call.handover_offered", {"call_id": "cal_1", "to": "gsm"}, None),
        Told("call.ended", {"call_id": "cal_1"}, None),
    ]


async def test_a_stream_ends_with_its_credential(house: House) -> None:
    _, token = await a_session(house)
    made = (await house.ask("GET", "/v1/users/u-2/app-credentials")).json()["items"][0]

    async with house.events(token) as reader:
        path = f"/v1/users/u-2/app-credentials/{made['username']}"
        assert (await house.ask("DELETE", path)).status == 204
        assert await reader.next() == Told("end", {"reason": "revoked"}, None)
        with pytest.raises(EOFError):
            await reader.next()


async def test_a_credential_revoked_elsewhere_ends_its_stream_as_well(house: House) -> None:
    from storage import apps  # noqa: PLC0415 (another process)

    _, token = await a_session(house)
    async with house.events(token) as reader:
        now = house.clock()
        await house.db.write(lambda conn: apps.revoke(conn, "u-2", None, now))

        assert await reader.next() == Told("end", {"reason": "revoked"}, None)


async def test_a_stream_shows_that_it_lives_and_ends_in_time(impatient: House) -> None:
    house = impatient
    token = (await house.credential(ttl_s=60))["token"]
    async with house.events(token) as reader:
        assert (await reader.next(comments=True)).data == " keep-alive".strip()
        house.clock.advance(seconds=60)
        assert await reader.next() == Told("end", {"reason": "expired"}, None)


async def test_a_device_that_comes_again_and_again_keeps_its_newest_streams(
    impatient: House,
) -> None:
    house = impatient
    token = (await house.credential())["token"]
    async with house.events(token) as one, house.events(token) as two, house.events(token) as three:
        assert await one.next() == Told("end", {"reason": "replaced"}, None)
        house.services.bus.publish("u-1", "call.ended", {"call_id": "cal_1"})
        assert (await two.next()).kind == "call.ended"
        assert (await three.next()).kind == "call.ended"


async def test_there_are_so_many_streams_and_no_more(impatient: House) -> None:
    house = impatient
    tokens = [(await house.credential(f"u-{n}"))["token"] for n in range(4)]
    async with (
        house.events(tokens[0]) as one,
        house.events(tokens[1]) as two,
        house.events(tokens[2]) as three,
    ):
        for reader in (one, two, three):
            assert (await reader.next(comments=True)).data == "keep-alive"
        refused = await house.ask_app("GET", "/v1/app/events", token=tokens[3])
        assert (refused.status, refused.error_id) == (503, "overloaded")
        assert refused.headers["Retry-After"] == "1"


async def test_a_reader_who_left_leaves_nothing_behind(impatient: House) -> None:
    house = impatient
    token = (await house.credential())["token"]

    async def streams() -> int:
        metrics = (await house.ask("GET", "/metrics", role=None)).body.decode()
        line = next(one for one in metrics.splitlines() if one.startswith("maskline_app_streams "))
        return int(float(line.split()[1]))

    async with house.events(token) as reader:
        await reader.next(comments=True)
        assert await streams() == 1
    async with asyncio.timeout(10):
        while await streams():
            await asyncio.sleep(0.02)


async def test_without_a_token_nothing_flows(house: House) -> None:
    for headers in ({}, {"Authorization": f"Bearer {house.keys['admin']}"}):
        reply = await house.ask("GET", "/v1/app/events", role=None, headers=headers)
        assert (reply.status, reply.error_id) == (401, "unauthenticated")
    token = (await house.credential())["token"]
    in_query = await house.ask("GET", f"/v1/app/events?token={token}", role=None)
    assert in_query.status == 401
    head = await house.ask_app("HEAD", "/v1/app/events", token=token)
    assert (head.status, head.body) == (200, b"")
