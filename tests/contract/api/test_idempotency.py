"""`Idempotency-Key`: one effect, one answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import Connection, text

from storage import idempotency, sessions
from tests.contract.api.house import PROXY, House, session

KEY = {"Idempotency-Key": "5b0f4c6e"}


async def count(house: House) -> int:
    return len((await house.ask("GET", "/v1/sessions?limit=200")).json()["items"])


async def test_the_same_request_gets_the_same_answer_and_no_second_effect(house: House) -> None:
    await house.furnish(PROXY, "+74951110002")

    first = await house.ask("POST", "/v1/sessions", session(), headers=KEY)
    house.clock.advance(hours=23)
    second = await house.ask("POST", "/v1/sessions", session(), headers=KEY)

    assert first.status == second.status == 201
    assert first.body == second.body
    assert first.headers["Location"] == second.headers["Location"]
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert await count(house) == 1


async def test_the_order_of_fields_does_not_make_another_request(house: House) -> None:
    await house.furnish()
    body = session()
    turned = dict(reversed(body.items()))

    first = await house.ask("POST", "/v1/sessions", body, headers=KEY)
    second = await house.ask("POST", "/v1/sessions", turned, headers=KEY)

    assert first.body == second.body


async def test_another_request_with_the_same_key_is_refused(house: House) -> None:
    await house.furnish(PROXY, "+74951110002")
    await house.ask("POST", "/v1/sessions", session(), headers=KEY)

    refused = await house.ask("POST", "/v1/sessions", session(ttl_s=600), headers=KEY)
    elsewhere = await house.ask(
        "POST", "/v1/blocks", {"user_id": "a", "blocked_user_id": "b"}, headers=KEY
    )

    assert (refused.status, refused.error_id) == (422, "idempotency_key_reused")
    assert (elsewhere.status, elsewhere.error_id) == (422, "idempotency_key_reused")
    assert await count(house) == 1


async def test_a_key_is_forgotten_after_a_day(house: House) -> None:
    await house.furnish(PROXY, "+74951110002")
    await house.ask("POST", "/v1/sessions", session(), headers=KEY)

    house.clock.advance(hours=24)
    again = await house.ask("POST", "/v1/sessions", session(), headers=KEY)

    assert again.status == 201
    assert "Idempotency-Replayed" not in again.headers
    assert await count(house) == 2


async def test_two_holders_of_keys_do_not_meet(house: House) -> None:
    await house.furnish(PROXY, "+74951110002")

    first = await house.ask("POST", "/v1/sessions", session(), headers=KEY, role="platform")
    second = await house.ask("POST", "/v1/sessions", session(), headers=KEY, role="admin")

    assert first.json()["id"] != second.json()["id"]


async def test_many_at_once_have_one_effect(house: House) -> None:
    await house.furnish(*(f"+7495111{n:04}" for n in range(20)))

    replies = await asyncio.gather(
        *(house.ask("POST", "/v1/sessions", session(), headers=KEY) for _ in range(16))
    )

    answered = [reply for reply in replies if reply.status == 201]
    assert {reply.status for reply in replies} <= {201, 409}
    assert len({reply.body for reply in answered}) == 1
    assert sum("Idempotency-Replayed" not in reply.headers for reply in answered) == 1
    assert await count(house) == 1


async def test_a_refused_request_leaves_its_key_free(house: House) -> None:
    await house.furnish(PROXY)
    held = await house.open_session()
    refused = await house.ask("POST", "/v1/sessions", session(), headers=KEY)
    assert refused.error_id == "pool_exhausted"

    await house.ask("PUT", "/v1/pools/default", {"cool_down_s": 0})
    await house.ask("DELETE", f"/v1/sessions/{held['id']}")
    again = await house.ask("POST", "/v1/sessions", session(), headers=KEY)

    assert again.status == 201


@pytest.mark.parametrize("broken", ["open_session", "settle"])
async def test_a_crash_between_effect_and_answer_keeps_neither(
    house: House, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """The effect, then the crash, in one transaction: afterwards nothing has happened."""
    await house.furnish()
    module: Any = sessions if broken == "open_session" else idempotency
    real = getattr(module, broken)

    def crash(*args: object, **kwargs: object) -> None:
        real(*args, **kwargs)
        raise RuntimeError("power cut while handling +79161234567")

    monkeypatch.setattr(module, broken, crash)
    failed = await house.ask("POST", "/v1/sessions", session(), headers=KEY)
    assert (failed.status, failed.error_id) == (500, "internal_error")
    assert await count(house) == 0

    monkeypatch.setattr(module, broken, real)
    again = await house.ask("POST", "/v1/sessions", session(), headers=KEY)
    assert again.status == 201
    assert "Idempotency-Replayed" not in again.headers
    assert await count(house) == 1


async def test_a_key_is_shown_again_though_it_is_not_kept(house: House) -> None:
    body = {"role": "platform", "name": "shop"}

    first = await house.ask("POST", "/v1/keys", body, headers=KEY)
    second = await house.ask("POST", "/v1/keys", body, headers=KEY)

    assert first.body == second.body
    text_of_key = first.json()["key"]

    def kept(conn: Connection) -> str:
        rows = conn.execute(text("SELECT body FROM idempotency_keys")).all()
        return "".join(row.body for row in rows)

    assert text_of_key not in await house.db.read(kept)
    headers = {"Authorization": f"Bearer {text_of_key}"}
    assert (await house.ask("GET", "/v1/sessions", headers=headers, role=None)).status == 200


async def test_nothing_that_is_kept_holds_a_phone(house: House) -> None:
    await house.furnish()
    await house.ask("POST", "/v1/sessions", session(), headers=KEY)

    def kept(conn: Connection) -> list[Any]:
        return list(conn.execute(text("SELECT * FROM idempotency_keys")).all())

    rows = await house.db.read(kept)
    assert len(rows) == 1
    assert "9161234567" not in str(rows)


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "two words", "\u0439"])
async def test_an_unusable_key_is_refused(lite: House, key: str) -> None:
    refused = await lite.ask("POST", "/v1/sessions", session(), headers={"Idempotency-Key": key})

    assert refused.status == 422
    assert list(refused.fields) == ["Idempotency-Key"]
