"""Calls that are recorded beside the same calls that are not, on the same Asterisk.

`python -m bench.recordings`

In alternating rounds a few calls at once, with tones on both sides. While all of them talk:
Asterisk's CPU a second of talk. For each call, how long after the callee's answer both hear each
other; for a recorded one the announcement is taken off. And in the recording how far the two sides
are apart: both change their tone in the same moment, once a second, so every change stands in both
channels; the offset of the first and of the last change, and what it grew by in between.

Fails if recording costs more than 2.5 times the CPU of talk, if joining takes over 250 ms beside
the announcement, if the sides of the median call drift by more than 40 ms (two packets), those of
any call by more than 100 ms, or if one call has no recording. A side whose packets come 80 ms late
(ours all come from one Python loop, which stalls at times) is written so much later from then on;
at 100 ms Asterisk lets both begin anew (AST_AUDIOHOOK_SYNC_TOLERANCE).
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import wave
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.calls import cpu_s
from maskline.demo import Answer, Call, Carrier, tones
from maskline.demo.g711 import Codec, decode
from telephony.tape import assemble
from tests.support.maskline import Maskline, eventually, sipp_command
from tests.support.tape import Side, Tape

AT_ONCE, ROUNDS, TALK_S = 6, 3, 10.0
CALLER_HZ, CALLEE_HZ = (450, 550), (700, 850)  # in turn, second by second
MOST_CPU, MOST_JOIN_MS, MOST_DRIFT_MS, MOST_EVER_MS = 2.5, 250.0, 40.0, 100.0
PHONES = iter(range(1, 10_000))


@dataclass
class Figures:
    """Of one kind of call."""

    cpu_ms: list[float] = field(default_factory=list)  # of Asterisk, a second of a call's talk
    joined_ms: list[float] = field(default_factory=list)  # from the answer to hearing each other
    first_ms: list[int] = field(default_factory=list)  # how far the sides are apart: first change
    drift_ms: list[int] = field(default_factory=list)  # and what that grew by until the last one
    missing: int = 0


@dataclass(frozen=True)
class Talk:
    """Both ends of a call."""

    session_id: str
    call: Call
    leg: Call


def spool(maskline: Maskline) -> Path:
    """Where Asterisk records."""
    return maskline.data / "node" / "spool" / "recordings"


def first_heard(call: Call, hz: int) -> float:
    """Loop time of the first packet with the tone."""
    assert call.media is not None
    for frame in call.media.frames:
        if frame.payload_type in (Codec.ALAW, Codec.ULAW) and (
            tones.dominant_hz(decode(frame.payload, Codec(frame.payload_type)), hz) == hz
        ):
            return frame.at
    raise AssertionError("they never heard each other")


async def begin(maskline: Maskline, carrier: Carrier, pool: str) -> Talk:
    """A call, until both hear each other."""
    n = next(PHONES)
    session = await maskline.open_session(f"+7916{n:07d}", f"+7926{n:07d}", pool=pool)
    carrier.on_invite(Answer(ring_ms=100, tone_hz=CALLEE_HZ[0]), number=session.seller)
    call = await carrier.call(session.buyer_dials, from_=session.buyer, tone_hz=CALLER_HZ[0])
    leg = await carrier.incoming()
    await asyncio.gather(call.hear(CALLEE_HZ[0], 200, 30), leg.hear(CALLER_HZ[0], 200, 30))
    return Talk(session.id, call, leg)


async def talk(talks: list[Talk]) -> None:
    """All change their tones at the same moment, every second."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for second in range(1, int(TALK_S) + 1):
        await asyncio.sleep(max(0.0, began + second - loop.time()))
        for one in talks:
            assert one.call.media is not None
            assert one.leg.media is not None
            one.call.media.tone_hz = CALLER_HZ[second % 2]
            one.leg.media.tone_hz = CALLEE_HZ[second % 2]


def keep(maskline: Maskline, folder: Path, known: set[str]) -> None:
    """A second name for what is being written: it is removed once it is compressed."""
    for path in spool(maskline).glob("*.raw"):
        if path.name not in known:
            known.add(path.name)
            os.link(path, folder / path.name)


def changes(side: Side, pair: tuple[int, int]) -> list[int]:
    """When the tone changed, in milliseconds."""
    found: list[int] = []
    last = pair[0]
    for at, hz in side.heard():
        if hz in pair and hz != last:
            found.append(at)
            last = hz
    return found


def drift(tape: Tape) -> tuple[int, int]:
    """How far the right side is behind at the first change, and how much further at the last."""
    left, right = changes(tape.left, CALLER_HZ), changes(tape.right, CALLEE_HZ)
    apart = [two - one for one, two in zip(left, right, strict=False)]
    assert len(apart) >= int(TALK_S) - 1, (left, right)
    return apart[0], apart[-1] - apart[0]


