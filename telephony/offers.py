"""Reads an offer out of Asterisk's UserEvent, and the caller's number out of SIP headers.

The dialplan hands headers over in base64 and untouched; here they are taken apart, and whatever is
not whole or not plainly one phone number counts as withheld. Nothing here decides about the call.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote

from masking.ids import call_id
from masking.model import Role
from masking.plan import Offer
from telephony.alphabet import DEVICE, SESSION
from telephony.ami import Event
from telephony.carry_out import read_asked
from telephony.hep.glimpse import tag_of

__all__ = ["Heard", "caller_of", "read_offer"]

OFFERED = "CallOffered"
_MAX_HEADER = 1024
_CALLED = re.compile(r"\+?[0-9]{7,15}")
_NUMBER = re.compile(r"\+?[0-9]{3,15}")
_DIGITS = re.compile(r"[0-9]{0,20}")
_PRIVATE = re.compile(r"(?:^|[;,\s])(?:id|user|header)(?:$|[;,\s])", re.IGNORECASE)
# name-addr: a quoted or bare display name, then <uri> (RFC 3261, 25.1); addr-spec: the uri alone.
# No two parts can take the same blanks: a kilobyte of them would otherwise take seconds.
_NAME_ADDR = re.compile(r'(?:"(?:[^"\\]|\\.)*"\s*|[^"<>,]*)<([^<>]*)>')
_ADDR_SPEC = re.compile(r"([^\s<>\",;]+)")
_URI = re.compile(r"(?:sips?:([^@]*)@[^@]+|tel:(.*))", re.IGNORECASE | re.DOTALL)
# RFC 3966, 5.1.1: may stand between the digits of a tel URI.
_VISUAL = str.maketrans("", "", "-.()")


@dataclass(frozen=True, slots=True)
class Heard:
    """An offer, and what is needed to answer it."""

    offer: Offer
    channel: str
    unique_id: str
    offered_at_s: float  # seconds since 1970, by the node's clock
    turn: str = ""  # differs between the offers of one call: what was asked before
    tag: str = ""  # of the INVITE's From, by which its messages are known; "" of an app's


def read_offer(event: Event, node: str) -> Heard | None:
    """Return the offer in a CallOffered event, or None if it is not whole."""
    if event.get("UserEvent") != OFFERED or event.get("Complete") != "yes":
        return None
    if event.get("Clicked") is not None:
        return _clicked(event, node)
    if event.get("App") is not None:
        return _from_app(event, node)
    unique_id, channel = event.get("Uniqueid"), event.get("Channel")
    linked_id, trunk = event.get("Linkedid"), event.get("Trunk")
    # Asterisk matches dashes as if they were not there.
    called, at_s = (event.get("Called") or "").replace("-", ""), event.timestamp_s
    if not (unique_id and linked_id and channel and trunk and called) or at_s is None:
        return None
    if not _CALLED.fullmatch(called):
        return None
    answered = event.get("Asked") or ""
    asked, digits = read_asked(answered), event.get("Digits") or ""
    if answered and (asked is None or not _DIGITS.fullmatch(digits)):
        return None
    sender = _header(event.get("From"), unique_id)
    offer = Offer(
        call_id=call_id(node, linked_id),
        node=node,
        channel=channel,
        trunk=trunk,
        called=called,
        caller=caller_of(
            sender=sender,
            identity=_header(event.get("Identity"), unique_id),
            privacy=_header(event.get("Privacy"), unique_id),
            trusted=event.get("Trusted") == "yes",
        ),
        at=datetime.fromtimestamp(at_s, UTC),
        asked=asked,
        digits=None if asked is None else digits,
    )
    return Heard(offer, channel, unique_id, at_s, answered, tag_of(sender or ""))


def _from_app(event: Event, node: str) -> Heard | None:
    """An app's: who calls is said by its endpoint, whom by what it dialled, and nothing else."""
    unique_id, channel, linked_id = (
        event.get("Uniqueid"),
        event.get("Channel"),
        event.get("Linkedid"),
    )
    device, called = event.get("App") or "", (event.get("Called") or "").replace("-", "")
    at_s = event.timestamp_s
    if not (unique_id and linked_id and channel) or at_s is None:
        return None
    if not (DEVICE.fullmatch(device) and SESSION.fullmatch(called)):
        return None
    offer = Offer(
        call_id=call_id(node, linked_id),
        node=node,
        channel=channel,
        trunk="",
        called=called,
        caller=None,
        at=datetime.fromtimestamp(at_s, UTC),
        app=device,
    )
    return Heard(offer, channel, unique_id, at_s)


def _clicked(event: Event, node: str) -> Heard | None:
    """A leg that we rang ourselves: all of it comes from us."""
    unique_id, channel = event.get("Uniqueid"), event.get("Channel")
    linked_id, at_s = event.get("Linkedid"), event.timestamp_s
    called, role = event.get("Called") or "", event.get("Clicked") or ""
    if not (unique_id and linked_id and channel) or at_s is None:
        return None
    if not SESSION.fullmatch(called) or role not in frozenset(Role):
        return None
    offer = Offer(
        call_id=call_id(node, linked_id),
        node=node,
        channel=channel,
        trunk=event.get("Trunk") or "",
        called=called,
        caller=None,
        at=datetime.fromtimestamp(at_s, UTC),
        clicked=Role(role),
    )
    return Heard(offer, channel, unique_id, at_s)


def _header(value: str | None, unique_id: str) -> str | None:
    """The header in `value`, "" where there was none, None where its end is lost.

    The end is the channel's unique id, which no caller knows: without it, a header could cut itself
    off in the dialplan, and a name could so put another number in the place of the caller's.
    """
    try:
        raw = base64.b64decode(value or "", validate=True)
    except (binascii.Error, ValueError):
        return None
    text = raw.decode(errors="replace")
    mark = f" {unique_id}"
    return text.removesuffix(mark).strip() if text.endswith(mark) else None


def caller_of(
    *, sender: str | None, identity: str | None, privacy: str | None, trusted: bool
) -> str | None:
    """Return the caller's number as the carrier spelt it, None if it is withheld or none.

    `sender` is the From header, `identity` P-Asserted-Identity, `privacy` Privacy
    (RFC 3323, 3325); None for one that did not come whole.
    """
    if privacy is None or _PRIVATE.search(privacy):
        return None
    header = sender if not trusted or identity == "" else identity
    return _number(_uri_of(header or ""))


def _uri_of(header: str) -> str:
    """The first URI of a header of addresses, "" if there is none."""
    header = header.strip()
    if len(header) > _MAX_HEADER:
        return ""
    match = _NAME_ADDR.match(header) or _ADDR_SPEC.match(header)
    return match[1] if match else ""


def _number(uri: str) -> str | None:
    if len(uri) > _MAX_HEADER:
        return None
    match = _URI.fullmatch(uri)
    if match is None:
        return None
    if match[1] is not None:
        # sip:+7…;npdi;rn=…:password@host: parameters and password are not the number.
        user = re.split("[;:]", match[1], maxsplit=1)[0]
    else:
        user = match[2].split(";", 1)[0].translate(_VISUAL)
    user = unquote(user)
    return user if _NUMBER.fullmatch(user) else None
