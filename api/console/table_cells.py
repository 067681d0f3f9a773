"""Tells each cell of a table what its column is called, for screens on which a row is a card.

The rows are ours and already escaped: `<` in them begins an element. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from markupsafe import Markup, escape

Head = str | Sequence[str]
_PLACE: Final = re.compile(r"<(tr|th|td)\b([^>]*)")


def labelled(rows: Markup, heads: Sequence[Head]) -> Markup:
    """`rows` with ``data-label`` on each ``td``; what has one keeps it, a heading needs none.

    Nor does what is under an unseen heading: a button says itself what it does.
    """
    pairs = [(head, "") if isinstance(head, str) else head for head in heads]
    names = ["" if kind == "unseen" else text for text, kind in pairs]
    names = [name[:1].upper() + name[1:] for name in names]
    at = -1

    def marked(found: re.Match[str]) -> str:
        nonlocal at
        at = -1 if found[1] == "tr" else at + 1
        if found[1] != "td" or "data-label=" in found[2] or not any(names[at : at + 1]):
            return found[0]
        return f'<td data-label="{escape(names[at])}"{found[2]}'

    return Markup(_PLACE.sub(marked, rows))  # noqa: S704 (our own markup; the names are escaped)