async def round_of(
    maskline: Maskline, carrier: Carrier, pool: str, figures: Figures, folder: Path
) -> None:
    """A few calls at once."""
    asterisk, recorded, known = maskline.asterisk_pid, pool == "recorded", set[str]()
    assert asterisk is not None
    known.update(path.name for path in spool(maskline).glob("*.raw"))
    talks = [await begin(maskline, carrier, pool) for _ in range(AT_ONCE)]
    keep(maskline, folder, known)
    began = cpu_s(asterisk)
    await talk(talks)
    figures.cpu_ms.append(1000 * (cpu_s(asterisk) - began) / (AT_ONCE * TALK_S))
    for one in talks:
        await one.call.hang_up()
        await one.leg.wait_ended()
        assert one.leg.up_at is not None
        both = max(first_heard(one.call, CALLEE_HZ[0]), first_heard(one.leg, CALLER_HZ[0]))
        figures.joined_ms.append(1000 * (both - one.leg.up_at))
    for one in talks if recorded else ():
        [record] = await eventually(partial(maskline.calls, session_id=one.session_id), bool)
        if record["recording"]["reason"] is not None:
            figures.missing += 1
            continue
        apart, grew = drift(Tape.load(assemble(folder, record["call_id"])))
        figures.first_ms.append(abs(apart))
        figures.drift_ms.append(abs(grew))


def announcement_ms(maskline: Maskline) -> float:
    """How long it is played."""
    path = maskline.data / "prompts" / "sounds" / "ru" / "maskline" / "recorded.wav"
    with wave.open(str(path), "rb") as opened:
        return 1000 * opened.getnframes() / opened.getframerate()


async def main() -> int:
    """Run all and print the table; 1 if a bound is broken."""
    with tempfile.TemporaryDirectory(prefix="maskline-bench-") as text:
        folder = Path(text) / "kept"
        folder.mkdir()
        maskline = Maskline(Path(text) / "data", rtp="20000-29999")
        await maskline.start()
        try:
            async with Carrier(
                "127.0.0.125", 5080, toward=maskline.sip_address, sipp=sipp_command()
            ) as carrier:
                await maskline.add_trunk("carrier", carrier.host, carrier.port, max_cps=200)
                for n, (pool, mode) in enumerate((("plain", "never"), ("recorded", "always"))):
                    rules = {"recording": {"mode": mode}}
                    await maskline.ask("PUT", f"/v1/pools/{pool}", rules)
                    numbers = [f"+7495{n}00000{k}" for k in range(3)]
                    await maskline.add_numbers("carrier", *numbers, pool=pool)
                plain, recorded = Figures(), Figures()
                for _ in range(ROUNDS):
                    await round_of(maskline, carrier, "plain", plain, folder)
                    await round_of(maskline, carrier, "recorded", recorded, folder)
                return report(plain, recorded, announcement_ms(maskline))
        finally:
            await maskline.stop()
            await maskline.kill()


def report(plain: Figures, recorded: Figures, announcement: float) -> int:
    """Print it; 1 if a bound is broken."""
    cpu = [statistics.median(one.cpu_ms) for one in (plain, recorded)]
    joined = [statistics.median(one.joined_ms) for one in (plain, recorded)]
    beside = statistics.median(recorded.joined_ms) - announcement
    drifted, first = statistics.median(recorded.drift_ms), max(recorded.first_ms)
    furthest = max(recorded.drift_ms)
    print(f"{ROUNDS} rounds of {AT_ONCE} calls at once, {TALK_S:.0f} s of talk each; medians")
    print(f"{'':44}{'plain':>10}{'recorded':>10}{'bound':>10}")
    ratio = cpu[1] / cpu[0]
    print(f"{'Asterisk, CPU ms a second of talk':44}{cpu[0]:10.2f}{cpu[1]:10.2f}")
    print(f"{'  of the plain one':44}{'':10}{ratio:10.2f}{MOST_CPU:10.2f}")
    print(f"{'from the answer to hearing each other, ms':44}{joined[0]:10.0f}{joined[1]:10.0f}")
    print(f"{'  beside the announcement of':38}{announcement:6.0f}{'':10}{beside:10.0f}", end="")
    print(f"{MOST_JOIN_MS:10.0f}")
    print(f"{'sides apart at the first change, most, ms':44}{'':10}{first:10d}")
    print(f"{'  and further by the last, ms':44}{'':10}{drifted:10.0f}{MOST_DRIFT_MS:10.0f}")
    print(f"{'  most':44}{'':10}{furthest:10d}{MOST_EVER_MS:10.0f}")
    print(f"calls without a recording: {recorded.missing}")
    good = ratio <= MOST_CPU and beside <= MOST_JOIN_MS and drifted <= MOST_DRIFT_MS
    return int(not good or furthest > MOST_EVER_MS or recorded.missing > 0)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
