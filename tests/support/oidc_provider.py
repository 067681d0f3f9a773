"""A real OpenID Connect provider (npm's certified `oidc-provider`) beside what is tested.

Whoever signs in there as NAME.GROUP is in that group.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from maskline.demo.spec import PATIENCE_S
from maskline.toolbox import ToolboxSettings
from maskline.toolbox.node import ensure_node
from maskline.toolbox.web import PROJECT, ensure_modules

CLIENT_ID: Final = "maskline"
CLIENT_SECRET: Final = "only for a test, and long enough"
SCOPES: Final = ("openid", "profile", "email", "roles")
BACK: Final = "/console/sign-in/provider/back"
OUT: Final = "/console/sign-in"
_SCRIPT: Final = Path(__file__).with_suffix(".mjs")


@asynccontextmanager
async def oidc_provider(folder: Path, port: int, back: str) -> AsyncIterator[str]:
    """Its issuer, while it runs; `back` is where it sends browsers, `folder` an empty one."""
    settings = ToolboxSettings.from_env(os.environ)
    modules = await asyncio.to_thread(ensure_modules, settings)
    (folder / "node_modules").symlink_to(modules, target_is_directory=True)
    script = Path(shutil.copy2(_SCRIPT, folder))
    node = ensure_node(settings, PROJECT)
    client, out = f"{CLIENT_ID}:{CLIENT_SECRET}", back.removesuffix(BACK) + OUT
    told = {"PORT": str(port), "CLIENT": client, "BACK": back, "OUT": out}
    process = await asyncio.create_subprocess_exec(
        *node.node,
        str(script),
        env={**os.environ, **node.env, **told},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            while b"ready" not in (line := await process.stdout.readline()):
                assert line, "it ended"
        yield f"http://127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
