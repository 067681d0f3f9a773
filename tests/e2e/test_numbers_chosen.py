"""Which numbers people get, as their phones have it: the same again, one for a team, shared."""

from __future__ import annotations

import sqlite3

import pytest

from maskline.errors import CommandRefused
from tests.support.maskline import session_body, user_id
from tests.support.scene import LANGUAGES, Scene

EACH_LANGUAGE = pytest.mark.parametrize("language", LANGUAGES)


async def test_a_pair_gets_its_numbers_again_and_calls_still_arrive(scene: Scene) -> None:
    pool = await scene.pool("ru", numbers=4, cool_down_s=0)
    first, _ = await scene.session(pool)
    await (await scene.reach(first.buyer_dials, first.buyer, first.seller)).end()
    await scene.ask("DELETE", f"/v1/sessions/{first.id}")
    others = [await scene.session(pool) for _ in range(5)]  # the rotation goes on meanwhile
    assert len(others) == 5

    again, answer = await scene.session(pool, first.buyer, first.seller)

    assert (again.buyer_dials, again.seller_dials) == (first.buyer_dials, first.seller_dials)
    assert {one["why"]["by"] for one in answer["participants"]} == {"sticky"}
    talk = await scene.reach(again.seller_dials, again.seller, again.buyer)
    assert talk.leg.seen_caller == again.buyer_dials


async def test_a_number_of_the_callees_city_is_shown(scene: Scene) -> None:
    pool = await scene.pool("ru", numbers=2)
    petersburg = f"+7812{pool.numbers[0][-7:]}"
    await scene.maskline.add_numbers(scene.trunk, petersburg, pool=pool.name)
    seller = "+7812" + scene.person()[-7:]
    scene.people.add(seller)
    session, answer = await scene.session(pool, seller=seller)
    assert session.buyer_dials == petersburg
    assert answer["participants"][0]["why"]["area"] == "+7812"
    await (await scene.reach(petersburg, session.buyer, seller)).end()


async def test_what_is_said_of_a_call_beforehand_is_what_happens(scene: Scene) -> None:
    pool = await scene.pool("ru")
    session, _ = await scene.session(pool)
    number, stranger = session.buyer_dials, scene.person()

    async def said(caller: str | None) -> tuple[str, str | None, str | None]:
        body = {"number": number, "caller": caller}
        found = await scene.ask("POST", "/v1/inspections", body)
        callee = found["callee"]
        return found["decision"], callee and callee["user_id"], found["announcement"]

    assert await said(session.buyer) == ("reach", session.seller_id, None)
    await (await scene.reach(number, session.buyer, session.seller)).end()
    for caller, announcement in ((stranger, "not-in-service"), (None, "withheld")):
        assert await said(caller) == ("refuse", None, announcement)
        await scene.refused(await scene.dial(number, caller), "ru", announcement)
    await scene.ask("DELETE", f"/v1/sessions/{session.id}")
    assert await said(session.buyer) == ("refuse", None, "no-longer-serves")
    await scene.refused(await scene.dial(number, session.buyer), "ru", "no-longer-serves")


async def test_a_reserved_number_goes_to_who_asks_for_it_and_to_nobody_else(scene: Scene) -> None:
    pool = await scene.pool("ru", numbers=2)
    kept, free = pool.numbers
    await scene.ask("PATCH", f"/v1/numbers/{kept}", {"state": "reserved"})
    usual, _ = await scene.session(pool)
    assert {usual.buyer_dials, usual.seller_dials} == {free}

    buyer, seller = scene.person(), scene.person()
    body = session_body(buyer, seller, pool=pool.name)
    body["participants"][0]["number"] = kept
    asked = await scene.ask("POST", "/v1/sessions", body)

    assert asked["participants"][0]["dial"]["gsm"] == kept
    await (await scene.reach(kept, buyer, seller)).end()
    body["conversation_id"] += "-again"
    with pytest.raises(CommandRefused, match="holds that number"):
        await scene.ask("POST", "/v1/sessions", body)


async def test_pools_are_tried_in_their_order(scene: Scene) -> None:
    near, far = await scene.pool("ru", numbers=1), await scene.pool("en", numbers=1)
    buyer = scene.person()
    pools = [near.name, far.name]
    sessions = []
    for _ in pools:
        seller = scene.person()
        body = session_body(buyer, seller, pools=pools)
        del body["pool"]
        answer = await scene.ask("POST", "/v1/sessions", body)
        sessions.append((seller, answer["pool"], answer["participants"][0]["dial"]["gsm"]))

    assert [one[1] for one in sessions] == pools
    assert [one[2] for one in sessions] == [*near.numbers, *far.numbers]
    for seller, _, number in sessions:
        await (await scene.reach(number, buyer, seller)).end()


