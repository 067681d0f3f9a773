"""What staff note of calls is kept with who and when, found again, and gone with its people."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Connection, insert

from masking.outcome import EndedBy
from storage import Database, call_notes, call_tags, complaints, retention
from storage.call_notes import By, Disposition
from storage.call_tags import Tag
from storage.complaints import Kind, State
from storage.errors import BadCursor
from storage.retention import Terms
from storage.schema import calls
from storage.vault import Vault
from tests.contract.storage.test_retention import a_call, let_go
from tests.support.storage import NOW

CALL = "call-0001"
VERA = By("stf_1", "Vera", NOW)
OLEG = By("stf_2", "Oleg", NOW + timedelta(minutes=5))


@pytest.fixture
async def call(db: Database, vault: Vault) -> str:
    row = a_call(vault, 1, NOW, caller_user_id="u-1", callee_user_id="u-2")
    await db.write(lambda conn: conn.execute(insert(calls), row))
    return CALL


async def test_a_note_is_kept_with_who_and_when_and_without_phones(db: Database, call: str) -> None:
    def work(conn: Connection) -> None:
        assert call_notes.add(conn, call, " Called +7 (916) 123-45-67 back ", None, VERA)
        assert call_notes.add(conn, call, "Rude", EndedBy.CALLEE, OLEG)
        assert not call_notes.add(conn, call, "  ", None, VERA)

    await db.write(work)
    first, second = await db.read(lambda conn: call_notes.of_call(conn, call))

    assert (first.text, first.about, first.by) == ("Called [digits struck out] back", None, VERA)
    assert (second.text, second.about, second.by) == ("Rude", EndedBy.CALLEE, OLEG)


async def test_the_last_disposition_counts_and_those_before_it_stay(
    db: Database, call: str
) -> None:
    def work(conn: Connection) -> None:
        assert call_notes.dispose(conn, call, Disposition.CALL_BACK, VERA)
        assert not call_notes.dispose(conn, call, Disposition.CALL_BACK, OLEG), "it says so"
        assert call_notes.dispose(conn, call, Disposition.RESOLVED, OLEG)

    await db.write(work)
    set_ = await db.read(lambda conn: call_notes.dispositions(conn, call))

    assert [(one.disposition, one.by) for one in set_] == [
        (Disposition.CALL_BACK, VERA),
        (Disposition.RESOLVED, OLEG),
    ]


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Refund", "refund"),
        ("  Возврат денег ", "возврат-денег"),
        ("no_show", "no-show"),
        ("a", "a"),
        ("", None),
        ("-a", None),
        ("a b!", None),
        ("x" * 33, None),
        ("79161234567", None),
        ("7-916-123-45-67", None),
        ("<b>", None),
    ],
)
def test_a_tag_has_one_spelling(typed: str, kept: str | None) -> None:
    assert call_tags.spelt(typed) == kept


async def test_a_call_has_each_tag_once_and_not_too_many(db: Database, call: str) -> None:
    def work(conn: Connection) -> None:
        assert call_tags.add(conn, call, Tag("refund", NOW, "stf_1", "Vera"))
        assert not call_tags.add(conn, call, Tag("refund", NOW, "stf_2", "Oleg"))
        assert not call_tags.add(conn, "call-9999", Tag("refund", NOW, "stf_2", "Oleg"))
        for n in range(call_tags.MOST - 1):
            assert call_tags.add(conn, call, Tag(f"a{n:02}", NOW, "stf_1", "Vera"))
        assert not call_tags.add(conn, call, Tag("one-more", NOW, "stf_1", "Vera"))
        assert call_tags.remove(conn, call, "a00")
        assert not call_tags.remove(conn, call, "a00")

    await db.write(work)
    found = await db.read(lambda conn: call_tags.of_calls(conn, [call, "call-9999"]))

    assert set(found) == {call}
    assert [one.tag for one in found[call]][-1] == "refund"
    assert found[call][-1].by_name == "Vera"
    used = await db.read(lambda conn: call_tags.used(conn, at_most=3))
    assert used == ["a01", "a02", "a03"]


async def test_a_complaint_is_decided_by_whoever_has_seen_it_as_it_is(
    db: Database, call: str
) -> None:
    def work(conn: Connection) -> int | None:
        return complaints.add(conn, call, EndedBy.CALLEE, Kind.FRAUD, "Asked for 4111111", VERA)

    number = await db.write(work)
    assert number is not None
    (one,) = await db.read(lambda conn: complaints.of_call(conn, call))
    assert (one.state, one.text, one.user_id) == (
        State.OPEN,
        "Asked for [digits struck out]",
        "u-2",
    )

    def decide(conn: Connection) -> tuple[bool, bool]:
        first = complaints.decide(conn, number, State.UPHELD, "Seen before", OLEG, seen=0)
        return first, complaints.decide(conn, number, State.REJECTED, "", VERA, seen=0)

    assert await db.write(decide) == (True, False)
    found = await db.read(lambda conn: complaints.get(conn, number))
    assert found is not None
    assert (found.state, found.decision, found.decided) == (State.UPHELD, "Seen before", OLEG)


async def test_complaints_are_listed_by_state_newest_first(db: Database, call: str) -> None:
    def work(conn: Connection) -> None:
        for _ in range(3):
            complaints.add(conn, call, EndedBy.CALLER, Kind.SPAM, "", VERA)
        complaints.decide(conn, 2, State.REJECTED, "", OLEG, seen=0)

    await db.write(work)
    first = await db.read(lambda conn: complaints.page(conn, state=State.OPEN, limit=1))
    rest = await db.read(
        lambda conn: complaints.page(conn, state=State.OPEN, limit=5, cursor=first.next_cursor)
    )

    assert [one.id for one in (*first.items, *rest.items)] == [3, 1]
    with pytest.raises(BadCursor):
        await db.read(lambda conn: complaints.page(conn, cursor="x"))


async def test_what_is_written_goes_with_the_people_of_the_call(db: Database, call: str) -> None:
    def work(conn: Connection) -> None:
        call_notes.add(conn, call, "He lives in Tver", None, VERA)
        call_notes.dispose(conn, call, Disposition.RESOLVED, VERA)
        call_tags.add(conn, call, Tag("tver", NOW, "stf_1", "Vera"))
        complaints.add(conn, call, EndedBy.CALLER, Kind.ABUSE, "Swore at her", VERA)

    await db.write(work)
    later = NOW + timedelta(days=31)
    await let_go(db, "people_of_calls", Terms(records=timedelta(days=30)), later)

    def left(conn: Connection) -> tuple[object, ...]:
        (complaint,) = complaints.of_call(conn, call)
        return (
            call_notes.of_call(conn, call),
            call_tags.of_calls(conn, [call]),
            complaint.text,
            complaint.kind,
            len(call_notes.dispositions(conn, call)),
        )

    assert await db.read(left) == ((), {}, None, Kind.ABUSE, 1)
    assert retention.DEFAULT_TERMS.records > timedelta(0)
