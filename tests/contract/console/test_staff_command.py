"""`maskline staff`, and the demo's accounts: made on the machine itself, in the data folder."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest

from api.console.passwords import check
from masking.staff import StaffRole
from maskline import instance
from maskline.cli import main
from maskline.demo.desk import FILE, login_of, open_console
from maskline.instance import Instance
from maskline.settings import Settings
from storage import staff
from storage.database import open_database
from storage.staff import Secrets


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


def run(data: Path, *words: str) -> int:
    return main(["staff", *words, "--data", str(data)])


def kept(data: Path, login: str) -> Secrets:
    async def look() -> Secrets | None:
        db = open_database(Settings(data=data).database)
        try:
            return await db.read(lambda conn: staff.secrets_by_login(conn, login))
        finally:
            await db.close()

    found = asyncio.run(look())
    assert found is not None
    return found


def test_an_account_is_made_shown_locked_and_let_in_again(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data.mkdir()
    assert run(data, "add", "Vera", "--role", "admin", "--name", "Vera P.") == 0
    first = capsys.readouterr().out.strip()
    made = kept(data, "vera")
    assert check(made.password_hash, first)
    assert (made.account.role, made.account.must_change) == (StaffRole.ADMIN, True)
    assert run(data, "add", "vera", "--role", "agent") == 1
    assert "already" in capsys.readouterr().err
    assert run(data, "lock", "vera") == 0
    assert run(data, "list") == 0
    shown = capsys.readouterr().out
    assert "Vera P." in shown
    assert "locked" in shown.splitlines()[-1]
    assert run(data, "unlock", "vera") == 0
    assert kept(data, "vera").account.locked_at is None
    capsys.readouterr()
    assert run(data, "passwd", "vera", "--reset-code") == 0
    fresh = capsys.readouterr().out.strip()
    assert fresh != first
    assert check(kept(data, "vera").password_hash, fresh)


@pytest.mark.parametrize("words", [("lock", "nobody"), ("add", "a b", "--role", "agent")])
def test_what_cannot_be_done_is_said_in_one_line(
    data: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    data.mkdir()
    assert run(data, *words) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1


async def test_the_demo_has_an_account_of_each_role_and_says_how_to_sign_in(data: Path) -> None:
    data.mkdir()
    settings = Settings(data=data)
    instance.announce(data, Instance(os.getpid(), "127.0.0.1:8080", "127.0.0.1:5060"))
    said = await open_console(settings)
    password = (data / FILE).read_text().strip()
    assert stat.S_IMODE((data / FILE).stat().st_mode) == 0o600
    assert "http://127.0.0.1:8080/console/" in said
    assert password in said
    assert await open_console(settings) == said
    db = open_database(settings.database)
    try:
        for role in StaffRole:
            login = login_of(role)
            found = await db.read(lambda conn, login=login: staff.secrets_by_login(conn, login))  # type: ignore[misc]
            assert found is not None
            assert found.account.role is role
            assert not found.account.must_change
            assert check(found.password_hash, password)
    finally:
        await db.close()
