"""What a node withstands: the controller's death, ours, and Asterisk's."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from dataclasses import replace
from datetime import timedelta

import pytest

from masking.recording import Taping
from masking.rules import RecordingMode, RecordingNotice
from telephony.ami import Limits
from telephony.errors import AlreadyRunning, UnknownCall
from telephony.live import LiveState
from telephony.node import Node
from telephony.process import AsteriskProcess
from telephony.supervisor import NodeState, SupervisorLimits
from tests.integration.telephony import sipp
from tests.integration.telephony.conftest import CALLEE_HOST, CALLER_HOST, Bench, plan, step, until


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
            # The node keeps whole seconds of when they began to talk.
            told = replace(after, since=before.since, up_since=before.up_since, until=before.until)
            assert told == before
            assert after.up_since is not None
            assert before.up_since is not None
            assert abs(after.up_since - before.up_since) < timedelta(seconds=2)
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


async def test_a_call_that_was_to_be_recorded_is_ended_when_its_time_is_up(bench: Bench) -> None:
    """There are no announcements here: it goes on unrecorded, and joined in another way."""
    taping = Taping(RecordingMode.ALWAYS, RecordingNotice.PLAIN)
    bench.routes.decision = replace(plan(step(), max_call_s=1), call_id="cal_1", taping=taping)
    async with bench.node() as node, bench.controller(node):
        callee = await sipp.sipp(sipp.answers(), bench.folder, host=CALLEE_HOST)
        caller = await sipp.sipp(
            sipp.calls_until_bye(), bench.folder, host=CALLER_HOST, to=bench.sip
        )
        joined_s = asyncio.get_running_loop().time()
        assert (await caller.done(), await callee.done()) == (0, 0)
        took_s = asyncio.get_running_loop().time() - joined_s
        rows = await bench.rows_of_call()
        assert list(node.layout.recordings.iterdir()) == []

    assert {row.values["went"] for row in rows if row.kind == "ANNOUNCED"} == {"FAILED"}
    assert {row.values["side"] for row in rows if row.kind == "LEG"} == {"caller", "callee"}
    assert next(row for row in rows if row.kind == "END").values["by"] == "system"
    assert 0.9 <= took_s <= 6


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
