"""HEPv3 (the Homer encapsulation protocol, revision 3): a datagram in, a packet out. No I/O.

Only what a ladder needs is read; chunks of other vendors and kinds are passed over, as the
protocol asks. Whoever does not know the node's secret is not believed: loopback is everybody's.
"""

from __future__ import annotations

import hmac
import re
from ipaddress import ip_address
from struct import Struct
from typing import Final, NamedTuple

from telephony.errors import TelephonyError

__all__ = ["LONGEST", "Endpoint", "HepMalformed", "HepNotBelieved", "Packet", "decode"]

LONGEST: Final = 65_507  # bytes of a datagram
_MAGIC: Final = b"HEP3"
_HEAD: Final = Struct("!4sH")
_CHUNK: Final = Struct("!HHH")  # vendor, kind, length with these six bytes
_U16: Final = Struct("!H")
_U32: Final = Struct("!I")
_SIP: Final = 1

# As res_hep writes it over IPv4, to the secret: values at one go, and around them always the same.
_USUAL: Final = Struct("!4xH 7x 7x 6xH 6xH 6xI 6xI 7x 10x 6x4s 6x4s 4xH")
_PROTOCOL, _FROM_4, _TO_4, _FROM_6, _TO_6 = 0x02, 0x03, 0x04, 0x05, 0x06
_FROM_PORT, _TO_PORT, _SECONDS, _MICROSECONDS, _TYPE = 0x07, 0x08, 0x09, 0x0A, 0x0B
_KEY, _PAYLOAD = 0x0E, 0x0F
_LENGTHS: Final = {
    _PROTOCOL: 1,
    _TYPE: 1,
    _FROM_PORT: 2,
    _TO_PORT: 2,
    _SECONDS: 4,
    _MICROSECONDS: 4,
    _FROM_4: 4,
    _TO_4: 4,
    _FROM_6: 16,
    _TO_6: 16,
}
_NEEDED: Final = (_FROM_PORT, _TO_PORT, _SECONDS, _MICROSECONDS, _PAYLOAD)


class HepMalformed(TelephonyError):
    """A datagram is no HEPv3 packet with a SIP message in it."""

    error_id = "hep_malformed"


class HepNotBelieved(TelephonyError):
    """A datagram does not carry the node's secret."""

    error_id = "hep_not_believed"


class Endpoint(NamedTuple):
    """An address (4 or 16 bytes) and a port."""

    address: bytes
    port: int

    def __str__(self) -> str:
        text = str(ip_address(self.address))
        return f"[{text}]:{self.port}" if ":" in text else f"{text}:{self.port}"


class Packet(NamedTuple):
    """A SIP message as it was sent or received. A call has a dozen: hence tuples."""

    at_us: int  # microseconds since 1970, by the node's clock
    source: Endpoint
    target: Endpoint
    payload: bytes

    def __repr__(self) -> str:
        return f"<Packet of {len(self.payload)} bytes>"


def decode(datagram: bytes, secret: bytes) -> Packet:
    """The message in `datagram`. Raises HepMalformed, HepNotBelieved."""
    size = len(datagram)
    if (packet := _usual(datagram, size, secret)) is not None:
        return packet
    if size < _HEAD.size or _HEAD.unpack_from(datagram) != (_MAGIC, size):
        raise HepMalformed("it is not HEPv3, or cut short")
    found: dict[int, bytes] = {}
    at = _HEAD.size
    while at < size:
        if size - at < _CHUNK.size:
            raise HepMalformed("a chunk has no head")
        vendor, kind, length = _CHUNK.unpack_from(datagram, at)
        if not _CHUNK.size <= length <= size - at:
            raise HepMalformed("a chunk is longer than what holds it")
        if vendor == 0:
            found[kind] = datagram[at + _CHUNK.size : at + length]
        at += length
    if not hmac.compare_digest(found.get(_KEY, b""), secret):
        raise HepNotBelieved("it does not carry the node's secret")
    return _packet(found)


def _head(kind: int, length: int) -> bytes:
    return _CHUNK.pack(0, kind, _CHUNK.size + length)


_LAYOUT: Final = re.compile(
    b"".join(
        (
            *(_MAGIC, b"..", re.escape(_head(0x01, 1)), b".", re.escape(_head(_PROTOCOL, 1)), b"."),
            *(re.escape(_head(_FROM_PORT, 2)), b"..", re.escape(_head(_TO_PORT, 2)), b".."),
            *(re.escape(_head(_SECONDS, 4)), b"....", re.escape(_head(_MICROSECONDS, 4)), b"...."),
            *(re.escape(_head(_TYPE, 1) + bytes((_SIP,))), b".{10}"),
            *(re.escape(_head(_FROM_4, 4)), b"....", re.escape(_head(_TO_4, 4)), b"...."),
            re.escape(_head(_KEY, 0)[:4]),
        )
    ),
    re.DOTALL,
)


def _usual(datagram: bytes, size: int, secret: bytes) -> Packet | None:
    """A packet that is laid out as Asterisk does it; None: it is to be read chunk by chunk."""
    if size < _USUAL.size or _LAYOUT.match(datagram) is None:
        return None
    said, from_port, to_port, seconds, more_us, source, target, length = _USUAL.unpack_from(
        datagram
    )
    at = _USUAL.size + len(secret)
    if said != size or length != _CHUNK.size + len(secret) or size < at + 2 * _CHUNK.size:
        return None
    if not hmac.compare_digest(datagram[_USUAL.size : at], secret):
        raise HepNotBelieved("it does not carry the node's secret")
    vendor, key, length = _CHUNK.unpack_from(datagram, at)
    at += length  # of what Asterisk takes for a name of the dialog
    if (vendor, key) != (0, 0x11) or length < _CHUNK.size or size < at + _CHUNK.size:
        return None
    vendor, key, length = _CHUNK.unpack_from(datagram, at)
    if (vendor, key) != (0, _PAYLOAD) or at + length != size or length < _CHUNK.size:
        return None
    return Packet(
        seconds * 1_000_000 + more_us,
        Endpoint(source, from_port),
        Endpoint(target, to_port),
        datagram[at + _CHUNK.size :],
    )


def _packet(found: dict[int, bytes]) -> Packet:
    for kind, length in _LENGTHS.items():
        if kind in found and len(found[kind]) != length:
            raise HepMalformed("a value has not the length of its kind")
    source = found.get(_FROM_4) or found.get(_FROM_6)
    target = found.get(_TO_4) or found.get(_TO_6)
    if source is None or target is None or any(kind not in found for kind in _NEEDED):
        raise HepMalformed("addresses, time or message are missing")
    if found.get(_TYPE) != bytes((_SIP,)):
        raise HepMalformed("it is not about SIP")
    (seconds,), (more_us,) = _U32.unpack(found[_SECONDS]), _U32.unpack(found[_MICROSECONDS])
    return Packet(
        at_us=seconds * 1_000_000 + more_us,
        source=Endpoint(source, *_U16.unpack(found[_FROM_PORT])),
        target=Endpoint(target, *_U16.unpack(found[_TO_PORT])),
        payload=found[_PAYLOAD],
    )
