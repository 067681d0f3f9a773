"""Pools over HTTP. A pool also comes into being when numbers are first added to it."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import Connection

from api import errors
from api.errors import FieldError
from api.outbound import OutboundError, check_url
from api.routing import Answer, PathParameter, Request, Route, Tag, answer
from api.schemas.common import NoBody, NoQuery, PageQuery
from api.schemas.patterns import NAME
from api.schemas.pool_recordings import RecordingRulesOut
from api.schemas.pools import (
    AppRulesOut,
    CapRulesOut,
    EndingRulesOut,
    HandoverRulesOut,
    HookOut,
    ListingRulesOut,
    NumberRulesOut,
    PinRulesOut,
    PoolIn,
    PoolOut,
    PoolPage,
    PushOut,
    StrangerRulesOut,
)
from api.services import Services
from masking.model import Phone, Pool
from masking.rules import (
    AppRules,
    CapRules,
    EndingRules,
    HandoverRules,
    HookRules,
    ListingRules,
    NumberRules,
    PinRules,
    PoolRules,
    PoolSecrets,
    PushRules,
    RecordingRules,
    StrangerRules,
)
from storage import numbers, pool_changes
from storage.keys import KeyRole
from storage.pool_changes import KEEP, SecretsChange
from storage.pool_rules import secrets_of

_SECOND: Final = timedelta(seconds=1)
_DAY: Final = timedelta(days=1)


async def put_pool(request: Request[PoolIn, NoQuery]) -> Answer:
    """Make a pool, or give it other rules."""
    sent, now, vault = request.body, request.now, request.services.vault
    check_hooks(sent, request.services)
    pool, change = pool_of(request.path["name"], sent), secrets_change(sent)

    def work(conn: Connection) -> Answer:
        secrets = pool_changes.put(conn, vault, pool, change, now)
        return answer(pool_out(conn, pool, secrets))

    return await request.commit(work)


async def get_pool(request: Request[NoBody, NoQuery]) -> Answer:
    """One pool."""
    name, vault = request.path["name"], request.services.vault

    def work(conn: Connection) -> Answer:
        found = numbers.pool(conn, name)
        if found is None:
            raise errors.PoolNotFound
        return answer(pool_out(conn, found, secrets_of(conn, vault, name)))

    return await request.services.db.read(work)


async def list_pools(request: Request[NoBody, PageQuery]) -> Answer:
    """Pools by name. They are few: the cursor is the name of the last one shown."""
    query, vault = request.query, request.services.vault

    def work(conn: Connection) -> Answer:
        found = numbers.pools(conn)
        rest = [pool for pool in found if query.cursor is None or pool.name > query.cursor]
        some = rest[: query.limit]
        items = [pool_out(conn, pool, secrets_of(conn, vault, pool.name)) for pool in some]
        more = some[-1].name if len(rest) > len(some) else None
        return answer(PoolPage(items=items, next_cursor=more))

    return await request.services.db.read(work)


def pool_of(name: str, sent: PoolIn) -> Pool:
    """The pool that is asked for, in the words of the domain."""
    ours, theirs, shown, ends = sent.numbers, sent.strangers, sent.listings, sent.ending
    return Pool(
        name=name,
        cool_down=sent.cool_down_s * _SECOND,
        language=sent.language,
        ring_s=sent.ring_s,
        max_call_s=sent.max_call_s,
        rules=PoolRules(
            numbers=NumberRules(
                sticky=ours.sticky,
                geo=ours.geo,
                areas=tuple(ours.areas),
                exhausted=ours.exhausted,
                recycle_after=ours.recycle_after_s * _SECOND,
                extension_length=ours.extension_length,
                max_sessions=ours.max_sessions,
                low_percent=ours.low_percent,
            ),
            strangers=StrangerRules(
                unknown=theirs.unknown,
                withheld=theirs.withheld,
                late=theirs.late,
                pin=PinRules(
                    length=theirs.pin.length,
                    attempts=theirs.pin.attempts,
                    lock_out=theirs.pin.lock_out_s * _SECOND,
                    enrol=theirs.pin.enrol,
                ),
            ),
            listings=ListingRules(
                shared=shown.shared,
                extension_length=shown.extension_length,
                rotate_after=None
                if shown.rotate_after_s is None
                else shown.rotate_after_s * _SECOND,
                rotate_after_callers=shown.rotate_after_callers,
                rest=shown.rest_s * _SECOND,
                link=shown.link_s * _SECOND,
                links_a_day=shown.links_a_day,
            ),
            ending=EndingRules(warn_before_s=ends.warn_before_s, notice=ends.notice_s * _SECOND),
            hook=None
            if sent.hook is None
            else HookRules(
                url=sent.hook.url,
                deadline_ms=sent.hook.deadline_ms,
                fail_open=sent.hook.on_failure == "open",
            ),
            app=AppRules(ring_s=sent.app.ring_s),
            push=None
            if sent.push is None
            else PushRules(
                url=sent.push.url, deadline_ms=sent.push.deadline_ms, wake_s=sent.push.wake_s
            ),
            caps=CapRules(
                unanswered_in_row=sent.caps.unanswered_in_row,
                pair_an_hour=sent.caps.pair_an_hour,
                caller_an_hour=sent.caps.caller_an_hour,
            ),
            handover=HandoverRules(
                mode=sent.handover.mode,
                below_mos=sent.handover.below_mos,
                above_mos=sent.handover.above_mos,
            ),
            recording=RecordingRules(
                mode=sent.recording.mode,
                retention=sent.recording.retention_days * _DAY,
                announcement=sent.recording.announcement,
            ),
        ),
    )


def secrets_change(sent: PoolIn) -> SecretsChange:
    """What was left out stays; null removes it, and so does leaving out the whole hook."""
    static = sent.strangers.static
    hook, push = sent.hook, sent.push
    return SecretsChange(
        static=KEEP
        if "static" not in sent.strangers.model_fields_set
        else None
        if static is None
        else Phone(static),
        hook_secret=None if hook is None else KEEP if hook.secret is None else hook.secret,
        push_secret=None if push is None else KEEP if push.secret is None else push.secret,
    )


def check_hooks(sent: PoolIn, services: Services) -> None:
    """Raise ValidationFailed where a hook's address may not be asked."""
    for field, hook in (("hook.url", sent.hook), ("push.url", sent.push)):
        try:
            if hook is not None:
                check_url(hook.url, services.settings.outbound_allow)
        except OutboundError as error:
            raise errors.ValidationFailed(errors=[FieldError(field, str(error))]) from None


