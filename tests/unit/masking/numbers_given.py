"""Numbers of ours, a side that wants one, and what it is given."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from masking.allocation import Place, Side, choose
from masking.digits import SECRET_BYTES, Digits
from masking.model import NumberState, Phone, ProxyNumber, Role
from masking.rules import Exhausted, NumberRules, Sticky
from masking.stock import Stock

ANNA, PETR = Phone("+79161234567"), Phone("+79267654321")
RULES = NumberRules()
SHARING = NumberRules(exhausted=Exhausted.EXTENSION, extension_length=2)


def a_pool(
    size: int, area: str = "495", state: NumberState = NumberState.ACTIVE
) -> list[ProxyNumber]:
    """Numbers whose ids are unlike their places."""
    first = 100 + 1000 * int(area)
    return [
        ProxyNumber(first + 3 * n, Phone(f"+7{area}{n:07}"), "east", "carrier-a", state)
        for n in range(size)
    ]


def stock_of(*numbers: ProxyNumber) -> Stock:
    return Stock("east", numbers)


def a_side(*held: int, **more: object) -> Side:
    """A seller who holds these numbers, each plain."""
    side = Side(Role.SELLER, PETR, ANNA, {number: {"": True} for number in held})
    return replace(side, **more)  # type: ignore[arg-type]


def digits(seed: int = 1) -> Digits:
    return Digits(seed.to_bytes(SECRET_BYTES, "big"))


def given_to(
    stock: Stock, side: Side, rules: NumberRules = RULES, rotation: int = 0, seed: int = 1
) -> Place:
    return choose(stock, side, rules, rotation, digits(seed))


def why(place: Place) -> dict[str, str]:
    return dict(place.why)


sizes = st.integers(1, 40)
rotations = st.integers(0, 2**63)
stickies = st.sampled_from(Sticky)
