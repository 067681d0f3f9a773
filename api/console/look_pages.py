"""The pages on which things are looked up, and changed by who may.

Their forms are sent by the page's script where there is one: what was typed stays when it is wrong.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from api.console import (
    look_blocks,
    look_inspect,
    look_pool_edit,
    look_pools,
    look_session_changes,
    look_sessions,
    look_trunk_add,
    look_trunk_carrier,
    look_trunks,
    look_webhook_edit,
    look_webhooks,
)
from api.console.page import Page
from api.console.render import led_on

_PAGES: Final = (
    *look_sessions.PAGES,
    *look_session_changes.PAGES,
    *look_inspect.PAGES,
    *look_blocks.PAGES,
    *look_pools.PAGES,
    *look_pool_edit.PAGES,
    *look_trunks.PAGES,
    *look_trunk_add.PAGES,
    *look_trunk_carrier.PAGES,
    *look_webhooks.PAGES,
    *look_webhook_edit.PAGES,
)

PAGES: Final[tuple[Page, ...]] = tuple(
    replace(page, handler=led_on(page.handler)) if page.method == "POST" else page
    for page in _PAGES
)
