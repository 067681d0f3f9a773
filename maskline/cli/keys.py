"""`maskline keys`: over HTTP, like anybody. A key's text is printed once and kept nowhere."""

from __future__ import annotations

import argparse

from maskline.cli.common import table, with_api
from maskline.client import ApiClient


def create(arguments: argparse.Namespace) -> int:
    """Make a key and print its text, alone on its line."""

    async def work(api: ApiClient) -> str:
        body = {"role": arguments.role, "name": arguments.name}
        made = await api.ask("POST", "/v1/keys", body)
        return str(made["key"])

    print(with_api(arguments, work))
    return 0


def show(arguments: argparse.Namespace) -> int:
    """List keys."""

    async def work(api: ApiClient) -> list[tuple[str, ...]]:
        return [
            (key["id"], key["role"], key["name"], key["created_at"], key["revoked_at"] or "")
            async for key in api.every("/v1/keys")
        ]

    print(table(with_api(arguments, work), ("ID", "ROLE", "NAME", "CREATED", "REVOKED")))
    return 0


def revoke(arguments: argparse.Namespace) -> int:
    """End a key."""

    async def work(api: ApiClient) -> None:
        await api.ask("DELETE", f"/v1/keys/{arguments.id}")

    with_api(arguments, work)
    print(f"revoked {arguments.id}")
    return 0
