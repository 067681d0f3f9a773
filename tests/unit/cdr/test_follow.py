"""The follower gives out every complete line once, in order, whatever becomes of the files."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cdr.errors import SpoolUnreadable
from cdr.follow import Follower

LATER_NS = 1_700_000_000_000_000_000


def line(n: int) -> bytes:
    at = b"17%08d.%06d" % (n // 1000, n % 1000)
    return b'{"eventtime":"%b","userdeftype":"%d"}' % (at, n)


class Spool:
    """A folder of event files, and what was read of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.live = folder / "events.jsonl"
        self.checkpoints: dict[str, int] = {}
        self.follower = self.restarted()

    def append(self, raw: bytes, path: Path | None = None) -> None:
        with (path or self.live).open("ab") as file:
            file.write(raw)

    def restarted(self, chunk_bytes: int = 8192) -> Follower:
        self.follower = Follower(self.folder, self.checkpoints, chunk_bytes=chunk_bytes)
        return self.follower

    def read_all(self) -> list[bytes]:
        lines: list[bytes] = []
        while (chunk := self.follower.read()) is not None:
            lines.extend(chunk.lines)
            self.checkpoints[chunk.file] = chunk.end
            self.follower.passed(chunk)
        return lines


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path)


def test_nothing_is_there_yet(tmp_path: Path) -> None:
    assert Follower(tmp_path / "missing", {}).read() is None
    assert Follower(tmp_path, {}).read() is None


def test_lines_are_read_once_in_order(spool: Spool) -> None:
    for n in range(3):
        spool.append(line(n) + b"\n")
    assert spool.read_all() == [line(0), line(1), line(2)]
    assert spool.read_all() == []
    spool.append(line(3) + b"\n")
    assert spool.read_all() == [line(3)]


def test_a_restart_goes_on_behind_the_checkpoint(spool: Spool) -> None:
    spool.append(line(0) + b"\n")
    spool.read_all()
    spool.append(line(1) + b"\n")
    spool.restarted()
    assert spool.read_all() == [line(1)]


def test_what_was_read_but_not_kept_is_read_again(spool: Spool) -> None:
    spool.append(line(0) + b"\n")
    assert spool.follower.read() == spool.follower.read()


def test_a_torn_last_line_waits_for_its_end(spool: Spool) -> None:
    spool.append(line(0) + b"\n" + line(1)[:10])
    assert spool.read_all() == [line(0)]
    spool.append(line(1)[10:] + b"\n")
    assert spool.read_all() == [line(1)]


def test_a_first_line_that_is_torn_waits_too(spool: Spool) -> None:
    spool.append(line(0)[:10])
    assert spool.read_all() == []
    spool.append(line(0)[10:] + b"\n")
    assert spool.read_all() == [line(0)]


def test_a_file_renamed_between_two_reads_is_read_to_its_end_first(spool: Spool) -> None:
    spool.append(line(0) + b"\n")
    spool.read_all()
    spool.append(line(1) + b"\n")
    spool.live.rename(spool.folder / "events.jsonl.1")
    spool.append(line(2) + b"\n")
    spool.append(line(3) + b"\n")
    assert spool.read_all() == [line(1), line(2), line(3)]


def test_a_row_written_into_the_file_after_its_renaming_is_read(spool: Spool) -> None:
    spool.append(line(0) + b"\n")
    old = spool.folder / "events.jsonl.1"
    spool.live.rename(old)
    spool.append(line(2) + b"\n")
    assert spool.read_all() == [line(0), line(2)]
    spool.append(line(1) + b"\n", old)
    assert spool.read_all() == [line(1)]


def test_many_rotations_while_nobody_read(spool: Spool) -> None:
    for n in range(5):  # as logrotate does: the newest is .1
        for k in range(n - 1, 0, -1):
            (spool.folder / f"events.jsonl.{k}").rename(spool.folder / f"events.jsonl.{k + 1}")
        if n:
            spool.live.rename(spool.folder / "events.jsonl.1")
        spool.append(line(n) + b"\n")
    assert spool.read_all() == [line(n) for n in range(5)]


def test_a_copy_that_was_read_is_not_read_again_under_another_name(spool: Spool) -> None:
    spool.append(line(0) + b"\n")
    spool.read_all()
    shutil.copy(spool.live, spool.folder / "events.jsonl.1")
    spool.live.write_bytes(b"")  # logrotate's copytruncate
    spool.append(line(1) + b"\n")
    assert spool.read_all() == [line(1)]


def test_a_new_file_with_the_inode_of_the_old_one_is_a_new_file(spool: Spool) -> None:
    for n in range(3):
        spool.append(line(n) + b"\n")
    spool.read_all()
    inode = spool.live.stat().st_ino
    with spool.live.open("r+b") as file:
        file.truncate()
    spool.append(line(9) + b"\n")
    assert spool.live.stat().st_ino == inode
    assert spool.read_all() == [line(9)]


