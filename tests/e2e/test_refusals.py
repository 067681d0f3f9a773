"""Calls that are not carried on: what the caller hears, that nobody is rung, what is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from maskline.demo import Answer, Call, Carrier
from tests.support.maskline import Maskline, Session, eventually

SPOKEN_MS = 1000


async def _refused(carrier: Carrier, number: str, from_: str | None, *headers: str) -> Call:
    """Dial, listen to the announcement to its end, and make sure that no phone was rung."""
    before = carrier.incoming_waiting
    call = await carrier.call(number, from_=from_, headers=headers)
    await call.wait_ended(30)
    assert not call.answered
    assert carrier.incoming_waiting == before
    return call


async def _reason(shared: Maskline, session: Session) -> str:
    [record] = await shared.recorded(session)
    assert record["talk_s"] == 0
    return f"{record['outcome']}: {record['reason']}"


async def test_a_closed_session_still_cools_and_says_so(
    shared: Maskline, carrier: Carrier, phone: Iterator[str]
) -> None:
    session = await shared.open_session(next(phone), next(phone))
    await shared.ask("DELETE", f"/v1/sessions/{session.id}")

    call = await _refused(carrier, session.buyer_dials, session.buyer)

    assert call.status == 410
    assert call.heard().speech_ms > SPOKEN_MS
    assert await _reason(shared, session) == "failed: cooling"


async def test_a_closed_session_in_a_pool_without_cool_down(
    shared: Maskline, carrier: Carrier, phone: Iterator[str]
) -> None:
    await shared.ask("PUT", "/v1/pools/hot", {"cool_down_s": 0})
    await shared.add_numbers("carrier-a", "+74951110081", "+74951110082", pool="hot")
    session = await shared.open_session(next(phone), next(phone), pool="hot")
    await shared.ask("DELETE", f"/v1/sessions/{session.id}")

    call = await _refused(carrier, session.buyer_dials, session.buyer)

    assert call.status == 410
    assert call.heard().speech_ms > SPOKEN_MS
    assert await _reason(shared, session) == "failed: session_closed"


async def test_an_unknown_caller_rings_nobody(
    shared: Maskline, carrier: Carrier, phone: Iterator[str]
) -> None:
    session = await shared.open_session(next(phone), next(phone))

    call = await _refused(carrier, session.buyer_dials, next(phone))

    assert call.status == 404
    assert call.heard().speech_ms > SPOKEN_MS
    assert await shared.calls(session_id=session.id) == []


@pytest.mark.parametrize(
    ("from_", "headers"),
    [
        pytest.param(None, (), id="anonymous"),
        pytest.param("+79160000001", ("Privacy: id",), id="privacy-id"),
        pytest.param("not-a-number", (), id="no-number"),
    ],
)
async def test_a_withheld_caller_is_told_to_show_the_number(
    shared: Maskline,
    carrier: Carrier,
    phone: Iterator[str],
    from_: str | None,
    headers: tuple[str, ...],
) -> None:
    session = await shared.open_session(next(phone), next(phone))

    call = await _refused(carrier, session.buyer_dials, from_, *headers)

    assert call.status == 403
    assert call.heard().speech_ms > SPOKEN_MS


async def test_the_asserted_identity_counts_on_a_trusted_trunk(
    shared: Maskline, carrier: Carrier, phone: Iterator[str]
) -> None:
    session = await shared.open_session(next(phone), next(phone))
    carrier.on_invite(Answer(), number=session.seller)
    identity = f"P-Asserted-Identity: <sip:{session.buyer}@carrier.example>"

    call = await carrier.call(session.buyer_dials, from_="+70000000000", headers=(identity,))
    leg = await carrier.incoming()
    await asyncio.gather(call.wait_up(), leg.wait_up())
    await call.hang_up()

    assert leg.dialled == session.seller
    await shared.recorded(session)


async def test_an_unknown_number(shared: Maskline, carrier: Carrier, phone: Iterator[str]) -> None:
    call = await _refused(carrier, "+74959999999", next(phone))

    assert call.status == 404
    assert call.heard().speech_ms > SPOKEN_MS


async def test_a_blocked_pair(shared: Maskline, carrier: Carrier, phone: Iterator[str]) -> None:
    session = await shared.open_session(next(phone), next(phone))
    block = {"user_id": session.seller_id, "blocked_user_id": session.buyer_id, "reason": "spam"}
    await shared.ask("POST", "/v1/blocks", block)

    call = await _refused(carrier, session.buyer_dials, session.buyer)

    assert call.status == 403
    assert call.heard().speech_ms > SPOKEN_MS
    assert await _reason(shared, session) == "blocked: blocked"


async def test_an_unknown_source_gets_no_answer_worth_having(
    shared: Maskline, carrier: Carrier, make_carrier: object, phone: Iterator[str]
) -> None:
    session = await shared.open_session(next(phone), next(phone))
    stranger = await make_carrier(shared, "stranger")  # type: ignore[operator]

    call = await stranger.call(session.buyer_dials, from_=session.buyer)
    await call.wait_ended()

    assert call.status in (401, 403, 404)
    assert not call.rang
    assert b"Asterisk" not in call.received_bytes
    assert await shared.calls(session_id=session.id) == []


async def test_after_all_that_an_honest_call_works(
    shared: Maskline, carrier: Carrier, phone: Iterator[str]
) -> None:
    session = await shared.open_session(next(phone), next(phone))
    carrier.on_invite(Answer(), number=session.seller)
    call = await carrier.call(session.buyer_dials, from_=session.buyer)
    leg = await carrier.incoming()
    await asyncio.gather(call.wait_up(), leg.wait_up())
    await call.hang_up()
    await shared.recorded(session)
    await eventually(shared.live, lambda live: live == [])
