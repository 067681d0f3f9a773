"""Parts of a recording become one stereo file: the caller left, the callee right, on one clock."""

from __future__ import annotations

import stat
import wave
from array import array
from pathlib import Path

import pytest

from telephony.tape import NoTape, assemble, discard, left_over, parts

CALL = "cal_0123456789abcdefghjkmnpqrs"
AT_MS = 1_795_348_513_184


def write(
    folder: Path, side: str, samples: list[int], *, at_ms: int = AT_MS, rest: bytes = b""
) -> Path:
    path = folder / f"{CALL}-{at_ms}-{side}.raw"
    path.write_bytes(array("h", samples).tobytes() + rest)
    return path


def sides(path: Path) -> tuple[list[int], list[int]]:
    with wave.open(str(path), "rb") as opened:
        assert (opened.getnchannels(), opened.getframerate(), opened.getsampwidth()) == (2, 8000, 2)
        data = array("h", opened.readframes(opened.getnframes()))
    return list(data[0::2]), list(data[1::2])


def test_the_caller_is_left_and_the_callee_right(tmp_path: Path) -> None:
    write(tmp_path, "caller", [1, 2, 3])
    write(tmp_path, "callee", [7, 8, 9])
    whole = assemble(tmp_path, CALL)
    assert sides(whole) == ([1, 2, 3], [7, 8, 9])
    assert stat.S_IMODE(whole.stat().st_mode) == 0o600
    assert whole.name == f"{CALL}.wav"


def test_the_shorter_side_goes_on_in_silence_and_half_a_sample_is_none(tmp_path: Path) -> None:
    write(tmp_path, "caller", [1, 2, 3], rest=b"\x07")
    write(tmp_path, "callee", [7])
    assert sides(assemble(tmp_path, CALL)) == ([1, 2, 3], [7, 0, 0])


def test_one_side_alone_is_a_recording(tmp_path: Path) -> None:
    write(tmp_path, "callee", [7, 8])
    assert sides(assemble(tmp_path, CALL)) == ([0, 0], [7, 8])


def test_a_later_part_stands_where_it_was_on_the_clock(tmp_path: Path) -> None:
    write(tmp_path, "caller", [1] * 8)
    write(tmp_path, "callee", [5] * 8)
    write(tmp_path, "caller", [2] * 4, at_ms=AT_MS + 2)
    write(tmp_path, "callee", [6] * 4, at_ms=AT_MS + 2)
    assert sides(assemble(tmp_path, CALL)) == (
        [1] * 8 + [0] * 8 + [2] * 4,
        [5] * 8 + [0] * 8 + [6] * 4,
    )


def test_where_two_parts_overlap_the_later_one_counts(tmp_path: Path) -> None:
    write(tmp_path, "caller", [1] * 40)
    write(tmp_path, "caller", [2] * 8, at_ms=AT_MS + 1)
    left, right = sides(assemble(tmp_path, CALL))
    assert left == [1] * 8 + [2] * 8 + [1] * 24
    assert right == [0] * 40


def test_a_long_one_is_put_together_piece_by_piece(tmp_path: Path) -> None:
    samples = [n % 30_000 for n in range(150_001)]
    write(tmp_path, "caller", samples)
    write(tmp_path, "callee", samples[::-1])
    assert sides(assemble(tmp_path, CALL)) == (samples, samples[::-1])


def test_done_before_it_is_not_done_again(tmp_path: Path) -> None:
    part = write(tmp_path, "caller", [1])
    whole = assemble(tmp_path, CALL)
    part.unlink()
    assert assemble(tmp_path, CALL) == whole


def test_of_a_call_that_was_not_recorded_there_is_nothing(tmp_path: Path) -> None:
    write(tmp_path, "caller", [])
    (tmp_path / f"{CALL}-1-caller.raw").write_bytes(b"xx")
    with pytest.raises(NoTape):
        assemble(tmp_path, CALL)
    assert parts(tmp_path, CALL) == ()
    assert [path.name for path in tmp_path.glob("*.wav")] == []


def test_what_is_discarded_is_gone_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, "caller", [1])
    write(tmp_path, "callee", [1])
    assemble(tmp_path, CALL)
    other = tmp_path / f"cal_other-{AT_MS}-caller.raw"
    other.write_bytes(b"xx")
    (tmp_path / "something.txt").write_text("else")
    assert left_over(tmp_path) == {CALL, "cal_other"}
    discard(tmp_path, CALL)
    discard(tmp_path, CALL)
    assert left_over(tmp_path) == {"cal_other"}
    assert left_over(tmp_path / "nowhere") == frozenset()


@pytest.mark.parametrize("name", ["../secret", "*", "", "cal_1/../x"])
def test_a_name_that_is_no_calls_leads_nowhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="call's id"):
        assemble(tmp_path, name)
    with pytest.raises(ValueError, match="call's id"):
        discard(tmp_path, name)
