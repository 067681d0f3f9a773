"""The softphone's files over HTTP: for any page, kept as long as they may be, and nothing else."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from api import static
from api.guard import guard
from api.metrics import ApiMetrics
from tests.contract.api.house import House

CODE = b"export const one = 1;\n" * 100


@pytest.fixture
def built(tmp_path: Path) -> Path:
    files = {
        "softphone/softphone.js": CODE,
        "softphone/types/index.d.ts": b"export {};\n",
        "softphone/notes.secret": b"not of a kind that is served",
        "demo/demo.js": b"somebody else's",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    (tmp_path / "manifest.json").write_text(json.dumps({"files": digests}))
    (tmp_path / "softphone" / "unlisted.js").write_text("left by somebody")
    return tmp_path


@pytest_asyncio.fixture
async def site(built: Path, lite: House) -> AsyncIterator[aiohttp.ClientSession]:
    app = web.Application(middlewares=[guard(lite.services, ApiMetrics())])
    static.add(app, built)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with aiohttp.ClientSession(url, auto_decompress=False) as session:
        yield session
    await runner.cleanup()


async def test_pages_of_any_origin_may_load_it_without_a_key(site: aiohttp.ClientSession) -> None:
    async with site.get("/softphone/softphone.js") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/javascript")
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_the_plain_address_is_asked_again_and_the_other_kept_for_ever(
    site: aiohttp.ClientSession,
) -> None:
    async with site.get("/softphone/index.json") as answer:
        index = await answer.json()
    told = index["files"]["softphone.js"]
    digest = hashlib.sha256(CODE).digest()
    assert told["integrity"] == "sha256-" + b64encode(digest).decode()
    assert index["version"] in told["url"]
    async with site.get(told["url"], headers={"Accept-Encoding": "identity"}) as answer:
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert await answer.read() == CODE
    async with site.get("/softphone/softphone.js") as answer:
        assert answer.headers["Cache-Control"] == "public, no-cache"
        tag = answer.headers["ETag"]
    async with site.get("/softphone/softphone.js", headers={"If-None-Match": tag}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")
    async with site.get("/softphone/softphone.js", headers={"If-None-Match": '"old"'}) as answer:
        assert answer.status == 200


async def test_it_is_packed_for_who_can_unpack_it(site: aiohttp.ClientSession) -> None:
    async with site.get("/softphone/softphone.js", headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert len(await answer.read()) < len(CODE) / 5
    async with site.get("/softphone/types/index.d.ts") as answer:
        assert "Content-Encoding" not in answer.headers, "too small to be worth it"


@pytest.mark.parametrize(
    "name",
    [
        "notes.secret",
        "unlisted.js",
        "demo.js",
        "../demo/demo.js",
        "%2e%2e/demo/demo.js",
        "../../manifest.json",
        "/etc/passwd",
    ],
)
async def test_nothing_else_is_served(site: aiohttp.ClientSession, name: str) -> None:
    async with site.get(f"/softphone/{name}") as answer:
        assert answer.status == 404
