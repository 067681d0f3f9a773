"""The card as an app gets it: one JSON object, the same in the INVITE's header and in the push.

What does not fit is left out in a fixed order, never cut in the middle of a value that a program
reads. Holds no number and no address, because `CallerCard` has none.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any, Final

from masking.plan import CallerCard

__all__ = ["HEADER", "LONGEST", "encode", "plain", "shortened"]

HEADER: Final = "X-Maskline-Card"
VERSION: Final = 1
LONGEST: Final = 2400  # characters of the header's value
_TITLE: Final = 40  # of a title that did not fit whole


def plain(card: CallerCard) -> dict[str, Any]:
    """As JSON."""
    listing = card.listing
    return {
        "v": VERSION,
        "call_id": card.call_id,
        "session_id": card.session_id,
        "conversation_id": card.conversation_id,
        "role": card.role.value,
        "name": card.card.name,
        "rating": card.card.rating,
        "listing": None if listing is None else {"id": listing.id, "title": listing.title},
        "facts": dict(card.card.facts),
    }


def encode(card: CallerCard, longest: int = LONGEST) -> str:
    """The header's value: base64url (RFC 4648, 5) without padding, of UTF-8 JSON.

    Where it would be longer: without facts, then with a title cut short, then without title and
    name.
    """
    return _fitting(plain(card), longest)


def shortened(text: str, longest: int) -> str:
    """A value that `encode` made, in so many characters. Raises ValueError if it is none."""
    if len(text) <= longest:
        return text
    return _fitting(json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))), longest)


def _fitting(card: dict[str, Any], longest: int) -> str:
    text = ""
    for one in _shorter(card):
        raw = json.dumps(one, ensure_ascii=False, separators=(",", ":")).encode()
        text = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
        if len(text) <= longest:
            break
    return text


def _shorter(card: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield card
    card = {**card, "facts": {}}
    yield card
    listing = card["listing"]
    if listing is not None and listing["title"] is not None:
        yield {**card, "listing": {**listing, "title": listing["title"][:_TITLE] + "…"}}
        card = {**card, "listing": {**listing, "title": None}}
    yield card
    yield {**card, "name": None}
