# ruff: noqa: ANN401 (what the API answers is JSON)
"""The marketplace's backend: asks Maskline over HTTP for what any platform would, with its key.

The key stays here: the page gets a session, its users' credentials and their calls, no more.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from masking.model import Language, Role
from maskline.client import ApiClient
from maskline.demo.page.people import (
    ACTORS,
    DETAILS,
    LISTING_ID,
    NUMBERS,
    POOL,
    PRICE,
    ROLES,
    TITLE,
    TRUNK,
)
from maskline.errors import CommandRefused
from maskline.settings import Address

RING_S = 20
WAKE_S = 8
SHOWN = "12"  # entries of history and log


@dataclass(frozen=True, slots=True)
class Visit:
    """A conversation between the two, with its session."""

    language: Language
    conversation_id: str
    session: Any

    @property
    def session_id(self) -> str:
        """The session's id."""
        return str(self.session["id"])

    def user_id(self, role: Role) -> str:
        """Users are as new as the conversation: their call logs begin empty."""
        return f"{self.conversation_id}-{role}"

    def dial(self, role: Role) -> str:
        """The proxy number that `role` dials."""
        found = (one["dial"]["gsm"] for one in self.session["participants"] if one["role"] == role)
        return str(next(found))


class Market:
    """See the module."""

    def __init__(self, api: ApiClient, hooks: str) -> None:
        """`hooks` is the URL below which Maskline reaches us."""
        self._api = api
        self._hooks = hooks
        self.push_secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode("ascii")
        self.webhook_secret = ""

    async def make_ready(self, carrier: Address) -> None:
        """Trunk, pool, numbers and webhook; the trunk leads to `carrier`. Raises MasklineError."""
        trunk = {
            "host": carrier.host,
            "port": carrier.port,
            "codecs": ["alaw", "ulaw"],
            "options_interval_s": 0,
            "enabled": True,
        }
        try:
            await self._api.ask("PATCH", f"/v1/trunks/{TRUNK}", trunk)
        except CommandRefused:
            await self._api.ask("POST", "/v1/trunks", {"name": TRUNK, **trunk})
        await self._rules(Language.EN)
        numbers = {"pool": POOL, "trunk": TRUNK, "numbers": list(NUMBERS)}
        await self._api.ask("POST", "/v1/numbers", numbers)
        await self._subscribe()

    async def leave(self) -> None:
        """Nothing of the demo is left behind that real calls could meet."""
        await self._api.ask("PATCH", f"/v1/trunks/{TRUNK}", {"enabled": False})
        await self._unsubscribe()

    async def _rules(self, language: Language) -> None:
        rules = {
            "cool_down_s": 0,
            "language": language,
            "ring_s": RING_S,
            "app": {"ring_s": RING_S},
            "numbers": {"sticky": "avoid"},
            "push": {
                "url": f"{self._hooks}/push",
                "deadline_ms": 1500,
                "wake_s": WAKE_S,
                "secret": self.push_secret,
            },
            "handover": {"mode": "offer"},
        }
        await self._api.ask("PUT", f"/v1/pools/{POOL}", rules)

    async def _subscribe(self) -> None:
        """A webhook of this run; those of runs before know other secrets and go."""
        url = f"{self._hooks}/events"
        await self._unsubscribe()
        made = await self._api.ask("POST", "/v1/webhooks", {"url": url})
        self.webhook_secret = made["secret"]

    async def _unsubscribe(self) -> None:
        async for one in self._api.every("/v1/webhooks"):
            if one["url"].endswith("/demo/hooks/events"):
                await self._api.ask("DELETE", f"/v1/webhooks/{one['id']}")

    # -- what the page asks ----------------------------------------------------------------------

    async def open(self, language: Language) -> Visit:
        """A new conversation with a session about the listing. Announcements speak `language`."""
        await self._rules(language)
        conversation_id = f"demo-{secrets.token_hex(5)}"
        body = {
            "conversation_id": conversation_id,
            "listing": {"id": LISTING_ID, "title": TITLE},
            "participants": [
                {
                    "role": one.role,
                    "user_id": f"{conversation_id}-{one.role}",
                    "phone": one.phone,
                    "name": one.names[language],
                    "rating": one.rating,
                }
                for one in (ACTORS[role] for role in ROLES)
            ],
            "pool": POOL,
            "ttl_s": 86_400,
            "channel_policy": "app_then_gsm",
        }
        return Visit(language, conversation_id, await self._api.ask("POST", "/v1/sessions", body))

    async def close(self, visit: Visit) -> None:
        """The deal is done."""
        await self._api.ask("DELETE", f"/v1/sessions/{visit.session_id}")

    async def credentials(self, visit: Visit, role: Role) -> Any:
        """For one device of a user who is signed in."""
        path = f"/v1/users/{visit.user_id(role)}/app-credentials"
        return await self._api.ask("POST", path, {"device": "demo page"})

    async def app_socket(self) -> str:
        """Where apps' WebSockets lead, scheme and all: for the page's policy. "": nowhere."""
        given = await self._api.ask("POST", "/v1/users/demo-nobody/app-credentials", {})
        parts = urlsplit(given["ws_url"] or "")
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""

    async def set_company(self, visit: Visit, *, company: bool) -> None:
        """A company takes calls in the app only for listings that it chose: here for none."""
        path = f"/v1/users/{visit.user_id(Role.SELLER)}/reachability"
        account = "company" if company else "private"
        await self._api.ask("PUT", path, {"account": account})

    async def records(self, visit: Visit) -> dict[str, Any]:
        """The conversation's history and the seller's call log, newest first."""
        query = {"limit": SHOWN, "language": str(visit.language)}
        history = await self._api.ask(
            "GET", f"/v1/conversations/{visit.conversation_id}/history", query=query
        )
        path = f"/v1/users/{visit.user_id(Role.SELLER)}/call-log"
        log = await self._api.ask("GET", path, query={"limit": SHOWN})
        return {"history": history["items"], "log": log["items"], "unread": log["unread_count"]}

    async def seen(self, visit: Visit, until: str) -> None:
        """The seller has looked at the log, up to the entry of that moment."""
        path = f"/v1/users/{visit.user_id(Role.SELLER)}/call-log/seen"
        await self._api.ask("POST", path, {"until": until})

    def described(self, visit: Visit) -> dict[str, Any]:
        """What the page shows of it all."""
        return {
            "session_id": visit.session_id,
            "lang": str(visit.language),
            "listing": {
                "id": LISTING_ID,
                "title": TITLE,
                "details": DETAILS[visit.language],
                "price": PRICE,
            },
            "people": {
                str(role): {
                    "name": ACTORS[role].names[visit.language],
                    "rating": ACTORS[role].rating,
                    "user_id": visit.user_id(role),
                    "phone": ACTORS[role].phone,
                    "dials": visit.dial(role),
                }
                for role in ROLES
            },
        }
