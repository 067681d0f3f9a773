"""What is believed of a provider's token, of a proxy's headers, and of an address to go on to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from api.console import session
from api.console.oidc import role_of, wrong_with
from api.console.second_factor import STEP_S, step_of
from api.services import ApiSettings, Oidc
from masking.staff import StaffRole

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
PROVIDER = Oidc(
    issuer="https://login.example",
    client_id="maskline",
    client_secret="x",
    claim="realm.roles",
    roles={"support": StaffRole.AGENT, "leads": StaffRole.SUPERVISOR},
)
CLAIMS: dict[str, Any] = {
    "iss": "https://login.example",
    "aud": "maskline",
    "sub": "u-1",
    "nonce": "n",
    "iat": SECONDS,
    "exp": SECONDS + 60,
}


def test_a_token_that_is_as_it_should_be_is_believed() -> None:
    assert wrong_with(CLAIMS, PROVIDER, "n", NOW) is None
    several = {**CLAIMS, "aud": ["maskline", "other"], "azp": "maskline"}
    assert wrong_with(several, PROVIDER, "n", NOW) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://login.example.evil"},
        {"iss": None},
        {"aud": "other"},
        {"aud": []},
        {"aud": None},
        {"aud": ["maskline", "other"]},
        {"aud": ["maskline", "other"], "azp": "other"},
        {"nonce": "another"},
        {"nonce": None},
        {"nonce": 1},
        {"exp": SECONDS - 61},
        {"exp": None},
        {"exp": "later"},
        {"iat": SECONDS + 61},
        {"iat": None},
        {"sub": ""},
        {"sub": 7},
    ],
)
def test_any_other_is_not(changed: dict[str, Any]) -> None:
    assert wrong_with({**CLAIMS, **changed}, PROVIDER, "n", NOW) is not None


@pytest.mark.parametrize(
    ("told", "role"),
    [
        ({"realm": {"roles": ["support"]}}, StaffRole.AGENT),
        ({"realm": {"roles": ["support", "leads"]}}, StaffRole.SUPERVISOR),
        ({"realm": {"roles": "leads"}}, StaffRole.SUPERVISOR),
        ({"realm": {"roles": ["kitchen", 7, None]}}, None),
        ({"realm": "leads"}, None),
        ({"roles": ["leads"]}, None),
        ({}, None),
    ],
)
def test_the_strongest_role_that_the_claim_gives_counts(
    told: dict[str, Any], role: StaffRole | None
) -> None:
    assert role_of(told, PROVIDER) is role


def by(remote: str, headers: dict[str, str], **settings: Any) -> session.Caller:  # noqa: ANN401
    class Transport:
        def get_extra_info(self, name: str, default: object = None) -> object:
            return (remote, 4000) if name == "peername" else default

        def is_closing(self) -> bool:
            return False

    request = make_mocked_request(
        "GET", "/", headers={"Host": "calls.example", **headers}, transport=Transport()
    )
    return session.caller(request, ApiSettings(**settings))


TRUSTED = (ip_network("10.0.0.0/8"),)
FORWARDED = {"X-Forwarded-For": "6.6.6.6, 203.0.113.9", "X-Forwarded-Proto": "https"}


def test_nobody_says_of_themselves_where_they_come_from() -> None:
    found = by("203.0.113.5", FORWARDED, trusted_proxies=TRUSTED)
    assert found == session.Caller("203.0.113.5", secure=False, origin="http://calls.example")


def test_a_trusted_proxy_is_believed_and_only_its_own_word() -> None:
    found = by("10.0.0.1", FORWARDED, trusted_proxies=TRUSTED)
    assert found == session.Caller("203.0.113.9", secure=True, origin="https://calls.example")
    chain = {**FORWARDED, "X-Forwarded-For": "6.6.6.6, 203.0.113.9, 10.0.0.2"}
    assert by("10.0.0.1", chain, trusted_proxies=TRUSTED).peer == "203.0.113.9"


def test_at_the_public_address_everything_is_https() -> None:
    assert by("127.0.0.1", {}, public_url="https://calls.example").secure
    assert not by("127.0.0.1", {}, public_url="https://other.example").secure


@given(st.text(max_size=60))
def test_nobody_is_sent_to_another_place(wanted: str) -> None:
    for text in (wanted, "/console/" + wanted, "//" + wanted, "https:" + wanted):
        found = session.own_path(text)
        assert found.startswith("/console/")
        assert "//" not in found
        assert not {"\r", "\n", "\\", '"', "<"} & set(found)


@pytest.mark.parametrize(
    ("off_s", "taken"), [(0, True), (-30, True), (30, True), (-60, False), (61, False)]
)
def test_a_code_is_good_for_its_half_minute_and_one_to_either_side(off_s: int, taken: bool) -> None:
    # RFC 6238, appendix B: at 1111111109 s the code is 07081804, of which these are six.
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    at = datetime.fromtimestamp(1_111_111_109, UTC) + timedelta(seconds=off_s)
    assert (step_of(secret, "081804", at) == 1_111_111_109 // STEP_S) is taken


def test_a_browser_is_named_in_words() -> None:
    agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36"
    request = make_mocked_request("GET", "/", headers={"User-Agent": agent})
    assert session.device_of(request) == "Chrome, Linux"
    assert session.device_of(make_mocked_request("GET", "/", headers={})) == "–"
