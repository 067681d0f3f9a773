"""What Asterisk is told of an app, read as Asterisk reads it."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qsl

import pytest

from telephony.app_rows import AppAccount, AppKind, AppServing, Family, is_app, row

NAME = "app_06h04q5m1cebd0scwk78yt7k90"
SERVING = AppServing(domain="calls.example", media_address="192.0.2.9")


def account(
    kind: AppKind = AppKind.WEBRTC, *, username: str = NAME, md5_cred: str = "0" * 32
) -> AppAccount:
    return AppAccount(username, "u-1", md5_cred, datetime(2026, 11, 22, tzinfo=UTC), kind)


def read(
    family: Family, kind: AppKind = AppKind.WEBRTC, serving: AppServing = SERVING
) -> dict[str, str]:
    pairs = parse_qsl(
        row(family, account(kind), serving), keep_blank_values=True, strict_parsing=True
    )
    assert len(pairs) == len(dict(pairs))
    return dict(pairs)


@pytest.mark.parametrize("family", Family)
def test_a_row_is_of_the_one_who_was_asked_for(family: Family) -> None:
    assert read(family)["id"] == NAME


@pytest.mark.parametrize("kind", AppKind)
def test_an_app_proves_itself_and_is_known_by_nothing_else(kind: AppKind) -> None:
    endpoint = read(Family.ENDPOINT, kind)
    assert endpoint["auth"] == endpoint["aors"] == NAME
    assert endpoint["identify_by"] == "auth_username"
    assert endpoint["context"] == "from-app"
    assert endpoint["set_var"] == f"MASKLINE_APP={NAME}"
    auth = read(Family.AUTH, kind)
    assert (auth["auth_type"], auth["username"]) == ("md5", NAME)
    assert (auth["realm"], auth["md5_cred"]) == ("maskline", "0" * 32)


@pytest.mark.parametrize("kind", AppKind)
def test_nothing_of_one_side_reaches_the_other(kind: AppKind) -> None:
    endpoint = read(Family.ENDPOINT, kind)
    for option in (
        *("trust_id_inbound", "trust_id_outbound", "trust_connected_line", "send_connected_line"),
        *("send_pai", "send_diversion", "send_history_info", "direct_media", "allow_transfer"),
        *("allow_subscribe", "100rel"),
    ):
        assert endpoint[option] == "no", option
    assert endpoint["callerid"] == "<anonymous>"
    assert endpoint["from_domain"] == "calls.example"
    assert endpoint["contact_user"] == "maskline"
    assert endpoint["sdp_owner"] == endpoint["sdp_session"] == "-"
    assert endpoint["media_address"] == "192.0.2.9"
    assert endpoint["bind_rtp_to_media_address"] == "yes"


@pytest.mark.parametrize("kind", AppKind)
def test_opus_first_and_no_telephone_event_among_the_codecs(kind: AppKind) -> None:
    """That one would keep the endpoint from loading."""
    assert read(Family.ENDPOINT, kind)["allow"] == "opus,alaw,ulaw"


def test_a_browser_is_served_with_ice_and_dtls_a_native_app_without() -> None:
    assert read(Family.ENDPOINT, AppKind.WEBRTC)["webrtc"] == "yes"
    native = read(Family.ENDPOINT, AppKind.SIP)
    assert "webrtc" not in native
    assert "media_encryption" not in native


def test_media_is_secret_where_signalling_can_be() -> None:
    secret = AppServing(domain="calls.example", srtp=True)
    native = read(Family.ENDPOINT, AppKind.SIP, secret)
    assert (native["media_encryption"], native["media_encryption_optimistic"]) == ("sdes", "yes")
    assert "media_address" not in native


def test_a_device_is_at_one_place_and_the_last_one_counts() -> None:
    aor = read(Family.AOR)
    assert (aor["max_contacts"], aor["remove_existing"], aor["qualify_frequency"]) == (
        "1",
        "yes",
        "0",
    )


@pytest.mark.parametrize(
    "wrong",
    [
        account(username="carrier-a"),
        account(username=NAME + "&context=from-trunk"),
        account(username=NAME.upper()),
        account(username=NAME + "\n"),
        account(md5_cred="0" * 31),
        account(md5_cred="0" * 32 + "&auth_type=none"),
    ],
)
def test_what_is_no_account_is_not_told(wrong: AppAccount) -> None:
    for family in Family:
        with pytest.raises(ValueError, match="no account"):
            row(family, wrong, SERVING)


@pytest.mark.parametrize(
    "name", ["", "app_", NAME[:-1], NAME + "0", NAME.replace("0", "i"), "ses_" + NAME[4:]]
)
def test_what_is_no_apps_name(name: str) -> None:
    assert not is_app(name)
    assert is_app(NAME)


def test_secrets_are_not_shown() -> None:
    assert "0000" not in repr(account())
