"""A recording is known again in what arrives, and nothing else passes for it."""

from __future__ import annotations

import math
import random
import wave
from array import array
from pathlib import Path

import pytest

from maskline.demo import g711
from maskline.demo.g711 import FRAME_SAMPLES, Codec
from maskline.demo.sounds import Ear, Sound, correlation


def _speech(seed: int, length_ms: int = 1500) -> list[int]:
    """Syllables of noise and tone, as uneven as speech; the same for the same seed."""
    dice = random.Random(seed)
    samples: list[int] = []
    while len(samples) < length_ms * 8:
        loud, hz, count = dice.randint(600, 9000), dice.randint(120, 900), dice.randint(500, 1400)
        samples += [
            round(loud * (0.7 * math.sin(2 * math.pi * hz * n / 8000) + dice.uniform(-0.3, 0.3)))
            for n in range(count)
        ]
        samples += [0] * dice.randint(0, 600)
    return samples[: length_ms * 8]


def _over_the_line(samples: list[int], codec: Codec = Codec.ALAW) -> list[list[int]]:
    starts = range(0, len(samples), FRAME_SAMPLES)
    frames = [samples[start : start + FRAME_SAMPLES] for start in starts]
    return [g711.decode(g711.encode(frame, codec), codec) for frame in frames]


HEARD, OTHER = Sound.of("heard", _speech(1)), Sound.of("other", _speech(2))


@pytest.mark.parametrize("codec", list(Codec))
def test_it_is_found_where_it_begins_and_only_when_it_is_whole(codec: Codec) -> None:
    ear, found = Ear(), None
    frames = _over_the_line([0] * 1237 + _speech(1) + [0] * 800, codec)
    for n, frame in enumerate(frames):
        ear.add(frame)
        assert ear.find(OTHER) is None
        if found is None and (found := ear.find(HEARD)) is not None:
            assert n * 20 >= 1237 / 8 + HEARD.length_ms - 40
    assert found is not None
    assert abs(found - 1237 / 8) <= 20


def test_all_at_once_is_the_same_as_bit_by_bit() -> None:
    ear = Ear()
    ear.add(
        [sample for frame in _over_the_line([0] * 400 + _speech(1) + [0] * 800) for sample in frame]
    )
    assert ear.find(HEARD) == 50
    assert ear.find(OTHER) is None


def test_half_of_it_is_not_it_but_its_beginning() -> None:
    ear = Ear()
    ear.add(_speech(1)[:6400] + [0] * 8000)
    assert ear.find(HEARD) is None
    assert ear.find(HEARD.first(600)) is not None


def test_the_same_rhythm_with_other_sounds_is_not_it() -> None:
    dice = random.Random(5)
    ear = Ear()
    ear.add([round(abs(sample) * dice.choice((-1, 1))) for sample in _speech(1)] + [0] * 800)
    assert ear.find(HEARD) is None


def test_what_holds_too_little_sound_cannot_be_known_again() -> None:
    with pytest.raises(ValueError, match="too little sound"):
        Sound.of("hush", [0] * 8000)


def test_a_file_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "said.wav"
    with wave.open(str(path), "wb") as opened:
        opened.setnchannels(1)
        opened.setsampwidth(2)
        opened.setframerate(8000)
        opened.writeframes(array("h", _speech(1)).tobytes())
    sound = Sound.load(path)
    assert (sound.name, sound.samples) == ("said", HEARD.samples)

    with wave.open(str(path), "wb") as opened:
        opened.setnchannels(1)
        opened.setsampwidth(2)
        opened.setframerate(16000)
        opened.writeframes(bytes(3200))
    with pytest.raises(ValueError, match="8 kHz"):
        Sound.load(path)


def test_loudness_does_not_matter_but_sign_does() -> None:
    one = _speech(3)
    assert correlation(one, [3 * sample for sample in one]) == pytest.approx(1.0)
    assert correlation(one, [-sample for sample in one]) == pytest.approx(-1.0)
    assert correlation(one, [0] * len(one)) == 0.0
