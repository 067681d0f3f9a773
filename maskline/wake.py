"""Wakes the callee's app for a call that waits for it: reads whose it is, and has it pushed.

What is read is what is true now, so that a controller that was restarted goes on where the one
before it stopped. Never holds a call up: the wait ends by itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection

from masking.plan import CallerCard
from masking.reaching import Side, card_of
from masking.rules import PushRules
from maskline.push import Push, PushHook
from storage import numbers, sessions
from storage.database import Database
from storage.errors import StorageError
from storage.pool_rules import secrets_of
from storage.vault import Vault
from telephony.waking import Asleep

__all__ = ["AppWaking"]

_log = logging.getLogger("maskline.wake")


@dataclass(frozen=True, slots=True)
class _Found:
    user_id: str
    card: CallerCard
    ring_s: int
    rules: PushRules
    secret: str | None = field(repr=False)


class AppWaking:
    """The controller's `Apps`, over the database and the platform's hook."""

    def __init__(
        self,
        db: Database,
        vault: Vault,
        hook: PushHook,
        clock: Callable[[], datetime],
        devices: Callable[[str], tuple[str, ...]],
    ) -> None:
        """`devices`: user names of a user's devices that are registered now."""
        self._db = db
        self._vault = vault
        self._hook = hook
        self._clock = clock
        self._devices = devices

    def devices(self, user_id: str) -> tuple[str, ...]:
        """See the controller's `Apps`."""
        return self._devices(user_id)

    async def wake(self, call: Asleep, known: Callable[[str], bool]) -> bool:
        """See the controller's `Apps`."""
        began = self._clock()
        try:
            found = await self._db.look_up(lambda conn: self._find(conn, call))
        except StorageError as error:
            _log.warning("whom to wake for call %s is not known: %s", call.call_id, error.error_id)
            return False
        if found is None or not known(found.user_id):
            return False
        push = Push(
            user_id=found.user_id,
            card=found.card,
            expires_at=began + timedelta(seconds=call.wait_s),
            ring_s=found.ring_s,
        )
        return await self._hook.send(found.rules, found.secret, push)

    def _find(self, conn: Connection, call: Asleep) -> _Found | None:
        session = sessions.get(conn, self._vault, call.session_id)
        if session is None:
            return None
        roles = {one.role: one for one in session.participants}
        pool = numbers.pool(conn, session.pool)
        if (
            pool is None
            or pool.rules.push is None
            or not {call.caller, call.callee} <= roles.keys()
        ):
            return None
        return _Found(
            user_id=roles[call.callee].user_id,
            card=card_of(Side(session, call.caller), call.call_id),
            ring_s=pool.rules.app.ring_s,
            rules=pool.rules.push,
            secret=secrets_of(conn, self._vault, session.pool).push_secret,
        )
