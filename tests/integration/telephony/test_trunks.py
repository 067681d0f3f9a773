"""Trunks on a real Asterisk: changed while it works, told apart, and nobody else let in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from masking.trunks import AuthType, Trunk, TrunkAuth
from telephony.live import LiveState
from tests.integration.telephony import sipp
from tests.integration.telephony.conftest import (
    CALLEE_HOST,
    CALLER_HOST,
    IN,
    NET,
    OUT,
    Bench,
    plan,
    step,
    until,
)


async def test_trunks_change_without_touching_a_call_that_is_up(bench: Bench) -> None:
    extra = Trunk("carrier-d", f"{NET}.24", options_interval_s=0)
    async with bench.node() as node, bench.controller(node) as controller:
        callee = await sipp.sipp(sipp.answers(), bench.folder, host=CALLEE_HOST)
        caller = await sipp.sipp(
            sipp.calls_and_talks(2500), bench.folder, host=CALLER_HOST, to=bench.sip
        )
        await until(lambda: [c.state for c in controller.live_calls()] == [LiveState.UP])
        await node.apply_trunks([IN, OUT, extra])  # one more
        await node.apply_trunks([replace(IN, codecs=("ulaw",)), OUT, extra])  # one changed
        bench.routes.decision = plan(step(extra))
        newcomer = await sipp.sipp(sipp.answers(), bench.folder, host=f"{NET}.24")
        second = await sipp.sipp(
            sipp.calls_and_talks(50).replace("RTP/AVP 8", "RTP/AVP 0"),
            bench.folder,
            host=f"{NET}.26",
            to=bench.sip,
        )
        assert await second.done() != 0  # another address is another carrier
        await newcomer.kill()
        await node.apply_trunks([extra])  # both trunks of the call removed
        assert [c.state for c in controller.live_calls()] == [LiveState.UP]
        assert (await caller.done(), await callee.done()) == (0, 0)
        rows = await bench.rows_of_call()
        stranger = await sipp.sipp(
            sipp.calls_in_vain(401), bench.folder, host=CALLER_HOST, to=bench.sip
        )
        assert await stranger.done() == 0

    assert next(row.values for row in rows if row.kind == "END") == {"by": "caller", "cause": "16"}


async def test_a_carrier_may_call_from_another_port_than_it_is_called_at(bench: Bench) -> None:
    async with bench.node() as node, bench.controller(node):
        callee = await sipp.sipp(sipp.answers(), bench.folder, host=CALLEE_HOST)
        caller = await sipp.sipp(
            sipp.calls_and_talks(20), bench.folder, host=CALLER_HOST, port=5077, to=bench.sip
        )
        assert (await caller.done(), await callee.done()) == (0, 0)
        # Not any more where the port tells it from another trunk.
        await node.apply_trunks([IN, Trunk("beside", IN.host, 5066, options_interval_s=0)])
        stranger = await sipp.sipp(
            sipp.calls_in_vain(401), bench.folder, host=CALLER_HOST, port=5077, to=bench.sip
        )
        assert await stranger.done() == 0

    assert [offer.trunk for offer in bench.routes.offers] == [IN.name]


async def test_two_trunks_on_one_address_are_told_apart_by_port(bench: Bench) -> None:
    one = Trunk("one", f"{NET}.25", 5061, options_interval_s=0)
    two = Trunk("two", f"{NET}.25", 5062, options_interval_s=0)
    async with bench.node() as node, bench.controller(node):
        await node.apply_trunks([one, two, OUT])
        for trunk in (one, two):
            callee = await sipp.sipp(sipp.answers(), bench.folder, host=CALLEE_HOST)
            caller = await sipp.sipp(
                sipp.calls_and_talks(20),
                bench.folder,
                host=trunk.host,
                port=trunk.port,
                to=bench.sip,
            )
            assert (await caller.done(), await callee.done()) == (0, 0)

    assert [offer.trunk for offer in bench.routes.offers] == ["one", "two"]


async def test_a_carrier_may_prove_itself_by_digest_from_anywhere(bench: Bench) -> None:
    auth = TrunkAuth(AuthType.DIGEST, "pbx.7", "secret!1")
    digest = Trunk("digest", f"{NET}.26", auth=auth, options_interval_s=0)
    ack = sipp.request("ACK", 1)
    first = sipp.request("INVITE", 1, to=sipp.TO, sdp=True)
    first += '<recv response="401" auth="true"/>\n' + ack

    def proof(user: str, password: str) -> str:
        head = f"[authentication username={user} password={password}]\n"
        return sipp.request("INVITE", 2, to=sipp.TO, sdp=True, head=head) + sipp.PROVISIONAL

    good = first + proof("pbx.7", "secret!1") + sipp.expect_status(200)
    good += sipp.request("ACK", 2) + sipp.request("BYE", 3) + sipp.expect_status(200)
    async with bench.node() as node, bench.controller(node):
        await node.apply_trunks([digest, OUT])
        callee = await sipp.sipp(sipp.answers(), bench.folder, host=CALLEE_HOST)
        caller = await sipp.sipp(good, bench.folder, host=f"{NET}.27", to=bench.sip)
        assert (await caller.done(), await callee.done()) == (0, 0)
        for user, password in (("pbx.7", "wrong"), ("pbx-7", "secret!1"), ("digest", "secret!1")):
            bad = first + proof(user, password) + sipp.expect_status(401) + sipp.request("ACK", 2)
            caller = await sipp.sipp(bad, bench.folder, host=f"{NET}.27", to=bench.sip)
            assert await caller.done() == 0, (user, password)

    assert [offer.trunk for offer in bench.routes.offers] == ["digest"]


async def test_we_register_where_the_carrier_wants_it(bench: Bench) -> None:
    auth = TrunkAuth(AuthType.DIGEST, "our-name", "our-secret", register=True)
    carrier = Trunk("registrar", f"{NET}.28", auth=auth, options_interval_s=0)
    registrar = (
        sipp.expect("REGISTER")
        + sipp.answer("401 Unauthorized").replace(
            "Content-Length: 0",
            'WWW-Authenticate: Digest realm="carrier", nonce="n1"\nContent-Length: 0',
        )
        + sipp.expect("REGISTER")
        + sipp.answer("200 OK").replace(
            "Contact: <sip:c@[local_ip]:[local_port]>\n", "[last_Contact:];expires=300\n"
        )
    )
    async with bench.node() as node:
        server = await sipp.sipp(registrar, bench.folder, host=carrier.host)
        await node.apply_trunks([carrier])
        assert await server.done() == 0

    assert 'username="our-name"' in server.said()
    assert "our-secret" not in server.said()


async def test_strangers_get_a_challenge_and_nothing_else(bench: Bench) -> None:
    async with bench.node() as node, bench.controller(node):
        for number in ("+74951110001", "100", "s", "offer"):
            stranger = await sipp.sipp(
                sipp.calls_in_vain(401),
                bench.folder,
                host=f"{NET}.29",
                to=bench.sip,
                number=number,
            )
            assert await stranger.done() == 0
            assert "Asterisk" not in stranger.said()

    assert bench.routes.offers == []


@pytest.mark.parametrize(
    "called", ["1", "s", "plan", "+7495111000123456", "+7495abc", "%2B74951110001%0d%0aX"]
)
async def test_what_is_no_number_is_not_found(bench: Bench, called: str) -> None:
    async with bench.node() as node, bench.controller(node):
        caller = await sipp.sipp(
            sipp.calls_in_vain(404), bench.folder, host=CALLER_HOST, to=bench.sip, number=called
        )
        assert await caller.done() == 0

    assert bench.routes.offers == []
