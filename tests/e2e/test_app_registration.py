# ruff: noqa: ANN401 (what the API answers is JSON)
"""Apps come, stay and are shut out; whoever dies meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from maskline.demo.sip import Message
from maskline.demo.spec import PATIENCE_S
from tests.support.app_phone import HZ, AppPhone
from tests.support.certificate import certificate
from tests.support.maskline import Maskline, eventually, free_tcp_port
from tests.support.raw_app import Credentials, RawApp

HOST, OTHER_HOST = (f"127.0.4.{10 + n + os.getpid() % 100}" for n in range(2))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Maskline]:
    """A Maskline for these tests."""
    maskline = Maskline(tmp_path_factory.mktemp("apps") / "data")
    await maskline.start()
    try:
        yield maskline
        assert await maskline.stop() == 0, maskline.log
        assert "Traceback" not in maskline.log
        log = (maskline.data / "node" / "log" / "asterisk.log").read_text()
        errors = [line for line in log.splitlines() if "ERROR" in line]
        assert [line for line in errors if "Asterisk is shutting down" not in line] == []
    finally:
        await maskline.kill()


async def credential(at: Maskline, user: str, transport: str = "sip", **more: Any) -> Any:
    """A credential of a device of `user`."""
    body = {"transport": transport, **more}
    return await at.ask("POST", f"/v1/users/{user}/app-credentials", body)


def named(given: Any) -> Credentials:
    return Credentials(given["username"], given["password"])


async def registered(at: Maskline, user: str) -> set[str]:
    """The user's devices that are registered, as the API shows them."""
    page = await at.ask("GET", f"/v1/users/{user}/app-credentials")
    return {one["username"] for one in page["items"] if one["registered"]}


async def there(at: Maskline, user: str, *given: Any, timeout_s: float = PATIENCE_S) -> None:
    """Wait until these, and no others, are registered."""
    wanted = {one["username"] for one in given}
    await eventually(lambda: registered(at, user), lambda found: found == wanted, timeout_s)


def rewrite(at: Maskline, given: Any, column: str, after_s: float) -> None:
    """What another process would write: a time from now."""
    statements = {
        "expires_at": "UPDATE app_credentials SET expires_at = ? WHERE username = ?",
        "revoked_at": "UPDATE app_credentials SET revoked_at = ? WHERE username = ?",
    }
    with closing(sqlite3.connect(at.data / "maskline.db", timeout=10)) as database:
        at_ms = int((time.time() + after_s) * 1000)
        done = database.execute(statements[column], (at_ms, given["username"]))
        assert done.rowcount == 1
        database.commit()


async def test_an_app_in_a_browser_registers_and_is_seen(here: Maskline) -> None:
    given = await credential(here, "u-web", "webrtc")
    async with RawApp.over_ws(named(given), given["ws_url"]) as app:
        assert (await app.register()).status == 200
        await there(here, "u-web", given)
    await there(here, "u-web", timeout_s=8.0)  # it said nothing, its WebSocket closed


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_native_app_registers_talks_and_says_good_bye(
    here: Maskline, transport: str
) -> None:
    given = await credential(here, f"u-{transport}")
    async with AppPhone.open(given, here.sip_address, host=HOST, transport=transport) as app:
        assert await app.register() == 200
        await there(here, f"u-{transport}", given)
        call = await app.call("preflight")
        await call.until_up()
        await call.hear(HZ)
        await call.hang_up()
        await app.unregister()
        await there(here, f"u-{transport}")


async def test_a_wrong_password_and_an_unknown_name_are_told_the_same(here: Maskline) -> None:
    given = await credential(here, "u-wrong")
    answers: list[tuple[int, list[str]]] = []
    unknown = given["username"][:-4] + "0000"
    for who in (Credentials(given["username"], "guess"), Credentials(unknown, "guess")):
        async with RawApp.over_udp(who, here.sip_address, HOST) as app:
            answer = await app.register()
            answers.append((answer.status, [name for name, _ in answer.headers]))
    assert answers[0] == answers[1]
    assert answers[0][0] == 401


