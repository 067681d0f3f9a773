"""API keys over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, text

from tests.contract.api.house import House


async def make(house: House, role: str = "platform") -> dict[str, Any]:
    made = await house.ask("POST", "/v1/keys", {"role": role, "name": "shop"})
    assert made.status == 201
    key: dict[str, Any] = made.json()
    return key


async def test_a_new_key_works_and_is_listed_without_its_text(house: House) -> None:
    made = await make(house)

    bearer = {"Authorization": f"Bearer {made['key']}"}
    assert (await house.ask("GET", "/v1/sessions", role=None, headers=bearer)).status == 200
    listed = await house.ask("GET", "/v1/keys")
    assert made["key"].encode() not in listed.body
    assert made["id"] in {one["id"] for one in listed.json()["items"]}


async def test_only_the_hash_of_a_key_is_kept(house: House) -> None:
    made = await make(house)

    def kept(conn: Connection) -> str:
        return str(conn.execute(text("SELECT * FROM api_keys")).all())

    assert made["key"] not in await house.db.read(kept)


async def test_a_revoked_key_is_refused_at_once(house: House) -> None:
    made = await make(house)
    bearer = {"Authorization": f"Bearer {made['key']}"}
    assert (await house.ask("GET", "/v1/sessions", role=None, headers=bearer)).status == 200

    assert (await house.ask("DELETE", f"/v1/keys/{made['id']}")).status == 204

    assert (await house.ask("GET", "/v1/sessions", role=None, headers=bearer)).status == 401
    again = await house.ask("DELETE", f"/v1/keys/{made['id']}")
    assert again.status == 204


async def test_the_last_admin_key_stays(house: House) -> None:
    listed = (await house.ask("GET", "/v1/keys")).json()["items"]
    admin = next(one["id"] for one in listed if one["role"] == "admin")

    refused = await house.ask("DELETE", f"/v1/keys/{admin}")
    assert (refused.status, refused.error_id) == (409, "last_admin_key")

    other = await make(house, "admin")
    assert (await house.ask("DELETE", f"/v1/keys/{admin}")).status == 204
    bearer = {"Authorization": f"Bearer {other['key']}"}
    assert (await house.ask("GET", "/v1/keys", role=None, headers=bearer)).status == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"role": "root", "name": "x"}, "role"),
        ({"role": "admin"}, "name"),
        ({"role": "admin", "name": ""}, "name"),
        ({"role": "admin", "name": "a\nb"}, "name"),
        ({"role": "admin", "name": "a", "key": "mk_mine"}, "key"),
    ],
)
async def test_what_is_wrong_is_named(lite: House, body: dict[str, Any], field: str) -> None:
    refused = await lite.ask("POST", "/v1/keys", body)

    assert refused.status == 422
    assert field in refused.fields


async def test_no_key_is_revoked_where_there_is_none(lite: House) -> None:
    for wanted in ("key_0000000000000000", "key_x", "x"):
        refused = await lite.ask("DELETE", f"/v1/keys/{wanted}")
        assert (refused.status, refused.error_id) == (404, "key_not_found")
