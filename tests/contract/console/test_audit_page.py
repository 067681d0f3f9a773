"""The audit page: found by its address, checked apart, taken away only for a reason."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from datetime import timedelta

import pytest
from sqlalchemy import Connection, text

from api.console.render import texts_of
from masking.staff import StaffRole
from storage import audit
from storage.audit import Action, Actor, ActorKind, Entry
from tests.contract.api.house import START, House
from tests.contract.console.conftest import Seat
from tests.support.console import Desk, Shown

PAGE = "/console/audit"
EVIL = "=HYPERLINK(1)<script>alert(1)</script>"


async def remembered(house: House, *entries: Entry) -> None:
    def work(conn: Connection) -> None:
        for one in entries:
            audit.append(conn, one)

    await house.db.write(work)


def entry(n: int, **changes: object) -> Entry:
    given: dict[str, object] = {
        "at": START + timedelta(minutes=n),
        "actor": Actor(ActorKind.STAFF, "stf_anna", "Anna"),
        "action": Action.NUMBER_REVEALED,
        "object_kind": "call",
        "object_id": f"call_{n}",
        "reason": f"ticket {n}",
    }
    return Entry(**(given | changes))  # type: ignore[arg-type]


async def checked(desk: Desk) -> Shown:
    """The page once the check that it begins is over."""
    await desk.get(PAGE)
    async with asyncio.timeout(10):
        while "hx-get" in (await desk.get(f"{PAGE}/check", partial=True)).html:
            await asyncio.sleep(0.02)
    return await desk.get(PAGE)


async def test_who_did_what_with_what_and_why_newest_first(lite: House, desk: Seat) -> None:
    refused = entry(2, action=Action.RECORDING_PLAYED, refused=True, reason=None)
    system = entry(3, actor=audit.SYSTEM, action=Action.RECORDING_DELETED, facts={"days": 90})
    await remembered(lite, entry(1), refused, system)
    shown = await (await desk(StaffRole.SUPERVISOR)).get(PAGE)

    words = shown.words.partition("Entries, the newest first")[2]
    assert words.index("Recording deleted") < words.index("Recording played refused")
    assert words.index("Recording played refused") < words.index("Number revealed")
    assert "ticket 1" in words
    assert "days: 90" in words
    assert "the system by rule" in words
    assert "/console/calls/call_1" in shown.links()


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("actor_id=stf_anna", {1, 2, 3}),
        ("action=recording.played", {4}),
        ("object_kind=call&object_id=call_2", {2}),
        ("refused=yes", {4}),
        ("refused=no&action=number.revealed", {1, 2, 3, 5}),
        ("from=2026-11-22T13:02&until=2026-11-22T13:04", {2, 3}),  # of a clock in Moscow
        ("actor_id=nobody", set()),
    ],
)
async def test_every_filter_is_in_the_address(
    lite: House, desk: Seat, query: str, numbers: set[int]
) -> None:
    other = Actor(ActorKind.KEY, "key_1", "backend")
    played = entry(4, actor=other, action=Action.RECORDING_PLAYED, refused=True)
    await remembered(lite, *(entry(n) for n in (1, 2, 3)), played, entry(5, actor=other))
    shown = await (await desk(StaffRole.SUPERVISOR)).get(f"{PAGE}?{query}")

    found = {n for n in range(1, 6) if f">call_{n}<" in shown.html}
    assert found == numbers
    for pair in query.split("&"):
        assert f'name="{pair.partition("=")[0]}"' in shown.html


async def test_a_long_list_goes_on_by_its_cursor_and_keeps_its_filter(
    lite: House, desk: Seat
) -> None:
    await remembered(lite, *(entry(n) for n in range(120)))
    somebody = await desk(StaffRole.SUPERVISOR)
    seen: list[str] = []
    path: str | None = f"{PAGE}?actor_id=stf_anna"
    while path is not None:
        shown = await somebody.get(path)
        seen += [n for n in map(str, range(120)) if f">call_{n}<" in shown.html]
        path = next((link for link in shown.links() if "cursor=" in link), None)
        assert path is None or "actor_id=stf_anna" in path
    assert sorted(seen, key=int) == [str(n) for n in range(120)]
    assert (await somebody.get(f"{PAGE}?cursor=rubbish")).status == 404


@pytest.mark.parametrize(
    "query", ["action=nothing", "from=yesterday", "refused=perhaps", f"actor_id={'x' * 300}"]
)
async def test_what_cannot_be_understood_is_said_to_be_left_out(
    lite: House, desk: Seat, query: str
) -> None:
    await remembered(lite, entry(1))
    shown = await (await desk(StaffRole.SUPERVISOR)).get(f"{PAGE}?{query}")

    assert shown.status == 200
    assert "was left out" in shown.words


async def test_what_others_typed_is_text_and_nothing_else(lite: House, desk: Seat) -> None:
    planted = Actor(ActorKind.KEY, 'k"><img src=x onerror=1>', EVIL)
    await remembered(
        lite, entry(1, actor=planted, reason=EVIL, object_id=EVIL, facts={"subject": EVIL})
    )
    shown = await (await desk(StaffRole.SUPERVISOR)).get(PAGE)

    assert EVIL in shown.words
    assert "<script>alert" not in shown.html
    assert "<img" not in shown.html


async def test_the_log_is_checked_and_found_intact_or_not(lite: House, desk: Seat) -> None:
    await remembered(lite, *(entry(n) for n in range(5)))
    somebody = await desk(StaffRole.SUPERVISOR)
    shown = await checked(somebody)
    assert "Intact all 5 entries" in shown.words

    def tamper(conn: Connection) -> None:
        for (name,) in conn.execute(
            text("SELECT name FROM sqlite_master WHERE type='trigger' AND tbl_name='audit_entries'")
        ).all():
            conn.execute(text(f'DROP TRIGGER "{name}"'))
        conn.execute(text("UPDATE audit_entries SET reason='nothing' WHERE id=3"))

    await lite.db.write(tamper)
    assert "Intact" in (await somebody.get(PAGE)).words  # as it was found an hour ago at most
    assert (await somebody.post(f"{PAGE}/check")).location == PAGE
    shown = await checked(somebody)
    assert "Broken From entry 3 on" in shown.words


async def export(desk: Desk, **form: str) -> Shown:
    return await desk.post(f"{PAGE}/export", {"reason": "yearly review", "format": "csv", **form})


async def test_an_export_holds_what_the_filter_shows_and_no_formula(
    lite: House, desk: Seat
) -> None:
    planted = entry(1, actor=Actor(ActorKind.KEY, "key_1", EVIL), reason="+cmd|' /C calc'!A0")
    others = [entry(n) for n in range(2, 1_203)]
    await remembered(lite, planted, *others, entry(5, action=Action.CALL_VIEWED))
    somebody = await desk(StaffRole.SUPERVISOR)
    shown = await export(somebody, action="number.revealed")

    assert shown.reply.headers["Content-Type"].startswith("text/csv")
    assert "attachment" in shown.reply.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(shown.html)))
    assert [int(row["id"]) for row in rows] == list(range(1_202, 0, -1))
    assert rows[-1]["actor_name"] == f"'{EVIL}"
    assert rows[-1]["reason"].startswith("'+cmd")
    assert rows[-1]["at"] == "2026-11-22T10:01:00.000Z"


async def test_json_lines_hold_the_chain_so_that_a_file_can_be_checked(
    lite: House, desk: Seat
) -> None:
    await remembered(lite, entry(1, facts={"format": "csv"}), entry(2))
    somebody = await desk(StaffRole.ADMIN)
    shown = await export(somebody, format="jsonl")

    lines = [json.loads(line) for line in shown.html.splitlines()]
    assert [one["id"] for one in lines] == [3, 2, 1]
    assert lines[2]["facts"] == {"format": "csv"}
    assert lines[0]["action"] == "audit.exported"
    assert all(len(one["hash"]) == 64 for one in lines)


async def test_who_exports_is_in_the_log_with_filter_and_reason(lite: House, desk: Seat) -> None:
    await remembered(lite, entry(1))
    somebody = await desk(StaffRole.SUPERVISOR)
    await export(somebody, object_id="call_1")
    page = await lite.db.read(lambda conn: audit.page(conn, audit.Filter()))

    newest = page.items[0].entry
    assert somebody.account is not None
    assert (newest.action, newest.actor.id) == (Action.AUDIT_EXPORTED, somebody.account.id)
    assert newest.reason == "yearly review"
    assert newest.facts == {"format": "csv", "object_id": "call_1"}


@pytest.mark.parametrize(
    "form", [{"reason": ""}, {"reason": "x"}, {"format": "parquet"}, {"from": "rubbish"}]
)
async def test_without_a_reason_or_a_sense_nothing_is_exported(
    lite: House, desk: Seat, form: dict[str, str]
) -> None:
    somebody = await desk(StaffRole.SUPERVISOR)
    assert (await export(somebody, **form)).status == 422
    page = await lite.db.read(lambda conn: audit.page(conn, audit.Filter()))
    assert page.items == ()


@pytest.mark.parametrize("role", [StaffRole.AGENT, StaffRole.OPERATOR])
async def test_others_read_nothing_and_their_try_to_export_is_kept(
    lite: House, desk: Seat, role: StaffRole
) -> None:
    somebody = await desk(role)
    assert (await somebody.get(PAGE)).status == 403
    assert (await somebody.get(f"{PAGE}/check")).status == 403
    assert (await export(somebody)).status == 403
    page = await lite.db.read(lambda conn: audit.page(conn, audit.Filter()))
    assert [(one.entry.action, one.entry.refused) for one in page.items] == [
        (Action.AUDIT_EXPORTED, True)
    ]


@pytest.mark.parametrize("language", ["en", "ru"])
def test_every_action_and_actor_has_a_name(language: str) -> None:
    texts = texts_of()[language]
    for action in Action:
        assert texts(f"audit.action.{action.value}")
    for kind in ActorKind:
        assert texts(f"audit.actor.{kind.value}")
        assert texts(f"audit.by.{kind.value}")


async def test_what_is_kept_beside_a_deed_is_told_in_words(lite: House) -> None:
    done = {"what": "password_reset", "second_factor": "removed", "role": "agent", "kept": True}
    later = {"what": "teleported", "subject": "a thing of tomorrow"}
    await remembered(
        lite,
        entry(1, action=Action.STAFF_CHANGED, facts=done),
        entry(2, facts={"numbers.exhausted": "refuse → extension"}),
        entry(3, facts=later),
    )
    english, russian = [
        (await (await Desk.of(lite, StaffRole.SUPERVISOR, language=one)).get(PAGE)).words
        for one in ("en", "ru")
    ]

    assert "new first password was new: yes role: Agent second factor: removed" in english
    assert "When it is empty for somebody: refuse → extension" in english
    assert "teleported of: a thing of tomorrow" in english
    assert "новый первый пароль новое: да роль: Оператор поддержки второй фактор: убран" in russian
