"""`maskline person`: what is kept of somebody, exported or erased, over HTTP.

A phone is read from standard input, never from the arguments: those are seen by all who may list
processes, and stay in the shell's history.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

from maskline.cli.common import with_api
from maskline.client import ApiClient
from maskline.errors import CommandRefused

_LOOK_S: Final = 1.0
_AGES_S: Final = 3600


def export(arguments: argparse.Namespace) -> int:
    """Write everything that is kept of the person as JSON."""
    whose = _whose(arguments) | {"with_phones": arguments.with_phones}

    async def work(api: ApiClient) -> Any:  # noqa: ANN401 (JSON)
        return await api.ask("POST", "/v1/persons/export", whose)

    text = json.dumps(with_api(arguments, work), ensure_ascii=False, indent=2) + "\n"
    if arguments.out is None:
        print(text, end="")
    else:
        _write(arguments.out, text)
        print(f"{arguments.out} is written", file=sys.stderr)
    return 0


def erase(arguments: argparse.Namespace) -> int:
    """Say what there is; with --yes erase it and print the receipt."""
    whose = _whose(arguments)

    async def work(api: ApiClient) -> list[str]:
        found = await api.ask("POST", "/v1/persons/search", whose)
        lines = _found(found)
        if not arguments.yes:
            return [*lines, "nothing was changed; to erase it all, for good: --yes"]
        print("\n".join(lines), file=sys.stderr)
        done = await api.ask("POST", "/v1/persons/erasure", whose)
        async with asyncio.timeout(_AGES_S):
            while done["state"] == "running":
                await asyncio.sleep(_LOOK_S)
                done = {**done, **await api.ask("GET", f"/v1/erasures/{done['id']}")}
        return _receipt(done)

    print("\n".join(with_api(arguments, work)))
    return 0


def _whose(arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.user is not None:
        return {"user_id": arguments.user}
    prompt = "The person's phone (is not shown): "
    line = getpass.getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline()
    if not line.strip():
        raise CommandRefused("no phone came in: give it on standard input, E.164")
    return {"phone": line.strip()}


def _found(found: dict[str, Any]) -> list[str]:
    who = ", ".join(found["user_ids"]) or "no user id"
    lines = [f"known as: {who}"]
    if not found["found"]:
        return [*lines, "nothing is kept of them, as far as indexes tell"]
    return lines + [f"  {name:<24} {count:>8}" for name, count in sorted(found["found"].items())]


def _receipt(done: dict[str, Any]) -> list[str]:
    lines = [f"erased at {done['finished_at']}: receipt {done['id']}"]
    lines += [f"  {name:<24} {count:>8}" for name, count in sorted(done["counts"].items())]
    lines.append("what comes in late of them is erased too, for 26 hours")
    return lines


def _write(path: Path, text: str) -> None:
    """For its owner alone; never over another file."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CommandRefused(f"cannot write {path}: {error.strerror}") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
