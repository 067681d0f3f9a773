"""Each role in a process of its own, on one folder and one database."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import aiohttp

from maskline.demo import Answer, Carrier
from tests.support.call_centre import OWN_PASSWORD
from tests.support.maskline import Maskline, eventually

MakeCarrier = Callable[..., Awaitable[Carrier]]


async def test_roles_run_in_processes_of_their_own_and_the_console_shows_all_calls(
    own: Maskline, make_carrier: MakeCarrier, phone: Iterator[str]
) -> None:
    await own.start()  # makes folder, key and database
    recycles = {"numbers": {"exhausted": "recycle_idle"}}
    await own.ask("PUT", "/v1/pools/default", recycles)
    assert await own.stop() == 0
    roles = [await _serve(own, role) for role in ("controller", "ingest", "api")]
    try:
        assert (await own.ask("GET", "/v1/trunks"))["items"] == []
        carrier = await make_carrier(own, "carrier-a")
        await own.add_trunk("carrier-a", carrier.host, carrier.port)
        await own.add_numbers("carrier-a", "+74953330001", "+74953330002")
        session = await own.open_session(next(phone), next(phone))
        async with _operator(own) as look:
            await eventually(lambda: look("/console/board"), lambda page: "Calls now 0" in page)
            carrier.on_invite(Answer(ring_ms=100), number=session.seller)
            call = await carrier.call(session.buyer_dials, from_=session.buyer)
            leg = await carrier.incoming()
            await asyncio.gather(call.wait_up(), leg.wait_up())

            up = "Calls now 1 0 offered, 0 ringing, 1 talking"
            await eventually(lambda: look("/console/board"), lambda page: up in page)
            path = f"/v1/sessions/{session.id}"
            await eventually(
                lambda: own.ask("GET", path), lambda shown: shown["last_call_at"] is not None
            )
            (live,) = await own.live()
            assert (live["session_id"], live["state"]) == (session.id, "up")
            ending = await own.refused("DELETE", f"/v1/live-calls/{live['call_id']}")
            assert "call_elsewhere" in ending
            from_buyer = {"from": session.buyer_id}
            click = await own.refused("POST", f"/v1/sessions/{session.id}/calls", from_buyer)
            assert "no_node_here" in click
            shown = await look("/console/calls")
            assert session.conversation_id in shown
            assert "1 call now" in shown

            await call.hang_up()
            await own.recorded(session)
            await eventually(lambda: look("/console/board"), lambda page: "Calls now 0" in page)
    finally:
        for process in roles:
            process.terminate()
        codes = await asyncio.gather(*(process.wait() for process in roles))
    assert codes == [0, 0, 0]
    assert own.asterisk_pid is None


@asynccontextmanager
async def _operator(own: Maskline) -> AsyncIterator[Callable[[str], Awaitable[str]]]:
    """Somebody who looks at pages: gives the words of one."""
    base = f"http://{own.http}"
    code, out, err = await own.run(
        *("staff", "add", "oleg", "--name", "Oleg", "--role", "operator", "--language", "en")
    )
    assert code == 0, err
    jar = aiohttp.CookieJar(unsafe=True)
    headers = {"Origin": base, "Sec-Fetch-Site": "same-origin"}
    async with aiohttp.ClientSession(base, cookie_jar=jar, headers=headers) as http:

        async def look(path: str) -> str:
            async with http.get(path) as answer:
                assert answer.status == 200
                return " ".join(re.sub("<[^>]*>", " ", await answer.text()).split())

        async def send(path: str, at: str, **fields: str) -> None:
            async with http.get(at) as page:
                csrf = re.search(r'name="csrf" value="([^"]+)"', await page.text())
            assert csrf is not None
            async with http.post(path, data={"csrf": csrf[1], "to": "/console", **fields}) as page:
                assert page.status == 200

        given = {"login": "oleg", "password": out.strip()}
        await send("/console/sign-in", "/console/sign-in", **given)
        chosen = {"password": OWN_PASSWORD, "again": OWN_PASSWORD}
        await send("/console/sign-in/password", "/console", **chosen)
        yield look


async def _serve(own: Maskline, role: str) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "maskline", "serve", role, *own.arguments, *own.addresses),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=own.environment,
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        line = (await process.stdout.readline()).decode()
    assert line.startswith("ready "), line
    return process
