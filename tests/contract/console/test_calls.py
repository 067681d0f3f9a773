"""The list of calls as staff use it: its address, its filters, views, columns."""

from __future__ import annotations

from datetime import timedelta

import pytest

from api.console import calls_live
from masking.model import Role
from masking.outcome import Outcome
from masking.plan import Channel
from masking.staff import StaffRole
from storage import erasing
from storage.people import Person
from tests.contract.api.house import BUYER, PROXY, SELLER, START, House, LiveCallDouble
from tests.contract.api.recorded import keep, record
from tests.contract.console.listed import lived, rows, typed
from tests.support.console import Desk

STRANGER = "+79991112233"


async def test_the_list_shows_calls_newest_first_with_what_they_were(lite: House) -> None:
    await lived(lite)
    desk = await Desk.of(lite, StaffRole.AGENT)

    shown = await desk.get("/console/calls")

    assert shown.status == 200
    assert rows(shown) == 3
    assert shown.html.index("13:02:00") < shown.html.index("13:01:00"), "newest first, in Moscow"
    assert "Missed" in shown.words
    assert "buyer u-1" in shown.words
    assert "Lada Vesta 2019" in shown.words
    assert "chat-81" in shown.words
    assert BUYER not in shown.html
    assert SELLER not in shown.html


async def test_everybody_reads_it_in_their_own_language_and_zone(lite: House) -> None:
    await lived(lite)
    shown = await (await Desk.of(lite, StaffRole.OPERATOR, language="ru")).get("/console/calls")
    assert "Пропущен" in shown.words
    assert "покупатель" in shown.words


FILTERS = (
    ("", 3),
    ("outcome=missed", 2),
    ("outcome=missed,busy", 2),
    ("outcome=busy", 0),
    ("channel=gsm", 3),
    ("channel=app", 0),
    ("came_by=gsm", 3),
    ("conversation_id=chat-81", 3),
    ("conversation_id=chat-82", 0),
    ("listing_id=L-42", 3),
    ("user_id=u-2", 3),
    ("user_id=u-3", 0),
    ("number=%2B74951110001", 3),
    ("trunk=carrier-a", 3),
    ("trunk=carrier-b", 0),
    ("cause=16", 3),
    ("cause=17", 0),
    ("ring_min_s=3", 3),
    ("ring_max_s=2", 0),
    ("talk_min_s=60", 1),
    ("talk_max_s=59", 2),
    ("mos_max=4.3", 3),
    ("mos_max=4", 0),
    ("recorded=true", 0),
    ("rated=false", 3),
    ("stars_max=2", 0),
    ("period=24h", 3),
    ("period=1h", 0),
    ("period=today", 3),
    ("period=yesterday", 0),
    ("from=2026-11-22T10:01:00Z", 2),
    ("from=2026-11-22T10:01:00Z&until=2026-11-22T10:02:00Z", 1),
    ("outcome=missed&user_id=u-1&period=24h&talk_max_s=0", 2),
)


async def test_every_filter_stands_in_the_address(lite: House) -> None:
    await lived(lite)
    desk = await Desk.of(lite, StaffRole.AGENT)
    for query, found in FILTERS:
        shown = await desk.get(f"/console/calls?{query}")
        assert shown.status == 200, f"{query}: {shown.words}"
        assert rows(shown) == found, query
        assert ("No calls meet this" in shown.words) == (found == 0), query


async def test_an_address_that_cannot_be_understood_says_what_of_it(lite: House) -> None:
    await lived(lite)
    desk = await Desk.of(lite, StaffRole.AGENT)
    shown = await desk.get("/console/calls?outcome=lost&mos_min=9&spell=1")
    assert shown.status == 422
    assert "Outcome" in shown.words
    assert "Quality" in shown.words
    assert rows(shown) == 0


