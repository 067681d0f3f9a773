"""The demo page's small parts: ports, signatures, the feed, the carrier's configuration."""

from __future__ import annotations

import json
import secrets
import time
from itertools import count
from pathlib import Path

import pytest

from api.outbound import new_secret, signature_headers
from maskline.demo.carrier_node import CarrierNode, CarrierPlace, Mobile
from maskline.demo.page.feed import BOUND, Feed
from maskline.demo.page.places import divide
from maskline.demo.page.signature import is_signed
from maskline.errors import SettingsRefused
from maskline.settings import Address, PortRange, Settings
from maskline.toolbox import AsteriskInstall, AsteriskVersion, Source


def _settings(rtp: str, http: str = "127.0.0.1:8080") -> Settings:
    return Settings.load({"rtp": rtp, "http": http}, environ={})


@pytest.mark.parametrize("rtp", ["20000-20799", "10000-20000", "20001-20080", "20001-20099"])
def test_the_parts_share_the_rtp_ports_and_take_no_others(rtp: str) -> None:
    given = PortRange.parse(rtp)
    places = divide(_settings(rtp))
    ranges = [places.settings.rtp, places.carrier_rtp, places.radio]
    ports = [port for one in ranges for port in range(one.first, one.last + 1)]
    assert ports == list(range(given.first, given.last + 1))
    assert all(one.first % 2 == 0 for one in ranges[1:])
    assert len(ports) * 0.7 < places.settings.rtp.last - places.settings.rtp.first + 1


def test_too_few_ports_are_refused() -> None:
    with pytest.raises(SettingsRefused, match="80"):
        divide(_settings("20000-20078"))


def test_webhooks_may_come_to_our_own_address_and_nowhere_else_that_is_private() -> None:
    allowed = divide(_settings("20000-20799", "127.0.0.1:8080")).settings.outbound_allow
    assert [str(one) for one in allowed] == ["127.0.0.1/32"]
    anywhere = divide(_settings("20000-20799", "0.0.0.0:8080"))
    assert anywhere.web_host == "127.0.0.1"


def test_what_we_sign_the_demo_believes_and_nothing_else() -> None:
    secret, body = new_secret(secrets.token_bytes(32)), b'{"type":"call.ended"}'
    headers = signature_headers((secret,), "evt_1", int(time.time()), body)
    now_s = time.time()
    assert is_signed(secret, headers, body, now_s)
    assert not is_signed(secret, headers, body + b" ", now_s)
    assert not is_signed(new_secret(secrets.token_bytes(32)), headers, body, now_s)
    assert not is_signed(secret, headers, body, now_s + 301)
    assert not is_signed(secret, {}, body, now_s)
    assert not is_signed("", headers, body, now_s)


async def test_the_next_window_takes_the_feed_over() -> None:
    feed = Feed()
    first = feed.open()
    feed.tell("event", {"n": 1})
    second = feed.open()
    feed.tell("event", {"n": 2})
    feed.leave(first)
    assert feed.watched, "the second is there"
    feed.close()
    assert _kinds([one async for one in first.events()]) == ["event", "elsewhere"]
    assert _kinds([one async for one in second.events()]) == ["event"]


async def test_a_reader_that_falls_too_far_behind_is_let_go() -> None:
    feed = Feed()
    reader = feed.open()
    for n in range(BOUND + 1):
        feed.tell("event", {"n": n})
    assert _kinds([one async for one in reader.events()]) == []


def _kinds(events: list[bytes]) -> list[str]:
    texts = [one.decode() for one in events]
    for text in texts:
        if "data: " in text:
            json.loads(text.partition("data: ")[2])
    return [text.split("\n")[0].removeprefix("event: ") for text in texts if "event: " in text]


def _carrier(data: Path) -> CarrierNode:
    numbers = count(1)
    place = CarrierPlace(data, "127.0.0.1", Address("127.0.0.1", 5060), PortRange(20600, 20699))
    version = AsteriskVersion(22, 10, "22.10.1")
    install = AsteriskInstall(("asterisk",), data / "m", data / "d", version, Source.PATH)
    mobiles = [Mobile("mobile-buyer", "+79161234501", "secret")]
    return CarrierNode(place, mobiles, install, entropy=lambda n: f"{next(numbers):0{2 * n}x}")


def test_the_carrier_keeps_its_ports_and_gives_every_value(tmp_path: Path) -> None:
    first = _carrier(tmp_path)
    again = _carrier(tmp_path)
    assert (again.trunk, again.ws_port) == (first.trunk, first.ws_port)
    files = again.render()
    assert not [name for name, text in files.items() if "%{" in text]
    assert f"bind = {first.trunk}" in files["pjsip.conf"]
    assert "match = 127.0.0.1:5060" in files["pjsip.conf"]
    assert "exten => +79161234501,1,Dial(PJSIP/mobile-buyer,120)" in files["extensions.conf"]


def test_a_mobile_never_shows_its_password(tmp_path: Path) -> None:
    assert "secret" not in repr(Mobile("mobile-buyer", "+79161234501", "secret"))
