"""How a call sounds: the E-model of ITU-T G.107 (06/2015), narrow band, and what follows from it.

Figures in, a rating and a verdict out: `assess` says before a call whether the internet will carry
it. All parameters that nobody here can measure have the default of G.107, Table 2. Knows no call,
no clock and no network.

Impairment of codecs, Ie, and robustness against loss, Bpl (`CODECS`), are from ITU-T G.113
(11/2007), Appendix I, and where that has none, from the nearest it has:

- G.711: Ie 0, Bpl 25.1, with the loss concealment of its Appendix I, as softphones conceal.
- Opus is not in G.113. Its Ie on this scale cannot be better than G.711's 0; its decoder conceals
  loss too (RFC 6716, 4.4), hence the same Bpl. That leaves in-band FEC out, on the careful side.
- G.722: Ie 0, for the wide-band scale (G.113, Appendix IV) ranks it above G.711; Bpl 4.3, that of
  G.711 without concealment, for a lost packet also upsets the decoder's adaptation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from math import exp, inf, isfinite, log10, sqrt
from types import MappingProxyType

from masking.plan import Channel

__all__ = [
    "CODECS",
    "Codec",
    "Impairment",
    "Measured",
    "Reason",
    "Thresholds",
    "Verdict",
    "assess",
    "mos_of",
    "one_way_ms",
    "rating",
]


class Codec(StrEnum):
    """What speech is coded with, as Asterisk names it."""

    OPUS = "opus"
    ALAW = "alaw"
    ULAW = "ulaw"
    G722 = "g722"


@dataclass(frozen=True, slots=True)
class Impairment:
    """What a codec does to speech."""

    ie: float  # equipment impairment factor
    bpl: float  # packet-loss robustness factor
    frame_ms: float  # a packet of it, with its look-ahead


CODECS = MappingProxyType(
    {
        Codec.OPUS: Impairment(0.0, 25.1, 26.5),  # look-ahead of 6.5 ms: RFC 6716, 2.1.4
        Codec.ALAW: Impairment(0.0, 25.1, 20.0),
        Codec.ULAW: Impairment(0.0, 25.1, 20.0),
        Codec.G722: Impairment(0.0, 4.3, 20.0),
    }
)

LEAST_BUFFER_MS = 20.0
_JITTERS_HELD = 2.0  # an adaptive buffer holds about twice the mean deviation that RTCP reports


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of a way through the network. Raises ValueError for what none can be."""

    rtt_ms: float  # there and back
    jitter_ms: float  # RFC 3550, 6.4.1
    loss: float  # share of packets, 0 to 1
    codec: Codec = Codec.OPUS
    burst_ratio: float = 1.0  # G.107, 7.1: 1 if loss is random, more if it comes in bursts
    beyond_ms: float = 0.0  # one way, behind the end that was measured

    def __post_init__(self) -> None:
        """Check every figure."""
        for name, value, least, most in (
            ("rtt_ms", self.rtt_ms, 0.0, inf),
            ("jitter_ms", self.jitter_ms, 0.0, inf),
            ("loss", self.loss, 0.0, 1.0),
            ("burst_ratio", self.burst_ratio, 1.0, inf),
            ("beyond_ms", self.beyond_ms, 0.0, inf),
        ):
            if not isfinite(value) or not least <= value <= most:
                raise ValueError(f"{name} is out of range")