def test_a_file_that_lost_its_tail_is_read_again_from_the_start(spool: Spool) -> None:
    spool.append(line(0) + b"\n" + line(1) + b"\n")
    spool.read_all()
    os.truncate(spool.live, len(line(0)) + 1)
    assert spool.read_all() == [line(0)]
    assert spool.follower.take_rereads() == 1
    assert spool.follower.take_rereads() == 0
    spool.append(line(2) + b"\n")
    assert spool.read_all() == [line(2)]


def test_a_file_that_lost_its_tail_and_grew_again_is_read_again_from_the_start(
    spool: Spool,
) -> None:
    spool.append(line(0) + b"\n" + line(1) + b"\n")
    spool.read_all()
    os.truncate(spool.live, len(line(0)) + 10)
    spool.append(b"\n" + line(2) + b"\n")
    assert spool.read_all() == [line(0), line(1)[:9], line(2)]


def test_a_long_stretch_without_a_line_feed_is_passed_over_but_for_its_end(spool: Spool) -> None:
    spool.append(line(0) + b"\n" + b"\0" * 100_000 + line(1) + b"\n" + line(2) + b"\n")
    lines = spool.read_all()
    assert lines[0] == line(0)
    assert lines[1].endswith(line(1))
    assert len(lines[1]) <= 8192
    assert lines[2:] == [line(2)]


def test_a_long_stretch_waits_for_its_line_feed(spool: Spool) -> None:
    spool.append(line(0) + b"\n" + b"\0" * 100_000)
    assert spool.read_all() == [line(0)]
    spool.append(line(1) + b"\n")
    [last] = spool.read_all()
    assert last.endswith(line(1))


def test_a_file_of_nothing_but_garbage_can_be_told_from_others(spool: Spool) -> None:
    spool.append(b"garbage\n" * 1000)
    assert spool.read_all() == [b"garbage"] * 1000
    assert spool.read_all() == []


def test_a_chunk_has_a_bound(spool: Spool) -> None:
    spool.append(b"".join(line(n) + b"\n" for n in range(2000)))
    chunk = spool.follower.read()
    assert chunk is not None
    assert 0 < sum(map(len, chunk.lines)) <= 8192
    assert spool.follower.lag_bytes == spool.live.stat().st_size
    spool.follower.passed(chunk)
    assert spool.follower.lag_bytes == spool.live.stat().st_size - chunk.end
    with pytest.raises(ValueError, match="8192"):
        Follower(spool.folder, {}, chunk_bytes=8191)


def test_other_files_in_the_folder_are_not_read(spool: Spool) -> None:
    for name in ("events.jsonl.bak", "events.json", "events.jsonl.1.gz", "other"):
        (spool.folder / name).write_bytes(line(1) + b"\n")
    assert spool.read_all() == []


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "spool").write_bytes(b"no folder")
    with pytest.raises(SpoolUnreadable):
        Follower(tmp_path / "spool", {}).read()
    with pytest.raises(SpoolUnreadable):
        Follower(tmp_path / "spool", {}).rotate(over_bytes=1, keep=1, now_ns=LATER_NS)


