"""Room for event rows on the node's disk, kept before anybody else can take it.

Asterisk writes a row or loses it: there is nobody it could ask to wait. So blocks are reserved for
the event file ahead of its end (fallocate(2), FALLOC_FL_KEEP_SIZE), which rows then fill though the
disk be full; and while what is reserved and what is free come to too little, no call is begun.
Never changes what is in a file, nor its size.
"""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path
from typing import Final

from cdr.errors import SpoolUnreadable

AHEAD_BYTES: Final = 8 * 1024 * 1024  # rows of some 3,000 calls
LEAST_BYTES: Final = 2 * 1024 * 1024  # below it no call is begun: those on the node still fit
_KEEP_SIZE: Final = 0x01  # linux/falloc.h
_BLOCK: Final = 512  # of st_blocks, whatever the file system's own is (stat(2))
_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


class EventRoom:
    """The room of one event file. Not for several threads at once."""

    def __init__(
        self, live: Path, *, ahead_bytes: int = AHEAD_BYTES, least_bytes: int = LEAST_BYTES
    ) -> None:
        self._live = live
        self._ahead_bytes = ahead_bytes
        self._least_bytes = least_bytes
        self.left_bytes = ahead_bytes  # for rows, as of the last `keep`

    @property
    def enough(self) -> bool:
        """Whether calls may be begun."""
        return self.left_bytes >= self._least_bytes

    def keep(self) -> None:
        """Reserve what is missing, and see what there is. Raises SpoolUnreadable."""
        try:
            descriptor = os.open(self._live, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                reserve(descriptor, self._ahead_bytes)
                ahead = _ahead(os.fstat(descriptor))
                system = os.fstatvfs(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise SpoolUnreadable(error.strerror) from error
        self.left_bytes = ahead + system.f_bavail * system.f_frsize


def reserve(descriptor: int, ahead_bytes: int) -> bool:
    """Have at least half of `ahead_bytes` behind the file's end; False: the disk is full.

    A file system that cannot do it counts as done: what it has left is looked at all the same.
    """
    status = os.fstat(descriptor)
    if _ahead(status) >= ahead_bytes // 2:
        return True
    if _libc.fallocate(descriptor, _KEEP_SIZE, status.st_size, ahead_bytes) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSPC, errno.EDQUOT):
        return False
    if number in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINTR):
        return True
    raise OSError(number, os.strerror(number))


def _ahead(status: os.stat_result) -> int:
    return max(0, status.st_blocks * _BLOCK - status.st_size)
