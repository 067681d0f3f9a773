"""`maskline inspect`: whom a number reaches for a caller, and why, over HTTP.

The caller's phone is read from standard input, never from the arguments: those are seen by all who
may list processes, and stay in the shell's history.
"""

from __future__ import annotations

import argparse
import getpass
import sys
from typing import Any

from maskline.cli.common import with_api
from maskline.client import ApiClient


def inspect(arguments: argparse.Namespace) -> int:
    """Print the decision in words, then what it follows from."""
    caller = _caller()
    body: dict[str, Any] = {"number": arguments.number, "caller": caller}
    if arguments.at is not None:
        body["at"] = arguments.at.isoformat()
    if arguments.digits:
        body["digits"] = arguments.digits

    async def work(api: ApiClient) -> dict[str, Any]:
        found: dict[str, Any] = await api.ask("POST", "/v1/inspections", body)
        return found

    print("\n".join(_lines(with_api(arguments, work))))
    return 0


def _caller() -> str | None:
    """The caller's phone; None, for a withheld one, where the line is empty."""
    prompt = "The caller's phone, empty for a withheld one (is not shown): "
    line = getpass.getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline()
    return line.strip() or None


def _lines(found: dict[str, Any]) -> list[str]:
    lines = [found["sentence"][0].upper() + found["sentence"][1:] + ".", ""]
    facts = {
        "number": found["number"],
        "at": found["at"],
        "session": found["session_id"],
        "conversation": found["conversation_id"],
        "caller": _person(found["caller"]),
        "callee": _person(found["callee"]),
    }
    lease = found["lease"]
    if lease is not None:
        own = ", of an enrolled phone" if lease["enrolled"] else ""
        facts["lease"] = (
            f"{lease['state']}{own}; live until {lease['expires_at']}, "
            f"kept until {lease['reserved_until']}"
        )
        facts["chosen"] = ", ".join(f"{name} {value}" for name, value in lease["why"].items())
    if found["listing"] is not None:
        facts["listing"] = f"{found['listing']['listing_id']} shows the number"
    if found["as_of"]["now"]:
        facts["as of now"] = ", ".join(found["as_of"]["now"])
    return lines + [f"{name:<13} {value}" for name, value in facts.items() if value]


def _person(one: dict[str, str] | None) -> str | None:
    return None if one is None else f"{one['role']} {one['user_id']}"
