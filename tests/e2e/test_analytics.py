"""A real call, counted: in the funnel of its category and in the traffic of its trunk."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from maskline.demo import Answer, Carrier
from tests.support.maskline import Maskline


async def test_a_call_is_counted_as_it_is_recorded(
    shared: Maskline, carrier: Carrier, phone: Iterator[str]
) -> None:
    boats = {"id": "L-7", "category": "boats"}
    session = await shared.open_session(next(phone), next(phone), listing=boats)
    shown = {"kind": "number_shown", "category": "boats", "count": 3}
    await shared.ask("POST", "/v1/impressions", {"impressions": [shown]})
    carrier.on_invite(Answer(ring_ms=300, tone_hz=700), number=session.seller)

    call = await carrier.call(session.buyer_dials, from_=session.buyer, tone_hz=450)
    leg = await carrier.incoming()
    await asyncio.gather(call.wait_up(), leg.wait_up())
    await call.hang_up()
    await leg.wait_ended()
    [record] = await shared.recorded(session)

    found = await shared.ask("GET", "/v1/analytics/funnel", category="boats")
    [day] = found["items"]
    once = {"called": 1, "rang": 1, "answered": 1, "talked": 0}
    assert (day["number_shown"], day["contacts"], day["calls"]) == (3, once, once)
    assert day["talk_s"] == record["talk_s"]
    traffic = await shared.ask("GET", "/v1/analytics/traffic", group_by="trunk")
    lines = {(line["trunk"], line["direction"]): line for line in traffic["items"]}
    for direction in ("in", "out"):
        line = lines["carrier-a", direction]
        assert line["answered"] >= 1
        assert line["pdd"]["p50_ms"] > 0