async def test_a_credential_that_is_revoked_is_out_at_once_and_its_call_goes_on(
    here: Maskline,
) -> None:
    given, other = await credential(here, "u-out"), await credential(here, "u-out")
    async with (
        AppPhone.open(given, here.sip_address, host=HOST) as app,
        RawApp.over_udp(named(other), here.sip_address, OTHER_HOST) as second,
    ):
        assert await app.register() == 200
        assert (await second.register()).status == 200
        await there(here, "u-out", given, other)
        call = await app.call("preflight")
        await call.until_up()
        await call.hear(HZ)
        await here.ask("DELETE", f"/v1/users/u-out/app-credentials/{given['username']}")
        assert await registered(here, "u-out") == {other["username"]}
        await call.hear(HZ)
        assert await app.register() == 401
        again = await app.call("preflight")
        assert await again.until_over() == 401
        assert call.state == "confirmed"
        assert (await second.register()).status == 200


@pytest.mark.parametrize(("column", "after_s"), [("revoked_at", 0.0), ("expires_at", 1.0)])
async def test_one_that_ends_in_another_process_or_by_itself_is_out_soon(
    here: Maskline, column: str, after_s: float
) -> None:
    given = await credential(here, f"u-{column}", "webrtc")
    async with RawApp.over_ws(named(given), given["ws_url"]) as app:
        assert (await app.register()).status == 200
        await there(here, f"u-{column}", given)
        rewrite(here, given, column, after_s)

        async def answer() -> int:
            return (await app.register()).status

        assert await eventually(answer, lambda status: status == 401, 5.0) == 401
        assert await registered(here, f"u-{column}") == set()


async def test_a_device_that_is_given_a_new_credential_uses_that_one(here: Maskline) -> None:
    old = await credential(here, "u-new", device="phone")
    async with RawApp.over_udp(named(old), here.sip_address, HOST) as app:
        assert (await app.register()).status == 200
        new = await credential(here, "u-new", device="phone")
        assert (await app.register()).status == 401
    async with RawApp.over_udp(named(new), here.sip_address, HOST) as app:
        assert (await app.register()).status == 200
        await there(here, "u-new", new)


async def test_while_maskline_is_dead_apps_stay_and_who_ended_meanwhile_is_out_afterwards(
    own: Maskline,
) -> None:
    await own.start()
    stays, ends = await credential(own, "u-1"), await credential(own, "u-1")
    gone = await credential(own, "u-1", "webrtc")
    url = gone["ws_url"]
    async with (
        RawApp.over_udp(named(stays), own.sip_address, HOST) as app,
        RawApp.over_udp(named(ends), own.sip_address, OTHER_HOST) as other,
    ):
        async with RawApp.over_ws(named(gone), url) as web:
            for one in (app, other, web):
                assert (await one.register()).status == 200
            await there(own, "u-1", stays, ends, gone)
            asterisk = own.asterisk_pid
            await own.kill_9()
            for one in (app, other, web):
                assert (await one.register()).status == 200
        rewrite(own, ends, "revoked_at", 0.0)
        await own.start()
        assert own.asterisk_pid == asterisk
        await there(own, "u-1", stays)
        assert (await other.register()).status == 401
        assert (await app.register()).status == 200
        again = await credential(own, "u-1", "webrtc")
        assert again["ws_url"] == url  # the port is kept
        async with RawApp.over_ws(named(again), url) as web:
            assert (await web.register()).status == 200
            await there(own, "u-1", stays, again)
    assert await own.stop() == 0


