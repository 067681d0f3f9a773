"""The demo's radio: what it lets through, loses and delays. Real sockets on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from maskline.demo.page.radio import FAIR, POOR, Ends, Radio, Weather
from maskline.settings import PortRange

RTP = bytes([0x80]) + bytes(20)
STUN = bytes(20)
PACKETS = 250


@pytest.fixture
def ports() -> PortRange:
    """Forty ports in a row, of which some may be taken."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        first = min(int(probe.getsockname()[1]), 65_000)
    return PortRange(first, first + 40)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The browser's socket and Maskline's."""
    pair = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for one in pair:
        one.bind(("127.0.0.1", 0))
        one.setblocking(False)
    yield pair[0], pair[1]
    for one in pair:
        one.close()


async def _introduce(way: Ends, browser: socket.socket, maskline: socket.socket) -> None:
    """Both have spoken once, as ICE makes them: now each end knows whom it talks to."""
    loop = asyncio.get_running_loop()
    browser.sendto(STUN, ("127.0.0.1", way.near))
    await asyncio.sleep(0.05)  # it goes nowhere yet, and must have gone there first
    maskline.sendto(STUN, ("127.0.0.1", way.far))
    async with asyncio.timeout(2):
        await loop.sock_recv(browser, 100)


async def _arrived(at: socket.socket, quiet_s: float = 0.5) -> list[bytes]:
    loop, found = asyncio.get_running_loop(), []
    while True:
        try:
            async with asyncio.timeout(quiet_s):
                found.append(await loop.sock_recv(at, 100))
        except TimeoutError:
            return found


async def test_in_fair_weather_everything_passes_both_ways(
    ports: PortRange, ends: tuple[socket.socket, socket.socket]
) -> None:
    browser, maskline = ends
    radio = Radio("127.0.0.1", ports)
    way = await radio.open()
    await _introduce(way, browser, maskline)
    for n in range(50):
        browser.sendto(RTP + bytes([n]), ("127.0.0.1", way.near))
    there = await _arrived(maskline)
    maskline.sendto(RTP, ("127.0.0.1", way.far))
    back = await _arrived(browser, 0.2)
    radio.close()
    assert there == [RTP + bytes([n]) for n in range(50)]
    assert back == [RTP]


async def test_poor_weather_loses_media_and_nothing_else(
    ports: PortRange, ends: tuple[socket.socket, socket.socket]
) -> None:
    browser, maskline = ends
    radio = Radio("127.0.0.1", ports)
    way = await radio.open()
    await _introduce(way, browser, maskline)
    radio.weather = Weather(loss=0.5)
    reading = asyncio.create_task(_arrived(maskline))
    for _ in range(PACKETS):
        browser.sendto(RTP, ("127.0.0.1", way.near))
        browser.sendto(STUN, ("127.0.0.1", way.near))
        await asyncio.sleep(0.002)  # paced as sound is: no buffer overflows
    there = await reading
    radio.close()
    assert there.count(STUN) == PACKETS
    assert 0.35 * PACKETS < there.count(RTP) < 0.65 * PACKETS


async def test_what_is_late_comes_in_order(
    ports: PortRange, ends: tuple[socket.socket, socket.socket]
) -> None:
    browser, maskline = ends
    radio = Radio("127.0.0.1", ports)
    way = await radio.open()
    await _introduce(way, browser, maskline)
    radio.weather = Weather(delay_ms=80, jitter_ms=60)
    began_s = asyncio.get_running_loop().time()
    for n in range(20):
        browser.sendto(RTP + bytes([n]), ("127.0.0.1", way.near))
    async with asyncio.timeout(2):
        first = await asyncio.get_running_loop().sock_recv(maskline, 100)
    took_s = asyncio.get_running_loop().time() - began_s
    rest = await _arrived(maskline)
    radio.close()
    assert [first, *rest] == [RTP + bytes([n]) for n in range(20)]
    assert took_s >= 0.08


async def test_relays_are_bounded_and_the_oldest_goes_first(ports: PortRange) -> None:
    radio = Radio("127.0.0.1", ports)
    opened = [await radio.open() for _ in range(16)]
    taken = {port for one in opened[-12:] for port in (one.near, one.far)}
    assert len(taken) == 24, "those that are open have ports of their own"
    radio.close()


def test_the_browser_is_told_an_address_that_it_can_reach(ports: PortRange) -> None:
    anywhere, here = Radio("0.0.0.0", ports), Radio("127.0.0.1", ports)
    assert here.reached_at("localhost") == "127.0.0.1"
    assert anywhere.reached_at("localhost") == "127.0.0.1"
    assert anywhere.reached_at("192.0.2.4") == "192.0.2.4"
    with pytest.raises(ValueError, match="elsewhere"):
        anywhere.reached_at("elsewhere.example")


def test_poor_is_poor() -> None:
    assert Weather() == FAIR
    assert POOR.loss > 0.1
