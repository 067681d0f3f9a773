"""Apps on this node: who may register, who is there, who is shut out. Wires these, and no calls.

An app that Asterisk knows goes on registering and talking without anything here.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from maskline.app_devices import Devices
from maskline.app_watch import AppWatch
from maskline.certificate_watch import follow_certificate
from maskline.store import Store, utc_now
from storage import apps
from storage.database import Database
from storage.errors import StorageError
from storage.vault import Vault
from telephony.ami import AmiError, NodeLink
from telephony.app_config import app_serving
from telephony.app_rows import AppAccount, AppKind
from telephony.directory import Directory, lookup_listener
from telephony.errors import PortTaken
from telephony.node import Node
from telephony.registrations import PROVED_EVENT, Registrations, ask_over

_log = logging.getLogger("maskline.apps")

Own = Callable[[str, Coroutine[Any, Any, object]], None]


class StoredAccounts:
    """Who may register, as stored."""

    def __init__(self, db: Database, vault: Vault) -> None:
        self._db = db
        self._vault = vault

    async def account(self, username: str) -> AppAccount | None:
        """See `telephony.directory.AppAccounts`."""
        now = utc_now()
        found = await self._db.read(lambda conn: apps.account(conn, username, now))
        if found is None:
            return None
        kind = AppKind.SIP if found.transport == AppKind.SIP else AppKind.WEBRTC
        return AppAccount(
            found.username, found.user_id, found.ha1(self._vault), found.expires_at, kind
        )


class AppPart:
    """One node's apps."""

    def __init__(self, store: Store, node: Node) -> None:
        self._store = store
        self._node = node
        self._moved = False
        self._watch: AppWatch | None = None
        self._registrations: Registrations | None = None
        self.devices = Devices()
        self.directory = Directory(
            StoredAccounts(store.db, store.vault),
            app_serving(node.settings),
            node.lookup_secret,
            given=self._given,
            on_error=_tell_error,
        )

    def begin(self, own: Own) -> None:
        """Answer look-ups, on another port where somebody took ours; before Asterisk starts."""
        try:
            listener = lookup_listener(self._node.lookup_port)
        except PortTaken:
            self._moved = True
            listener = lookup_listener(self._node.move_lookups())
        own("look-ups of apps", self.directory.serve(listener))

    async def follow(self, link: NodeLink, own: Own) -> None:
        """Know who is registered; before `link` is run. Raises AmiError."""
        if self._moved and self._node.adopted:
            await self._node.tell_lookups()
        registrations = Registrations(ask_over(link), self.devices.changed, self.devices.came)
        self._registrations = registrations
        self._watch = AppWatch(self._store.db, self._node, registrations, self.devices, utc_now)
        heard = link.subscribe((PROVED_EVENT,), name="apps")
        own("who has proved himself", heard.run(registrations.heard))
        own("registrations of apps", registrations.run())
        own("the watch over apps", self._watch.run())
        settings = self._node.settings
        if settings.tls_cert is not None and settings.tls_key is not None:
            files = settings.tls_cert, settings.tls_key
            own("the certificate", follow_certificate(self._node, *files))

    def called(self, username: str) -> None:
        """An app has proved itself for a call that it makes."""
        if self._registrations is not None:
            self._registrations.called(username)

    async def connected(self) -> None:
        """The node was reached, for the first time or again. Raises AmiError."""
        if self._watch is not None:
            await self._watch.connected()

    async def settle(self) -> None:
        """Look at once whose the devices are that were found."""
        if self._watch is not None:
            with contextlib.suppress(AmiError, StorageError):  # the watch goes on trying
                await self._watch.look()

    async def over(self, usernames: Sequence[str]) -> None:
        """These credentials are over: return when the node has shut them out.

        Raises ConnectionError where it cannot be told; it will be, as soon as it can.
        """
        self.directory.forget(usernames)
        if self._watch is None:
            return
        try:
            await self._watch.over(usernames)
        except AmiError as error:
            raise ConnectionError(error.error_id) from error

    def gauges(self) -> Mapping[str, float]:
        """For metrics."""
        count = self.directory.counters
        return {
            "apps_registered": float(len(self.devices)),
            "app_lookups_total": float(count.asked),
            "app_lookups_unknown_total": float(count.unknown),
            "app_lookups_failed_total": float(count.failed),
        }

    def _given(self, account: AppAccount) -> None:
        if self._watch is not None:
            self._watch.given(account)


def _tell_error(error: BaseException) -> None:
    _log.error("an app could not be looked up", exc_info=error)
