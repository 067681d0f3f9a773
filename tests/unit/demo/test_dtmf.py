"""Keys as the simulated carrier presses them: packet by packet, as the standards have them."""

from __future__ import annotations

import asyncio
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskline.demo import dtmf, g711, sip
from maskline.demo.dtmf import EVENT, KEYS, Pace
from maskline.demo.g711 import FRAME_SAMPLES, Codec
from maskline.demo.media import HEADER, MediaEndpoint
from maskline.demo.sip import stream_of

PACE = Pace(tone_ms=60, pause_ms=80)


def test_an_event_begins_grows_and_ends_three_times() -> None:
    packets = list(dtmf.events("5", PACE))
    held = [packet for packet in packets if packet.event]
    read = [EVENT.unpack(packet.payload or b"") for packet in held]

    assert {code for code, _, _ in read} == {5}
    assert [duration for _, _, duration in read] == [160, 320, 480, 480, 480]
    assert [flags >> 7 for _, flags, _ in read] == [0, 0, 1, 1, 1]
    assert {flags & 0x7F for _, flags, _ in read} == {10}
    assert [packet.marker for packet in held] == [True, False, False, False, False]
    assert [packet.back for packet in held] == [0, 160, 320, 480, 640], "one timestamp for all"
    assert len(packets) - len(held) == 2, "the repeated ends are part of the pause"


@pytest.mark.parametrize(("key", "pair"), [("1", (697, 1209)), ("0", (941, 1336)),
    ("#", (941, 1477)), ("D", (941, 1633)), ("8", (852, 1336))])  # fmt: skip
def test_the_tones_are_those_of_q_23(key: str, pair: tuple[int, int]) -> None:
    assert dtmf.pair_hz(key) == pair


@pytest.mark.parametrize("key", ["", "12", "x", " "])
def test_what_is_no_key_cannot_be_pressed(key: str) -> None:
    with pytest.raises(ValueError, match="no key"):
        dtmf.pair_hz(key)


@given(st.text(KEYS, min_size=1, max_size=8), st.sampled_from(Codec))
def test_keys_are_read_back_from_the_sound_alone(keys: str, codec: Codec) -> None:
    frames = [
        dtmf.key_in(g711.decode(packet.payload or g711.silence_frame(codec), codec))
        for packet in dtmf.tones(keys, PACE, codec)
    ]
    assert dtmf.keys_of_frames(frames) == keys


@given(st.text(KEYS, min_size=1, max_size=8))
def test_keys_are_read_back_from_events_though_each_comes_many_times(keys: str) -> None:
    row = [(160 * n - packet.back, packet.payload or b"")
           for n, packet in enumerate(dtmf.events(keys, PACE)) if packet.event]  # fmt: skip
    assert dtmf.keys_of_events(row) == keys


def test_a_tone_noise_and_silence_are_no_keys() -> None:
    dice = random.Random(7)
    one = [round(8000 * math.sin(2 * math.pi * 770 * n / 8000)) for n in range(FRAME_SAMPLES)]
    noise = [dice.randint(-8000, 8000) for _ in range(FRAME_SAMPLES)]
    assert [dtmf.key_in(samples) for samples in (one, noise, [0] * FRAME_SAMPLES, [])] == [None] * 4


def test_the_key_type_is_taken_from_the_other_sides_description() -> None:
    for event_type in (96, 101, None):
        body = sip.sdp("127.0.0.1", 4000, (Codec.ALAW,), event_type=event_type)
        stream = stream_of(body)
        assert stream is not None
        assert (stream.codecs, stream.event_type) == ((Codec.ALAW,), event_type)
    unlisted = sip.sdp("127.0.0.1", 4000, (Codec.ALAW,)).replace("AVP 8 101", "AVP 8")
    refused = stream_of(unlisted)
    assert refused is not None
    assert refused.event_type is None


@pytest.mark.parametrize("in_band", [False, True])
async def test_an_endpoint_presses_keys_at_a_telephones_pace(in_band: bool) -> None:
    async with (
        await MediaEndpoint.open("127.0.0.1") as one,
        await MediaEndpoint.open("127.0.0.1") as two,
    ):
        one.tone_hz, two.event_type = 450, 96
        one.send_to("127.0.0.1", two.port, Codec.ALAW, 96)
        began = asyncio.get_running_loop().time()
        await one.press("1590*#", PACE, in_band=in_band)
        took = asyncio.get_running_loop().time() - began
        async with asyncio.timeout(5):
            while not two.heard_enough(450, 40):
                await asyncio.sleep(0.01)
        heard = two.heard()

    assert heard.keys == "1590*#"
    assert took >= 6 * 0.14 - 0.02
    numbers = [frame.sequence for frame in two.frames]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    kinds = {frame.payload_type for frame in two.frames}
    assert kinds == ({8} if in_band else {8, 96})


async def test_no_events_go_to_who_takes_none() -> None:
    async with await MediaEndpoint.open("127.0.0.1") as one:
        one.send_to("127.0.0.1", 9, Codec.ALAW, None)
        with pytest.raises(ValueError, match="takes no telephone-events"):
            await one.press("1", PACE, in_band=False)


def test_of_two_presses_of_one_key_both_count() -> None:
    media = MediaEndpoint("127.0.0.1")
    media._their_event_type = 101
    media._keys += dtmf.events("77", PACE)
    heads = [HEADER.unpack_from(media._packet(tick, 5)) for tick in range(20)]
    starts = [timestamp for _, second, _, timestamp, _ in heads if second == 0x80 | 101]
    assert starts == [0, 160 * 7]
