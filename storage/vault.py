"""The vault: seals phones and secrets, and gives phones a keyed index to be looked up by.

A sealed value is one byte naming the key, a random nonce of 12 bytes, and AES-256-GCM's text with
its tag of 16. Key name and purpose are authenticated: a trunk's password never opens as a phone.
The index is HMAC-SHA-256 cut to 16 bytes: among 10^12 phones two share one with a chance below
10^-14, and the index that every routing decision reads is half as big.

A vault made from a file follows it: keys may be changed while it is in use (`storage.key_file`,
`storage.rotation`). Before it seals it looks at the file if it has not done so lately, and when it
meets a key that it does not know it looks at once: who is late with the news opens what others
seal.

No phone, secret or key ever appears in an error, a log line or a `repr` made here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import threading
import time
from base64 import b32encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from masking.model import Phone
from storage.errors import SealBroken, VaultError, VaultKeyDiffers, VaultKeyUnusable

INDEX_BYTES: Final = 16
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_HEAD: Final = "# Maskline vault keys. Without this file no phone in the database can be read."
_LOOKED_S: Final = 2.0  # whoever seals has looked at the file no longer ago than this
_UNKNOWN_S: Final = 0.2  # between looks for a key that is not there
MOST_KEYS: Final = 255


class Purpose(Enum):
    """What a value is sealed for; it opens for nothing else."""

    PHONE = b"maskline phone"
    SECRET = b"maskline secret"
    SIP = b"maskline sip"


@dataclass(frozen=True, slots=True)
class VaultKeys:
    """What a vault needs: sealing keys by id (1 to 255), which of them seals, and the index key."""

    sealing: Mapping[int, bytes] = field(repr=False)
    index: bytes = field(repr=False)
    uses: int | None = None  # id of the key that seals; None: the highest

    @property
    def current(self) -> int:
        """The id of the key that seals."""
        return max(self.sealing) if self.uses is None else self.uses

    @classmethod
    def generate(cls, entropy: Callable[[int], bytes] = os.urandom) -> Self:
        """New keys: one to seal with, one for the index."""
        return cls(sealing={1: entropy(_KEY_BYTES)}, index=entropy(_KEY_BYTES))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Keys from the text of a key file. Raises VaultKeyUnusable."""
        sealing: dict[int, bytes] = {}
        index: bytes | None = None
        uses: int | None = None
        for line in text.splitlines():
            match line.split():
                case [] | ["#", *_]:
                    continue
                case ["index", key] if index is None:
                    index = _decode_key(key)
                case ["seal", key_id, key] if _is_key_id(key_id) and int(key_id) not in sealing:
                    sealing[int(key_id)] = _decode_key(key)
                case ["use", key_id] if _is_key_id(key_id) and uses is None:
                    uses = int(key_id)
                case _:
                    raise VaultKeyUnusable("the vault key file has a line that is no key")
        if index is None or not sealing or (uses is not None and uses not in sealing):
            raise VaultKeyUnusable("the vault key file lacks a key")
        return cls(sealing=sealing, index=index, uses=uses)

    def text(self) -> str:
        """The text of a key file."""
        lines = [_HEAD, f"index {_encode_key(self.index)}"]
        lines += [f"seal {key_id} {_encode_key(key)}" for key_id, key in self.sealing.items()]
        if self.current != max(self.sealing):
            lines.append(f"use {self.current}")
        return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class _Ring:
    """Keys as they are used. Never changed: another ring takes its place."""

    ciphers: Mapping[int, AESGCM] = field(repr=False)
    current: int
    stamp: tuple[int, int, int] | None = None  # of the file they are from

    @classmethod
    def of(cls, keys: VaultKeys, stamp: tuple[int, int, int] | None = None) -> Self:
        return cls({n: AESGCM(key) for n, key in keys.sealing.items()}, keys.current, stamp)


