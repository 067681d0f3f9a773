"""Whose time is over is shut out, once and again; nobody else is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from masking.ids import app_username
from maskline.app_devices import Devices
from maskline.app_watch import AppWatch
from storage import Database, apps, open_database
from storage.apps import NewCredential
from storage.migration import migrate
from telephony.ami import ActionTimeout
from telephony.app_rows import AppAccount
from telephony.registrations import Registrations
from tests.support.storage import NOW

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


@dataclass
class Node:
    """An Asterisk that remembers what it was told."""

    contacts: tuple[str, ...] = ()
    shut: list[tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=list)
    anew: int = 0
    dead: bool = False

    async def ask_anew(self) -> None:
        self.anew += 1

    async def app_contacts(self) -> tuple[str, ...]:
        return self.contacts

    async def shut_out(self, usernames: Sequence[str], contacts: Sequence[str]) -> None:
        if self.dead:
            raise ActionTimeout("DBDel", 1.0, sent=True)
        self.shut.append((tuple(usernames), tuple(contacts)))


async def nobody(_: Sequence[str]) -> dict[str, tuple[str, ...]]:
    return {}


@dataclass
class House:
    db: Database
    node: Node = field(default_factory=Node)
    devices: Devices = field(default_factory=Devices)
    now: datetime = NOW
    made: int = 0

    def __post_init__(self) -> None:
        self.registrations = Registrations(nobody, self.devices.changed, self.devices.came)
        self.watch = AppWatch(
            self.db, self.node, self.registrations, self.devices, lambda: self.now
        )

    async def credential(self, user_id: str = "u-1", lasts: timedelta = HOUR) -> str:
        self.made += 1
        username = app_username(NOW, self.made.to_bytes(10, "big"))
        new = NewCredential(
            username, user_id, b"sealed", apps.token_hash(username), None, "sip", NOW, NOW + lasts
        )
        await self.db.write(lambda conn: apps.create(conn, new))
        return username

    def give(self, username: str, lasts: timedelta = HOUR) -> None:
        self.watch.given(AppAccount(username, "u-1", "0" * 32, NOW + lasts))

    async def connect(self, *usernames: str) -> None:
        """A node on which these are registered."""
        self.node.contacts = tuple(f"{name};@1" for name in usernames)
        await self.watch.connected()

    async def revoke(self, username: str) -> None:
        await self.db.write(lambda conn: apps.revoke(conn, "u-1", username, self.now))


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    url = f"sqlite:///{tmp_path / 'maskline.db'}"
    await migrate(url)
    db = open_database(url)
    try:
        yield House(db)
    finally:
        await db.close()


async def test_stock_is_taken_with_the_owners_and_learnt_anew(house: House) -> None:
    mine = await house.credential()
    await house.connect(mine)
    assert house.node.anew == 1
    await house.watch.look()
    assert house.devices.of("u-1") == (mine,)
    assert house.node.shut == []


async def test_who_was_found_and_is_over_or_nobodys_is_shut_out(house: House) -> None:
    over = await house.credential()
    await house.revoke(over)
    unknown = app_username(NOW, bytes(10))
    await house.connect(over, unknown)
    await house.watch.look()
    [(names, contacts)] = house.node.shut
    assert set(names) == {over, unknown}
    assert set(contacts) == {f"{over};@1", f"{unknown};@1"}
    assert len(house.devices) == 0


async def test_one_that_is_over_is_shut_out_at_once_when_told_and_again_later(
    house: House,
) -> None:
    mine, other = await house.credential(), await house.credential()
    house.give(mine)
    house.give(other)
    await house.connect(mine, other)
    await house.watch.over([mine])
    assert house.node.shut == [((mine,), (f"{mine};@1",))]
    assert house.devices.of("u-1") == (other,)
    house.now += 2 * SECOND
    await house.watch.look()
    assert len(house.node.shut) == 1
    house.now += 2 * SECOND  # an answer that was on its way then has come by now
    await house.watch.look()
    assert house.node.shut[1:] == [((mine,), ())]
    house.now += 10 * SECOND
    await house.watch.look()
    assert len(house.node.shut) == 2


async def test_whom_no_node_was_told_of_is_nobodys_business(house: House) -> None:
    mine = await house.credential()
    await house.watch.over([mine])
    await house.revoke(mine)
    await house.watch.look()
    assert house.node.shut == []


async def test_what_another_process_revoked_is_found(house: House) -> None:
    mine = await house.credential()
    house.give(mine)
    house.now += SECOND
    await house.revoke(mine)
    await house.watch.look()
    assert [names for names, _ in house.node.shut] == [(mine,)]


async def test_one_that_expires_is_shut_out_then(house: House) -> None:
    mine = await house.credential(lasts=10 * SECOND)
    house.give(mine, lasts=10 * SECOND)
    house.now += 9 * SECOND
    await house.watch.look()
    assert house.node.shut == []
    house.now += SECOND
    await house.watch.look()
    assert [names for names, _ in house.node.shut] == [(mine,)]


async def test_what_cannot_be_told_is_owed(house: House) -> None:
    mine = await house.credential()
    house.give(mine)
    house.node.dead = True
    with pytest.raises(ActionTimeout):
        await house.watch.over([mine])
    house.node.dead = False
    await house.watch.look()
    assert [names for names, _ in house.node.shut] == [(mine,)]
