"""Whether trunks answer OPTIONS: asked of a node's Asterisk, which sends them.

For those who watch, and never for a call: a trunk that is silent may carry calls all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final, NoReturn

from masking.trunks import Trunk
from telephony.ami import Action, AmiError, NodeLink

__all__ = ["TrunkAnswers"]

EVERY_S: Final = 5.0
DEADLINE_S: Final = 2.0
_REACHED: Final = MappingProxyType({"Reachable": True, "Unreachable": False})
"""Asterisk's words for a contact; all others say that it is not known yet, or never asked."""


class TrunkAnswers:
    """One node's. `run` must be somebody's task."""

    def __init__(self, link: NodeLink, trunks: Callable[[], Iterable[Trunk]]) -> None:
        """`trunks`: those that the node has."""
        self._link = link
        self._trunks = trunks
        self._answers: Mapping[str, bool] = {}

    def answers(self) -> Mapping[str, bool]:
        """By trunk, whether the last OPTIONS were answered; only those of which it is known."""
        return self._answers

    async def run(self) -> NoReturn:
        """Go on asking until cancelled. While the node is away, nothing is known."""
        while True:
            try:
                self._answers = await self.look()
            except AmiError:
                self._answers = {}
            await asyncio.sleep(EVERY_S)

    async def look(self) -> dict[str, bool]:
        """Ask now. Raises AmiError."""
        asked = [one.name for one in self._trunks() if one.enabled and one.options_interval_s > 0]
        places = await self._ask([f"PJSIP_AOR({name},contact)" for name in asked])
        known = [(name, place) for name, place in zip(asked, places, strict=True) if place]
        states = await self._ask([f"PJSIP_CONTACT({place},status)" for _, place in known])
        return {
            name: _REACHED[state]
            for (name, _), state in zip(known, states, strict=True)
            if state in _REACHED
        }

    async def _ask(self, variables: Iterable[str]) -> list[str]:
        actions = [Action("Getvar", (("Variable", variable),)) for variable in variables]
        if not actions:
            return []
        answers = await self._link.actions(actions, deadline_s=DEADLINE_S)
        # One contact, or none: a trunk has the one that it is configured with.
        return [(answer.get("Value") or "").partition(",")[0] for answer in answers]
