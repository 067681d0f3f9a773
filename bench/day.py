"""A simulated day of a million calls: `python -m bench.day`.

Dealers have hundreds of live sessions, private sellers two; calls and sessions follow the hours of
the day. The clock is simulated, the choice of numbers and the way of every call are Maskline's own.
Beside it stands a list of who was promised what, which knows nothing of how numbers are chosen.

Fails if a call reached anybody but the promised person, if anybody was reached after the end, or if
the pool was at any moment larger than the least that can do: the most places that any participant
has had to have at once. The pool gets a number more only when somebody is refused, so each of these
is asked at every session. A hundredth of the day is lived on SQLite as well.

Then what the rules cost in numbers (`bench.day_costs`); `--chart FILE` draws it.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import math
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from bench.day_costs import HOURS, chart, costs
from bench.day_keepers import TRUNK, InMemory, Keeper, OnSqlite, number
from masking.errors import PoolExhausted
from masking.lifecycle import SessionDraft
from masking.load import TrunkLoads
from masking.model import Participant, Phone, Pool, Role, Session
from masking.plan import Offer, Plan, RefusalReason
from masking.routing import decide
from storage import migrate

CALLS = 1_000_000
SESSIONS = 400_000  # opened in a day
TTL = timedelta(days=1)
COOL_DOWN = timedelta(hours=12)
DEALER_SHARE = 0.3  # of sessions
DEALER_LIVE = (100, 200, 400, 800)  # sessions at once, of four kinds of dealers
SAMPLE = 100  # one in so many is lived on SQLite
_MORNING: Final = datetime(2026, 11, 2, tzinfo=UTC)
_DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class Promise:
    """Whoever calls `number` from `phone` reaches `other` until then."""

    session: str
    number: Phone
    phone: Phone
    other: Phone
    live_until: datetime
    bound_until: datetime


@dataclass(slots=True)
class Promises:
    """What was promised, and what is the least number of numbers that can keep it."""

    cool_down: timedelta
    least: int = 0
    _by_place: dict[tuple[Phone, Phone], Promise] = field(default_factory=dict)
    _bound: Counter[Phone] = field(default_factory=Counter)
    _ends: list[tuple[datetime, Phone, Phone, str]] = field(default_factory=list)

    def opened(self, session: Session, now: datetime) -> None:
        self._forget(now)
        for me, you in (session.participants, session.participants[::-1]):
            lease = session.lease(me.role)
            assert lease is not None
            assert me.phone is not None
            assert you.phone is not None
            place = (lease.number.e164, me.phone)
            if place in self._by_place:
                raise SystemExit("WRONG: one place was given to two sessions")
            ends = session.expires_at + self.cool_down
            self._keep(Promise(session.id, *place, you.phone, session.expires_at, ends))
            self._bound[me.phone] += 1
            self.least = max(self.least, self._bound[me.phone])

    def closed(self, session: Session, now: datetime) -> None:
        for lease in session.leases:
            phone = session.participant(lease.role).phone
            assert phone is not None
            before = self._by_place[lease.number.e164, phone]
            self._keep(
                Promise(
                    before.session, before.number, phone, before.other, now, now + self.cool_down
                )
            )

    def of(self, dialled: Phone, caller: Phone, now: datetime) -> Promise | None:
        self._forget(now)
        return self._by_place.get((dialled, caller))

    def _keep(self, one: Promise) -> None:
        self._by_place[one.number, one.phone] = one
        heapq.heappush(self._ends, (one.bound_until, one.number, one.phone, one.session))

    def _forget(self, now: datetime) -> None:
        while self._ends and self._ends[0][0] <= now:
            at, dialled, phone, session = heapq.heappop(self._ends)
            one = self._by_place.get((dialled, phone))
            if one is not None and (one.session, one.bound_until) == (session, at):
                del self._by_place[dialled, phone]
                self._bound[phone] -= 1


@dataclass(slots=True)
class Told:
    """What became of a day."""

    opened: int = 0
    closed: int = 0
    reached: int = 0
    late: int = 0
    strangers: int = 0
    peak_per_s: int = 0
    numbers: int = 0


class Day:
    """A day, with as much of the night before as it needs to begin with."""

    def __init__(self, keeper: Keeper, cool_down: timedelta, part: int, seed: int) -> None:
        self._keeper = keeper
        self._promises = Promises(cool_down)
        self._rng = random.Random(seed)
        self._part = part
        self._live: list[Session] = []
        self._ended: list[Session] = []
        self._loads = TrunkLoads()
        self._people = 0
        self.told = Told()

    def live_through(self, before: timedelta) -> Told:
        """Sessions alone for the time `before`, so that the day begins as any other; then it."""
        first = -int(before.total_seconds())
        for second in range(first, _DAY_S):
            share = HOURS[second // 3600 % 24] / sum(HOURS) * 24 / _DAY_S / self._part
            now = _MORNING + timedelta(seconds=second)
            for _ in range(self._drawn(SESSIONS * share)):
                self._open(now)
            for _ in range(self._drawn(SESSIONS * share * 0.15)):
                self._close(now)
            calls = self._drawn(CALLS * share) if second >= 0 else 0
            self.told.peak_per_s = max(self.told.peak_per_s, calls)
            for _ in range(calls):
                self._call(now)
        return self.told

    def _drawn(self, mean: float) -> int:
        """A Poisson number."""
        limit, product, count = math.exp(-mean), self._rng.random(), 0
        while product > limit:
            product *= self._rng.random()
            count += 1
        return count

    def _seller(self) -> Participant:
        rng = self._rng
        if rng.random() < DEALER_SHARE:
            # As many dealers of each kind as make equal shares of the sessions.
            kind = rng.randrange(len(DEALER_LIVE))
            per_kind = SESSIONS * DEALER_SHARE / len(DEALER_LIVE) / self._part
            n = rng.randrange(max(1, round(per_kind / DEALER_LIVE[kind])))
            return Participant(Role.SELLER, f"d-{kind}-{n}", Phone(f"+790{kind}1{n:06}"))
        n = rng.randrange(round(SESSIONS * (1 - DEALER_SHARE) / 2 / self._part))
        return Participant(Role.SELLER, f"s-{n}", Phone(f"+7905{n:07}"))

    def _open(self, now: datetime) -> None:
        n = self._rng.randrange(SESSIONS // self._part)
        buyer = Participant(Role.BUYER, f"b-{n}", Phone(f"+7916{n:07}"))
        draft = SessionDraft(f"chat-{n}", (buyer, self._seller()), "default", TTL)
        session = self._opened(draft, now)
        self._promises.opened(session, now)
        if self.told.numbers != self._promises.least:
            raise SystemExit(
                f"WRONG: {self.told.numbers} numbers at {now}, and {self._promises.least} can do"
            )
        self._live.append(session)
        self.told.opened += 1

    def _opened(self, draft: SessionDraft, now: datetime) -> Session:
        """Opened in a pool that gets a number more for as long as somebody is refused."""
        while True:
            try:
                return self._keeper.open(draft, now)
            except PoolExhausted:
                self._keeper.grow(now)
                self.told.numbers += 1

    def _close(self, now: datetime) -> None:
        session = self._pick(now)
        if session is not None:
            self._keeper.close(session.id, now)
            self._promises.closed(session, now)
            self._ended.append(self._live.pop())
            self.told.closed += 1

    def _pick(self, now: datetime) -> Session | None:
        """Somebody's live session, left at the end of the list."""
        live = self._live
        while live:
            n = self._rng.randrange(len(live))
            live[n], live[-1] = live[-1], live[n]
            if now < live[-1].expires_at:
                return live[-1]
            self._ended.append(live.pop())
        return None

    def _call(self, now: datetime) -> None:
        draw = self._rng.random()
        if draw < 0.01:
            dialled = number(self._rng.randrange(1, max(2, self.told.numbers + 1)))
            self._people += 1
            self._judge(dialled, Phone(f"+7999{self._people:07}"), now)
            return
        session = self._ended_lately() if draw < 0.04 else self._pick(now)
        if session is not None:
            me = session.participants[self._rng.random() < 0.4]
            lease = session.lease(me.role)
            assert lease is not None
            assert me.phone is not None
            self._judge(lease.number.e164, me.phone, now)

    def _ended_lately(self) -> Session | None:
        recent = self._ended[-5_000:]
        return self._rng.choice(recent) if recent else None

    def _judge(self, dialled: Phone, caller: Phone, now: datetime) -> None:
        offer = Offer("cal_1", "n1", "PJSIP/x", TRUNK.name, dialled, caller, now)
        facts = self._keeper.facts(dialled, caller, now)
        decision = decide(offer, facts, self._loads, now)
        promise = self._promises.of(dialled, caller, now)
        if isinstance(decision, Plan):
            rung = {step.dial for attempt in decision.attempts for step in attempt.steps}
            if promise is None or now >= promise.live_until or rung != {promise.other}:
                raise SystemExit("WRONG: somebody was rung who was not promised")
            self.told.reached += 1
        elif promise is None:
            self.told.strangers += 1
        elif now < promise.live_until:
            raise SystemExit(f"WRONG: {decision} instead of the one who was promised")
        else:
            if getattr(decision, "reason", None) is not RefusalReason.COOLING:
                raise SystemExit(f"WRONG: a late caller got {decision}")
            self.told.late += 1


