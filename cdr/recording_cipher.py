"""How a recording is encrypted: AES-256-GCM in chunks, so that any part can be read by itself.

The STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár 2015): each chunk's nonce holds its
place and whether it is the last, so chunks cannot be changed, swapped, left out, cut off or added
without that chunk failing. The call's id is authenticated with each: a file put in another's place
fails as well. A key is for one file only. No key ever appears in a `repr` or an error.

    file   = head, chunk…              head  = magic (5), log2 of the chunk's size (1), prefix (7)
    chunk  = AES-256-GCM(sound), tag   nonce = prefix (7), place (4, big-endian), last (1)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cdr.errors import RecordingDamaged

KEY_BYTES: Final = 32
CHUNK_LOG2: Final = 16
_MAGIC: Final = b"MSKR\x01"
_PREFIX_BYTES: Final = 7
HEAD_BYTES: Final = len(_MAGIC) + 1 + _PREFIX_BYTES
TAG_BYTES: Final = 16
_MOST_CHUNKS: Final = 1 << 32
_LOG2S: Final = range(4, 25)


class Sink(Protocol):
    """Where encrypted bytes go."""

    def write(self, data: bytes, /) -> int:
        """Take all of `data`."""


class SealingWriter:
    """Encrypts what is written to it; `close` makes it whole. Like a file that is only written."""

    def __init__(
        self,
        sink: Sink,
        key: bytes,
        call_id: str,
        entropy: Callable[[int], bytes],
        chunk_log2: int = CHUNK_LOG2,
    ) -> None:
        head = _MAGIC + bytes((chunk_log2,)) + entropy(_PREFIX_BYTES)
        self._cipher = _Cipher(head, key, call_id)
        self._sink = sink
        self._held = bytearray()
        self._place = 0
        self._digest = hashlib.sha256()
        self.audio_bytes = 0
        self.file_bytes = 0
        self._put(head)

    def write(self, data: bytes) -> int:
        """Encrypt `data`. Raises OSError as the sink does."""
        self._held += data
        self.audio_bytes += len(data)
        size = self._cipher.chunk
        while len(self._held) > size:  # never the last one: that is known only at the end
            self._seal(bytes(self._held[:size]), last=False)
            del self._held[:size]
        return len(data)

    def close(self) -> None:
        """Write the last chunk, which says that it is the last; it may be empty."""
        self._seal(bytes(self._held), last=True)
        self._held.clear()

    def digest(self) -> bytes:
        """SHA-256 of the file so far."""
        return self._digest.digest()

    def _seal(self, chunk: bytes, *, last: bool) -> None:
        self._put(self._cipher.seal(chunk, self._place, last=last))
        self._place += 1

    def _put(self, data: bytes) -> None:
        self._sink.write(data)
        self._digest.update(data)
        self.file_bytes += len(data)


class SealedReader:
    """The sound in an encrypted file, any part of it. Raises RecordingDamaged for a wrong one."""

    def __init__(self, file: BinaryIO, file_bytes: int, key: bytes, call_id: str) -> None:
        """`file_bytes`: how long the file is. What was cut off fails in its last chunk."""
        self._file = file
        file.seek(0)
        head = file.read(HEAD_BYTES)
        log2 = head[len(_MAGIC)] if len(head) == HEAD_BYTES else 0
        if not head.startswith(_MAGIC) or log2 not in _LOG2S:
            raise RecordingDamaged
        self._cipher = _Cipher(head, key, call_id)
        sealed = self._cipher.chunk + TAG_BYTES
        self._chunks, rest = divmod(file_bytes - HEAD_BYTES, sealed)
        if rest:
            self._chunks += 1
        if self._chunks < 1 or (rest and rest < TAG_BYTES):
            raise RecordingDamaged
        self.audio_bytes = file_bytes - HEAD_BYTES - self._chunks * TAG_BYTES

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from `start` until before `stop`, each checked before it is given out."""
        size = self._cipher.chunk
        stop = min(stop, self.audio_bytes)
        for place in range(start // size, -(-stop // size)):
            chunk = self._open(place)
            first = place * size
            yield chunk[max(0, start - first) : stop - first]

    def check(self) -> None:
        """Read all of it, and keep nothing."""
        for place in range(self._chunks):
            self._open(place)

    def _open(self, place: int) -> bytes:
        sealed = self._cipher.chunk + TAG_BYTES
        self._file.seek(HEAD_BYTES + place * sealed)
        return self._cipher.open(self._file.read(sealed), place, last=place == self._chunks - 1)


class _Cipher:
    """The chunks of one file."""

    def __init__(self, head: bytes, key: bytes, call_id: str) -> None:
        self.chunk = 1 << head[len(_MAGIC)]
        self._prefix = head[-_PREFIX_BYTES:]
        self._about = head + call_id.encode()
        self._aead = AESGCM(key)

    def seal(self, data: bytes, place: int, *, last: bool) -> bytes:
        return self._aead.encrypt(self._nonce(place, last=last), data, self._about)

    def open(self, data: bytes, place: int, *, last: bool) -> bytes:
        try:
            return self._aead.decrypt(self._nonce(place, last=last), data, self._about)
        except InvalidTag:
            raise RecordingDamaged from None

    def _nonce(self, place: int, *, last: bool) -> bytes:
        if place >= _MOST_CHUNKS:
            msg = "a recording has at most 2^32 chunks"
            raise OverflowError(msg)
        return self._prefix + place.to_bytes(4, "big") + bytes((last,))
