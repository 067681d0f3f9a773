"""Who would this number reach: the decision of the call path in words, and no phone left behind."""

from __future__ import annotations

import pytest

from masking.staff import StaffRole
from storage.audit import Action
from tests.contract.api.house import BUYER, PROXY, SELLER, House
from tests.contract.console.look import Seat, kept

STRANGER = "+79031112233"
PATH = "/console/inspect"


async def test_a_caller_with_a_lease_reaches_the_other_side(lite: House, desk: Seat) -> None:
    await lite.furnish()
    made = await lite.open_session()
    agent = await desk(StaffRole.AGENT)

    page = await agent.get(f"{PATH}?number=%2B74951110001")
    found = await agent.post(PATH, {"number": PROXY, "caller": BUYER})

    assert 'value="+74951110001"' in page.html
    for words in (
        "Buyer u-1 reaches Seller u-2",
        "The number is ours: pool default, trunk carrier-a.",
        "this caller has a live lease on it",
        "Its session is open",
        "The one who is rung sees +7 495 111-00-01",
    ):
        assert words in found.words, words
    assert f"/console/sessions/{made['id']}" in found.links()
    assert BUYER[1:] not in found.html
    (entry,) = await kept(lite, Action.NUMBER_INSPECTED)
    assert entry.object_id == PROXY
    assert entry.facts["decision"] == "reach"


async def test_the_other_way_round_reaches_the_first(lite: House, desk: Seat) -> None:
    await lite.furnish()
    await lite.open_session()
    agent = await desk(StaffRole.AGENT)

    found = await agent.post(PATH, {"number": "7 495 111-00-01", "caller": SELLER}, partial=True)

    assert "Seller u-2 reaches Buyer u-1" in found.words
    assert "<html" not in found.html, "a fragment"


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"caller": STRANGER}, "Nobody is rung: the caller has no lease on the number"),
        ({"withheld": "on"}, "Nobody is rung: the caller withholds their number"),
        ({"number": STRANGER, "caller": BUYER}, "Nobody is rung: the number is none of ours"),
    ],
)
async def test_a_refusal_says_why_and_what_is_heard(
    lite: House, desk: Seat, form: dict[str, str], words: str
) -> None:
    await lite.furnish()
    lite.memory.phones.add(STRANGER)
    await lite.open_session()
    agent = await desk(StaffRole.AGENT)

    found = await agent.post(PATH, {"number": PROXY} | form)

    assert found.status == 200
    assert words in found.words
    assert "The caller hears" in found.words


async def test_a_past_moment_is_answered_as_it_was_then(lite: House, desk: Seat) -> None:
    await lite.furnish()
    made = await lite.open_session()
    lite.clock.advance(hours=1)
    await lite.ask("DELETE", f"/v1/sessions/{made['id']}")
    lite.clock.advance(minutes=1)
    agent = await desk(StaffRole.AGENT)
    asked = {"number": PROXY, "caller": BUYER}

    now = await agent.post(PATH, asked)
    then = await agent.post(PATH, asked | {"at": "2026-11-22T13:30"})  # Moscow's half past one

    assert "cools down" in now.words
    assert "Buyer u-1 reaches Seller u-2" in then.words
    assert "As it was on" in then.words


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"caller": "12"}, "with its country code, or tick that it is withheld"),
        ({"caller": ""}, "with its country code, or tick that it is withheld"),
        ({"number": "x", "caller": BUYER}, "Give the proxy number"),
        ({"caller": BUYER, "at": "2031-01-01T00:00"}, "Give a past moment"),
        ({"caller": BUYER, "digits1": "12a"}, "Digits only"),
    ],
)
async def test_nonsense_is_told_at_its_field(
    lite: House, desk: Seat, form: dict[str, str], words: str
) -> None:
    await lite.furnish()
    agent = await desk(StaffRole.AGENT)

    refused = await agent.post(PATH, {"number": PROXY} | form)

    assert refused.status == 422
    assert words in refused.words
    assert not await kept(lite, Action.NUMBER_INSPECTED)


async def test_what_could_be_somebodys_phone_is_not_sent_back_with_what_is_wrong(
    lite: House, desk: Seat
) -> None:
    await lite.furnish()
    lite.memory.phones.add(STRANGER)
    agent = await desk(StaffRole.AGENT)

    theirs = await agent.post(PATH, {"number": STRANGER, "caller": ""}, partial=True)
    ours = await agent.post(PATH, {"number": PROXY, "caller": ""})

    assert theirs.status == ours.status == 422
    assert STRANGER[1:] not in theirs.html
    assert f'value="{PROXY}"' in ours.html


async def test_a_pin_is_asked_for_and_may_be_answered(lite: House, desk: Seat) -> None:
    await lite.furnish()
    rules = {"strangers": {"unknown": "pin"}}
    assert (await lite.ask("PUT", "/v1/pools/default", rules)).status == 200
    made = await lite.open_session()
    lite.memory.phones.add(STRANGER)
    pin = made["participants"][0]["dial"]["pin"]
    agent = await desk(StaffRole.AGENT)
    asked = {"number": PROXY, "caller": STRANGER}

    first = await agent.post(PATH, asked)
    then = await agent.post(PATH, asked | {"digits1": pin})

    assert "The caller is asked for their PIN" in first.words
    assert "Fill in what the caller types" in first.words
    assert "Buyer u-1 reaches Seller u-2" in then.words
