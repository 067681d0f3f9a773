"""Where a node cannot start, and why; where it can, and who may read what it writes."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from telephony.errors import DataFolderUnusable, NodeDied, PortTaken
from tests.integration.telephony import sipp
from tests.integration.telephony.conftest import CALLER_HOST, NODE_HOST, Bench, until


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
