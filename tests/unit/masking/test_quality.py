"""The E-model, against values that the recommendations print, and what follows from a rating."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking.plan import Channel
from masking.quality import (
    Codec,
    Measured,
    Reason,
    Thresholds,
    assess,
    delay_impairment,
    ie_eff,
    mos_of,
    one_way_ms,
    rating,
)

CLEAR = Measured(rtt_ms=40, jitter_ms=5, loss=0)
rtts = st.floats(0, 5000)
jitters = st.floats(0, 1000)
losses = st.floats(0, 1)
codecs = st.sampled_from(Codec)
bursts = st.floats(1, 8)


@st.composite
def measurements(draw: st.DrawFn) -> Measured:
    return Measured(draw(rtts), draw(jitters), draw(losses), draw(codecs), draw(bursts))


# -- what the recommendations print -----------------------------------------------------------


def test_all_defaults_give_the_rating_of_g107() -> None:
    """G.107, 7.7: R = 93.2 with every parameter at its default."""
    ideal = rating(Measured(0, 0, 0, Codec.ALAW))
    assert ideal == pytest.approx(93.2, abs=1.6), "but for a packet and the least of a buffer"
    assert ideal < 93.2
    assert mos_of(93.2) == pytest.approx(4.41, abs=0.005)


@pytest.mark.parametrize(
    ("r", "mos"), [(90, 4.34), (80, 4.03), (70, 3.60), (60, 3.10), (50, 2.58), (0, 1), (100, 4.5)]
)
def test_ratings_turn_into_the_scores_of_g107_table_b1(r: float, mos: float) -> None:
    assert mos_of(r) == pytest.approx(mos, abs=0.008)


@pytest.mark.parametrize(
    ("delay_ms", "idd"), [(0, 0), (100, 0), (150, 0.16), (200, 3.04), (300, 14.76), (400, 24.07)]
)
def test_delay_without_echo_costs_what_the_formula_says(delay_ms: float, idd: float) -> None:
    """G.107, equations 7-27 and 7-28, reckoned by hand."""
    assert delay_impairment(delay_ms) == pytest.approx(idd, abs=0.01)


@pytest.mark.parametrize(
    ("ie", "bpl", "loss", "expected"),
    [
        (0, 4.3, 0.0, 0.0),
        (0, 4.3, 0.01, 95 / 5.3),
        (0, 25.1, 0.01, 95 / 26.1),
        (0, 25.1, 0.05, 475 / 30.1),
        (11, 19.0, 0.02, 11 + 84 * 2 / 21),  # G.729A with VAD, G.113, Table I.4
        (15, 16.1, 0.03, 15 + 80 * 3 / 19.1),  # G.723.1 with VAD
    ],
)
def test_loss_costs_what_g113_gives_for_the_codec(
    ie: float, bpl: float, loss: float, expected: float
) -> None:
    assert ie_eff(ie, bpl, loss) == pytest.approx(expected)


def test_the_delay_is_that_from_mouth_to_ear() -> None:
    assert one_way_ms(Measured(100, 0, 0, Codec.ALAW)) == 50 + 20 + 20
    assert one_way_ms(Measured(100, 30, 0, Codec.OPUS, beyond_ms=80)) == 50 + 60 + 26.5 + 80


# -- what must hold for any ---------------------------------------------------------------------


@given(measurements())
def test_a_rating_is_on_the_scale(measured: Measured) -> None:
    assert 0 <= rating(measured) <= 93.2
    assert 1 <= mos_of(rating(measured)) <= 4.5


@given(measurements(), losses, rtts, jitters, bursts)
def test_worse_never_rates_better(
    m: Measured, loss: float, rtt_ms: float, jitter_ms: float, burst: float
) -> None:
    worse = Measured(
        max(m.rtt_ms, rtt_ms),
        max(m.jitter_ms, jitter_ms),
        max(m.loss, loss),
        m.codec,
        max(m.burst_ratio, burst),
        m.beyond_ms,
    )
    assert rating(worse) <= rating(m) + 1e-9
    assert mos_of(rating(worse)) <= mos_of(rating(m)) + 1e-9


@given(st.floats(0, 100), st.floats(0, 100))
def test_scores_rise_with_ratings(one: float, two: float) -> None:
    low, high = sorted((one, two))
    assert mos_of(low) <= mos_of(high)


@given(measurements(), st.floats(1, 4.5))
def test_a_verdict_follows_its_threshold(measured: Measured, threshold: float) -> None:
    verdict = assess(measured, Thresholds(threshold))
    good = mos_of(rating(measured)) >= threshold
    assert verdict.channel is (Channel.APP if good else Channel.GSM)
    assert verdict.mos == pytest.approx(mos_of(rating(measured)), abs=0.006)
    assert f"MOS {mos_of(rating(measured)):.1f}" in verdict.words


@pytest.mark.parametrize(
    ("measured", "reason"),
    [
        (Measured(60, 10, 0.3), Reason.LOSS),
        (Measured(1500, 10, 0.0), Reason.DELAY),
        (Measured(60, 400, 0.0), Reason.JITTER),
        (Measured(60, 10, 0.05, Codec.G722), Reason.LOSS),
    ],
)
def test_the_worst_figure_is_named(measured: Measured, reason: Reason) -> None:
    verdict = assess(measured)
    assert (verdict.channel, verdict.reason) == (Channel.GSM, reason)


def test_a_clear_line_is_good_unless_more_is_asked_than_there_is() -> None:
    assert assess(CLEAR).reason is Reason.GOOD
    perfect = Measured(0, 0, 0)
    assert assess(perfect, Thresholds(4.5)).channel is Channel.GSM
    assert assess(perfect, Thresholds(4.5)).reason is Reason.GOOD


@pytest.mark.parametrize(
    "wrong",
    [
        {"rtt_ms": -1},
        {"jitter_ms": math.nan},
        {"loss": 1.01},
        {"loss": -0.1},
        {"rtt_ms": math.inf},
        {"burst_ratio": 0.5},
        {"beyond_ms": -1},
    ],
)
def test_what_cannot_have_been_measured_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="out of range"):
        Measured(**{"rtt_ms": 1, "jitter_ms": 1, "loss": 0, **wrong})  # type: ignore[arg-type]
