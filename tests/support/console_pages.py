"""Where each page of the console is in the scene of the tests: its address, and who looks at it.

A page that shows HTML and has no line here fails a test: nobody would have looked at it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from api.console.table import PAGES
from tests.support.console_scene import ConsoleScene

# Not HTML, a piece of another page, or sent on to one.
NOT_SHOWN: Final = frozenset(
    {
        "/console/",
        "/console/session",
        "/console/live-calls",
        "/console/board/events",
        "/console/audit/check",
        "/console/exports/{id}/file",
        "/console/calls/{id}/recording/{grant}/audio",
        "/console/calls/{id}/recording/{grant}/wave",
        # Seen while something is wrong: `test_board.py`.
        "/console/board/alarms/{id}",
        # Seen on the way in: `test_sign_in.py`.
        "/console/sign-in/password",
        "/console/sign-in/code",
        "/console/sign-in/enrol",
    }
)


# A long list of them, and nothing that is like that.
MANY_FILTERS: Final = (
    "period=30d&outcome=missed%2Cbusy%2Cdeclined%2Cunreachable&channel=gsm&conversation_id=chat-1"
    "&listing_id=L-77&user_id=u-0123456789ab&number=%2B74951000202&tag=refund&trunk=carrier"
    "&node=node_0123456789abcdef&cause=17&ring_min_s=1&ring_max_s=90&talk_min_s=1&mos_max=3.5&stars_max=2"
    "&recorded=true&rated=true"
)

# Those that people spend their day on: every way to look at them is looked at.
_OFTEN: Final = {"calls", "call-story", "call-recorded", "call-app", "board", "session", "sip"}


@dataclass(frozen=True)
class Place:
    """A page with something on it."""

    name: str  # of its picture
    template: str  # of its address
    address: str
    status: int = 200

    @property
    def often(self) -> bool:
        """Whether its picture is made in every way."""
        return self.name in _OFTEN


def places(scene: ConsoleScene, account: str) -> Iterator[Place]:
    """Every page, with the most that the scene has for it; `account`: where one's page is."""
    session = scene.sessions["planted"]
    ids = {what: scene.call_id(what) for what in scene.sessions}
    number = session.buyer_dials.replace("+", "%2B")
    webhook, delivery = scene.webhook_id, scene.delivery_id
    block = f"user_id={session.seller_id}&blocked_user_id={session.buyer_id}"
    for name, template, address in (
        ("calls", "/console/calls", "/console/calls"),
        ("calls-filtered", "/console/calls", f"/console/calls?{MANY_FILTERS}"),
        ("calls-planted", "/console/calls", f"/console/calls?session_id={session.id}"),
        ("exports", "/console/exports", "/console/exports"),
        ("audit", "/console/audit", "/console/audit"),
        ("account", "/console/account", "/console/account"),
        ("second-factor", "/console/account/second-factor", "/console/account/second-factor"),
        ("accounts", "/console/accounts", "/console/accounts"),
        ("account-of", "/console/accounts/{id}", account),
        ("sip", "/console/sip", "/console/sip"),
        ("call-sip", "/console/calls/{id}/sip", f"/console/calls/{ids['planted']}/sip"),
        ("call-sip-app", "/console/calls/{id}/sip", f"/console/calls/{ids['app']}/sip"),
        ("sessions", "/console/sessions", "/console/sessions"),
        (
            "sessions-found",
            "/console/sessions",
            f"/console/sessions?conversation_id={session.conversation_id}",
        ),
        ("session", "/console/sessions/{id}", f"/console/sessions/{session.id}"),
        *(
            (
                f"session-{do}",
                f"/console/sessions/{{id}}/{do}",
                f"/console/sessions/{session.id}/{do}",
            )
            for do in ("close", "extend", "join")
        ),
        ("inspect", "/console/inspect", "/console/inspect"),
        ("blocks", "/console/blocks", "/console/blocks"),
        ("block-add", "/console/blocks/add", "/console/blocks/add"),
        ("block-lift", "/console/blocks/lift", f"/console/blocks/lift?{block}"),
        ("complaints", "/console/complaints", "/console/complaints"),
        ("pools", "/console/pools", "/console/pools"),
        ("pool", "/console/pools/{name}", f"/console/pools/{scene.open.name}"),
        ("pool-add", "/console/pools/{name}/add", f"/console/pools/{scene.open.name}/add"),
        ("pool-new", "/console/new-pool", "/console/new-pool"),
        ("pool-rules", "/console/pools/{name}/rules", f"/console/pools/{scene.open.name}/rules"),
        ("number", "/console/numbers/{number}/{change}", f"/console/numbers/{number}/drain"),
        ("trunks", "/console/trunks", "/console/trunks"),
        ("trunk-add", "/console/new-trunk", "/console/new-trunk"),
        ("trunk", "/console/trunks/{name}", "/console/trunks/far"),
        ("trunk-edit", "/console/trunks/{name}/edit", "/console/trunks/far/edit"),
        ("trunk-carrier", "/console/trunks/{name}/carrier", "/console/trunks/far/carrier"),
        (
            "trunk-drain",
            "/console/trunks/{name}/change/{change}",
            "/console/trunks/far/change/drain",
        ),
        ("webhooks", "/console/webhooks", "/console/webhooks"),
        ("webhook", "/console/webhooks/{id}", f"/console/webhooks/{webhook}"),
        ("webhook-add", "/console/new-webhook", "/console/new-webhook"),
        *(
            (
                f"webhook-{do}",
                f"/console/webhooks/{{id}}/{do}",
                f"/console/webhooks/{webhook}/{do}",
            )
            for do in ("edit", "secret", "remove")
        ),
        (
            "webhook-resend",
            "/console/webhooks/{id}/resend",
            f"/console/webhooks/{webhook}/resend",
        ),
        (
            "delivery-resend",
            "/console/webhooks/{id}/deliveries/{delivery}/resend",
            f"/console/webhooks/{webhook}/deliveries/{delivery}/resend",
        ),
        (
            "webhook-test",
            "/console/webhooks/{id}/change/{change}",
            f"/console/webhooks/{webhook}/change/test",
        ),
        *(
            (f"call-{what}", "/console/calls/{id}", f"/console/calls/{ids[what]}")
            for what in ("story", "recorded", "app", "handover", "planted", "failed")
        ),
        # Late: an alarm is told after ten seconds.
        ("board", "/console/board", "/console/board"),
    ):
        yield Place(name, template, address)
    yield Place("call-nowhere", "/console/calls/{id}", f"/console/calls/cal_{'0' * 26}", 404)


def unseen(seen: set[str]) -> set[str]:
    """Templates of pages that show HTML and are not among those `seen`."""
    shown = {page.path for page in PAGES if page.method == "GET"} - NOT_SHOWN
    return shown - seen
