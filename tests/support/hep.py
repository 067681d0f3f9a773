"""HEPv3 as a node sends it, for tests: the other half of `telephony.hep.codec`."""

from __future__ import annotations

from collections.abc import Iterable
from struct import pack

from telephony.hep.codec import Endpoint, Packet

SECRET = "0123456789abcdef0123456789abcdef"
NODE, CARRIER = Endpoint(bytes((127, 0, 0, 1)), 5060), Endpoint(bytes((127, 0, 0, 80)), 5080)


def chunk(kind: int, data: bytes, vendor: int = 0) -> bytes:
    """One chunk."""
    return pack("!HHH", vendor, kind, 6 + len(data)) + data


def chunks(packet: Packet, secret: str = SECRET) -> list[bytes]:
    """What Asterisk makes of a message, in its order."""
    six = len(packet.source.address) == 16
    return [
        chunk(0x01, b"\x0a" if six else b"\x02"),
        chunk(0x02, b"\x11"),
        chunk(0x07, pack("!H", packet.source.port)),
        chunk(0x08, pack("!H", packet.target.port)),
        chunk(0x09, pack("!I", packet.at_us // 1_000_000)),
        chunk(0x0A, pack("!I", packet.at_us % 1_000_000)),
        chunk(0x0B, b"\x01"),
        chunk(0x0C, pack("!I", 1)),
        chunk(0x05 if six else 0x03, packet.source.address),
        chunk(0x06 if six else 0x04, packet.target.address),
        chunk(0x0E, secret.encode()),
        chunk(0x11, b"a-call-id"),
        chunk(0x0F, packet.payload),
    ]


def datagram(parts: Iterable[bytes]) -> bytes:
    """The packet of these chunks."""
    body = b"".join(parts)
    return b"HEP3" + pack("!H", 6 + len(body)) + body


def encode(packet: Packet, secret: str = SECRET) -> bytes:
    """As Asterisk sends it."""
    return datagram(chunks(packet, secret))


def invite(call_id: str, to_user: str, from_user: str, tag: str = "t1", *more: str) -> bytes:
    """An INVITE without a body."""
    first = f"INVITE sip:{to_user}@127.0.0.1 SIP/2.0"
    return _message(first, call_id, from_user, tag, 1, "INVITE", *more)


def request(method: str, call_id: str, *more: str) -> bytes:
    """Another request of the dialog."""
    return _message(f"{method} sip:x@127.0.0.1 SIP/2.0", call_id, "x", "t1", 2, method, *more)


def response(status: str, call_id: str, method: str = "INVITE") -> bytes:
    """A response."""
    return _message(f"SIP/2.0 {status}", call_id, "x", "t1", 1, method)


def _message(
    first: str, call_id: str, from_user: str, tag: str, number: int, method: str, *more: str
) -> bytes:
    lines = (
        first,
        f"Call-ID: {call_id}",
        f"From: <sip:{from_user}@127.0.0.80>;tag={tag}",
        f"CSeq: {number} {method}",
        *more,
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
