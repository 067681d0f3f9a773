"""The little of a SIP message by which it is told whose it is. Never a whole parse, never I/O.

Every message is looked at once for its Call-ID and method (RFC 3261, 20.8, 20.16), and only the
first of a dialog for more. What cannot be read belongs to no call.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from urllib.parse import unquote

from masking import app_card

__all__ = ["Clue", "Glimpse", "clue", "glimpse", "tag_of", "without_secrets"]

# Each message is looked at for these. Case is spelt out, for a pattern that ignores it is tried at
# every byte, and not at line feeds alone.
_CALL_ID: Final = re.compile(rb"\n(?:[Cc][Aa][Ll][Ll]-[Ii][Dd]|[Ii])[ \t]*:[ \t]*([^\s]{1,256})")
_CSEQ: Final = re.compile(rb"\n[Cc][Ss][Ee][Qq][ \t]*:[ \t]*\d{1,10}[ \t]+([A-Za-z]{2,16})\b")
_FROM: Final = re.compile(rb"\n(?:from|f)[ \t]*:[ \t]*([^\r\n]{1,1024})", re.IGNORECASE)
_CARD: Final = re.compile(
    rb"\n" + app_card.HEADER.encode() + rb"[ \t]*:[ \t]*([A-Za-z0-9_-]{1,4096})", re.IGNORECASE
)
_DIGEST_USER: Final = re.compile(
    rb'\n(?:proxy-)?authorization[ \t]*:[^\r\n]{0,512}?username[ \t]*=[ \t]*"([^"\r\n]{1,64})"',
    re.IGNORECASE,
)
_TAG: Final = re.compile(r";\s*tag\s*=\s*([^\s;,>]{1,256})", re.IGNORECASE)
_USER: Final = re.compile(r"sips?:([^@;:?>\s]{1,128})[@;:]", re.IGNORECASE)
_SDP: Final = re.compile(rb"\n(?:content-type|c)[ \t]*:[ \t]*application/sdp", re.IGNORECASE)
_KEYS: Final = re.compile(rb"(inline:|a=ice-pwd:)[^\s|]+")
_NO_BODY: Final = b"[not kept]"


class Glimpse(NamedTuple):
    """What every message is looked at for."""

    call_id: bytes
    method: bytes  # of the request, or of the one that is answered
    request: bool

    def __repr__(self) -> str:
        return f"<Glimpse of {self.method!r}>"


@dataclass(frozen=True, slots=True)
class Clue:
    """What the first INVITE of a dialog says of whose it is. Holds phones: never shown."""

    tag: str = field(repr=False)
    to_user: str = field(repr=False)  # of the request URI
    from_user: str = field(repr=False)
    device: str = ""  # who has proved himself
    card_call: str = ""  # the call of the card that we show to an app


def glimpse(payload: bytes) -> Glimpse | None:
    """None for what is no SIP message: keep-alives among them."""
    call_id, cseq = _CALL_ID.search(payload), _CSEQ.search(payload)
    if call_id is None or cseq is None:
        return None
    return Glimpse(call_id[1], cseq[1].upper(), not payload.startswith(b"SIP/"))


def clue(payload: bytes) -> Clue:
    """Of an INVITE."""
    uri = payload[: payload.find(b"\r\n")].decode("utf-8", "replace")
    sender = found[1].decode("utf-8", "replace") if (found := _FROM.search(payload)) else ""
    device = _DIGEST_USER.search(payload)
    card = _CARD.search(payload)
    tag = _TAG.search(sender, sender.rfind(">") + 1)
    return Clue(
        tag="" if tag is None else tag[1],
        to_user=_user(uri),
        from_user=_user(sender[sender.rfind("<") + 1 :]),
        device="" if device is None else device[1].decode("ascii", "replace"),
        card_call="" if card is None else _call_of(card[1]),
    )


def tag_of(header: str) -> str:
    """The tag of a From header, "" without one."""
    found = _TAG.search(header, header.rfind(">") + 1)
    return "" if found is None else found[1]


def without_secrets(payload: bytes) -> bytes:
    """The message without what nobody may keep: typed digits (INFO and kin), keys of media."""
    head, gap, body = payload.partition(b"\r\n\r\n")
    if not body:
        return payload
    if _SDP.search(head) is None:
        return head + gap + _NO_BODY
    if b"inline:" in body or b"a=ice-pwd:" in body:
        return head + gap + _KEYS.sub(rb"\1" + _NO_BODY, body)
    return payload


def _user(text: str) -> str:
    found = _USER.search(text)
    return "" if found is None else unquote(found[1])


def _call_of(card: bytes) -> str:
    try:
        said = json.loads(base64.urlsafe_b64decode(card + b"=" * (-len(card) % 4)))
    except (binascii.Error, ValueError):
        return ""
    call = said.get("call_id") if isinstance(said, dict) else None
    return call if isinstance(call, str) else ""
