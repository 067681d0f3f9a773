"""Free text is kept without what could be a phone. Pure; says nothing of what it struck out."""

from __future__ import annotations

import re
from typing import Final

_PHONE: Final = re.compile(r"\+?\d(?:[ \t ().\-/]{0,3}\d){6,}")
_STRUCK: Final = "[digits struck out]"


def struck_out(text: str) -> str:
    """`text` without any seven or more digits that stand together, or nearly so."""
    return _PHONE.sub(_STRUCK, text)
