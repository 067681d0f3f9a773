"""Pools, numbers and trunks in the console: read by all, changed by operators, once."""

from __future__ import annotations

import pytest

from masking.staff import StaffRole
from masking.trunks import AuthType, TrunkAuth
from storage import trunks
from storage.audit import Action
from tests.contract.api.house import PROXY, House, LiveCallDouble
from tests.contract.console.look import Seat, kept, sent

NEW = "+74951110077"
SPOKEN = "+7 495 111-00-77"
ADD = "/console/new-trunk"


async def test_a_pool_shows_its_numbers_its_rules_and_who_holds_most(
    lite: House, desk: Seat
) -> None:
    await lite.furnish()
    await lite.open_session()
    agent = await desk(StaffRole.AGENT)

    pools = await agent.get("/console/pools")
    pool = await agent.get("/console/pools/default")

    assert "/console/pools/default" in pools.links()
    for words in ("+7 495 111-00-01", "no new session", "in use", "Its numbers"):
        assert words in pool.words, words
    assert "Add numbers" not in pool.words
    assert (await agent.get("/console/pools/other")).status == 404
    assert (
        "No numbers are like that"
        in (await agent.get("/console/pools/default?state=draining")).words
    )


async def test_numbers_are_added_all_or_none_and_once(lite: House, desk: Seat) -> None:
    await lite.furnish()
    operator = await desk(StaffRole.OPERATOR)
    path = "/console/pools/default/add"

    wrong, _ = await sent(operator, path, {"trunk": "carrier-a", "numbers": f"{NEW}\nnothing"})
    done, form = await sent(
        operator, path, {"trunk": "carrier-a", "numbers": f"7 495 111-00-77\r\n{PROXY}"}
    )
    again = await operator.post(path, form)

    assert wrong.status == 422
    assert "Each line has to be a whole number" in wrong.words
    assert done.status == again.status == 303
    assert SPOKEN in (await operator.get("/console/pools/default")).words
    (entry,) = await kept(lite, Action.POOL_CHANGED)
    assert entry.object_id == "default"
    assert entry.facts == {"what": "added", "trunk": "carrier-a", "added": 1, "already": 1}


async def test_a_number_is_drained_and_used_again(lite: House, desk: Seat) -> None:
    await lite.furnish()
    operator = await desk(StaffRole.OPERATOR)

    drained, _ = await sent(operator, f"/console/numbers/{PROXY}/drain")
    page = await operator.get(drained.location)
    used, _ = await sent(operator, f"/console/numbers/{PROXY}/use")

    assert "The number is draining" in page.words
    assert "Use again" in page.words
    assert used.status == 303
    assert (await lite.ask("GET", f"/v1/numbers/{PROXY}")).json()["state"] == "active"
    assert [one.facts["what"] for one in await kept(lite, Action.POOL_CHANGED)] == ["use", "drain"]
    assert (await operator.get(f"/console/numbers/{NEW}/drain")).status == 404


async def test_a_trunk_shows_what_it_takes_and_how_full_it_is(lite: House, desk: Seat) -> None:
    await lite.furnish()
    lite.node.calls["c-1"] = LiveCallDouble("c-1", lite.clock())
    supervisor = await desk(StaffRole.SUPERVISOR)

    trunks = await supervisor.get("/console/trunks")
    trunk = await supervisor.get("/console/trunks/carrier-a")

    assert "/console/trunks/carrier-a" in trunks.links()
    assert "1 / 100" in trunk.words
    assert "open" in trunk.words
    assert "Drain…" not in trunk.words, "a supervisor only looks"
    assert (await supervisor.get("/console/trunks/other")).status == 404


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ("drain", {"enabled": True, "inbound": False, "outbound": False}),
        ("disable", {"enabled": False, "inbound": True, "outbound": True}),
    ],
)
async def test_a_trunk_is_taken_out_of_use_and_opened_again(
    lite: House, desk: Seat, change: str, state: dict[str, bool]
) -> None:
    await lite.furnish()
    operator = await desk(StaffRole.OPERATOR)

    told = lite.node.told
    done, form = await sent(operator, f"/console/trunks/carrier-a/change/{change}")
    assert state.items() <= (await lite.ask("GET", "/v1/trunks/carrier-a")).json().items()
    assert lite.node.told > told
    again = await operator.post(f"/console/trunks/carrier-a/change/{change}", form)
    opened, _ = await sent(operator, "/console/trunks/carrier-a/change/open")

    assert done.status == again.status == opened.status == 303
    assert (await lite.ask("GET", "/v1/trunks/carrier-a")).json()["enabled"] is True
    entries = await kept(lite, Action.TRUNK_CHANGED)
    assert [one.facts["what"] for one in entries] == ["open", change]
    assert entries[0].object_id == "carrier-a"


