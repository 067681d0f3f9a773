"""HEPv3 is read as Asterisk sends it, and nothing else is believed."""

from __future__ import annotations

import random
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.hep import codec
from telephony.hep.codec import Endpoint, HepMalformed, HepNotBelieved, Packet, decode
from tests.support.hep import CARRIER, NODE, SECRET, chunk, chunks, datagram, encode

PACKET = Packet(1_795_000_000_123_456, CARRIER, NODE, b"BYE sip:x SIP/2.0\r\n\r\n")
KEY = SECRET.encode()
_hosts = st.one_of(
    st.tuples(*[st.builds(lambda a: IPv4Address(a).packed, st.integers(0, 2**32 - 1))] * 2),
    st.tuples(*[st.builds(lambda a: IPv6Address(a).packed, st.integers(0, 2**128 - 1))] * 2),
)
packets = st.builds(
    lambda hosts, ports, at_us, payload: Packet(
        at_us, Endpoint(hosts[0], ports[0]), Endpoint(hosts[1], ports[1]), payload
    ),
    _hosts,
    st.tuples(st.integers(0, 65_535), st.integers(0, 65_535)),
    st.integers(0, 2**32 * 1_000_000 - 1),
    st.binary(max_size=2_000),
)


@given(packets)
def test_what_was_sent_is_read(packet: Packet) -> None:
    assert decode(encode(packet), KEY) == packet


@given(packets, st.randoms(use_true_random=False), st.binary(max_size=20))
def test_the_order_of_chunks_does_not_matter_nor_do_those_of_others(
    packet: Packet, chance: random.Random, more: bytes
) -> None:
    parts = [*chunks(packet), chunk(0x0F, more, vendor=4), chunk(0x7777, more)]
    chance.shuffle(parts)
    assert decode(datagram(parts), KEY) == packet


@given(packets)
def test_the_short_way_reads_what_the_long_one_does(packet: Packet) -> None:
    whole = encode(packet)
    short = codec._usual(whole, len(whole), KEY)
    assert short == (packet if len(packet.source.address) == 4 else None)


@given(packets, st.data())
def test_a_datagram_that_is_damaged_is_refused_or_read_and_never_worse(
    packet: Packet, data: st.DataObject
) -> None:
    whole = bytearray(encode(packet))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    for one in (bytes(whole), cut):
        try:
            assert isinstance(decode(one, KEY), Packet)
        except (HepMalformed, HepNotBelieved):
            continue


@given(st.binary(max_size=300))
def test_whatever_comes_in_is_refused_in_our_own_words(noise: bytes) -> None:
    with pytest.raises((HepMalformed, HepNotBelieved)):
        decode(noise, KEY)


@pytest.mark.parametrize("secret", ["", "another", SECRET[:-1] + "x"])
def test_who_does_not_know_the_secret_is_not_believed(secret: str) -> None:
    with pytest.raises(HepNotBelieved):
        decode(encode(PACKET, secret), KEY)


@pytest.mark.parametrize("missing", [0, 1, 7])
def test_a_message_without_its_packet_s_end_is_malformed(missing: int) -> None:
    with pytest.raises(HepMalformed):
        decode(encode(PACKET)[: -1 - missing], KEY)


@pytest.mark.parametrize("kind", [2, 3, 4, 5, 6, 8, 9, 12])
def test_what_is_needed_must_be_there(kind: int) -> None:
    parts = chunks(PACKET)
    del parts[kind]
    with pytest.raises(HepMalformed):
        decode(datagram(parts), KEY)


def test_other_protocols_are_none_of_ours() -> None:
    parts = chunks(PACKET)
    parts[6] = chunk(0x0B, b"\x05")  # RTCP
    with pytest.raises(HepMalformed):
        decode(datagram(parts), KEY)


def test_a_packet_shows_no_message() -> None:
    assert "BYE" not in repr(PACKET)
    assert str(CARRIER) == "127.0.0.80:5080"
    assert str(Endpoint(IPv6Address("2001:db8::1").packed, 5060)) == "[2001:db8::1]:5060"
