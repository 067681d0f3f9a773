"""Signing out at the organisation's provider too: OpenID Connect RP-Initiated Logout 1.0.

The session here is over before anything is asked of the provider; where it has no such page, or is
away, that is all there is to it. A form may lead nowhere but to ourselves (CSP), so it is a page of
ours that sends the browser on. No token is kept, so none goes along: the client's id says who asks.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from api.console.errors import ConsoleProblem
from api.console.oidc import Provider
from api.console.page import Guest
from api.console.render import render, see
from api.console.sign_in import AT_PROVIDER, Door
from api.console.steps import SIGN_IN

_SCHEMES: Final = frozenset({"https", "http"})


async def out(guest: Guest, _request: web.Request) -> web.StreamResponse:
    """Send the browser on to the provider's page, where it has one."""
    provider = guest.running.console.provider
    there = None
    if isinstance(provider, Provider):
        try:
            told = await provider.told(guest.now)
        except ConsoleProblem:
            return see(SIGN_IN)
        there = leaving(told.get("end_session_endpoint"), provider.settings.client_id, guest.origin)
    if there is None:
        return see(SIGN_IN)
    name = guest.running.console.provider_name
    return render(guest, "sign_in/provider_out.html", there=there, provider=name)


def leaving(endpoint: object, client_id: str, origin: str) -> str | None:
    """Where a browser signs out and comes back from (2, 3); None: the provider has no such page."""
    if not isinstance(endpoint, str) or urlsplit(endpoint).scheme not in _SCHEMES:
        return None
    asked = {"client_id": client_id, "post_logout_redirect_uri": origin + SIGN_IN}
    glue = "&" if urlsplit(endpoint).query else "?"
    return endpoint + glue + urlencode(asked)


DOORS: Final = (Door("GET", AT_PROVIDER, out),)
