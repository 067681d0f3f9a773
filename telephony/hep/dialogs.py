"""Tells whose SIP messages are: dialogs by their Call-ID, calls by what the controller knows.

An incoming leg is known by the tag of its From, which the offer carries, or by the session and the
device that has proved itself; a leg of ours by the call id in the card that it shows, or by the
phone that was to be dialled and the number shown to it. What belongs to no call is forgotten
within seconds. Sans I/O, the clock passed in; everything has a bound, and what is lost is counted.
Phones are held while their call is being set up, and never shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from masking.plan import Channel
from telephony.hep.codec import Endpoint, Packet
from telephony.hep.glimpse import Clue, clue, glimpse, without_secrets

__all__ = ["Dialogs", "DialogsCounters", "Exchange", "Leg", "Message"]

MOST_DIALOGS: Final = 50_000
MOST_HELD_BYTES: Final = 64 * 1024 * 1024
MOST_MESSAGES: Final = 500  # of one dialog: more is no call, or one that somebody floods
HOLD_US: Final = 1_500_000  # for so long a dialog's messages are gathered for one row
AT_ONCE: Final = 64  # messages of a row
UNCLAIMED_US: Final = 10_000_000
AFTER_US: Final = 10_000_000  # a dialog goes on for so long after its call: BYE and its answer
SILENT_US: Final = 6 * 3_600_000_000  # a dialog of which nothing was heard, whatever its call does
LONGEST_US: Final = 24 * 3_600_000_000  # a call of whose end we were never told
_CUT_US: Final = 1_000
_OF_CALLS: Final = frozenset((b"INVITE", b"ACK", b"CANCEL", b"BYE", b"PRACK", b"UPDATE", b"INFO"))
_NOWHERE: Final = Endpoint(bytes(4), 0)


@dataclass(frozen=True, slots=True)
class Leg:
    """Whose a dialog is."""

    call_id: str
    channel: Channel
    trunk: str | None = None  # None: it is an app's


class Message(NamedTuple):
    """One message; `sent` by the node, or received."""

    at_us: int
    sent: bool
    payload: bytes

    def __repr__(self) -> str:
        return f"<Message of {len(self.payload)} bytes>"


@dataclass(frozen=True, slots=True)
class Exchange:
    """What one dialog of a call said, in order."""

    leg: Leg
    place: int  # of the dialog among those of its call, from 0
    call_id: bytes = field(repr=False)  # SIP's
    ours: Endpoint
    theirs: Endpoint = field(repr=False)
    messages: tuple[Message, ...]


@dataclass(slots=True)
class DialogsCounters:
    """Messages, by what became of them."""

    kept: int = 0
    unclaimed: int = 0  # of no call of ours
    dropped: int = 0  # beyond a bound


@dataclass(slots=True)
class _Dialog:
    call_id: bytes
    clue: Clue
    seen_us: int
    ours: Endpoint = _NOWHERE
    theirs: Endpoint = _NOWHERE
    leg: Leg | None = None
    place: int = 0
    count: int = 0
    held: list[Packet] = field(default_factory=list)


@dataclass(slots=True)
class _Call:
    """What is known of a call whose messages may come."""

    call_id: str
    since_us: int
    dialogs: int = 0
    over_us: int | None = None
    keys: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class _Expected:
    call: _Call
    leg: Leg
    since_us: int
    step: int = 0
    shown: str = field(default="", repr=False)


class Dialogs:
    """Of one node."""

    def __init__(self) -> None:
        self.counters = DialogsCounters()
        self._dialogs: dict[bytes, _Dialog] = {}
        self._calls: dict[str, _Call] = {}
        self._expected: dict[tuple[str, str], list[_Expected]] = {}
        self._held: dict[bytes, _Dialog] = {}  # those with messages that are not written yet
        self._held_bytes = 0
        self._last_us = 0

    # -- what the controller tells ------------------------------------------------------------

    def offered(
        self, leg: Leg, now_us: int, *, tag: str = "", session: str = "", device: str = ""
    ) -> None:
        """A leg has come in: known by the tag of its From, or by who calls which session."""
        key = ("tag", tag) if tag else ("app", f"{session} {device}")
        self._expect(key, leg, now_us)
        if (call := self._calls.get(leg.call_id)) is not None:
            call.dialogs = max(call.dialogs, 1)

    def dials(self, leg: Leg, now_us: int, *, dial: str, shown: str, step: int = 0) -> None:
        """This phone is to be dialled for a call, with that number shown to it."""
        self._expect(("dial", dial), leg, now_us, step, shown)

    def rings(self, leg: Leg, now_us: int) -> None:
        """Apps are to be rung for a call: their card says for which."""
        self._expect(("card", leg.call_id), leg, now_us)

    def over(self, call_id: str, now_us: int) -> None:
        """The call is over; what comes of it yet are its last messages."""
        if (call := self._calls.get(call_id)) is not None and call.over_us is None:
            call.over_us = now_us

    def _expect(
        self, key: tuple[str, str], leg: Leg, now_us: int, step: int = 0, shown: str = ""
    ) -> None:
        call = self._calls.setdefault(leg.call_id, _Call(leg.call_id, now_us))
        known = self._expected.setdefault(key, [])
        if len(known) < AT_ONCE and len(self._calls) <= MOST_DIALOGS:
            known.append(_Expected(call, leg, now_us, step, shown))
            call.keys.append(key)

    # -- what the node says -------------------------------------------------------------------

    def heard(self, packet: Packet) -> None:
        """Keep a message until it is written, or known to be nobody's."""
        seen = glimpse(packet.payload)
        if seen is None or seen.method not in _OF_CALLS:
            return
        dialog = self._dialogs.get(seen.call_id)
        if dialog is None:
            if not (seen.request and seen.method == b"INVITE"):
                self.counters.unclaimed += 1
                return
            if len(self._dialogs) >= MOST_DIALOGS:
                self.counters.dropped += 1
                return
            dialog = _Dialog(seen.call_id, clue(packet.payload), packet.at_us)
            self._dialogs[seen.call_id] = dialog
        elif dialog.leg is None and seen.request and seen.method == b"INVITE":
            # Asked who it is, an app says so with its second INVITE.
            again = clue(packet.payload)
            dialog.clue = again if again.device else dialog.clue
        if dialog.count >= MOST_MESSAGES or self._held_bytes > MOST_HELD_BYTES:
            self.counters.dropped += 1
            return
        packet = self._in_order(packet)
        dialog.count += 1
        dialog.seen_us = packet.at_us
        dialog.held.append(packet)
        self._held[seen.call_id] = dialog
        self._held_bytes += len(packet.payload)
        if dialog.leg is None:
            self._claim(dialog)

    def _in_order(self, packet: Packet) -> Packet:
        """They come in order; but of when one was received Asterisk cuts the microseconds."""
        if 0 < self._last_us - packet.at_us < _CUT_US:
            return packet._replace(at_us=self._last_us)
        self._last_us = packet.at_us
        return packet

    def _claim(self, dialog: _Dialog) -> None:
        """Look whose it is."""
        one, first = dialog.clue, dialog.held[0]
        found, sent = None, False
        if one.card_call:
            found, sent = self._expectation(("card", one.card_call), dialog), True
        if found is None:
            found, sent = self._expectation(("dial", one.to_user), dialog), True
            if found is not None:
                self._expected[("dial", one.to_user)].remove(found)
        if found is None:
            sent = False
            found = self._expectation(("tag", one.tag), dialog) or self._expectation(
                ("app", f"{one.to_user} {one.device}"), dialog
            )
        if found is None:
            return
        dialog.leg, dialog.place = found.leg, found.call.dialogs
        if sent:
            found.call.dialogs += 1
        else:
            dialog.place = 0  # the first of its call, whenever that was told
        dialog.ours, dialog.theirs = (
            (first.source, first.target) if sent else (first.target, first.source)
        )

    def _expectation(self, key: tuple[str, str], dialog: _Dialog) -> _Expected | None:
        """The call that this dialog was expected for: of several the one that is at its first step.

        What began after a call was over is not that call's.
        """
        began_us = dialog.held[0].at_us
        fits = [
            one
            for one in self._expected.get(key, ())
            if (one.call.over_us is None or began_us <= one.call.over_us)
            and (not one.shown or one.shown == dialog.clue.from_user)
        ]
        return min(fits, key=lambda one: (one.step, one.since_us), default=None)

    # -- what is to be written ----------------------------------------------------------------

    def due(self, now_us: int, *, all_of_it: bool = False) -> Iterator[Exchange]:
        """What has been gathered for long enough; each is given once."""
        for call_id, dialog in list(self._held.items()):
            if dialog.leg is None:
                self._claim(dialog)  # its offer may have been heard after it
            age_us = now_us - dialog.held[0].at_us
            if dialog.leg is None:
                if age_us > UNCLAIMED_US:
                    self._forget(dialog)
            elif all_of_it or age_us >= HOLD_US or len(dialog.held) >= AT_ONCE:
                while dialog.held:
                    yield self._exchange(dialog, dialog.leg)
                self._held.pop(call_id, None)

    def _exchange(self, dialog: _Dialog, leg: Leg) -> Exchange:
        packets, dialog.held = dialog.held[:AT_ONCE], dialog.held[AT_ONCE:]
        self._held_bytes -= sum(len(one.payload) for one in packets)
        self.counters.kept += len(packets)
        messages = tuple(
            Message(one.at_us, _is_sent(dialog, one), without_secrets(one.payload))
            for one in packets
        )
        return Exchange(leg, dialog.place, dialog.call_id, dialog.ours, dialog.theirs, messages)

    def tidy(self, now_us: int) -> None:
        """Forget calls that are over, their dialogs, and dialogs that are silent for ever."""
        for dialog in list(self._dialogs.values()):
            call = None if dialog.leg is None else self._calls.get(dialog.leg.call_id)
            over = call is None or call.over_us is not None
            silent_us = now_us - dialog.seen_us
            if silent_us > (AFTER_US if over else SILENT_US) and not dialog.held:
                self._dialogs.pop(dialog.call_id, None)
        for call in [one for one in self._calls.values() if _is_past(one, now_us)]:
            del self._calls[call.call_id]
            for key in call.keys:
                left = [one for one in self._expected.get(key, ()) if one.call is not call]
                if left:
                    self._expected[key] = left
                else:
                    self._expected.pop(key, None)

    def _forget(self, dialog: _Dialog) -> None:
        self.counters.unclaimed += len(dialog.held)
        self._held_bytes -= sum(len(one.payload) for one in dialog.held)
        self._held.pop(dialog.call_id, None)
        self._dialogs.pop(dialog.call_id, None)

    def __len__(self) -> int:
        return len(self._dialogs)


def _is_past(call: _Call, now_us: int) -> bool:
    if call.over_us is None:
        return now_us - call.since_us > LONGEST_US
    return now_us - call.over_us > AFTER_US


def _is_sent(dialog: _Dialog, packet: Packet) -> bool:
    """By the node. Another connection may have come in the place of the first."""
    if packet.source == dialog.ours or packet.target == dialog.theirs:
        return True
    if packet.target == dialog.ours or packet.source == dialog.theirs:
        return False
    return packet.source.port == dialog.ours.port
