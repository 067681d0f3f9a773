"""What a value may be made of before Asterisk is told it: one narrow alphabet, for every action.

Checked where an action is made, whatever was checked before. Patterns only; never decides anything.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["CARD_PIECE", "DEVICE", "DIAL", "NAME_LENGTH", "SAFE", "SESSION"]

SAFE: Final = re.compile(r"[A-Za-z0-9_.:+@=/;-]*")
DIAL: Final = re.compile(r"\+?[0-9]{2,20}")
DEVICE: Final = re.compile(r"app_[0-9a-z]{26}")
SESSION: Final = re.compile(r"ses_[0-9a-z]{26}")
CARD_PIECE: Final = 900  # characters of a card that a line of an action holds
NAME_LENGTH: Final = 80  # characters of a name
