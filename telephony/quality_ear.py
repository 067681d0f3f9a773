"""One leg that is listened to: what Asterisk says of it, what is kept of it on its channel.

The summary is a channel variable, which the dialplan writes into the event file when the leg ends;
so a record has it though this process dies, and who comes after it goes on from there. Asks nobody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final, Self

from masking.quality import Codec
from masking.quality_course import Way, read
from masking.quality_ways import SILENT, Ways, ways_of
from masking.quality_window import START, Change, Sample, Summary, Track, WindowRules, observe
from telephony.ami import Action
from telephony.live import Leg, LiveCall, Side

__all__ = ["CODEC", "FIGURES", "KEPT", "Ear", "read_sample", "summary_row", "without"]

FIGURES: Final = "CHANNEL(rtcp,all)"
CODEC: Final = "CHANNEL(audioreadformat)"
KEPT: Final = "M_QUALITY"
_NUMBER: Final = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,9})?")
_NEEDED: Final = frozenset(("rxcount", "txcount", "lp", "rlp", "rxjitter", "txjitter", "rtt"))
_MOST_WINDOWS: Final = 1_000_000


@dataclass(slots=True)
class Ear:
    """What was heard of a leg until now."""

    codec: str  # as Asterisk names it
    track: Track = START
    ways: Ways = SILENT
    rounds: int = 0
    offered: int = 0  # how often another way was offered because of it

    @classmethod
    def resumed(cls, codec: str, kept: str) -> Self:
        """That of a leg whose channel may hold a summary already."""
        facts = dict(pair.partition("=")[::2] for pair in kept.split(";") if "=" in pair)
        ear = cls(codec, offered=_whole(facts, "offered"))
        windows = min(_whole(facts, "windows"), _MOST_WINDOWS)
        mean, least = (_score(facts, name) for name in ("mos_avg", "mos_min"))
        if windows and mean is not None and least is not None:
            poor_s = _whole(facts, "poor_ms") / 1000
            ear.track = replace(START, summary=Summary(windows, windows * mean, least, poor_s))
        came, went = (read(facts.get(name, "")) for name in ("came", "went"))
        if came is not None and came.way is Way.FROM:
            ear.ways = replace(ear.ways, came=came)
        if went is not None and went.way is Way.TO:
            ear.ways = replace(ear.ways, went=went)
        return ear

    def hear(
        self, sample: Sample, at_ms: int, rules: WindowRules, before: Sample | None
    ) -> Change | None:
        """The window that `sample` ends. `before`: the other leg, if it is passed on as it came."""
        self.ways = ways_of(self.ways, sample, at_ms)
        self.track, change = observe(self.track, without(sample, before), rules)
        return change

    def kept(self, call: LiveCall, side: Side, leg: Leg) -> Action:
        """What keeps the summary on the channel."""
        row = summary_row(call.linked_id, side, self.track, self.offered, self.ways)
        headers = (("Channel", leg.channel), ("Variable", KEPT), ("Value", row))
        return Action("Setvar", headers)


def without(sample: Sample, before: Sample | None) -> Sample:
    """`sample` with what befell, on the other leg, that which we pass on."""
    if before is None:
        return sample
    return replace(sample, lost_before=before.lost, jitter_before_ms=before.jitter_ms)


def summary_row(linked_id: str, side: Side, track: Track, offered: int, ways: Ways = SILENT) -> str:
    """What the event file says of a leg's sound."""
    seen = track.summary
    came = "" if ways.came is None else f";came={ways.came.text()}"
    went = "" if ways.went is None else f";went={ways.went.text()}"
    return (
        f"call={linked_id};side={side};mos_min={seen.mos_min:.2f};mos_avg={seen.mos_avg or 0:.2f}"
        f";poor_ms={round(seen.poor_s * 1000)};offered={offered};windows={seen.windows}{came}{went}"
    )


def read_sample(text: str, at_s: float, codec: Codec) -> Sample | None:
    """Asterisk's answer to CHANNEL(rtcp,all); None for what is none.

    ``lp`` are packets that did not reach us, ``rlp`` those the far end says it lost. ``txjitter``
    is that of what we receive, ``rxjitter`` the far end's: Asterisk has these two the wrong way
    round. Times are in seconds. A far end that never reported has neither jitter nor a round trip.
    """
    facts = dict(pair.partition("=")[::2] for pair in text.split(";") if "=" in pair)
    if not facts.keys() >= _NEEDED:
        return None
    if not all(_NUMBER.fullmatch(facts[name]) for name in _NEEDED):
        return None
    told = {name: float(facts[name]) for name in _NEEDED}
    far_lost, far_jitter, rtt = int(told["rlp"]), told["rxjitter"], told["rtt"]
    return Sample(
        at_s=at_s,
        received=int(told["rxcount"]),
        lost=int(told["lp"]),
        sent=int(told["txcount"]),
        far_lost=far_lost,
        jitter_ms=told["txjitter"] * 1000,
        far_jitter_ms=far_jitter * 1000,
        rtt_ms=rtt * 1000,
        codec=codec,
        reported=bool(far_lost or far_jitter or rtt),
    )


def _whole(facts: dict[str, str], name: str) -> int:
    text = facts.get(name, "")
    return int(text) if text.isdecimal() and len(text) <= 10 else 0


def _score(facts: dict[str, str], name: str) -> float | None:
    text = facts.get(name, "")
    return float(text) if _NUMBER.fullmatch(text) and 1.0 <= float(text) <= 4.5 else None
