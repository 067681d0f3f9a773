"""Devices' credentials and users' switches."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from masking.ids import app_username
from masking.reaching import WAKEABLE
from masking.switches import Account, QuietHours, Switches
from storage import Database, app_users, apps
from storage.app_users import AppUser
from storage.apps import AppCredential, NewCredential
from storage.errors import ConstraintViolated
from storage.vault import Vault
from tests.support.storage import NOW

HOUR = timedelta(hours=1)


def a_credential(
    n: int = 0, user_id: str = "u-1", *, device: str | None = None, at: datetime = NOW
) -> NewCredential:
    username = app_username(at, n.to_bytes(10, "big"))
    return NewCredential(
        username=username,
        user_id=user_id,
        ha1_sealed=b"sealed",
        token_hash=apps.token_hash(f"{username}.{n}"),
        device=device,
        transport="webrtc",
        created_at=at,
        expires_at=at + HOUR,
    )


async def create(db: Database, new: NewCredential) -> tuple[str, ...]:
    return await db.write(lambda conn: apps.create(conn, new))


async def devices(db: Database, user_id: str, at: datetime) -> list[str]:
    found = await db.read(lambda conn: apps.of_users(conn, [user_id], at))
    return [one.username for one in found.get(user_id, ())]


async def test_a_credential_is_found_by_its_name_and_by_its_token(
    db: Database, vault: Vault
) -> None:
    new = a_credential()
    digest = apps.ha1(new.username, "open sesame")
    new = replace(new, ha1_sealed=vault.seal_secret(digest))
    assert await create(db, new) == ()

    account = await db.look_up(lambda conn: apps.account(conn, new.username, NOW))
    holder = await db.look_up(lambda conn: apps.by_token(conn, new.token_hash, NOW))

    assert account is not None
    assert (account.user_id, account.ha1(vault)) == ("u-1", digest)
    assert digest not in repr(account)
    assert holder == AppCredential(
        new.username, "u-1", None, "webrtc", NOW, NOW + HOUR, revoked_at=None
    )
    assert await db.read(lambda conn: apps.get(conn, new.username)) == holder


def test_the_digest_hash_is_that_of_the_standard() -> None:
    import hashlib  # noqa: PLC0415 (the test's own reckoning)

    expected = hashlib.md5(b"app_x:maskline:secret", usedforsecurity=False).hexdigest()
    assert apps.ha1("app_x", "secret") == expected


async def test_an_expired_credential_opens_nothing(db: Database) -> None:
    new = a_credential()
    await create(db, new)
    last, over = NOW + HOUR - timedelta(milliseconds=1), NOW + HOUR

    assert await db.read(lambda conn: apps.account(conn, new.username, last)) is not None
    assert await db.read(lambda conn: apps.account(conn, new.username, over)) is None
    assert await db.read(lambda conn: apps.by_token(conn, new.token_hash, over)) is None
    assert await devices(db, "u-1", over) == []


async def test_one_device_or_all_of_a_user_are_shut_out(db: Database) -> None:
    ours = [a_credential(n) for n in range(3)]
    theirs = a_credential(9, "u-2")
    for one in (*ours, theirs):
        await create(db, one)
    names = [one.username for one in ours]

    async def revoke(user_id: str, username: str | None) -> tuple[str, ...]:
        return await db.write(lambda conn: apps.revoke(conn, user_id, username, NOW + HOUR / 2))

    assert await revoke("u-1", names[1]) == (names[1],)
    assert await revoke("u-1", names[1]) == ()
    assert await revoke("u-1", theirs.username) == ()  # not theirs to end
    assert await devices(db, "u-1", NOW + HOUR / 2) == [names[2], names[0]]
    assert await db.read(lambda conn: apps.by_token(conn, ours[1].token_hash, NOW)) is None
    assert await revoke("u-1", None) == (names[0], names[2])
    assert await devices(db, "u-1", NOW) == []
    assert await devices(db, "u-2", NOW) == [theirs.username]


async def test_a_device_has_one_credential_at_a_time(db: Database) -> None:
    first = a_credential(1, device="phone")
    other = a_credential(2, device="tablet")
    assert await create(db, first) == ()
    assert await create(db, other) == ()

    again = a_credential(3, device="phone", at=NOW + timedelta(minutes=1))

    assert await create(db, again) == (first.username,)
    assert await devices(db, "u-1", NOW + timedelta(minutes=1)) == [again.username, other.username]


async def test_the_oldest_device_goes_when_there_are_too_many(db: Database) -> None:
    made = [a_credential(n, at=NOW + timedelta(seconds=n)) for n in range(apps.MOST_DEVICES + 1)]

    ended = [await create(db, one) for one in made]

    assert ended == [
        (),
    ] * apps.MOST_DEVICES + [(made[0].username,)]
    assert len(await devices(db, "u-1", NOW + timedelta(minutes=1))) == apps.MOST_DEVICES


async def test_a_username_is_given_once(db: Database) -> None:
    await create(db, a_credential())

    with pytest.raises(ConstraintViolated):
        await create(db, replace(a_credential(), token_hash=b"another"))


async def test_what_ended_is_told_once_the_time_has_come(db: Database) -> None:
    revoked, expiring = a_credential(1), a_credential(2)
    await create(db, revoked)
    await create(db, expiring)
    await db.write(lambda conn: apps.revoke(conn, "u-1", revoked.username, NOW + HOUR / 2))

    async def ended(since: datetime, now: datetime) -> set[str]:
        found = await db.read(lambda conn: apps.ended_since(conn, since, now))
        return {one.username for one in found}

    assert await ended(NOW, NOW + HOUR / 2) == {revoked.username}
    assert await ended(NOW + HOUR / 2, NOW + HOUR / 2) == set()
    assert await ended(NOW, NOW + HOUR) == {revoked.username, expiring.username}


async def test_owners_are_known_beyond_the_end_and_forgotten_in_time(db: Database) -> None:
    new = a_credential()
    await create(db, new)
    names = [new.username, "app_nobody"]

    assert await db.read(lambda conn: apps.live_count(conn, NOW)) == 1
    assert await db.read(lambda conn: apps.live_count(conn, NOW + HOUR)) == 0
    assert await db.read(lambda conn: apps.owners(conn, names)) == {new.username: "u-1"}
    assert await db.write(lambda conn: apps.sweep(conn, NOW + HOUR)) == 0
    assert await db.write(lambda conn: apps.sweep(conn, NOW + HOUR + apps.KEPT)) == 1
    assert await db.read(lambda conn: apps.owners(conn, names)) == {}


async def test_somebody_who_chose_nothing_has_the_defaults(db: Database) -> None:
    found = await db.read(lambda conn: app_users.get(conn, "u-1"))

    assert found == AppUser(Switches(), (), None)
    assert not found.wakeable(NOW)


async def test_a_choice_is_kept_whole_and_replaced_whole(db: Database) -> None:
    first = Switches(
        Account.COMPANY,
        in_app_calls=True,
        quiet_hours=(
            QuietHours.of("22:00", "08:00", ["sat", "sun"]),
            QuietHours.of("13:00", "14:00"),
        ),
        timezone="Europe/Moscow",
    )

    async def put(switches: Switches, *listings: str) -> AppUser:
        await db.write(lambda conn: app_users.put(conn, "u-1", switches, listings, NOW))
        return await db.read(lambda conn: app_users.get(conn, "u-1"))

    async def opted_in(user_id: str, listing_id: str) -> bool:
        return await db.read(lambda conn: app_users.opted_in(conn, user_id, listing_id))

    assert await put(first, "L-2", "L-1") == AppUser(first, ("L-1", "L-2"), None)
    assert await opted_in("u-1", "L-1")
    assert not await opted_in("u-2", "L-1")
    assert await put(Switches(), "L-1", "L-3") == AppUser(Switches(), ("L-1", "L-3"), None)
    assert not await opted_in("u-1", "L-2")


async def test_whoever_was_given_a_credential_may_be_woken_long_after(db: Database) -> None:
    choice = Switches(Account.COMPANY)
    await db.write(lambda conn: app_users.put(conn, "u-1", choice, (), NOW))
    await create(db, a_credential(1, at=NOW + HOUR))
    await create(db, a_credential(2, at=NOW))  # ends sooner: takes nothing away

    found = await db.read(lambda conn: app_users.get(conn, "u-1"))

    assert found == AppUser(choice, (), NOW + 2 * HOUR)
    end = NOW + 2 * HOUR + WAKEABLE
    assert (found.wakeable(end - HOUR), found.wakeable(end)) == (True, False)
