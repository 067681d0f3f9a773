"""`maskline pools` and `maskline inspect`, as an operator uses them, over a running API."""

from __future__ import annotations

import asyncio
import io
import os
import xml.etree.ElementTree as ET
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from maskline import cli
from maskline.instance import KEY_FILE, Instance, announce
from maskline.pool_plan import PoolPlan, describe, from_history
from tests.contract.api.house import BUYER, PROXY, House, session

Say = Callable[..., "asyncio.Future[tuple[int, str, str]]"]


@pytest.fixture
def data(lite: House, tmp_path: Path) -> Path:
    """The data folder on which the API runs."""
    folder = tmp_path / "data"
    folder.mkdir()
    announce(folder, Instance(os.getpid(), f"127.0.0.1:{lite.port}", "127.0.0.1:5060"))
    (folder / KEY_FILE).write_text(lite.keys["admin"] + "\n")
    return folder


@pytest.fixture
def run(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., object]:
    """Run a command with that folder, and with `typed` on its standard input."""

    async def command(*arguments: str, typed: str = "") -> tuple[int, list[str], str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        code = await asyncio.to_thread(cli.main, [*arguments, "--data", str(data)])
        said = capsys.readouterr()
        return code, said.out.splitlines(), said.err

    return command


def proxies(n: int) -> list[str]:
    return [f"+7495111{one:04}" for one in range(1, n + 1)]


async def dealer(house: House, sessions: int) -> None:
    for n in range(sessions):
        house.clock.advance(hours=1)
        body = session(conversation_id=f"chat-{n}")
        body["participants"][0] |= {"user_id": f"b-{n}", "phone": f"+7916000{n:04}"}
        assert (await house.ask("POST", "/v1/sessions", body)).status == 201


async def test_pools_are_listed_with_their_head_room(lite: House, run: Say) -> None:
    await lite.furnish(*proxies(10))
    await dealer(lite, 8)

    code, out, _ = await run("pools", "list")

    assert code == 0
    assert out[0].split() == ["POOL", "NUMBERS", "HELD", "LEFT", "HIGH", "BY", "FORECAST"]
    assert out[1].split()[:6] == ["default", "10", "8", "2", "8", "u-2"]
    assert "pool default is empty for u-2" in out[1]


async def test_an_inspection_reads_the_phone_from_standard_input(lite: House, run: Say) -> None:
    await lite.furnish()
    made = await lite.open_session()

    code, out, err = await run("inspect", PROXY, typed=f"{BUYER}\n")

    assert (code, err) == (0, "")
    assert out[0] == f"The buyer u-1 reaches the seller u-2, who sees {PROXY}."
    assert f"session       {made['id']}" in out
    assert "caller        buyer u-1" in out
    assert not any(BUYER in line for line in out)


async def test_an_empty_line_is_a_withheld_caller(lite: House, run: Say) -> None:
    await lite.furnish()

    _, out, _ = await run("inspect", PROXY, typed="\n")

    assert out[0] == (
        "Nobody is rung, for the caller withholds their number; the caller hears withheld."
    )


async def test_the_past_is_inspected_too(lite: House, run: Say) -> None:
    await lite.furnish()
    await lite.open_session()
    lite.clock.advance(days=30)

    _, then, _ = await run("inspect", PROXY, "--at", "2026-11-22T13:30:00+03:00", typed=BUYER)
    _, now, _ = await run("inspect", PROXY, typed=BUYER)

    assert then[0].startswith("The buyer u-1 reaches the seller u-2")
    assert "as of now     blocks, pool rules, trunks, wrong PINs" in then
    assert now[0].startswith("Nobody is rung, for the caller's last session on the number has")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--ttl", "3x"), "'3x' is no duration"),
        (("--dealers", "many"), "'many' is not PEOPLE:SESSIONS_A_DAY"),
        (("--digits", "7"), "'7' is no share"),
    ],
)
async def test_what_cannot_be_read_is_said(
    run: Say, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], complaint: str
) -> None:
    with pytest.raises(SystemExit):
        await run("pools", "plan", *arguments)

    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"--ttl": "1d"}, "give --participants, --sessions-per-day and --ttl, or none"),
        ({"--dealers": "9:1"}, "there are more dealers than participants"),
        ({"--dealers": "5:9"}, "the dealers alone have more sessions than --sessions-per-day"),
        ({"--refused": "0"}, "--refused must be above 0: chance alone excludes nothing"),
        ({"--chart": "/nowhere/plan.svg"}, "cannot write /nowhere/plan.svg: "),
    ],
)
async def test_traffic_that_cannot_be_is_refused_in_one_line(
    run: Say, arguments: dict[str, str], complaint: str
) -> None:
    stated = {"--participants": "8", "--sessions-per-day": "20", "--ttl": "1d"} | arguments
    if arguments == {"--ttl": "1d"}:
        stated = arguments

    code, _, err = await run("pools", "plan", *(text for pair in stated.items() for text in pair))

    assert code == 1
    assert err.startswith(f"maskline: {complaint}")
    assert err.count("\n") == 1


