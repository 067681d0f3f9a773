"""Audio sealed with SRTP, keys in SDP: AES_CM_128_HMAC_SHA1_80 (RFC 3711, RFC 4568). For tests."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import struct
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from tests.support.wiretap import Address, TapMedia

SUITE: Final = "AES_CM_128_HMAC_SHA1_80"
_OFFERED: Final = re.compile(rf"^a=crypto:(\d+) {SUITE} inline:([A-Za-z0-9+/=]+)", re.MULTILINE)
_KEY, _SALT, _TAG = 16, 14, 10
_HALF: Final = 1 << 15


def _stream(key: bytes, counter: int, length: int) -> bytes:
    cipher = Cipher(AES(key), CTR((counter % (1 << 128)).to_bytes(16, "big"))).encryptor()
    return cipher.update(bytes(length))


class Seal:
    """One direction of one stream."""

    def __init__(self, master: bytes) -> None:
        key, salt = master[:_KEY], int.from_bytes(master[_KEY:], "big")

        def derived(label: int, length: int) -> bytes:  # RFC 3711, 4.3.1
            return _stream(key, (salt ^ (label << 48)) << 16, length)

        self._key, self._auth = derived(0, _KEY), derived(1, 20)
        self._salt = int.from_bytes(derived(2, _SALT), "big")
        self._around, self._last = 0, -1

    def close(self, packet: bytes) -> bytes:
        """Seal it."""
        sealed = self._turned(packet, self._index(packet))
        return sealed + self._tag(sealed)

    def open(self, packet: bytes) -> bytes | None:
        """What was sealed; None for what was not, or by another key."""
        body, tag = packet[:-_TAG], packet[-_TAG:]
        if len(body) < 12:
            return None
        index = self._index(body)
        return self._turned(body, index) if hmac.compare_digest(tag, self._tag(body)) else None

    def _index(self, packet: bytes) -> int:
        """The sequence number, with how often it went around (RFC 3711, 3.3.1)."""
        [sequence] = struct.unpack_from("!H", packet, 2)
        if self._last - sequence > _HALF:
            self._around += 1
        self._last = sequence
        return int(self._around << 16 | sequence)

    def _turned(self, packet: bytes, index: int) -> bytes:
        start = 12 + 4 * (packet[0] & 0x0F)
        if packet[0] & 0x10:
            start += 4 + 4 * int(struct.unpack_from("!H", packet, start + 2)[0])
        ssrc = int.from_bytes(packet[8:12], "big")
        counter = (self._salt << 16) ^ (ssrc << 64) ^ (index << 16)
        mask = _stream(self._key, counter, len(packet) - start)
        return packet[:start] + bytes(a ^ b for a, b in zip(packet[start:], mask, strict=True))

    def _tag(self, sealed: bytes) -> bytes:
        around = struct.pack("!I", self._around)
        return hmac.new(self._auth, sealed + around, hashlib.sha1).digest()[:_TAG]


class SealedMedia(TapMedia):
    """Sends its tone sealed, and hears only what is; `raw` is as it was on the wire."""

    def __init__(self, host: str) -> None:
        super().__init__(host)
        self.master = os.urandom(_KEY + _SALT)
        self._ours = Seal(self.master)
        self._opening: Seal | None = None
        self.unsealed = 0  # packets that our key for them did not open

    def offer(self, sdp: str, tag: str = "1") -> str:
        """`sdp` with sealed audio, and our key."""
        key = base64.b64encode(self.master).decode()
        line = f"a=crypto:{tag} {SUITE} inline:{key}\r\n"
        return sdp.replace(" RTP/AVP ", " RTP/SAVP ") + line

    def learn(self, sdp: str) -> str:
        """Take their key; the tag it was offered under."""
        found = _OFFERED.search(sdp)
        assert found is not None, "no key that we know"
        self._opening = Seal(base64.b64decode(found[2]))
        return found[1]

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Keep it; hear what was sealed."""
        opened = self._opening.open(data) if self._opening is not None else None
        if opened is None:
            self.unsealed += 1
            self.raw.append(data)
            return
        super().datagram_received(opened, addr)
        self.raw[-1] = data

    def _packet(self, tick: int, ssrc: int) -> bytes:
        return self._ours.close(super()._packet(tick, ssrc))
