"""Recordings over HTTP: heard by those who may, never unseen; deleted for good."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import Connection

from cdr.recording_cipher import SealingWriter
from cdr.recording_files import RecordingFiles
from masking.outcome import Outcome
from masking.recording_states import RecordingFailure
from storage import audit, recordings
from storage.audit import Filter, Kept
from storage.errors import DatabaseUnavailable
from tests.contract.api import heard
from tests.contract.api.conftest import run
from tests.contract.api.heard import TOKEN, a_recorded_call
from tests.contract.api.house import START, House, Reply
from tests.contract.api.recorded import keep, record

SOUND = bytes(range(256)) * 1024  # 256 KiB: several chunks


@pytest.fixture
def files(tmp_path: Path) -> RecordingFiles:
    return heard.folder(tmp_path)


@pytest.fixture
async def house(database_url: str, files: RecordingFiles) -> AsyncIterator[House]:
    async for running in run(database_url, recordings=files):
        yield running


@pytest.fixture
async def lite(sqlite_url: str, files: RecordingFiles) -> AsyncIterator[House]:
    async for running in run(sqlite_url, recordings=files):
        yield running


async def a_recording(house: House, files: RecordingFiles, number: int = 1) -> str:
    """A call whose recording can be heard."""

    def write(writer: SealingWriter) -> int:
        writer.write(SOUND)
        return 61_500

    return await heard.a_recording(house, files, write, number)


async def play(
    house: House, call: str, role: str = "staff", reason: str = "dispute", **headers: str
) -> Reply:
    path = f"/v1/calls/{call}/recording/audio?reason={reason}"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await house.ask("GET", path, role=role, headers=named)


async def log_of(house: House) -> list[Kept]:
    page = await house.db.read(lambda conn: audit.page(conn, Filter()))
    return list(page.items)


async def test_a_recording_is_heard_by_staff_and_the_log_says_so(
    house: House, files: RecordingFiles
) -> None:
    call = await a_recording(house, files)

    reply = await play(house, call, reason="dispute%204711")

    assert (reply.status, reply.body == SOUND) == (200, True)
    assert reply.headers["Content-Type"] == "audio/ogg"
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["Accept-Ranges"] == "bytes"
    assert reply.headers["Content-Length"] == str(len(SOUND))
    (kept,) = await log_of(house)
    assert (kept.entry.actor.name, kept.entry.action) == ("staff", "recording.played")
    assert (kept.entry.object_id, kept.entry.reason) == (call, "dispute 4711")
    assert kept.entry.facts == {"from_byte": 0, "bytes": len(SOUND)}
    assert not kept.entry.refused


@pytest.mark.parametrize("role", ["operator", "admin"])
async def test_operators_and_admins_may_hear_it(
    lite: House, files: RecordingFiles, role: str
) -> None:
    assert (await play(lite, await a_recording(lite, files), role)).status == 200


async def test_a_platform_may_not_hear_it_and_that_is_kept(
    house: House, files: RecordingFiles
) -> None:
    call = await a_recording(house, files)

    reply = await play(house, call, "platform")

    assert (reply.status, reply.error_id) == (403, "forbidden")
    (kept,) = await log_of(house)
    assert (kept.entry.refused, kept.entry.object_id) == (True, call)
    assert kept.entry.facts == {"role": "platform"}


async def test_what_is_no_call_is_not_quoted_by_the_log(lite: House) -> None:
    await play(lite, "cal_+79161234567", "platform")

    (kept,) = await log_of(lite)
    assert kept.entry.object_id is None


@pytest.mark.parametrize("query", ["", "?reason=", "?reason=ab", f"?reason={'x' * 501}"])
async def test_nobody_hears_it_without_saying_why(
    lite: House, files: RecordingFiles, query: str
) -> None:
    call = await a_recording(lite, files)

    reply = await lite.ask("GET", f"/v1/calls/{call}/recording/audio{query}", role="staff")

    assert (reply.status, list(reply.fields)) == (422, ["reason"])
    assert await log_of(lite) == []


async def test_a_reason_with_a_phone_is_kept_without_it(lite: House, files: RecordingFiles) -> None:
    call = await a_recording(lite, files)

    await play(lite, call, reason="she%20rang%20from%20%2B79161234567")

    reply = await lite.ask("GET", "/v1/audit", role="operator")
    assert reply.json()["items"][0]["reason"] == "she rang from [digits struck out]"
    lite.memory.phones.add("+79161234567")


@pytest.mark.parametrize(
    ("wanted", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=65530-65540", 65530, 65541),
        ("bytes=200000-", 200000, len(SOUND)),
        ("bytes=-7", len(SOUND) - 7, len(SOUND)),
    ],
)
async def test_a_part_of_it_is_heard(
    lite: House, files: RecordingFiles, wanted: str, start: int, stop: int
) -> None:
    call = await a_recording(lite, files)

    reply = await play(lite, call, Range=wanted)

    assert (reply.status, reply.body == SOUND[start:stop]) == (206, True)
    assert reply.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(SOUND)}"
    assert reply.headers["Content-Length"] == str(stop - start)
    (kept,) = await log_of(lite)
    assert kept.entry.facts == {"from_byte": start, "bytes": stop - start}


async def test_a_range_that_there_is_not_is_refused(lite: House, files: RecordingFiles) -> None:
    call = await a_recording(lite, files)

    reply = await play(lite, call, Range=f"bytes={len(SOUND)}-")

    assert (reply.status, reply.error_id) == (416, "range_not_satisfiable")
    assert reply.headers["Content-Range"] == f"bytes */{len(SOUND)}"
    assert await log_of(lite) == []


async def test_a_part_of_another_file_is_not_given(lite: House, files: RecordingFiles) -> None:
    call = await a_recording(lite, files)
    tag = (await play(lite, call)).headers["ETag"]

    same = await play(lite, call, Range="bytes=0-1", If_Range=tag)
    other = await play(lite, call, Range="bytes=0-1", If_Range='"another"')

    assert (same.status, other.status, len(other.body)) == (206, 200, len(SOUND))


async def test_a_head_is_no_play(lite: House, files: RecordingFiles) -> None:
    call = await a_recording(lite, files)

    path = f"/v1/calls/{call}/recording/audio?reason=dispute"
    reply = await lite.ask("HEAD", path, role="staff")

    assert (reply.status, reply.body) == (200, b"")
    assert reply.headers["Content-Length"] == str(len(SOUND))
    assert await log_of(lite) == []


async def test_nothing_is_heard_where_the_log_cannot_be_written(
    lite: House, files: RecordingFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = await a_recording(lite, files)

    def refuse(conn: Connection, entry: object) -> int:
        raise DatabaseUnavailable

    monkeypatch.setattr(audit, "append", refuse)
    reply = await play(lite, call)

    assert reply.status == 503
    assert SOUND[:16] not in reply.body


async def test_a_recording_on_its_way_a_failed_one_and_none_say_so(lite: House) -> None:
    pending = await a_recorded_call(lite, 1)
    failed = await a_recorded_call(lite, 2)
    await lite.db.write(
        lambda conn: recordings.failed(conn, failed, RecordingFailure.DISK_FULL, START)
    )
    none = record(3, None, Outcome.ANSWERED)
    await keep(lite, none)

    async def said(call: str) -> tuple[Any, ...]:
        shown = await lite.ask("GET", f"/v1/calls/{call}/recording", role="platform")
        heard = await play(lite, call)
        return shown.json().get("state"), shown.json().get("reason"), heard.error_id

    assert await said(pending) == ("pending", None, "recording_pending")
    assert await said(failed) == ("failed", "disk_full", "recording_not_found")
    assert await said(none.call_id) == (None, None, "recording_not_found")
    assert await said("cal_" + "0" * 26) == (None, None, "call_not_found")
    assert await log_of(lite) == []


async def test_a_deleted_recording_is_gone_for_good_and_says_so(
    house: House, files: RecordingFiles
) -> None:
    call = await a_recording(house, files)
    before = (await house.ask("GET", f"/v1/calls/{call}/recording", role="platform")).json()

    path = f"/v1/calls/{call}/recording?reason=the%20seller%20asked"
    first = await house.ask("DELETE", path, role="platform")
    again = await house.ask("DELETE", path, role="platform")

    assert (first.status, again.status) == (204, 204)
    assert list(files.everything()) == []
    assert (await play(house, call)).error_id == "recording_deleted"
    after = (await house.ask("GET", f"/v1/calls/{call}/recording", role="staff")).json()
    assert (before["state"], before["channels"]) == ("ready", ["caller", "callee"])
    assert before["delete_at"] == "2026-12-22T10:00:00Z"
    assert (after["state"], after["deleted_why"]) == ("deleted", "request")
    assert (after["deleted_at"], after["sha256"]) == ("2026-11-22T10:00:00Z", before["sha256"])
    (kept,) = await log_of(house)
    assert (kept.entry.action, kept.entry.reason) == ("recording.deleted", "the seller asked")
    assert kept.entry.facts == {"why": "request", "sha256": before["sha256"]}


async def test_staff_may_not_delete_and_that_is_kept(lite: House, files: RecordingFiles) -> None:
    call = await a_recording(lite, files)

    reply = await lite.ask("DELETE", f"/v1/calls/{call}/recording?reason=tidying", role="staff")

    assert reply.status == 403
    (kept,) = await log_of(lite)
    assert (kept.entry.action, kept.entry.refused) == ("recording.deleted", True)


async def test_a_failed_recording_cannot_be_deleted(lite: House) -> None:
    failed = await a_recorded_call(lite)
    await lite.db.write(lambda conn: recordings.failed(conn, failed, RecordingFailure.EMPTY, START))

    reply = await lite.ask("DELETE", f"/v1/calls/{failed}/recording?reason=tidying")

    assert reply.error_id == "recording_not_found"


@pytest.mark.parametrize("damage", ["changed", "cut", "grown", "gone", "swapped"])
async def test_a_file_that_is_not_what_was_written_is_not_played(
    lite: House, files: RecordingFiles, tmp_path: Path, damage: str
) -> None:
    call = await a_recording(lite, files)
    other = await a_recording(lite, files, 2)
    file = tmp_path / "recordings" / files.path_of(call, TOKEN, START)
    sealed = bytearray(file.read_bytes())
    match damage:
        case "changed":
            sealed[-100_000] ^= 1
            file.write_bytes(sealed)
        case "cut":
            file.write_bytes(sealed[: 13 + 3 * (65536 + 16)])  # at the border of a chunk
        case "grown":
            file.write_bytes(sealed + b"\0" * 32)
        case "gone":
            file.unlink()
        case _:
            assert damage == "swapped"
            file.write_bytes((file.parent / f"{other}-{TOKEN}").read_bytes())

    reply = await play(lite, call)

    assert (reply.status, reply.error_id) == (500, "recording_unreadable")
    assert reply.json()["reason"] == ("missing" if damage == "gone" else "damaged")
    assert await log_of(lite) == []


async def test_a_file_that_changes_while_it_is_played_ends_the_answer_early(
    lite: House, files: RecordingFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = await a_recording(lite, files)

    def damage_after(conn: Connection, entry: audit.Entry) -> int:
        path = next(path for path, _ in files.everything())
        with (files._root / path).open("r+b") as file:
            file.seek(-50, os.SEEK_END)
            file.write(b"\0" * 50)
        return 1

    monkeypatch.setattr(audit, "append", damage_after)

    with pytest.raises(aiohttp.ClientPayloadError):
        await play(lite, call)


async def test_the_audit_log_is_read_by_filter_and_page(
    house: House, files: RecordingFiles
) -> None:
    first, second = [await a_recording(house, files, n) for n in (1, 2)]
    for call, role in ((first, "staff"), (second, "staff"), (first, "platform")):
        await play(house, call, role)

    async def read(query: str, role: str = "operator") -> Any:  # noqa: ANN401 (JSON)
        return (await house.ask("GET", f"/v1/audit{query}", role=role)).json()

    assert [one["id"] for one in (await read(""))["items"]] == [3, 2, 1]
    assert [one["id"] for one in (await read(f"?object_id={first}"))["items"]] == [3, 1]
    assert [one["id"] for one in (await read("?refused=true"))["items"]] == [3]
    assert [one["id"] for one in (await read("?action=recording.deleted"))["items"]] == []
    assert [one["id"] for one in (await read("?until=2026-11-22T10:00:00Z"))["items"]] == []
    page = await read("?limit=2")
    rest = await read(f"?limit=2&cursor={page['next_cursor']}")
    assert [one["id"] for one in page["items"] + rest["items"]] == [3, 2, 1]
    assert len(page["items"][0]["hash"]) == 64
    assert (await read("", role="staff"))["error_id"] == "forbidden"
    verdict = await house.db.read(audit.verify)
    assert (verdict.entries, verdict.head.hex()) == (3, page["items"][0]["hash"])
