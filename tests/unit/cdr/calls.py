"""Event rows of many calls, as Asterisk would write them."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.unit.cdr.scenario import NODE, START

_START_US = int(START.timestamp()) * 1_000_000


def line(at_us: int, name: str, channel: str, linked_id: str, extra: str = "") -> bytes:
    event = name if name in ("ANSWER", "LINKEDID_END", "NODE_START") else "USER_DEFINED"
    said = f"{name};{extra}" if extra else "" if event == name else name
    return (
        f'{{"eventtime":"{at_us // 1_000_000}.{at_us % 1_000_000:06d}","eventenum":"{event}",'
        f'"userdeftype":"{said}","uniqueid":"{channel}","linkedid":"{linked_id}",'
        f'"channame":"PJSIP/t-{channel[-8:]}"}}\n'
    ).encode()


@dataclass(frozen=True)
class Call:
    """One call's rows with their times."""

    linked_id: str
    rows: tuple[tuple[int, bytes], ...]


def call(n: int, *, session_id: str = "ses_1", talk_s: float = 30.0, node: str = NODE) -> Call:
    """The n-th call, answered, missed or busy in turn; offered n tenths of a second after START."""
    begin = _START_US + n * 100_000
    caller = f"{node}-{begin // 1_000_000}.{2 * n}"
    callee = f"{node}-{begin // 1_000_000}.{2 * n + 1}"
    rows: list[tuple[int, bytes]] = []

    def add(at_s: float, name: str, channel: str = caller, extra: str = "") -> None:
        at_us = begin + int(at_s * 1_000_000)
        rows.append((at_us, line(at_us, name, channel, caller, extra)))

    add(0, "OFFER", extra="trunk=carrier-a;called=+74951110001")
    add(
        0.012,
        "PLAN",
        extra=f"session={session_id};caller=buyer;callee=seller;"
        "in=+74951110001;out=+74951110002;lang=ru",
    )
    add(0.02, "ATTEMPT", extra="n=1;channel=gsm;trunk=carrier-b")
    figures = (
        "codec=alaw;ssrc=982603275;themssrc=3359556752;lp=3;txjitter=0.001250;rxcount=3150;"
        "rxjitter=0.002000;txcount=3148;rlp=0;rtt=0.020500;txmes=88.4;rxmes=91.2"
    )
    match n % 3:
        case 0:
            over = 4.5 + talk_s
            add(4.5, "ANSWER", callee)
            add(4.501, "ANSWER", caller)
            end = f"status=ANSWER;cause=16;sip=200;talk_ms={int(talk_s * 1000)}"
        case 1:
            over = 20.0
            end = "status=NOANSWER;cause=19;sip=180;talk_ms=0"
        case _:
            over = 3.0
            end = "status=BUSY;cause=17;sip=486;talk_ms=0"
    dial_ms = int(over * 1000) - 20
    ring = 1500 if n % 3 < 2 else ""
    add(over, "LEG", callee, f"side=callee;trunk=carrier-b;{figures}")
    add(
        over + 0.001,
        "ATTEMPT_END",
        extra=f"n=1;{end};dial_ms={dial_ms};progress_ms=;ring_ms={ring}",
    )
    add(over + 0.002, "END", extra="by=callee;cause=16")
    add(over + 0.003, "LEG", caller, f"side=caller;trunk=carrier-a;{figures}")
    add(over + 0.004, "LINKEDID_END")
    return Call(caller, tuple(rows))


def interleaved(calls: list[Call]) -> list[bytes]:
    """All rows in order of time."""
    return [row for _, row in sorted(pair for one in calls for pair in one.rows)]


def head(one: Call, count: int) -> bytes:
    """Its first `count` rows."""
    return b"".join(row for _, row in one.rows[:count])


def tail(one: Call, count: int) -> bytes:
    """All but its first `count` rows."""
    return b"".join(row for _, row in one.rows[count:])


def shuffled(calls: list[Call], seed: int) -> list[bytes]:
    """All rows in an order of chance that keeps each call's own."""
    chance = random.Random(seed)
    waiting = [list(one.rows) for one in calls]
    mixed: list[bytes] = []
    while waiting:
        rows = chance.choice(waiting)
        mixed.append(rows.pop(0)[1])
        if not rows:
            waiting.remove(rows)
    return mixed


def node_start(at_us: int, extra: str = "boot=b2") -> bytes:
    return line(at_us, "NODE_START", "", "", extra)


def at_us(offset_s: float) -> int:
    """So many seconds after START."""
    return _START_US + int(offset_s * 1_000_000)
