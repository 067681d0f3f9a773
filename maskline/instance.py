"""Where a running Maskline is reached: written by `up`, read by the commands that talk to it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from maskline.data_folder import write_private
from maskline.errors import NotRunning
from maskline.settings import Address

FILE = "instance.json"
KEY_FILE = "admin.key"


@dataclass(frozen=True, slots=True)
class Instance:
    """A Maskline that runs on this machine."""

    pid: int
    http: str  # HOST:PORT
    sip: str  # HOST:PORT

    @property
    def url(self) -> str:
        """Of its API."""
        return f"http://{_reachable(self.http)}"

    @property
    def sip_address(self) -> Address:
        """Where carriers of this machine send to."""
        return Address.parse(_reachable(self.sip))


def announce(data: Path, instance: Instance) -> None:
    """Say in the data folder that `instance` runs."""
    write_private(data / FILE, json.dumps(asdict(instance)) + "\n")


def withdraw(data: Path) -> None:
    """Say that it runs no more."""
    (data / FILE).unlink(missing_ok=True)


def find(data: Path) -> Instance:
    """The Maskline that runs on `data`. Raises NotRunning."""
    try:
        instance = Instance(**json.loads((data / FILE).read_text()))
        os.kill(instance.pid, 0)
    except PermissionError:
        raise NotRunning(data) from None
    except (OSError, ValueError, TypeError):
        raise NotRunning(data) from None
    return instance


def admin_key(data: Path) -> str:
    """The first admin key. Raises NotRunning where there is none."""
    try:
        return (data / KEY_FILE).read_text().strip()
    except OSError:
        raise NotRunning(data) from None


def _reachable(address: str) -> str:
    host, _, port = address.rpartition(":")
    anywhere = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 (compared, never bound)
    return f"{anywhere.get(host, host)}:{port}"
