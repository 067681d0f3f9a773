"""Where requests may go: attacks on the guard, one a line."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.outbound import AddressRefused, OutboundError, UrlRefused, check_url
from api.outbound.addresses import is_open

INSIDE = (ip_network("10.1.0.0/16"), ip_network("fd00:1::/32"))

CLOSED = """
127.0.0.1 0.0.0.0 0.1.2.3 10.0.0.1 10.2.0.1 100.64.0.1 169.254.169.254 172.16.0.1 172.31.255.255
192.0.0.1 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1
240.0.0.1 255.255.255.255
:: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 64:ff9b::127.0.0.1
64:ff9b::a00:1 64:ff9b:1::a9fe:a9fe 2002:7f00:1:: 2002:a00:1:: 2001:0:7f00:1:: 100::1 2001:db8::1
2001:2::1 3fff::1 5f00::1 fc00::1 fd00::1 fe80::1 fe80::1%eth0 fec0::1 ff02::1
"""
OPEN = "1.1.1.1 8.8.8.8 93.184.216.34 2606:4700::1111 2a00:1450:4001::1 ::ffff:8.8.8.8"


@pytest.mark.parametrize("text", CLOSED.split())
def test_no_address_of_a_private_or_special_kind_is_open(text: str) -> None:
    assert not is_open(ip_address(text), (), encrypted=True)


@pytest.mark.parametrize("text", OPEN.split())
def test_public_addresses_are_open_to_https_alone(text: str) -> None:
    assert is_open(ip_address(text), (), encrypted=True)
    assert not is_open(ip_address(text), INSIDE, encrypted=False)


@pytest.mark.parametrize("text", ["10.1.2.3", "fd00:1::5", "::ffff:10.1.2.3"])
def test_what_the_operator_allows_is_open_to_both(text: str) -> None:
    assert is_open(ip_address(text), INSIDE, encrypted=True)
    assert is_open(ip_address(text), INSIDE, encrypted=False)


@given(st.integers(0, 2**32 - 1))
def test_an_embedded_address_is_judged_like_the_plain_one(number: int) -> None:
    plain = IPv4Address(number)
    for prefix in (0xFFFF << 32, 0x64FF9B << 96):
        inner = IPv6Address(prefix | number)
        assert is_open(inner, (), encrypted=True) == is_open(plain, (), encrypted=True)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop.example",
        "//shop.example/x",
        "ftp://shop.example/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:25/",
        "http://shop.example/",
        "https://",
        "https://user@shop.example/",
        "https://user:password@shop.example/",
        "https://shop.example/#part",
        "https://shop.example/\r\nX: 1",
        "https://shop.example/é",
        "https://shop.example:0/",
        "https://shop.example:99999/",
        "https://2130706433/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://[::1/",
        "https://" + "a" * 3000,
    ],
)
def test_what_is_no_plain_https_url_is_refused(url: str) -> None:
    with pytest.raises(UrlRefused):
        check_url(url)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "169.254.169.254", "[::ffff:10.0.0.1]"])
def test_a_closed_address_is_refused_where_it_is_written_out(host: str) -> None:
    with pytest.raises(AddressRefused):
        check_url(f"https://{host}/x")


def test_plain_http_is_for_networks_that_are_allowed() -> None:
    assert str(check_url("http://10.1.2.3:8080/x", INSIDE)) == "http://10.1.2.3:8080/x"
    with pytest.raises(AddressRefused):
        check_url("http://8.8.8.8/x", INSIDE)


@given(st.text(max_size=60))
def test_any_text_is_a_url_or_is_refused(text: str) -> None:
    try:
        checked = check_url("https://" + text)
    except OutboundError as refused:
        assert text == "" or len(text) < 4 or text not in str(refused)  # noqa: PT017
    else:
        assert checked.scheme == "https"
        assert checked.host
