"""What users chose about in-app calls, and whether they have an app that a push could wake."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, bindparam, case, delete, or_, select

from masking import reaching
from masking.switches import DEFAULT_SWITCHES, Account, Switches, read_quiet_hours
from storage.dialect import insert_for
from storage.schema import app_listings, app_users

MOST_LISTINGS: Final = 10_000

_BY_ID: Final = select(app_users).where(app_users.c.user_id == bindparam("wanted"))
_LISTINGS: Final = (
    select(app_listings.c.listing_id)
    .where(app_listings.c.user_id == bindparam("wanted"))
    .order_by(app_listings.c.listing_id)
)


@dataclass(frozen=True, slots=True)
class AppUser:
    """A user as far as in-app calls go."""

    switches: Switches = DEFAULT_SWITCHES
    listings: tuple[str, ...] = ()  # for which a company takes them
    app_until: datetime | None = None  # the latest expiry of any credential ever given

    def wakeable(self, now: datetime) -> bool:
        """Whether there is an app that a push may wake."""
        return reaching.wakeable(self.app_until, now)


def get(conn: Connection, user_id: str) -> AppUser:
    """The user, with the defaults of somebody who chose nothing."""
    row = conn.execute(_BY_ID, {"wanted": user_id}).first()
    listings = tuple(conn.execute(_LISTINGS, {"wanted": user_id}).scalars())
    if row is None:
        return AppUser(listings=listings)
    switches = Switches(
        account=Account(row.account),
        in_app_calls=row.in_app_calls,
        quiet_hours=read_quiet_hours(row.quiet_hours),
        timezone=row.timezone,
    )
    return AppUser(switches, listings, row.app_until)


def opted_in(conn: Connection, user_id: str, listing_id: str) -> bool:
    """Whether the user takes in-app calls about this listing in particular."""
    which = (app_listings.c.user_id == user_id) & (app_listings.c.listing_id == listing_id)
    return conn.execute(select(app_listings.c.user_id).where(which)).first() is not None


def put(
    conn: Connection, user_id: str, switches: Switches, listings: Collection[str], now: datetime
) -> None:
    """Keep the user's choice instead of the one before."""
    chosen = {
        "account": switches.account.value,
        "in_app_calls": switches.in_app_calls,
        "quiet_hours": [one.plain() for one in switches.quiet_hours],
        "timezone": switches.timezone,
        "updated_at": now,
    }
    new = insert_for(conn, app_users).values(user_id=user_id, **chosen)
    conn.execute(new.on_conflict_do_update(index_elements=[app_users.c.user_id], set_=chosen))
    which = app_listings.c.user_id == user_id
    wanted = sorted(set(listings))
    kept = set(conn.execute(_LISTINGS, {"wanted": user_id}).scalars())
    for gone in sorted(kept.difference(wanted)):
        conn.execute(delete(app_listings).where(which, app_listings.c.listing_id == gone))
    rows = [{"user_id": user_id, "listing_id": one} for one in wanted if one not in kept]
    if rows:
        conn.execute(insert_for(conn, app_listings).on_conflict_do_nothing(), rows)


def has_app(conn: Connection, user_id: str, until: datetime, now: datetime) -> None:
    """Note that the user has an app, with a credential until then."""
    new = insert_for(conn, app_users).values(
        user_id=user_id, account=Account.PRIVATE.value, app_until=until, updated_at=now
    )
    before, offered = app_users.c.app_until, new.excluded.app_until
    later = case((or_(before.is_(None), before < offered), offered), else_=before)
    conn.execute(
        new.on_conflict_do_update(index_elements=[app_users.c.user_id], set_={"app_until": later})
    )
