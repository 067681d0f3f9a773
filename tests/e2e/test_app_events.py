# ruff: noqa: ANN401 (what the API answers is JSON)
"""A call missed while the app was away waits for it, arrives once, and leads back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from maskline.demo import Answer, Carrier, Ring
from tests.support.app_events import EventReader, Told, app_events
from tests.support.maskline import Maskline, Session

MakeCarrier = Callable[..., Awaitable[Carrier]]


async def _ready(own: Maskline, make_carrier: MakeCarrier) -> Carrier:
    await own.start()
    carrier = await make_carrier(own, "carrier-a")
    await own.add_trunk("carrier-a", carrier.host, carrier.port)
    await own.add_numbers("carrier-a", "+74951110001")
    return carrier


async def _credential(own: Maskline, user_id: str) -> Any:
    return await own.ask("POST", f"/v1/users/{user_id}/app-credentials", {"device": "phone"})


async def _missed(own: Maskline, carrier: Carrier, session: Session, count: int) -> str:
    """The buyer calls and gives up while the seller's mobile rings; the call's id."""
    carrier.on_invite(Ring(), number=session.seller)
    call = await carrier.call(session.buyer_dials, from_=session.buyer)
    leg = await carrier.incoming()
    await call.wait_ringing()
    await call.cancel()
    await leg.wait_ended()
    records = await own.recorded(session, count)
    return str(records[-1]["call_id"])


async def test_a_missed_call_is_told_on_return_once_and_called_back(
    own: Maskline, make_carrier: MakeCarrier
) -> None:
    carrier = await _ready(own, make_carrier)
    session = await own.open_session("+79160000001", "+79260000001", channel_policy="app_then_gsm")
    app = await _credential(own, session.seller_id)
    first = await _missed(own, carrier, session, 1)

    async with app_events(app["app_url"], app["token"]) as reader:
        told = await reader.next()
    second = await _missed(own, carrier, session, 2)
    async with app_events(app["app_url"], app["token"], after=told.id) as reader:
        later = await reader.next()
        third = await _missed(own, carrier, session, 3)
        live = await _entry(reader)

    assert [one.kind for one in (told, later, live)] == ["call.missed"] * 3
    assert [one.data["call_id"] for one in (told, later, live)] == [first, second, third]
    entry = told.data
    assert (entry["card"]["name"], entry["listing"]["id"]) == ("Anna", "L-42")
    assert entry["reason"] == "gave_up_while_ringing"
    assert entry["unread"] is True
    back = entry["call_back"]
    assert back["session_id"] == session.id
    assert back["gsm"] == session.seller_dials

    carrier.on_invite(Answer(tone_hz=450), number=session.buyer)
    call = await carrier.call(back["gsm"], from_=session.seller, tone_hz=700)
    leg = await carrier.incoming()
    await asyncio.gather(call.wait_up(), leg.wait_up())
    await asyncio.gather(call.hear(450), leg.hear(700))
    assert leg.invite.user("from").lstrip("+") == session.buyer_dials.lstrip("+")
    await call.hang_up()
    assert await own.stop() == 0


async def test_nothing_is_lost_or_told_twice_when_maskline_is_killed(
    own: Maskline, make_carrier: MakeCarrier
) -> None:
    carrier = await _ready(own, make_carrier)
    session = await own.open_session("+79160000002", "+79260000002", channel_policy="app_then_gsm")
    app = await _credential(own, session.seller_id)
    first = await _missed(own, carrier, session, 1)
    carrier.on_invite(Ring(), number=session.seller)

    async with app_events(app["app_url"], app["token"]) as reader:
        told = await reader.next()
        call = await carrier.call(session.buyer_dials, from_=session.buyer)
        leg = await carrier.incoming()
        await call.wait_ringing()
        await own.kill_9()
    await call.cancel()  # nobody but Asterisk's own file sees it
    await leg.wait_ended()
    await own.start()
    second = (await own.recorded(session, 2))[-1]["call_id"]

    async with app_events(app["app_url"], app["token"], after=told.id) as reader:
        later = await _entry(reader)
    assert [told.data["call_id"], later.data["call_id"]] == [first, second]
    assert later.kind == "call.missed"

    async with app_events(app["app_url"], app["token"], after=later.id) as reader:
        stopping = asyncio.create_task(own.stop())
        end = await reader.next()
        assert (end.kind, end.data) == ("end", {"reason": "restart"})
        assert await stopping == 0


async def _entry(reader: EventReader) -> Told:
    """The next entry of the log; what happens now is passed over."""
    while True:
        told = await reader.next()
        if told.id is not None:
            return told