async def test_a_node_that_is_away_is_said_to_follow_later(lite: House, desk: Seat) -> None:
    await lite.furnish()
    lite.node.away = True
    operator = await desk(StaffRole.OPERATOR)

    done, _ = await sent(operator, "/console/trunks/carrier-a/change/drain")

    assert "The node is away" in (await operator.get(done.location)).words


async def test_limits_are_set_and_nonsense_is_told_at_its_field(lite: House, desk: Seat) -> None:
    await lite.furnish()
    operator = await desk(StaffRole.OPERATOR)
    path = "/console/trunks/carrier-a/edit"
    limits = {"max_channels": "50", "max_cps": "5", "priority": "7", "inbound": "on"}

    wrong, _ = await sent(operator, path, limits | {"max_cps": "0"})
    done, _ = await sent(operator, path, limits)

    assert wrong.status == 422
    assert "from 1 to 10,000" in wrong.words
    assert 'name="inbound" value="on" checked' in wrong.html
    assert 'name="outbound" value="on" checked' not in wrong.html
    assert done.status == 303
    trunk = (await lite.ask("GET", "/v1/trunks/carrier-a")).json()
    found = {name: trunk[name] for name in (*limits, "outbound")}
    assert found == {
        "max_channels": 50,
        "max_cps": 5,
        "priority": 7,
        "inbound": True,
        "outbound": False,
    }
    (entry,) = await kept(lite, Action.TRUNK_CHANGED)
    assert entry.facts["max_channels"] == 50


async def test_a_trunks_password_is_nowhere_on_its_page(lite: House, desk: Seat) -> None:
    sent_trunk = {
        "name": "carrier-b",
        "host": "127.0.0.3",
        "auth": {"type": "digest", "username": "we", "password": "very-secret-1"},
    }
    assert (await lite.ask("POST", "/v1/trunks", sent_trunk)).status == 201
    operator = await desk(StaffRole.OPERATOR)

    for path in ("", "/edit", "/carrier"):
        shown = await operator.get(f"/console/trunks/carrier-b{path}")
        assert shown.status == 200
        assert "very-secret-1" not in shown.html


TRUNK = {
    "name": "carrier-c",
    "host": "sip.example.com",
    "port": "5060",
    "transport": "tcp",
    "number_format": "national",
    "country": "RU",
    "codecs": "g722, alaw",
    "auth": "digest",
    "username": "we",
    "password": "very-secret-2",
    "register": "on",
    "max_channels": "20",
    "max_cps": "2",
    "priority": "50",
    "outbound": "on",
    "options_interval_s": "10",
}


async def test_a_trunk_is_added_once(lite: House, desk: Seat) -> None:
    operator = await desk(StaffRole.OPERATOR)
    told = lite.node.told

    done, form = await sent(operator, ADD, TRUNK)
    again = await operator.post(ADD, form)
    page = await operator.get(done.location)

    assert done.status == again.status == 303
    assert "The trunk is added" in page.words
    assert "No proxy number comes through this trunk" in page.words
    assert lite.node.told > told
    made = (await lite.ask("GET", "/v1/trunks/carrier-c")).json()
    numbers = {name: int(typed) for name, typed in TRUNK.items() if typed.isdigit()}
    wanted = {name: TRUNK[name] for name in ("host", "transport", "number_format", "country")}
    assert (wanted | numbers).items() <= made.items()
    assert made["codecs"] == ["g722", "alaw"]
    assert made["auth"] == {"type": "digest", "username": "we", "register": True}
    assert (made["inbound"], made["outbound"], made["trusted"]) == (False, True, False)
    (entry,) = await kept(lite, Action.TRUNK_CHANGED)
    assert (entry.object_id, entry.facts["what"]) == ("carrier-c", "added")
    assert "very-secret-2" not in str(entry) + page.html


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "Carrier C"}, "1 to 32 small letters"),
        ({"name": "carrier-a"}, "There is a trunk of this name"),
        ({"host": "127.0.0.999"}, "Give an IP address or a DNS name"),
        ({"host": ""}, "Give an IP address or a DNS name"),
        ({"port": "0"}, "from 1 to 65,535"),
        ({"options_interval_s": "3601"}, "from 0 to 3,600"),
        ({"country": "ZZ"}, "Give two capital letters"),
        ({"codecs": "alaw, alaw"}, "Name each once"),
        ({"codecs": "mp3"}, "Name each once"),
        ({"username": ""}, "Give the user name"),
        ({"password": "a b"}, "Give the password"),
        ({"max_cps": "none"}, "from 1 to 10,000"),
    ],
)
async def test_a_trunk_that_cannot_be_is_told_at_its_field_and_what_was_typed_stays(
    lite: House, desk: Seat, change: dict[str, str], words: str
) -> None:
    await lite.furnish()
    operator = await desk(StaffRole.OPERATOR)

    wrong, _ = await sent(operator, ADD, TRUNK | change)

    assert wrong.status == 422
    assert words in wrong.words
    assert wrong.html.count('aria-invalid="true"') == 1
    assert 'value="g722, alaw"' in wrong.html or "codecs" in change
    assert "very-secret-2" not in wrong.html
    assert (await operator.get("/console/trunks/carrier-c")).status == 404
    assert not await kept(lite, Action.TRUNK_CHANGED)


