"""Listing numbers over HTTP: create, look at, change, close, list."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from api import errors
from api.routing import Answer, PathParameter, Request, Route, Tag, answer
from api.schemas.common import NoBody, NoQuery
from api.schemas.listing_numbers import (
    ListingNumberIn,
    ListingNumberOut,
    ListingNumberPage,
    ListingNumberPatch,
    ListingNumbersQuery,
    RotationIn,
    RotationOut,
    SellerOut,
)
from api.schemas.sessions import ListingOut
from masking.ids import listing_number_id
from masking.listing import ListingDraft, ListingNumber, Rotation, due_at
from masking.model import Card, Listing, Participant, Phone
from storage import listings
from storage.keys import KeyRole

_ENTROPY_BYTES: Final = 10
_SECOND: Final = timedelta(seconds=1)


async def create_listing_number(request: Request[ListingNumberIn, NoQuery]) -> Answer:
    """Give the listing a number to show."""
    services, now = request.services, request.now
    draft = _draft(request.body)
    new_id = listing_number_id(now, services.entropy(_ENTROPY_BYTES))

    def work(conn: Connection) -> Answer:
        made = listings.create(
            conn, services.vault, draft, new_id=new_id, now=now, entropy=services.entropy
        )
        return answer(_out(made, now), 201)

    return await request.commit(work)


async def get_listing_number(request: Request[NoBody, NoQuery]) -> Answer:
    """One listing number."""
    wanted = request.path["id"]
    return await request.services.db.read(lambda conn: _present(conn, wanted, request.now))


async def change_listing_number(request: Request[ListingNumberPatch, NoQuery]) -> Answer:
    """Another end, another title, another number."""
    services, now, wanted = request.services, request.now, request.path["id"]
    sent = request.body
    change = listings.Change(
        expires_at=sent.expires_at if sent.ttl_s is None else now + sent.ttl_s * _SECOND,
        title=sent.title,
        rotation=None if sent.rotate is None else _rotation(sent.rotate),
        rotate=sent.rotate_now,
    )

    def work(conn: Connection) -> Answer:
        listings.change(conn, services.vault, wanted, change, now=now, entropy=services.entropy)
        return _present(conn, wanted, now)

    return await request.commit(work)


async def close_listing_number(request: Request[NoBody, NoQuery]) -> Answer:
    """No new callers; those who called before go on reaching the seller."""
    now, wanted = request.now, request.path["id"]

    def work(conn: Connection) -> Answer:
        listings.close(conn, wanted, now)
        return _present(conn, wanted, now)

    return await request.commit(work)


async def list_listing_numbers(request: Request[NoBody, ListingNumbersQuery]) -> Answer:
    """Listing numbers, newest first."""
    services, now, query = request.services, request.now, request.query
    page = await services.db.read(
        lambda conn: listings.page(
            conn,
            None,
            listing_id=query.listing_id,
            user_id=query.user_id,
            limit=query.limit,
            cursor=query.cursor,
        )
    )
    items = [_out(one, now) for one in page.items]
    return answer(ListingNumberPage(items=items, next_cursor=page.next_cursor))


def _present(conn: Connection, wanted: str, now: datetime) -> Answer:
    found = listings.get(conn, None, wanted)
    if found is None:
        raise errors.ListingNumberNotFound
    return answer(_out(found, now))


def _out(one: ListingNumber, now: datetime) -> ListingNumberOut:
    """The listing number as it goes out: never with a phone."""
    seller, rotation = one.callee, one.rotation
    shown = one.shown if one.live(now) else None
    return ListingNumberOut(
        id=one.id,
        state=one.state(now),
        number=None if shown is None else shown.number.e164,
        extension=None if shown is None else shown.extension or None,
        listing=ListingOut(id=one.listing.id, title=one.listing.title),
        seller=SellerOut(
            role=seller.role,
            user_id=seller.user_id,
            name=seller.card.name,
            rating=seller.card.rating,
            facts=dict(seller.card.facts),
        ),
        pool=one.pool,
        channel_policy=one.channel_policy,
        created_at=one.created_at,
        expires_at=one.expires_at,
        closed_at=one.closed_at,
        shown_at=None if shown is None else shown.shown_at,
        callers=0 if shown is None else shown.callers,
        rotate=RotationOut(
            after_s=None if rotation.after is None else rotation.after // _SECOND,
            after_callers=rotation.after_callers,
        ),
        rotates_at=None if shown is None else due_at(rotation, shown.shown_at),
    )


def _draft(sent: ListingNumberIn) -> ListingDraft:
    seller = sent.seller
    return ListingDraft(
        listing=Listing(sent.listing.id, sent.listing.title, sent.listing.category),
        callee=Participant(
            role=seller.role,
            user_id=seller.user_id,
            phone=Phone(seller.phone),
            card=Card(name=seller.name, rating=seller.rating, facts=tuple(seller.facts.items())),
        ),
        pool=sent.pool,
        ttl=timedelta(seconds=sent.ttl_s),
        channel_policy=sent.channel_policy,
        rotation=None if sent.rotate is None else _rotation(sent.rotate),
    )


def _rotation(sent: RotationIn) -> Rotation:
    after = None if sent.after_s is None else sent.after_s * _SECOND
    return Rotation(after, sent.after_callers)


_ID: Final = PathParameter(
    "id", r"lst_[0-9a-z]{26}", "The listing number's id", "lst_01jd8n2k9hq3v6tbx4w7ymzcfe"
)
_PLATFORM: Final = frozenset({KeyRole.PLATFORM})
_READERS: Final = frozenset({KeyRole.PLATFORM, KeyRole.STAFF})

ROUTES: Final = (
    Route(
        "create_listing_number",
        "POST",
        "/v1/listing-numbers",
        "Give a listing a number",
        Tag.LISTINGS,
        create_listing_number,
        roles=_PLATFORM,
        body=ListingNumberIn,
        answers=ListingNumberOut,
        status=201,
        errors=(errors.PoolNotFound, errors.PoolExhausted),
        location="/v1/listing-numbers/{id}",
        description="Anyone may call it. Each new caller gets a session of their own with the "
        "seller, who can call back and sees only a proxy number. Send an `Idempotency-Key` so "
        "that a repetition takes no second number.",
    ),
    Route(
        "list_listing_numbers",
        "GET",
        "/v1/listing-numbers",
        "List listing numbers",
        Tag.LISTINGS,
        list_listing_numbers,
        roles=_READERS,
        query=ListingNumbersQuery,
        answers=ListingNumberPage,
    ),
    Route(
        "get_listing_number",
        "GET",
        "/v1/listing-numbers/{id}",
        "Look at a listing number",
        Tag.LISTINGS,
        get_listing_number,
        roles=_READERS,
        answers=ListingNumberOut,
        parameters=(_ID,),
        missing=errors.ListingNumberNotFound,
    ),
    Route(
        "change_listing_number",
        "PATCH",
        "/v1/listing-numbers/{id}",
        "Change a listing number, or show another",
        Tag.LISTINGS,
        change_listing_number,
        roles=_PLATFORM,
        body=ListingNumberPatch,
        answers=ListingNumberOut,
        parameters=(_ID,),
        missing=errors.ListingNumberNotFound,
        errors=(errors.ListingNumberOver, errors.PoolExhausted),
        description="A number that is no longer shown goes on reaching the listing while it "
        "rests, until another listing wants it.",
    ),
    Route(
        "close_listing_number",
        "DELETE",
        "/v1/listing-numbers/{id}",
        "Close a listing number",
        Tag.LISTINGS,
        close_listing_number,
        roles=_PLATFORM,
        answers=ListingNumberOut,
        parameters=(_ID,),
        missing=errors.ListingNumberNotFound,
        description="It takes no new callers from now on; sessions that it brought go on. "
        "Closing again changes nothing.",
    ),
)
