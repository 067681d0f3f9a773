"""The SIP ladder of one node: what Asterisk says over HEP, told apart by call, into the database.

No call depends on it: where its port is taken or the database is busy, the ladder has a gap.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from masking import sip_text
from masking.plan import Channel
from maskline.store import Store
from storage import sip_messages
from storage.sip_messages import Said, Talk
from storage.vault import Vault
from telephony.ami import AmiError
from telephony.errors import PortTaken, TelephonyError
from telephony.hep.collector import Collector, hep_listener
from telephony.hep.dialogs import Dialogs, Exchange
from telephony.node import Node

__all__ = ["LadderPart", "row_of"]

_log = logging.getLogger("maskline.sip_ladder")
_TELL_AGAIN_S: Final = 60.0
_AT_A_TIME: Final = 3  # rows that are made before others have a turn: less than a millisecond

Own = Callable[[str, Coroutine[Any, Any, object]], None]


class LadderPart:
    """One node's; does nothing where it is switched off."""

    def __init__(self, store: Store, node: Node) -> None:
        self._store = store
        self._node = node
        self._moved = False
        self._told_s = -_TELL_AGAIN_S
        self._collector: Collector | None = None
        self.dialogs = Dialogs() if node.settings.sip_ladder else None

    def begin(self, own: Own) -> None:
        """Take the port, another where somebody took ours; before Asterisk starts."""
        if self.dialogs is None:
            return
        try:
            if not self._node.hep_port:
                self._node.move_hep()
                self._moved = True
            try:
                listener = hep_listener(self._node.hep_port)
            except PortTaken:
                listener = hep_listener(self._node.move_hep())
                self._moved = True
        except TelephonyError as error:
            _log.warning("SIP messages are not kept: %s", error)
            return
        self._collector = Collector(
            listener,
            self.dialogs,
            self._write,
            secret=self._node.hep_secret,
            now_us=lambda: time.time_ns() // 1000,
            on_error=self._tell,
        )
        own("the SIP ladder", self._collector.run())

    async def follow(self) -> None:
        """Tell an Asterisk that was found running, where our port is another now."""
        if self._collector is None or not (self._moved and self._node.adopted):
            return
        try:
            await self._node.tell_hep()
        except AmiError as error:
            _log.warning("SIP messages are not kept until the next start: %s", error)

    async def _write(self, exchanges: Sequence[Exchange]) -> None:
        rows = []
        for number, one in enumerate(exchanges, start=1):
            if (row := row_of(self._store.vault, one)) is not None:
                rows.append(row)
            if number % _AT_A_TIME == 0:
                await asyncio.sleep(0)  # calls first
        await self._store.db.write(lambda conn: sip_messages.add(conn, rows))

    def _tell(self, error: BaseException) -> None:
        now_s = time.monotonic()
        if now_s - self._told_s >= _TELL_AGAIN_S:
            self._told_s = now_s
            _log.warning("SIP messages wait to be kept: %s", type(error).__name__)

    def gauges(self) -> Mapping[str, float]:
        """For metrics."""
        if self._collector is None or self.dialogs is None:
            return {}
        heard, told = self._collector.counters, self.dialogs.counters
        return {
            "sip_messages_heard_total": float(heard.heard),
            "sip_messages_refused_total": float(heard.refused),
            "sip_messages_kept_total": float(told.kept),
            "sip_messages_unclaimed_total": float(told.unclaimed),
            "sip_messages_dropped_total": float(heard.overflowed + told.dropped + heard.lost),
        }


def row_of(vault: Vault, one: Exchange) -> dict[str, Any] | None:
    """None for what cannot even be made a row of: it must not keep the others waiting."""
    leg, first = one.leg, one.messages[0]
    said = tuple(
        Said(message.at_us, message.sent, message.payload.decode("utf-8", "replace"))
        for message in one.messages
    )
    talk = Talk(
        leg.call_id, one.place, leg.channel, leg.trunk, str(one.ours), str(one.theirs), said
    )
    person = leg.channel is Channel.APP
    try:
        searched = sip_text.searchable((message.text for message in said), person=person)
        at = datetime.fromtimestamp(first.at_us / 1_000_000, UTC)
        return sip_messages.row(vault, talk, one.call_id, searched, at)
    except (ValueError, OverflowError) as error:
        _log.warning("a SIP message is not kept: %s", type(error).__name__)
        return None