def the_day(part: int) -> None:
    """All of it in memory, and a part on SQLite."""
    pool = Pool("default", cool_down=COOL_DOWN)
    begun = time.monotonic()
    show("In memory", Day(InMemory(pool), COOL_DOWN, part, 1).live_through(TTL + COOL_DOWN), begun)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="maskline-bench-day-") as folder:
        path = Path(folder) / "day.db"
        asyncio.run(migrate(f"sqlite:///{path}"))
        with OnSqlite.at(path, pool, _MORNING - 2 * TTL) as keeper:
            told = Day(keeper, COOL_DOWN, part * SAMPLE, 2).live_through(TTL + COOL_DOWN)
        show(f"On SQLite, one in {SAMPLE}", told, begun)


def show(name: str, told: Told, begun: float) -> None:
    calls = told.reached + told.late + told.strangers
    print(
        f"{name}: {calls:,} calls (at most {told.peak_per_s} a second), {told.opened:,} sessions"
        f" opened, {told.closed:,} closed; {told.reached:,} reached the promised person,"
        f" {told.late:,} late and {told.strangers:,} unknown callers nobody.\n"
        f"  {told.numbers} numbers, at every moment the least that can do."
        f" ({time.monotonic() - begun:.0f} s)",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.day", description=__doc__)
    parser.add_argument("--part", type=int, default=1, help="live one in so many of the day")
    parser.add_argument("--chart", type=Path, help="draw what the rules cost")
    chosen = parser.parse_args()
    the_day(chosen.part)
    found = costs()
    if chosen.chart is not None:
        chosen.chart.write_text(chart(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
