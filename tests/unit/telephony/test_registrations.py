"""Who is registered, against an Asterisk that is a dictionary."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from telephony.ami import ActionTimeout, Event
from telephony.registrations import Registrations, RegistrationsLimits

A, B = "app_06h04q5m1cebd0scwk78yt7k9a", "app_06h04q5m1cebd0scwk78yt7k9b"
QUICK = RegistrationsLimits(
    after_s=(0.001, 0.01, 0.05), known_after_s=0.005, every_s=0.05, at_once=100
)


def proof(username: str) -> Event:
    text = f"Event: SuccessfulAuth\r\nService: PJSIP\r\nAccountID: {username}"
    return Event.unsolicited(text.encode())


@dataclass
class Asterisk:
    contacts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    asked: list[tuple[str, ...]] = field(default_factory=list)
    dead: bool = False

    async def ask(self, usernames: Sequence[str]) -> dict[str, tuple[str, ...]]:
        self.asked.append(tuple(usernames))
        if self.dead:
            raise ActionTimeout("Getvar", 1.0, sent=True)
        return {name: self.contacts.get(name, ()) for name in usernames}

    def register(self, username: str, where: str = "1") -> None:
        self.contacts[username] = (f"{username};@{where}",)


@dataclass
class House:
    asterisk: Asterisk
    registrations: Registrations
    changes: list[tuple[str, bool]]
    came: list[str]


@asynccontextmanager
async def house(limits: RegistrationsLimits = QUICK) -> AsyncIterator[House]:
    asterisk = Asterisk()
    changes: list[tuple[str, bool]] = []
    came: list[str] = []
    registrations = Registrations(
        asterisk.ask, lambda *one: changes.append(one), came.append, limits=limits
    )
    run = asyncio.create_task(registrations.run())
    try:
        yield House(asterisk, registrations, changes, came)
    finally:
        run.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await run


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(2):
        while not condition():
            await asyncio.sleep(0.001)


async def test_who_has_proved_himself_is_asked_for_until_he_is_there() -> None:
    async with house() as at:
        at.registrations.heard(proof(A))
        await until(lambda: at.asterisk.asked)
        assert A not in at.registrations  # Asterisk was not so far yet
        at.asterisk.register(A)
        await until(lambda: A in at.registrations)
        assert (at.changes, at.came) == ([(A, True)], [A])


async def test_who_says_good_bye_is_gone() -> None:
    async with house() as at:
        at.registrations.take_stock([f"{A};@1"])
        at.asterisk.contacts.clear()
        at.registrations.heard(proof(A))
        await until(lambda: A not in at.registrations)
        assert at.changes == [(A, True), (A, False)]


async def test_who_goes_without_a_word_is_missed_after_a_while() -> None:
    async with house() as at:
        at.asterisk.register(B)
        at.registrations.take_stock([f"{A};@1", f"{B};@1"])
        await until(lambda: A not in at.registrations)
        assert B in at.registrations
        assert at.changes[-1] == (A, False)


async def test_one_who_moves_stays_and_comes_again() -> None:
    async with house() as at:
        at.registrations.take_stock([f"{A};@1"])
        at.asterisk.register(A, where="2")
        at.registrations.heard(proof(A))
        await until(lambda: at.registrations.contacts(A) == (f"{A};@2",))
        assert (at.changes, at.came) == ([(A, True)], [A, A])


async def test_a_call_of_one_who_is_there_changes_nothing() -> None:
    async with house() as at:
        at.asterisk.register(A)
        at.registrations.take_stock([f"{A};@1"])
        at.registrations.heard(proof(A))
        await until(lambda: len(at.asterisk.asked) >= 3)
        assert (at.changes, at.came) == ([(A, True)], [A])


async def test_who_has_proved_himself_for_a_call_alone_is_not_asked_for() -> None:
    limits = RegistrationsLimits(after_s=(0.01,), known_after_s=0.01, every_s=60.0)
    async with house(limits) as at:
        at.registrations.take_stock([f"{A};@1", f"{B};@1"])
        for name in (A, B, B):
            at.registrations.heard(proof(name))
        for name in (A, B):
            at.registrations.called(name)
        at.asterisk.register(B, where="2")
        await until(lambda: at.came[-1] == B and len(at.came) == 3)
        assert at.asterisk.asked == [(B,)], "the other proof was a registration's"
        at.registrations.heard(proof(A))
        await until(lambda: len(at.asterisk.asked) == 2)


async def test_one_who_is_not_known_and_calls_is_asked_for() -> None:
    async with house() as at:
        at.registrations.called(A)
        at.registrations.heard(proof(A))
        at.registrations.called(A)
        at.asterisk.register(A)
        await until(lambda: A in at.registrations)


async def test_many_are_asked_for_in_few_goes_and_a_storm_of_proofs_is_one_question() -> None:
    calm = RegistrationsLimits(after_s=(0.01,), every_s=60.0, at_once=100)
    async with house(calm) as at:
        names = [f"app_{n:026d}" for n in range(150)]
        for name in names * 3:
            at.asterisk.register(name)
            at.registrations.heard(proof(name))
        await until(lambda: len(at.registrations) == 150)
        assert len(at.asterisk.asked) <= 20
        assert sum(map(len, at.asterisk.asked)) == 150


async def test_carriers_prove_themselves_too_and_are_passed_over() -> None:
    async with house() as at:
        at.registrations.heard(proof("carrier-a"))
        at.registrations.heard(Event.unsolicited(b"Event: SuccessfulAuth"))
        at.registrations.heard(proof(A))
        await until(lambda: at.asterisk.asked)
        assert at.asterisk.asked[0] == (A,)


async def test_stock_is_all_there_is() -> None:
    async with house(RegistrationsLimits()) as at:
        at.registrations.take_stock([f"{A};@1", "carrier-a;@1"])
        at.registrations.take_stock([f"{B};@1"])
        assert at.registrations.usernames() == (B,)
        assert at.changes == [(A, True), (A, False), (B, True)]


async def test_without_an_answer_what_was_known_stays_known() -> None:
    async with house() as at:
        at.registrations.take_stock([f"{A};@1"])
        at.asterisk.dead = True
        at.registrations.heard(proof(B))
        await until(lambda: len(at.asterisk.asked) > 4)
        assert at.registrations.usernames() == (A,)


async def test_one_who_is_shut_out_is_forgotten() -> None:
    async with house(RegistrationsLimits()) as at:
        at.registrations.take_stock([f"{A};@1"])
        at.registrations.forget(A)
        at.registrations.forget(A)
        assert at.changes == [(A, True), (A, False)]
