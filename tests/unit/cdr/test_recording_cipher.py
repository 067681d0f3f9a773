"""A recording's file: read back whole and in parts; whatever was done to it is noticed."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdr.errors import RecordingDamaged
from cdr.recording_cipher import HEAD_BYTES, TAG_BYTES, SealedReader, SealingWriter

KEY = bytes(range(32))
CALL = "cal_5g8s1t2v3w4x5y6z7a8b9c0d1e"
LOG2 = 4  # chunks of 16 bytes: every border is met
CHUNK = 1 << LOG2
SOUND = st.binary(max_size=6 * CHUNK + 3)


def seal(sound: bytes, pieces: int = 7, key: bytes = KEY, call: str = CALL) -> bytes:
    file = io.BytesIO()
    writer = SealingWriter(file, key, call, bytes, LOG2)
    for start in range(0, len(sound), pieces):
        writer.write(sound[start : start + pieces])
    writer.close()
    assert (writer.audio_bytes, writer.file_bytes) == (len(sound), len(file.getvalue()))
    return file.getvalue()


def reader(sealed: bytes, key: bytes = KEY, call: str = CALL) -> SealedReader:
    return SealedReader(io.BytesIO(sealed), len(sealed), key, call)


def whole(sealed: bytes) -> bytes:
    found = reader(sealed)
    return b"".join(found.read(0, found.audio_bytes))


@given(SOUND, st.integers(1, 40))
def test_what_was_sealed_is_read_back_however_it_was_written(sound: bytes, pieces: int) -> None:
    sealed = seal(sound, pieces)

    assert whole(sealed) == sound
    assert reader(sealed).audio_bytes == len(sound)
    reader(sealed).check()


@given(SOUND, st.integers(0, 120), st.integers(0, 120))
def test_any_part_of_it_is_read_by_itself(sound: bytes, start: int, stop: int) -> None:
    assert b"".join(reader(seal(sound)).read(start, stop)) == sound[start:stop]


@given(SOUND, st.data())
def test_a_changed_bit_anywhere_is_noticed(sound: bytes, data: st.DataObject) -> None:
    sealed = bytearray(seal(sound))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= 1 << data.draw(st.integers(0, 7))

    with pytest.raises(RecordingDamaged):
        reader(bytes(sealed)).check()


@given(SOUND, st.data())
def test_what_was_cut_off_or_put_behind_is_noticed(sound: bytes, data: st.DataObject) -> None:
    sealed = seal(sound)
    shorter = sealed[: data.draw(st.integers(0, len(sealed) - 1))]
    longer = sealed + data.draw(st.binary(min_size=1, max_size=3 * CHUNK))

    for wrong in (shorter, longer):
        with pytest.raises(RecordingDamaged):
            reader(wrong).check()


@given(st.binary(min_size=3 * CHUNK, max_size=6 * CHUNK), st.data())
def test_chunks_that_changed_places_or_are_missing_are_noticed(
    sound: bytes, data: st.DataObject
) -> None:
    sealed = seal(sound)
    size = CHUNK + TAG_BYTES
    body = sealed[HEAD_BYTES:]
    chunks = [body[n : n + size] for n in range(0, len(body), size)]
    order = data.draw(
        st.lists(st.sampled_from(range(len(chunks))), max_size=8).filter(
            lambda order: order != list(range(len(chunks)))
        )
    )

    with pytest.raises(RecordingDamaged):
        reader(sealed[:HEAD_BYTES] + b"".join(chunks[n] for n in order)).check()


def test_no_other_key_and_no_other_call_opens_it() -> None:
    sealed = seal(b"said in confidence")

    with pytest.raises(RecordingDamaged):
        reader(sealed, key=bytes(32)).check()
    with pytest.raises(RecordingDamaged):
        reader(sealed, call=CALL.replace("5", "6")).check()


def test_chunks_of_another_file_with_the_same_key_do_not_fit() -> None:
    """A key is for one file only; even so a prefix of its own keeps files apart."""
    one, other = io.BytesIO(), io.BytesIO()
    for file, fill in ((one, b"\1"), (other, b"\2")):
        writer = SealingWriter(file, KEY, CALL, fill.__mul__, LOG2)
        writer.write(bytes(40))
        writer.close()

    mixed = one.getvalue()[: HEAD_BYTES + CHUNK + TAG_BYTES]
    with pytest.raises(RecordingDamaged):
        reader(mixed + other.getvalue()[len(mixed) :]).check()


def test_nothing_of_the_sound_is_in_the_file() -> None:
    sound = b"a sentence that is longer than one chunk of it"

    sealed = seal(sound)

    assert not any(sound[n : n + 6] in sealed for n in range(len(sound) - 6))
