"""What a torture run is made of, drawn from its seed: calls, and blows meanwhile. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random

SETTLE_S = 3.0  # after the first call, before the first blow
SPACE_S = (2.5, 5.5)  # between blows


class Manner(StrEnum):
    """How a callee behaves; each manner is a carrier with a SIPp scenario of that name."""

    ANSWERS = "answers"
    LEAVES = "leaves"
    SILENT = "silent"
    BUSY = "busy"
    AWAY = "away"


class What(StrEnum):
    """What is killed (SIGKILL) or cut off."""

    CONTROLLER = "controller"
    INGEST = "ingest"
    DELIVER = "deliver"
    API = "api"
    ASTERISK = "asterisk"
    POSTGRES = "postgres"
    POSTGRES_HANGS = "postgres hangs"  # stopped, and let go on
    RECEIVER = "receiver"
    DISK = "disk full"


@dataclass(frozen=True)
class Blow:
    """`what` is gone, or does not work, for `for_s` seconds."""

    at_s: float
    what: What
    for_s: float

    def __str__(self) -> str:
        return f"{self.at_s:6.1f} s  {self.what} for {self.for_s:.1f} s"


@dataclass(frozen=True)
class Dialled:
    """One call that is to be placed."""

    caller: str  # E.164
    callee: str
    manner: Manner
    talk_ms: int  # of a caller who waits
    patient: bool


def calls(seed: int, count: int) -> tuple[Dialled, ...]:
    """`count` calls between people who call once each."""
    random = Random(f"calls {seed}")
    manners = [*Manner]
    weights = (8, 3, 3, 2, 2)
    found = []
    for n in range(count):
        manner = random.choices(manners, weights)[0]
        talk_ms = random.randrange(600, 5000)
        patient = manner is not Manner.SILENT
        found.append(Dialled(f"+7916{n:07d}", f"+7926{n:07d}", manner, talk_ms, patient))
    return tuple(found)


def blows(seed: int, length_s: float, kinds: tuple[What, ...] = tuple(What)) -> Iterator[Blow]:
    """Blows for a run of `length_s` seconds, each kind once before any comes again."""
    random = Random(f"blows {seed}")
    at_s = SETTLE_S
    while True:
        round_of = list(kinds)
        random.shuffle(round_of)
        for what in round_of:
            if at_s > length_s:
                return
            yield Blow(at_s, what, random.uniform(0.3, 3.0))
            at_s += random.uniform(*SPACE_S)
