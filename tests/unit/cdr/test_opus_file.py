"""Sound to Ogg Opus: two streams, left and right, each by itself."""

from __future__ import annotations

import errno
import io
import json
import wave
from base64 import b64encode
from pathlib import Path

import pytest

from cdr import opus_file, recording_child
from cdr.opus_file import EncoderFailed, NoSound, UnknownSound, encode
from cdr.recording_child import serve
from tests.support.recordings import CALLEE_HZ, CALLER_HZ, heard, loudness, talk


class FullDisk:
    """Takes so many bytes."""

    def __init__(self, room: int) -> None:
        self._room = room

    def write(self, data: bytes) -> int:
        self._room -= len(data)
        if self._room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return len(data)


@pytest.mark.parametrize("rate", [8000, 16_000])
def test_each_side_is_heard_on_its_own_side_alone(tmp_path: Path, rate: int) -> None:
    sink = io.BytesIO()

    assert encode(talk(tmp_path / "a.wav", 2.0, rate), sink) == 2000

    left, right = heard(sink.getvalue())
    both = slice(9000, 15_000)
    assert loudness(left[both], CALLER_HZ) > 6000
    assert loudness(right[both], CALLEE_HZ) > 6000
    assert loudness(left[both], CALLEE_HZ) < 20
    assert loudness(right[both], CALLER_HZ) < 20
    assert abs(len(left) - 16_000) <= 160


def test_the_head_says_two_streams_left_and_right(tmp_path: Path) -> None:
    sink = io.BytesIO()
    encode(talk(tmp_path / "a.wav", 0.2), sink)

    page = sink.getvalue()
    head = page[page.index(b"OpusHead") :][:23]
    assert head[9] == 2, "channels"
    assert head[18:23] == bytes((1, 2, 0, 0, 1)), "family, streams, coupled ones, mapping"
    checked = bytearray(page[: page.index(b"OggS", 4)])
    said = int.from_bytes(checked[22:26], "little")
    checked[22:26] = bytes(4)
    assert said == opus_file._ogg_crc(checked)


def test_the_sum_of_a_page_is_ogg_s_own() -> None:
    """The check value of POSIX's `cksum` is 0x765E7680; Ogg does not invert at the end."""
    assert opus_file._ogg_crc(b"123456789") == 0x765E7680 ^ 0xFFFFFFFF


def wav(path: Path, channels: int = 2, width: int = 2, rate: int = 8000, frames: int = 80) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(bytes(channels * width * frames))
    return path


@pytest.mark.parametrize("other", [{"channels": 1}, {"width": 1}, {"rate": 11_025}])
def test_sound_of_another_shape_is_not_known(tmp_path: Path, other: dict[str, int]) -> None:
    with pytest.raises(UnknownSound):
        encode(wav(tmp_path / "a.wav", **other), io.BytesIO())


def test_a_file_without_a_sample_holds_no_sound(tmp_path: Path) -> None:
    with pytest.raises(NoSound):
        encode(wav(tmp_path / "a.wav", frames=0), io.BytesIO())


def test_a_file_that_was_cut_off_is_kept_as_far_as_it_goes(tmp_path: Path) -> None:
    path = talk(tmp_path / "a.wav", 1.0)
    path.write_bytes(path.read_bytes()[: 44 + 4 * 4000])
    sink = io.BytesIO()

    assert encode(path, sink) == 500
    assert abs(len(heard(sink.getvalue())[0]) - 4000) <= 160


@pytest.mark.parametrize("room", [0, 40, 2000])
def test_a_full_disk_is_told_as_such(tmp_path: Path, room: int) -> None:
    with pytest.raises(OSError, match="No space left") as failed:
        encode(talk(tmp_path / "a.wav", 3.0), FullDisk(room))

    assert failed.value.errno == errno.ENOSPC


def test_an_encoder_that_refuses_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opus_file, "_OPTIONS", {"frame_duration": "13"})

    with pytest.raises(EncoderFailed):
        encode(talk(tmp_path / "a.wav", 0.2), io.BytesIO())


def job(source: Path, draft: Path) -> dict[str, str]:
    key = b64encode(bytes(32)).decode()
    return {"call_id": "cal_1", "source": str(source), "draft": str(draft), "key": key}


def test_a_failure_leaves_no_draft_and_says_what_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, draft = talk(tmp_path / "a.wav", 0.1), tmp_path / "draft"

    assert serve(job(tmp_path / "none.wav", draft)) == {"failure": "no_file"}
    assert serve(job(source, tmp_path / "none" / "draft")) == {"failure": "storage"}
    for error, said in (
        (EncoderFailed(), "encoder"),
        (OSError(errno.ENOSPC, "full"), "disk_full"),
        (OSError(errno.EIO, "broken"), "storage"),
    ):

        def fails(*_: object, error: Exception = error) -> int:
            raise error

        monkeypatch.setattr(opus_file, "encode", fails)
        assert serve(job(source, draft)) == {"failure": said}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav"]


def answer_bytes(answers: io.BytesIO) -> int:
    return int.from_bytes(answers.read(4), "big")


def test_jobs_come_and_go_behind_their_lengths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, heard_back, priority = io.BytesIO(), io.BytesIO(), list[int]()
    for name in ("a.wav", "none.wav"):
        one = json.dumps(job(tmp_path / name, tmp_path / "draft")).encode()
        said.write(len(one).to_bytes(4, "big") + one)
    said.write(b"\0\0\1\0half a que")
    said.seek(0)
    talk(tmp_path / "a.wav", 0.1)
    monkeypatch.setattr("os.nice", priority.append)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(said))
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(heard_back))

    recording_child.main()

    heard_back.seek(0)
    first, second = (json.loads(heard_back.read(answer_bytes(heard_back))) for _ in range(2))
    assert heard_back.read() == b""
    assert (first["duration_ms"], second) == (100, {"failure": "no_file"})
    assert priority == [19]
