"""Which offers are ours to answer: each once, for a second Redirect would dial again."""

from __future__ import annotations

from collections import deque

__all__ = ["Claims"]

_REMEMBERED = 20_000


class Claims:
    """The last offers that were claimed, by the channel that made them."""

    __slots__ = ("_order", "_turns")

    def __init__(self) -> None:
        self._turns: dict[str, str] = {}
        self._order: deque[str] = deque()

    def claim(self, unique_id: str, turn: str) -> bool:
        """Whether the offer is new.

        After a question the same call is offered again with the answer, which is another `turn`.
        """
        if self._turns.get(unique_id) == turn:
            return False
        if unique_id not in self._turns:
            self._order.append(unique_id)
        self._turns[unique_id] = turn
        if len(self._order) > _REMEMBERED:
            self._turns.pop(self._order.popleft(), None)
        return True

    def forget(self, unique_id: str) -> None:
        """Let the channel's next offer be new, whatever it asks."""
        self._turns.pop(unique_id, None)
