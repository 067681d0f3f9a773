"""`maskline keys rotate`, `keys status`: the vault's key, over HTTP. Shows numbers, never a key."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any, Final

from maskline.cli.common import with_api
from maskline.client import ApiClient

_LOOK_S: Final = 1.0


def rotate(arguments: argparse.Namespace) -> int:
    """Begin a rotation and follow it to its end. Interrupted, it goes on without us."""

    async def work(api: ApiClient) -> str:
        made = await api.ask("POST", "/v1/vault/rotations")
        print(f"key {made['to_key']} is made", file=sys.stderr)
        if arguments.no_wait:
            return "it goes on in the background: maskline keys status"
        said = ""
        while True:
            found = (await api.ask("GET", "/v1/vault"))["rotation"]
            if found["state"] == "done":
                return "\n".join(_lines(found))
            line = _line(found)
            if line != said:
                print(line, file=sys.stderr, flush=True)
            said = line
            await asyncio.sleep(_LOOK_S)

    print(with_api(arguments, work))
    return 0


def status(arguments: argparse.Namespace) -> int:
    """Say which key seals, and how far the last rotation is."""

    async def work(api: ApiClient) -> Any:  # noqa: ANN401 (JSON)
        return await api.ask("GET", "/v1/vault")

    found = with_api(arguments, work)
    opens = ", ".join(str(key) for key in found["opens_with"])
    print(f"seals with key {found['seals_with']}, opens with {opens}")
    last = found["rotation"]
    if last is not None:
        print("\n".join(_lines(last)))
    return 0


def _line(found: dict[str, Any]) -> str:
    waits = f"; waits: {found['waits_for']}" if found["waits_for"] else ""
    return (
        f"{found['state']}: {found['looked_at']} values looked at, {found['resealed']} sealed "
        f"anew, pass {found['passes'] + 1}{waits}"
    )


def _lines(found: dict[str, Any]) -> list[str]:
    if found["state"] != "done":
        return [_line(found)]
    lines = [
        f"done at {found['finished_at']}: {found['resealed']} values sealed anew",
        f"the older keys are gone: in a whole pass all were sealed with key {found['to_key']}",
    ]
    lines += [f"  {name:<32} {count:>12}" for name, count in sorted(found["proof"].items())]
    if found["broken"]:
        lines.append(f"  {found['broken']} values are sealed with no key of ours, and stay closed")
    return lines
