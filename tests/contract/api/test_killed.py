"""Killed at any statement of a correction or an erasure: it is whole, or it was never begun.

The one who asked hears nothing and asks again, with the same idempotency key or with none.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import Connection, func, select, text

from api.services import ApiSettings
from cdr import analytics as counting
from cdr import call_log, corrections, entries, erasure, history, ledger, ledger_rows, records
from cdr import people as parties
from cdr.analytics_rebuild import rebuild
from cdr.model import CallRecord
from masking.outcome import Outcome
from maskline.records_verify import verify_database
from storage import analytics, audit, contacts, erasures, people
from storage.analytics import Tally, hour_of
from storage.analytics_reports import Span
from storage.database import open_database
from storage.schema import call_log_entries, history_entries, metadata, outbox
from storage.vault import Vault, VaultKeys
from tests.contract.api.house import House, Reply
from tests.contract.api.lived import found, lived, needles
from tests.contract.api.recorded import record
from tests.support.mortal import Killed, Mortal

Snapshot = Mapping[str, str]


class Deadly:
    """A running API that may be killed at any moment, and what its database holds then."""

    def __init__(self, house: House, mortal: Mortal) -> None:
        self.house = house
        self.mortal = mortal

    async def snapshot(self) -> Snapshot:
        """What every table holds, to be compared."""
        return await self.mortal.read(_snapshot)

    async def until_answered(
        self, path: str, body: object, headers: Mapping[str, str]
    ) -> tuple[Reply, int, list[Snapshot]]:
        """Ask until there is an answer, and once more: the n-th life ends at its n-th moment.

        The last answer, how many lives it took, and the states that the database was in.
        """
        role = "platform" if path.endswith("erasure") else "operator"
        states = [await self.snapshot()]
        lives = answers = 0
        while True:
            lives += 1
            self.mortal.live(0 if answers else lives)
            told = await self.house.ask("POST", path, body, role=role, headers=headers)
            assert self.mortal.died == (told.status >= 500), told.body
            self.mortal.live()
            if (now := await self.snapshot()) != states[-1]:
                states.append(now)
            answers += told.status < 500
            if answers == 2:  # the same again, and nothing happens
                return told, lives, states


def _snapshot(conn: Connection) -> Snapshot:
    if conn.dialect.name == "sqlite":
        rows = ((name, conn.execute(text(f'SELECT * FROM "{name}"'))) for name in metadata.tables)  # noqa: S608
        return {name: repr(sorted(map(repr, found))) for name, found in rows}
    each = (
        f"SELECT '{name}', md5(string_agg(t::text, ',' ORDER BY t::text)) FROM \"{name}\" t"  # noqa: S608
        for name in metadata.tables
    )
    return {name: str(found) for name, found in conn.execute(text(" UNION ALL ".join(each)))}


@pytest.fixture
async def deadly(database_url: str) -> AsyncIterator[Deadly]:
    mortal = Mortal(open_database(database_url))
    house = House(mortal, Vault(VaultKeys.generate()), ApiSettings(sip_host="sip.test"))
    try:
        await house.open()
        yield Deadly(house, mortal)
    finally:
        mortal.live()
        await house.close()
        await mortal.close()
    house.memory.search()


async def keep_chained(house: House, *kept: CallRecord) -> None:
    """As the ingester does: with a place in the chain, entries and counters."""

    def work(conn: Connection) -> None:
        known = parties.parties_of(conn, {one.session_id or "" for one in kept})
        rows, tally = [], Tally()
        for one in kept:
            sides = known[one.session_id or ""]
            rows.append(records.row_of(one, one.ended_at, sides))
            history.insert(conn, [entries.history_row(one, sides)])
            call_log.insert(conn, entries.log_rows(one, sides))
            counting.count_new(tally, one, sides)
        placed = ledger_rows.sealed(house.services.vault, rows)
        day = ledger.day_of(house.clock())
        records.insert(conn, ledger_rows.place(conn, kept[0].node, day, placed))
        analytics.add(conn, tally, contacts.follow(conn, tally.reached))

    await house.db.write(work)


async def said(house: House, call_id: str) -> dict[str, Any]:
    """All that a correction leaves behind, as far as it can be counted."""

    def read(conn: Connection) -> dict[str, Any]:
        mine = [history_entries.c.call_id == call_id, call_log_entries.c.call_id == call_id]
        notices = conn.scalars(select(outbox.c.kind).where(outbox.c.key.contains(call_id)))
        entered = audit.page(conn, audit.Filter(action=audit.Action.RECORD_CORRECTED), limit=50)
        return {
            "versions": [one.version for one in corrections.versions(conn, call_id)],
            "history": conn.scalar(select(func.count()).where(mine[0])),
            "logs": conn.scalar(select(func.count()).where(mine[1])),
            "notices": sorted(notices),
            "audit": [one.entry.object_id for one in entered.items].count(call_id),
        }

    return await house.db.read(read)


async def trusted(house: House) -> None:
    """Both chains are whole, of records and of audit entries, and the counters are right."""
    assert (await verify_database(house.db, house.services.vault)).whole
    assert (await house.db.read(audit.verify)).intact
    hour = hour_of(house.clock())
    recount = await house.db.read(lambda conn: rebuild(conn, Span(hour, hour + 24), mend=False))
    assert recount.wrong == 0


@pytest.mark.parametrize("headers", [{"Idempotency-Key": "once"}, {}], ids=["key", "no key"])
async def test_a_correction_killed_at_any_statement_is_whole_or_not_there(
    deadly: Deadly, headers: dict[str, str]
) -> None:
    house = deadly.house
    await house.furnish()
    made = await house.open_session()
    call, other = (record(n, made["id"], Outcome.ANSWERED) for n in (1, 2))
    await keep_chained(house, call, other)
    path = f"/v1/calls/{call.call_id}/corrections"
    sent = {"version": 1, "why": "a machine took it", "outcome": "missed"}

    told, lives, states = await deadly.until_answered(path, sent, headers)

    assert lives > 30
    assert len(states) == 2, "there is what was, and what is; nothing in between, and nothing twice"
    if headers:
        assert (told.status, told.json()["version"]) == (200, 2)
        assert told.headers["Idempotency-Replayed"] == "true"
    else:
        assert (told.status, told.error_id) == (409, "version_moved")
    assert await said(house, call.call_id) == {
        "versions": [1, 2],
        "history": 1,
        "logs": 2,
        "notices": ["call.corrected", "call.missed"],
        "audit": 1,
    }
    assert (await said(house, other.call_id))["versions"] == [1]
    await trusted(house)


async def test_an_erasure_killed_at_any_statement_goes_on_where_it_was(deadly: Deadly) -> None:
    """Each piece of it is kept whole or not at all, whichever statement it dies at."""
    house, mortal = deadly.house, deadly.mortal
    made = await lived(house)
    await keep_chained(house, record(9, made["id"], Outcome.MISSED))
    vault = house.services.vault
    person = await house.db.read(lambda conn: people.of_user(conn, vault, "u-anna-q"))
    begun = await house.db.write(
        lambda conn: erasures.begin(
            conn, vault, person, new_id="era_1", asked_by=None, now=house.clock()
        )
    )

    def piece(conn: Connection) -> erasures.Erasure | None:
        return erasure.work(conn, vault, begun.id, house.clock())

    pieces = deaths = 0
    state = await deadly.snapshot()
    while (now := await house.db.read(lambda conn: erasures.get(conn, begun.id))) is not None:
        if now.state is not erasures.State.RUNNING:
            break
        pieces += 1
        for moment in itertools.count(1):
            mortal.live(moment)
            with suppress(Killed):
                await mortal.write(piece)
            deaths += mortal.died
            mortal.live()
            before, state = state, await deadly.snapshot()
            if state != before:
                break

    assert pieces >= len(erasure.Step)
    assert deaths > 10 * pieces
    assert now is not None
    assert (now.counts["left"], now.counts["calls"], now.counts["recordings"]) == (0, 5, 1)
    assert await found(house, *needles(house)) == set()
    entered = await house.db.read(
        lambda conn: audit.page(conn, audit.Filter(action=audit.Action.PERSON_ERASED), limit=9)
    )
    assert [one.entry.object_id for one in entered.items] == [vault.person_ref("u-anna-q")]
    chains = (await verify_database(house.db, vault)).verdicts
    assert [(one.calls, one.erased, one.breaks) for one in chains] == [(1, 1, [])]
    assert (await house.db.read(audit.verify)).intact


async def test_an_erasure_whose_answer_was_lost_is_asked_for_again_and_is_the_same(
    deadly: Deadly,
) -> None:
    house = deadly.house
    await lived(house)
    path, key = "/v1/users/u-anna-q/erasure", {"Idempotency-Key": "forget-her"}
    told, lives, _ = await deadly.until_answered(path, None, key)

    assert lives > 20
    listed = (await house.ask("GET", "/v1/users/u-anna-q/erasures", role="platform")).json()
    assert [one["id"] for one in listed["items"]] == [told.json()["id"]], "it was begun once"
    assert told.headers["Idempotency-Replayed"] == "true"
    assert (told.json()["state"], told.json()["counts"]["left"]) == ("watching", 0)
    again = await house.ask("POST", path, role="platform", headers=key)
    assert again.json() == told.json()
    assert await found(house, *needles(house)) == set()
    erasing = (await house.ask("GET", "/v1/audit?action=person.erased", role="operator")).json()
    assert len(erasing["items"]) == 1
