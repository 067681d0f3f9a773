"""The marketplace of the demo: asks Maskline over HTTP for what a platform's backend would.

Knows nothing of SIP; holds nothing but what the API answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from maskline.client import ApiClient
from maskline.errors import CommandRefused

TRUNK = "demo"
POOL = "demo"
NUMBERS = ("+74951119901", "+74951119902", "+74951119903", "+74951119904")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a phone, at the simulated carrier."""

    role: str
    user_id: str
    name: str
    rating: float
    phone: str
    tone_hz: int  # what their voice is in the demo


ANNA = Person("buyer", "demo-anna", "Anna", 4.9, "+79161234567", 450)
PETR = Person("seller", "demo-petr", "Petr", 4.7, "+79267654321", 700)


class Platform:
    """The backend of a marketplace that has Anna and Petr."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    async def make_ready(self, host: str, port: int) -> None:
        """Trunk, pool and numbers, as far as they are missing; the trunk leads to `host`:`port`."""
        trunk = {"host": host, "port": port, "options_interval_s": 0, "enabled": True}
        try:
            await self._api.ask("PATCH", f"/v1/trunks/{TRUNK}", trunk)
        except CommandRefused:
            await self._api.ask("POST", "/v1/trunks", {"name": TRUNK, **trunk})
        await self._api.ask("PUT", f"/v1/pools/{POOL}", {"cool_down_s": 0, "language": "en"})
        numbers = {"pool": POOL, "trunk": TRUNK, "numbers": list(NUMBERS)}
        await self._api.ask("POST", "/v1/numbers", numbers)

    async def open_session(self, conversation_id: str) -> Any:  # noqa: ANN401 (JSON)
        """A session between the two, about a car."""
        return await self._api.ask(
            "POST",
            "/v1/sessions",
            {
                "conversation_id": conversation_id,
                "listing": {"id": "L-42", "title": "Lada Vesta 2019"},
                "participants": [
                    {
                        "role": one.role,
                        "user_id": one.user_id,
                        "phone": one.phone,
                        "name": one.name,
                        "rating": one.rating,
                    }
                    for one in (ANNA, PETR)
                ],
                "pool": POOL,
                "ttl_s": 3600,
                "channel_policy": "gsm_only",
            },
        )

    async def close_session(self, session_id: str) -> None:
        """The deal is done."""
        await self._api.ask("DELETE", f"/v1/sessions/{session_id}")

    async def leave(self) -> None:
        """Take the trunk out of service: its carrier is gone, and real calls must not try it."""
        await self._api.ask("PATCH", f"/v1/trunks/{TRUNK}", {"enabled": False})

    async def history(self, conversation_id: str) -> list[Any]:
        """The conversation's calls, oldest first."""
        query = {"limit": "20", "language": "en"}
        page = await self._api.ask(
            "GET", f"/v1/conversations/{conversation_id}/history", query=query
        )
        return list(reversed(page["items"]))

    async def call_log(self, user_id: str, session_id: str) -> list[Any]:
        """The user's calls of this session, oldest first."""
        page = await self._api.ask("GET", f"/v1/users/{user_id}/call-log", query={"limit": "20"})
        return [one for one in reversed(page["items"]) if one["session_id"] == session_id]
