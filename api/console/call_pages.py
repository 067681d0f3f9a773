"""Every page and deed of a call's page."""

from __future__ import annotations

from typing import Final

from api.console import call, call_play, call_reveal, call_write
from api.console.page import Page

PAGES: Final[tuple[Page, ...]] = (
    *call.PAGES,
    *call_play.PAGES,
    *call_reveal.PAGES,
    *call_write.PAGES,
)
