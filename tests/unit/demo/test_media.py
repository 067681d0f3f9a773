"""The ear of the simulated carrier: it must not hear what is not there."""

from __future__ import annotations

import asyncio
import math
import random

import pytest

from maskline.demo import g711
from maskline.demo.g711 import FRAME_SAMPLES, Codec
from maskline.demo.media import Frame, MediaEndpoint, listen
from maskline.demo.tones import dominant_hz, is_audible


def _frames(*payloads: bytes | None, codec: Codec = Codec.ALAW) -> list[Frame]:
    """One frame every 20 ms; None: it was lost."""
    return [
        Frame(0.02 * n, 1, n, n * FRAME_SAMPLES, codec, payload)
        for n, payload in enumerate(payloads)
        if payload is not None
    ]


@pytest.mark.parametrize("codec", list(Codec))
def test_g711_decodes_what_the_recommendation_says(codec: Codec) -> None:
    known = {Codec.ALAW: {0xD5: 8, 0x55: -8, 0xAA: 32256, 0x2A: -32256}, Codec.ULAW: {
        0xFF: 0, 0x7F: 0, 0x80: 32124, 0x00: -32124}}  # fmt: skip
    table = g711.decode_table(codec)
    assert {code: table[code] for code in known[codec]} == known[codec]


@pytest.mark.parametrize("codec", list(Codec))
def test_g711_encodes_to_the_nearest_word(codec: Codec) -> None:
    table = g711.decode_table(codec)
    assert g711.decode(g711.encode(table, codec), codec) == list(table)
    for sample in (*range(-40_000, 40_000, 777), -1, 0, 1):
        [code] = g711.encode([sample], codec)
        assert abs(table[code] - sample) == min(abs(level - sample) for level in table)


@pytest.mark.parametrize("codec", list(Codec))
@pytest.mark.parametrize("hz", [50, 450, 700, 1000, 2000, 3400, 3950])
def test_a_tone_is_heard_as_itself(codec: Codec, hz: int) -> None:
    samples = g711.decode(g711.tone_frame(hz, codec), codec)
    assert dominant_hz(samples) == hz


@pytest.mark.parametrize("hz", [0, 75, 4000, 4050, -50])
def test_only_tones_that_fill_frames_can_be_made(hz: int) -> None:
    with pytest.raises(ValueError, match="multiple of 50 Hz"):
        g711.tone_frame(hz, Codec.ALAW)


def test_silence_noise_and_two_tones_at_once_are_no_tone() -> None:
    dice = random.Random(7)
    noise = [dice.randint(-8000, 8000) for _ in range(FRAME_SAMPLES)]
    both = [
        round(
            4000 * (math.sin(2 * math.pi * 450 * n / 8000) + math.sin(2 * math.pi * 700 * n / 8000))
        )
        for n in range(FRAME_SAMPLES)
    ]
    assert dominant_hz([0] * FRAME_SAMPLES) is None
    assert dominant_hz(noise) is None
    assert dominant_hz(both) is None
    assert is_audible(noise)
    assert not is_audible(g711.decode(g711.silence_frame(Codec.ALAW), Codec.ALAW))


def test_the_likely_tone_is_not_believed_against_the_evidence() -> None:
    samples = g711.decode(g711.tone_frame(700, Codec.ALAW), Codec.ALAW)
    assert dominant_hz(samples, likely=450) == 700


def test_what_was_heard_is_told_with_its_gaps() -> None:
    tone, other = g711.tone_frame(450, Codec.ALAW), g711.tone_frame(700, Codec.ALAW)
    quiet = g711.silence_frame(Codec.ALAW)
    heard = listen(_frames(tone, tone, quiet, quiet, quiet, tone, None, tone, other))
    assert heard.tone_ms == {450: 80, 700: 20}
    assert heard.gaps_ms == (60, 20)
    assert (heard.audible_ms, heard.total_ms, heard.speech_ms) == (100, 160, 0)
    assert heard.loudest_hz == 450


def test_a_change_of_source_is_measured_by_arrival() -> None:
    tone = g711.tone_frame(450, Codec.ALAW)
    frames = [Frame(0.0, 1, 9, 9000, 8, tone), Frame(0.5, 2, 1, 77, 8, tone)]
    assert listen(frames).gaps_ms == (480,)


async def test_two_endpoints_hear_each_other_and_garbage_is_dropped() -> None:
    async with (
        await MediaEndpoint.open("127.0.0.1") as one,
        await MediaEndpoint.open("127.0.0.1") as two,
    ):
        one.tone_hz, two.tone_hz = 450, 700
        one.send_to("127.0.0.1", two.port, Codec.ALAW)
        two.send_to("127.0.0.1", one.port, Codec.ULAW)
        two.datagram_received(b"\x00" * 40, ("127.0.0.1", 9))
        async with asyncio.timeout(10):
            while not (one.heard_enough(700, 200) and two.heard_enough(450, 200)):
                await asyncio.sleep(0.02)
        assert not one.heard_enough(450, 20)
        assert set(one.heard().tone_ms) == {700}
        assert set(two.heard().tone_ms) == {450}
