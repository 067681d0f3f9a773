"""Head-room over HTTP and to Prometheus."""

from __future__ import annotations

from tests.contract.api.house import PROXY, House, session


def proxies(n: int) -> list[str]:
    return [f"+7495111{one:04}" for one in range(1, n + 1)]


async def dealer(house: House, sessions: int) -> None:
    """The seller u-2 with so many buyers."""
    for n in range(sessions):
        house.clock.advance(hours=1)
        body = session(conversation_id=f"chat-{n}")
        body["participants"][0] |= {"user_id": f"b-{n}", "phone": f"+7916000{n:04}"}
        assert (await house.ask("POST", "/v1/sessions", body)).status == 201


async def test_it_says_who_is_pressed_and_until_when(house: House) -> None:
    await house.furnish(*proxies(10))
    await dealer(house, 8)

    reply = await house.ask("GET", "/v1/pools/default/headroom", role="platform")

    assert reply.status == 200
    found = reply.json()
    assert (found["size"], found["held"], found["left"]) == (10, 8, 2)
    assert found["high_water"] == {
        "user_id": "u-2",
        "held": 8,
        "at": "2026-11-22T18:00:00Z",
    }
    (pressed,) = found["participants"]
    assert (pressed["user_id"], pressed["low"], pressed["taken_a_day"]) == ("u-2", True, 8.0)
    assert pressed["forecast"]["at"] == "2026-11-23T00:00:00Z", "two more, at eight a day"
    assert pressed["forecast"]["sentence"] == (
        "at this rate pool default is empty for u-2 tomorrow, about 00:00 UTC"
    )


async def test_a_pool_that_nobody_uses_has_all_its_room(lite: House) -> None:
    await lite.furnish(*proxies(3))

    found = (await lite.ask("GET", "/v1/pools/default/headroom", role="operator")).json()

    assert found == {
        "pool": "default",
        "size": 3,
        "held": 0,
        "left": 3,
        "low_percent": 20,
        "high_water": None,
        "participants": [],
    }


async def test_there_is_no_head_room_of_a_pool_that_is_not_there(lite: House) -> None:
    reply = await lite.ask("GET", "/v1/pools/none/headroom")

    assert (reply.status, reply.error_id) == (404, "pool_not_found")


async def test_staff_have_no_business_with_pools(lite: House) -> None:
    await lite.furnish(PROXY)

    assert (await lite.ask("GET", "/v1/pools/default/headroom", role="staff")).status == 403


async def test_so_many_participants_are_shown_as_were_asked_for(lite: House) -> None:
    await lite.furnish(PROXY)
    await lite.open_session()

    all_of_them = (await lite.ask("GET", "/v1/pools/default/headroom")).json()
    one = (await lite.ask("GET", "/v1/pools/default/headroom?limit=1")).json()

    assert len(all_of_them["participants"]) == 2
    assert len(one["participants"]) == 1
    assert (await lite.ask("GET", "/v1/pools/default/headroom?limit=51")).status == 422


async def test_metrics_name_each_pool_with_its_head_room(lite: House) -> None:
    await lite.furnish(*proxies(10))
    await dealer(lite, 8)

    lines = (await lite.ask("GET", "/metrics", role=None)).body.decode().splitlines()

    assert 'maskline_pool_size{pool="default"} 10' in lines
    assert 'maskline_pool_held_most{pool="default"} 8' in lines
    assert 'maskline_pool_head_room{pool="default"} 2' in lines


async def test_metrics_are_there_without_the_database(lite: House) -> None:
    await lite.db.close()

    reply = await lite.ask("GET", "/metrics", role=None)

    assert reply.status == 200
    assert b"maskline_pool_size{" not in reply.body
