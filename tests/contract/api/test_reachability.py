"""Users' switches over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.api.house import House

PATH = "/v1/users/u-2/reachability"
CHOICE: dict[str, Any] = {
    "in_app_calls": True,
    "account": "company",
    "listings": ["L-7", "L-42"],
    "quiet_hours": [
        {"days": ["fri", "sat"], "from": "22:00", "until": "08:00"},
        {"from": "12:00", "until": "14:00"},
    ],
    "timezone": "Europe/Moscow",
}
ALL_DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


async def test_somebody_who_chose_nothing_takes_calls(house: House) -> None:
    found = (await house.ask("GET", PATH)).json()

    assert found == {
        "user_id": "u-2",
        "in_app_calls": None,
        "account": "private",
        "listings": [],
        "quiet_hours": [],
        "timezone": None,
        "quiet_now": False,
        "has_app": False,
    }


async def test_a_choice_is_kept_and_replaced_whole(house: House) -> None:
    kept = await house.ask("PUT", PATH, CHOICE)
    read = await house.ask("GET", PATH, role="staff")

    assert kept.status == 200
    assert kept.json() == read.json()
    assert read.json()["listings"] == ["L-42", "L-7"]
    assert read.json()["quiet_hours"] == [
        {"days": ["fri", "sat"], "from": "22:00", "until": "08:00"},
        {"days": ALL_DAYS, "from": "12:00", "until": "14:00"},
    ]
    replaced = (await house.ask("PUT", PATH, {"in_app_calls": False})).json()
    assert replaced["in_app_calls"] is False
    assert (replaced["listings"], replaced["quiet_hours"]) == ([], [])


async def test_quiet_hours_are_those_of_the_users_own_clock(house: House) -> None:
    assert (await house.ask("PUT", PATH, CHOICE)).json()["quiet_now"] is True  # 13:00 in Moscow

    there = CHOICE | {"timezone": "Asia/Vladivostok"}  # 20:00 there, a Sunday
    assert (await house.ask("PUT", PATH, there)).json()["quiet_now"] is False
    house.clock.advance(hours=-2 * 24 + 5)  # Saturday at 1
    assert (await house.ask("GET", PATH)).json()["quiet_now"] is True


async def test_whoever_has_a_credential_has_an_app(house: House) -> None:
    await house.credential("u-2")

    assert (await house.ask("GET", PATH)).json()["has_app"] is True


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"timezone": None}, "(body)", "timezone"),
        ({"timezone": "Europe/Moskau"}, "timezone", "IANA"),
        ({"timezone": "../../etc/passwd"}, "timezone", ""),
        ({"timezone": "Europe"}, "timezone", "IANA"),
        ({"account": "guild"}, "account", ""),
        ({"listings": ["no spaces"]}, "listings[0]", ""),
        ({"quiet_hours": [{"from": "25:00", "until": "08:00"}]}, "quiet_hours[0].from", ""),
        ({"quiet_hours": [{"from": "22:00"}]}, "quiet_hours[0].until", ""),
        ({"quiet_hours": [{"days": [], "from": "1:00", "until": "2:00"}]}, "quiet_hours", ""),
        (
            {"quiet_hours": [{"from": "08:00", "until": "08:00"}]},
            "quiet_hours[0].until",
            "00:00 to 24:00",
        ),
        (
            {
                "quiet_hours": [
                    {"from": "22:00", "until": "08:00"},
                    {"days": ["mon"], "from": "07:00", "until": "09:00"},
                ]
            },
            "quiet_hours[1]",
            "overlap",
        ),
    ],
)
async def test_what_cannot_be_meant_is_refused_with_what_to_do(
    lite: House, change: dict[str, Any], field: str, words: str
) -> None:
    refused = await lite.ask("PUT", PATH, CHOICE | change)

    assert (refused.status, refused.error_id) == (422, "validation_failed")
    assert any(name.startswith(field) for name in refused.fields), refused.fields
    assert words in str(refused.fields)