async def test_the_form_leads_to_one_spelling_of_what_was_typed(lite: House) -> None:
    await lived(lite)
    desk = await Desk.of(lite, StaffRole.AGENT)
    location = await typed(
        desk,
        outcome=["busy", "missed"],
        mos_max="2,5",
        cause="16 17",
        talk_min_s="",
        user_id=" u-1 ",
        number="8 495 111-00-01",
        **{"from": "2026-11-22T13:00"},
    )
    assert location == (
        "/console/calls?from=2026-11-22T10:00:00Z&outcome=busy,missed&user_id=u-1"
        "&number=%2B74951110001&cause=16,17&mos_max=2.5"
    )
    shown = await desk.get(location)
    assert 'value="2026-11-22T13:00"' in shown.html, "the form shows it on the wall of their zone"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("number", STRANGER),
        ("conversation_id", STRANGER),
        ("user_id", "8 (999) 111-22-33"),
        ("phone", "12"),
        ("mos_min", "x"),
        ("from", "yesterday"),
        ("tag", "two words!"),
    ],
)
async def test_what_does_not_belong_there_goes_into_no_address(
    lite: House, field: str, value: str
) -> None:
    desk = await Desk.of(lite, StaffRole.AGENT)
    shown = await desk.post("/console/calls", {field: value})
    assert shown.status == 422
    assert "Location" not in shown.reply.headers
    assert 'aria-invalid="true"' in shown.html


async def test_pages_go_on_where_the_last_one_ended(lite: House) -> None:
    await lived(lite, calls=120)
    desk = await Desk.of(lite, StaffRole.AGENT)
    counts, address = [], "/console/calls?user_id=u-1"
    for _ in range(3):
        shown = await desk.get(address)
        counts.append(rows(shown))
        following = [link for link in shown.links() if "cursor=" in link]
        if not following:
            break
        address = following[-1]
    assert counts == [50, 50, 20]
    torn = await desk.get("/console/calls?cursor=abc")
    assert (torn.status, torn.location) == (303, "/console/calls")


async def test_everybody_chooses_their_own_columns(lite: House) -> None:
    await lived(lite)
    mine, other = [await Desk.of(lite, StaffRole.AGENT) for _ in range(2)]
    sent = await mine.post(
        "/console/columns", {"column": ["node", "cause", "nonsense"], "query": "outcome=missed"}
    )
    assert sent.location == "/console/calls?outcome=missed"
    heads = "".join((await mine.get("/console/calls")).html.split("<tr>")[-3:])
    assert 'data-label="Node"' in heads
    assert 'data-label="Outcome"' not in heads
    assert 'data-label="Outcome"' in (await other.get("/console/calls")).html


async def test_a_view_is_kept_shared_and_removed_by_who_made_it(lite: House) -> None:
    mine, other = [await Desk.of(lite, StaffRole.AGENT) for _ in range(2)]
    query = "outcome=missed&user_id=u-1"
    sent = await mine.post("/console/views", {"name": "Olga's night", "query": query})
    assert sent.location == f"/console/calls?{query}"
    assert "Olga's night" in (await mine.get("/console/calls")).words
    assert "Olga's night" not in (await other.get("/console/calls")).words

    page = await mine.get("/console/calls")
    which = page.html.partition("/console/views/")[2].partition("/")[0]
    shared = await mine.post(f"/console/views/{which}/share", {"shared": "on", "query": ""})
    assert shared.status == 303
    theirs = await other.get("/console/calls")
    assert "Olga's night" in theirs.words
    assert f"/console/calls?{query}" in theirs.links()
    assert (await other.post(f"/console/views/{which}/remove", {"query": ""})).status == 404
    assert (await mine.post(f"/console/views/{which}/remove", {"query": ""})).status == 303
    assert "Olga's night" not in (await other.get("/console/calls")).words


async def test_a_view_holds_no_phone(lite: House) -> None:
    await lived(lite)
    desk = await Desk.of(lite, StaffRole.AGENT)
    query = (await typed(desk, phone=BUYER, outcome="missed")).partition("?")[2]
    await desk.post("/console/views", {"name": f"of {BUYER}", "query": query})
    page = await desk.get("/console/calls")
    assert "/console/calls?outcome=missed" in page.links()
    assert "of [digits struck out]" in page.words


