"""`maskline doctor`: what is missing or wrong on this machine, and the command that mends it.

Looks only: it starts nothing, changes nothing, and works while Maskline runs.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from maskline import instance
from maskline.errors import NotRunning
from maskline.prompts import LANGUAGES, NAMES
from maskline.settings import Address, Settings
from maskline.toolbox import ToolboxError, ToolboxSettings, find_asterisk, find_sipp
from maskline.toolbox.web import CONSOLE, find_web, has_sources
from storage.database import open_database
from storage.errors import StorageError
from storage.migration import config

OLDEST_PYTHON = (3, 11)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    what: str
    ok: bool
    detail: str
    mend: str = ""  # the command that mends it

    def line(self) -> str:
        """As it is printed."""
        mark = "ok   " if self.ok else "WRONG"
        mend = f"  →  {self.mend}" if not self.ok and self.mend else ""
        return f"{mark}  {self.what:<14}{self.detail}{mend}"


async def examine(settings: Settings) -> tuple[Finding, ...]:
    """Every check, in the order in which things are needed."""
    tools = _tools()
    running = _running(settings.data)
    return (
        _python(),
        *tools,
        _announcements(settings),
        _folder(settings.data),
        *_ports(settings, running),
        await _database(settings),
        _instance(settings.data, running),
    )


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    ok = sys.version_info >= OLDEST_PYTHON
    return Finding("Python", ok, found, "install Python 3.11 or newer")


def _tools() -> Iterable[Finding]:
    try:
        settings = ToolboxSettings.from_env(os.environ)
    except ToolboxError as error:
        return (Finding("tools", False, str(error), "make setup"),)  # noqa: FBT003

    def asterisk() -> str:
        found = find_asterisk(settings)
        return f"{found.version} ({found.source})"

    def sipp() -> str:
        return f"{find_sipp(settings).argv[-1]} (for the demo)"

    def softphone() -> str:
        if find_web(settings) is None:
            raise ToolboxError("the web softphone is not built: run make setup")
        return "built, served at /softphone/"

    def console() -> str:
        if find_web(settings, part=CONSOLE) is None:
            raise ToolboxError("script and style of the console are not built: run make setup")
        return "built, served at /console/"

    tools = (_tool("Asterisk", asterisk), _tool("SIPp", sipp))
    # A Maskline that was installed without its sources has none to serve.
    pages = (_tool("softphone", softphone), _tool("console", console))
    return (*tools, *pages) if has_sources() else tools


def _tool(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, ok=True, detail=look())
    except ToolboxError as error:
        text = str(error).removesuffix(": run make setup")
        return Finding(what, ok=False, detail=text, mend="make setup")


def _announcements(settings: Settings) -> Finding:
    what = "announcements"
    try:
        cache = ToolboxSettings.from_env(os.environ).cache_dir / "prompts" / "sounds"
    except ToolboxError as error:
        return Finding(what, ok=False, detail=str(error), mend="make setup")
    own = settings.prompts
    missing = [
        f"{language}/{name}"
        for language in LANGUAGES
        for name in NAMES
        if not any((cache / language / "maskline").glob(f"{name}.*"))
    ]
    if missing:
        text = f"{len(missing)} of {len(NAMES) * len(LANGUAGES)} are missing"
        return Finding(what, ok=False, detail=text, mend="make setup")
    if own is not None and not own.is_dir():
        return Finding(
            what, ok=False, detail=f"there is no folder {own}", mend="mend setting prompts"
        )
    return Finding(what, ok=True, detail=f"{', '.join(LANGUAGES)}, {len(NAMES)} each")


def _folder(data: Path) -> Finding:
    folder = data.absolute()
    nearest = next(one for one in (folder, *folder.parents) if one.exists())
    if not nearest.is_dir():
        return Finding(
            "data folder", ok=False, detail=f"{nearest} is no folder", mend="give another --data"
        )
    if not os.access(nearest, os.W_OK | os.X_OK):
        text = f"cannot write to {nearest}"
        return Finding(
            "data folder", ok=False, detail=text, mend=f"chown -R {os.getuid()} {nearest}"
        )
    return Finding(
        "data folder",
        ok=True,
        detail=str(folder) if folder.exists() else f"{folder} (will be made)",
    )


def _ports(settings: Settings, running: instance.Instance | None) -> Iterable[Finding]:
    wanted = (
        ("HTTP port", settings.http, socket.SOCK_STREAM, running and running.http),
        ("SIP port", settings.sip, socket.SOCK_DGRAM, running and running.sip),
    )
    for what, address, kind, ours in wanted:
        if ours == str(address):
            yield Finding(what, ok=True, detail=f"{address} (held by this Maskline)")
        else:
            reason = _why_not(address, kind)
            flag = "--http" if kind is socket.SOCK_STREAM else "--sip"
            text = f"{address}: {reason}" if reason else f"{address} is free"
            yield Finding(what, ok=not reason, detail=text, mend=f"give another {flag} HOST:PORT")
    for what, own in (("WS port", settings.ws), ("SIP/TLS port", settings.sip_tls)):
        if own is not None:
            yield _app_port(what, own, running)
    text = f"{settings.rtp}: {settings.calls_at_once} calls at once"
    yield Finding("RTP ports", ok=True, detail=text)


def _app_port(what: str, address: Address, running: instance.Instance | None) -> Finding:
    """A port for apps, where the operator chose one."""
    reason = _why_not(address, socket.SOCK_STREAM)
    if reason and running is not None:
        return Finding(what, ok=True, detail=f"{address} (held by this Maskline)")
    setting = "ws" if what == "WS port" else "sip_tls"
    text = f"{address}: {reason}" if reason else f"{address} is free"
    return Finding(what, ok=not reason, detail=text, mend=f"mend setting {setting}")


def _why_not(address: Address, kind: socket.SocketKind) -> str:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, kind) as probe:
        if kind is socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            return (error.strerror or str(error)).lower()
    return ""


async def _database(settings: Settings) -> Finding:
    url = settings.database
    path = url.removeprefix("sqlite:///")
    if url.startswith("sqlite") and not Path(path).exists():
        return Finding("database", ok=True, detail=f"{path} (will be made)")
    try:
        db = open_database(url)
        try:
            newest = await db.read(_is_newest)
        finally:
            await db.close()
        if newest:
            return Finding("database", ok=True, detail="reachable, newest schema")
    except StorageError as error:
        return Finding("database", ok=False, detail=str(error), mend="mend setting database_url")
    return Finding("database", ok=False, detail="an older schema", mend="maskline up migrates it")


def _is_newest(conn: Connection) -> bool:
    head = ScriptDirectory.from_config(config(conn)).get_current_head()
    return MigrationContext.configure(conn).get_current_revision() == head


def _instance(data: Path, running: instance.Instance | None) -> Finding:
    if running is None:
        return Finding("running", ok=True, detail=f"nothing runs on {data}")
    return Finding("running", ok=True, detail=f"process {running.pid}, {running.url}")


def _running(data: Path) -> instance.Instance | None:
    try:
        return instance.find(data)
    except NotRunning:
        return None
