"""What a node withstands: the controller's death, ours, Asterisk's, and changes while it works."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import sys
from dataclasses import replace

import pytest

from masking.trunks import AuthType, Trunk, TrunkAuth
from telephony.ami import Limits
from telephony.errors import AlreadyRunning, DataFolderUnusable, NodeDied, PortTaken, UnknownCall
from telephony.live import LiveState
from telephony.node import Node
from telephony.process import AsteriskProcess
from telephony.supervisor import NodeState, SupervisorLimits
from tests.integration.telephony import sipp
from tests.integration.telephony.conftest import (
    CALLEE_HOST,
    CALLER_HOST,
    IN,
    NET,
    NODE_HOST,
    OUT,
    Bench,
    plan,
    step,
    until,
)


async def test_with_no_controller_the_caller_is_told_within_the_time_out(bench: Bench) -> None:
    async with bench.node():
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        caller = await sipp.sipp(
            sipp.calls_in_vain(503), bench.folder, host=CALLER_HOST, to=bench.sip
        )
        assert await caller.done() == 0
        took_s = loop.time() - began_s
        rows = await bench.rows_of_call()

    refusal = next(row for row in rows if row.kind == "REFUSE")
    assert refusal.values == {"reason": "no_controller", "cause": "41", "announce": "try-again"}
    assert bench.settings.route_timeout_s <= took_s < bench.settings.route_timeout_s + 3
    assert "183 Session Progress" in caller.said()


async def test_a_controller_that_hangs_is_as_good_as_dead(bench: Bench) -> None:
    bench.routes.hold = asyncio.Event()
    async with bench.node() as node, bench.controller(node) as controller:
        caller = await sipp.sipp(
            sipp.calls_in_vain(503), bench.folder, host=CALLER_HOST, to=bench.sip
        )
        assert await caller.done() == 0
        bench.routes.hold.set()
        assert controller.counters.late == 1
        assert controller.counters.plans == 0
        await until(lambda: not controller.live_calls())


async def test_an_offer_that_waits_is_answered_by_the_controller_that_comes(bench: Bench) -> None:
    bench.settings = replace(bench.settings, route_timeout_s=8.0)
    async with bench.node() as node:
        callee = await sipp.sipp(sipp.answers(), bench.folder, host=CALLEE_HOST)
        caller = await sipp.sipp(
            sipp.calls_and_talks(100), bench.folder, host=CALLER_HOST, to=bench.sip
        )
        await until(lambda: any(row.kind == "OFFER" for row in bench.rows()))
        async with bench.controller(node):
            assert (await caller.done(), await callee.done()) == (0, 0)
        rows = await bench.rows_of_call()

    assert [row.kind for row in rows].count("ATTEMPT") == 1


async def test_a_call_survives_its_controller_and_is_known_to_the_next(bench: Bench) -> None:
    async with bench.node() as node:
        callee = await sipp.sipp(sipp.answers(), bench.folder, host=CALLEE_HOST)
        async with bench.controller(node) as first:
            caller = await sipp.sipp(
                sipp.calls_until_bye(), bench.folder, host=CALLER_HOST, to=bench.sip
            )
            await until(lambda: [c.state for c in first.live_calls()] == [LiveState.UP])
            (before,) = first.live_calls()
        async with bench.controller(node) as second:
            (after,) = second.live_calls()
            assert replace(after, since=before.since) == before
            assert second.loads.in_use("carrier-a") == 1
            assert second.loads.in_use("carrier-b") == 1
            await second.hang_up(after.call_id)
            assert (await caller.done(), await callee.done()) == (0, 0)
            await until(lambda: not second.live_calls())
            assert second.loads.in_use("carrier-b") == 0
            with pytest.raises(UnknownCall):
                await second.hang_up(after.call_id)
        rows = await bench.rows_of_call()

    end = next(row.values for row in rows if row.kind == "END")
    assert end["by"] == "system"


async def test_a_call_longer_than_allowed_is_ended(bench: Bench) -> None:
    bench.routes.decision = plan(step(), max_call_s=1)
    async with bench.node() as node, bench.controller(node):
        callee = await sipp.sipp(sipp.answers(), bench.folder, host=CALLEE_HOST)
        caller = await sipp.sipp(
            sipp.calls_until_bye(), bench.folder, host=CALLER_HOST, to=bench.sip
        )
        assert (await caller.done(), await callee.done()) == (0, 0)
        rows = await bench.rows_of_call()

    ends = {row.kind: row.values for row in rows if row.kind in ("ATTEMPT_END", "END")}
    assert 900 <= int(ends["ATTEMPT_END"]["talk_ms"]) <= 2500
    assert ends["END"]["by"] == "system"


async def test_asterisk_killed_is_started_again(bench: Bench) -> None:
    async with bench.node() as node, bench.controller(node) as controller:
        callee = await sipp.sipp(sipp.answers(), bench.folder, host=CALLEE_HOST)
        caller = await sipp.sipp(
            sipp.calls_until_bye(), bench.folder, host=CALLER_HOST, to=bench.sip
        )
        await until(lambda: [c.state for c in controller.live_calls()] == [LiveState.UP])
        process = AsteriskProcess.find(node.layout)
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        await until(lambda: node.state is NodeState.DOWN)
        await node.wait_ready(deadline_s=20)
        await controller.wait_up(deadline_s=10)
        assert controller.live_calls() == ()
        assert controller.loads.in_use("carrier-a") == 0
        await caller.kill()
        await callee.kill()
        kinds = [row.kind for row in bench.rows()]
        assert kinds.count("NODE_START") == 2
        assert kinds.index("ANSWER") < len(kinds) - 1 - kinds[::-1].index("NODE_START")

        callee = await sipp.sipp(sipp.answers(), bench.folder, host=CALLEE_HOST)
        caller = await sipp.sipp(
            sipp.calls_and_talks(50), bench.folder, host=CALLER_HOST, to=bench.sip
        )
        assert (await caller.done(), await callee.done()) == (0, 0)
        process.close()


async def test_asterisk_that_hangs_is_killed_and_started_again(bench: Bench) -> None:
    limits = SupervisorLimits(check_every_s=0.2, hung_s=1.0, ping=Limits(connect_s=0.5))
    async with bench.node(limits=limits) as node:
        hung = AsteriskProcess.find(node.layout)
        assert hung is not None
        os.kill(hung.pid, signal.SIGSTOP)
        await until(lambda: node.state is NodeState.HUNG)
        await until(lambda: node.state is NodeState.READY)
        assert not hung.alive
        assert node.starts == 2
        hung.close()


async def test_the_next_maskline_adopts_what_runs(bench: Bench) -> None:
    async with bench.node(leave_running=True) as node, bench.controller(node) as controller:
        callee = await sipp.sipp(sipp.answers(), bench.folder, host=CALLEE_HOST)
        caller = await sipp.sipp(
            sipp.calls_until_bye(), bench.folder, host=CALLER_HOST, to=bench.sip
        )
        await until(lambda: [c.state for c in controller.live_calls()] == [LiveState.UP])
        before = AsteriskProcess.find(node.layout)
        assert before is not None
    async with bench.node() as node, bench.controller(node) as controller:
        assert (node.adopted, node.starts) == (True, 0)
        after = AsteriskProcess.find(node.layout)
        assert after is not None
        assert after.pid == before.pid
        (call,) = controller.live_calls()
        await controller.hang_up(call.call_id)
        assert (await caller.done(), await callee.done()) == (0, 0)
        await node.stop()
        assert not after.alive
        before.close()
        after.close()


async def test_an_adopted_asterisk_that_dies_is_started_again(bench: Bench) -> None:
    async with bench.node(leave_running=True):
        pass
    async with bench.node() as node:
        process = AsteriskProcess.find(node.layout)
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        await until(lambda: node.starts == 1 and node.state is NodeState.READY, deadline_s=20)
        assert not node.adopted
        process.close()


async def test_other_settings_are_not_adopted(bench: Bench) -> None:
    async with bench.node(leave_running=True) as node:
        before = AsteriskProcess.find(node.layout)
        assert before is not None
    bench.settings = replace(bench.settings, route_timeout_s=2.0)
    async with bench.node() as node:
        assert (node.adopted, node.starts) == (False, 1)
        assert not before.alive
        before.close()


async def test_maskline_killed_outright_leaves_its_calls(bench: Bench) -> None:
    """As `test_the_next_maskline_adopts_what_runs`, by a process of its own and SIGKILL."""
    program = (
        "import asyncio, os, secrets, sys\n"
        "from pathlib import Path\n"
        "from maskline.toolbox import ToolboxSettings, find_asterisk\n"
        "from telephony.layout import NodeSettings\n"
        "from telephony.node import Node\n"
        "async def main():\n"
        "    settings = NodeSettings(Path(sys.argv[1]), *[t(a) for t, a in\n"
        "        zip((str, int, int, int, float), sys.argv[2:])])\n"
        "    install = find_asterisk(ToolboxSettings.from_env(os.environ))\n"
        "    with Node.open(settings, install, entropy=secrets.token_hex) as node:\n"
        "        run = asyncio.create_task(node.run())\n"
        "        await node.wait_ready(deadline_s=30)\n"
        "        print('ready', flush=True)\n"
        "        await run\n"
        "asyncio.run(main())\n"
    )
    settings = bench.settings
    ports = (settings.sip_host, settings.sip_port, settings.rtp_first, settings.rtp_last)
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, str(settings.data_dir)),
        *(str(value) for value in (*ports, settings.route_timeout_s)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdout is not None
    async with asyncio.timeout(30):
        assert await child.stdout.readline() == b"ready\n"
    with pytest.raises(AlreadyRunning) as refused:
        Node.open(settings, bench.install, entropy=secrets.token_hex)
    assert refused.value.pid == child.pid
    child.kill()
    await child.wait()
    async with bench.node() as node:
        assert (node.adopted, node.starts) == (True, 0)


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
            host=CALLER_HOST,
            port=5066,
            to=bench.sip,
        )
        assert await second.done() != 0  # another source port is another carrier
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


async def test_a_port_that_is_taken_is_one_clear_error(bench: Bench) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(bench.sip)
        with pytest.raises(PortTaken, match=f"SIP/UDP {NODE_HOST}:{bench.sip[1]}: it is in use"):
            async with bench.node():
                pass


async def test_an_address_of_another_machine_is_one_clear_error(bench: Bench) -> None:
    bench.settings = replace(bench.settings, sip_host="192.0.2.1")
    with pytest.raises(PortTaken, match=r"192\.0\.2\.1"):
        async with bench.node():
            pass


async def test_a_folder_that_cannot_be_made_is_one_clear_error(bench: Bench) -> None:
    blocked = bench.folder / "file"
    blocked.write_text("")
    bench.settings = replace(bench.settings, data_dir=blocked)
    with pytest.raises(DataFolderUnusable, match=r"cannot write to .*file"):
        async with bench.node():
            pass


async def test_a_program_that_is_no_asterisk_is_one_clear_error(bench: Bench) -> None:
    bench.install = replace(bench.install, argv=("/bin/false",))
    with pytest.raises(NodeDied, match="Asterisk ended before it was ready"):
        async with bench.node():
            pass


async def test_a_long_data_path_works(bench: Bench) -> None:
    bench.settings = replace(bench.settings, data_dir=bench.folder / ("d" * 60) / ("e" * 60))
    async with bench.node() as node:
        assert not node.layout.run.is_relative_to(node.layout.root)
        assert node.layout.run.stat().st_mode & 0o777 == 0o700


async def test_nothing_of_the_node_is_readable_by_others(bench: Bench) -> None:
    async with bench.node() as node, bench.controller(node):
        caller = await sipp.sipp(
            sipp.calls_and_talks(50), bench.folder, host=CALLER_HOST, to=bench.sip
        )
        await until(lambda: any(row.kind == "OFFER" for row in bench.rows()))
        open_to_others = [
            path
            for path in node.layout.root.rglob("*")
            if not path.is_symlink() and path.lstat().st_mode & 0o077
        ]
        await caller.kill()
    assert open_to_others == []
