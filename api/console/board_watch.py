"""The board's one computation: what is going on, once a second, for all who look.

It begins with the process, so that alarms know since when. It only reads, and a database that is
away makes figures old, never wrong: a snapshot says what it could not find out.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from sqlalchemy import Connection

from api.calls_up import CallsUp
from api.console import alarms, readings
from api.console.alarm_book import AlarmBook
from api.console.alarms import Alarm, Key
from api.console.board_ended import Ended
from api.console.board_latest import Latest
from api.console.board_pools import Pool, Sizes
from api.console.board_window import MINUTE_MS, MINUTES, Place, Sums, Window
from api.console.readings import Readings, Way
from api.console.texts import Texts
from api.health import check_all
from api.services import Health, Services
from cdr import analytics as counting
from cdr.ledger import public_name
from storage import analytics_reports, deliveries, rotation
from storage.alarms import Kept
from storage.analytics import hour_of
from storage.analytics_reports import Span, TooManyRows, TrafficBy
from storage.columns import to_ms
from storage.errors import StorageError

_log = logging.getLogger("maskline.console")

EVERY_S: Final = 1.0
IDLE_S: Final = 5.0  # while nobody looks: for alarms that is often enough
PARTS_EVERY: Final = timedelta(seconds=5)  # probes, what is owed
USUAL_EVERY_S: Final = 300.0
READING_EVERY_S: Final = 0.5  # while the hour before is still being read
FAILED_WITHIN: Final = timedelta(minutes=15)
JUDGED_MINUTES: Final = 15  # of a trunk's ASR
LINE_STEP: Final = 5  # minutes, of a trunk's line
USUAL_DAYS: Final = 7
MOST_CALLS_KNOWN: Final = 1_000_000  # beyond any hour that it is built for
_RATE_MS: Final = MINUTE_MS  # over which the set-up rate is taken


@dataclass(frozen=True, slots=True)
class Row:
    """What went over a trunk, or a node, in one direction within the hour."""

    name: str  # "" for apps
    direction: str  # in, out
    sums: Sums
    line: tuple[float | None, ...]  # ASR of each LINE_STEP minutes
    usual: float | None = None  # ASR of the week before
    answers: bool | None = None  # OPTIONS; None: not asked, or not known


@dataclass(frozen=True, slots=True)
class Owed:
    """Notices that wait for the platform."""

    waiting: int
    dead: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The board at one moment. Nothing in it is of a person."""

    version: int
    at: datetime
    calls: Mapping[str, int] | None  # by state; None: the nodes are in other processes
    calls_line: tuple[int | None, ...]  # the most in each minute; None: not known
    setups_a_s: float  # over the last minute
    setups_line: tuple[int, ...]  # a minute
    whole: Sums  # of calls that came
    asr_line: tuple[float | None, ...]  # of each LINE_STEP minutes
    mos_line: tuple[float | None, ...]
    mos: float | None  # of all legs
    trunks: tuple[Row, ...]
    nodes: tuple[Row, ...]
    pools: tuple[Pool, ...] | None  # None: not read yet
    owed: Owed | None
    parts: Mapping[str, Health]
    alarms: tuple[Alarm, ...]
    kept: Mapping[Key, Kept]  # of those that are up what is kept of them
    past: tuple[Kept, ...]  # the last that are over
    reading: bool  # the hour before is still being read
    stale: bool  # the database did not answer


