"""After calls of every kind, no participant's phone stands in anything written or answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest_asyncio

from maskline.demo import sip
from maskline.demo.g711 import Codec
from tests.support.maskline import Maskline, Session, eventually, session_body
from tests.support.planted import phone_spellings
from tests.support.wiretap import Party, Tap, callee, caller

NUMBER, UNUSED = "+74951110001", "+74951110009"
CANARY = "+79995550123"  # stands in a listing's title, so that the search has something to find
STRANGERS = ("+79031112233", "+79031112244")
SOUND = (".wav", ".gsm", ".alaw", ".ulaw", ".sln", ".sln16", ".g722")


@dataclass
class House:
    """A Maskline, two carriers, and every word the API said."""

    maskline: Maskline
    here: Tap
    there: Tap
    said: list[str] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)

    @property
    def phones(self) -> set[str]:
        """Everybody's who called, was called, or tried to."""
        return {one for s in self.sessions for one in (s.buyer, s.seller)} | set(STRANGERS)

    async def ask(self, method: str, path: str, body: Any = None, key: str | None = None) -> Any:  # noqa: ANN401 - JSON
        """One request; the answer is kept word by word, refusals too."""
        headers = {"Authorization": f"Bearer {self.maskline.key if key is None else key}"}
        async with (
            aiohttp.ClientSession(f"http://{self.maskline.http}", headers=headers) as session,
            session.request(method, path, json=body) as answer,
        ):
            text = await answer.text()
            self.said += [text, str(dict(answer.headers)), str(answer.reason)]
            is_json = text and "json" in answer.headers.get("Content-Type", "")
            return json.loads(text) if is_json else text

    async def open(self, phone: Iterator[str], **more: Any) -> Session:  # noqa: ANN401 - JSON
        """A session between two phones that nothing else has."""
        buyer, seller = next(phone), next(phone)
        answer = await self.ask("POST", "/v1/sessions", session_body(buyer, seller, **more))
        self.sessions.append(Session.of(answer, buyer, seller))
        return self.sessions[-1]

    async def dial(self, sender: str, number: str = NUMBER, *more: str) -> tuple[Party, int, str]:
        """Somebody's INVITE."""
        who = f'"{sender}" <sip:{sender}@carrier.example>'
        party = await caller(self.here, number, sender=who, tone_hz=450)
        lines = (f"P-Asserted-Identity: {who}", f"Remote-Party-ID: {who}", f"X-Who: {sender}")
        body = sip.sdp(self.here.host, party.media.port, (Codec.ALAW,))
        cseq, branch = party.send("INVITE", (*lines, *more, "Content-Type: application/sdp"), body)
        return party, cseq, branch

    async def refused(self, sender: str, number: str = NUMBER, *more: str) -> None:
        """A call that ends with an announcement; it is not listened to."""
        party, cseq, branch = await self.dial(sender, number, *more)
        target = party.target
        await party.provisional(cseq)
        party.cancel(cseq, branch, target)
        await party.final("INVITE", cseq, branch)
        await party.media.close()

    async def called(self, session: Session, status: str, *, back: bool = False) -> None:
        """A call that the other phone answers with `status`; a 200 is ended after a word each."""
        ends = (session.seller, session.buyer) if back else (session.buyer, session.seller)
        first, cseq, branch = await self.dial(ends[0])
        target = first.target
        invite = await self.there.invite()
        assert invite.user() == ends[1]
        second = await callee(self.there, invite, tone_hz=700)
        who = f'"{ends[1]}" <sip:{ends[1]}@{self.there.host}>'
        lines = (f"Contact: {who}", f"P-Asserted-Identity: {who}", f"Reason: SIP;text={ends[1]}")
        body = sip.sdp(self.there.host, second.media.port, (Codec.ALAW,))
        self.there.send(self.there.answer(invite, "180 Ringing", lines, tag=second.tag))
        await first.provisional(cseq)
        if status == "cancel":
            first.cancel(cseq, branch, target, (f"Reason: SIP;text={ends[0]}",))
            await self.there.take(lambda one: one.method == "CANCEL")
            self.there.send(self.there.answer(invite, "487 Ended", tag=second.tag))
        else:
            sdp = body if status.startswith("200") else ""
            self.there.send(self.there.answer(invite, status, lines, sdp, tag=second.tag))
        if status[0] in "35" or status.startswith("404"):
            await first.provisional(cseq)  # the announcement
            first.cancel(cseq, branch, target)
        answer = await first.final("INVITE", cseq, branch)
        if answer.status == 200:
            first.sound(answer)
            second.sound(invite)
            await asyncio.gather(first.hears(700), second.hears(450))
            self.said.append(json.dumps(await self.ask("GET", "/v1/live-calls")))
            assert (await second.request("BYE", (f"Reason: SIP;text={ends[1]}",))).status == 200
        await asyncio.gather(first.media.close(), second.media.close())

    def written(self) -> dict[str, bytes]:
        """Every file of the data folder and of the run folder, and what the processes show."""
        root = self.maskline.data
        files = [one for one in root.rglob("*") if one.is_file() and one.suffix not in SOUND]
        found = {str(one.relative_to(root)): one.read_bytes() for one in files}
        found |= {one.name: one.read_bytes() for one in root.parent.glob("stderr-*.log")}
        assert self.maskline.process is not None
        for pid in (self.maskline.process.pid, self.maskline.asterisk_pid):
            for name in ("cmdline", "environ", "comm") if pid is not None else ():
                path = Path(f"/proc/{pid}/{name}")
                if path.exists():
                    found[str(path)] = path.read_bytes()
        return found


