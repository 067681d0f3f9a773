"""The softphone as built, at ``/softphone/…``: public code, no key, for pages of any origin.

Only files that the build's manifest names are served, from memory; no path of a request ever
reaches the file system.
"""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from binascii import unhexlify
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Final

from aiohttp import hdrs, web

from api.errors import NotFound

ROOT: Final = "/softphone/"
INDEX: Final = "index.json"
FOREVER: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "public, no-cache"  # kept, but never used without asking whether it changed
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".svg": "image/svg+xml",
    ".ts": "text/plain; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
}
_VERSION_DIGITS: Final = 16
_SMALL: Final = 1024  # bytes that are not worth packing


@dataclass(frozen=True)
class File:
    """One file, with what is told of it."""

    content: bytes
    sha256: str
    media_type: str

    @cached_property
    def packed(self) -> bytes | None:
        """The same by gzip; None where that is no gain."""
        if len(self.content) < _SMALL:
            return None
        return gzip.compress(self.content, 6, mtime=0)

    @property
    def integrity(self) -> str:
        """For `<script integrity>` (W3C SRI)."""
        return "sha256-" + b64encode(unhexlify(self.sha256)).decode("ascii")


def listed(built: Path, folder: str) -> dict[str, File]:
    """The files below `built` whose path begins with `folder`, by the rest of it.

    Only those that the build's manifest lists.
    """
    named: Mapping[str, str] = json.loads((built / "manifest.json").read_bytes())["files"]
    files = {}
    for path, digest in named.items():
        name = path.removeprefix(folder)
        media_type = _TYPES.get(PurePosixPath(name).suffix)
        if name != path and media_type is not None:
            files[name] = File((built / path).read_bytes(), digest, media_type)
    return files


def load(built: Path) -> dict[str, File]:
    """The softphone's files below `built`, by name, as its manifest lists them."""
    files = listed(built, "softphone/")
    version = sha256("".join(sorted(file.sha256 for file in files.values())).encode()).hexdigest()
    version = version[:_VERSION_DIGITS]
    index = {
        "version": version,
        "files": {
            name: {"url": f"{ROOT}{version}/{name}", "integrity": file.integrity}
            for name, file in files.items()
            if name.endswith(".js")
        },
    }
    text = json.dumps(index, indent=1).encode()
    plain = {INDEX: File(text, sha256(text).hexdigest(), _TYPES[".json"]), **files}
    # The same under a name that changes with the content: such an address may be kept for ever.
    return plain | {f"{version}/{name}": file for name, file in files.items()}


def add(app: web.Application, built: Path) -> None:
    """Serve what was built at `built`."""
    files = load(built)
    plain = {name for name, file in files.items() if "/" not in name or name.startswith("types/")}

    async def serve(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if (file := files.get(name)) is None:
            raise NotFound
        headers = {
            hdrs.CACHE_CONTROL: ASK_AGAIN if name in plain else FOREVER,
            hdrs.ETAG: f'"{file.sha256}"',
            hdrs.VARY: "Accept-Encoding",
            hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*",
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
        if f'"{file.sha256}"' in request.headers.get(hdrs.IF_NONE_MATCH, ""):
            return web.Response(status=304, headers=headers)
        return sent(request, file, headers)

    app.router.add_get(ROOT + "{name:.+}", serve)


def sent(request: web.Request, file: File, headers: dict[str, str]) -> web.Response:
    """`file` as this reader takes it, packed where that is a gain."""
    body = file.content
    packed = file.packed if _takes_gzip(request) else None
    if packed is not None:
        headers[hdrs.CONTENT_ENCODING] = "gzip"
        body = packed
    return web.Response(body=body, headers={hdrs.CONTENT_TYPE: file.media_type, **headers})


def _takes_gzip(request: web.Request) -> bool:
    offered = request.headers.get(hdrs.ACCEPT_ENCODING, "").split(",")
    return any(one.strip().lower() == "gzip" for one in offered)
