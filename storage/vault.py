"""The vault: seals phones and secrets, and gives phones a keyed index to be looked up by.

A sealed value is one byte naming the key, a random nonce of 12 bytes, and AES-256-GCM's text with
its tag of 16. Key name and purpose are authenticated: a trunk's password never opens as a phone.
The index is HMAC-SHA-256 cut to 16 bytes: among 10^12 phones two share one with a chance below
10^-14, and the index that every routing decision reads is half as big.

No phone, secret or key ever appears in an error, a log line or a `repr` made here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from base64 import b32encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from masking.model import Phone
from storage.errors import SealBroken, VaultKeyUnusable

INDEX_BYTES: Final = 16
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_HEAD: Final = "# Maskline vault keys. Without this file no phone in the database can be read."


class _Purpose(Enum):
    PHONE = b"maskline phone"
    SECRET = b"maskline secret"


@dataclass(frozen=True, slots=True)
class VaultKeys:
    """What a vault needs: sealing keys by id (1 to 255; the highest seals), and the index key."""

    sealing: Mapping[int, bytes] = field(repr=False)
    index: bytes = field(repr=False)

    @classmethod
    def generate(cls, entropy: Callable[[int], bytes] = os.urandom) -> Self:
        """New keys: one to seal with, one for the index."""
        return cls(sealing={1: entropy(_KEY_BYTES)}, index=entropy(_KEY_BYTES))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Keys from the text of a key file. Raises VaultKeyUnusable."""
        sealing: dict[int, bytes] = {}
        index: bytes | None = None
        for line in text.splitlines():
            match line.split():
                case [] | ["#", *_]:
                    continue
                case ["index", key] if index is None:
                    index = _decode_key(key)
                case ["seal", key_id, key] if _is_key_id(key_id) and int(key_id) not in sealing:
                    sealing[int(key_id)] = _decode_key(key)
                case _:
                    raise VaultKeyUnusable("the vault key file has a line that is no key")
        if index is None or not sealing:
            raise VaultKeyUnusable("the vault key file lacks a key")
        return cls(sealing=sealing, index=index)

    def text(self) -> str:
        """The text of a key file."""
        lines = [_HEAD, f"index {_encode_key(self.index)}"]
        lines += [f"seal {key_id} {_encode_key(key)}" for key_id, key in self.sealing.items()]
        return "\n".join(lines) + "\n"


class Vault:
    """Seals and opens. Safe to share between threads."""

    def __init__(self, keys: VaultKeys, entropy: Callable[[int], bytes] = os.urandom) -> None:
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.sealing.items()}
        self._current = max(self._ciphers)
        self._index_key = hmac.new(keys.index, digestmod=hashlib.sha256)
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
            if path.stat().st_mode & 0o027:
                raise VaultKeyUnusable(f"{path} is open to others: chmod 600 {path}")
            text = path.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise VaultKeyUnusable(f"cannot use {path}: {_why(error)}") from None
        return cls(VaultKeys.parse(text))

    def seal(self, phone: Phone) -> bytes:
        """`phone`, readable only with the key; every time different bytes."""
        return self._seal(_Purpose.PHONE, phone)

    def open(self, sealed: bytes) -> Phone:
        """The phone in `sealed`. Raises SealBroken."""
        return Phone(self._open(_Purpose.PHONE, sealed))

    def seal_secret(self, secret: str) -> bytes:
        """A password of ours, sealed like a phone but for another purpose."""
        return self._seal(_Purpose.SECRET, secret)

    def open_secret(self, sealed: bytes) -> str:
        """The password in `sealed`. Raises SealBroken."""
        return self._open(_Purpose.SECRET, sealed)

    def index(self, phone: Phone) -> bytes:
        """16 bytes that are the same for the same phone and tell nothing without the key."""
        return self._hmac(b"phone\0", phone.encode())

    def digest(self, data: bytes) -> bytes:
        """16 bytes for comparing what may hold phones (a request's body) without keeping it."""
        return self._hmac(b"digest\0", data)

    def pseudonym(self, phone: Phone) -> str:
        """26 characters that stand for `phone`: always the same, and nothing without the key."""
        return b32encode(self._hmac(b"pseudonym\0", phone.encode())).decode().rstrip("=").lower()

    def fingerprint(self) -> bytes:
        """16 bytes that tell one vault from another, and tell nothing of its keys."""
        return self._hmac(b"fingerprint\0", b"")

    def _hmac(self, purpose: bytes, data: bytes) -> bytes:
        mac = self._index_key.copy()
        mac.update(purpose)
        mac.update(data)
        return mac.digest()[:INDEX_BYTES]

    def _seal(self, purpose: _Purpose, text: str) -> bytes:
        head = bytes((self._current,))
        nonce = self._entropy(_NONCE_BYTES)
        cipher = self._ciphers[self._current]
        return head + nonce + cipher.encrypt(nonce, text.encode(), head + purpose.value)

    def _open(self, purpose: _Purpose, sealed: bytes) -> str:
        if len(sealed) < 1 + _NONCE_BYTES + _TAG_BYTES:
            raise SealBroken
        head, nonce, body = sealed[:1], sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        cipher = self._ciphers.get(head[0])
        if cipher is None:
            raise SealBroken
        try:
            return cipher.decrypt(nonce, body, head + purpose.value).decode()
        except InvalidTag:
            raise SealBroken from None


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
    return text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= 255


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
