"""Has Asterisk read a renewed certificate: WebSockets that are open go on with the old one.

SIP over TLS keeps what it was started with: PJSIP cannot change it without dropping connections.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import NoReturn, Protocol

from telephony.ami import AmiError

_log = logging.getLogger("maskline.apps")
LOOK_EVERY_S = 30.0


class CertificateNode(Protocol):
    """What is asked of a node."""

    async def read_certificate(self) -> None:
        """Read the files again. Raises AmiError."""


async def follow_certificate(
    node: CertificateNode, cert: Path, key: Path, *, every_s: float = LOOK_EVERY_S
) -> NoReturn:
    """Until cancelled; once at the beginning, for Asterisk may be older than the certificate."""
    read: tuple[int, ...] = ()
    while True:
        now = _stamps(cert, key)
        if now and now != read:
            try:
                await node.read_certificate()
            except AmiError as error:
                _log.warning("the certificate is not read again yet: %s", error)
            else:
                read = now
        await asyncio.sleep(every_s)


def _stamps(*files: Path) -> tuple[int, ...]:
    """When they were written; nothing while one is missing."""
    try:
        return tuple(file.stat().st_mtime_ns for file in files)
    except OSError:
        return ()