async def test_the_platform_is_warned_before_a_participant_is_refused(scene: Scene) -> None:
    pool = await scene.pool("ru", numbers=5)
    dealer = scene.person()
    held = [await scene.session(pool, seller=dealer) for _ in range(4)]
    first, _ = held[0]
    low = await scene.platform.event("pool.low", lambda one: one["data"]["pool"] == pool.name)
    assert (low["data"]["user_id"], low["data"]["left"]) == (first.seller_id, 1)
    held.append(await scene.session(pool, seller=dealer))
    with pytest.raises(CommandRefused, match="no number"):
        await scene.session(pool, seller=dealer)
    elsewhere, _ = await scene.session(pool)

    await (await scene.reach(first.buyer_dials, first.buyer, dealer)).end()
    await (await scene.reach(elsewhere.buyer_dials, elsewhere.buyer, elsewhere.seller)).end()


@EACH_LANGUAGE
async def test_the_session_idle_longest_makes_room(scene: Scene, language: str) -> None:
    rules = {"exhausted": "recycle_idle"}
    pool = await scene.pool(language, numbers=1, numbers_rules=rules)
    dealer = scene.person()
    old, _ = await scene.session(pool, seller=dealer)
    _age(scene, old.id, hours=5)

    new, _ = await scene.session(pool, seller=dealer)

    event = await scene.platform.event(
        "session.closed", lambda one: one["data"]["session_id"] == old.id
    )
    assert event["data"]["why"] == "recycled"
    talk = await scene.reach(new.seller_dials, dealer, new.buyer)
    await talk.end()
    late = await scene.dial(old.buyer_dials, old.buyer)
    await scene.refused(late, language, "no-longer-serves")
    gone = await scene.ask("GET", f"/v1/sessions/{old.id}")
    assert (gone["state"], gone["closed_why"]) == ("closed", "recycled")


@EACH_LANGUAGE
async def test_digits_tell_sessions_on_one_number_apart(scene: Scene, language: str) -> None:
    rules = {"exhausted": "extension", "extension_length": 3}
    pool = await scene.pool(language, numbers=1, numbers_rules=rules)
    buyer = scene.person()
    sessions = [await scene.session(pool, buyer) for _ in range(2)]
    dials = [answer["participants"][0]["dial"] for _, answer in sessions]
    assert dials[0]["gsm"] == dials[1]["gsm"]
    [extension] = [one["extension"] for one in dials if one["extension"] is not None]
    assert dials[1]["tel"] == f"{dials[1]['gsm']},,{extension}"

    # Typed: the second one.
    call = await scene.dial(dials[1]["gsm"], buyer)
    await scene.asked(call, language, "ask-extension")
    await call.press(extension)
    await (await scene.rung(sessions[1][0].seller, call)).end()

    # Nothing typed but the hash: the one that the number alone stands for.
    call = await scene.dial(dials[0]["gsm"], buyer)
    await scene.asked(call, language, "ask-extension")
    await call.press("#")
    await (await scene.rung(sessions[0][0].seller, call)).end()

    # Wrong: asked again, and again, and nobody is rung.
    call = await scene.dial(dials[1]["gsm"], buyer)
    wrong = f"{(int(extension) + 1) % 1000:03d}"
    await scene.asked(call, language, "ask-extension")
    for _ in range(2):
        await call.press(wrong)
        await scene.asked(call, language, "wrong-digits")
    await call.press(wrong)
    await scene.refused(call, language, "gave-up-asking")


async def test_one_number_stands_for_a_whole_team(scene: Scene) -> None:
    pool = await scene.pool("ru", numbers=3)
    deal, _ = await scene.session(pool)
    courier = scene.person()
    body = session_body(deal.buyer, courier, pool=pool.name, same_number_as=deal.id)
    body["conversation_id"] = deal.conversation_id
    body["participants"][1].update(role="courier", user_id=user_id(courier), name="Ivan")
    answer = await scene.ask("POST", "/v1/sessions", body)
    dial = {one["role"]: one["dial"]["gsm"] for one in answer["participants"]}
    assert dial["courier"] == deal.seller_dials, "the buyer has one number for both"

    from_seller = await scene.reach(deal.seller_dials, deal.seller, deal.buyer)
    await from_seller.end()
    from_courier = await scene.reach(dial["courier"], courier, deal.buyer)
    await from_courier.end()
    assert from_seller.leg.seen_caller == deal.buyer_dials
    assert from_courier.leg.seen_caller == dial["buyer"]
    assert dial["buyer"] != deal.buyer_dials, "the buyer can call each of them back"
    await (await scene.reach(dial["buyer"], deal.buyer, courier)).end()
    await (await scene.reach(deal.buyer_dials, deal.buyer, deal.seller)).end()


def _age(scene: Scene, session_id: str, hours: int) -> None:
    """As if the session had been opened so long ago."""
    with sqlite3.connect(scene.maskline.data / "maskline.db", timeout=10) as opened:
        changed = opened.execute(
            "update sessions set created_at = created_at - ? where id = ?",
            (hours * 3_600_000, session_id),
        )
        assert changed.rowcount == 1
