"""The push hook: the platform is asked to wake an app, because somebody calls.

One signed POST with a deadline. A status of 2xx in time means that the platform has passed it on;
anything else, that nobody is to wait for this app. What is sent is the card and ids, no phone.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from api.outbound import OutboundClient, OutboundError
from masking import app_card
from masking.plan import CallerCard
from masking.rules import PushRules
from maskline.hook import Post, posting

__all__ = ["MOST_PUSHED", "Push", "PushHook"]

_log = logging.getLogger("maskline.push")
MOST_PUSHED: Final = 256
"""Pushes under way at once. One more counts as refused: a slow platform holds up no other call."""
_SUCCESS: Final = range(200, 300)


@dataclass(frozen=True, slots=True)
class Push:
    """What the platform is told."""

    user_id: str  # whose app it is
    card: CallerCard
    expires_at: datetime  # by then it must have registered
    ring_s: int  # how long it will ring

    def body(self) -> bytes:
        """The request."""
        told = {
            "event": "app.wake",
            "call_id": self.card.call_id,
            "session_id": self.card.session_id,
            "user_id": self.user_id,
            "expires_at": self.expires_at.isoformat(timespec="milliseconds"),
            "ring_s": self.ring_s,
            "card": app_card.plain(self.card),
        }
        return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


class PushHook:
    """Sends them over HTTP."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._under_way = 0

    @classmethod
    def over(cls, client: OutboundClient) -> PushHook:
        """Sends through `client`."""
        return cls(posting(client))

    async def send(self, rules: PushRules, secret: str | None, push: Push) -> bool:
        """Whether the platform took it on in time. Never raises."""
        if secret is None:
            return _refused(push, "the pool has no secret to sign with")
        if self._under_way >= MOST_PUSHED:
            return _refused(push, "too many pushes are under way")
        self._under_way += 1
        try:
            name, deadline_s = push.card.call_id, rules.deadline_ms / 1000
            reply = await self._post(rules.url, secret, name, push.body(), deadline_s)
        except OutboundError as error:
            return _refused(push, error.error_id)
        finally:
            self._under_way -= 1
        return reply.status in _SUCCESS or _refused(push, f"status {reply.status}")


def _refused(push: Push, why: str) -> bool:
    _log.warning("no push for call %s: %s", push.card.call_id, why)
    return False
