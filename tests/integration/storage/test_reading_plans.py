"""What is read and erased of people and their calls costs no more for what others have here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from cdr import erasure, history, live, portrait, recent, records
from masking.model import Role
from masking.recording_states import RecordingState
from storage import Database, erasing, erasures, open_database, people, recordings
from storage.people import Person
from storage.schema import call_log_entries, calls, history_entries, participants
from storage.schema import recordings as recording_rows
from tests.support.planned import Planned, cost
from tests.support.recordings import NODE, call_row, pending
from tests.support.storage import DAY, NOW, a_draft, a_person, a_vault, opened, stocked

BUYER = "buyer-1"
ANNA = Person((BUYER,), (b"an index",))


@pytest.fixture
async def db(migrated_sqlite: str) -> AsyncIterator[Database]:
    database = open_database(migrated_sqlite)
    await stocked(database, a_vault(), 50)
    for n in range(12):
        draft = a_draft(a_person(Role.BUYER, n % 2), a_person(Role.SELLER, n))
        await opened(database, a_vault(), draft, rotation=n)
    await database.write(_fill)
    yield database
    await database.close()


def _fill(conn: Connection, first: int = 0, count: int = 12, user: str = BUYER) -> None:
    """Calls of the user, with what is made of them."""
    some = range(first, first + count)
    at = {n: NOW + timedelta(minutes=n % 60) for n in some}
    who = {"caller_user_id": user, "callee_user_id": "seller-1", "session_id": "ses_x"}
    conn.execute(insert(calls), [call_row(n) | who | {"offered_at": at[n]} for n in some])
    said = ("outcome", "reason", "session_id", "listing", "caller", "callee", "channel", "ended_by")
    body = dict.fromkeys(said) | {"outcome": "missed", "shown_to": [], "ring_ms": 0, "talk_ms": 0}
    entry = {"kind": "call", "body": body}
    places = [
        {"call_id": f"{n}", "at": at[n], "conversation_id": f"chat-{user}"} | entry for n in some
    ]
    conn.execute(insert(history_entries), places)
    log = {"direction": "in", "outcome": "missed", "ring_ms": 0, "talk_ms": 0}
    card = {"card": {"role": "buyer"}, "user_id": user}
    conn.execute(
        insert(call_log_entries), [log | card | {"call_id": f"{n}", "at": at[n]} for n in some]
    )


async def test_following_and_paging_scan_nothing(db: Database) -> None:
    planned, chat = Planned(db), f"chat-{BUYER}"
    mark = await planned.read(lambda conn: recent.since(conn, NOW))
    for work in (
        lambda conn: history.page(conn, chat, limit=5),
        lambda conn: history.of_conversation_after(conn, chat, 2, 9, limit=5),
        lambda conn: history.newest_until(conn, chat, 9, limit=5),
        history.newest_id,
        lambda conn: history.written_after(conn, 2, limit=5),
        lambda conn: recent.offers(conn, mark, at_most=9),
        lambda conn: recent.after(conn, mark, at_most=9),
        lambda conn: live.counts(conn, [NODE]),
        lambda conn: live.newest(conn, [NODE], at_most=9),
        lambda conn: live.offers(conn, [NODE], NOW),
        lambda conn: live.of_user(conn, [NODE], BUYER),
        lambda conn: recordings.of_calls(conn, ["a", "b"]),
    ):
        await planned.read(work)

    assert planned.scans("ledger_days") == set()  # a row for each day of each node


async def test_a_document_of_a_person_is_read_in_pieces(db: Database) -> None:
    planned = Planned(db)
    for section in portrait.SECTIONS:
        await planned.read(lambda conn, of=section: of.read(conn, a_vault(), ANNA, ""))  # type: ignore[misc]
    assert planned.scans() == set()

    def page(conn: Connection) -> int:
        places = records.places_of(conn, ANNA.user_ids, ANNA.indexes, (0, ""), limit=5)
        assert len(places) == 5
        return cost(
            conn,
            lambda conn: records.places_of(conn, ANNA.user_ids, ANNA.indexes, places[-1], limit=5),
        )

    few = await db.read(page)
    await db.write(lambda conn: _fill(conn, first=120, count=600))
    assert await db.read(page) < 3 * few


async def test_a_log_of_many_pages_is_read_whole_and_in_order(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portrait, "PAGE", 5)
    await db.write(lambda conn: _fill(conn, first=1000, count=7, user="buyer-2"))
    person = Person((BUYER, "buyer-2"), ())
    found: dict[str, list[Any]] = {}
    for section in portrait.SECTIONS:
        after: str | None = ""
        while after is not None:
            piece = await db.read(
                lambda conn, of=section, after=after: of.read(conn, a_vault(), person, after)  # type: ignore[misc]
            )
            assert len(piece.items) <= 5
            found.setdefault(section.name, []).extend(piece.items)
            after = piece.after

    ours = [*range(12), *range(1000, 1007)]
    assert [one["call_id"] for one in found["call_log"]] == [f"{n}" for n in ours]
    by_time = sorted(ours, key=lambda n: (n % 60, str(call_row(n)["call_id"])))
    assert [one["call_id"] for one in found["calls"]] == [call_row(n)["call_id"] for n in by_time]


async def test_erasing_a_person_scans_nothing_that_grows(db: Database) -> None:
    vault, planned = a_vault(), Planned(db)
    person = await planned.read(lambda conn: people.of_user(conn, vault, BUYER))
    begun = await db.write(
        lambda conn: erasures.begin(conn, vault, person, new_id="era_1", asked_by=None, now=NOW)
    )
    await planned.read(lambda conn: erasure.dry_run(conn, person, NOW))
    now: erasures.Erasure = begun
    for _ in range(40):
        if now.state is erasures.State.RUNNING:
            now = await planned.write(lambda conn: erasure.work(conn, vault, begun.id, NOW))
    await planned.write(lambda conn: erasure.work(conn, vault, begun.id, NOW + DAY))

    assert (now.state, now.counts["calls"], now.counts["left"]) == ("watching", 12, 0)
    # Wrong digits of a day, those near a pool's end; what is read by its key, a piece at a time.
    pieces = ("call_versions USING INDEX", "idempotency_keys")
    assert planned.scans("dial_tries", "pool_pressure", *pieces) == set()


async def test_taking_a_person_out_of_sessions_costs_nothing_for_others(db: Database) -> None:
    found = await db.read(lambda conn: conn.scalars(select(participants.c.session_id)).all())
    sides = [(one, 0, BUYER) for one in sorted(set(found))[:5]]

    def look(conn: Connection) -> int:
        return cost(conn, lambda conn: erasing._forget_pairs(conn, sides))

    few = await db.write(look)
    for n in range(20, 60):
        draft = a_draft(a_person(Role.BUYER, n), a_person(Role.SELLER, n))
        await opened(db, a_vault(), draft, rotation=n)
    assert await db.write(look) <= few + 2


def ready(n: int, delete_at: datetime) -> dict[str, object]:
    """The row of a recording that may be heard."""
    return pending(n) | {"state": RecordingState.READY.value, "due_at": delete_at}


async def test_recordings_that_are_kept_cost_a_probe_nothing(db: Database) -> None:
    def look(conn: Connection) -> tuple[object, int]:
        found = recordings.waiting(conn, NOW + timedelta(seconds=9))
        return found, cost(conn, lambda conn: recordings.waiting(conn, NOW))

    def keep(conn: Connection) -> None:
        rows = [ready(n, NOW + timedelta(hours=n)) for n in range(10, 2000)]
        conn.execute(insert(recording_rows), rows)

    later = {"due_at": NOW + recordings.LONGEST_PAUSE}
    await db.write(lambda conn: recordings.keep(conn, [pending(1), pending(2) | later]))
    found, few = await db.read(look)
    assert found == (2, 9.0)
    await db.write(keep)
    assert await db.read(look) == (found, few)


async def test_what_is_due_on_a_node_that_is_away_is_passed_over(db: Database) -> None:
    def keep(conn: Connection) -> None:
        before = NOW - DAY
        rows = [pending(n) | {"node": "away", "due_at": before} for n in range(10, 2000)]
        conn.execute(insert(recording_rows), [*rows, pending(1)])

    await db.write(keep)

    def due(conn: Connection, since: datetime | None) -> int:
        [found] = recordings.due(conn, NODE, NOW, 1, since=since)
        assert found.node == NODE
        return cost(conn, lambda conn: recordings.due(conn, NODE, NOW, 1, since=since))

    from_the_first = await db.read(lambda conn: due(conn, None))
    assert await db.read(lambda conn: due(conn, NOW - timedelta(minutes=1))) * 20 < from_the_first
