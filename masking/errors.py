"""What the domain refuses to do, and what to do about it.

An error's docstring is its text, so it says what to do. No text, argument or `repr` of an error
ever holds a participant's phone: errors travel to logs and to other companies. HTTP and SIP codes
are given at the edges, by `error_id`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from masking.model import Role

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_DIGITS_OF_A_PHONE = 7  # E.164 numbers in use have at least so many


class MaskingError(Exception):
    """The request cannot be carried out."""

    error_id: ClassVar[str] = "masking_error"

    def __init__(self, text: str | None = None, *, field: str | None = None) -> None:
        """`text` replaces the docstring; `field` names the input at fault, as the API spells it."""
        super().__init__(text or _sentence(type(self)))
        self.field = field


class InvalidInput(MaskingError):
    """The input breaks a rule of the domain: correct it and send it again."""

    error_id = "invalid_input"


class InvalidPhone(InvalidInput):
    """Not a phone number: send a plus, the country code and the rest, 7 to 15 digits in all."""

    error_id = "invalid_phone"


class WrongParticipants(InvalidInput):
    """A session is between exactly two participants: send two."""

    error_id = "wrong_participants"


class SameRole(InvalidInput):
    """Both participants have the same role: give each its own."""

    error_id = "same_role"


class SameUser(InvalidInput):
    """Both participants are the same user: nobody needs masking from themselves."""

    error_id = "same_user"


class SamePhone(InvalidInput):
    """Both participants have the same phone: each needs one of their own."""

    error_id = "same_phone"


class PhoneMissing(InvalidInput):
    """A participant has no phone but the policy is gsm_only: send the phone or another policy."""

    error_id = "phone_missing"


class PhoneIsProxy(InvalidInput):
    """A participant's phone is a proxy number of ours, a circle for calls: send their own."""

    error_id = "phone_is_proxy"


class NoCommonParticipant(InvalidInput):
    """That session shares none or both of the participants: name one that shares exactly one."""

    error_id = "no_common_participant"


class TtlOutOfRange(InvalidInput):
    """A session lives 1 second to 365 days from now: choose an expiry within that."""

    error_id = "ttl_out_of_range"


class HardTtlOutOfRange(InvalidInput):
    """A hard expiry comes no sooner than the first and within 365 days: choose hard_ttl_s so."""

    error_id = "hard_ttl_out_of_range"


class CoolDownOutOfRange(InvalidInput):
    """A cool-down is 0 to 90 days: choose one within that."""

    error_id = "cool_down_out_of_range"


class InvalidRule(InvalidInput):
    """The rules of the pool cannot work together: correct the field that is named."""

    error_id = "invalid_rule"


class InvalidTrunk(InvalidInput):
    """The settings of the trunk cannot work together: correct the field that is named."""

    error_id = "invalid_trunk"


class InvalidQuietHours(InvalidInput):
    """The quiet hours overlap or are empty: give each time of the week once."""

    error_id = "invalid_quiet_hours"


class NotThere(MaskingError):
    """What the request names does not exist: check its id."""

    error_id = "not_found"


class UnknownSession(NotThere):
    """There is no session of that id: list the sessions of the conversation to find it."""

    error_id = "unknown_session"


class UnknownNumber(NotThere):
    """That number is none of our proxy numbers: add it with POST /v1/numbers first."""

    error_id = "unknown_number"


class UnknownPool(NotThere):
    """There is no pool of that name: add numbers to it first, which creates it."""

    error_id = "unknown_pool"

    def __init__(self, pool: str | None = None, *, field: str | None = "pool") -> None:
        super().__init__(
            _named("pool", pool, "add numbers to it first, which creates it"), field=field
        )


class UnknownTrunk(NotThere):
    """There is no trunk of that name: add it with POST /v1/trunks first."""

    error_id = "unknown_trunk"

    def __init__(self, trunk: str | None = None, *, field: str | None = "trunk") -> None:
        super().__init__(_named("trunk", trunk, "add it with POST /v1/trunks first"), field=field)


class UnknownListingNumber(NotThere):
    """There is no listing number of that id: list those of the listing to find it."""

    error_id = "unknown_listing_number"


class Conflict(MaskingError):
    """The request contradicts the present state: read it again, then decide."""

    error_id = "conflict"


class SessionClosed(Conflict):
    """The session was closed and stays so: open a new one."""

    error_id = "session_closed"


class SessionExpired(Conflict):
    """The session has expired and cannot be revived: open a new one."""

    error_id = "session_expired"


