"""The keeper of recordings, with a real encoder: what was said is kept once, and then deleted."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta

import pytest
from sqlalchemy import Connection, update

from cdr.recording_encoder import Encoded, Encoder, Job
from cdr.recording_files import RecordingFiles
from masking.recording_states import RecordingDeletion, RecordingFailure, RecordingState
from storage import audit, recordings
from storage.audit import Filter
from storage.errors import DatabaseUnavailable
from storage.recordings import Recording
from storage.schema import calls
from tests.integration.cdr.keeping import Keeping, Saying, until
from tests.support.recordings import CALLEE_HZ, CALLER_HZ, NODE, a_call, call_row, heard, loudness
from tests.support.small_disk import NoRight, fill, small_disk
from tests.support.storage import NOW


async def test_a_talk_becomes_one_encrypted_file_with_the_sides_apart(keeping: Keeping) -> None:
    await keeping.call(seconds=2.0)

    assert await keeping.step()
    assert not await keeping.step()

    one = await keeping.of()
    assert (one.state, one.duration_ms, one.delete_at) == (
        RecordingState.READY,
        2000,
        NOW + timedelta(days=30),
    )
    sound = await keeping.sound()
    caller, callee = heard(sound)
    first, second = slice(1000, 7000), slice(9000, 15000)
    assert loudness(caller[first], CALLER_HZ) > 6000
    assert max(map(abs, callee[first])) < 20, "the callee was silent, and is"
    assert loudness(callee[second], CALLEE_HZ) > 6000
    assert loudness(callee[second], CALLER_HZ) < 20
    assert loudness(caller[second], CALLEE_HZ) < 20
    path = keeping.folder / "kept" / keeping.paths()[0]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_size == one.file_bytes
    assert sound[:200] not in path.read_bytes()
    assert b"OpusHead" not in path.read_bytes()
    assert keeping.raw() == []
    assert not list((keeping.folder / "kept" / "drafts").rglob("*.*"))
    assert (await keeping.told(), keeping.owed) == (["recording.ready"], 1)


async def test_a_recording_of_which_is_heard_late_is_made_within_a_minute(keeping: Keeping) -> None:
    """What was due before is looked at now and then only: a node that is away leaves much."""
    keeping.now += timedelta(minutes=5)
    assert not await keeping.step()
    await keeping.call()  # due five minutes ago
    assert not await keeping.step()

    keeping.now += timedelta(minutes=1)

    assert await keeping.step()
    assert (await keeping.of()).state is RecordingState.READY


async def test_what_is_kept_when_its_time_is_over_is_deleted_and_that_is_proved(
    keeping: Keeping,
) -> None:
    await keeping.call()
    await keeping.step()
    ready = await keeping.of()
    keeping.now = NOW + timedelta(days=30)

    assert await keeping.step()
    assert (await keeping.of()).key_sealed is None
    assert len(keeping.paths()) == 1, "the key goes first"
    assert await keeping.step()
    assert not await keeping.step()

    one = await keeping.of()
    assert (one.state, one.why) == (RecordingState.DELETED, RecordingDeletion.RETENTION)
    assert (one.deleted_at, one.removed_at) == (keeping.now, keeping.now)
    assert keeping.paths() == []
    kept = (await keeping.db.read(lambda conn: audit.page(conn, Filter()))).items[0].entry
    assert ready.digest is not None
    assert (kept.actor, kept.object_id) == (audit.SYSTEM, a_call())
    assert kept.facts == {"why": "retention", "sha256": ready.digest.hex()}


@pytest.mark.parametrize(
    ("raw", "why"),
    [(None, "no_file"), (b"", "empty"), (b"RIFF and so on", "unreadable")],
)
async def test_what_can_never_be_made_has_failed_at_once(
    keeping: Keeping, raw: bytes | None, why: str
) -> None:
    await keeping.call(seconds=None)
    if raw is not None:
        (keeping.tapes.folder / f"{a_call()}.wav").write_bytes(raw)

    assert await keeping.step()

    one = await keeping.of()
    assert (one.state, one.why) == (RecordingState.FAILED, why)
    assert await keeping.told() == ["recording.failed"]
    assert keeping.raw() == ([] if raw is None else [a_call()]), "for whoever looks into it"

    keeping.now += recordings.RAW_KEPT
    assert await keeping.step()
    assert keeping.raw() == []
    assert not await keeping.step()


async def test_an_encoder_that_fails_is_tried_again_ever_later_and_then_no_more(
    keeping: Keeping,
) -> None:
    await keeping.call()
    failing = Saying(*[RecordingFailure.ENCODER] * 3)

    for n, pause_s in enumerate((10, 40)):
        assert await keeping.step(failing)
        one = await keeping.of()
        assert (one.tries, one.due_at) == (n + 1, keeping.now + timedelta(seconds=pause_s))
        assert not await keeping.step(failing)
        keeping.now += timedelta(seconds=pause_s)
    assert await keeping.step(failing)

    assert (await keeping.of()).why == "encoder"
    assert await keeping.told() == ["recording.failed"]
    assert (keeping.keeper.stats.retried, keeping.keeper.stats.failed) == (2, 1)


async def test_a_full_disk_is_waited_for_and_costs_no_try(keeping: Keeping) -> None:
    await keeping.call()
    try:
        with small_disk(keeping.folder / "disk", 1024 * 1024) as disk:
            keeping.use(RecordingFiles(disk / "kept", NODE))
            filler = fill(disk)

            assert await keeping.step()
            one = await keeping.of()
            assert (one.state, one.tries) == (RecordingState.PENDING, 0)
            assert one.due_at == NOW + timedelta(seconds=60)

            filler.unlink()
            keeping.now += timedelta(seconds=60)
            assert await keeping.step()
            assert (await keeping.of()).state is RecordingState.READY
            assert len(heard(await keeping.sound())[0]) > 2000
    except NoRight:
        pytest.skip("a disk of a megabyte needs root")


async def test_a_disk_that_stays_full_for_days_is_given_up(keeping: Keeping) -> None:
    await keeping.call()
    keeping.tapes.broken = OSError(28, "No space left on device")

    await keeping.step()
    keeping.now = NOW + timedelta(days=3)
    await keeping.step()

    assert (await keeping.of()).why == "disk_full"
    assert keeping.raw() == [a_call()]


async def test_a_recording_deleted_while_it_is_made_leaves_no_file(keeping: Keeping) -> None:
    await keeping.call()

    class Deleting(Encoder):
        async def make(self, job: Job, source_bytes: int) -> RecordingFailure | Encoded:
            await keeping.db.write(
                lambda conn: recordings.delete(
                    conn, a_call(), RecordingDeletion.REQUEST, keeping.now
                )
            )
            return await keeping.encoder.make(job, source_bytes)

    await keeping.step(Deleting())
    assert keeping.paths() == []
    assert await keeping.step()

    assert (keeping.raw(), await keeping.told()) == ([], [])
    assert (await keeping.of()).removed_at is not None


async def test_files_that_cannot_be_removed_hold_nobody_up(keeping: Keeping) -> None:
    await keeping.call(1)
    await keeping.step()
    one = await keeping.of()
    assert one.path is not None
    await keeping.db.write(
        lambda conn: recordings.delete(conn, a_call(), RecordingDeletion.REQUEST, keeping.now)
    )
    file = keeping.folder / "kept" / one.path
    file.unlink()
    file.mkdir()  # what can be removed by nobody who expects a file
    await keeping.call(2)

    assert await keeping.step()
    assert await keeping.step()

    assert (await keeping.of(2)).state is RecordingState.READY
    assert (await keeping.of()).removed_at is None
    file.rmdir()
    keeping.now += timedelta(seconds=60)
    assert await keeping.step()
    assert (await keeping.of()).removed_at == keeping.now


async def test_a_keeper_works_when_it_is_woken_and_outlives_a_database_that_is_away(
    keeping: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = 2

    def due(conn: Connection, *given: object, **more: object) -> tuple[Recording, ...]:
        nonlocal away
        if away:
            away -= 1
            raise DatabaseUnavailable
        return real(conn, *given, **more)  # type: ignore[arg-type]

    real = recordings.due
    monkeypatch.setattr(recordings, "due", due)
    await keeping.call()
    running = asyncio.create_task(keeping.keeper.run())
    try:
        await until(lambda: keeping.keeper.stats.failing == "database_unavailable")
        await until(lambda: keeping.keeper.stats.ready == 1)
        await keeping.call(2)
        keeping.keeper.wake()
        await until(lambda: keeping.keeper.stats.ready == 2)
        assert keeping.keeper.stats.failing is None
    finally:
        running.cancel()
        await asyncio.wait((running,))


async def test_files_that_nobody_names_are_removed_or_counted(keeping: Keeping) -> None:
    """1: kept; 2: recorded, but not to be kept; 3: never got its record; 4: still to be made."""
    await keeping.call(1)
    await keeping.step()
    await keeping.call(4)
    kept = keeping.paths()
    await keeping.db.write(lambda conn: conn.execute(calls.insert(), [call_row(2)]))
    for n in (1, 2, 3):
        keeping.tapes.write(a_call(n), 0.1)
    folder = keeping.folder / "kept"
    left = folder / f"2026/11/02/{a_call(1)}-{'0' * 16}"
    foreign = folder / "2026/11/02/notes.txt"
    unknown = folder / f"2026/11/02/{a_call(8)}-{'0' * 16}"
    for path in (left, foreign, unknown):
        path.write_bytes(b"sealed, perhaps")
    old = NOW.timestamp() - 7200
    os.utime(left, (old, old))
    from cdr.recording_orphans import sweep  # noqa: PLC0415 (the one test of it)

    async def look() -> int:
        return await sweep(keeping.db, keeping.files, keeping.tapes, NODE, keeping.now)

    assert await look() == 3
    assert sorted(keeping.raw()) == sorted([a_call(2), a_call(3), a_call(4)])
    assert sorted(keeping.paths()) == sorted(
        [*kept, str(foreign.relative_to(folder)), str(unknown.relative_to(folder))]
    )
    keeping.now += timedelta(hours=2)
    assert await look() == 3
    assert sorted(keeping.raw()) == sorted([a_call(3), a_call(4)])
    keeping.now += timedelta(days=3)
    assert await look() == 2
    assert keeping.raw() == [a_call(4)]


async def test_a_row_whose_key_was_swapped_for_anothers_opens_nothing(keeping: Keeping) -> None:
    from cdr.errors import RecordingDamaged  # noqa: PLC0415 (the one test that needs it)
    from storage.schema import recordings as table  # noqa: PLC0415

    await keeping.call(1)
    await keeping.call(2)
    await keeping.step()
    await keeping.step()
    other = (await keeping.of(2)).key_sealed

    def swap(conn: Connection) -> None:
        wanted = table.c.call_id == a_call(1)
        conn.execute(update(table).where(wanted).values(key_sealed=other))

    await keeping.db.write(swap)

    with pytest.raises(RecordingDamaged):
        await keeping.sound(1)
