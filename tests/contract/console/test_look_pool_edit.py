"""Pools made and given other rules in the console: the API's own rules, once, and remembered."""

from __future__ import annotations

import html
import re
from typing import Any, Final

import pytest

from masking.staff import StaffRole
from storage.audit import Action
from tests.contract.api.house import PROXY, House
from tests.contract.console.look import Seat, kept, once, sent
from tests.support.console import Desk, Shown

ADD = "/console/new-pool"
RULES = "/console/pools/default/rules"
DESK_PHONE = "+74951239988"
SECRET = "whsec_" + "A" * 40
_SELECT: Final = re.compile(r'<select id="[^"]*" name="([^"]*)"[^>]*>(.*?)</select>', re.DOTALL)
_OPEN_AND_WRONG: Final = re.compile(
    r"<details[^>]* open>(?:(?!</details>).)*aria-invalid", re.DOTALL
)
HOOK = "https://shop.example/strangers?token=t-1"


def fields(page: Shown) -> dict[str, str | list[str]]:
    """What a browser would send of the form as it stands, but for its token."""
    form = page.html.partition('class="look-deed')[2].partition("</form>")[0]
    found: dict[str, str | list[str]] = {}
    for tag in re.findall(r"<input\b[^>]*>", form):
        given = {name: html.unescape(one) for name, one in re.findall(r'([\w-]+)="([^"]*)"', tag)}
        if given["type"] != "checkbox" or " checked" in tag:
            found[given["name"]] = given["value"]
    for name, options in _SELECT.findall(form):
        chosen = re.search(r'value="([^"]*)" selected', options)
        assert chosen is not None, name
        found[name] = chosen[1]
    del found["csrf"]  # the desk puts its own in
    return found


async def filled(desk: Desk, path: str, **changes: str) -> tuple[Shown, dict[str, str | list[str]]]:
    """Open the form, type `changes` (`__` for a point) and send it."""
    typed = {name.replace("__", "."): one for name, one in changes.items()}
    form = fields(await desk.get(path)) | typed
    return await desk.post(path, form), form


async def pool(house: House, name: str = "default") -> dict[str, Any]:
    found: dict[str, Any] = (await house.ask("GET", f"/v1/pools/{name}")).json()
    return found


async def test_a_pool_is_made_once_with_the_rules_that_were_typed(lite: House, desk: Seat) -> None:
    operator = await desk(StaffRole.OPERATOR)

    done, form = await filled(
        operator,
        ADD,
        name="moscow",
        cool_down_s="12 h",
        numbers__exhausted="extension",
        recording__mode="consent",
        numbers__areas="+7495",
    )
    again = await operator.post(ADD, form)

    assert done.status == again.status == 303
    page = await operator.get(done.location)
    assert "The pool is made" in page.words
    assert "/console/pools/moscow/add" in page.links()
    made = await pool(lite, "moscow")
    assert (made["cool_down_s"], made["numbers"]["areas"]) == (43_200, ["+7495"])
    usual = (await lite.ask("PUT", "/v1/pools/usual", {})).json()
    assert made["strangers"] == usual["strangers"]
    assert made["listings"] == usual["listings"]
    (entry,) = await kept(lite, Action.POOL_CHANGED)
    assert entry.object_id == "moscow"
    assert entry.facts == {
        "what": "made",
        "cool_down_s": "604800 → 43200",
        "numbers.exhausted": "refuse → extension",
        "numbers.areas": '[] → ["+7495"]',
        "recording.mode": "never → consent",
    }


async def test_a_form_sent_as_it_stands_changes_nothing(lite: House, desk: Seat) -> None:
    await lite.ask(
        "PUT",
        "/v1/pools/default",
        {
            "ring_s": 33,
            "numbers": {"geo": False, "max_sessions": 5, "recycle_after_s": 10_861},
            "strangers": {"unknown": "static", "static": DESK_PHONE},
            "hook": {"url": HOOK, "deadline_ms": 700, "secret": SECRET},
        },
    )
    before = await pool(lite)
    operator = await desk(StaffRole.OPERATOR)

    done, _ = await filled(operator, RULES)

    assert done.status == 303
    assert await pool(lite) == before
    (entry,) = await kept(lite, Action.POOL_CHANGED)
    assert entry.facts == {"what": "rules"}


