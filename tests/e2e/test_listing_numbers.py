"""Numbers shown on listings: strangers reach the seller, and neither learns the other's phone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.maskline import eventually
from tests.support.scene import LANGUAGES, Scene

EACH_LANGUAGE = pytest.mark.parametrize("language", LANGUAGES)


@EACH_LANGUAGE
async def test_a_stranger_reaches_the_seller_who_calls_back(scene: Scene, language: str) -> None:
    pool = await scene.pool(language, numbers=2)
    seller, buyer = scene.person(), scene.person()
    listing = await scene.listing(pool, seller)

    talk = await scene.reach(listing["number"], buyer, seller)
    shown = talk.leg.seen_caller
    assert shown in pool.numbers
    await talk.end()

    back = await scene.reach(shown, seller, buyer)
    assert back.leg.seen_caller == listing["number"]
    await back.end()
    opened = await scene.platform.event("session.opened", _about(listing))
    calls = await eventually(
        lambda: scene.records(session_id=opened["data"]["session_id"]), lambda all_: len(all_) == 2
    )
    assert [one["outcome"] for one in calls] == ["answered", "answered"]
    assert [one["caller"]["role"] for one in calls] == ["buyer", "seller"]


async def test_the_link_outlives_the_number_that_the_listing_shows(scene: Scene) -> None:
    pool = await scene.pool("ru", numbers=2)
    seller, early, late = (scene.person() for _ in range(3))
    listing = await scene.listing(pool, seller)
    await (await scene.reach(listing["number"], early, seller)).end()

    turned = await scene.ask("PATCH", f"/v1/listing-numbers/{listing['id']}", {"rotate_now": True})
    assert turned["number"] != listing["number"]
    told = await scene.platform.event("listing.rotated", _about(listing))
    assert told["data"]["number"] == turned["number"]
    await (await scene.reach(turned["number"], late, seller)).end()

    again = await scene.reach(listing["number"], early, seller)
    await again.end()
    back = await scene.reach(again.leg.seen_caller, seller, early)
    assert back.leg.seen_caller == listing["number"]
    await back.end()


async def test_a_number_that_brought_its_callers_makes_way_for_another(scene: Scene) -> None:
    pool = await scene.pool("ru", numbers=2)
    seller, buyer = scene.person(), scene.person()
    listing = await scene.listing(pool, seller, rotate={"after_callers": 1})
    await (await scene.reach(listing["number"], buyer, seller)).end()

    turned = await scene.platform.event("listing.rotated", _about(listing))

    assert turned["data"]["number_before"] == listing["number"]
    assert turned["data"]["number"] not in (None, listing["number"])
    await (await scene.reach(turned["data"]["number"], scene.person(), seller)).end()
    await (await scene.reach(listing["number"], buyer, seller)).end()


@EACH_LANGUAGE
async def test_listings_share_a_number_and_digits_tell_them_apart(
    scene: Scene, language: str
) -> None:
    pool = await scene.pool(language, numbers=1, listings={"shared": True, "extension_length": 5})
    sellers = [scene.person() for _ in range(2)]
    listings = [await scene.listing(pool, seller) for seller in sellers]
    [number] = {one["number"] for one in listings}
    extensions = [one["extension"] for one in listings]
    assert len(set(extensions)) == 2
    caller = scene.person()

    for seller, extension in zip(sellers, extensions, strict=True):
        call = await scene.dial(number, caller)
        await scene.asked(call, language, "ask-extension")
        await call.press(extension)
        await (await scene.rung(seller, call)).end()

    unheard = next(one for one in ("00000", "11111", "22222") if one not in extensions)
    call = await scene.dial(number, caller)
    await scene.asked(call, language, "ask-extension")
    await call.press(unheard)
    await scene.asked(call, language, "wrong-digits")
    await call.press(extensions[1])  # right at the second try
    await (await scene.rung(sellers[1], call)).end()


@EACH_LANGUAGE
async def test_who_calls_too_many_listings_is_stopped(scene: Scene, language: str) -> None:
    pool = await scene.pool(language, numbers=3, listings={"links_a_day": 2})
    sellers = [scene.person() for _ in range(3)]
    listings = [await scene.listing(pool, seller) for seller in sellers]
    spammer = scene.person()
    for seller, listing in zip(sellers[:2], listings, strict=False):
        await (await scene.reach(listing["number"], spammer, seller)).end()

    call = await scene.dial(listings[2]["number"], spammer)
    await scene.refused(call, language, "blocked")

    await (await scene.reach(listings[0]["number"], spammer, sellers[0])).end()
    await (await scene.reach(listings[2]["number"], scene.person(), sellers[2])).end()


@EACH_LANGUAGE
async def test_a_number_that_means_two_people_asks_which(scene: Scene, language: str) -> None:
    pool = await scene.pool(language, numbers=1, listings={"rest_s": 0})
    first, second, caller = (scene.person() for _ in range(3))
    old = await scene.listing(pool, first)
    await (await scene.reach(old["number"], caller, first)).end()
    await scene.ask("DELETE", f"/v1/listing-numbers/{old['id']}")
    new = await scene.listing(pool, second)
    assert new["number"] == old["number"]
    await scene.more_numbers(pool)  # a second talk needs a second number

    for key, seller in (("1", first), ("2", second)):
        call = await scene.dial(new["number"], caller)
        await scene.asked(call, language, "ask-which")
        await call.press(key)
        await (await scene.rung(seller, call)).end()


async def test_a_conversation_is_held_until_the_platform_names_it(scene: Scene) -> None:
    pool = await scene.pool("ru", numbers=2)
    seller, buyer = scene.person(), scene.person()
    listing = await scene.listing(pool, seller)
    talk = await scene.reach(listing["number"], buyer, seller)
    await talk.end()
    opened = await scene.platform.event("session.opened", _about(listing))
    session_id = opened["data"]["session_id"]
    assert opened["data"]["conversation_held"]
    held = await scene.ask("GET", f"/v1/sessions/{session_id}")
    assert held["conversation_held"]
    assert held["conversation_id"] == session_id
    await eventually(lambda: scene.maskline.history(session_id), lambda found: len(found) == 1)

    name = f"chat-{listing['id']}"
    await scene.ask("PATCH", f"/v1/sessions/{session_id}", {"conversation_id": name})
    assert len(await scene.maskline.history(name)) == 1
    assert await scene.maskline.history(session_id) == []
    await (await scene.reach(talk.leg.seen_caller, seller, buyer)).end()
    await eventually(lambda: scene.maskline.history(name), lambda found: len(found) == 2)


async def test_the_hook_names_the_conversation_at_the_first_call(scene: Scene) -> None:
    pool = await scene.pool("ru", numbers=2, hook=scene.hook())
    seller, buyer = scene.person(), scene.person()
    listing = await scene.listing(pool, seller)
    name = f"chat-{listing['id']}"
    scene.platform.answer = lambda asked: {"action": "continue", "conversation_id": name}

    await (await scene.reach(listing["number"], buyer, seller)).end()

    [asked] = [one for one in scene.platform.asked if one["number"] == listing["number"]]
    assert (asked["reason"], asked["listing"]["id"]) == ("listing_caller", listing["listing"]["id"])
    await eventually(lambda: scene.maskline.history(name), lambda found: len(found) == 1)


def _about(listing: Any) -> Any:  # noqa: ANN401 - JSON
    return lambda event: event["data"].get("listing_number_id") == listing["id"]
