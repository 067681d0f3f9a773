"""A real coturn on a loopback address of its own, configured as docs/operations.md says.

What the page has for names and addresses is replaced, and loopback is let in; all else is the
page's, so that what operators are told is what is tested.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from maskline.demo.spec import PATIENCE_S
from tests.support.certificate import certificate, pin
from tests.support.places import Places

PORT, TLS_PORT = 3478, 5349
_PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
_BLOCK = re.compile(r"```conf\n(# /etc/turnserver\.conf\n.*?)```", re.DOTALL)
_hosts = Places("turn", tuple(f"127.0.0.{n}" for n in range(205, 230)), most=2)


def turnserver() -> str | None:
    """Coturn's program; None where it is not installed."""
    return shutil.which("turnserver")


@dataclass
class TurnServer:
    """`async with TurnServer(folder, secret, allowed) as relay:`."""

    folder: Path
    secret: str
    allowed: str  # the one address that is relayed to
    earlier: str = "the secret before this one"
    host: str = field(default_factory=_hosts.take)
    _process: asyncio.subprocess.Process | None = None

    @property
    def urls(self) -> tuple[str, str, str]:
        """By UDP, by TCP where no UDP gets out, and by TLS where somebody looks inside."""
        address = f"turn:{self.host}:{PORT}?transport="
        return f"{address}udp", f"{address}tcp", f"turns:{self.host}:{TLS_PORT}?transport=tcp"

    @property
    def pin(self) -> str:
        """Of its certificate, which nobody vouches for: a browser that is told so takes it."""
        return pin(self.certificate()[0])

    def certificate(self) -> tuple[Path, Path]:
        """And its key; made once."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / "cert.pem").exists():
            certificate(self.folder, self.host)
        return self.folder / "cert.pem", self.folder / "key.pem"

    async def relays_to(self, peer: str, name: str, password: str) -> str:
        """What coturn's own client is told that wants something sent to `peer`."""
        client = await asyncio.create_subprocess_exec(
            *("turnutils_uclient", "-X", "-u", name, "-w", password, "-e", peer, self.host),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(PATIENCE_S):
            said, _ = await client.communicate()
        return said.decode()

    @property
    def log(self) -> str:
        """What it said."""
        return (self.folder / "turn.log").read_text(errors="replace")

    def configuration(self) -> str:
        """The page's, for here."""
        found = _BLOCK.search(_PAGE.read_text())
        assert found is not None, f"{_PAGE.name} has no configuration of coturn"
        text = found[1]
        for told, here in (
            ("203.0.113.7", self.host),
            ("203.0.113.5", self.allowed),
            ("THE-TURN-SECRET", self.secret),
        ):
            assert told in text, told
            text = text.replace(told, here)
        for name, file in zip(("cert", "pkey"), self.certificate(), strict=True):
            text = re.sub(rf"^{name}=.*$", f"{name}={file}", text, flags=re.MULTILINE)
        return (
            f"{text}\nstatic-auth-secret={self.earlier}\nallow-loopback-peers\nno-dtls\nlog-file=stdout\nverbose\n"
            f"userdb={self.folder / 'turndb'}\npidfile={self.folder / 'turn.pid'}\n"
        )

    async def __aenter__(self) -> Self:
        program = turnserver()
        assert program is not None
        self.folder.mkdir(parents=True, exist_ok=True)
        conf = self.folder / "turnserver.conf"
        conf.write_text(self.configuration())
        with (self.folder / "turn.log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(program, "-c", str(conf)), stdout=log, stderr=log
            )
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not (_listens(self.host, PORT) and _listens(self.host, TLS_PORT)):
                    assert self._process.returncode is None, self.log
                    await asyncio.sleep(0.05)
        except TimeoutError:
            await self.__aexit__()
            raise AssertionError(f"coturn does not listen: {self.log}") from None
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


def _listens(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((host, port)) == 0
