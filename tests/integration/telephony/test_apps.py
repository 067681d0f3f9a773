"""Apps on a real Asterisk: who may register and call, who is known to be there, who is shut out."""

from __future__ import annotations

import itertools
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from urllib.parse import quote

import aiohttp
import psutil
import pytest
import pytest_asyncio

from masking.ids import app_username
from maskline.demo.g711 import Codec
from maskline.demo.sip import Message, sdp
from telephony.app_rows import AppAccount, AppKind
from tests.integration.telephony import sipp
from tests.integration.telephony.apps import APP_HOST, OTHER_HOST, Apps, opened
from tests.integration.telephony.conftest import CALLEE_HOST, CALLER_HOST, IN, Bench, until
from tests.support.raw_app import Credentials, ha1

SESSION = "ses_06h04q5m1cebd0scwk78yt7k9z"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(shared: Bench) -> AsyncIterator[Apps]:
    async with opened(shared) as apps:
        yield apps


@pytest_asyncio.fixture(loop_scope="module")
async def apps(house: Apps) -> AsyncIterator[Apps]:
    """The same, forgetful; and nothing was forged meanwhile."""
    house.accounts.asked.clear()
    house.bench.forget()
    yield house
    assert house.bench.troubles == []


async def test_an_app_registers_over_a_websocket_and_is_known_at_once(apps: Apps) -> None:
    mine = apps.accounts.add(AppKind.WEBRTC)
    async with apps.ws(mine) as app:
        assert (await app.register()).status == 200
        await until(lambda: mine.username in apps.registrations, deadline_s=0.25)
        assert set(apps.registrations.contacts(mine.username)) <= set(
            await apps.node.app_contacts()
        )
    await until(lambda: mine.username not in apps.registrations)


async def test_a_native_app_registers_and_says_good_bye(apps: Apps) -> None:
    mine = apps.accounts.add()
    async with apps.udp(mine) as app:
        assert (await app.register()).status == 200
        await until(lambda: mine.username in apps.registrations, deadline_s=0.25)
        assert (await app.register(expires_s=0)).status == 200
        await until(lambda: mine.username not in apps.registrations, deadline_s=0.25)


async def test_who_is_known_is_looked_up_once(apps: Apps) -> None:
    mine = apps.accounts.add()
    asked = apps.directory.counters.asked
    async with apps.udp(mine) as app:
        assert (await app.register()).status == 200
        await until(lambda: mine.username in apps.registrations)
        # Endpoint, credentials, address of record; and that again, if we ask at the same moment.
        assert 3 <= apps.directory.counters.asked - asked <= 4
        assert apps.accounts.asked == [mine.username]
        apps.accounts.asked.clear()
        for _ in range(3):
            assert (await app.register()).status == 200
    assert apps.accounts.asked == []


async def test_devices_of_a_user_are_registered_side_by_side(apps: Apps) -> None:
    one, two = apps.accounts.add(), apps.accounts.add()
    async with apps.udp(one) as first, apps.udp(two) as second:
        assert (await first.register()).status == (await second.register()).status == 200
        await until(lambda: {one.username, two.username} <= set(apps.registrations.usernames()))


async def test_a_device_that_moves_is_at_the_new_place_alone(apps: Apps) -> None:
    mine = apps.accounts.add()
    async with apps.udp(mine) as first:
        await first.register()
        await until(lambda: mine.username in apps.registrations)
        before = apps.registrations.contacts(mine.username)
        async with apps.udp(mine, OTHER_HOST) as second:
            await second.register()
            await until(lambda: apps.registrations.contacts(mine.username) != before)
            assert len(apps.registrations.contacts(mine.username)) == 1


async def test_wrong_password_and_unknown_name_are_answered_alike(apps: Apps) -> None:
    mine = apps.accounts.add()
    wrong = Credentials(mine.username, "guessed")
    nobody = Credentials(app_username(datetime.now(UTC), bytes(10)), "guessed")
    shapes = []
    for who in (wrong, nobody):
        async with apps.udp(who) as app:
            answer = await app.register()
            assert answer.status == 401
            shapes.append([_shape(one) for one in app.received])
    assert shapes[0] == shapes[1]
    assert not {wrong.username, nobody.username} & set(apps.registrations.usernames())


def _shape(message: Message) -> tuple[str, tuple[str, ...], str]:
    asked = message.header("www-authenticate")
    return message.start_line, tuple(name for name, _ in message.headers), asked.split("nonce")[0]


