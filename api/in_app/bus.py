"""The bus: what happens now, to the event streams of the user it happens to.

What nobody listens to is gone: what must arrive is not sent by it (`streams` reads the call log for
that). Within one process; `redis_bus` is the same for several.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a user's apps are told at once or never."""

    kind: str  # e.g. ``call.quality``
    data: Mapping[str, object]


Listener = Callable[[Event], None]


class AppBus(Protocol):
    """Carries events to a user's listeners."""

    def publish(self, user_id: str, kind: str, data: Mapping[str, object]) -> None:
        """Tell `user_id`; never blocks. `data` is JSON and holds no phone."""

    def listen(self, user_id: str, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every event of `user_id` until what is returned is called."""


class Bus:
    """The bus of one process."""

    def __init__(self) -> None:
        self._listeners: dict[str, list[Listener]] = {}

    def publish(self, user_id: str, kind: str, data: Mapping[str, object]) -> None:
        """See `AppBus`."""
        event = Event(kind, dict(data))
        for listener in tuple(self._listeners.get(user_id, ())):
            listener(event)

    def listen(self, user_id: str, listener: Listener) -> Callable[[], None]:
        """See `AppBus`."""
        self._listeners.setdefault(user_id, []).append(listener)

        def stop() -> None:
            rest = self._listeners.get(user_id, [])
            if listener in rest:
                rest.remove(listener)
            if not rest:
                self._listeners.pop(user_id, None)

        return stop
