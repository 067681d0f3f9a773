"""One torture run, from the first call until everything that is owed has arrived."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.maskline import Session, sipp_command
from tests.support.postgres import PostgresServer
from tests.support.torture import plan
from tests.support.torture.account import Account, Kept
from tests.support.torture.callers import Seen, callees, dial
from tests.support.torture.plan import Dialled, Manner
from tests.support.torture.pulse import a_pulse
from tests.support.torture.stage import CALLERS, Stage, a_stage

SETTLE_S = 90.0  # after the last call, until all of it is kept and delivered


@dataclass(frozen=True)
class Run:
    """What is asked for."""

    seed: int
    calls: int
    rate: float  # calls a second


async def torture(
    run: Run,
    folder: Path,
    postgres: PostgresServer,
    disk: Path | None,
    say: Callable[[str], object] = print,
) -> Account:
    """Do it; what was kept beside what was seen."""
    wanted = plan.calls(run.seed, run.calls)
    async with a_pulse() as pulse, a_stage(folder, postgres, disk) as stage:
        sessions = await stage.furnish(wanted)
        sipp = sipp_command()
        hosts = {manner: stage.hosts[manner] for manner in Manner}
        async with callees(sipp, hosts, folder / "callees"):
            length_s = run.calls / run.rate
            calling = asyncio.gather(
                *(_calls(run, wanted, sessions, stage, patient=patient, folder=folder)
                  for patient in (True, False))
            )  # fmt: skip
            blows = tuple(plan.blows(run.seed, length_s, stage.kinds))
            for blow in blows:
                say(str(blow))
            striking = asyncio.gather(*(_strike(stage, blow) for blow in blows))
            try:
                await striking
                seen = {caller: one for group in await calling for caller, one in group.items()}
            finally:
                for work in (striking, calling):
                    work.cancel()
                await asyncio.gather(striking, calling, return_exceptions=True)
        kept = await _settled(stage, sessions, seen)
    return Account(seen, sessions, kept, pulse, stage.struck)


async def _strike(stage: Stage, blow: plan.Blow) -> None:
    await asyncio.sleep(blow.at_s)
    await stage.strike(blow)


async def _calls(
    run: Run,
    wanted: Sequence[Dialled],
    sessions: Mapping[str, Session],
    stage: Stage,
    *,
    patient: bool,
    folder: Path,
) -> Mapping[str, Seen]:
    mine = [one for one in wanted if one.patient is patient]
    if not mine:
        return {}
    rows = [(sessions[one.caller].buyer_dials, one.caller, str(one.talk_ms)) for one in mine]
    scenario = CALLERS[0] if patient else CALLERS[1]
    return await dial(
        sipp_command(),
        scenario,
        rows,
        rate=run.rate * len(mine) / len(wanted),
        host=stage.hosts[scenario],
        target=stage.maskline.sip_address,
        folder=folder / scenario,
    )


async def _settled(stage: Stage, sessions: Mapping[str, Session], seen: Mapping[str, Seen]) -> Kept:
    """All that was kept, once nothing changes any more; at the latest after SETTLE_S."""
    expected = sum(one.anything for one in seen.values())
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SETTLE_S
    last: tuple[int, int] = (-1, -1)
    while True:
        records = await stage.every("/v1/calls")
        webhooks = Kept.webhooks_of(stage.received)
        now = (len(records), len({one["id"] for one in webhooks}))
        if (now[0] >= expected and now == last) or loop.time() > deadline:
            break
        last = now
        await asyncio.sleep(3)
    async with stage.maskline.api() as api:
        history, logs = {}, {}
        for session in sessions.values():
            path = f"/v1/conversations/{session.conversation_id}/history"
            history[session.conversation_id] = (await api.ask("GET", path))["items"]
            path = f"/v1/users/{session.seller_id}/call-log"
            logs[session.seller_id] = (await api.ask("GET", path))["items"]
    return Kept(records, history, logs, webhooks)
