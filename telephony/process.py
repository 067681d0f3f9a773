"""One Asterisk process: start it so that it outlives us, find it again, watch it, end it.

A process is only ever signalled through its pidfd, so never one that took over its number.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import subprocess
import time
from pathlib import Path

from telephony.errors import NodeDied
from telephony.install import AsteriskInstall
from telephony.layout import Layout

__all__ = ["AsteriskProcess", "append_node_start"]

_KEPT_ENVIRONMENT = ("PATH", "TZ", "LANG", "LC_ALL")


class AsteriskProcess:
    """A running Asterisk, ours by birth or by adoption."""

    def __init__(self, pid: int, pidfd: int, child: subprocess.Popen[bytes] | None) -> None:
        self.pid = pid
        self._pidfd = pidfd
        self._child = child

    @classmethod
    def start(cls, install: AsteriskInstall, layout: Layout) -> AsteriskProcess:
        """Start Asterisk in a session of its own. Raises NodeDied where that is not possible."""
        layout.pid_file.unlink(missing_ok=True)
        environment = {k: os.environ[k] for k in _KEPT_ENVIRONMENT if k in os.environ}
        mode = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        output = os.open(layout.output, mode, 0o600)
        try:
            child = subprocess.Popen(
                [*install.argv, "-f", "-C", str(layout.asterisk_conf)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=layout.root,
                env=environment,
                start_new_session=True,
                umask=0o077,
            )
        except OSError as error:
            raise NodeDied(f"cannot start Asterisk: {error.strerror or error}") from error
        finally:
            os.close(output)
        return cls(child.pid, os.pidfd_open(child.pid), child)

    @classmethod
    def find(cls, layout: Layout) -> AsteriskProcess | None:
        """Return the Asterisk that runs on this data folder, None if there is none."""
        try:
            pid = int(layout.pid_file.read_text())
            pidfd = os.pidfd_open(pid)
        except (OSError, ValueError):
            return None
        # From here on the pidfd holds the process; only now is it certain what we look at.
        if _runs_on(pid, layout.asterisk_conf):
            return cls(pid, pidfd, None)
        os.close(pidfd)
        return None

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        if self._child is not None:
            return self._child.poll() is None
        return not select.select([self._pidfd], [], [], 0)[0]

    async def wait(self) -> None:
        """Wait until it has ended."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._pidfd, _settle, ended)
        try:
            await ended
        finally:
            loop.remove_reader(self._pidfd)
        if self._child is not None:
            self._child.wait()

    async def end(self, *, gently_s: float, kill_s: float = 5.0) -> None:
        """Ask it to end, wait `gently_s`, then kill it."""
        for number, patience_s in ((signal.SIGTERM, gently_s), (signal.SIGKILL, kill_s)):
            if not self.alive:
                break
            if number is signal.SIGTERM and patience_s <= 0:
                continue
            try:
                signal.pidfd_send_signal(self._pidfd, number)
                async with asyncio.timeout(patience_s):
                    await self.wait()
            except ProcessLookupError:
                break
            except TimeoutError:
                continue

    def close(self) -> None:
        """Let go of it; it runs on."""
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1
        if self._child is not None and self._child.returncode is None:
            # It outlives us on purpose: whoever runs next adopts it.
            self._child.returncode = 0


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _runs_on(pid: int, asterisk_conf: Path) -> bool:
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return os.fsencode(asterisk_conf) in arguments


def append_node_start(layout: Layout, boot: str, died_at_s: float | None = None) -> None:
    """Say in the event file that a new Asterisk begins: calls without an end will get none.

    `died_at_s` is when the one before ended (seconds since 1970), where that was seen.
    """
    died = "" if died_at_s is None else f";died={died_at_s:.6f}"
    row = {
        "eventtime": f"{time.time():.6f}",
        "eventenum": "NODE_START",
        "userdeftype": f"NODE_START;boot={boot}{died}",
        "uniqueid": "",
        "linkedid": "",
        "channame": "",
    }
    line = json.dumps(row, separators=(",", ":")).encode() + b"\n"
    mode = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    file = os.open(layout.events, mode, 0o600)
    try:
        size = os.fstat(file).st_size
        if size and os.pread(file, 1, size - 1) != b"\n":
            # The Asterisk before was cut off in the middle of a row.
            line = b"\n" + line
        os.write(file, line)
        os.fsync(file)
    finally:
        os.close(file)
