"""`maskline records verify` and `head`, as they are called."""

from __future__ import annotations

import asyncio
import csv
import json
from pathlib import Path

import pytest
from sqlalchemy import select, update

from cdr import ledger
from maskline.cli import main
from storage.marks import bind_vault
from storage.schema import calls
from storage.vault import VaultKeys
from tests.integration.cdr.world import World
from tests.unit.cdr.calls import call, interleaved

DAY = "2023-11-14"


@pytest.fixture
async def data(small_world: World, tmp_path: Path) -> Path:
    """The data folder of a Maskline that has recorded three calls."""
    world = small_world
    world.append(b"".join(interleaved([call(n) for n in range(3)])))
    await world.ingest()
    await world.db.write(lambda conn: bind_vault(conn, world.vault))
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "maskline.db").symlink_to(tmp_path / "db")
    assert world.vault.path is not None
    (folder / "vault.key").write_text(world.vault.path.read_text())
    (folder / "vault.key").chmod(0o600)
    return folder


async def spoil(world: World) -> None:
    which = calls.c.ledger_seq == 2
    await world.db.write(
        lambda conn: conn.execute(update(calls).where(which).values(outcome="answered", talk_ms=1))
    )


def run(*arguments: object) -> int:
    return main(["records", *map(str, arguments)])


async def in_thread(*arguments: object) -> int:
    """A command runs a loop of its own, so not within the test's."""
    return await asyncio.to_thread(run, *arguments)


async def test_it_says_whether_the_chains_are_whole(
    data: Path, small_world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await in_thread("verify", "--data", data) == 0
    told = capsys.readouterr().out
    assert f"{DAY}  {ledger.public_name(small_world.node)}  3 records  whole" in told
    assert small_world.node not in told

    await spoil(small_world)
    assert await in_thread("verify", "--data", data, "--day", DAY) == 1
    assert "BROKEN at 2 (cal_" in capsys.readouterr().out
    assert await in_thread("verify", "--data", data, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["whole"] is False
    assert [one["why"] for one in found["chains"][0]["breaks"]] == ["changed"]

    assert await in_thread("verify", "--data", data, "--day", "2023-11-15") == 1
    assert "there is no chain" in capsys.readouterr().err


async def test_an_export_is_held_to_heads_that_were_kept(
    data: Path, small_world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert await in_thread("head", "--data", data) == 0
    heads = tmp_path / "heads.jsonl"
    heads.write_text(capsys.readouterr().out)
    rows = await small_world.db.read(
        lambda conn: [dict(row) for row in conn.execute(select(calls)).mappings()]
    )
    lines = [ledger.exported(row) for row in rows]
    told = tmp_path / "calls.jsonl"
    told.write_text("".join(json.dumps({"ledger": one}) + "\n" for one in [*lines, None]))
    table = tmp_path / "calls.csv"
    with table.open("w", newline="", encoding="utf-8-sig") as rows_out:
        writer = csv.DictWriter(rows_out, [f"ledger_{name}" for name in lines[0]])
        writer.writeheader()
        writer.writerows({f"ledger_{name}": value for name, value in one.items()} for one in lines)

    for file in (told, table):
        assert await in_thread("verify", "--file", file, "--heads", heads) == 0
        assert await in_thread("verify", "--file", file, "--data", data) == 0
        assert "whole: 3 records" in capsys.readouterr().out
        file.write_text(file.read_text().replace("missed", "answered"))
        assert await in_thread("verify", "--file", file, "--heads", heads) == 1
        assert "BROKEN at 2" in capsys.readouterr().out

    told.write_text(json.dumps({"ledger": lines[0]}) + "\n")
    assert await in_thread("verify", "--file", told, "--heads", heads) == 1
    assert await in_thread("verify", "--file", told, "--heads", heads, "--part") == 0
    told.write_text("[]\n")
    assert await in_thread("verify", "--file", told, "--heads", heads) == 1
    heads.write_text("{}\n")
    assert await in_thread("verify", "--data", data, "--heads", heads) == 1
    assert "no head of a chain" in capsys.readouterr().err


async def test_it_needs_the_vault_of_this_database(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "vault.key").write_text(VaultKeys.generate().text())
    assert await in_thread("verify", "--data", data) == 1
    (data / "vault.key").unlink()
    assert await in_thread("verify", "--data", data) == 1
    assert "vault.key is not there" in capsys.readouterr().err
    assert not (data / "vault.key").exists()
