"""Where Asterisk asks for apps, while that is away, moves, or is asked anew; its certificate."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable
from dataclasses import replace

from maskline.demo.sip import Message
from telephony.directory import lookup_listener
from tests.integration.telephony.apps import end, opened
from tests.integration.telephony.conftest import Bench
from tests.support.certificate import certificate


async def test_with_our_process_dead_the_known_register_and_the_unknown_are_challenged(
    bench: Bench,
) -> None:
    async with opened(bench) as apps:
        known, unknown = apps.accounts.add(), apps.accounts.add()
        async with apps.udp(known) as app, apps.udp(unknown) as other:
            assert (await app.register()).status == 200
            await end(apps.serving)
            assert (await _timed(app.register(), 0.5)).status == 200
            assert (await _timed(other.register(), 1.0)).status == 401
        log = (bench.data / "node" / "log" / "asterisk.log").read_text()
        assert "ERROR" not in log, log


async def _timed(answer: Awaitable[Message], within_s: float) -> Message:
    async with asyncio.timeout(within_s):
        return await answer


async def test_look_ups_may_move_while_asterisk_runs(bench: Bench) -> None:
    async with opened(bench) as apps:
        await end(apps.serving)
        before = apps.node.lookup_port
        port = apps.node.move_lookups()
        assert port != before
        serving = asyncio.create_task(apps.directory.serve(lookup_listener(port)))
        try:
            await apps.node.tell_lookups()
            mine = apps.accounts.add()
            async with apps.udp(mine) as app:
                assert (await app.register()).status == 200
        finally:
            await end(serving)


async def test_stock_is_found_again_and_what_was_learnt_is_asked_anew(bench: Bench) -> None:
    async with opened(bench) as apps:
        mine = apps.accounts.add()
        async with apps.udp(mine) as app:
            await app.register()
            contacts = await apps.node.app_contacts()
            assert [one.partition(";@")[0] for one in contacts] == [mine.username]
            await apps.node.ask_anew()
            apps.directory.forget([mine.username])
            apps.accounts.asked.clear()
            assert (await app.register()).status == 200
            assert apps.accounts.asked == [mine.username]


async def test_a_renewed_certificate_is_served_without_a_restart(bench: Bench) -> None:
    cert, key = certificate(bench.folder)
    bench.settings = replace(bench.settings, tls_cert=cert, tls_key=key)
    async with bench.node() as node:
        first = await _served(*node.ws_address)
        certificate(bench.folder)
        await node.read_certificate()
        second = await _served(*node.ws_address)
        assert first != second
        assert second == ssl.PEM_cert_to_DER_cert(cert.read_text())


async def _served(host: str, port: int) -> bytes:
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection(host, port, ssl=anybody)
    found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        await writer.wait_closed()
    return found
