"""Who may do what: every route with every role, and without a key."""

from __future__ import annotations

from api.in_app.sse import MEDIA_TYPE
from api.routing import Route
from api.table import ROUTES
from storage.keys import KeyRole
from tests.contract.api.house import House

# The same table as in docs/api.md; admin may do all.
ALLOWED = {
    "open_session": "platform",
    "list_sessions": "platform staff operator",
    "get_session": "platform staff operator",
    "extend_session": "platform",
    "close_session": "platform",
    "declare_caller_number": "platform",
    "list_caller_numbers": "platform staff",
    "withdraw_caller_number": "platform",
    "create_listing_number": "platform",
    "list_listing_numbers": "platform staff",
    "get_listing_number": "platform staff",
    "change_listing_number": "platform",
    "close_listing_number": "platform",
    "set_block": "platform staff",
    "list_blocks": "platform staff",
    "lift_block": "platform staff",
    "make_app_credential": "platform",
    "list_app_credentials": "platform staff",
    "revoke_app_credentials": "platform",
    "revoke_app_credential": "platform",
    "put_reachability": "platform",
    "get_reachability": "platform staff",
    "preflight": "platform",
    "click_to_call": "platform",
    "hand_over": "platform",
    "rate_call": "platform",
    "list_calls": "platform staff operator",
    "search_calls": "platform staff operator",
    "export_calls": "platform staff operator",
    "search_export": "platform staff operator",
    "get_call": "platform staff operator",
    "correct_call": "operator",
    "list_call_versions": "platform staff operator",
    "get_recording": "platform staff operator",
    "play_recording": "staff operator",
    "delete_recording": "platform operator",
    "get_history": "platform staff",
    "get_call_log": "platform staff",
    "mark_seen": "platform",
    "see_history": "platform",
    "count_unread": "platform staff",
    "follow_history": "platform staff",
    "follow_call_log": "platform staff",
    "list_live_calls": "staff operator",
    "hang_up": "staff operator",
    "make_webhook": "platform operator",
    "list_webhooks": "platform staff operator",
    "get_webhook": "platform staff operator",
    "change_webhook": "platform operator",
    "delete_webhook": "platform operator",
    "rotate_secret": "platform operator",
    "test_webhook": "platform operator",
    "list_deliveries": "platform staff operator",
    "resend_delivery": "platform staff operator",
    "resend_dead": "platform staff operator",
    "list_audit": "operator",
    "create_trunk": "operator",
    "list_trunks": "operator",
    "get_trunk": "operator",
    "replace_trunk": "operator",
    "change_trunk": "operator",
    "delete_trunk": "operator",
    "list_pools": "platform operator",
    "get_pool": "platform operator",
    "put_pool": "operator",
    "add_numbers": "operator",
    "list_numbers": "operator",
    "get_number": "operator",
    "get_headroom": "platform operator",
    "inspect": "staff operator",
    "change_number": "operator",
    "delete_number": "operator",
    "export_user": "platform",
    "erase_user": "platform",
    "list_erasures": "platform",
    "get_erasure": "platform",
    "look_for_person": "",
    "export_person": "",
    "erase_person": "",
    "get_retention": "staff operator",
    "get_vault": "",
    "rotate_vault": "",
    "count_impressions": "platform",
    "get_funnel": "platform staff operator",
    "get_lift": "platform staff operator",
    "get_traffic": "staff operator",
    "make_key": "",
    "list_keys": "",
    "revoke_key": "",
    "healthz": "everyone",
    "readyz": "everyone",
    "metrics": "everyone",
    "openapi": "everyone",
    "docs": "everyone",
}


def a_path(route: Route) -> str:
    path = route.path
    for parameter in route.parameters:
        path = path.replace(f"{{{parameter.name}}}", parameter.example)
    return path


KEYED = [route for route in ROUTES if not route.app]
OF_APPS = [route for route in ROUTES if route.app]


def test_the_table_names_every_route() -> None:
    assert {route.name for route in KEYED} == ALLOWED.keys()


def test_apps_have_a_place_of_their_own() -> None:
    assert {route for route in ROUTES if route.path.startswith("/v1/app/")} == set(OF_APPS)


async def test_an_app_is_let_in_there_and_nowhere_else(lite: House) -> None:
    token = (await lite.credential())["token"]
    for route in ROUTES:
        if route.name == "app_events":
            continue
        reply = await lite.ask_app(route.method, a_path(route), token=token)
        if route.app or route.roles is None:
            assert reply.status not in {401, 403}, route.name
        else:
            assert (reply.status, reply.error_id) == (401, "unauthenticated"), route.name


async def test_no_key_of_any_role_opens_what_is_for_apps(lite: House) -> None:
    for route in OF_APPS:
        for role in KeyRole:
            reply = await lite.ask(route.method, a_path(route), role=role.value, raw=b"")
            assert (reply.status, reply.error_id) == (401, "unauthenticated"), route.name


async def test_only_those_who_may_are_let_in(lite: House) -> None:
    for route in KEYED:
        allowed = ALLOWED[route.name].split()
        for role in KeyRole:
            may = role is KeyRole.ADMIN or role.value in allowed or "everyone" in allowed
            # A stream of events does not end.
            method = "HEAD" if may and route.answers == MEDIA_TYPE else route.method
            reply = await lite.ask(method, a_path(route), role=role.value, raw=b"")
            case = (route.name, role.value)
            if may:
                assert reply.status not in {401, 403}, case
            else:
                assert (reply.status, reply.error_id) == (403, "forbidden"), case
                assert "admin" in reply.json()["detail"], case


async def test_without_a_known_key_nothing_is_told(lite: House) -> None:
    nobody: tuple[dict[str, str], ...] = (
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer mk_nobodyhasthis"},
        {"Authorization": "Bearer " + "x" * 5000},
        {"Authorization": "Bearer кл"},
        {"Authorization": f"Basic {lite.keys['admin']}"},
        {"Authorization": lite.keys["admin"]},
        {"X-Api-Key": lite.keys["admin"]},
    )
    for route in ROUTES:
        for headers in nobody:
            path = a_path(route)
            reply = await lite.ask(route.method, path, role=None, headers=headers, raw=b"")
            if route.roles is None:
                assert reply.status == 200, route.name
            else:
                assert (reply.status, reply.error_id) == (401, "unauthenticated"), route.name
                assert reply.headers["WWW-Authenticate"].startswith("Bearer"), route.name


async def test_a_key_in_the_query_is_not_a_key(lite: House) -> None:
    reply = await lite.ask("GET", f"/v1/sessions?key={lite.keys['admin']}", role=None)

    assert reply.status == 401
