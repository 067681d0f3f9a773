"""How a participant is rung by us: by which trunks and devices, with what shown, or why not."""

from __future__ import annotations

import os
from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta

import pytest

from masking.live import CannotNow, LiveRefused
from masking.load import TrunkLoads
from masking.model import ChannelPolicy, Pool, Role, Session
from masking.plan import CallerCard, Channel
from masking.rules import Handover, HandoverRules, PoolRules
from masking.switches import Switches
from maskline.routes import StoredRoutes, TrunkBook
from maskline.ways import StoredWays
from storage import Database, app_users, apps, blocks, numbers, sessions, trunks
from storage.apps import NewCredential
from telephony.originate import Ring
from tests.support.storage import BUYER, NOW, SELLER, TRUNK, a_draft, a_vault, opened, stocked

SPARE = replace(TRUNK, name="carrier-b", host="127.0.0.3", priority=200)
PHONE, TABLET = "app_" + "1" * 26, "app_" + "2" * 26


@pytest.fixture
async def session(db: Database) -> Session:
    """Of two people with phones, over a pool whose numbers are on one of two trunks."""
    await stocked(db, a_vault())
    await db.write(lambda conn: trunks.add(conn, a_vault(), SPARE, NOW))
    return await opened(db, a_vault())


def ways(db: Database, *devices: str, late: timedelta = timedelta()) -> StoredWays:
    """Of a node at which everybody's `devices` are registered."""
    vault, now = a_vault(), NOW + late
    book = TrunkBook(vault)
    routes = StoredRoutes(
        db, vault, book, lambda: now, devices=lambda _: devices, entropy=os.urandom
    )
    return StoredWays(db, vault, book, routes, lambda: now, node="n1", devices=lambda _: devices)


async def reach(way: StoredWays, session: Session, to: Channel) -> tuple[tuple[Ring, ...], ...]:
    """The groups of the seller's legs, by handover."""
    found = await way.reach(session.id, Role.SELLER, to, "cal_1", TrunkLoads())
    return found.groups


async def start(way: StoredWays, session: Session) -> tuple[Ring, ...]:
    """The legs by which the seller is rung, who asked to call the buyer."""
    found = await way.start(session.id, Role.SELLER, "cal_1", TrunkLoads())
    assert found.callee is Role.BUYER
    return found.rings


async def why_not(asked: Awaitable[object]) -> CannotNow:
    """Why that is refused."""
    with pytest.raises(LiveRefused) as refused:
        await asked
    return refused.value.reason


def shown_to(session: Session, role: Role) -> str:
    """The proxy number that a participant sees."""
    lease = session.lease(role)
    assert lease is not None
    return lease.number.e164


async def test_a_phone_is_tried_over_one_trunk_after_another_the_numbers_own_first(
    db: Database, session: Session
) -> None:
    groups = await reach(ways(db, PHONE), session, Channel.GSM)

    assert [[ring.via for ring in group] for group in groups] == [["carrier-a"], ["carrier-b"]]
    for (ring,) in groups:
        assert (ring.kind, ring.dial) == (Channel.GSM, SELLER.phone)
        assert ring.shown == shown_to(session, Role.SELLER)
        assert ring.card is None
    assert [ring.last for (ring,) in groups] == [False, True]


async def test_devices_ring_at_once_with_the_others_card_and_no_number(
    db: Database, session: Session
) -> None:
    (group,) = await reach(ways(db, PHONE, TABLET), session, Channel.APP)

    assert [ring.via for ring in group] == [PHONE, TABLET]
    for ring in group:
        assert (ring.kind, ring.shown, ring.dial) == (Channel.APP, session.id, "")
        assert isinstance(ring.card, CallerCard)
        assert ring.card.role is Role.BUYER
        assert ring.card.card == BUYER.card


async def test_who_asked_is_rung_by_every_device_and_then_over_every_trunk(
    db: Database, session: Session
) -> None:
    legs = await start(ways(db, PHONE, TABLET), session)

    assert [ring.via for ring in legs] == [PHONE, TABLET, "carrier-a", "carrier-b"]


async def test_who_has_no_device_is_rung_by_phone_alone(db: Database, session: Session) -> None:
    assert [ring.via for ring in await start(ways(db), session)] == ["carrier-a", "carrier-b"]