async def test_what_is_sealed_is_set_kept_and_taken_away_and_shown_nowhere(
    lite: House, desk: Seat
) -> None:
    await lite.furnish()
    operator = await desk(StaffRole.OPERATOR)
    change = {"strangers__static": DESK_PHONE, "hook__url": HOOK, "hook__secret": SECRET}

    done, _ = await filled(operator, RULES, strangers__unknown="static", **change)
    stays, _ = await filled(operator, RULES, ring_s="20 s")
    shown = await operator.get(RULES)
    conflict, _ = await filled(operator, RULES, **{"remove:strangers__static": "on"})
    taken, _ = await filled(
        operator,
        RULES,
        strangers__unknown="announce",
        hook__url="",
        **{"remove:strangers__static": "on"},
    )

    assert [one.status for one in (done, stays, conflict, taken)] == [303, 303, 422, 303]
    assert "give a number, and none of our own" in conflict.words
    for page in (shown, conflict, await operator.get("/console/pools/default")):
        assert DESK_PHONE[1:] not in page.html
        assert SECRET not in page.html
    assert "One is set; it is not shown" in shown.words
    now = await pool(lite)
    assert now["strangers"]["static_set"] is False
    assert now["hook"] is None
    entries = await kept(lite, Action.POOL_CHANGED)
    assert [dict(one.facts) for one in reversed(entries)] == [
        {
            "what": "rules",
            "strangers.unknown": "announce → static",
            "strangers.static": "set",
            "hook.url": "set",
            "hook.secret": "set",
        },
        {"what": "rules", "ring_s": "40 → 20"},
        {
            "what": "rules",
            "strangers.unknown": "static → announce",
            "strangers.static": "removed",
            "hook.url": "removed",
        },
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "Moscow"}, "1 to 32 small letters"),
        ({"name": "default"}, "There is a pool of this name"),
        ({"cool_down_s": "91 d"}, "from 0 s to 90 d"),
        ({"numbers.extension_length": "7"}, "A whole number from 2 to 6"),
        ({"numbers.exhausted": "panic"}, "Choose one of these"),
        ({"numbers.areas": "nowhere"}, "Beginnings of numbers such as +7495"),
        (
            {"numbers.exhausted": "recycle_idle", "numbers.recycle_after_s": "1 h"},
            "Choose more than the longest call",
        ),
        ({"handover.below_mos": "4.2"}, "Choose less than the MOS"),
        ({"strangers.unknown": "static"}, "give a number, and none of our own"),
        ({"strangers.static": PROXY}, "give a number, and none of our own"),
        ({"strangers.static": "+7 495 12"}, "Give the whole number with its country code"),
        ({"hook.url": "https://127.0.0.1/x", "hook.secret": SECRET}, "of a public host"),
        ({"hook.url": HOOK}, "The questions are signed: give a secret"),
        ({"push.url": HOOK, "push.secret": "whsec_short"}, "base64 of 24 to 64 random bytes"),
    ],
)
async def test_a_pool_that_cannot_be_is_told_at_its_field_and_what_was_typed_stays(
    lite: House, desk: Seat, change: dict[str, str], words: str
) -> None:
    await lite.furnish()
    operator = await desk(StaffRole.OPERATOR)
    typed = {"name": "moscow", "ring_s": "21 s"} | change

    wrong, _ = await filled(operator, ADD, **typed)

    assert wrong.status == 422
    assert words in wrong.words
    assert wrong.html.count('aria-invalid="true"') == 1
    assert "name" in change or _OPEN_AND_WRONG.search(wrong.html), "it is not folded away"
    assert 'value="21 s"' in wrong.html
    for sealed in ("strangers.static", "push.secret", "hook.secret"):
        assert sealed not in change or change[sealed] not in wrong.html
    assert (await operator.get("/console/pools/moscow")).status == 404
    assert not await kept(lite, Action.POOL_CHANGED)


async def test_two_who_change_the_same_rules_do_not_undo_each_other(
    lite: House, desk: Seat
) -> None:
    await lite.furnish()
    first, second = await desk(StaffRole.OPERATOR), await desk(StaffRole.ADMIN)
    theirs = fields(await second.get(RULES)) | {"max_call_s": "30 min"}

    done, _ = await filled(first, RULES, ring_s="20 s")
    late = await second.post(RULES, theirs)

    assert done.status == 303
    assert late.status == 409
    assert "Somebody has changed these rules" in late.words
    assert ((await pool(lite))["ring_s"], (await pool(lite))["max_call_s"]) == (20, 7200)


async def test_others_look_only_and_a_form_without_its_token_does_nothing(
    lite: House, desk: Seat
) -> None:
    await lite.furnish()
    before = await pool(lite)
    operator = await desk(StaffRole.OPERATOR)
    form = fields(await operator.get(RULES)) | {"ring_s": "20 s"}

    for role in (StaffRole.AGENT, StaffRole.SUPERVISOR):
        other = await desk(role)
        offered = (await other.get("/console/pools")).links()
        assert not {ADD, RULES} & {*offered, *(await other.get("/console/pools/default")).links()}
        for path in (ADD, RULES):
            assert (await other.post(path, form | {"name": "moscow"})).status == 403
    assert (await operator.post(RULES, form, csrf="0" * 40)).status == 403
    nowhere, _ = await sent(operator, RULES, {**form, "once": once(await operator.get(RULES))})

    assert nowhere.status == 303, "the same form is right for who may send it"
    assert (await pool(lite)) == before | {"ring_s": 20}
    assert [one.refused for one in await kept(lite, Action.POOL_CHANGED)] == [False, *[True] * 4]
    assert (await operator.get("/console/pools/other/rules")).status == 404
