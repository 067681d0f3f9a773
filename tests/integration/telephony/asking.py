"""A node that asks its callers: with the database, all rules, prompts, and a carrier to call by."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, update

from cdr.events import parse
from cdr.fold import Stray, Unfinished, fold
from cdr.model import CallRecord
from masking.model import Language, Phone, Pool, Role, Session
from masking.rules import HookRules, PinRules, PoolRules, PoolSecrets, Stranger, StrangerRules
from masking.trunks import Trunk
from maskline.demo import Call, CallSpec, Carrier, Sound
from maskline.hook import SILENT, Asking, HookAnswer
from maskline.prompts import Prompts
from storage import Database, numbers, sessions
from storage.pool_rules import keep_secrets
from storage.schema import leases
from storage.vault import Vault
from telephony.controller import Controller
from telephony.node import Node
from tests.integration.telephony.conftest import CALLER_HOST, Bench, until
from tests.support.storage import a_draft, a_person

TRUNK = Trunk("carrier-a", CALLER_HOST, port=5080, options_interval_s=0)
NUMBER = Phone("+74951110001")
DESK = Phone("+74957654321")
CALLEES = 700  # Hz
PIN = "415926"
PINS = StrangerRules(Stranger.PIN, Stranger.PIN, pin=PinRules(lock_out=timedelta(minutes=15)))


@dataclass
class Platform:
    """Answers as it is told."""

    answer: HookAnswer = SILENT
    asked: list[Asking] = field(default_factory=list)

    async def ask(self, rules: HookRules, secret: str | None, asking: Asking) -> HookAnswer:
        self.asked.append(asking)
        return self.answer


@dataclass
class World:
    """A node with its controller, a database, a carrier with everybody's phones."""

    bench: Bench
    node: Node
    db: Database
    vault: Vault
    carrier: Carrier
    prompts: Prompts
    platform: Platform
    controller: Controller
    people: int = 0
    counted: int = 0

    async def pool(
        self,
        rules: StrangerRules = PINS,
        language: Language = Language.EN,
        **more: Any,  # noqa: ANN401
    ) -> None:
        """The pool's rules from now on."""
        limit = more.pop("max_call_s", 7200)
        pool = Pool("default", language=language, max_call_s=limit, cool_down=timedelta(0))
        pool = replace(pool, rules=PoolRules(strangers=rules, **more))

        def work(conn: Connection) -> None:
            numbers.put_pool(conn, pool, now())
            keep_secrets(conn, self.vault, "default", PoolSecrets(static=DESK))

        await self.db.write(work)

    def stranger(self) -> str:
        """Somebody's phone that nobody has seen before."""
        self.people += 1
        return f"+7903{self.people:07}"

    async def session(self, pin: str | None = PIN) -> Session:
        """Between two new people, the buyer with a PIN that nobody else has any more."""
        self.people += 1
        draft = a_draft(a_person(Role.BUYER, self.people), a_person(Role.SELLER, self.people))

        def work(conn: Connection) -> Session:
            conn.execute(update(leases).values(pin=None))
            opened = sessions.open_session(
                conn,
                self.vault,
                draft,
                now=now(),
                session_id=f"ses_{self.people:026}",
                rotation=self.people,
                secret=os.urandom(32),
            )
            mine = (leases.c.session_id == opened.id) & (leases.c.position == 0)
            conn.execute(update(leases).where(mine).values(pin=pin))
            return opened

        return await self.db.write(work)

    async def call(self, caller: str | None, **more: Any) -> Call:  # noqa: ANN401
        """A call to the number."""
        return await self.carrier.dial(CallSpec(NUMBER, caller, **more))

    async def asks(self, call: Call, question: str, language: str = "en") -> None:
        """Wait until the question has been heard to its end."""
        path = self.prompts.path(language, question).with_suffix(".wav")
        await call.hear_sound(Sound.load(path, question))

    async def record(self, call: Call) -> tuple[CallRecord, list[dict[str, str]]]:
        """What is kept of the call, and its rows of questions."""
        if call.answered:
            await call.wait_ended()
        else:
            await call.wait_ended()
        file = self.bench.data / "node" / "spool" / "events.jsonl"

        def found() -> list[Any]:
            rows = parse(file.read_bytes().splitlines()).rows
            over = [row.linked_id for row in rows if row.kind.value == "LINKEDID_END"]
            return (
                [row for row in rows if over and row.linked_id == over[-1]]
                if len(over) > self.counted
                else []
            )

        await until(found)
        rows = found()
        self.counted += 1
        record = fold("n1", rows)
        assert not isinstance(record, (Unfinished, Stray))
        said = [
            dict(pair.split("=", 1) for pair in fact.split(";")[1:])
            for fact in file.read_text().split('"')
            for fact in fact.split("|")
            if fact.startswith("PROMPT;")
        ]
        return record, said

    def written(self) -> str:
        """All that Asterisk wrote into files."""
        files = [self.bench.data / "node" / "spool" / "events.jsonl"]
        files += (self.bench.data / "node" / "log").glob("*")
        return "".join(file.read_text(errors="replace") for file in files if file.is_file())


def now() -> datetime:
    return datetime.now(UTC)
