"""The actions that wait for an answer, found by ActionID.

Each is answered at most once; when the connection dies, all fail at once with its first cause.
This module must never write to a socket.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from telephony.ami.errors import ConnectionLost, ListCancelled, ListIncomplete, ListTooLong, TooBusy
from telephony.ami.frames import Event, Frame, Response

__all__ = ["Answer", "ListWanted", "Waiter", "Waiters"]


# As `astman_send_list_complete_start` and `astman_send_listack` (manager.c) begin, and nowhere else
# in the frame: a caller may have smuggled such a line into an item.
_LIST_END = re.compile(
    rb"[^\r\n]+\r\nActionID: [^\r\n]+\r\nEventList: (?P<state>Complete|(?i:cancell?ed))"
    rb"(?:\r\nListItems: (?P<items>\d{1,9}))?(?=\r\n|\Z)"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, with the events that followed it where a list was asked for."""

    response: Response
    items: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class ListWanted:
    """An action is answered by a list of at most `max_items` events.

    `trailing_ids`: its items carry the ActionID last and are believed all the same.
    """

    max_items: int
    trailing_ids: bool = False


@dataclass(slots=True, eq=False)
class Waiter:
    """One action on its way; `wants` is None where a response alone is expected."""

    action: str
    action_id: str
    future: asyncio.Future[Answer]
    wants: ListWanted | None = None
    on_refused: Callable[[str], None] | None = None
    """Called with the action's name if it is refused; for actions whose answer nobody awaits."""
    response: Response | None = None
    items: list[Event] = field(default_factory=list)


class Waiters:
    """The table of waiting actions of one connection, at most `limit` of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._by_id: dict[str, Waiter] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def check_room(self, count: int) -> None:
        """Raise `TooBusy` unless `count` more may wait."""
        if len(self._by_id) + count > self._limit:
            raise TooBusy(f"over {self._limit} actions wait for an answer")

    def add(self, waiter: Waiter) -> None:
        """Enter an action just before it is written."""
        self._by_id[waiter.action_id] = waiter

    def forget(self, waiter: Waiter) -> None:
        """Stop waiting; an answer that still comes is nobody's."""
        self._by_id.pop(waiter.action_id, None)
        if not waiter.future.cancel() and not waiter.future.cancelled():
            waiter.future.exception()  # Mark it as seen; the first one of a segment was raised.

    def take_response(self, response: Response) -> bool:
        """Hand a response to its action; False if nobody waits for it."""
        waiter = self._by_id.get(response.action_id)
        if waiter is None or waiter.response is not None:
            return False
        waiter.response = response
        if not response.ok and waiter.on_refused is not None:
            waiter.on_refused(waiter.action)
        if waiter.wants is None or not response.ok:
            self._resolve(waiter)
        else:
            self._goes_on(waiter, response)
        return True

    def take_item(self, event: Event) -> bool:
        """Hand a list's event to its action; False if nobody waits for it."""
        waiter = self._by_id.get(event.action_id or "")
        if waiter is None or waiter.response is None:
            return False
        wants = waiter.wants
        if wants is None or (event.trailing_id and not wants.trailing_ids):
            return False
        if not self._goes_on(waiter, event):
            pass
        elif len(waiter.items) >= wants.max_items:
            self._fail(waiter, ListTooLong(waiter.action, wants.max_items))
        else:
            waiter.items.append(event)
        return True

    def fail_all(self, cause: BaseException) -> None:
        """Fail every waiting action with the connection's first cause."""
        waiting = list(self._by_id.values())
        self._by_id.clear()
        for waiter in waiting:
            if not waiter.future.done():
                waiter.future.set_exception(ConnectionLost(cause, sent=True))
                if waiter.on_refused is not None:
                    waiter.future.exception()  # Nobody awaits it: mark it as seen.

    def _goes_on(self, waiter: Waiter, frame: Frame) -> bool:
        """Look whether a list goes on after this frame, and if not, end it."""
        end = _LIST_END.match(frame.raw)
        if end is None:
            return True
        if end["state"] != b"Complete":
            self._fail(waiter, ListCancelled(waiter.action))
        elif (missing := int(end["items"] or 0) - len(waiter.items)) > 0:
            self._fail(waiter, ListIncomplete(waiter.action, missing))
        else:
            self._resolve(waiter)
        return False

    def _resolve(self, waiter: Waiter) -> None:
        del self._by_id[waiter.action_id]
        if not waiter.future.done() and waiter.response is not None:
            waiter.future.set_result(Answer(waiter.response, tuple(waiter.items)))

    def _fail(self, waiter: Waiter, error: Exception) -> None:
        del self._by_id[waiter.action_id]
        if not waiter.future.done():
            waiter.future.set_exception(error)
