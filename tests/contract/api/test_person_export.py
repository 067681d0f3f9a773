"""A person is given everything that is kept of them, and nothing of anybody else."""

from __future__ import annotations

import pytest

from cdr import portrait
from tests.contract.api.house import House
from tests.contract.api.lived import ANNA, OLGA, PETR, lived


async def test_an_export_has_all_of_them_and_nobody_elses(house: House) -> None:
    made = await lived(house)
    reply = await house.ask("GET", "/v1/users/u-anna-q/export", role="platform")
    assert reply.status == 200
    document = reply.json()
    assert document["user_ids"] == ["u-anna-q"]
    assert len(document["sessions"]) == 2
    others = {one["id"]: one["other_side"]["name"] for one in document["sessions"]}
    assert others[made["id"]] == "Petr"
    assert [one["direction"] for one in document["calls"]].count("out") == 2
    assert document["credentials"][0]["device"] == "anna-device-q"
    assert document["blocks"][0]["reason"] == "anna-reason-q"
    assert document["ratings"][0]["stars"] == 2
    assert document["switches"][0]["timezone"] == "Europe/Moscow"
    assert document["listing_numbers"][0]["listing"]["title"] == "Sofa of Annabella-Q"
    assert {one["recording"]["state"] for one in document["calls"] if "recording" in one} == {
        "ready"
    }
    assert document["audit"][0]["action"] == "person.exported"
    text = reply.body.decode()
    assert "u-petr" not in text, "ids of others are the platform's"
    said = [one["text"] for one in document["notes"]]
    assert said == ["anna-note-q: nobody called", "anna-note-q is right", None]
    assert document["notes"][-1]["about_you"], "what the other side said is not theirs"
    assert "petr-note-q" not in text, "nor what was noted of the other side"
    assert "spam" not in text, "who blocks them is not theirs to know"
    for phone in (ANNA, PETR, OLGA):
        assert phone[2:] not in text


async def test_an_export_of_many_pages_is_the_same(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lived(house)
    path = "/v1/users/u-anna-q/export"
    whole = (await house.ask("GET", path, role="platform")).json()
    monkeypatch.setattr(portrait, "PAGE", 1)

    pages = (await house.ask("GET", path, role="platform")).json()

    # That it was asked for stands in it, too.
    assert len(pages.pop("audit")) == len(whole.pop("audit")) + 1 == 2
    assert pages == whole
