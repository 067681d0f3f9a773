"""One signed POST: to addresses that were checked, and no longer than its deadline."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.abc import ResolveResult

from api.outbound import (
    AddressRefused,
    OutboundClient,
    ReceiverSilent,
    ReceiverUnreachable,
    Reply,
    TlsRefused,
    UrlRefused,
    addresses,
    post_signed,
)
from tests.integration.delivery.conftest import LOOPBACK, SECRET
from tests.support.receiver import Received, Receiver, answers


async def post(client: OutboundClient, url: str, deadline_s: float = 3.0) -> Reply:
    return await post_signed(client, url, [SECRET], "evt_1", b"{}", deadline_s)


@pytest.fixture
async def client() -> AsyncIterator[OutboundClient]:
    async with OutboundClient(LOOPBACK) as made:
        yield made


def named(monkeypatch: pytest.MonkeyPatch, *found: str) -> list[str]:
    """Every name has these addresses, until the list is changed."""
    answer = list(found)

    def look_up(host: str, port: int, family: int) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=each,
                port=port,
                family=socket.AF_INET6 if ":" in each else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for each in answer
        ]

    monkeypatch.setattr(addresses, "_look_up", look_up)
    return answer


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Key and certificate of 127.0.0.1 that no authority has signed."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return key, certificate


async def test_the_answer_comes_back_with_its_body(
    client: OutboundClient, receiver: Receiver
) -> None:
    async def says(received: Received) -> web.StreamResponse:
        return web.json_response({"action": "refuse"})

    receiver.behaviour = says
    reply = await post(client, receiver.url)

    assert (reply.status, reply.body, reply.whole) == (200, b'{"action": "refuse"}', True)
    assert receiver.got[0].signed_by(SECRET)
    assert receiver.got[0].headers["Content-Type"] == "application/json"
    assert "Cookie" not in receiver.got[0].headers


async def test_a_name_with_any_closed_address_is_refused(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    found = named(monkeypatch)
    async with OutboundClient() as client:
        for closed in (["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::1"], ["::ffff:127.0.0.1"]):
            found[:] = closed
            with pytest.raises(AddressRefused):
                await post(client, f"https://{len(closed)}-{closed[-1].replace(':', '-')}.example/")
    assert receiver.got == []


async def test_plain_http_to_a_name_goes_to_allowed_networks_only(
    monkeypatch: pytest.MonkeyPatch, client: OutboundClient, receiver: Receiver
) -> None:
    found = named(monkeypatch, "127.0.0.1")
    assert (await post(client, f"http://inside.example:{receiver.port}/")).status == 204
    found[:] = ["8.8.8.8"]
    with pytest.raises(AddressRefused):
        await post(client, f"http://outside.example:{receiver.port}/")


async def test_a_name_that_changes_its_mind_gains_nothing(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    """What the check saw is what is connected to: there is no second look-up in between."""
    asked = 0

    def public_first(host: str, port: int, family: int) -> list[ResolveResult]:
        nonlocal asked
        asked += 1
        address = "192.0.2.1" if asked == 1 else "127.0.0.1"
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0
            )
        ]

    monkeypatch.setattr(addresses, "_look_up", public_first)
    monkeypatch.setattr(addresses, "literal", lambda *_, **__: None)  # as if it were public
    async with OutboundClient() as client:
        with pytest.raises((ReceiverUnreachable, ReceiverSilent)):
            await post(client, f"https://rebinds.example:{receiver.port}/", deadline_s=0.5)
    assert asked == 1
    assert receiver.got == []


async def test_the_socket_itself_refuses_what_slipped_through(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    named(monkeypatch, "127.0.0.1")
    monkeypatch.setattr(addresses, "literal", lambda *_, **__: None)
    async with OutboundClient() as client:
        with pytest.raises(ReceiverUnreachable):
            await post(client, f"https://slips.example:{receiver.port}/")
    assert receiver.got == []


async def test_a_literal_address_is_refused_before_anything_is_sent(receiver: Receiver) -> None:
    async with OutboundClient() as client:
        with pytest.raises(AddressRefused):
            await post(client, f"https://127.0.0.1:{receiver.port}/")
        with pytest.raises(UrlRefused):
            await post(client, receiver.url)
    assert receiver.got == []


async def test_nobody_waits_for_a_name_server_that_is_silent(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    released = threading.Event()

    def hangs(host: str, port: int, family: int) -> list[ResolveResult]:
        released.wait(20)
        return []

    monkeypatch.setattr(addresses, "_look_up", hangs)
    try:
        async with OutboundClient(LOOPBACK) as stuck, OutboundClient(LOOPBACK) as other:
            began_s = time.monotonic()
            waiting = [asyncio.create_task(post(stuck, f"https://{n}.example/")) for n in range(8)]
            assert (await post(other, receiver.url)).status == 204
            assert time.monotonic() - began_s < 2
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
    finally:
        released.set()


async def test_an_answer_that_is_late_is_none(client: OutboundClient) -> None:
    async def hangs(received: Received) -> web.StreamResponse:
        await asyncio.sleep(20)
        return web.Response()

    async with Receiver(hangs) as receiver:
        began_s = time.monotonic()
        with pytest.raises(ReceiverSilent):
            await post(client, receiver.url, deadline_s=0.2)
        assert time.monotonic() - began_s < 2


async def test_a_port_where_nobody_listens_is_told(client: OutboundClient) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(ReceiverUnreachable):
            await post(client, f"http://127.0.0.1:{held.getsockname()[1]}/")


async def test_a_redirect_is_an_answer(client: OutboundClient) -> None:
    async with Receiver(answers(307, Location="http://127.0.0.1:1/")) as receiver:
        assert (await post(client, receiver.url)).status == 307


async def test_a_body_that_is_packed_stays_packed(client: OutboundClient) -> None:
    async def bomb(received: Received) -> web.StreamResponse:
        return web.Response(body=b"not gzip at all", headers={"Content-Encoding": "gzip"})

    async with Receiver(bomb) as receiver:
        assert (await post(client, receiver.url)).body == b"not gzip at all"


async def test_bytes_that_are_not_http_are_no_answer(client: OutboundClient) -> None:
    @asynccontextmanager
    async def babbling() -> AsyncIterator[int]:
        async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(10)
            writer.write(b"\x00" * 100_000)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(babble, "127.0.0.1", 0)
        async with server:
            yield server.sockets[0].getsockname()[1]

    async with babbling() as port:
        with pytest.raises(ReceiverUnreachable):
            await post(client, f"http://127.0.0.1:{port}/")


async def test_a_certificate_that_nobody_vouches_for_is_refused(
    client: OutboundClient, tmp_path: Path
) -> None:
    key, certificate = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    taken: list[bytes] = []

    async def take(request: web.Request) -> web.Response:
        taken.append(await request.read())
        return web.Response()

    app = web.Application()
    app.router.add_post("/", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        assert site._server is not None
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        with pytest.raises(TlsRefused):
            await post(client, f"https://127.0.0.1:{port}/")
        assert taken == []

        trusting = ssl.create_default_context(cafile=str(certificate))
        async with OutboundClient(LOOPBACK, tls=trusting) as knows:
            assert (await post(knows, f"https://127.0.0.1:{port}/")).status == 200
    finally:
        await runner.cleanup()
