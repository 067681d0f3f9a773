# ruff: noqa: ANN401 (what the API answers is JSON)
"""A whole Maskline with a carrier and a platform beside it: what numbers mean, by phone.

Whatever a test does here is searched afterwards: nothing of a person in what another one received
or the platform was told; at the end, nothing of anybody and no typed PIN in what is written.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from maskline.demo import Answer, Call, CallSpec, CallState, Carrier, Sound
from maskline.demo.spec import PATIENCE_S
from tests.support.maskline import Maskline, Session, phones, session_body, user_id
from tests.support.planted import Haystack, phone_spellings
from tests.support.platform import SECRET, Platform
from tests.support.quiet import make_quiet

CALLERS, CALLEES = 450, 700  # Hz
LANGUAGES = ("ru", "en")
_ENOUGH_MS = 1500  # of an announcement; one may type before a question ends
_SOUND_FILES = (".wav", ".gsm", ".alaw", ".ulaw", ".sln", ".g722")
_DTMF_LINE = re.compile(rb"DTMF (begin|end|Begin|End)")


@dataclass(frozen=True)
class Pool:
    """A pool of the test's own."""

    name: str
    language: str
    numbers: tuple[str, ...]


@dataclass
class Talk:
    """A call that is up: both ends of it."""

    call: Call
    leg: Call

    async def end(self) -> None:
        """The caller hangs up."""
        await self.call.hang_up()
        await self.leg.wait_ended()


