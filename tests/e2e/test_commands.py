"""The command line, as an operator meets it: one clear line for each thing that is wrong."""

from __future__ import annotations

import asyncio
import socket
import stat
from pathlib import Path

from maskline.demo import Carrier
from tests.support.maskline import Maskline, free_tcp_port


async def _fails(maskline: Maskline, *arguments: str) -> str:
    """The one line on stderr of a command that exits with 1."""
    code, out, err = await maskline.run(*arguments)
    lines = [line for line in err.splitlines() if line.startswith("maskline: ")]
    assert (code, out) == (1, ""), err
    assert len(lines) == 1, err
    assert "Traceback" not in err
    return lines[0]


async def test_an_http_port_that_is_taken(own: Maskline) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        own.http = f"127.0.0.1:{taken.getsockname()[1]}"
        line = await _fails(own, "up", *own.addresses)
    assert line == f"maskline: cannot listen on HTTP {own.http}: address already in use"
    assert own.asterisk_pid is None


async def test_a_sip_port_that_is_taken(own: Maskline) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        own.sip = f"127.0.0.1:{taken.getsockname()[1]}"
        line = await _fails(own, "up", *own.addresses)
    assert own.sip in line
    assert "in use" in line
    assert own.asterisk_pid is None


async def test_a_data_folder_that_cannot_be_written(own: Maskline, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    own.data = tmp_path / "file" / "data"
    line = await _fails(own, "up", *own.addresses)
    assert "data folder" in line
    assert str(own.data) in line


async def test_a_second_instance_on_the_same_data(shared: Maskline, carrier: Carrier) -> None:
    addresses = ("--http", f"127.0.0.1:{free_tcp_port()}", "--sip", "127.0.0.1:5999")
    line = await _fails(shared, "up", *addresses)
    assert shared.process is not None
    assert line == (
        f"maskline: process {shared.process.pid} already runs on the data folder {shared.data}"
    )


async def test_an_unknown_setting_names_the_nearest(own: Maskline, tmp_path: Path) -> None:
    file = tmp_path / "maskline.toml"
    file.write_text('htpp = "127.0.0.1:8080"\n')
    assert await _fails(own, "up", "--config", str(file)) == (
        f"maskline: {file}: setting htpp is unknown; the nearest is http"
    )
    own.options = {"max_cals": "5"}
    assert await _fails(own, "up") == (
        "maskline: MASKLINE_MAX_CALS is unknown; the nearest is MASKLINE_MAX_CALLS"
    )


async def test_commands_say_that_nothing_runs(own: Maskline) -> None:
    for command in (("keys", "list"), ("trunks", "list"), ("demo",)):
        line = await _fails(own, *command)
        assert line == (
            f"maskline: nothing runs on the data folder {own.data}: start it with maskline up"
        )


async def test_the_first_admin_key_is_private_and_stays(own: Maskline) -> None:
    await own.start()
    key = own.key
    assert stat.S_IMODE((own.data / "admin.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((own.data / "vault.key").stat().st_mode) == 0o600
    assert await own.stop() == 0
    await own.start()
    assert own.key == key
    assert (await own.ask("GET", "/v1/keys"))["items"][0]["role"] == "admin"
    assert await own.stop() == 0


async def test_keys_trunks_and_numbers_from_the_command_line(own: Maskline, tmp_path: Path) -> None:
    await own.start()
    code, key, _ = await own.run("keys", "create", "--role", "platform", "--name", "backend")
    assert code == 0
    assert key.startswith("mk_")
    assert (await own.run("trunks", "add", "carrier-a", "--host", "127.0.0.2"))[0] == 0
    assert (await own.run("trunks", "set", "carrier-a", "--max-channels", "7"))[0] == 0
    _, listed, _ = await own.run("trunks", "list")
    assert "carrier-a  127.0.0.2:5060/udp  ip" in listed
    numbers = tmp_path / "numbers.txt"
    numbers.write_text("# ours\n+74951110001\n\n+74951110002  # second\n")
    code, said, _ = await own.run("numbers", "import", str(numbers), "--trunk", "carrier-a")
    assert (code, said) == (0, "2 added, 0 already there, pool default\n")
    code, said, _ = await own.run("numbers", "import", str(numbers), "--trunk", "carrier-a")
    assert (code, said) == (0, "0 added, 2 already there, pool default\n")
    good = "".join(f"+7495222{number:04d}\n" for number in range(600))
    numbers.write_text(f"# ours\n\n{good}8 495 111-00-03\n")
    line = await _fails(own, "numbers", "import", str(numbers), "--trunk", "carrier-a")
    assert "line 603: give the number in E.164" in line, "not its place in a list that nobody saw"
    assert "(the 500 numbers before are in)" in line
    assert "trunk_in_use" in await _fails(own, "trunks", "remove", "carrier-a")
    assert "validation_failed" in await _fails(own, "trunks", "add", "Carrier", "--host", "x")
    [made] = [
        one for one in (await own.ask("GET", "/v1/keys"))["items"] if one["name"] == "backend"
    ]
    assert (await own.run("keys", "revoke", made["id"]))[0] == 0
    _, listed, _ = await own.run("keys", "list")
    assert made["id"] in listed
    assert await own.stop() == 0


async def test_doctor_finds_what_is_wrong_and_how_to_mend_it(own: Maskline) -> None:
    code, out, _ = await own.run("doctor", *own.addresses)
    assert code == 0, out
    assert "WRONG" not in out
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, out, _ = await own.run("doctor", *own.addresses, "--http", address)
    assert code == 1
    [wrong] = [line for line in out.splitlines() if line.startswith("WRONG")]
    assert address in wrong
    assert wrong.endswith("give another --http HOST:PORT")


async def test_sigterm_while_it_starts(own: Maskline) -> None:
    starting = asyncio.create_task(own.start())
    while own.process is None or own.asterisk_pid is None:
        await asyncio.sleep(0.02)
        assert not starting.done()
    own.process.terminate()
    await asyncio.wait((starting,))
    assert await own.process.wait() == 0
    assert starting.exception() is not None  # it never said that it was ready
    assert own.asterisk_pid is None


async def test_the_demo_shows_three_calls(shared: Maskline) -> None:
    code, out, err = await shared.run("demo", timeout_s=90)
    assert code == 0, err
    assert out.count("no gap") == 4
    assert out.count("nowhere") == 6
    assert "FOUND" not in out
    assert out.count(": answered") == 2
    assert "missed  unread" in out
    trunk = await shared.ask("GET", "/v1/trunks/demo")
    assert not trunk["enabled"]  # no real call may try a carrier that is gone
