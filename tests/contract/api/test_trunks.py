"""Trunks over HTTP."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.contract.api.house import House, trunk

SECRET = "correct-horse"
DIGEST = {"type": "digest", "username": "us", "password": SECRET, "register": True}


async def test_a_trunk_is_made_read_listed_changed_and_removed(house: House) -> None:
    made = await house.ask("POST", "/v1/trunks", trunk())

    assert made.status == 201
    assert made.headers["Location"] == "/v1/trunks/carrier-a"
    assert made.json() | trunk(auth=made.json()["auth"]) == made.json()
    assert (await house.ask("GET", "/v1/trunks/carrier-a")).json() == made.json()
    assert (await house.ask("GET", "/v1/trunks")).json()["items"] == [made.json()]
    changed = await house.ask("PATCH", "/v1/trunks/carrier-a", {"max_cps": 5, "enabled": False})
    assert changed.json() == made.json() | {"max_cps": 5, "enabled": False}
    replaced = await house.ask("PUT", "/v1/trunks/carrier-a", {"host": "sip.example.org"})
    assert (replaced.json()["host"], replaced.json()["max_cps"]) == ("sip.example.org", 30)
    assert (await house.ask("DELETE", "/v1/trunks/carrier-a")).status == 204
    assert (await house.ask("GET", "/v1/trunks/carrier-a")).error_id == "trunk_not_found"


async def test_the_node_is_told_of_every_change_and_of_nothing_else(lite: House) -> None:
    await lite.ask("POST", "/v1/trunks", trunk())
    await lite.ask("PATCH", "/v1/trunks/carrier-a", {"port": 5090})
    await lite.ask("PUT", "/v1/trunks/carrier-a", {"host": "127.0.0.3"})
    await lite.ask("DELETE", "/v1/trunks/carrier-a")
    assert lite.node.told == 4

    await lite.ask("GET", "/v1/trunks")
    await lite.ask("POST", "/v1/trunks", {})
    await lite.ask("DELETE", "/v1/trunks/carrier-a")
    assert lite.node.told == 4


async def test_a_node_that_is_away_takes_the_change_later(lite: House) -> None:
    lite.node.away = True
    made = await lite.ask("POST", "/v1/trunks", trunk())

    assert (made.status, made.headers["Maskline-Applied"]) == (201, "later")
    lite.node.away = False
    changed = await lite.ask("PATCH", "/v1/trunks/carrier-a", {"port": 5090})
    assert changed.headers["Maskline-Applied"] == "now"


async def test_a_password_is_never_sent_out_again(house: House) -> None:
    made = await house.ask("POST", "/v1/trunks", trunk(auth=DIGEST))
    assert made.json()["auth"] == {"type": "digest", "username": "us", "register": True}

    await house.ask("PATCH", "/v1/trunks/carrier-a", {"port": 5090})
    await house.ask("GET", "/v1/trunks")
    await house.ask("PUT", "/v1/trunks/carrier-a", {"host": "x", "auth": DIGEST | {"oops": 1}})

    assert not any(SECRET.encode() in answer for answer in house.memory.answers)
    assert not any(SECRET in line for line in house.memory.lines)


async def test_two_trunks_cannot_have_one_name(house: House) -> None:
    await house.ask("POST", "/v1/trunks", trunk())

    refused = await house.ask("POST", "/v1/trunks", trunk(host="127.0.0.9"))

    assert (refused.status, refused.error_id) == (409, "trunk_exists")
    assert (await house.ask("GET", "/v1/trunks/carrier-a")).json()["host"] == "127.0.0.2"


async def test_a_trunk_with_numbers_stays(house: House) -> None:
    await house.furnish()

    refused = await house.ask("DELETE", "/v1/trunks/carrier-a")

    assert (refused.status, refused.error_id) == (409, "trunk_in_use")


async def test_pages_show_every_trunk_once(house: House) -> None:
    names = [f"carrier-{letter}" for letter in "edcba"]
    for name in names:
        await house.ask("POST", "/v1/trunks", trunk(name=name))

    first = (await house.ask("GET", "/v1/trunks?limit=3")).json()
    rest = (await house.ask("GET", f"/v1/trunks?limit=3&cursor={first['next_cursor']}")).json()

    assert [one["name"] for one in first["items"] + rest["items"]] == sorted(names)
    assert rest["next_cursor"] is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "Carrier"}, "name"),
        ({"name": "a" * 33}, "name"),
        ({"name": "a]\n[b"}, "name"),
        ({"name": "-a"}, "name"),
        ({"host": "a b"}, "host"),
        ({"host": "127.0.0.256"}, "host"),
        ({"host": "1.2.3"}, "host"),
        ({"host": ":::"}, "host"),
        ({"host": "x\r\ntype=identify"}, "host"),
        ({"host": "x;y"}, "host"),
        ({"host": ""}, "host"),
        ({"host": "a." * 130 + "a"}, "host"),
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"port": "5060"}, "port"),
        ({"transport": "sctp"}, "transport"),
        ({"transport": "tls"}, "inbound"),
        ({"transport": "tls", "auth": DIGEST | {"register": False}}, "inbound"),
        ({"media_encryption": "sdes"}, "media_encryption"),
        ({"media_encryption": "sdes", "transport": "tcp"}, "media_encryption"),
        ({"media_encryption": "dtls", "transport": "tls"}, "media_encryption"),
        ({"media_encryption": None}, "media_encryption"),
        ({"auth": {}}, "auth"),
        ({"auth": {"type": "psk"}}, "auth"),
        ({"auth": {"type": "ip", "password": "x"}}, "auth.password"),
        ({"auth": {"type": "digest", "username": "a"}}, "auth.password"),
        ({"auth": DIGEST | {"password": "a;b"}}, "auth.password"),
        ({"auth": DIGEST | {"password": ""}}, "auth.password"),
        ({"auth": DIGEST | {"username": "a\r\nb"}}, "auth.username"),
        ({"auth": DIGEST | {"register": 1}}, "auth.register"),
        ({"number_format": "roman"}, "number_format"),
        ({"country": "ru"}, "country"),
        ({"country": "XX"}, "country"),
        ({"codecs": []}, "codecs"),
        ({"codecs": ["alaw", "alaw"]}, "codecs"),
        ({"codecs": ["mp3"]}, "codecs[0]"),
        ({"codecs": "alaw"}, "codecs"),
        ({"max_channels": 0}, "max_channels"),
        ({"max_cps": -1}, "max_cps"),
        ({"enabled": "yes"}, "enabled"),
        ({"hosts": "x"}, "hosts"),
    ],
)
async def test_what_is_wrong_is_named(lite: House, changes: dict[str, Any], field: str) -> None:
    refused = await lite.ask("POST", "/v1/trunks", trunk(**changes))

    assert (refused.status, refused.error_id) == (422, "validation_failed")
    assert field in refused.fields
    assert lite.node.told == 0


async def test_a_change_to_nothing_is_refused(lite: House) -> None:
    await lite.ask("POST", "/v1/trunks", trunk())

    refused = await lite.ask("PATCH", "/v1/trunks/carrier-a", {"host": None})

    assert refused.status == 422
    assert list(refused.fields) == ["host"]


OUTWARD = {"transport": "tls", "inbound": False}


async def test_over_tls_calls_go_out_with_no_door_and_come_in_by_one(house: House) -> None:
    made = await house.ask("POST", "/v1/trunks", trunk(**OUTWARD, media_encryption="sdes"))
    assert (made.status, made.json()["media_encryption"]) == (201, "sdes")
    refused = await house.ask("PATCH", "/v1/trunks/carrier-a", {"inbound": True})
    assert (refused.status, list(refused.fields)) == (422, ["inbound"])
    assert "sip_tls" in refused.fields["inbound"]

    house.transports = replace(house.transports, tls="sip.test:5061")
    changed = await house.ask("PATCH", "/v1/trunks/carrier-a", {"inbound": True})
    assert (changed.status, changed.json()["inbound"]) == (200, True)


async def test_a_door_that_was_shut_since_keeps_nobody_from_changing_the_rest(lite: House) -> None:
    lite.transports = replace(lite.transports, tls="sip.test:5061")
    await lite.ask("POST", "/v1/trunks", trunk(transport="tls"))
    lite.transports = replace(lite.transports, tls=None)

    changed = await lite.ask("PATCH", "/v1/trunks/carrier-a", {"enabled": False})
    assert (changed.status, changed.json()["enabled"]) == (200, False)
    assert (await lite.ask("PUT", "/v1/trunks/carrier-a", trunk(transport="tls"))).status == 422


async def test_a_carrier_we_register_with_calls_over_our_own_connection(lite: House) -> None:
    made = await lite.ask("POST", "/v1/trunks", trunk(transport="tls", auth=DIGEST))
    assert (made.status, made.json()["inbound"]) == (201, True)


async def test_the_port_that_is_left_out_is_that_of_the_transport(lite: House) -> None:
    for sent, port in (
        ({"transport": "udp"}, 5060),
        (OUTWARD, 5061),
        ({**OUTWARD, "port": 5060}, 5060),
    ):
        body = {"host": "sip.example.org", **sent}
        if port == 5060 and sent["transport"] == "udp":
            await lite.ask("POST", "/v1/trunks", {"name": "carrier-a", **body})
        kept = await lite.ask("PUT", "/v1/trunks/carrier-a", body)
        assert kept.json()["port"] == port
    changed = await lite.ask("PATCH", "/v1/trunks/carrier-a", {"transport": "udp"})
    assert changed.json()["port"] == 5060


async def test_sealed_audio_is_not_left_behind_without_tls(lite: House) -> None:
    await lite.ask("POST", "/v1/trunks", trunk(**OUTWARD, media_encryption="sdes"))
    refused = await lite.ask("PATCH", "/v1/trunks/carrier-a", {"transport": "udp"})
    assert (refused.status, list(refused.fields)) == (422, ["media_encryption"])
    both = {"transport": "udp", "media_encryption": "none"}
    assert (await lite.ask("PATCH", "/v1/trunks/carrier-a", both)).status == 200
