"""Maskline as several processes on one PostgreSQL, with carriers and a platform, to be struck."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.maskline import (
    Maskline,
    Session,
    carrier_host,
    free_tcp_port,
    session_body,
)
from tests.support.postgres import PostgresServer
from tests.support.small_disk import fill
from tests.support.torture.callers import PORT
from tests.support.torture.parts import Part, hold
from tests.support.torture.plan import Blow, Dialled, Manner, What

ROLES = (What.API, What.CONTROLLER, What.INGEST, What.DELIVER)
CALLERS = ("patient", "impatient")
_AT_ONCE = 500  # numbers in one request


@dataclass
class Stage:
    """Everything there is. `strike` is how it suffers."""

    maskline: Maskline
    postgres: PostgresServer
    parts: dict[What, Part]
    hosts: dict[str, str]  # of callers and manners
    received: Path  # a line of JSON for each webhook that came
    receiver_url: str
    disk: Path | None  # that of the event file, where it is a small one
    struck: list[What] = field(default_factory=list)

    @property
    def kinds(self) -> tuple[What, ...]:
        """The blows that can fall here."""
        return tuple(what for what in What if what is not What.DISK or self.disk is not None)

    async def strike(self, blow: Blow) -> None:
        """Let it fall, and return when it is over."""
        match blow.what:
            case What.ASTERISK:
                pid = self.maskline.asterisk_pid
                if pid is not None:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            case What.POSTGRES:
                await asyncio.to_thread(self.postgres.kill_9)
                await asyncio.sleep(blow.for_s)
                await asyncio.to_thread(self.postgres.start)
            case What.POSTGRES_HANGS:
                await hold(self.postgres.pid, blow.for_s)
            case What.DISK:
                assert self.disk is not None
                filler = await asyncio.to_thread(fill, self.disk)
                await asyncio.sleep(blow.for_s)
                filler.unlink()
            case _:
                await self.parts[blow.what].strike(blow.for_s)
        self.struck.append(blow.what)

    async def furnish(self, calls: tuple[Dialled, ...]) -> dict[str, Session]:
        """Trunks, numbers enough for each side to have one of its own, sessions by caller."""
        ask = self.maskline.ask
        for name in CALLERS:
            await self.maskline.add_trunk(
                name, self.hosts[name], PORT, outbound=False, max_channels=9000, max_cps=900
            )
        sessions = {}
        for place, manner in enumerate(Manner):
            await self.maskline.add_trunk(
                manner, self.hosts[manner], PORT, inbound=False, max_channels=9000, max_cps=900
            )
            await ask("PUT", f"/v1/pools/{manner}", {"language": "en"})
            mine = [one for one in calls if one.manner is manner]
            numbers = [f"+7495{place}{n:06d}" for n in range(2 * len(mine))]
            for first in range(0, len(numbers), _AT_ONCE):
                some = numbers[first : first + _AT_ONCE]
                await self.maskline.add_numbers(manner, *some, pool=manner)
            async with self.maskline.api() as api:
                for n, one in enumerate(mine):
                    body = session_body(one.caller, one.callee, pool=manner)
                    # A number each: a call is known by the one that was dialled.
                    for person, number in zip(body["participants"], numbers[2 * n :], strict=False):
                        person["number"] = number
                    answer = await api.ask("POST", "/v1/sessions", body)
                    sessions[one.caller] = Session.of(answer, one.caller, one.callee)
        hook = {"url": self.receiver_url, "events": ["call.ended", "call.missed"]}
        await ask("POST", "/v1/webhooks", hook)
        return sessions

    async def every(self, path: str) -> list[Any]:
        """All items of a list."""
        async with self.maskline.api() as api:
            return [one async for one in api.every(path)]


@asynccontextmanager
async def a_stage(
    folder: Path, postgres: PostgresServer, disk: Path | None
) -> AsyncIterator[Stage]:
    """A stage in `folder`; `disk`: the event file's folder, if it has a disk of its own."""
    options = {
        "database_url": postgres.url("postgres"),
        "outbound_allow": "127.0.0.0/8",
        "max_calls": "190",
        "log_level": "warning",
    }
    maskline = Maskline(folder / "data", options=options)
    port, received = free_tcp_port(), folder / "received.jsonl"
    parts = {
        role: Part(
            (
                sys.executable,
                "-m",
                "maskline",
                "serve",
                role,
                *maskline.arguments,
                *maskline.addresses,
            ),
            folder / f"stderr-{role}.log",
            maskline.environment,
        )
        for role in ROLES
    }
    receiver = (sys.executable, "-m", "tests.support.receiver", str(port), str(received))
    parts[What.RECEIVER] = Part(receiver, folder / "stderr-receiver.log")
    stage = Stage(
        maskline=maskline,
        postgres=postgres,
        parts=parts,
        hosts={name: carrier_host(PORT) for name in (*CALLERS, *Manner)},
        received=received,
        receiver_url=f"http://127.0.0.1:{port}/hook",
        disk=disk,
    )
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(maskline.kill)
        for part in parts.values():
            await stack.enter_async_context(part)
            await part.ready()
        yield stage
