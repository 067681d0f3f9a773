"""A call's SIP as a ladder: parties side by side, messages between them in their order.

Reckons places and words; draws nothing, opens nothing. Whatever comes in here has people's phones
in it, and whatever goes out has none (`masking.sip_text`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from masking.plan import Channel
from masking.sip_text import Piece, pieces
from storage.sip_messages import Said, Talk

__all__ = ["Ladder", "Party", "Rung", "Unheard", "ladder"]

MOST: Final = 400  # messages of a ladder: more are no picture
_GAP_US: Final = 1_000_000  # a silence from which on it is said how long it was
_SETTLED: Final = timedelta(seconds=15)  # after a call its last messages may still be on the way
_CSEQ: Final = re.compile(r"\ncseq[ \t]*:[ \t]*\d+[ \t]+([A-Za-z]{2,16})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Party:
    """A line of the ladder. `trunk`: of a carrier; None and not `node`: an app."""

    x_share: float  # its place, of 100
    node: bool = False
    trunk: str | None = None

    @property
    def x(self) -> str:
        """Its place as SVG has it."""
        return _per_cent(self.x_share)


@dataclass(frozen=True, slots=True)
class Rung:
    """A message. Places in per cent of the picture's width, `gap_px` of room above it."""

    number: int  # from 1
    at: datetime
    since_ms: int  # since the first message
    gap_px: int
    gap_ms: int  # of silence above; 0: not worth saying
    source: Party
    target: Party
    middle: str
    tone: str  # request, good, bad, plain
    title: tuple[Piece, ...]
    text: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Unheard:
    """A leg that was answered and whose end was not heard: who listens had been restarted."""

    party: Party
    since: datetime  # of its last message that was
    until: datetime  # the call's end


@dataclass(frozen=True, slots=True)
class Ladder:
    """All of it, as far as it is shown."""

    parties: tuple[Party, ...]
    rungs: tuple[Rung, ...]
    left_out: int
    unheard: tuple[Unheard, ...] = ()


def ladder(
    talks: Sequence[Talk],
    ours: Callable[[str], bool],
    ended_at: datetime | None = None,
    now: datetime | None = None,
) -> Ladder:
    """The ladder of a call, `ended_at` if it is over. `ours`: whether digits are a proxy number."""
    legs = sorted({talk.leg for talk in talks})
    first = {talk.leg: talk for talk in reversed(talks)}
    step = 100 / (len(legs) + 1)
    # The caller's leg stands left of the node, all others right of it.
    places = [number if number == 0 else number + 1 for number in range(len(legs))]
    parties = {
        leg: Party((place + 0.5) * step, trunk=first[leg].trunk)
        for leg, place in zip(legs, places, strict=True)
    }
    node = Party(1.5 * step, node=True)
    said = [(one.at_us, talk, one) for talk in talks for one in talk.messages]
    said.sort(key=lambda found: found[0])
    rungs: list[Rung] = []
    before_us = said[0][0] if said else 0
    for number, (at_us, talk, one) in enumerate(said[:MOST], start=1):
        party = parties[talk.leg]
        source, target = (node, party) if one.sent else (party, node)
        silent_us = at_us - before_us
        text = pieces(
            one.text,
            ours,
            person=talk.channel is Channel.APP,
            node=talk.ours.rpartition(":")[0].strip("[]"),
        )
        rungs.append(
            Rung(
                number=number,
                at=datetime.fromtimestamp(at_us / 1_000_000, UTC),
                since_ms=round((at_us - said[0][0]) / 1000),
                gap_px=_room(silent_us),
                gap_ms=round(silent_us / 1000) if silent_us >= _GAP_US else 0,
                source=source,
                target=target,
                middle=_per_cent((source.x_share + target.x_share) / 2),
                tone=_tone(one),
                title=_title(one, ours),
                text=tuple(text),
            )
        )
        before_us = at_us
    shown = [parties[leg] for leg in legs]
    shown.insert(1, node)
    unheard: tuple[Unheard, ...] = ()
    if ended_at is not None and now is not None and now - ended_at >= _SETTLED:
        unheard = tuple(_unheard(talks, parties, ended_at))
    return Ladder(tuple(shown), tuple(rungs), max(len(said) - MOST, 0), unheard)


def _unheard(
    talks: Sequence[Talk], parties: Mapping[int, Party], ended_at: datetime
) -> Iterator[Unheard]:
    """A dialog that was confirmed ends with a BYE, whoever says it (RFC 3261, 15)."""
    for leg, party in parties.items():
        said = [one for talk in talks if talk.leg == leg for one in talk.messages]
        asked = [(one.text[:11], found[1].upper()) for one in said if (found := _cseq(one))]
        answered = any(
            first.startswith("SIP/2.0 2") and method == "INVITE" for first, method in asked
        )
        if answered and not any(method == "BYE" for _, method in asked):
            since = datetime.fromtimestamp(max(one.at_us for one in said) / 1_000_000, UTC)
            yield Unheard(party, since, max(since, ended_at))


def _cseq(one: Said) -> re.Match[str] | None:
    return _CSEQ.search(one.text)


def _room(silent_us: int) -> int:
    """Room for a silence, on a logarithmic scale: a talk of an hour is not a page high."""
    ms = silent_us / 1000
    return 0 if ms < 20 else min(round(5 * math.log2(ms / 10)), 80)


def _tone(one: Said) -> str:
    if not one.text.startswith("SIP/2.0 "):
        return "request"
    status = one.text[8:11]
    if status < "200":
        return "plain"
    return "good" if status < "300" else "bad"


def _title(one: Said, ours: Callable[[str], bool]) -> tuple[Piece, ...]:
    line = one.text.partition("\r\n")[0]
    if not line.startswith("SIP/2.0 "):
        return (Piece(line.partition(" ")[0][:16]),)
    words = line[8:].strip()[:60]
    found = _CSEQ.search(one.text)
    asked = f" ({found[1].upper()})" if found and found[1].upper() != "INVITE" else ""
    return tuple(pieces(words + asked, ours, person=True, node=""))


def _per_cent(share: float) -> str:
    return f"{share:.2f}%"