class Vault:
    """Seals and opens. Safe to share between threads."""

    def __init__(
        self,
        keys: VaultKeys,
        entropy: Callable[[int], bytes] = os.urandom,
        *,
        path: Path | None = None,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        """`path`: the file that the keys are from and may change in; `elapsed`: seconds."""
        self._path = path
        self._elapsed = elapsed
        self._looked_s = elapsed()
        self._looking = threading.Lock()
        self._ring = _Ring.of(keys)
        self._index = keys.index
        self._index_key = hmac.new(keys.index, digestmod=hashlib.sha256)
        self._ledger_key = hmac.digest(keys.index, b"ledger\0", "sha256")
        self._entropy = entropy

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """The vault whose keys are in `path`; made there (mode 0600) if nothing is.

        Raises VaultKeyUnusable if the file is damaged, cannot be read or written, or lets others
        than its owner and group read it.
        """
        try:
            if not path.exists():
                _create(path, VaultKeys.generate().text())
        except OSError as error:
            raise VaultKeyUnusable(f"cannot use {path}: {_why(error)}") from None
        return cls(read_keys(path), path=path)

    @property
    def path(self) -> Path | None:
        """The file that the keys are from; None: they are from none, and never change."""
        return self._path

    @property
    def known(self) -> frozenset[int]:
        """The ids of the keys by which it opens."""
        return frozenset(self._ring.ciphers)

    @property
    def current(self) -> int:
        """The id of the key by which it seals."""
        return self._ring.current

    def refresh(self) -> None:
        """Take the keys that stand in the file now.

        Raises VaultKeyUnusable, VaultKeyDiffers; the keys it had are kept then.
        """
        if self._path is None:
            return
        with self._looking:
            self._looked_s = self._elapsed()
            stamp = _stamp(self._path)
            if stamp == self._ring.stamp:
                return
            keys = read_keys(self._path)
            if keys.index != self._index:
                raise VaultKeyDiffers
            self._ring = _Ring.of(keys, stamp)

    def seal(self, phone: Phone) -> bytes:
        """`phone`, readable only with the key; every time different bytes."""
        return self._seal(Purpose.PHONE, phone.encode())

    def open(self, sealed: bytes) -> Phone:
        """The phone in `sealed`. Raises SealBroken."""
        return Phone(self._open(Purpose.PHONE, sealed).decode())

    def seal_secret(self, secret: str) -> bytes:
        """A password of ours, sealed like a phone but for another purpose."""
        return self._seal(Purpose.SECRET, secret.encode())

    def open_secret(self, sealed: bytes) -> str:
        """The password in `sealed`. Raises SealBroken."""
        return self._open(Purpose.SECRET, sealed).decode()

    def seal_sip(self, messages: bytes) -> bytes:
        """SIP messages of a call, likewise."""
        return self._seal(Purpose.SIP, messages)

    def open_sip(self, sealed: bytes) -> bytes:
        """The messages in `sealed`. Raises SealBroken."""
        return self._open(Purpose.SIP, sealed)

    def reseal(self, purpose: Purpose, sealed: bytes) -> bytes:
        """The same value by the key that seals now. Raises SealBroken."""
        return self._seal(purpose, self._open(purpose, sealed))

    def index(self, phone: Phone) -> bytes:
        """16 bytes that are the same for the same phone and tell nothing without the key."""
        return self._hmac(b"phone\0", phone.encode())

    def digest(self, data: bytes) -> bytes:
        """16 bytes for comparing what may hold phones (a request's body) without keeping it."""
        return self._hmac(b"digest\0", data)

    def commitment(self, purpose: bytes, salt: bytes, data: bytes) -> bytes:
        """16 bytes that hold the ledger to `data`; without key and salt (16 bytes) nobody can tell.

        `purpose`: up to 16 bytes.
        """
        return hashlib.blake2b(
            data, digest_size=INDEX_BYTES, key=self._ledger_key, salt=salt, person=purpose
        ).digest()

    def salts(self, count: int) -> bytes:
        """So many salts of 16 bytes, one behind the other."""
        return self._entropy(count * INDEX_BYTES)

    def pseudonym(self, phone: Phone) -> str:
        """26 characters that stand for `phone`: always the same, and nothing without the key."""
        return b32encode(self._hmac(b"pseudonym\0", phone.encode())).decode().rstrip("=").lower()

    def person_ref(self, user_id: str) -> str:
        """``prs_`` and 26 characters that stand for a user where nothing is ever erased."""
        return "prs_" + b32encode(self._hmac(b"person\0", user_id.encode())).decode()[:26].lower()

    def fingerprint(self) -> bytes:
        """16 bytes that tell one vault from another, and tell nothing of its keys."""
        return self._hmac(b"fingerprint\0", b"")

    def _hmac(self, purpose: bytes, data: bytes) -> bytes:
        mac = self._index_key.copy()
        mac.update(purpose)
        mac.update(data)
        return mac.digest()[:INDEX_BYTES]

    def _seal(self, purpose: Purpose, data: bytes) -> bytes:
        self._look(_LOOKED_S)
        ring = self._ring
        head = bytes((ring.current,))
        nonce = self._entropy(_NONCE_BYTES)
        cipher = ring.ciphers[ring.current]
        return head + nonce + cipher.encrypt(nonce, data, head + purpose.value)

    def _open(self, purpose: Purpose, sealed: bytes) -> bytes:
        if len(sealed) < 1 + _NONCE_BYTES + _TAG_BYTES:
            raise SealBroken
        head, nonce, body = sealed[:1], sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        cipher = self._ring.ciphers.get(head[0])
        if cipher is None:
            self._look(_UNKNOWN_S)
            cipher = self._ring.ciphers.get(head[0])
        if cipher is None:
            raise SealBroken
        try:
            return cipher.decrypt(nonce, body, head + purpose.value)
        except InvalidTag:
            raise SealBroken from None

    def _look(self, not_since_s: float) -> None:
        """At the file, if that was not done so lately. What is wrong with it is not said here."""
        if self._path is None or self._elapsed() - self._looked_s < not_since_s:
            return
        with suppress(VaultError):
            self.refresh()


def read_keys(path: Path) -> VaultKeys:
    """The keys in a file. Raises VaultKeyUnusable."""
    try:
        if path.stat().st_mode & 0o027:
            raise VaultKeyUnusable(f"{path} is open to others: chmod 600 {path}")
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise VaultKeyUnusable(f"cannot use {path}: {_why(error)}") from None
    return VaultKeys.parse(text)


def key_of(sealed: bytes) -> int:
    """The id of the key by which a value is sealed."""
    return sealed[0]


def _stamp(path: Path) -> tuple[int, int, int]:
    """What changes whenever the file does."""
    try:
        found = path.stat()
    except OSError as error:
        raise VaultKeyUnusable(f"cannot use {path}: {_why(error)}") from None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _create(path: Path, text: str) -> None:
    """Write a whole file at `path`, or leave the one that another process was quicker to write."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _why(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or "failed") if isinstance(error, OSError) else "not a key file"


def _is_key_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= MOST_KEYS


def _encode_key(key: bytes) -> str:
    return base64.b64encode(key).decode("ascii")


def _decode_key(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != _KEY_BYTES:
        raise VaultKeyUnusable("the vault key file has a key that is not 32 bytes")
    return key