def pool_out(conn: Connection, pool: Pool, secrets: PoolSecrets) -> PoolOut:
    """The pool as it is sent out: of its secrets, only whether they are there."""
    size, rules = numbers.size(conn, pool.name), pool.rules
    ours, theirs, shown, hook, push = (
        rules.numbers,
        rules.strangers,
        rules.listings,
        rules.hook,
        rules.push,
    )
    return PoolOut(
        name=pool.name,
        cool_down_s=pool.cool_down // _SECOND,
        language=pool.language,
        ring_s=pool.ring_s,
        max_call_s=pool.max_call_s,
        numbers=NumberRulesOut(
            sticky=ours.sticky,
            geo=ours.geo,
            areas=list(ours.areas),
            exhausted=ours.exhausted,
            recycle_after_s=ours.recycle_after // _SECOND,
            extension_length=ours.extension_length,
            max_sessions=ours.max_sessions,
            low_percent=ours.low_percent,
        ),
        strangers=StrangerRulesOut(
            unknown=theirs.unknown,
            withheld=theirs.withheld,
            late=theirs.late,
            pin=PinRulesOut(
                length=theirs.pin.length,
                attempts=theirs.pin.attempts,
                lock_out_s=theirs.pin.lock_out // _SECOND,
                enrol=theirs.pin.enrol,
            ),
            static_set=secrets.static is not None,
        ),
        listings=ListingRulesOut(
            shared=shown.shared,
            extension_length=shown.extension_length,
            rotate_after_s=None if shown.rotate_after is None else shown.rotate_after // _SECOND,
            rotate_after_callers=shown.rotate_after_callers,
            rest_s=shown.rest // _SECOND,
            link_s=shown.link // _SECOND,
            links_a_day=shown.links_a_day,
        ),
        ending=EndingRulesOut(
            warn_before_s=rules.ending.warn_before_s, notice_s=rules.ending.notice // _SECOND
        ),
        hook=None
        if hook is None
        else HookOut(
            url=hook.url,
            deadline_ms=hook.deadline_ms,
            on_failure="open" if hook.fail_open else "closed",
            secret_set=secrets.hook_secret is not None,
        ),
        app=AppRulesOut(ring_s=rules.app.ring_s),
        push=None
        if push is None
        else PushOut(
            url=push.url,
            deadline_ms=push.deadline_ms,
            wake_s=push.wake_s,
            secret_set=secrets.push_secret is not None,
        ),
        caps=CapRulesOut(
            unanswered_in_row=rules.caps.unanswered_in_row,
            pair_an_hour=rules.caps.pair_an_hour,
            caller_an_hour=rules.caps.caller_an_hour,
        ),
        handover=HandoverRulesOut(
            mode=rules.handover.mode,
            below_mos=rules.handover.below_mos,
            above_mos=rules.handover.above_mos,
        ),
        recording=RecordingRulesOut(
            mode=rules.recording.mode,
            retention_days=rules.recording.retention // _DAY,
            announcement=rules.recording.announcement,
        ),
        numbers_active=size.active,
        numbers_draining=size.draining,
        numbers_reserved=size.reserved,
    )


_NAME: Final = PathParameter("name", NAME, "The pool's name", "default")
_OPERATOR: Final = frozenset({KeyRole.OPERATOR})
_READERS: Final = frozenset({KeyRole.OPERATOR, KeyRole.PLATFORM})

ROUTES: Final = (
    Route(
        "list_pools",
        "GET",
        "/v1/pools",
        "List pools",
        Tag.POOLS,
        list_pools,
        roles=_READERS,
        query=PageQuery,
        answers=PoolPage,
    ),
    Route(
        "get_pool",
        "GET",
        "/v1/pools/{name}",
        "Look at a pool",
        Tag.POOLS,
        get_pool,
        roles=_READERS,
        answers=PoolOut,
        parameters=(_NAME,),
        missing=errors.PoolNotFound,
    ),
    Route(
        "put_pool",
        "PUT",
        "/v1/pools/{name}",
        "Make a pool, or give it other rules",
        Tag.POOLS,
        put_pool,
        roles=_OPERATOR,
        body=PoolIn,
        answers=PoolOut,
        parameters=(_NAME,),
        missing=errors.PoolNotFound,
        errors=(errors.ExtensionsInUse,),
        description="Replaces all rules but the secrets: `strangers.static`, `hook.secret` and "
        "`push.secret` stay as they are where they are left out. Sessions that exist keep their "
        "times and numbers; the rules hold for new ones, and for the calls to come.",
    ),
)
