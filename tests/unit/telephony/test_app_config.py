"""What the rendered configuration says of apps."""

from __future__ import annotations

import configparser
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from telephony.app_config import app_serving, app_values, lookups_conf, ws_address
from telephony.errors import PortTaken
from telephony.layout import Doors, NodeSettings
from telephony.ports import check_app_ports

DOORS = Doors(ws_port=21_001, lookup_port=21_002, lookup_secret="5ecret")
SETTINGS = NodeSettings(Path("data"), sip_host="192.0.2.9", ws_host="192.0.2.9")
TLS = replace(SETTINGS, tls_cert=Path("/c.pem"), tls_key=Path("/k.pem"))


def values(settings: NodeSettings, version: tuple[int, int] = (22, 10)) -> dict[str, str]:
    return dict(app_values(settings, DOORS, version))


def read(text: str) -> configparser.ConfigParser:
    found = configparser.ConfigParser(delimiters=("=",))
    found.read_string(text)
    return found


def test_websockets_are_served_on_the_kept_port_or_the_given_one() -> None:
    assert ws_address(SETTINGS, DOORS) == ("192.0.2.9", 21_001)
    assert ws_address(replace(SETTINGS, ws_port=8089), DOORS) == ("192.0.2.9", 8089)
    plain = values(SETTINGS)
    assert plain["ws_listen"].splitlines() == [
        "enabled = yes",
        "bindaddr = 192.0.2.9",
        "bindport = 21001",
    ]
    assert plain["ws_protocol"] == "ws"
    assert plain["sip_tls"] == ""


def test_with_a_certificate_nothing_is_served_in_clear() -> None:
    secret = values(replace(TLS, sip_tls=("192.0.2.9", 5061)))
    listen = read("[general]\n" + secret["ws_listen"])["general"]
    assert (listen["enabled"], listen["tlsenable"]) == ("no", "yes")
    assert listen["tlsbindaddr"] == "192.0.2.9:21001"
    assert secret["ws_protocol"] == "wss"
    transport = read(secret["sip_tls"].replace("[transport-tls]", "[t]"))["t"]
    assert (transport["bind"], transport["cert_file"]) == ("192.0.2.9:5061", "/c.pem")
    assert transport["method"].startswith("tlsv1_2")


def test_the_one_address_is_offered_and_no_other_of_the_machine() -> None:
    lines = values(SETTINGS)["ice_addresses"].splitlines()
    assert lines[1:] == [
        "ice_deny = 0.0.0.0/0.0.0.0",
        "ice_permit = 192.0.2.9/255.255.255.255",
    ]
    six = values(replace(SETTINGS, sip_host="2001:db8::9"))["ice_addresses"].splitlines()
    assert six[1:] == ["ice_deny = ::/0", "ice_permit = 2001:db8::9/128"]
    assert values(replace(SETTINGS, sip_host="0.0.0.0"))["ice_addresses"] == ""


def test_on_loopback_another_address_stands_for_it_and_is_not_shown() -> None:
    found = values(replace(SETTINGS, sip_host="127.0.0.1"))["ice_addresses"].splitlines()
    assert "ice_permit = 127.0.0.1/255.255.255.255" in found
    mapped = [line for line in found if "=>" in line]
    assert all(line.endswith("=> 127.0.0.1") for line in mapped)
    assert len(mapped) == ("[ice_host_candidates]" in found)


def test_whoever_is_nobody_is_challenged_and_leads_nowhere() -> None:
    stranger = values(SETTINGS)["stranger"]
    assert "context = no-calls" in stranger
    assert "match_request_uri = /./" in stranger
    assert DOORS.lookup_secret not in stranger
    assert values(SETTINGS, (20, 5))["stranger"] == ""


def test_asterisk_asks_by_the_secret_path() -> None:
    text = lookups_conf(21_002, "5ecret")
    for family in ("ps_endpoints", "ps_auths", "ps_aors"):
        assert f"{family} => curl,http://127.0.0.1:21002/5ecret/{family}\n" in text
    assert "contact" not in text


def test_apps_see_the_public_name_and_srtp_needs_secret_signalling() -> None:
    assert app_serving(SETTINGS).domain == "192.0.2.9"
    assert app_serving(replace(SETTINGS, app_domain="calls.example")).domain == "calls.example"
    assert not app_serving(SETTINGS).srtp
    assert app_serving(replace(TLS, sip_tls=("192.0.2.9", 5061))).srtp


@pytest.mark.parametrize("what", ["WebSocket", "SIP/TLS"])
def test_a_taken_port_is_noticed(what: str) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        socket.create_server(("127.0.0.1", 0)) as free,
    ):
        port = taken.getsockname()[1]
        other = free.getsockname()[1]
        free.close()
        settings = replace(SETTINGS, ws_host="127.0.0.1", ws_port=other)
        if what == "WebSocket":
            settings = replace(settings, ws_port=port)
        else:
            settings = replace(settings, sip_tls=("127.0.0.1", port))
        with pytest.raises(PortTaken, match=f"{what} 127.0.0.1:{port}: it is in use"):
            check_app_ports(settings, DOORS)