class Reason(StrEnum):
    """What a verdict rests on: on the worst of the figures, where one is to blame."""

    GOOD = "good"
    LOSS = "loss"
    DELAY = "delay"
    JITTER = "jitter"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Below which rating a call is better made over the telephone network. MOS, 1 to 4.5.

    3.1 is R = 60: below it, "nearly all users dissatisfied" begins (G.109, Table 1).
    """

    gsm_below_mos: float = 3.1


@dataclass(frozen=True, slots=True)
class Verdict:
    """Through what to call, and why."""

    channel: Channel
    mos: float  # 1 to 4.5, rounded to hundredths
    r: float  # 0 to 93.2, rounded to tenths
    reason: Reason
    words: str  # the reason as a sentence, in English


def assess(measured: Measured, thresholds: Thresholds = Thresholds()) -> Verdict:
    """Whether the internet will carry a call over what was `measured`."""
    r = rating(measured)
    mos = mos_of(r)
    if mos >= thresholds.gsm_below_mos:
        words = f"The connection is good enough for a call (MOS {mos:.1f})."
        return Verdict(Channel.APP, round(mos, 2), round(r, 1), Reason.GOOD, words)
    reason = _worst(measured)
    words = f"{_BLAME[reason]} (MOS {mos:.1f}, at least {thresholds.gsm_below_mos:.1f} is needed)."
    return Verdict(Channel.GSM, round(mos, 2), round(r, 1), reason, words)


_BLAME = MappingProxyType(
    {
        Reason.GOOD: "A clear connection is not clear enough",  # thresholds above the scale
        Reason.LOSS: "Too much of the speech would be lost on the way",
        Reason.DELAY: "The speech would arrive too late",
        Reason.JITTER: "The connection is too uneven",
    }
)


def _worst(measured: Measured) -> Reason:
    """The figure that costs most: without which the rating would rise furthest."""
    m = measured
    r = rating(m)
    gains = {
        Reason.LOSS: _rating(m, loss=0.0) - r,
        Reason.DELAY: _rating(m, rtt_ms=0.0) - r,
        Reason.JITTER: _rating(m, jitter_ms=0.0) - r,
    }
    worst = max(gains, key=gains.__getitem__)
    return worst if gains[worst] > 0 else Reason.GOOD


def _rating(
    m: Measured,
    *,
    rtt_ms: float | None = None,
    jitter_ms: float | None = None,
    loss: float | None = None,
) -> float:
    return rating(
        Measured(
            m.rtt_ms if rtt_ms is None else rtt_ms,
            m.jitter_ms if jitter_ms is None else jitter_ms,
            m.loss if loss is None else loss,
            m.codec,
            m.burst_ratio,
            m.beyond_ms,
        )
    )


def one_way_ms(measured: Measured) -> float:
    """From mouth to ear: network, jitter buffer, a packet of the codec, what lies beyond."""
    buffer_ms = max(LEAST_BUFFER_MS, _JITTERS_HELD * measured.jitter_ms)
    codec = CODECS[measured.codec]
    return measured.rtt_ms / 2 + buffer_ms + codec.frame_ms + measured.beyond_ms


def rating(measured: Measured) -> float:
    """The transmission rating R, 0 to 93.2 (G.107, 7.1)."""
    codec = CODECS[measured.codec]
    impaired = _id(one_way_ms(measured)) + ie_eff(
        codec.ie, codec.bpl, measured.loss, measured.burst_ratio
    )
    return max(0.0, _RO - _IS - impaired)


def mos_of(r: float) -> float:
    """The mean opinion score of R, 1 to 4.5 (G.107, Annex B)."""
    if r >= 100:
        return 4.5
    if r <= 0:
        return 1.0
    # For R below 6.5 the cubic dips under 1, the scale's end.
    return max(1.0, 1 + 0.035 * r + 7e-6 * r * (r - 60) * (100 - r))


def ie_eff(ie: float, bpl: float, loss: float, burst_ratio: float = 1.0) -> float:
    """The effective equipment impairment factor (G.107, 7.5, equation 7-29). `loss` from 0 to 1."""
    ppl = loss * 100
    return ie + (95 - ie) * ppl / (ppl / burst_ratio + bpl)


def delay_impairment(one_way_delay_ms: float) -> float:
    """Idd: that two talk into each other, without any echo (G.107, 7.4, sT = 1, mT = 100)."""
    if one_way_delay_ms <= 100:
        return 0.0
    x = log10(one_way_delay_ms / 100) / log10(2)
    return 25 * (_knee(x, 6) - 3 * _knee(x / 3, 6) + 2)


def _knee(x: float, n: float) -> float:
    """(1 + x^n)^(1/n): the curve that the model bends everything along."""
    return math.pow(1 + math.pow(x, n), 1 / n)


# Defaults of G.107, Table 2, by its own symbols.
_SLR, _RLR, _STMR, _DS, _DR = 8.0, 2.0, 15.0, 3.0, 3.0
_TELR, _WEPL, _QDU = 65.0, 110.0, 1.0
_NC, _NFOR, _PS, _PR = -70.0, -64.0, 35.0, 35.0


def _power(*levels: float) -> float:
    """The sum of levels in dB."""
    return 10 * log10(sum(10 ** (level / 10) for level in levels))


def _noise() -> float:
    """No (7.2)."""
    olr = _SLR + _RLR
    at_sender = _PS - _SLR - _DS - 100 + 0.004 * (_PS - olr - _DS - 14) ** 2
    pre = _PR + 10 * log10(1 + 10 ** ((10 - (_STMR + _DR)) / 10))
    at_receiver = _RLR - 121 + pre + 0.008 * (pre - 35) ** 2
    return _power(_NC, at_sender, at_receiver, _NFOR + _RLR)


def _simultaneous(ro: float, no: float) -> float:
    """Is (7.3). Side tone as without echo: with TELR of 65 dB the echo adds less than 0.01."""
    olr = _SLR + _RLR
    x = olr + 0.2 * (64 + no - _RLR)
    loud = 20 * (_knee(x / 8, 8) - x / 8)
    side = (
        12 * _knee((_STMR - 13) / 6, 8)
        - 28 * _knee((_STMR + 1) / 19.4, 35)
        - 13 * _knee((_STMR - 3) / 33, 13)
        + 29
    )
    q = 37 - 15 * log10(_QDU)
    g = 1.07 + 0.258 * q + 0.0602 * q**2
    y = (ro - 100) / 15 + 46 / 8.4 - g / 9
    z = 46 / 30 - g / 40
    return loud + side + 15 * log10(1 + 10**y + 10**z)


_NO = _noise()
_RO = 15 - 1.5 * (_SLR + _NO)
_IS = _simultaneous(_RO, _NO)


def _id(one_way_delay_ms: float) -> float:
    """Id (7.4): echo to the talker and to the listener, and the delay itself."""
    t = one_way_delay_ms
    terv = _TELR - 40 * log10((1 + t / 10) / (1 + t / 150)) + 6 * exp(-0.3 * t**2)
    roe, re = -1.5 * (_NO - _RLR), 80 + 2.5 * (terv - 14)
    talker = ((roe - re) / 2 + sqrt((roe - re) ** 2 / 4 + 100) - 1) * (1 - exp(-t))
    rle = 10.5 * (_WEPL + 7) * math.pow(2 * t + 1, -0.25)
    listener = (_RO - rle) / 2 + sqrt((_RO - rle) ** 2 / 4 + 169)
    return talker + listener + delay_impairment(t)