async def test_a_view_of_a_person_goes_when_they_are_erased(lite: House) -> None:
    desk = await Desk.of(lite, StaffRole.AGENT)
    for name, query in (("Of Anna", "user_id=u-1"), ("Of Petr", "user_id=u-2")):
        await desk.post("/console/views", {"name": name, "query": query})
    anna = Person(("u-1",), ())
    assert (await lite.db.read(lambda conn: erasing.left(conn, anna)))["console_views"] == 1
    await lite.db.write(lambda conn: erasing.from_the_rest(conn, anna, START))
    shown = await desk.get("/console/calls")
    assert "Of Anna" not in shown.words
    assert "Of Petr" in shown.words
    assert await lite.db.read(lambda conn: erasing.left(conn, anna)) == {}


@pytest.mark.parametrize("name", ["", " ", "x" * 61])
async def test_a_view_needs_a_name(lite: House, name: str) -> None:
    desk = await Desk.of(lite, StaffRole.AGENT)
    assert (await desk.post("/console/views", {"name": name, "query": ""})).status == 422


async def test_calls_that_are_up_stand_on_top_and_follow_the_filter(lite: House) -> None:
    session = await lived(lite)
    lite.node.calls["cal_1"] = LiveCallDouble("cal_1", lite.clock(), session, trunk_in="carrier-z")
    lite.node.calls["cal_2"] = LiveCallDouble(
        "cal_2", lite.clock() - timedelta(minutes=1), None, caller=None, callee=Role.SELLER
    )
    desk = await Desk.of(lite, StaffRole.AGENT)
    shown = await desk.get("/console/calls")
    assert "2 calls now" in shown.words
    assert shown.html.index("cal_1") < shown.html.index("cal_2")
    assert "carrier-z" in shown.words
    assert "1 call now of this filter" in (await desk.get("/console/calls?user_id=u-1")).words
    assert "1 call now of this filter" in (await desk.get("/console/calls?trunk=carrier-a")).words
    nobody = await desk.get("/console/calls?conversation_id=chat-0")
    assert "0 calls now" in nobody.words


async def test_live_calls_are_told_as_they_change(lite: House) -> None:
    session = await lived(lite)
    desk = await Desk.of(lite, StaffRole.AGENT)
    cookie = "; ".join(f"{name}={value}" for name, value in desk.cookies.items())
    async with lite.follow("/console/live-calls", "", cookie=cookie) as reader:
        first = await reader.next()
        assert first.kind == "calls"
        assert "No node is heard of" in first.data["html"], "which is not the same as no calls"
        lite.node.calls["cal_1"] = LiveCallDouble("cal_1", lite.clock(), session, state="ringing")
        second = await reader.next()
        assert "chat-81" in second.data["html"]
        assert "ringing" in second.data["html"]


async def test_so_many_lists_are_followed_and_no_more(
    lite: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls_live, "MOST_OF_ONE", 1)
    desk = await Desk.of(lite, StaffRole.AGENT)
    cookie = "; ".join(f"{name}={value}" for name, value in desk.cookies.items())
    async with lite.follow("/console/live-calls", "", cookie=cookie) as reader:
        await reader.next()
        assert (await desk.get("/console/live-calls")).status == 503
    assert (await desk.get("/console/calls")).status == 200


async def test_what_others_wrote_is_shown_as_text(lite: House) -> None:
    await lite.furnish()
    bad = '"><img src=x onerror=alert(1)>'
    made = await lite.open_session(listing={"id": "L-9", "title": bad})
    await keep(lite, record(1, made["id"], Outcome.MISSED, channel=Channel.APP))
    lite.clock.advance(hours=1)
    desk = await Desk.of(lite, StaffRole.AGENT)
    shown = await desk.get("/console/calls")
    assert "<img" not in shown.html
    assert bad in shown.words


async def test_a_phone_in_an_address_that_somebody_made_is_not_repeated(lite: House) -> None:
    lite.memory.phones.add(STRANGER)
    desk = await Desk.of(lite, StaffRole.AGENT)
    shown = await desk.get("/console/calls?phone=%2B79991112233")
    assert shown.status == 422
    assert PROXY not in shown.html
