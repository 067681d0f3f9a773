"""Exports over HTTP: whole or broken off, never with a phone, and never without an audit entry."""

from __future__ import annotations

import csv
import io
import json

import aiohttp
import pyarrow.parquet as pq
import pytest

from api.call_export import ROUTES
from api.errors import Overloaded
from api.exports import Exports
from cdr import export_rows
from masking.outcome import Outcome
from storage import audit
from storage.audit import Action, ActorKind, Filter, Kept
from storage.errors import DatabaseSilent
from tests.contract.api.house import BUYER, House
from tests.contract.api.recorded import keep, record

CALLS = 7


@pytest.fixture
async def found(house: House) -> House:
    await house.furnish()
    made = await house.open_session()
    outcomes = (Outcome.ANSWERED, Outcome.MISSED)
    await keep(house, *(record(-n, made["id"], outcomes[n % 2]) for n in range(CALLS)))
    return house


def ids(*numbers: int) -> list[str]:
    return [record(-n, None, Outcome.MISSED).call_id for n in numbers]


async def entries(house: House) -> list[Kept]:
    wanted = Filter(action=Action.RECORDS_EXPORTED)
    return list((await house.db.read(lambda conn: audit.page(conn, wanted))).items)


async def test_a_filter_is_exported_in_every_format(found: House) -> None:
    query = "outcome=missed&user_id=u-2"
    missed = ids(1, 3, 5)

    as_csv = await found.ask("GET", f"/v1/calls/export?{query}", role="staff")
    assert as_csv.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert as_csv.headers["Content-Disposition"] == (
        'attachment; filename="calls-20261122T100000Z.csv"'
    )
    rows = list(csv.DictReader(io.StringIO(as_csv.body.decode(), newline="")))
    assert [row["call_id"] for row in rows] == missed
    assert rows[0]["number_in"] == "'+74951110001", "no formula"

    lines = await found.ask("GET", f"/v1/calls/export?{query}&format=jsonl", role="staff")
    assert lines.headers["Content-Type"] == "application/x-ndjson"
    assert [json.loads(line)["call_id"] for line in lines.body.splitlines()] == missed

    parquet = await found.ask("GET", f"/v1/calls/export?{query}&format=parquet", role="staff")
    assert parquet.headers["Content-Type"] == "application/vnd.apache.parquet"
    assert pq.read_table(io.BytesIO(parquet.body)).column("call_id").to_pylist() == missed


async def test_a_phone_is_asked_for_in_a_body(found: House) -> None:
    body = {"phone": BUYER, "outcome": ["answered"], "format": "jsonl"}
    reply = await found.ask("POST", "/v1/calls/export", body, role="platform")
    assert [json.loads(line)["call_id"] for line in reply.body.splitlines()] == ids(2, 4, 6)
    refused = await found.ask("GET", f"/v1/calls/export?phone=%2B{BUYER[1:]}")
    assert (refused.status, list(refused.fields)) == (422, ["phone"])


async def test_who_exported_what_is_in_the_audit_log(found: House) -> None:
    await found.ask("GET", "/v1/calls/export?user_id=u-1&talk_min_s=5", role="operator")
    await found.ask("POST", "/v1/calls/export", {"phone": BUYER, "format": "parquet"})

    by_phone, by_user = (one.entry for one in await entries(found))
    assert (by_user.actor.kind, by_user.actor.name) == (ActorKind.KEY, "operator")
    assert by_user.facts == {
        "format": "csv",
        "user_id": found.services.vault.person_ref("u-1"),
        "talk_ms": "5000..",
        "until": "2026-11-22T10:00:00.000+00:00",
    }
    assert by_phone.facts["phone_index"] == "given"


async def test_what_comes_after_it_began_is_not_in_it(found: House) -> None:
    later = record(5, None, Outcome.MISSED)
    await keep(found, later)
    reply = await found.ask("GET", "/v1/calls/export?format=jsonl")
    exported = [json.loads(line)["call_id"] for line in reply.body.splitlines()]
    assert exported == ids(*range(1, CALLS)), "of before this moment, and the moment is not in it"


async def test_a_head_exports_nothing(found: House) -> None:
    reply = await found.ask("HEAD", "/v1/calls/export")
    assert (reply.status, reply.body) == (200, b"")
    assert await entries(found) == []


async def test_it_comes_in_pieces(found: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_rows.read, "__kwdefaults__", {"limit": 2})
    reply = await found.ask("GET", "/v1/calls/export?format=jsonl")
    assert len(reply.body.splitlines()) == CALLS - 1


async def test_half_an_export_never_looks_whole(
    found: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = export_rows.read

    def breaks(conn: object, wanted: object, after: object) -> object:
        if after is not None:
            raise DatabaseSilent
        return read(conn, wanted, after, limit=2)  # type: ignore[arg-type]

    monkeypatch.setattr(export_rows, "read", breaks)
    with pytest.raises(aiohttp.ClientPayloadError):
        await found.ask("GET", "/v1/calls/export?format=jsonl")
    monkeypatch.undo()
    assert (await found.ask("GET", "/v1/calls/export")).status == 200, "it is over and given back"


async def test_only_so_many_run_at_once(found: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Exports, "refuse_more", _full)
    reply = await found.ask("GET", "/v1/calls/export")
    assert (reply.status, reply.error_id) == (503, "overloaded")
    assert await entries(found) == []


def _full(_: object) -> None:
    raise Overloaded


def test_exports_are_counted_until_they_are_over() -> None:
    exports = Exports(most=1)
    with exports.one():
        assert len(exports) == 1
        with pytest.raises(Overloaded):
            exports.refuse_more()
    exports.refuse_more()
    exports.close()
    with pytest.raises(Overloaded), exports.one():
        pass


def test_every_export_says_what_it_answers() -> None:
    for route in ROUTES:
        assert route.answers == ("text/csv, application/x-ndjson, application/vnd.apache.parquet")