class Watch:
    """One process's board. `begin` and `close` it once."""

    def __init__(self, services: Services, texts: Mapping[str, Texts], calls_up: CallsUp) -> None:
        """`texts`: in which the platform is told. Raises ValueError if a rule cannot be."""
        self._services = services
        self._calls_up = calls_up
        self._rules = alarms.rules_with(services.settings.alarms)
        self.book = AlarmBook(services.db, services.entropy, texts)
        now = services.clock()
        self._window = Window(_minute(now))
        self._latest_of: Latest[Way] = Latest()
        self._ended = Ended(services.db, self._window, self._latest_of, self._offer)
        self._offered: dict[str, int] = {}  # call -> when it was offered, of the last hour
        self._failed: deque[tuple[datetime, float]] = deque()  # recordings that failed in all
        self._usual: Mapping[Way, Sums] = {}
        self._pools: tuple[Pool, ...] | None = None
        self._sizes = Sizes()
        self._owed: Owed | None = None
        self._parts: Mapping[str, Health] = {}
        self._heard: Mapping[str, float] = {}
        self._slow: Readings = {}
        self._looked_at: datetime | None = None
        self._usual_s = float("-inf")
        self._known: dict[Key, Alarm] = {}
        self._stale = True
        self._latest: Snapshot | None = None
        self._made_s = float("-inf")
        self.viewers: Counter[str] = Counter()
        """How many streams each account has open."""
        self.made: dict[tuple[int, str, str], object] = {}
        """What was made of the latest snapshot, by version, language and zone; for its maker."""
        self._fresh = asyncio.Event()
        self._nudge = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Watch from now on. The first look is a moment later, or as soon as somebody asks."""
        self._task = asyncio.create_task(self._run(), name="the board")

    async def close(self) -> None:
        """Look no more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def newer(self, than: int = -1) -> Snapshot:
        """A snapshot that is newer than that version; waits for it."""
        if self._latest is None or than < 0:
            self._nudge.set()
        while self._latest is None or self._latest.version <= than:
            await self._fresh.wait()
        return self._latest

    async def latest(self) -> Snapshot:
        """One that is not old, though nobody looked before."""
        old_s = asyncio.get_running_loop().time() - self._made_s
        known = self._latest
        if known is None or old_s < 2 * EVERY_S:
            return await self.newer()
        self._nudge.set()
        return await self.newer(known.version)

    async def look(self) -> Snapshot:
        """Look once, and tell all who wait."""
        now = self._services.clock()
        self._window.move(_minute(now))
        try:
            await self._ended.follow(now)
            await self._look_around(now)
            self._stale = False
        except StorageError as error:
            if not self._stale:
                _log.warning("the board is not up to date: %s", error.error_id)
            self._stale = True
            self._slow = {}  # what was wrong when it was last read says nothing of now
        live = await self._count_live(now)
        await self._judge(now)
        self._latest = self._snapshot(now, live)
        self._made_s = asyncio.get_running_loop().time()
        self.made = {}
        fresh, self._fresh = self._fresh, asyncio.Event()
        fresh.set()
        return self._latest

    async def _judge(self, now: datetime) -> None:
        """Step all alarms, and keep what that came to where there is a database."""
        found = self._readings(now)
        self._known = alarms.step(self._known, found, now, self._rules)
        try:
            self._known = await self.book.keep(self._known, found.keys(), now)
        except StorageError:
            self._stale = True  # it is kept once the database answers

    async def _run(self) -> None:
        await self._nudged(EVERY_S)
        loop = asyncio.get_running_loop()
        while True:
            begun = loop.time()
            try:
                await self.look()
            except Exception:  # noqa: BLE001 (the next look may do better, and nobody else would tell)
                _log.exception("the board could not be made")
            pause_s = READING_EVERY_S if self._ended.reading and not self._stale else EVERY_S
            self._nudge.clear()
            await asyncio.sleep(max(0.05, pause_s - (loop.time() - begun)))
            if not self.viewers and not self._ended.reading:
                await self._nudged(IDLE_S - EVERY_S)

    async def _nudged(self, at_most_s: float) -> None:
        """Somebody wants to know, or so long has passed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(at_most_s):
                await self._nudge.wait()

    # -- what is read -----------------------------------------------------------------------------

    async def _look_around(self, now: datetime) -> None:
        services, now_s = self._services, asyncio.get_running_loop().time()
        if now_s - self._usual_s >= USUAL_EVERY_S:
            self._usual_s = now_s
            with contextlib.suppress(TooManyRows):
                self._usual = await services.db.read(partial(_usual, now=now))
        # By the clock of alarms: what was wrong once must not look as if it had lasted.
        if self._looked_at is None or abs(now - self._looked_at) >= PARTS_EVERY:
            self._looked_at = now
            self._pools = await self._sizes.pools(services.db, now_s)
            self._parts = await check_all(services)
            self._owed = await self._owed_now(now)
            self._heard = await services.db.read(partial(rotation.unheard_s, now=now))
            self._slow = self._slow_readings(now)

    async def _owed_now(self, now: datetime) -> Owed:
        """What waits for the platform; the probe of whoever delivers has counted it already."""
        told = self._parts["deliver"].gauges if "deliver" in self._parts else {}
        names = ("deliveries_pending", "deliveries_dead", "deliveries_oldest_seconds")
        if all(name in told for name in names):
            waiting, dead, oldest_s = (told[name] for name in names)
            return Owed(round(waiting), round(dead), oldest_s)
        return Owed(*await self._services.db.read(partial(deliveries.counts, now=now)))

    # -- what is made of it -----------------------------------------------------------------------

    def _slow_readings(self, now: datetime) -> Readings:
        found = readings.parts(self._parts)
        pools = self._pools or ()
        low = {one.gauge.pool: one.low_percent for one in pools}
        found |= readings.pools([one.gauge for one in pools], low, self._rules)
        found |= readings.away(self._heard)
        if self._owed is not None:
            found |= readings.deliveries(self._owed.oldest_s, self._owed.waiting)
        failed = self._parts.get("recordings", Health(ok=True)).gauges.get(
            "recordings_failed_total"
        )
        if failed is not None:
            self._failed.append((now, failed))
            while now - self._failed[0][0] > FAILED_WITHIN:
                self._failed.popleft()
            found |= readings.recordings(failed - self._failed[0][1])
        return found

    def _readings(self, now: datetime) -> Readings:
        judged = self._window.split(_way, JUDGED_MINUTES)
        found = {**self._slow, **readings.asr(judged, self._usual)}
        found |= readings.failing(self._latest_of.of(to_ms(now)))
        return found | readings.silence(self._services.trunk_answers())

    def _offer(self, call_id: str, at_ms: int) -> None:
        """Count the call's offer, once."""
        if call_id not in self._offered and len(self._offered) < MOST_CALLS_KNOWN:
            self._offered[call_id] = at_ms
            self._window.add_offer(at_ms // MINUTE_MS)

    async def _count_live(self, now: datetime) -> Mapping[str, int] | None:
        """Calls that are up, by state; None where no node is heard of."""
        try:
            live = await self._calls_up.now(now)
        except StorageError:
            self._stale = True
            return None
        for call_id, at_ms in live.offers:
            self._offer(call_id, at_ms)
        oldest = to_ms(now) - MINUTES * MINUTE_MS
        if len(self._offered) > 1.25 * sum(self._window.offers()) + 1_000:
            self._offered = {call: at for call, at in self._offered.items() if at > oldest}
        return live.states

    def _snapshot(self, now: datetime, live: Mapping[str, int] | None) -> Snapshot:
        before = self._latest
        line = deque([None] * MINUTES if before is None else before.calls_line, MINUTES)
        passed = 0 if before is None else _minute(now) - _minute(before.at)
        line.extend([None] * min(max(0, passed), MINUTES))
        if live is not None:
            line[-1] = max(line[-1] or 0, sum(live.values()))
        ways, trunk_lines = self._window.split(_way), self._window.lines(_way, LINE_STEP)
        nodes, node_lines = self._window.split(_node), self._window.lines(_node, LINE_STEP)
        whole = self._window.split(_direction)
        whole_lines = self._window.lines(_direction, LINE_STEP)
        legs = self._window.lines(lambda _: "", LINE_STEP).get("", [])
        answers = self._services.trunk_answers()
        since = to_ms(now) - _RATE_MS
        recent_offers = sum(at > since for at in self._offered.values())
        return Snapshot(
            version=0 if before is None else before.version + 1,
            at=now,
            calls=live,
            calls_line=tuple(line),
            setups_a_s=recent_offers * 1000 / _RATE_MS,
            setups_line=tuple(self._window.offers()),
            whole=whole.get(counting.IN, Sums()),
            asr_line=tuple(one.asr for one in whole_lines.get(counting.IN, [])),
            mos_line=tuple(one.mos for one in legs),
            mos=self._window.split(lambda _: "").get("", Sums()).mos,
            trunks=tuple(
                Row(
                    *way,
                    sums,
                    tuple(one.asr for one in trunk_lines[way]),
                    usual=self._usual.get(way, Sums()).asr,
                    answers=answers.get(way[0]),
                )
                for way, sums in sorted(ways.items())
            ),
            nodes=tuple(
                Row(*node, sums, tuple(one.asr for one in node_lines[node]))
                for node, sums in sorted(nodes.items())
            ),
            pools=self._pools,
            owed=self._owed,
            parts=self._parts,
            alarms=alarms.raised(self._known),
            kept=self.book.book.up,
            past=self.book.book.past,
            reading=self._ended.reading,
            stale=self._stale,
        )


def _usual(conn: Connection, now: datetime) -> dict[Way, Sums]:
    """What each trunk did in the week before this hour and the last."""
    end = hour_of(now) - 1
    span = Span(end - USUAL_DAYS * 24, end)
    rows = analytics_reports.traffic_of(conn, span, [TrafficBy.TRUNK])
    return {(row.key[0], row.direction): Sums(**row.sums) for row in rows}


def _minute(at: datetime) -> int:
    return to_ms(at) // MINUTE_MS


def _way(place: Place) -> Way:
    return place.trunk, place.direction


def _node(place: Place) -> tuple[str, str]:
    return public_name(place.node), place.direction


def _direction(place: Place) -> str:
    return place.direction