async def test_stated_traffic_makes_a_table_and_a_chart(run: Say, tmp_path: Path) -> None:
    chart = tmp_path / "plan.svg"
    stated = ("--participants", "1000000", "--sessions-per-day", "500000", "--ttl", "1d")
    more = ("--dealers", "500:40", "--dealers", "20:200", "--chart", str(chart))

    code, out, _ = await run("pools", "plan", *stated, *more)

    assert code == 0
    assert out[2].split() == ["COOL-DOWN", "REFUSE", "RECYCLE_IDLE", "EXTENSION"]
    assert [line.split()[0] for line in out[3:7]] == ["0", "1", "7", "30"]
    assert "In force: refuse with a cool-down of 7 days: 1,621 numbers." in out
    assert any(line.split() == ["recycle_idle", "saves", "1,586"] for line in out)
    svg = ET.fromstring(chart.read_text())  # noqa: S314 (our own)
    texts = {one.text for one in svg.iter() if one.text}
    assert {"refuse", "recycle_idle", "extension", "cool-down 7 days", "1,621"} <= texts
    assert not {"script", "image", "use", "a"} & {one.tag.rpartition("}")[2] for one in svg.iter()}


async def test_the_past_says_what_would_have_been_needed(
    lite: House, run: Say, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twelve sessions of a day each, an hour apart: never more than twelve at once."""
    await lite.furnish(*proxies(20))
    await dealer(lite, 12)
    (data / "maskline.db").symlink_to(tmp_path / "migrated.db")
    monkeypatch.setattr("maskline.cli.pools.utc_now", lambda: lite.clock() + timedelta(days=2))

    code, out, err = await run("pools", "plan", "--days", "30", "--digits", "0.3")

    assert (code, err) == (0, "")
    assert out[0] == "Pool default: 24 leases in the last 30 days"
    assert out[3].split() == ["0", "days", "12", "3", "5"]
    assert out[5].split() == ["7", "days", "*", "12", "3", "5"]
    assert "In force: refuse with a cool-down of 7 days: 12 numbers." in out
    assert "The pool has 20 numbers: 8 to spare." in out


async def test_a_plan_says_so_where_not_everybody_was_looked_at(
    lite: House,
) -> None:
    await lite.furnish(*proxies(10))
    await dealer(lite, 4)  # and four buyers with one session each
    at = lite.clock()

    def planned(at_most: int) -> Callable[[Connection], PoolPlan]:
        return lambda conn: from_history(conn, "default", 30, 0.5, at, at_most=at_most)

    cut = await lite.db.read(planned(0))
    whole = await lite.db.read(planned(5))

    assert "Only the 0 busiest participants were looked at" in describe(cut)
    assert "up to 4 sessions each" in describe(cut)
    assert whole.cut is None
    assert "Only the" not in describe(whole)


async def test_no_past_without_a_database(run: Say) -> None:
    code, _, err = await run("pools", "plan")

    assert code == 1
    assert "there is no database" in err


async def test_a_pool_that_is_not_there_has_no_past(
    lite: House, run: Say, data: Path, tmp_path: Path
) -> None:
    (data / "maskline.db").symlink_to(tmp_path / "migrated.db")

    code, _, err = await run("pools", "plan", "--pool", "none")

    assert code == 1
    assert "pool none does not exist" in err