@dataclass
class Scene:
    """One for a module; `begin` and `end` enclose a test."""

    maskline: Maskline
    carrier: Carrier
    platform: Platform
    trunk: str = "carrier"
    people: set[str] = field(default_factory=set)  # phones of everybody there ever was
    numbers: set[str] = field(default_factory=set)  # proxy numbers
    pins: set[str] = field(default_factory=set)  # typed, right or wrong
    said: list[str] = field(default_factory=list)  # every answer of the API
    _phones: Iterator[str] = field(default_factory=phones)
    _counter: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _sounds: dict[tuple[str, str], Sound] = field(default_factory=dict)
    _begun: int = 0

    # -- what a platform does --------------------------------------------------------------------

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request; the answer is kept."""
        answer = await self.maskline.ask(method, path, body)
        self.said.append(json.dumps(answer, ensure_ascii=False))
        return answer

    async def subscribe(self) -> None:
        """Let every notice come to our platform."""
        made = await self.maskline.ask("POST", "/v1/webhooks", {"url": self.platform.events_url})
        self.platform.secrets.append(made["secret"])

    async def pool(
        self,
        language: str,
        numbers: int = 1,
        numbers_rules: Mapping[str, Any] | None = None,
        **rules: Any,
    ) -> Pool:
        """A pool with numbers of its own."""
        count = next(self._counter)
        name = f"{language}-{count}"
        if numbers_rules is not None:
            rules["numbers"] = numbers_rules
        await self.ask("PUT", f"/v1/pools/{name}", {"language": language, **rules})
        mine = tuple(f"+7495{1_000_000 + 100 * count + n:07d}" for n in range(numbers))
        if mine:
            await self.maskline.add_numbers(self.trunk, *mine, pool=name)
        self.numbers.update(mine)
        return Pool(name, language, mine)

    async def more_numbers(self, pool: Pool) -> None:
        """One more."""
        last = max(pool.numbers)
        await self.maskline.add_numbers(self.trunk, f"+{int(last) + 1}", pool=pool.name)

    def hook(self, **more: Any) -> dict[str, Any]:
        """The rule for our platform's hook."""
        return {"url": self.platform.hook_url, "secret": SECRET, **more}

    def person(self) -> str:
        """The phone of somebody new."""
        phone = next(self._phones)
        self.people.add(phone)
        return phone

    async def session(
        self, pool: Pool, buyer: str | None = None, seller: str | None = None, **more: Any
    ) -> tuple[Session, Any]:
        """A session in `pool`, as the tests have it and as it was answered."""
        buyer, seller = buyer or self.person(), seller or self.person()
        body = session_body(buyer, seller, pool=pool.name, **more)
        answer = await self.ask("POST", "/v1/sessions", body)
        return Session.of(answer, buyer, seller), answer

    async def listing(self, pool: Pool, seller: str, **more: Any) -> Any:
        """A listing number of `seller`."""
        body = {
            "listing": {"id": f"L-{next(self._counter)}", "title": "Lada Vesta 2019"},
            "seller": {"user_id": user_id(seller), "phone": seller, "name": "Petr"},
            "pool": pool.name,
            "ttl_s": 3600,
            "channel_policy": "gsm_only",
            **more,
        }
        return await self.ask("POST", "/v1/listing-numbers", body)

    async def records(self, **query: str) -> list[Any]:
        """Call records, oldest first."""
        found = await self.maskline.calls(**query)
        self.said.append(json.dumps(found, ensure_ascii=False))
        return found

    # -- what people do --------------------------------------------------------------------------

    async def dial(self, number: str, from_: str | None, **more: Any) -> Call:
        """Somebody dials."""
        spec = CallSpec(number=number, from_=from_, tone_hz=CALLERS, **more)
        return await self.carrier.dial(spec)

    async def rung(self, phone: str, call: Call) -> Talk:
        """`phone` rings and answers, and both hear each other."""
        leg = await self.carrier.incoming()
        assert leg.dialled == phone, "the one who was promised is rung, nobody else"
        await asyncio.gather(call.wait_up(), leg.wait_up())
        await asyncio.gather(call.hear(CALLEES, 200), leg.hear(CALLERS, 200))
        return Talk(call, leg)

    async def reach(self, number: str, from_: str | None, phone: str) -> Talk:
        """Somebody dials and reaches `phone`, without a word between."""
        return await self.rung(phone, await self.dial(number, from_))

    async def type_pin(self, call: Call, pin: str, *, in_band: bool = False) -> None:
        """PINs may stand nowhere: they are searched for at the end."""
        self.pins.add(pin)
        await call.press(pin, in_band=in_band)

    async def asked(self, call: Call, language: str, name: str) -> None:
        """The caller hears the beginning of `name`, in this language: enough to know it by."""
        await call.hear_sound(self.sound(language, name).first(_ENOUGH_MS))

    async def told(
        self, call: Call, language: str, name: str, timeout_s: float = PATIENCE_S
    ) -> None:
        """The caller hears the announcement `name`, all of it, in this language."""
        await call.hear_sound(self.sound(language, name), timeout_s)

    async def refused(
        self, call: Call, language: str, name: str, *, to_the_end: bool = False
    ) -> None:
        """The caller hears `name`, or enough of it, and nobody is rung.

        `to_the_end`: all of it, and then the call is ended. Else the caller gives up.
        """
        if to_the_end:
            await self.told(call, language, name)
            await call.wait_ended()
        else:
            await self.asked(call, language, name)
            await (call.hang_up() if call.answered else call.cancel())
        self.nobody_rung()

    def nobody_rung(self) -> None:
        """No phone rings or rang that was not expected to."""
        assert self.carrier.incoming_waiting == 0

    def sound(self, language: str, name: str) -> Sound:
        """An announcement as this Maskline has it."""
        if (language, name) not in self._sounds:
            path = self._announcements() / language / "maskline" / f"{name}.wav"
            self._sounds[language, name] = Sound.load(path, f"{language}/{name}")
        return self._sounds[language, name]

    def _announcements(self) -> Path:
        return self.maskline.data / "node" / "share" / "sounds"

    # -- what must never be ----------------------------------------------------------------------

    def begin(self) -> None:
        """A test begins: every phone answers at once."""
        self.carrier.on_invite(Answer(ring_ms=100, tone_hz=CALLEES))
        self._begun = len(self.carrier.calls)

    async def end(self, *, failed: bool) -> None:
        """A test is over: everything ends, and nobody was given away.

        What was up is hung up, and all else has to end by that. What a failed test left is ended.
        """
        try:
            if not failed:
                for call in self.carrier.calls[self._begun :]:
                    if call.state is CallState.UP:
                        await call.hang_up()
                    await call.wait_ended()
                self.nobody_rung()
        finally:
            await make_quiet(self.maskline, self.carrier)
        self.check()

    def check(self) -> None:
        """Nobody was given away."""
        calls = self.carrier.calls[self._begun :]
        given_away = {
            (call.invite.method, spelling)
            for call in calls
            for spelling in _spellings(self.people - {_own(call)}, call.received_bytes)
        }
        assert given_away == set()
        keys = {call.heard().keys for call in calls if not call.is_caller}
        assert keys <= {""}, "what a caller types is not for the callee"
        assert list(_spellings(self.people, self.platform.bytes)) == []

    async def check_written(self) -> None:
        """The module is over: nobody's phone, and no PIN, is in anything written or answered."""
        assert self.people
        async with (
            aiohttp.ClientSession(f"http://{self.maskline.http}") as session,
            session.get("/metrics") as answer,
        ):
            metrics = await answer.read()
        texts = {"metrics": metrics, "answers": "\n".join(self.said).encode()}
        everything = {**texts, **self._files()}
        found = {
            (name, spelling)
            for name, data in everything.items()
            for spelling in _spellings(self.people, data)
        }
        assert found == set()
        # The platform is told PINs, and the database keeps them: both are no place for a log line.
        logs = {
            name: data
            for name, data in everything.items()
            if name != "answers" and not name.startswith("maskline.db")
        }
        pins = {
            (name, pin) for name, data in logs.items() for pin in self.pins if _stands(pin, data)
        }
        assert pins == set()
        assert [name for name, data in logs.items() if _DTMF_LINE.search(data)] == []
        # The search reaches what it has to: there it finds our own numbers.
        for part in ("maskline.db", "events", "answers"):
            files = (data for name, data in everything.items() if part in name)
            assert any(list(_spellings(self.numbers, data)) for data in files), part
        assert {"stderr-1.log"} <= set(everything)

    def _files(self) -> dict[str, bytes]:
        root = self.maskline.data
        files = [one for one in root.rglob("*") if one.is_file() and one.suffix not in _SOUND_FILES]
        found = {str(one.relative_to(root)): one.read_bytes() for one in files}
        return found | {one.name: one.read_bytes() for one in root.parent.glob("stderr-*.log")}


def _own(call: Call) -> str:
    """The phone of whoever has this end of a call."""
    return call.invite.user("from") if call.is_caller else call.invite.user()


def _spellings(people: Iterable[str], captured: bytes) -> Iterator[str]:
    hay = Haystack(captured)
    for phone in people:
        yield from phone_spellings(phone, hay)


def _stands(pin: str, data: bytes) -> bool:
    return re.search(rb"(?<![\d.])" + pin.encode() + rb"(?!\d)", data) is not None
