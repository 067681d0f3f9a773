"""A renewed certificate is read."""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from maskline.certificate_watch import follow_certificate
from telephony.ami import ActionTimeout


@dataclass
class Node:
    read: int = 0
    dead: bool = False

    async def read_certificate(self) -> None:
        if self.dead:
            raise ActionTimeout("Reload", 1.0, sent=True)
        self.read += 1


async def _until(node: Node, reads: int) -> None:
    async with asyncio.timeout(2):
        while node.read < reads:
            await asyncio.sleep(0.001)


async def test_it_is_read_at_the_beginning_and_when_it_has_changed(tmp_path: Path) -> None:
    node, cert, key = Node(), tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.touch()
    watching = asyncio.create_task(follow_certificate(node, cert, key, every_s=0.001))
    await asyncio.sleep(0.01)
    assert node.read == 0  # there is no key yet
    key.touch()
    await _until(node, 1)
    await asyncio.sleep(0.01)
    assert node.read == 1
    node.dead = True
    os.utime(cert, ns=(1, 1))
    await asyncio.sleep(0.01)
    node.dead = False
    await _until(node, 2)
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching
