"""A person is erased whole: afterwards nothing of them is anywhere."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from cdr import erasing, erasure, ledger, ledger_rows, records
from cdr import people as parties
from cdr.model import CallRecord
from masking.model import Phone
from masking.outcome import Outcome
from storage import audit, erasures
from storage import people as people_rows
from storage.personal import CLASSIFIED, ERASED_USER
from storage.schema import call_versions, calls, ledger_days, metadata
from tests.contract.api.house import House, session
from tests.contract.api.lived import ANNA, OLGA, PETR, erased, found, lived, needles, people
from tests.contract.api.recorded import keep, record


async def test_after_an_erasure_nothing_of_the_person_is_in_any_column(house: House) -> None:
    await lived(house)
    before = await found(house, *needles(house))
    assert {
        "participants.user_id",
        "participants.name",
        "participants.facts",
        "leases.phone_index",
        "listing_numbers.name",
        "listing_numbers.listing_title",
        "blocks.user_id",
        "blocks.blocked_user_id",
        "app_credentials.device",
        "app_users.user_id",
        "call_ratings.user_id",
        "calls.caller_user_id",
        "calls.callee_user_id",
        "calls.caller_index",
        "calls.listing_title",
        "history_entries.body",
        "call_log_entries.card",
        "call_log_entries.user_id",
        "call_notes.text",
        "call_tags.tag",
        "complaints.text",
        "complaints.decision",
        "outbox.data",
        "idempotency_keys.body",
    } <= before, "the search sees where she was"
    for where in before:
        table, column = where.split(".")
        assert column in CLASSIFIED[table].personal, f"{where} holds her and is not classified"

    done = await erased(house)

    assert done["state"] == "watching"
    assert done["counts"]["left"] == 0
    assert await found(house, *needles(house)) == set()
    # Whom it is about is sealed, until nothing of it can come in any more.
    house.clock.advance(hours=27)
    for _ in range(2):
        await house.db.write(
            lambda conn: erasure.carry_on(conn, house.services.vault, house.clock())
        )
    receipt = (await house.ask("GET", f"/v1/erasures/{done['id']}", role="platform")).json()
    assert receipt["state"] == "done"
    assert receipt["counts"]["calls"] == 4
    assert receipt["counts"]["recordings"] == 1
    assert await found(house, *needles(house)) == set()


async def test_nothing_of_the_person_is_in_the_bytes_of_the_file(
    lite: House, sqlite_url: str
) -> None:
    await lived(lite)
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    there = (b"Annabella-Q", b"u-anna-q", b"anna-device-q", b"anna-reason-q")
    before = path.read_bytes() + path.with_name(path.name + "-wal").read_bytes()
    assert all(one in before for one in there)
    await erased(lite)
    await lite.db.close()

    with closing(sqlite3.connect(path)) as conn:
        conn.execute("VACUUM")
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    left = b"".join(one.read_bytes() for one in path.parent.glob(f"{path.name}*"))
    assert [one for one in needles(lite) if one in left] == []
    assert b"u-petr" in left, "the search sees what is there"


async def test_the_phone_opens_nowhere_after_it(house: House) -> None:
    await lived(house)
    await erased(house)

    def phones(conn: Connection) -> set[str]:
        opened: set[str] = set()
        for name, kept in CLASSIFIED.items():
            for column, one in kept.personal.items():
                if one.about.value != "phone, sealed":
                    continue
                for sealed in conn.scalars(select(metadata.tables[name].c[column])):
                    if sealed is not None:
                        opened.add(house.services.vault.open(sealed))
        return opened

    assert await house.db.read(phones) == {PETR, OLGA, ""}


async def test_the_other_side_keeps_that_a_call_took_place(house: House) -> None:
    made = await lived(house)
    await erased(house)

    log = (await house.ask("GET", "/v1/users/u-petr/call-log", role="platform")).json()
    assert [one["card"]["name"] for one in log["items"]] == [None, None]
    assert {one["card"]["erased"]["ru"] for one in log["items"]} == {"Удалённый пользователь"}
    assert {one["card"]["erased"]["en"] for one in log["items"]} == {"Deleted user"}
    history = (await house.ask("GET", "/v1/conversations/chat-81/history")).json()
    assert len(history["items"]) == 2
    sides = [side["user_id"] for one in history["items"] for side in (one["caller"], one["callee"])]
    assert sorted(set(sides)) == ["u-petr", ERASED_USER]
    now = (await house.ask("GET", f"/v1/sessions/{made['id']}", role="platform")).json()
    assert now["state"] == "closed"
    olgas = (await house.ask("GET", "/v1/users/u-olga/call-log", role="platform")).json()
    assert olgas["items"][0]["listing"]["title"] is None


async def test_the_devices_are_shut_out_and_nobody_is_rung_any_more(house: House) -> None:
    await lived(house)
    await erased(house)
    assert len(house.node.shut_out) == 1
    again = await house.ask("POST", "/v1/sessions", session(participants=people()))
    assert again.status == 201, "who comes back is somebody new"


async def test_both_sides_can_be_erased_one_after_the_other(house: House) -> None:
    await lived(house)
    await erased(house)
    await erased(house, "/v1/users/u-petr/erasure")
    await erased(house, "/v1/users/u-olga/erasure")
    assert await found(house, b"u-petr", b"u-olga", b"Olga") == set()
    assert "history_entries.body" in await found(house, ERASED_USER.encode())


async def test_a_call_that_comes_in_late_is_erased_too(house: House) -> None:
    await lived(house)
    vault = house.services.vault
    house.clock.advance(hours=1)
    await erased(house)
    late = record(
        5,
        None,
        Outcome.FAILED,
        caller_role=None,
        callee_role=None,
        attempts=(),
        legs=(),
        caller_sealed=vault.seal(Phone(ANNA)),
        caller_index=vault.index(Phone(ANNA)),
    )
    await keep(house, late)
    assert await found(house, vault.index(Phone(ANNA))) == {"calls.caller_index"}
    await house.db.write(lambda conn: erasure.carry_on(conn, vault, house.clock()))
    assert await found(house, vault.index(Phone(ANNA))) == set()


async def test_asking_again_finds_nothing_and_says_so(house: House) -> None:
    await lived(house)
    first = await erased(house)
    second = await erased(house)
    assert first["person"] == second["person"]
    assert {one: n for one, n in second["counts"].items() if n} == {"rounds": 1}
    listed = (await house.ask("GET", "/v1/users/u-anna-q/erasures", role="platform")).json()
    assert [one["id"] for one in listed["items"]] == [second["id"], first["id"]] or {
        one["id"] for one in listed["items"]
    } == {first["id"], second["id"]}


async def test_an_admin_may_ask_by_phone_and_look_before_erasing(house: House) -> None:
    await lived(house)
    asked = {"phone": ANNA}
    looked = (await house.ask("POST", "/v1/persons/search", asked)).json()
    assert looked["user_ids"] == ["u-anna-q"]
    assert looked["found"]["sessions_open"] == 2
    assert await found(house, b"u-anna-q"), "looking changes nothing"
    reply = await house.ask("POST", "/v1/persons/erasure", asked)
    assert reply.status == 202
    assert await found(house, *needles(house)) == set()


async def test_a_phone_of_several_users_is_erased_for_none_of_them(house: House) -> None:
    await lived(house)
    twin = session(conversation_id="c-2", participants=people("u-twin", "u-someone"))
    assert (await house.ask("POST", "/v1/sessions", twin)).status == 201
    reply = await house.ask("POST", "/v1/persons/erasure", {"phone": ANNA})
    assert (reply.status, reply.error_id) == (409, "several_people")


@pytest.mark.parametrize("role", ["staff", "operator"])
async def test_who_may_not_is_refused(lite: House, role: str) -> None:
    for method, path in (
        ("GET", "/v1/users/u-1/export"),
        ("POST", "/v1/users/u-1/erasure"),
        ("GET", "/v1/users/u-1/erasures"),
        ("POST", "/v1/persons/search"),
        ("POST", "/v1/vault/rotations"),
    ):
        body = {"phone": ANNA} if "persons" in path else None
        assert (await lite.ask(method, path, body, role=role)).status == 403, path


async def test_what_was_done_stands_in_the_audit_log_without_the_id(house: House) -> None:
    await lived(house)
    await house.ask("GET", "/v1/users/u-anna-q/export", role="platform")
    await erased(house)
    kept = await house.db.read(lambda conn: audit.page(conn, audit.Filter(object_kind="user")))
    assert [one.entry.action.value for one in kept.items] == ["person.erased", "person.exported"]
    assert {one.entry.object_id for one in kept.items} == {
        house.services.vault.person_ref("u-anna-q")
    }
    assert (await house.db.read(audit.verify)).intact


async def test_the_ledger_still_verifies(house: House) -> None:
    made = await lived(house)
    vault = house.services.vault
    chained = (record(11, made["id"], Outcome.ANSWERED), record(12, made["id"], Outcome.MISSED))
    await _chain(house, *chained)
    hashes = await _chains(house)
    await erased(house)

    assert await _chains(house) == hashes, "no hash has changed"

    def judged(conn: Connection) -> list[tuple[str, str]]:
        found = []
        query = select(calls).where(calls.c.ledger_hash.is_not(None))
        for row in map(dict, conn.execute(query).mappings()):
            assert ledger.link_of(ledger.content_of(row), row["ledger_personal"])
            for group in (ledger.Group.CALLER, ledger.Group.CALLEE):
                verdict = ledger.judge(group, row, None, row["session_id"], vault.commitment)
                found.append((group.name, verdict.value))
        return found

    assert sorted(set(await house.db.read(judged))) == [("CALLEE", "whole"), ("CALLER", "erased")]


async def test_an_erasure_waits_for_none_of_those_that_only_watch(house: House) -> None:
    vault, now = house.services.vault, house.clock()

    def begin(conn: Connection) -> None:
        for n in range(101):
            person = people_rows.Person((f"u-{n}",), ())
            of = {"new_id": f"era_{n:03}", "asked_by": None, "now": now}
            begun = erasures.begin(conn, vault, person, **of)  # type: ignore[arg-type]
            if n < 100:
                erasures.enter(conn, begun, erasures.State.WATCHING, now)

    await house.db.write(begin)
    for _ in range(3):
        await house.db.write(lambda conn: erasure.carry_on(conn, vault, now))

    last = await house.db.read(lambda conn: erasures.get(conn, "era_100"))
    assert last is not None
    assert last.state is erasures.State.WATCHING


async def test_what_only_a_superseded_version_says_of_a_person_goes_as_well(house: House) -> None:
    """Once it was corrected, its record names somebody else."""
    await lived(house)
    said = {"node": "n1", "content": '{"caller_role": "seller"}', "listing_title": "Sofa"}
    stood = {1: "u-olga", 2: "u-anna-q", 3: "u-petr", 4: "u-anna-q", 5: "u-anna-q"}
    rows = [
        said | {"call_id": f"cal_{n // 2}", "version": n, "caller_user_id": user}
        for n, user in stood.items()
    ]
    await house.db.write(lambda conn: conn.execute(insert(call_versions), rows))
    person = people_rows.Person(("u-anna-q",), ())

    def walk(conn: Connection) -> list[list[str]]:
        pieces: list[list[str]] = []
        after: list[Any] | None = None
        while not pieces or after is not None:
            after, found = erasing.versions_of(conn, person, after, at_most=2)
            pieces.append(found)
        return pieces

    assert await house.db.read(walk) == [["cal_1"], ["cal_2"], ["cal_2"]]

    done = await erased(house)

    assert (done["counts"]["call_versions"], done["counts"]["left"]) == (3, 0)
    query = select(call_versions.c.caller_user_id, call_versions.c.listing_title)
    rows_left = query.order_by(call_versions.c.version)
    left = await house.db.read(lambda conn: conn.execute(rows_left).all())
    assert left == [("u-olga", "Sofa"), (None, None), ("u-petr", "Sofa")] + 2 * [(None, None)]


async def _chain(house: House, *kept: CallRecord) -> None:
    def work(conn: Connection) -> None:
        known = parties.parties_of(conn, {one.session_id or "" for one in kept})
        rows = [records.row_of(one, one.ended_at, known.get(one.session_id or "")) for one in kept]
        sealed = ledger_rows.sealed(house.services.vault, rows)
        today = ledger.day_of(house.clock())
        records.insert(conn, ledger_rows.place(conn, kept[0].node, today, sealed))

    await house.db.write(work)


async def _chains(house: House) -> list[tuple[Any, ...]]:
    def work(conn: Connection) -> list[tuple[Any, ...]]:
        rows = conn.execute(
            select(calls.c.ledger_hash, calls.c.ledger_personal)
            .where(calls.c.ledger_hash.is_not(None))
            .order_by(calls.c.ledger_seq)
        ).all()
        heads = conn.execute(select(ledger_days.c.head)).all()
        return [*map(tuple, rows), *map(tuple, heads)]

    return await house.db.read(work)
