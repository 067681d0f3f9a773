"""A Maskline that hostile carriers call: what it wrote, and whether honest calls still pass."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from maskline.demo import sip
from maskline.demo.g711 import Codec
from maskline.demo.sip import Message
from tests.support.hostile_values import MARK, NUMBER
from tests.support.maskline import Maskline, Session, eventually
from tests.support.observer import Observer
from tests.support.wiretap import Party, Tap, callee, caller

CALLERS, CALLEES, STRANGERS = 450, 700, 1000  # Hz


@dataclass
class World:
    """A Maskline, its carriers, and what is known of it so far."""

    maskline: Maskline
    here: Tap  # believed where it asserts an identity
    there: Tap
    ami: Observer
    session: Session
    trap: Path
    pid: int
    stack: AsyncExitStack

    @property
    def data(self) -> Path:
        return self.maskline.data

    @property
    def node(self) -> str:
        return (self.data / "node" / "name").read_text().strip()

    @property
    def whole(self) -> list[dict[str, str]]:
        """The offers that were not cut off, as very long headers are."""
        return [one for one in self.ami.offers if one.get("Complete") == " yes"]

    def rows(self) -> list[dict[str, str]]:
        """The event file; every line of it must be a row."""
        lines = (self.data / "node" / "spool" / "events.jsonl").read_bytes().decode().split("\n")
        assert lines.pop() == ""
        return [json.loads(line) for line in lines]

    def kinds(self, kind: str) -> list[dict[str, str]]:
        return [
            row
            for row in self.rows()
            if kind in {part.split(";")[0] for part in row["userdeftype"].split("|")}
        ]

    def offered(self) -> int:
        """How many calls the node wrote down; a call's end says its offer again."""
        return len({row["linkedid"] for row in self.kinds("OFFER")})

    async def gauge(self, name: str) -> float:
        """A metric."""
        async with self.maskline.api() as api:
            assert api._session is not None
            async with api._session.get("/metrics") as answer:
                text = await answer.text()
        found = re.search(rf"^maskline_{name} (\S+)$", text, re.MULTILINE)
        assert found is not None, text
        return float(found[1])

    async def settled(self) -> None:
        """Every call that began is over and recorded."""

        async def open_calls() -> int:
            ended = sum(row["eventenum"] == "LINKEDID_END" for row in self.rows())
            return self.offered() - ended

        await eventually(open_calls, lambda left: left == 0)

        async def unrecorded() -> int:
            return self.offered() - await self.records()

        await eventually(unrecorded, lambda left: left == 0)

    async def records(self) -> int:
        """How many call records there are."""
        async with self.maskline.api() as api:
            return len([one async for one in api.every("/v1/calls")])

    async def talk(self) -> None:
        """An honest call, with sound both ways; recorded once, as answered."""
        before = await self.newest()
        first, second, _ = await self.call()
        await asyncio.gather(first.hears(CALLEES), second.hears(CALLERS))
        assert (await first.request("BYE")).status == 200
        await asyncio.gather(first.media.close(), second.media.close())

        found = await eventually(self.newest, lambda found: found != before)
        assert found[0]["outcome"] == "answered"

    async def newest(self) -> list[Any]:
        """The session's last call record, if there is one."""
        return await self.maskline.calls(session_id=self.session.id, limit="1")

    async def ring(self) -> tuple[Party, Party, Message, tuple[int, str]]:
        """An honest call that rings."""
        first = await caller(
            self.here, NUMBER, sender=f"<sip:{self.session.buyer}@carrier.example>", tone_hz=CALLERS
        )
        self.stack.push_async_callback(first.media.close)
        body = sip.sdp(self.here.host, first.media.port, (Codec.ALAW,))
        sent = first.send("INVITE", ("Content-Type: application/sdp",), body)
        invite = await self.there.invite()
        assert invite.user() == self.session.seller
        second = await callee(self.there, invite, tone_hz=CALLEES)
        self.stack.push_async_callback(second.media.close)
        return first, second, invite, sent

    async def call(self) -> tuple[Party, Party, Message]:
        """An honest call that is up."""
        first, second, invite, (cseq, branch) = await self.ring()
        body = sip.sdp(self.there.host, second.media.port, (Codec.ALAW,))
        contact = f"Contact: {second.contact}"
        self.there.send(self.there.answer(invite, "200 OK", (contact,), body, tag=second.tag))
        answer = await first.final("INVITE", cseq, branch)
        assert answer.status == 200
        first.sound(answer)
        second.sound(invite)
        return first, second, answer

    async def assert_nothing_forged(self) -> None:
        """Event file, AMI, logs and disk are as if only honest people had called."""
        assert await self.gauge("controller_offers_total") == len(self.whole)
        assert await self.records() == self.offered()
        for row in self.rows():
            assert set(row) == FIELDS
            assert row["eventenum"] in ("USER_DEFINED", "ANSWER", "LINKEDID_END", "NODE_START")
            assert re.fullmatch(r"[A-Za-z0-9_.:+@=/;|-]*", row["userdeftype"]), row
            assert MARK not in json.dumps(row)
            if row["eventenum"] != "NODE_START":
                assert row["linkedid"].startswith(f"{self.node}-")
        assert self.ami.faults(self.node) == []
        assert not [frame for frame in self.ami.frames if f"\n{MARK}" in str(frame)]
        assert len(self.ami.offers) == self.offered()
        printed = self.data / "node" / "log" / "asterisk.out"  # what Asterisk says as it starts
        assert MARK not in printed.read_text("latin-1")
        for text in (self.maskline.log, (printed.with_name("asterisk.log")).read_text("latin-1")):
            assert MARK not in text
            for line in text.split("\n"):
                assert LOG_LINE.match(line), line
        assert not self.trap.exists()
        assert self.maskline.asterisk_pid == self.pid
        assert psutil.pid_exists(self.pid)


FIELDS = {"eventtime", "eventenum", "userdeftype", "uniqueid", "linkedid", "channame"}
LOG_LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [a-z]+ [a-z.]+ "  # ours
    r"|\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\] |#[ \d]\d: /|$"  # Asterisk's
)
