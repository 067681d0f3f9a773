"""Waveforms: each side's loudness over time, from the sealed file, in a process of its own."""

from __future__ import annotations

import array
import io
import wave
from pathlib import Path

import pytest

from cdr.child import Child
from cdr.opus_file import encode
from cdr.recording_cipher import SealedReader, SealingWriter
from cdr.waveform import NoWave, SealedSound, peaks
from cdr.waveforms import BUCKETS, Wanted, Waveforms

KEY = b"k" * 32
CALL = "cal_" + "0" * 26


def sealed(folder: Path, *, seconds: int = 4) -> Path:
    """The caller is loud in the first half, the callee half as loud in the second."""
    source, goal = folder / "a.wav", folder / "a.msk"
    rate = 8000
    samples = array.array("h")
    for n in range(rate * seconds):
        wobble = 1 if n // 10 % 2 else -1
        first = n < rate * seconds // 2
        samples.extend((24_000 * wobble if first else 0, 0 if first else 12_000 * wobble))
    with wave.open(str(source), "wb") as wav:
        wav.setnchannels(2)
        wav.setsampwidth(2)
        wav.setframerate(rate)
        wav.writeframes(samples.tobytes())
    with goal.open("wb") as file:
        writer = SealingWriter(file, KEY, CALL, bytes)
        encode(source, writer)
        writer.close()
    return goal


def wanted(path: Path, **other: object) -> Wanted:
    given: dict[str, object] = {
        "call_id": CALL,
        "path": path,
        "file_bytes": path.stat().st_size,
        "duration_ms": 4000,
        "digest": b"d",
        "key": KEY,
    }
    return Wanted(**(given | other))  # type: ignore[arg-type]


async def test_each_side_s_loudness_stands_where_it_was(tmp_path: Path) -> None:
    waves = Waveforms()
    found = await waves.of(wanted(sealed(tmp_path)))

    assert found is not None
    assert len(found.caller) == len(found.callee) == BUCKETS
    half, rim = BUCKETS // 2, BUCKETS // 20
    assert min(found.caller[rim : half - rim]) > 50
    assert max(found.caller[half + rim :]) < 10
    assert max(found.callee[: half - rim]) < 10
    assert 20 < min(found.callee[half + rim : -rim]) < 60


async def test_the_child_goes_when_nobody_waits_and_the_answer_is_remembered(
    tmp_path: Path,
) -> None:
    child = Child.module("cdr.waveform_child")
    waves = Waveforms(child)
    path = sealed(tmp_path)
    first = await waves.of(wanted(path))

    assert not child.running
    path.unlink()
    assert await waves.of(wanted_again(path)) is first


def wanted_again(path: Path) -> Wanted:
    return Wanted(CALL, path, 1, 4000, b"d", KEY)


@pytest.mark.parametrize("harm", ["damaged", "missing", "key"])
async def test_what_cannot_be_read_has_no_waveform(tmp_path: Path, harm: str) -> None:
    path = sealed(tmp_path)
    asked = wanted(path)
    if harm == "damaged":
        content = bytearray(path.read_bytes())
        content[200] ^= 1
        path.write_bytes(content)
    elif harm == "missing":
        path.unlink()
    else:
        asked = wanted(path, key=b"x" * 32)

    assert await Waveforms().of(asked) is None


async def test_a_dead_child_leaves_no_waveform_and_no_error(tmp_path: Path) -> None:
    assert await Waveforms(Child("/bin/false")).of(wanted(sealed(tmp_path))) is None


def test_the_peaks_do_not_depend_on_the_length_that_is_said(tmp_path: Path) -> None:
    path = sealed(tmp_path)
    for said_ms in (1, 3999, 9000):
        with path.open("rb") as file:
            reader = SealedReader(file, path.stat().st_size, KEY, CALL)
            left, right = peaks(SealedSound(reader), said_ms, 10)
        assert max(left) > 50
        assert max(right) > 20


def test_what_is_no_ogg_has_no_peaks() -> None:
    with pytest.raises(NoWave):
        peaks(io.BytesIO(b"OggS" + bytes(300)), 1000, 10)  # type: ignore[arg-type]
