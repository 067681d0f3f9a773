"""The platform's `out_of_session` hook: asked who a caller is whom no lease speaks for.

One signed POST with a deadline; what is not a whole and sensible answer in time counts as silence.
The caller's phone is never in it, only a keyed pseudonym that stays the same. Nothing of an answer
is ever logged: it may hold phones.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, StrictStr, ValidationError

from api.outbound import OutboundClient, OutboundError, Reply, post_signed
from api.schemas.common import IdField
from masking.known import Answer, Why
from masking.model import Listing, Phone
from masking.rules import HookRules

__all__ = ["Asking", "HookAnswer", "Platform", "PlatformHook", "Post", "posting", "read_answer"]

_log = logging.getLogger("maskline.hook")
MOST_ASKED: Final = 64
"""Callers asked about at once. One more is not asked about: a slow platform stops nobody else."""
CALLER: Final = "caller"
"""Stands for the caller's phone in an answer."""
_SUCCESS: Final = range(200, 300)


@dataclass(frozen=True, slots=True)
class Asking:
    """What the platform is asked."""

    call_id: str
    why: Why
    number: Phone  # the proxy number that was dialled
    caller_ref: str | None  # None: withheld
    user_ids: tuple[str, ...] = ()  # of participants with the caller's phone
    session_id: str | None = None  # the one that is over, of a late caller
    listing_number_id: str | None = None
    listing: Listing | None = None

    def body(self) -> bytes:
        """The request."""
        listing = self.listing
        asked = {
            "event": "out_of_session",
            "reason": self.why.value,
            "call_id": self.call_id,
            "number": self.number,
            "caller_ref": self.caller_ref,
            "user_ids": list(self.user_ids),
            "session_id": self.session_id,
            "listing_number_id": self.listing_number_id,
            "listing": None if listing is None else {"id": listing.id, "title": listing.title},
        }
        return json.dumps(asked, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class HookAnswer:
    """What it said. `repr` never shows the session, which may hold phones."""

    answer: Answer
    session: dict[str, Any] | None = field(default=None, repr=False)  # as POST /v1/sessions
    session_id: str | None = None
    user_id: str | None = None  # as whom the caller calls
    conversation_id: str | None = None


SILENT: Final = HookAnswer(Answer.SILENT)


class Platform(Protocol):
    """Whoever is asked."""

    async def ask(self, rules: HookRules, secret: str | None, asking: Asking) -> HookAnswer:
        """The answer, SILENT where there is none in time. Never raises."""
        ...


Post = Callable[[str, str, str, bytes, float], Awaitable[Reply]]
"""(url, secret, message id, body, deadline in s) -> reply. Raises OutboundError."""


def posting(client: OutboundClient) -> Post:
    """A way to post through `client`."""

    async def post(url: str, secret: str, name: str, body: bytes, deadline_s: float) -> Reply:
        return await post_signed(client, url, (secret,), name, body, deadline_s)

    return post


class PlatformHook:
    """Asks over HTTP."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._asked = 0

    @classmethod
    def over(cls, client: OutboundClient) -> PlatformHook:
        """Asks through `client`."""
        return cls(posting(client))

    async def ask(self, rules: HookRules, secret: str | None, asking: Asking) -> HookAnswer:
        """See `Platform`."""
        if secret is None:
            return _silent(asking, "the pool has no secret to sign with")
        if self._asked >= MOST_ASKED:
            return _silent(asking, "too many questions wait for it")
        self._asked += 1
        try:
            name = f"{asking.call_id}.{asking.why.value}"
            deadline_s = rules.deadline_ms / 1000
            reply = await self._post(rules.url, secret, name, asking.body(), deadline_s)
        except OutboundError as error:
            return _silent(asking, error.error_id)
        finally:
            self._asked -= 1
        if reply.status not in _SUCCESS or not reply.whole:
            return _silent(asking, f"status {reply.status}")
        return read_answer(reply.body) or _silent(asking, "an answer that makes no sense")


def _silent(asking: Asking, why: str) -> HookAnswer:
    _log.warning("the hook says nothing about call %s: %s", asking.call_id, why)
    return SILENT


class _Answer(BaseModel):
    """The answer as it is written. What is not known is passed over."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    action: Literal["refuse", "continue", "connect"]
    session: dict[str, Any] | None = None
    session_id: Annotated[StrictStr, Field(pattern=r"^ses_[0-9a-z]{26}$")] | None = None
    user_id: IdField | None = None
    conversation_id: IdField | None = None


def read_answer(body: bytes) -> HookAnswer | None:
    """The answer in `body`; None if it makes no sense."""
    try:
        said = _Answer.model_validate_json(body)
    except ValidationError:
        return None
    if said.action == "connect" and (said.session is None) == (said.session_id is None):
        return None  # either a session to open, or one that is there
    return HookAnswer(
        Answer(said.action),
        session=said.session,
        session_id=said.session_id,
        user_id=said.user_id,
        conversation_id=said.conversation_id,
    )
