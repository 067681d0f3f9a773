"""A pool whose rules cannot work together is refused, and the field at fault is named."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from masking.errors import CoolDownOutOfRange, InvalidRule
from masking.model import Phone, Pool
from masking.pool_checks import check, check_secrets
from masking.rules import (
    EndingRules,
    Exhausted,
    HookRules,
    ListingRules,
    NumberRules,
    PinRules,
    PoolRules,
    PoolSecrets,
    Stranger,
    StrangerRules,
)

US = timedelta(microseconds=1)
POOL = Pool("default", max_call_s=600)
RECYCLE = NumberRules(exhausted=Exhausted.RECYCLE_IDLE)


def with_rules(**rules: object) -> Pool:
    return replace(POOL, rules=replace(PoolRules(), **rules))  # type: ignore[arg-type]


def pins(**changes: int) -> StrangerRules:
    return StrangerRules(pin=replace(PinRules(), **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("days", [0, 7, 90])
def test_a_cool_down_of_0_to_90_days_is_allowed(days: int) -> None:
    check(replace(POOL, cool_down=timedelta(days=days)))


@pytest.mark.parametrize("cool_down", [-US, timedelta(days=90) + US])
def test_any_other_cool_down_is_refused(cool_down: timedelta) -> None:
    with pytest.raises(CoolDownOutOfRange) as refused:
        check(replace(POOL, cool_down=cool_down))
    assert refused.value.field == "cool_down_s"


@pytest.mark.parametrize(
    "pool",
    [
        POOL,
        with_rules(numbers=replace(RECYCLE, recycle_after=timedelta(seconds=600) + US)),
        with_rules(numbers=NumberRules(recycle_after=timedelta(0))),
        with_rules(numbers=NumberRules(areas=("+7495", "DE", "+1"), max_sessions=1)),
        with_rules(strangers=pins(length=4, attempts=1)),
        with_rules(strangers=pins(length=10, attempts=5)),
        with_rules(listings=ListingRules(extension_length=8)),
        with_rules(ending=EndingRules(warn_before_s=599)),
    ],
)
def test_rules_that_agree_are_taken(pool: Pool) -> None:
    check(pool)
    check_secrets(pool, PoolSecrets())


@pytest.mark.parametrize(
    ("pool", "field"),
    [
        (
            with_rules(numbers=replace(RECYCLE, recycle_after=timedelta(seconds=600))),
            "numbers.recycle_after_s",
        ),
        (with_rules(numbers=NumberRules(areas=("RU", "Moscow"))), "numbers.areas"),
        (with_rules(numbers=NumberRules(areas=("7495",))), "numbers.areas"),
        (with_rules(numbers=NumberRules(max_sessions=0)), "numbers.max_sessions"),
        (with_rules(numbers=NumberRules(extension_length=1)), "numbers.extension_length"),
        (with_rules(numbers=NumberRules(extension_length=7)), "numbers.extension_length"),
        (with_rules(strangers=pins(length=3)), "strangers.pin.length"),
        (with_rules(strangers=pins(length=11)), "strangers.pin.length"),
        (with_rules(strangers=pins(attempts=0)), "strangers.pin.attempts"),
        (with_rules(strangers=pins(attempts=6)), "strangers.pin.attempts"),
        (with_rules(listings=ListingRules(extension_length=2)), "listings.extension_length"),
        (with_rules(ending=EndingRules(warn_before_s=600)), "ending.warn_before_s"),
    ],
)
def test_rules_that_do_not_are_refused(pool: Pool, field: str) -> None:
    with pytest.raises(InvalidRule) as refused:
        check(pool)
    assert refused.value.field == field


@pytest.mark.parametrize(
    "strangers",
    [StrangerRules(unknown=Stranger.STATIC), StrangerRules(withheld=Stranger.STATIC)],
    ids=["unknown", "withheld"],
)
def test_a_static_destination_has_to_be_there(strangers: StrangerRules) -> None:
    pool = with_rules(strangers=strangers)

    with pytest.raises(InvalidRule) as refused:
        check_secrets(pool, PoolSecrets(hook_secret="whsec_x"))
    assert refused.value.field == "strangers.static"
    check_secrets(pool, PoolSecrets(static=Phone("+74957654321")))


def test_a_hook_has_a_secret() -> None:
    pool = with_rules(hook=HookRules("https://shop.example"))

    with pytest.raises(InvalidRule) as refused:
        check_secrets(pool, PoolSecrets(static=Phone("+74957654321")))
    assert refused.value.field == "hook.secret"
    check_secrets(pool, PoolSecrets(hook_secret="whsec_x"))