MOVED = {
    "host": "127.0.0.44",
    "port": "5066",
    "transport": "udp",
    "number_format": "national",
    "country": "RU",
    "codecs": "alaw",
    "options_interval_s": "10",
    "auth": "digest",
    "username": "we",
    "password": "",
    "register": "on",
    "trusted": "on",
}


async def test_a_carrier_that_moved_keeps_its_limits_and_its_password(
    lite: House, desk: Seat
) -> None:
    operator = await desk(StaffRole.OPERATOR)
    await sent(operator, ADD, TRUNK)
    path, told = "/console/trunks/carrier-c/carrier", lite.node.told

    asked = await operator.get(path)
    done, form = await sent(operator, path, MOVED)
    again = await operator.post(path, form)
    page = await operator.get(done.location)

    assert 'value="sip.example.com"' in asked.html
    assert done.status == again.status == 303
    assert lite.node.told > told
    assert "127.0.0.44:5066" in page.words
    kept_trunk = await lite.db.read(lambda conn: trunks.get(conn, lite.services.vault, "carrier-c"))
    assert kept_trunk is not None
    assert kept_trunk.auth == TrunkAuth(AuthType.DIGEST, "we", "very-secret-2", register=True)
    assert (kept_trunk.max_channels, kept_trunk.inbound, kept_trunk.trusted) == (20, False, True)
    entry = (await kept(lite, Action.TRUNK_CHANGED))[0]
    assert entry.facts == {
        "what": "carrier",
        "host": "sip.example.com → 127.0.0.44",
        "port": "5060 → 5066",
        "transport": "tcp → udp",
        "codecs": "g722, alaw → alaw",
        "trusted": True,
    }


@pytest.mark.parametrize(
    ("log_in", "now"),
    [
        ({"password": "new-secret-3"}, ("we", "new-secret-3")),
        ({"username": "79161234567", "password": "new-secret-3"}, ("79161234567", "new-secret-3")),
        ({"auth": "ip"}, (None, None)),
    ],
)
async def test_of_a_new_log_in_the_log_says_only_that_it_is_new(
    lite: House, desk: Seat, log_in: dict[str, str], now: tuple[str | None, str | None]
) -> None:
    operator = await desk(StaffRole.OPERATOR)
    await sent(operator, ADD, TRUNK)

    await sent(operator, "/console/trunks/carrier-c/carrier", MOVED | log_in)

    kept_trunk = await lite.db.read(lambda conn: trunks.get(conn, lite.services.vault, "carrier-c"))
    assert kept_trunk is not None
    assert (kept_trunk.auth.username, kept_trunk.auth.password) == now
    entry = (await kept(lite, Action.TRUNK_CHANGED))[0]
    assert entry.facts["log_in"] is True
    assert not {"username", "password"} & set(entry.facts)
    assert "79161234567" not in str(entry)
    assert "secret" not in str(entry)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"host": "127.0.0.999"}, "Give an IP address or a DNS name"),
        ({"port": ""}, "from 1 to 65,535"),
        ({"codecs": "mp3"}, "Name each once"),
        ({"username": "other"}, "Give the password"),
        ({"username": ""}, "Give the user name"),
    ],
)
async def test_a_carrier_that_cannot_be_there_is_told_at_its_field_and_stays_where_it_is(
    lite: House, desk: Seat, change: dict[str, str], words: str
) -> None:
    operator = await desk(StaffRole.OPERATOR)
    await sent(operator, ADD, TRUNK)
    path = "/console/trunks/carrier-c/carrier"

    wrong, _ = await sent(operator, path, MOVED | change)

    assert wrong.status == 422
    assert words in wrong.words
    assert (await lite.ask("GET", "/v1/trunks/carrier-c")).json()["host"] == "sip.example.com"
    assert len(await kept(lite, Action.TRUNK_CHANGED)) == 1
    assert (await operator.get("/console/trunks/nobody/carrier")).status == 404