@pytest_asyncio.fixture(loop_scope="session")
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A Maskline that logs all it can, with a carrier for callers and one for callees."""
    maskline = Maskline(tmp_path / "data", options={"log_level": "debug"})
    await maskline.start()
    try:
        async with AsyncExitStack() as stack:
            here = await stack.enter_async_context(await Tap.open(maskline.sip_address))
            there = await stack.enter_async_context(await Tap.open(maskline.sip_address))
            await maskline.add_trunk("here", here.host, here.port, outbound=False)
            await maskline.add_trunk("there", there.host, there.port)
            await maskline.add_numbers("there", NUMBER)
            yield House(maskline, here, there)
    finally:
        await maskline.kill()


async def _call_in_every_way(house: House, phone: Iterator[str]) -> None:
    session = await house.open(phone, listing={"id": "L-1", "title": f"Call {CANARY}"})
    await house.called(session, "200 OK")
    await house.called(session, "200 OK", back=True)
    await house.called(session, "cancel")
    for status in ("486 Busy", "603 Decline", "404 None", "302 Moved", "503 Unavailable"):
        await house.called(session, f"{status} {session.seller}")
    await house.refused(STRANGERS[0])
    await house.refused(session.buyer, UNUSED)
    await house.refused(session.buyer, NUMBER, "Privacy: id")
    await house.refused(f"8{session.buyer[2:]}")  # not as this trunk spells
    house.here.send(f"INVITE sip:{STRANGERS[1]} SIP/2.0\r\nFrom: {session.buyer}\r\n\r\n".encode())

    blocked = await house.open(phone)
    body = {"user_id": blocked.seller_id, "blocked_user_id": blocked.buyer_id, "reason": "spam"}
    await house.ask("POST", "/v1/blocks", body)
    await house.refused(blocked.buyer)
    closed = await house.open(phone)
    await house.ask("DELETE", f"/v1/sessions/{closed.id}")
    await house.refused(closed.buyer)


async def _ask_everything(house: House) -> None:
    one = house.sessions[0]
    for path in ("sessions", "calls", "numbers", "trunks", "pools", "keys", "blocks", "live-calls"):
        await house.ask("GET", f"/v1/{path}")
    for session in house.sessions:
        await house.ask("GET", f"/v1/sessions/{session.id}")
        await house.ask("GET", f"/v1/conversations/{session.conversation_id}/history")
        for user in (session.buyer_id, session.seller_id):
            await house.ask("GET", f"/v1/users/{user}/call-log")
    for call in (await house.ask("GET", "/v1/calls"))["items"]:
        await house.ask("GET", f"/v1/calls/{call['call_id']}")
    for path in ("/metrics", "/healthz", "/readyz", "/openapi.json"):
        await house.ask("GET", path)
    # Phones where they do not belong, and requests that are refused because of them.
    await house.ask("GET", f"/v1/calls?user_id={one.buyer}")
    await house.ask("GET", f"/v1/calls/{one.buyer}")
    await house.ask("GET", f"/v1/sessions?phone={one.buyer}")
    await house.ask("GET", f"/v1/sessions/{one.seller}?{one.seller}", key=f"mk_{one.seller}")
    await house.ask("POST", f"/v1/{one.seller}")
    for phones in ((one.buyer, one.buyer), (f"{one.buyer}00000", one.seller), (one.buyer, "x")):
        await house.ask("POST", "/v1/sessions", session_body(*phones))
    for change in (
        {"pool": "none"},
        {"ttl_s": -1},
        {one.buyer: one.seller},
        {"listing": one.buyer},
    ):
        await house.ask("POST", "/v1/sessions", session_body(one.buyer, one.seller, **change))


async def test_no_phone_of_anybody_is_written_or_answered(
    house: House, phone: Iterator[str]
) -> None:
    await _call_in_every_way(house, phone)
    calls = 14  # of those above, all but the one that could not be read

    async def records() -> list[Any]:
        return list((await house.maskline.ask("GET", "/v1/calls", limit="100"))["items"])

    found = await eventually(records, lambda found: len(found) >= calls)
    assert len(found) == calls
    outcomes = {one["outcome"] for one in found}
    assert {"answered", "busy", "declined", "missed", "unreachable", "blocked"} <= outcomes
    await _ask_everything(house)
    running = house.written()
    assert await house.maskline.stop() == 0, house.maskline.log
    assert house.maskline.process is not None
    assert house.maskline.process.stdout is not None
    printed = await house.maskline.process.stdout.read()
    stopped = house.written()

    everything = {
        **{f"running {name}": data for name, data in running.items()},
        **{f"stopped {name}": data for name, data in stopped.items()},
        "stdout": printed,
        **{f"answer {at}": text.encode() for at, text in enumerate(house.said)},
    }
    leaks = {
        (name, spelling)
        for name, data in everything.items()
        for one in house.phones
        for spelling in phone_spellings(one, data)
    }
    assert leaks == set()
    # The search does reach the database, its log and the answers: the canary stands there.
    seen = {name for name, data in everything.items() if list(phone_spellings(CANARY, data))}
    assert any(name.startswith("running maskline.db") for name in seen)
    assert any(name.startswith("stopped maskline.db") for name in seen)
    assert any(name.startswith("answer") for name in seen)
    names = "\n".join(everything)
    for part in (
        "events.jsonl",
        "asterisk.log",
        "stderr-1.log",
        "astdb",
        "cmdline",
        "pjsip_trunks",
    ):
        assert part in names, f"{part} was searched"