async def test_asterisk_restarted_is_told_of_the_apps_anew(own: Maskline) -> None:
    await own.start()
    native, web = await credential(own, "u-1"), await credential(own, "u-1", "webrtc")
    async with RawApp.over_udp(named(native), own.sip_address, HOST) as app:
        async with RawApp.over_ws(named(web), web["ws_url"]) as page:
            assert (await app.register()).status == (await page.register()).status == 200
            await there(own, "u-1", native, web)
            await asyncio.sleep(1.5)  # Asterisk writes its own database once a second
            before = own.asterisk_pid
            assert before is not None
            os.kill(before, signal.SIGKILL)
            await eventually(lambda: _pid(own), lambda pid: pid not in (None, before))
        await there(own, "u-1", native)  # the WebSocket went with it
        await eventually(lambda: _status(app), lambda status: status == 200)
        async with RawApp.over_ws(named(web), web["ws_url"]) as page:
            assert (await page.register()).status == 200
            await there(own, "u-1", native, web)
    assert await own.stop() == 0


async def _pid(own: Maskline) -> int | None:
    return own.asterisk_pid


async def _status(app: RawApp) -> int:
    try:
        return (await app.register()).status
    except TimeoutError:
        return 0


async def test_with_a_certificate_apps_come_by_tls(own: Maskline, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    port = free_tcp_port()
    own.options = {
        "tls_cert": str(cert),
        "tls_key": str(key),
        "sip_tls": f"127.0.0.1:{port}",
        "stun_urls": "stun:127.0.0.1:3478",
        "turn_urls": "turn:127.0.0.1:3478?transport=udp",
        "turn_secret": "north",
    }
    await own.start()
    web, native = await credential(own, "u-1", "webrtc"), await credential(own, "u-1")
    assert web["ws_url"].startswith("wss://127.0.0.1:")
    assert native["transports"]["tls"] == f"127.0.0.1:{port}"
    assert [one["urls"] for one in web["ice_servers"]] == [
        ["stun:127.0.0.1:3478"],
        ["turn:127.0.0.1:3478?transport=udp"],
    ]
    async with RawApp.over_ws(named(web), web["ws_url"], ssl=False) as page:
        assert (await page.register()).status == 200
        async with AppPhone.open(native, ("127.0.0.1", port), host=HOST, transport="tls") as app:
            assert await app.register() == 200, app.everything()[-3000:]
            await there(own, "u-1", web, native)
            call = await app.call("preflight")
            await call.until_up()
            await call.hear(HZ)
            assert b"RTP/SAVP" in app.everything() or b"a=crypto" in app.everything()
            await call.hang_up()
    assert await own.stop() == 0


async def test_a_taken_port_for_websockets_is_one_clear_line(own: Maskline) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        own.options = {"ws": f"127.0.0.1:{port}"}
        with pytest.raises(AssertionError, match=f"WebSocket 127.0.0.1:{port}: it is in use"):
            await own.start()
        _, out, _ = await own.run("doctor")
        assert any(
            line.startswith("WRONG") and f"127.0.0.1:{port}" in line for line in out.splitlines()
        ), out


async def test_nothing_that_an_app_says_makes_it_another(here: Maskline) -> None:
    mine, other = await credential(here, "u-mine"), await credential(here, "u-other")
    async with (
        RawApp.over_udp(named(mine), here.sip_address, HOST) as app,
        RawApp.over_udp(named(other), here.sip_address, OTHER_HOST) as theirs,
    ):
        assert (await theirs.register()).status == 200
        await there(here, "u-other", other)
        hostile: list[Message] = [
            await app.register(to=other["username"], from_=other["username"]),
            await app.register(to=other["username"], expires_s=0),
            await app.register(to=f"{other['username']}%00%0d%0a", from_="%0d%0aEvent%3A%20x"),
            await app.register(to="a,b;c=d", from_="%24%7BCHANNEL(name)%7D"),
        ]
        assert all(one.status < 500 for one in hostile)
        await there(here, "u-other", other)
        assert await registered(here, "u-mine") <= {mine["username"]}
    assert "a frame was not believed" not in here.log
