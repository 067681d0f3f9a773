"""Which proxy numbers a new session gets.

A number is taken only for the participant who holds it: two leases may share a number as long as
their phones differ. A participant's next lease therefore needs nothing but a number which that
participant does not hold yet, and any such number will do. So the pool a platform needs is the
largest number of leases (live or cooling) that any one participant has; fewer cannot be enough,
since those leases must differ pairwise in their number. `choose` fails only where a participant
holds every number of the pool, which is exactly that bound.

Cost: one step for every held number it meets, at most ``len(held) + 1``; how many sessions and
numbers there are makes no difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from masking.errors import PoolExhausted
from masking.model import ProxyNumber, Role


def choose(
    numbers: Sequence[ProxyNumber],
    held: AbstractSet[int],
    rotation: int,
    *,
    role: Role | None = None,
    pool: str | None = None,
) -> ProxyNumber:
    """The next number in rotation that the participant does not hold.

    `numbers` are the pool's active numbers in an order that stays; `held` the ids of those that the
    participant's phone holds, live or cooling (ids of other pools do no harm); `rotation` a counter
    that rises by one with every session of the pool. The circle gives each number the longest rest
    the pool allows. Raises PoolExhausted (naming `role` and `pool`).
    """
    size = len(numbers)
    for step in range(min(size, len(held) + 1)):
        number = numbers[(rotation + step) % size]
        if number.id not in held:
            return number
    raise PoolExhausted(pool, role)


def choose_pair(
    numbers: Sequence[ProxyNumber],
    held: tuple[AbstractSet[int] | None, AbstractSet[int] | None],
    rotation: int,
    *,
    roles: tuple[Role, Role] | None = None,
    pool: str | None = None,
) -> tuple[ProxyNumber | None, ProxyNumber | None]:
    """The numbers of both participants of a new session.

    One who has no phone (`held` is None) gets none. The sides are chosen independently from the
    same place of the circle: mostly both get the same number, and a session then uses up one turn
    of the rotation instead of two.
    """
    first, second = (
        None
        if ids is None
        else choose(numbers, ids, rotation, role=roles[side] if roles else None, pool=pool)
        for side, ids in enumerate(held)
    )
    return first, second