async def test_without_credentials_nobody_is_looked_up(apps: Apps) -> None:
    mine = apps.accounts.add()
    async with apps.udp(mine) as app:
        answer = await app.ask_once("REGISTER", headers=(f"Contact: <{app.contact}>",))
        assert answer.status == 401
        answer = await app.ask_once(
            "INVITE", f"sip:{SESSION}@maskline", headers=(f"Contact: <{app.contact}>",)
        )
        assert answer.status == 401
    assert mine.username not in apps.accounts.asked


async def test_a_call_of_a_carrier_asks_nobody_for_apps(apps: Apps) -> None:
    asked = apps.directory.counters.asked
    callee = await sipp.sipp(sipp.answers(), apps.bench.folder, host=CALLEE_HOST)
    caller = await sipp.sipp(
        sipp.calls_and_talks(100), apps.bench.folder, host=CALLER_HOST, to=apps.bench.sip
    )
    assert (await caller.done(), await callee.done()) == (0, 0)
    assert apps.directory.counters.asked == asked


async def test_an_app_calls_as_itself_whoever_it_says_it_is(apps: Apps) -> None:
    mine, other = apps.accounts.add(), apps.accounts.add()
    senders = (
        mine.username,
        other.username,
        "+79161234567",
        IN.name,
        "anonymous",
        "%0D%0AX%3A%20y",
    )
    async with apps.udp(mine) as app:
        for sender in senders:
            app.received.clear()
            answer = await app.ask(
                "INVITE",
                f"sip:{SESSION}@maskline",
                to=f"<sip:{SESSION}@maskline>",
                from_=f'"Somebody" <sip:{sender}@maskline>',
                headers=(
                    f"Contact: <{app.contact}>",
                    "Content-Type: application/sdp",
                    f"P-Asserted-Identity: <sip:{other.username}@maskline>",
                ),
                body=sdp(APP_HOST, 4000, (Codec.ALAW,)),
            )
            assert answer.status >= 400  # these routes know no apps
    assert {offer.app for offer in apps.bench.routes.offers} == {mine.username}
    assert {offer.caller for offer in apps.bench.routes.offers} == {None}


async def test_a_name_of_a_carrier_is_no_credential(apps: Apps) -> None:
    thief = Credentials(IN.name, "")
    async with apps.udp(thief) as app:
        assert (await app.register()).status == 401
        answer = await app.ask(
            "INVITE", "sip:+74951110001@maskline", to="<sip:+74951110001@maskline>",
            from_=f"<sip:{IN.name}@maskline>", headers=(f"Contact: <{app.contact}>",),
        )  # fmt: skip
        assert answer.status == 401
    assert apps.bench.routes.offers == []


async def test_another_ones_address_is_not_to_be_had(apps: Apps) -> None:
    mine, other = apps.accounts.add(), apps.accounts.add()
    async with apps.udp(other, OTHER_HOST) as theirs, apps.udp(mine) as app:
        await theirs.register()
        await until(lambda: other.username in apps.registrations)
        before = apps.registrations.contacts(other.username)
        await app.register(to=other.username, from_=other.username)
        await app.register(to=other.username, from_=other.username, expires_s=0)
        await app.register(to=f"{other.username}%00", from_=quote(other.username[:1]) + "x")
        found = {one for one in await apps.node.app_contacts() if one.startswith(other.username)}
        assert found == set(before)
        assert (await theirs.register()).status == 200


NUMBERS = itertools.count(1)


@pytest.mark.parametrize(
    "user",
    [
        "%0D%0AEvent%3A%20SuccessfulAuth%0D%0AAccountID%3A%20x",
        "app_%0d%0a",
        "%00",
        "%24%7BCHANNEL(name)%7D",
        "a,b;c=d",
        "_ses_XXXXXXXXXXXXXXXXXXXXXXXXXX",
        SESSION.upper(),
        SESSION + "%20",
        SESSION[:-1],
        "+74951110001",
        "s",
        "h",
        "*8",
    ],
)
async def test_an_app_dials_sessions_and_nothing_else(apps: Apps, user: str) -> None:
    mine = apps.accounts.add()
    async with apps.udp(mine) as app:
        answer = await app.ask(
            "INVITE", f"sip:{user}@maskline", to="<sip:x@maskline>",
            from_=f"<sip:{user}@maskline>",
            headers=(f"Contact: <{app.contact}>", "Content-Type: application/sdp"),
            body=sdp(APP_HOST, 4000, (Codec.ALAW,)),
        )  # fmt: skip
        assert answer.status in (400, 404, 416)
    assert apps.bench.routes.offers == []


