"""A real Asterisk of our own: minimal configuration, a free port, ended with the test."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from maskline.toolbox import AsteriskInstall, ToolboxSettings, ensure_asterisk
from telephony.ami import Client, ConnectFailed, Login, connect

HERE = Path(__file__).parent
CONFIGURATION = ("asterisk.conf", "modules.conf", "manager.conf", "extensions.conf")


@dataclass
class RealAsterisk:
    """One Asterisk that can be started, killed and started again on the same port."""

    install: AsteriskInstall
    folder: Path
    port: int
    systemname: str = field(default_factory=lambda: f"n{secrets.token_hex(6)}")
    secret: str = field(default_factory=lambda: secrets.token_hex(8))
    process: asyncio.subprocess.Process | None = None

    def login(self, username: str, *, event_mask: str = "on") -> Login:
        name = self.systemname
        return Login("127.0.0.1", self.port, username, self.secret, name, event_mask)

    @property
    def events(self) -> Login:
        return self.login("events")

    @property
    def actions(self) -> Login:
        return self.login("actions", event_mask="off")

    def configure(self) -> None:
        values = {
            "dir": self.folder,
            "modules": self.install.modules_dir,
            "data": self.install.data_dir,
            "systemname": self.systemname,
            "secret": self.secret,
            "port": self.port,
        }
        for name in CONFIGURATION:
            text = (HERE / name).read_text(encoding="utf-8")
            for key, value in values.items():
                text = text.replace(f"{{{key}}}", str(value))
            (self.folder / name).write_text(text, encoding="utf-8")
        for name in ("var", "spool"):
            (self.folder / name).mkdir(exist_ok=True)

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *self.install.argv,
            *("-f", "-C", str(self.folder / "asterisk.conf")),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(30), await self._connect_when_it_listens() as client:
            await client.wait_fully_booted(deadline_s=30)

    async def _connect_when_it_listens(self) -> Client:
        while self.process is not None and self.process.returncode is None:
            try:
                return await connect(self.events)
            except ConnectFailed:
                await asyncio.sleep(0.05)
        raise AssertionError("Asterisk ended while starting")

    async def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            await self.process.wait()
            self.process = None


@pytest.fixture(scope="session")
def asterisk_install() -> AsteriskInstall:
    """The Asterisk of this machine; installs it where it is missing."""
    return ensure_asterisk(ToolboxSettings.from_env(os.environ))


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder whose path leaves room for a Unix socket's name (108 bytes)."""
    with tempfile.TemporaryDirectory(prefix="ami-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
async def asterisk(
    asterisk_install: AsteriskInstall, short_folder: Path
) -> AsyncIterator[RealAsterisk]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = RealAsterisk(asterisk_install, short_folder, port)
    running.configure()
    await running.start()
    try:
        yield running
    finally:
        await running.kill()