def test_idle_looks_open_no_file(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    spool.append(line(0) + b"\n")
    spool.read_all()

    def refuse(*_: object) -> int:
        raise AssertionError

    monkeypatch.setattr(os, "open", refuse)
    assert spool.follower.read() is None


def test_rotation_renames_a_large_file_and_leaves_a_small_one(spool: Spool) -> None:
    spool.append(line(0) + b"\n")
    spool.follower.rotate(over_bytes=1000, keep=1, now_ns=LATER_NS)
    assert spool.live.exists()
    spool.follower.rotate(over_bytes=10, keep=1, now_ns=LATER_NS)
    assert spool.live.stat().st_size == 0
    assert spool.follower.rotate(over_bytes=10, keep=1, now_ns=LATER_NS) == ()
    spool.append(line(1) + b"\n")
    assert spool.read_all() == [line(0), line(1)]


def test_rotation_overwrites_no_file_though_the_clock_stands_still(spool: Spool) -> None:
    for n in range(3):
        spool.append(line(n) + b"\n")
        spool.follower.rotate(over_bytes=1, keep=9, now_ns=LATER_NS)
    assert spool.read_all() == [line(0), line(1), line(2)]


def test_rotation_deletes_what_was_read_and_is_old_enough(spool: Spool) -> None:
    for n in range(4):
        spool.append(line(n) + b"\n")
        if n == 1:
            spool.read_all()  # the first two
        old = spool.folder / f"events.jsonl.{LATER_NS - 9 + n}"
        spool.live.rename(old)
        os.utime(old, (1_600_000_000, 1_600_000_000))
    spool.append(line(4) + b"\n")
    gone = spool.follower.rotate(over_bytes=1, keep=1, now_ns=LATER_NS)
    assert len(gone) == 2
    assert set(gone) <= spool.checkpoints.keys()
    assert spool.read_all() == [line(2), line(3), line(4)]


def test_rotation_deletes_no_file_that_asterisk_may_still_hold_open(spool: Spool) -> None:
    spool.append(line(0) + b"\n")
    spool.read_all()
    old = spool.folder / "events.jsonl.1"
    spool.live.rename(old)
    spool.append(line(1) + b"\n")
    now_ns = old.stat().st_mtime_ns + 1_000_000_000
    assert spool.follower.rotate(over_bytes=1, keep=0, now_ns=now_ns) == ()
    assert old.exists()


DAY_NS = 86_400 * 10**9


def test_rotation_renames_a_file_that_began_long_ago_however_small_it_is(spool: Spool) -> None:
    spool.append(line(0) + b"\n")
    begun_ns = int(line(0).split(b'"')[3].split(b".")[0]) * 10**9
    much = 10**9
    spool.follower.rotate(over_bytes=much, keep=1, now_ns=begun_ns + DAY_NS - 10**9, over_s=86_400)
    assert spool.live.exists()
    spool.follower.rotate(over_bytes=much, keep=1, now_ns=begun_ns + DAY_NS + 10**9, over_s=86_400)
    assert spool.live.stat().st_size == 0
    assert spool.read_all() == [line(0)]


def test_a_file_without_a_row_is_left_where_it_is(spool: Spool) -> None:
    spool.append(b"torn")
    spool.follower.rotate(over_bytes=10**9, keep=1, now_ns=LATER_NS, over_s=0)
    assert spool.live.exists()


def test_what_was_read_goes_after_a_grace_period_though_few_files_are_there(spool: Spool) -> None:
    spool.append(line(0) + b"\n")
    spool.read_all()
    read = spool.folder / f"events.jsonl.{LATER_NS - 2}"
    spool.live.rename(read)
    spool.append(line(1) + b"\n")
    unread = spool.folder / f"events.jsonl.{LATER_NS - 1}"
    spool.live.rename(unread)
    now_ns = read.stat().st_mtime_ns + DAY_NS
    for keep_s, left in ((86_500, True), (86_300, False)):
        spool.follower.rotate(over_bytes=10**9, keep=4, now_ns=now_ns, keep_s=keep_s)
        assert read.exists() is left
    assert unread.exists()
    assert spool.read_all() == [line(1)]


class FilesOverTime(RuleBasedStateMachine):
    """Rows are appended (torn at times), files renamed, the reader restarted: no line is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="cdr-follow-"))
        self.spool = Spool(self.folder)
        self.written: list[bytes] = []
        self.read: list[bytes] = []
        self.torn = b""
        self.rotations = 0

    @rule(count=st.integers(1, 120))
    def append(self, count: int) -> None:
        for _ in range(count):
            row = line(len(self.written))
            self.spool.append(row[len(self.torn) :] + b"\n")
            self.torn = b""
            self.written.append(row)

    @rule(cut=st.integers(1, 20))
    def tear(self, cut: int) -> None:
        if not self.torn:
            self.torn = line(len(self.written))[:cut]
            self.spool.append(self.torn)

    @rule()
    def rotate(self) -> None:
        if not self.torn and self.spool.live.exists():
            self.rotations += 1
            self.spool.follower.rotate(over_bytes=0, keep=2, now_ns=LATER_NS + self.rotations)

    @rule()
    def restart(self) -> None:
        self.spool.restarted()

    @rule(crash=st.booleans())
    def read_a_chunk(self, crash: bool) -> None:
        chunk = self.spool.follower.read()
        if chunk is not None and not crash:
            self.read.extend(chunk.lines)
            self.spool.checkpoints[chunk.file] = chunk.end
            self.spool.follower.passed(chunk)

    @invariant()
    def what_was_read_is_what_was_written(self) -> None:
        assert self.read == self.written[: len(self.read)]

    def teardown(self) -> None:
        self.read.extend(self.spool.read_all())
        shutil.rmtree(self.folder)
        assert self.read == self.written


TestFilesOverTime = FilesOverTime.TestCase
TestFilesOverTime.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_far_behind_it_reads_more_at_a_time(spool: Spool) -> None:
    rows = [line(n) + b"\n" for n in range(2000)]
    spool.append(b"".join(rows))
    follower = Follower(spool.folder, {}, chunk_bytes=8192, behind_bytes=40_000)
    read: list[bytes] = []
    sizes = []
    while (chunk := follower.read()) is not None:
        follower.passed(chunk)
        read += chunk.lines
        sizes.append(sum(len(one) + 1 for one in chunk.lines))
    assert [one + b"\n" for one in read] == rows
    assert max(sizes) > 39_000
    assert sizes[0] > 39_000
    assert all(size <= 8192 for size in sizes[-2:])