async def test_who_has_no_phone_is_rung_by_device_alone(db: Database, session: Session) -> None:
    unreached = await opened(
        db, a_vault(), a_draft(seller=replace(SELLER, phone=None), conversation="chat-2")
    )
    way = ways(db, PHONE)

    assert [ring.via for ring in await start(way, unreached)] == [PHONE]
    assert await why_not(reach(way, unreached, Channel.GSM)) is CannotNow.NO_PHONE
    assert await why_not(start(ways(db), unreached)) is CannotNow.NO_PHONE


async def test_a_policy_of_one_channel_leaves_the_other_out(db: Database, session: Session) -> None:
    until = NOW + timedelta(hours=1)
    theirs = NewCredential(PHONE, BUYER.user_id, b"", b"token", None, "sip", NOW, until)
    await db.write(lambda conn: apps.create(conn, theirs))
    for policy, out in (
        (ChannelPolicy.APP_ONLY, Channel.GSM),
        (ChannelPolicy.GSM_ONLY, Channel.APP),
    ):
        one = await opened(
            db, a_vault(), replace(a_draft(conversation=policy.value), channel_policy=policy)
        )
        way = ways(db, PHONE)
        assert await why_not(reach(way, one, out)) is CannotNow.SWITCHED_OFF
        kinds = {ring.kind for ring in await start(way, one)}
        assert kinds == {Channel.APP, Channel.GSM} - {out}


async def test_without_a_device_there_is_no_app_and_who_takes_none_there_has_it_off(
    db: Database, session: Session
) -> None:
    assert await why_not(reach(ways(db), session, Channel.APP)) is CannotNow.NO_APP
    off = Switches(in_app_calls=False)
    await db.write(lambda conn: app_users.put(conn, SELLER.user_id, off, [], NOW))

    assert await why_not(reach(ways(db, PHONE), session, Channel.APP)) is CannotNow.SWITCHED_OFF


async def test_without_room_on_any_trunk_there_is_none(db: Database, session: Session) -> None:
    load = TrunkLoads()
    for number in range(TRUNK.max_channels):
        load.take(f"cal_{number:03}", (TRUNK.name, SPARE.name), NOW)

    assert (
        await why_not(ways(db).reach(session.id, Role.SELLER, Channel.GSM, "cal_1", load))
        is CannotNow.NO_TRUNK
    )


async def test_after_the_session_there_is_no_number_to_show_and_no_click(
    db: Database, session: Session
) -> None:
    await db.write(lambda conn: sessions.close(conn, session.id, NOW))
    late = ways(db, late=timedelta(minutes=1))

    assert await why_not(reach(late, session, Channel.GSM)) is CannotNow.NO_NUMBER
    assert await why_not(start(late, session)) is CannotNow.SESSION_OVER


async def test_who_is_blocked_cannot_have_a_call_begun(db: Database, session: Session) -> None:
    await db.write(lambda conn: blocks.block(conn, BUYER.user_id, SELLER.user_id, None, NOW))

    assert await why_not(start(ways(db, PHONE), session)) is CannotNow.BLOCKED


async def test_a_pool_may_have_handovers_off(db: Database, session: Session) -> None:
    rules = PoolRules(handover=HandoverRules(mode=Handover.OFF))
    await db.write(lambda conn: numbers.put_pool(conn, Pool("default", rules=rules), NOW))

    for to in Channel:
        assert await why_not(reach(ways(db, PHONE), session, to)) is CannotNow.SWITCHED_OFF
    assert await start(ways(db, PHONE), session), "a click is none"


async def test_a_stranger_to_the_session_has_no_way(db: Database, session: Session) -> None:
    way = ways(db, PHONE)
    assert await way.role_of(session.id, SELLER.user_id) is Role.SELLER
    for asked in (
        way.role_of(session.id, "u-9"),
        way.reach(session.id, Role.SUPPORT, Channel.APP, "cal_1", TrunkLoads()),
        way.reach("ses_" + "0" * 26, Role.SELLER, Channel.APP, "cal_1", TrunkLoads()),
    ):
        with pytest.raises(LookupError):
            await asked
