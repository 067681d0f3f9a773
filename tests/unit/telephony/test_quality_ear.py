"""How the figures that Asterisk prints of a leg are read."""

from __future__ import annotations

import pytest

from masking.quality import Codec
from telephony.quality_ear import read_sample
from tests.unit.telephony.line import Line


@pytest.mark.parametrize(
    "text", ["", "lp=1", "rubbish", Line().figures().replace("rtt=0.05", "rtt=x")]
)
def test_what_are_no_figures_is_no_sample(text: str) -> None:
    assert read_sample(text, 1.0, Codec.OPUS) is None


def test_figures_are_read_as_asterisk_prints_them() -> None:
    line = Line(lost=0.1, far_lost=0.05)
    line.tick()
    sample = read_sample(line.figures(), 7.0, Codec.ALAW)
    assert sample is not None
    assert (sample.received, sample.lost, sample.sent, sample.far_lost) == (90, 10, 100, 5)
    assert (sample.jitter_ms, sample.far_jitter_ms, sample.rtt_ms) == (4, 3, 50)
    assert (sample.at_s, sample.codec) == (7.0, Codec.ALAW)
    assert read_sample(line.figures().replace("lp=10;", "lp=10.0;"), 7.0, Codec.ALAW) == sample