@pytest.mark.parametrize(
    "name",
    [
        "app_%0d%0aX", "x" * 300, "a&id=b", "a)}${SHELL(id)}", "a b", "a,b", "%00", "_app_X.",
        "app_06h04q5m1cebd0scwk78yt7k9z@maskline",
    ],
)  # fmt: skip
async def test_a_strange_name_in_credentials_is_unknown(apps: Apps, name: str) -> None:
    async with apps.udp(Credentials(name, "x")) as app:
        answer = await app.register(to="x", from_="x")
        assert answer.status in (400, 401)
    assert not [one for one in apps.accounts.asked if one not in apps.accounts.known]


async def test_one_who_is_shut_out_is_gone_and_stays_out(apps: Apps) -> None:
    mine = apps.accounts.add()
    async with apps.udp(mine) as app:
        await app.register()
        await until(lambda: mine.username in apps.registrations)
        await apps.shut_out(mine)
        contacts = await apps.node.app_contacts()
        assert not [one for one in contacts if one.startswith(mine.username)]
        assert (await app.register()).status == 401
        answer = await app.ask(
            "INVITE", f"sip:{SESSION}@maskline", to=f"<sip:{SESSION}@maskline>",
            from_=f"<sip:{mine.username}@maskline>", headers=(f"Contact: <{app.contact}>",),
        )  # fmt: skip
        assert answer.status == 401
    assert apps.bench.routes.offers == []


async def test_a_changed_password_counts_at_once(apps: Apps) -> None:
    mine = apps.accounts.add()
    async with apps.udp(mine) as app:
        assert (await app.register()).status == 200
        old = apps.accounts.known[mine.username]
        await apps.shut_out(mine)
        apps.accounts.known[mine.username] = AppAccount(
            mine.username, "u-1", ha1(mine.username, "new"), old.expires_at, old.kind
        )
        assert (await app.register()).status == 401
        assert (await app.register(credentials=Credentials(mine.username, "new"))).status == 200


async def test_the_listener_serves_websockets_and_nothing_else(apps: Apps) -> None:
    base = apps.ws_url.replace("ws://", "http://").removesuffix("/ws")
    async with aiohttp.ClientSession() as session:
        for path in (
            "/",
            "/httpstatus",
            "/static/",
            "/manager",
            "/rawman",
            "/ari/asterisk",
            "/amanager",
        ):
            async with session.get(base + path) as answer:
                assert answer.status in (403, 404), path
                assert "asterisk" not in (answer.headers.get("Server", "")).lower()
        async with session.get(base + "/ws") as answer:
            assert answer.status in (400, 426)


BROWSER_SDP = "\r\n".join(
    (
        "v=0",
        "o=- 1 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "c=IN IP4 0.0.0.0",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:abcdefghijklmnopqrstuvwx",
        f"a=fingerprint:sha-256 {':'.join(['AB'] * 32)}",
        "a=setup:actpass",
        "a=mid:0",
        "a=sendrecv",
        "a=rtcp-mux",
        "a=rtpmap:111 opus/48000/2",
        f"a=candidate:1 1 udp 2122260223 {APP_HOST} 50000 typ host",
        "",
    )
)


async def test_a_browser_is_offered_the_address_of_media_and_told_no_other(apps: Apps) -> None:
    mine = apps.accounts.add(AppKind.WEBRTC)
    async with apps.ws(mine) as app:
        await app.register()
        answer = await app.ask(
            "INVITE", "sip:preflight@maskline", to="<sip:preflight@maskline>",
            from_=f"<sip:{mine.username}@maskline>",
            headers=(f"Contact: <{app.contact}>", "Content-Type: application/sdp"),
            body=BROWSER_SDP,
        )  # fmt: skip
        assert answer.status == 200
        host = apps.bench.settings.sip_host
        lines = answer.body.splitlines()
        candidates = [line.split()[4] for line in lines if line.startswith("a=candidate")]
        assert set(candidates) == {host}
        assert f"c=IN IP4 {host}" in lines
        assert next(line for line in lines if line.startswith("o=")).endswith(f"IN IP4 {host}")
        told = b"".join(message.raw for message in app.received)
    for name in _other_names_of_this_machine(host):
        assert name.encode() not in told, name


def _other_names_of_this_machine(but: str) -> set[str]:
    addresses = {
        one.address.partition("%")[0]
        for interface in psutil.net_if_addrs().values()
        for one in interface
        if one.family in (socket.AF_INET, socket.AF_INET6)
    }
    names = addresses | {socket.gethostname()}
    return {name for name in names if name not in (but, "127.0.0.1", "::1", "localhost")}
