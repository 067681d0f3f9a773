"""The console's front door: whoever is signed in goes on to the first page they may see."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from api.console.navigation import ENTRIES
from api.console.page import Page, Visit
from api.console.render import see

ACCOUNT: Final = "/console/account"


async def home(visit: Visit) -> web.StreamResponse:
    """On to the first page of the navigation, else to their own account."""
    for entry in ENTRIES:
        if entry.right is None or visit.may(entry.right):
            return see(entry.path)
    return see(ACCOUNT)


PAGES: Final = (Page("GET", "/console/", home, None),)
