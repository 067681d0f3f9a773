"""`maskline trunks`: over HTTP.

A password comes from a prompt or standard input, never from arguments: others may list those.
"""

from __future__ import annotations

import argparse
import getpass
import sys
from typing import Any

from maskline.cli.common import table, with_api
from maskline.client import ApiClient
from maskline.errors import CommandRefused

_PLAIN = (
    *("host", "port", "transport", "number_format", "country"),
    *("max_channels", "max_cps", "priority", "media_encryption"),
)
_SWITCHES = ("enabled", "inbound", "outbound", "trusted")


def show(arguments: argparse.Namespace) -> int:
    """List trunks."""

    async def work(api: ApiClient) -> list[tuple[str, ...]]:
        return [_row(trunk) async for trunk in api.every("/v1/trunks")]

    head = ("NAME", "ADDRESS", "AUTH", "FORMAT", "CODECS", "CHANNELS", "CPS", "STATE")
    print(table(with_api(arguments, work), head))
    return 0


def add(arguments: argparse.Namespace) -> int:
    """Add a trunk."""
    body = {"name": arguments.name, **_body(arguments)}
    with_api(arguments, lambda api: api.ask("POST", "/v1/trunks", body))
    print(f"added {arguments.name}")
    return 0


def change(arguments: argparse.Namespace) -> int:
    """Change what was given."""
    body = _body(arguments)
    if not body:
        raise CommandRefused("nothing to change: give at least one setting")
    with_api(arguments, lambda api: api.ask("PATCH", f"/v1/trunks/{arguments.name}", body))
    print(f"changed {arguments.name}")
    return 0


def remove(arguments: argparse.Namespace) -> int:
    """Remove a trunk."""
    with_api(arguments, lambda api: api.ask("DELETE", f"/v1/trunks/{arguments.name}"))
    print(f"removed {arguments.name}")
    return 0


def _body(arguments: argparse.Namespace) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for name in _PLAIN:
        if (value := getattr(arguments, name)) is not None:
            body[name] = value
    for name in _SWITCHES:
        if (value := getattr(arguments, name, None)) is not None:
            body[name] = value == "yes"
    if arguments.codecs is not None:
        body["codecs"] = arguments.codecs.split(",")
    if arguments.username is not None:
        body["auth"] = {
            "type": "digest",
            "username": arguments.username,
            "password": _password(),
            "register": arguments.register,
        }
    elif arguments.register:
        raise CommandRefused("--register needs --username")
    return body


def _password() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("password: ")
    return sys.stdin.readline().rstrip("\n")


def _sealed(trunk: dict[str, Any]) -> str:
    sealed = trunk["media_encryption"]
    return "" if sealed == "none" else f"+{sealed}"


def _row(trunk: dict[str, Any]) -> tuple[str, ...]:
    ways = [way for way in ("inbound", "outbound") if trunk[way]]
    state = "+".join(ways) if trunk["enabled"] and ways else "off"
    return (
        trunk["name"],
        f"{trunk['host']}:{trunk['port']}/{trunk['transport']}{_sealed(trunk)}",
        trunk["auth"]["type"],
        trunk["number_format"],
        ",".join(trunk["codecs"]),
        str(trunk["max_channels"]),
        str(trunk["max_cps"]),
        state,
    )
