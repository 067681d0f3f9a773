"""Every page of the console: one line for each area."""

from __future__ import annotations

from typing import Final

from api.console import (
    accounts,
    audit_page,
    board,
    board_alarms,
    call_pages,
    calls,
    exports,
    home,
    look_pages,
    own,
    second_factor,
    sign_in,
    sip,
    views,
)
from api.console.page import Page

PAGES: Final[tuple[Page, ...]] = (
    *home.PAGES,
    *look_pages.PAGES,
    *calls.PAGES,
    *call_pages.PAGES,
    *sip.PAGES,
    *views.PAGES,
    *exports.PAGES,
    *board.PAGES,
    *board_alarms.PAGES,
    *audit_page.PAGES,
    *own.PAGES,
    *accounts.PAGES,
    *second_factor.PAGES,
    *sign_in.PAGES,
)
