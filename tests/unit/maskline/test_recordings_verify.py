"""`maskline recordings verify`: what is said of recordings is held against what is there."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, text, update

from cdr.recording_cipher import SealingWriter
from cdr.recording_files import RecordingFiles
from masking.recording_states import RecordingDeletion, RecordingFailure
from maskline.recording_part import NodeTapes
from maskline.recordings_verify import Report, verify_audit, verify_recordings
from storage import Database, audit, open_database, recordings
from storage.audit import Action, Entry
from storage.recordings import Made
from storage.schema import audit_entries
from storage.schema import recordings as table
from storage.vault import Vault, VaultKeys
from tests.support.recordings import NODE, a_call, pending
from tests.support.storage import NOW, a_vault

TOKEN = "0" * 16


@dataclass
class Keep:
    """Recordings, one for each number."""

    db: Database
    files: RecordingFiles
    folder: Path
    vault: Vault
    now: datetime = NOW

    async def ready(self, n: int = 1) -> Path:
        call, key = a_call(n), os.urandom(32)
        draft = self.files.draft(call, TOKEN)
        with draft.open("wb") as file:
            writer = SealingWriter(file, key, call, os.urandom)
            writer.write(b"said" * 100)
            writer.close()
        path = self.files.path_of(call, TOKEN, NOW)
        self.files.keep(draft, path)
        made = Made(path, key, 400, writer.file_bytes, writer.digest(), 1000)

        def work(conn: Connection) -> None:
            recordings.keep(conn, [pending(n)])
            recordings.made(conn, self.vault, call, made, NOW)

        await self.db.write(work)
        return self.folder / path

    async def deleted(self, n: int = 1, *, tidied: bool = True) -> Path:
        path = await self.ready(n)

        def work(conn: Connection) -> None:
            recordings.delete(conn, a_call(n), RecordingDeletion.REQUEST, NOW)
            if tidied:
                recordings.tidied(conn, a_call(n), NOW)

        await self.db.write(work)
        return path

    async def set(self, **values: object) -> None:
        await self.db.write(lambda conn: conn.execute(update(table).values(values)))

    async def look(self, *, quick: bool = False) -> Report:
        return await verify_recordings(self.db, self.vault, self.files, self.now, quick=quick)


@pytest.fixture
async def keep(migrated_sqlite: str, tmp_path: Path) -> AsyncIterator[Keep]:
    db = open_database(migrated_sqlite)
    folder = tmp_path / "recordings"
    files = RecordingFiles(folder, NODE)
    files.prepare()
    yield Keep(db, files, folder, a_vault())
    await db.close()


async def test_what_is_as_it_should_be_is_counted(keep: Keep) -> None:
    await keep.ready(1)
    (await keep.deleted(2)).unlink()

    def more(conn: Connection) -> None:
        recordings.keep(conn, [pending(3), pending(4)])
        recordings.failed(conn, a_call(4), RecordingFailure.EMPTY, NOW)

    await keep.db.write(more)

    report = await keep.look()

    assert report.wrong == []
    assert report.lines() == [
        "4 recordings: 1 deleted, 1 failed, 1 pending, 1 ready; all as it should be"
    ]


async def test_nothing_at_all_is_as_it_should_be(keep: Keep) -> None:
    assert (await keep.look()).lines() == ["0 recordings: none; all as it should be"]


def changed(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("deed", "what"),
    [
        (Path.unlink, "its file is not there"),
        (changed, "its file is not what was written"),
        (cut, "its file is not what was written"),
    ],
)
async def test_a_file_that_is_not_what_was_written_is_wrong(
    keep: Keep, deed: Callable[[Path], None], what: str
) -> None:
    deed(await keep.ready())

    report = await keep.look()
    quick = await keep.look(quick=True)

    assert report.wrong == [f"{a_call()}: {what}"]
    assert report.lines()[-1].endswith("; 1 wrong")
    assert quick.wrong == ([] if deed is changed else report.wrong)


async def test_a_file_of_a_deleted_recording_is_wrong(keep: Keep) -> None:
    await keep.deleted()

    assert (await keep.look()).wrong == [f"{a_call()}: deleted, and its file is there"]


async def test_a_key_of_a_deleted_recording_is_wrong(keep: Keep) -> None:
    (await keep.deleted()).unlink()
    await keep.set(key_sealed=b"a key")

    assert (await keep.look()).wrong == [f"{a_call()}: deleted, and its key is there"]


async def test_what_waits_for_more_than_a_day_is_wrong(keep: Keep) -> None:
    await keep.deleted(1, tidied=False)
    await keep.db.write(lambda conn: recordings.keep(conn, [pending(2)]))
    assert (await keep.look()).wrong == []

    keep.now += timedelta(days=2)

    assert sorted((await keep.look()).wrong) == sorted(
        [
            f"{a_call(1)}: deleted long ago, and not yet tidied up after",
            f"{a_call(2)}: pending for more than a day",
        ]
    )


async def test_a_key_that_is_not_there_or_not_ours_is_wrong(keep: Keep) -> None:
    await keep.ready()
    keep.vault = Vault(VaultKeys.generate())
    assert (await keep.look()).wrong == [f"{a_call()}: its key was sealed by another vault"]

    await keep.set(key_sealed=None)
    assert (await keep.look()).wrong == [f"{a_call()}: ready, and has no key"]

    await keep.set(key_sealed=b"a key", state="failed")
    assert (await keep.look()).wrong == [f"{a_call()}: failed, and has a key"]


async def test_a_file_that_no_recording_names_is_wrong(keep: Keep) -> None:
    await keep.ready()
    (keep.folder / "2026/11/02/notes.txt").write_text("?")

    assert (await keep.look()).wrong == ["2026/11/02/notes.txt: no recording names this file"]


async def test_the_audit_log_is_followed_piece_by_piece(
    keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maskline.recordings_verify._ENTRIES", 2)
    for _ in range(4):
        entry = Entry(NOW, audit.SYSTEM, Action.RECORDING_DELETED, "call", a_call())
        await keep.db.write(lambda conn, entry=entry: audit.append(conn, entry))  # type: ignore[misc]

    whole = await verify_audit(keep.db)

    def damage(conn: Connection) -> None:
        conn.execute(text("DROP TRIGGER audit_entries_never_changed"))
        conn.execute(update(audit_entries).where(audit_entries.c.id == 3).values(reason="none"))

    await keep.db.write(damage)
    assert (whole.entries, whole.intact) == (4, True)
    assert (await verify_audit(keep.db)).broken_at == 3


def test_what_asterisk_left_is_told_with_when_it_was_written(tmp_path: Path) -> None:
    tapes = NodeTapes(tmp_path)
    for n, at in ((1, 1000), (1, 2000), (2, 3000)):
        part = tmp_path / f"{a_call(n)}-{at:013}-caller.raw"
        part.write_bytes(b"\0" * 8)
        os.utime(part, (at, at))

    left = {call: at.timestamp() for call, at in tapes.left_over()}
    assert left == {a_call(1): 2000, a_call(2): 3000}
    with pytest.raises(FileNotFoundError):
        tapes.assemble(a_call(3))
    tapes.discard(a_call(1))
    assert [call for call, _ in tapes.left_over()] == [a_call(2)]
