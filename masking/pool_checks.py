"""Whether the rules of a pool agree with each other. The one place that knows which may not."""

from __future__ import annotations

from datetime import timedelta

from masking.areas import is_area
from masking.errors import CoolDownOutOfRange, InvalidRule
from masking.model import Pool
from masking.rules import Exhausted, PoolSecrets, Stranger

MAX_COOL_DOWN = timedelta(days=90)
MAX_MOS = 4.5  # ITU-T G.107


def check(pool: Pool) -> None:
    """Raise CoolDownOutOfRange or InvalidRule for a pool that cannot work as it says."""
    if not timedelta(0) <= pool.cool_down <= MAX_COOL_DOWN:
        raise CoolDownOutOfRange(field="cool_down_s")
    numbers, strangers, ending = pool.rules.numbers, pool.rules.strangers, pool.rules.ending
    longest = timedelta(seconds=pool.max_call_s)
    if numbers.exhausted is Exhausted.RECYCLE_IDLE and numbers.recycle_after <= longest:
        raise InvalidRule(
            "a session may be in a call for max_call_s: choose a longer recycle_after_s",
            field="numbers.recycle_after_s",
        )
    for area in numbers.areas:
        if not is_area(area):
            raise InvalidRule("name areas as +7495 or RU", field="numbers.areas")
    if numbers.max_sessions is not None and numbers.max_sessions < 1:
        raise InvalidRule("allow at least one session, or null", field="numbers.max_sessions")
    for length, least, most, field in (
        (numbers.extension_length, 2, 6, "numbers.extension_length"),
        (strangers.pin.length, 4, 10, "strangers.pin.length"),
        (strangers.pin.attempts, 1, 5, "strangers.pin.attempts"),
        (pool.rules.listings.extension_length, 3, 8, "listings.extension_length"),
    ):
        if not least <= length <= most:
            raise InvalidRule(f"choose {least} to {most}", field=field)
    handover = pool.rules.handover
    if not 1 <= handover.below_mos < handover.above_mos <= MAX_MOS:
        raise InvalidRule("choose 1.0 <= below_mos < above_mos <= 4.5", field="handover.below_mos")
    if timedelta(seconds=ending.warn_before_s) >= longest:
        raise InvalidRule(
            "the warning comes before the call begins: choose less than max_call_s",
            field="ending.warn_before_s",
        )


def check_secrets(pool: Pool, secrets: PoolSecrets) -> None:
    """Raise InvalidRule where a rule needs a secret that is not there."""
    strangers = pool.rules.strangers
    if Stranger.STATIC in (strangers.unknown, strangers.withheld) and secrets.static is None:
        raise InvalidRule("`static` needs a destination: send one", field="strangers.static")
    if pool.rules.hook is not None and secrets.hook_secret is None:
        raise InvalidRule("the hook's requests are signed: send a secret", field="hook.secret")
    if pool.rules.push is not None and secrets.push_secret is None:
        raise InvalidRule("the pushes are signed: send a secret", field="push.secret")
