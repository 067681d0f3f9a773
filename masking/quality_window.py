"""How a leg sounds now: the E-model over a sliding window, with hysteresis. Pure.

Samples are running totals, as RTCP and a media server keep them; only what changed between two of
them counts. A leg becomes poor after some windows in a row below one threshold, and good again
after some in a row above a higher one: a connection at the edge does not flap. Knows no clock.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from masking.quality import Codec, Measured, mos_of, rating

__all__ = [
    "START",
    "Change",
    "Sample",
    "Sound",
    "Summary",
    "Track",
    "WindowRules",
    "follows",
    "observe",
]

MOST_SAMPLES: Final = 32


class Sound(StrEnum):
    """What a leg's sound is worth."""

    GOOD = "good"
    POOR = "poor"


@dataclass(frozen=True, slots=True)
class WindowRules:
    """When a leg counts as poor, and as good again. MOS 1 to 4.5; above is more than below."""

    below_mos: float = 3.1
    above_mos: float = 3.6
    window_s: float = 6.0
    report_s: float = 6.0  # how old a report of the far end can be: RTCP comes every 5 s
    down_after: int = 2  # windows in a row
    up_after: int = 3
    settle_s: float = 3.0  # of a leg's beginning, which says nothing: ICE, the first buffers


@dataclass(frozen=True, slots=True)
class Sample:
    """What is known of a leg at one moment. Counts only ever grow."""

    at_s: float
    received: int  # packets from the far end
    lost: int  # of those that it sent
    sent: int  # packets to the far end
    far_lost: int  # of those, as it reports
    jitter_ms: float = 0.0  # of what we receive
    far_jitter_ms: float = 0.0  # of what it receives
    rtt_ms: float = 0.0
    codec: Codec = Codec.OPUS
    reported: bool = True  # whether the far end ever said what it receives
    # Of what we pass on to the far end: lost before it came to us, and how uneven it was then. The
    # far end cannot tell that from what happens on its own way, and reports it as well.
    lost_before: int = 0
    jitter_before_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Summary:
    """The whole leg, so far."""

    windows: int = 0
    mos_sum: float = 0.0
    mos_min: float = 4.5
    poor_s: float = 0.0

    @property
    def mos_avg(self) -> float | None:
        """Over all windows; None before the first."""
        return self.mos_sum / self.windows if self.windows else None


@dataclass(frozen=True, slots=True)
class Track:
    """A leg as it was observed until now."""

    sound: Sound = Sound.GOOD
    since_s: float | None = None  # of the first sample
    samples: tuple[Sample, ...] = ()  # those of the window, and of the reports that lie in it
    below: int = 0  # windows in a row
    above: int = 0
    summary: Summary = Summary()


START: Final = Track()


@dataclass(frozen=True, slots=True)
class Change:
    """A window, and whether it changed what the leg is worth."""

    sound: Sound
    changed: bool
    mos: float
    measured: Measured


def observe(track: Track, sample: Sample, rules: WindowRules) -> tuple[Track, Change | None]:
    """The track with `sample` in it; the window that it ends, None where there is none yet.

    A sample no later than the last one, or with smaller counts (another stream began), starts anew
    what is measured, not what it is worth.
    """
    last = track.samples[-1] if track.samples else None
    since_s = track.since_s if track.since_s is not None else sample.at_s
    if last is None or not follows(last, sample):
        return replace(track, since_s=since_s, samples=(sample,)), None
    known = _since((*track.samples, sample), rules.window_s + rules.report_s)
    track = replace(track, samples=known)
    if sample.at_s - since_s < rules.settle_s:
        return track, None
    measured = _measure(_since(known, rules.window_s), known[0])
    mos = mos_of(rating(measured))
    below = track.below + 1 if mos < rules.below_mos else 0
    above = track.above + 1 if mos >= rules.above_mos else 0
    sound = track.sound
    if sound is Sound.GOOD and below >= rules.down_after:
        sound = Sound.POOR
    elif sound is Sound.POOR and above >= rules.up_after:
        sound = Sound.GOOD
    seen = track.summary
    poor_s = sample.at_s - last.at_s if mos < rules.below_mos else 0.0
    summary = Summary(
        seen.windows + 1, seen.mos_sum + mos, min(seen.mos_min, mos), seen.poor_s + poor_s
    )
    changed = sound is not track.sound
    track = replace(track, sound=sound, below=below, above=above, summary=summary)
    return track, Change(sound, changed, mos, measured)


def follows(last: Sample, sample: Sample) -> bool:
    """Whether `sample` goes on with what `last` counted."""
    return (
        sample.at_s > last.at_s
        and sample.received >= last.received
        and sample.sent >= last.sent
        and sample.codec is last.codec
    )


def _since(samples: tuple[Sample, ...], age_s: float) -> tuple[Sample, ...]:
    """The newest samples, back to the last one that is at least so old."""
    newest = samples[-1].at_s
    first = 0
    for place, sample in enumerate(samples):
        if newest - sample.at_s >= age_s:
            first = place
    return samples[first:][-MOST_SAMPLES:]


def _measure(window: tuple[Sample, ...], oldest: Sample) -> Measured:
    """The worse of both directions. `oldest`: no report that lies in the window is of before it."""
    first, newest = window[0], window[-1]
    # A stretch without a single packet is lost whole: nobody is there to count.
    heard = sum(
        _lost_in(one, two) * (two.at_s - one.at_s) for one, two in itertools.pairwise(window)
    ) / (newest.at_s - first.at_s)
    sent = newest.sent - first.sent
    before = max(0, newest.lost_before - oldest.lost_before)
    far_lost = max(0, newest.far_lost - first.far_lost - before)
    reported = min(1.0, far_lost / sent) if sent else 0.0
    far_jitter_ms = newest.far_jitter_ms - newest.jitter_before_ms
    return Measured(
        rtt_ms=max(0.0, newest.rtt_ms),
        jitter_ms=max(0.0, newest.jitter_ms, far_jitter_ms),
        loss=max(heard, reported),
        codec=newest.codec,
    )


def _lost_in(one: Sample, two: Sample) -> float:
    received, lost = two.received - one.received, max(0, two.lost - one.lost)
    return 1.0 if received <= 0 else lost / (received + lost)
