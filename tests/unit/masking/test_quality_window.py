"""A leg turns poor and good again by windows, not by single samples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from masking.quality import Codec
from masking.quality_window import (
    START,
    Change,
    Sample,
    Sound,
    Track,
    WindowRules,
    observe,
)

RULES = WindowRules()
EVERY_S = 2.0
PACKETS = 100  # in that time
FIRST = Sample(at_s=0.0, received=0, lost=0, sent=0, far_lost=0)


def then(
    last: Sample,
    *,
    lost: float = 0.0,
    far_lost: float = 0.0,
    silent: bool = False,
    before: float = 0.0,
    rtt_ms: float = 40.0,
) -> Sample:
    """Two seconds later, with such shares lost."""
    came = 0 if silent else PACKETS - round(PACKETS * lost)
    return replace(
        last,
        at_s=last.at_s + EVERY_S,
        received=last.received + came,
        lost=last.lost + (0 if silent else PACKETS - came),
        sent=last.sent + PACKETS,
        far_lost=last.far_lost + round(PACKETS * far_lost),
        lost_before=last.lost_before + round(PACKETS * before),
        rtt_ms=rtt_ms,
    )


def follow(
    track: Track, last: Sample, *, times: int, **how: float | bool
) -> tuple[Track, Sample, list[Change]]:
    changes: list[Change] = []
    for _ in range(times):
        last = then(last, **how)  # type: ignore[arg-type]
        track, change = observe(track, last, RULES)
        if change is not None and change.changed:
            changes.append(change)
    return track, last, changes


def begun() -> tuple[Track, Sample]:
    track, _ = observe(START, FIRST, RULES)
    track, last, changes = follow(track, FIRST, times=5)
    assert changes == []
    return track, last


def test_a_clear_leg_stays_good() -> None:
    track, _, changes = follow(*begun(), times=50)
    assert (track.sound, changes) == (Sound.GOOD, [])
    assert track.summary.mos_min > 4.2
    assert track.summary.poor_s == 0


def test_a_leg_that_loses_much_turns_poor_once() -> None:
    track, last, changes = follow(*begun(), times=20, lost=0.3)
    [change] = changes
    assert change.sound is Sound.POOR
    assert change.measured.loss > 0.05
    assert track.summary.poor_s > 20
    _, _, changes = follow(track, last, times=20)
    assert [one.sound for one in changes] == [Sound.GOOD]


def test_a_leg_that_is_silent_is_lost_whole() -> None:
    track, last = begun()
    seen = 0
    while track.sound is Sound.GOOD:
        seen += 1
        track, last, _ = follow(track, last, times=1, silent=True)
    assert seen * EVERY_S <= 6, "noticed within three samples"


def test_what_the_far_end_loses_counts_as_well() -> None:
    _, _, changes = follow(*begun(), times=10, far_lost=0.4)
    assert [one.sound for one in changes] == [Sound.POOR]


def test_what_was_lost_before_it_came_to_us_is_not_this_legs_fault() -> None:
    """The far end reports it all the same, and later than it was lost."""
    track, last = begun()
    track, last, changes = follow(track, last, times=1, before=0.4)
    for _ in range(10):
        track, last, more = follow(track, last, times=1, far_lost=0.4, before=0.4)
        changes += more
    assert changes == []
    track, _, changes = follow(track, last, times=3, far_lost=0.4)
    assert changes == [], "the last reports of it come when it is over"


def test_one_bad_window_is_none() -> None:
    track, last = begun()
    heard = replace(then(last), rtt_ms=3000)
    track, change = observe(track, heard, RULES)
    assert change is not None
    assert change.mos < RULES.below_mos
    assert not change.changed
    track, _, changes = follow(track, heard, times=10)
    assert changes == []
    assert track.below == 0


def test_a_leg_at_the_edge_does_not_flap() -> None:
    """Between both thresholds nothing changes, whichever side it came from."""
    track, last = begun()
    edge = {"rtt_ms": 560.0}
    track, last, changes = follow(track, last, times=10, **edge)
    assert changes == []
    track, last, changes = follow(track, last, times=10, lost=0.4)
    assert [one.sound for one in changes] == [Sound.POOR]
    track, _, changes = follow(track, last, times=20, **edge)
    assert changes == []
    assert track.sound is Sound.POOR


def test_nothing_is_said_of_the_first_seconds() -> None:
    track, change = observe(START, FIRST, RULES)
    assert change is None
    last = then(FIRST, silent=True)
    track, change = observe(track, last, RULES)
    assert change is None
    assert track.summary.mos_avg is None


def test_another_stream_starts_the_figures_anew_but_not_the_leg() -> None:
    track, last, _ = follow(*begun(), times=20, lost=0.3)
    assert track.sound is Sound.POOR
    for odd in (
        replace(last, at_s=last.at_s),
        replace(last, at_s=last.at_s + 2, received=0),
        replace(last, at_s=last.at_s + 2, sent=0),
        replace(last, at_s=last.at_s + 2, codec=Codec.ALAW),
    ):
        again, change = observe(track, odd, RULES)
        assert change is None
        assert again.samples == (odd,)
        assert again.sound is Sound.POOR


shares = st.floats(0, 1)


@given(st.lists(st.tuples(shares, shares, shares, st.booleans(), st.floats(0, 3000)), max_size=40))
def test_whatever_comes_the_track_is_sound(
    steps: Iterable[tuple[float, float, float, bool, float]],
) -> None:
    track, last, sound = START, FIRST, Sound.GOOD
    for lost, far_lost, before, silent, rtt_ms in steps:
        last = then(last, lost=lost, far_lost=far_lost, before=before, silent=silent, rtt_ms=rtt_ms)
        track, change = observe(track, last, RULES)
        assert len(track.samples) <= 8
        if change is not None:
            assert change.changed == (change.sound is not sound)
            assert 1 <= change.mos <= 4.5
            assert 0 <= change.measured.loss <= 1
            sound = change.sound
        assert track.sound is sound
        assert 1 <= track.summary.mos_min <= 4.5
