"""Which apps are registered on a node now: exact when one comes, and soon after one goes.

Asterisk tells nobody of the contacts of endpoints that it looks up (ContactStatus is made for those
in files alone), but it tells of everyone who has proved himself: who has is asked for, a few
milliseconds later, and who is known is asked for in turn, for an app that is gone says nothing.
At every connection stock is taken. A device's address is never asked for: a contact is known by
its name in Asterisk (`app_…;@<hash>`).
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from telephony.ami import Action, AmiError, Event, NodeLink
from telephony.app_rows import is_app

__all__ = ["PROVED_EVENT", "Ask", "Registrations", "RegistrationsLimits", "ask_over"]

PROVED_EVENT = "SuccessfulAuth"
_TOGETHER_S = 0.001  # questions that are due within this go together

Changed = Callable[[str, bool], None]
Ask = Callable[[Sequence[str]], Awaitable[Mapping[str, tuple[str, ...]]]]
"""The names of the contacts of each; raises AmiError."""


def ask_over(link: NodeLink, *, deadline_s: float = 2.0) -> Ask:
    """Ask a node's Asterisk."""

    async def ask(usernames: Sequence[str]) -> dict[str, tuple[str, ...]]:
        variables = [f"PJSIP_AOR({username},contact)" for username in usernames]
        answers = await link.actions(
            [Action("Getvar", (("Variable", variable),)) for variable in variables],
            deadline_s=deadline_s,
        )
        return {
            username: tuple(name for name in (answer.get("Value") or "").split(",") if name)
            for username, answer in zip(usernames, answers, strict=True)
        }

    return ask


@dataclass(frozen=True, slots=True)
class RegistrationsLimits:
    """When is asked, and how much."""

    after_s: tuple[float, ...] = (0.002, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.064)
    """After proof, until something has changed: Asterisk registers a moment after it.

    Each pause is about what has passed by then: a call may wait for this app, and must not wait
    long for us where Asterisk was slow.
    """
    known_after_s: float = 0.02
    """The same for one who is known, once: mostly he renews what he has."""
    every_s: float = 5.0  # that who is known is asked for, where they are few
    at_once: int = 100  # in one go; of those who are known, as many a second at most


@dataclass(order=True, slots=True)
class _Due:
    at_s: float
    username: str = field(compare=False)
    turn: int = field(compare=False)


class Registrations:
    """One node's.

    `changed(username, registered)` is called at each change, and only then; `came(username)`
    whenever it is at a new place, also where it was thought to be at another. `run` must be
    somebody's task.
    """

    def __init__(
        self,
        ask: Ask,
        changed: Changed = lambda _name, _registered: None,
        came: Callable[[str], None] = lambda _name: None,
        *,
        limits: RegistrationsLimits | None = None,
    ) -> None:
        self._ask = ask
        self._changed = changed
        self._came = came
        self._limits = limits or RegistrationsLimits()
        self._contacts: dict[str, tuple[str, ...]] = {}  # by username, the longest unasked first
        self._due: list[_Due] = []
        self._asking: dict[str, int] = {}  # who is to be asked for: proofs that were for no call
        self._news = asyncio.Event()

    def __len__(self) -> int:
        return len(self._contacts)

    def __contains__(self, username: object) -> bool:
        return username in self._contacts

    def usernames(self) -> tuple[str, ...]:
        """Who is registered."""
        return tuple(self._contacts)

    def contacts(self, username: str) -> tuple[str, ...]:
        """The names of an app's contacts: one, for a moment two while it moves."""
        return self._contacts.get(username, ())

    def heard(self, event: Event) -> None:
        """Somebody has proved who he is: an app that registers, or calls; or a carrier."""
        username = event.get("AccountID") or ""
        if not is_app(username):
            return
        if username not in self._asking:
            if username in self._contacts:
                self._later(username, len(self._limits.after_s) - 1, self._limits.known_after_s)
            else:
                self._later(username, 0, self._limits.after_s[0])
        self._asking[username] = self._asking.get(username, 0) + 1

    def called(self, username: str) -> None:
        """One of its proofs was for a call: by that, who is known has not moved."""
        if self._asking.get(username):
            self._asking[username] -= 1

    def take_stock(self, contacts: Iterable[str]) -> None:
        """`contacts`, by their names, are all there are."""
        found: dict[str, tuple[str, ...]] = {}
        for contact in contacts:
            username = contact.partition(";@")[0]
            if is_app(username):
                found[username] = (*found.get(username, ()), contact)
        for username in self._contacts.keys() - found.keys():
            self._put(username, ())
        for username, names in found.items():
            self._put(username, names)

    def forget(self, username: str) -> None:
        """It was shut out: its contacts were taken away."""
        self._put(username, ())

    async def run(self) -> NoReturn:
        """Ask until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._ask_due(), name="registrations-due")
            tasks.create_task(self._ask_known(), name="registrations-known")
        raise asyncio.CancelledError

    async def _ask_due(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._news.clear()
            pause_s = self._due[0].at_s - loop.time() if self._due else None
            if pause_s is None or pause_s > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await self._news.wait()
                continue
            due: list[_Due] = []
            until_s, most = loop.time() + _TOGETHER_S, self._limits.at_once
            while self._due and self._due[0].at_s <= until_s and len(due) < most:
                due.append(heapq.heappop(self._due))
            asked = [one.username for one in due if self._is_in_question(one.username)]
            changed = await self._look(asked) if asked else frozenset()
            for one in due:
                if one.username in changed or one.turn + 1 == len(self._limits.after_s):
                    self._asking.pop(one.username, None)
                else:
                    turn = one.turn + 1
                    self._later(one.username, turn, self._limits.after_s[turn])

    def _is_in_question(self, username: str) -> bool:
        return username not in self._contacts or self._asking.get(username, 0) > 0

    def _later(self, username: str, turn: int, after_s: float) -> None:
        at_s = asyncio.get_running_loop().time() + after_s
        heapq.heappush(self._due, _Due(at_s, username, turn))
        self._news.set()

    async def _ask_known(self) -> None:
        while True:
            most = self._limits.at_once
            pause_s = self._limits.every_s
            if len(self._contacts) > most * pause_s:
                pause_s = 1.0
            await asyncio.sleep(pause_s)
            known = tuple(self._contacts)
            for begin in range(0, min(len(known), int(most * pause_s)), most):
                await self._look(known[begin : begin + most])

    async def _look(self, usernames: Sequence[str]) -> frozenset[str]:
        """Ask, and say whose registration has changed."""
        before = {username: self.contacts(username) for username in usernames}
        try:
            found = await self._ask(usernames)
        except AmiError:
            return frozenset()  # with the next connection stock is taken
        for username, names in found.items():
            self._put(username, names)
        return frozenset(name for name, was in before.items() if was != self.contacts(name))

    def _put(self, username: str, names: tuple[str, ...]) -> None:
        was = self._contacts.pop(username, ())
        if names:
            self._contacts[username] = names  # at the end: it was asked for just now
        if bool(was) != bool(names):
            self._changed(username, bool(names))
        if not set(names) <= set(was):
            self._came(username)
