"""Whose apps are registered on this node now. Knows names alone, nothing of where a device is."""

from __future__ import annotations

from collections.abc import Callable, Collection

Registered = Callable[[str, str], None]


class Devices:
    """Kept by the node's registrations (`changed`) and by look-ups (`learn`)."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}  # username -> user id
        self._here: set[str] = set()
        self._of: dict[str, list[str]] = {}  # user id -> usernames, the one that came last in front
        self._listeners: list[Registered] = []

    def of(self, user_id: str) -> tuple[str, ...]:
        """The user's devices that are registered, the one that came last in front."""
        return tuple(self._of.get(user_id, ()))

    def registered(self, usernames: Collection[str]) -> frozenset[str]:
        """Those of `usernames` that are."""
        return frozenset(usernames) & self._here

    def __len__(self) -> int:
        return len(self._here)

    def when_registered(self, listener: Registered) -> None:
        """Call `listener(user_id, username)` for each that comes, at once; it must be quick.

        One that was here comes again when it registers from another place.
        """
        self._listeners.append(listener)

    # -- what keeps it ---------------------------------------------------------------------------

    def learn(self, username: str, user_id: str) -> None:
        """Whose it is. Before a device can register, somebody has asked for it."""
        if self._owners.get(username) == user_id:
            return
        self._owners[username] = user_id
        if username in self._here:
            self._add(username, user_id)
            self.came(username)

    def forget(self, username: str) -> None:
        """It is over for good."""
        self.changed(username, registered=False)
        self._owners.pop(username, None)

    def changed(self, username: str, registered: bool) -> None:  # noqa: FBT001 - the event's shape
        """A device came or went."""
        owner = self._owners.get(username)
        if not registered:
            self._here.discard(username)
            if owner is not None:
                self._went(username, owner)
        elif username not in self._here:
            self._here.add(username)
            if owner is not None:
                self._add(username, owner)

    def came(self, username: str) -> None:
        """It is at a new place."""
        owner = self._owners.get(username)
        if owner is not None:
            for listener in self._listeners:
                listener(owner, username)

    def unowned(self) -> tuple[str, ...]:
        """Registered ones of whom it is not known whose they are: found by taking stock."""
        return tuple(name for name in self._here if name not in self._owners)

    def _add(self, username: str, user_id: str) -> None:
        self._of.setdefault(user_id, []).insert(0, username)

    def _went(self, username: str, user_id: str) -> None:
        names = self._of.get(user_id, [])
        if username in names:
            names.remove(username)
        if not names:
            self._of.pop(user_id, None)
