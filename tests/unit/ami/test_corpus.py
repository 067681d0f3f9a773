"""Replays what fuzzing has found and what an Asterisk has really said."""

from __future__ import annotations

import random

import pytest

from telephony.ami import Event, Rejected
from tests.unit.ami import fuzz

INPUTS = dict(fuzz.corpus())


@pytest.mark.parametrize("name", INPUTS)
def test_a_kept_input_is_decoded_as_promised(name: str) -> None:
    fuzz.check(INPUTS[name])


def test_mutations_of_kept_inputs_are_decoded_as_promised() -> None:
    rng = random.Random(7)
    kept = list(INPUTS.values())
    assert len(kept) >= 8
    for _ in range(200):
        fuzz.check(fuzz.mutate(rng.choice(kept), rng))


def test_a_call_recorded_from_asterisk_is_believed_whole() -> None:
    frames, error = fuzz.decode(INPUTS["call.bin"], 100)
    assert error == ""
    assert not any(isinstance(frame, Rejected) for frame in frames)
    names = [frame.name for frame in frames if isinstance(frame, Event)]
    assert names[0] == "Newchannel"
    assert names.count("Hangup") == 4


def test_a_recorded_forgery_is_not_believed() -> None:
    frames, error = fuzz.decode(INPUTS["forgery.bin"], 100)
    assert error == ""
    believed = [frame for frame in frames if isinstance(frame, Event)]
    assert believed
    assert not any(b"forged" in frame.raw for frame in believed)
    assert sum(isinstance(frame, Rejected) for frame in frames) == 5
