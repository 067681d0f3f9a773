"""Rows still fit on a full disk, and no call is begun that could not be written down."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cdr import room
from cdr.errors import SpoolUnreadable
from cdr.follow import LIVE_NAME, Follower
from cdr.room import EventRoom, reserve
from tests.support.small_disk import NoRight, fill, small_disk

MB = 1024 * 1024
ROW = b'{"eventtime":"1700000000.000001","row":"' + bytes([120]) * 200 + b'"}\n'


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    try:
        with small_disk(tmp_path / "disk", 4 * MB) as folder:
            yield folder
    except NoRight as error:
        pytest.skip(str(error))


def append(path: Path, data: bytes) -> None:
    with path.open("ab", buffering=0) as file:
        assert file.write(data) == len(data)


def test_rows_fit_though_the_disk_is_full(disk: Path) -> None:
    live = disk / LIVE_NAME
    events = EventRoom(live, ahead_bytes=2 * MB, least_bytes=1 * MB)
    events.keep()
    assert (live.stat().st_size, events.enough) == (0, True)
    fill(disk)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        append(disk / "other", ROW)

    for _ in range(MB // len(ROW)):
        append(live, ROW)
    events.keep()

    assert live.stat().st_size > MB - len(ROW)
    assert 0 < events.left_bytes <= MB + len(ROW)


def test_no_call_is_begun_while_too_little_is_left_and_again_once_there_is(disk: Path) -> None:
    live = disk / LIVE_NAME
    events = EventRoom(live, ahead_bytes=2 * MB, least_bytes=1 * MB)
    events.keep()
    filler = fill(disk)
    append(live, bytes(MB + 64 * 1024))
    events.keep()
    assert not events.enough

    filler.unlink()
    events.keep()
    assert events.enough


def test_the_file_is_private_and_nothing_in_it_changes(tmp_path: Path) -> None:
    live = tmp_path / LIVE_NAME
    EventRoom(live).keep()
    assert live.stat().st_mode & 0o777 == 0o600
    append(live, ROW)
    EventRoom(live).keep()
    assert live.read_bytes() == ROW


def test_what_is_reserved_already_is_not_reserved_again(tmp_path: Path) -> None:
    live = tmp_path / LIVE_NAME
    EventRoom(live).keep()
    before = live.stat().st_blocks
    append(live, ROW * 100)
    EventRoom(live).keep()
    assert live.stat().st_blocks == before


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(SpoolUnreadable):
        EventRoom(tmp_path / "gone" / LIVE_NAME).keep()


@pytest.mark.parametrize(
    ("number", "done"),
    [
        (errno.EOPNOTSUPP, True),
        (errno.ENOSYS, True),
        (errno.ENOSPC, False),
        (errno.EDQUOT, False),
    ],
)
def test_what_the_file_system_says_to_a_reservation(
    number: int, done: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_with(number, monkeypatch)
    with (tmp_path / "file").open("wb") as file:
        assert reserve(file.fileno(), MB) is done


def test_any_other_error_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_with(errno.EIO, monkeypatch)
    with pytest.raises(SpoolUnreadable):
        EventRoom(tmp_path / LIVE_NAME).keep()


def refuse_with(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class Libc:
        @staticmethod
        def fallocate(*_: int) -> int:
            ctypes.set_errno(number)
            return -1

    monkeypatch.setattr(room, "_libc", Libc)


def test_the_next_file_has_its_room_before_the_first_row(tmp_path: Path) -> None:
    live = tmp_path / LIVE_NAME
    append(live, ROW)
    follower = Follower(tmp_path, {})
    assert follower.rotate(over_bytes=1, keep=4, now_ns=10**18) == ()

    assert sorted(path.name for path in tmp_path.iterdir()) == [LIVE_NAME, f"{LIVE_NAME}.{10**18}"]
    status = live.stat()
    assert (status.st_size, status.st_blocks * 512) == (0, room.AHEAD_BYTES)
    assert status.st_mode & 0o777 == 0o600


def test_a_full_disk_keeps_its_file_rather_than_begin_one_without_room(disk: Path) -> None:
    live = disk / LIVE_NAME
    append(live, ROW)
    fill(disk)
    follower = Follower(disk, {})
    assert follower.rotate(over_bytes=1, keep=4, now_ns=10**18) == ()

    assert sorted(path.name for path in disk.iterdir()) == [LIVE_NAME, "filler"]


def test_asterisk_may_begin_the_next_file_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = tmp_path / LIVE_NAME
    append(live, ROW)
    rename = Path.rename

    def quicker(path: Path, name: Path) -> Path:
        new = rename(path, name)
        append(live, ROW)
        return new

    monkeypatch.setattr(Path, "rename", quicker)
    Follower(tmp_path, {}).rotate(over_bytes=1, keep=4, now_ns=10**18)

    assert live.read_bytes() == ROW
    assert len(list(tmp_path.iterdir())) == 2
