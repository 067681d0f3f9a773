"""What apps are told of where to go."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from maskline.app_address import app_transports, known_ws
from maskline.settings import Settings
from telephony.layout import Layout, load_identity, make_folders

WS = ("127.0.0.1", 21_001)


def load(**given: object) -> Settings:
    return Settings.load(given, environ={})


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, "ws://127.0.0.1:21001/ws"),
        ({"public_host": "calls.example"}, "ws://calls.example:21001/ws"),
        ({"tls_cert": "c", "tls_key": "k", "public_host": "a"}, "wss://a:21001/ws"),
        ({"ws_url": "wss://calls.example/ws"}, "wss://calls.example/ws"),
    ],
)
def test_the_websocket_has_the_public_name(given: dict[str, object], url: str) -> None:
    assert app_transports(load(**given), WS).ws_url == url


def test_a_port_that_is_not_known_here_is_not_told() -> None:
    assert app_transports(load(), None).ws_url is None


def test_native_apps_go_to_the_sip_port_and_by_tls_where_there_is_some() -> None:
    ways = app_transports(load(sip="0.0.0.0:5060", public_host="calls.example"), WS)
    assert (ways.udp, ways.tcp, ways.tls) == ("calls.example:5060", "calls.example:5060", None)
    secret = load(sip="192.0.2.9:5060", sip_tls="192.0.2.9:5061", tls_cert="c", tls_key="k")
    assert app_transports(secret, WS).tls == "192.0.2.9:5061"


def test_relays_come_with_their_secret_and_only_then() -> None:
    given = load(turn_urls="turn:a:3478", turn_secret="north", stun_urls="stun:a:3478")
    ways = app_transports(given, WS)
    assert ways.stun == ("stun:a:3478",)
    assert ways.turn is not None
    assert (ways.turn.urls, ways.turn.secret) == (("turn:a:3478",), "north")
    assert app_transports(load(), WS).turn is None


def test_another_process_finds_the_port_that_the_node_keeps(tmp_path: Path) -> None:
    settings = load(data=tmp_path)
    assert known_ws(settings) is None
    layout = Layout.of(tmp_path)
    make_folders(layout)
    doors = load_identity(layout, secrets.token_hex).doors
    assert known_ws(settings) == ("127.0.0.1", doors.ws_port)
    assert known_ws(load(data=tmp_path, ws="127.0.0.1:8089")) == ("127.0.0.1", 8089)