class BeyondHardExpiry(Conflict):
    """The session ends for good at hard_expires_at: choose an earlier end, or open a new one."""

    error_id = "beyond_hard_expiry"


class ListingNumberOver(Conflict):
    """The listing number has expired or was closed and stays so: create a new one."""

    error_id = "listing_number_over"


class ConversationNamed(Conflict):
    """The session's conversation has a name, which stays: only a held one can be named, once."""

    error_id = "conversation_named"


class TrunkExists(Conflict):
    """A trunk of that name exists: change it with PUT, or choose another name."""

    error_id = "trunk_exists"


class TrunkInUse(Conflict):
    """Proxy numbers still belong to the trunk: move them to another trunk first, then remove it."""

    error_id = "trunk_in_use"


class NumberTaken(Conflict):
    """The proxy number belongs to another pool or trunk already: remove it there first."""

    error_id = "number_taken"


class ExtensionsInUse(Conflict):
    """Longer extensions are in use in the pool: wait until they end, or make another pool."""

    error_id = "extensions_in_use"


class NumberUnavailable(Conflict):
    """The number asked for is not of this pool, or is draining: ask for another, or for none."""

    error_id = "number_unavailable"


class NumberHeld(Conflict):
    """The participant holds that number still, live or cooling: ask for another, or for none."""

    error_id = "number_held"

    def __init__(self, role: Role | None = None, *, field: str | None = None) -> None:
        super().__init__(
            f"{_whom(role)} holds that number still, live or cooling down: ask for another, or for "
            "none",
            field=field,
        )
        self.role = role


class StickyUnavailable(Conflict):
    """The pair's earlier number is not free: close what holds it, or let the pool prefer it."""

    error_id = "sticky_unavailable"

    def __init__(self, role: Role | None = None) -> None:
        super().__init__(
            f"the number that {_whom(role)} had with the same other side is not free: close the "
            "session that holds it, wait for its cool-down, or let the pool's rule be `prefer`"
        )
        self.role = role


class SessionLimit(Conflict):
    """The participant has as many live sessions as the pool allows one: close some first."""

    error_id = "session_limit"

    def __init__(self, role: Role | None = None) -> None:
        super().__init__(
            f"{_whom(role)} has as many live sessions as the pool allows one participant: close "
            "some, or raise its max_sessions"
        )
        self.role = role


class UnknownParticipant(NotThere):
    """No participant of the session has that user id: look at the session to find them."""

    error_id = "unknown_participant"


class NoNumberToCall(Conflict):
    """The participant has no proxy number in the session: they are reachable in the app only."""

    error_id = "no_number_to_call"


class CallerNumberTaken(Conflict):
    """That phone means something else on this number already: let them call from another phone."""

    error_id = "caller_number_taken"


class TooManyCallerNumbers(Conflict):
    """The participant has declared as many numbers as may be at once: withdraw one first."""

    error_id = "too_many_caller_numbers"


class PoolExhausted(MaskingError):
    """The participant holds every number of the pool: add numbers, or close old sessions."""

    error_id = "pool_exhausted"

    def __init__(self, pool: str | None = None, role: Role | None = None) -> None:
        super().__init__(
            _named("pool", pool, f"it has no number that {_whom(role)} does not hold", there=True)
            + "; add numbers to it, shorten its cool-down, or close sessions that are over",
        )
        self.pool = pool
        self.role = role


class NothingToShow(PoolExhausted):
    """Every number of the pool is shown by a listing: add numbers, or let listings share them."""

    error_id = "nothing_to_show"

    def __init__(self, pool: str | None = None) -> None:
        MaskingError.__init__(
            self,
            _named("pool", pool, "every number of it is shown by a listing", there=True)
            + "; add numbers to it, close listing numbers that are over, or let listings share"
            " numbers (`shared` in the pool's rules for listings)",
        )
        self.pool = pool
        self.role = None


def _sentence(error: type[MaskingError]) -> str:
    return error.__doc__ or error.error_id  # no docstrings under -OO


def _whom(role: Role | None) -> str:
    return f"the {role.value}" if role else "the participant"


def _named(kind: str, name: str | None, then: str, *, there: bool = False) -> str:
    """Name the thing only if what was sent as its name could not be somebody's phone."""
    shown = f"{kind} {name}" if name is not None and _presentable(name) else f"the {kind}"
    return f"{shown}: {then}" if there else f"{shown} does not exist: {then}"


def _presentable(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and sum(c.isdigit() for c in name) < _DIGITS_OF_A_PHONE
