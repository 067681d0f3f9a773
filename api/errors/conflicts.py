"""409: the request contradicts the present state."""

from __future__ import annotations

from api.errors.base import ApiError


class Conflict(ApiError):
    """Root of: the state of things forbids it."""

    status = 409
    error_id = "conflict"
    title = "The state of things forbids it"
    advice = "Read the present state and decide again."


class SessionClosed(Conflict):
    """A closed session cannot be extended."""

    error_id = "session_closed"
    title = "The session is closed"
    advice = "Create a new session: a closed one stays closed."


class SessionExpired(Conflict):
    """An expired session cannot be extended."""

    error_id = "session_expired"
    title = "The session has expired"
    advice = "Create a new session: the numbers of an expired one are cooling down."


class ListingNumberOver(Conflict):
    """What is over cannot be changed."""

    error_id = "listing_number_over"
    title = "The listing number has expired or was closed"
    advice = "Create a new one: its number may be shown by another listing by now."


class ConversationNamed(Conflict):
    """The conversation has its name already."""

    error_id = "conversation_named"
    title = "The conversation has a name, which stays"
    advice = "Only a conversation that is held (`conversation_held`) can be named, and once."


class BeyondHardExpiry(Conflict):
    """Nothing moves a session's end beyond its hard one."""

    error_id = "beyond_hard_expiry"
    title = "The session ends for good before that"
    advice = "Choose an end no later than `hard_expires_at`, or open a new session."


class NumberUnavailable(Conflict):
    """The number asked for is not given by the pool."""

    error_id = "number_unavailable"
    title = "The pool does not give that number"
    advice = "Ask for a number of the pool that is active or reserved, or for none."


class NumberHeld(Conflict):
    """The participant has the number asked for."""

    error_id = "number_held"
    title = "The participant holds that number already"
    advice = "Ask for another number or for none, or close the session that holds it."


class StickyUnavailable(Conflict):
    """The pool gives a pair its earlier numbers or none."""

    error_id = "sticky_unavailable"
    title = "The pair's earlier number is not free"
    advice = "Close the session that holds it, or set the pool's `numbers.sticky` to `prefer`."


class SessionLimit(Conflict):
    """The participant has as many live sessions as the pool allows one."""

    error_id = "session_limit"
    title = "A participant has as many live sessions as the pool allows"
    advice = "Close some of them, or raise the pool's `numbers.max_sessions`."


class TrunkExists(Conflict):
    """The name is taken."""

    error_id = "trunk_exists"
    title = "A trunk of this name exists"
    advice = "Choose another name, or change the trunk: PATCH /v1/trunks/{name}."


class TrunkInUse(Conflict):
    """Proxy numbers come through this trunk."""

    error_id = "trunk_in_use"
    title = "Proxy numbers come through this trunk"
    advice = "Delete its numbers first, or set `enabled` to false."


class NumberTaken(Conflict):
    """The number belongs to another pool or trunk."""

    error_id = "number_taken"
    title = "A number belongs to another pool or trunk"
    advice = "Delete it there first."


class ExtensionsInUse(Conflict):
    """Whoever was given a longer extension could not dial it any more."""

    error_id = "extensions_in_use"
    title = "Longer extensions are in use in the pool"
    advice = (
        "Leave `extension_length` as it is until the sessions and listings with longer ones have "
        "ended and cooled down, or make another pool with shorter ones for what is new."
    )


class NumberInUse(Conflict):
    """Leases hold the number."""

    error_id = "number_in_use"
    title = "The number is leased"
    advice = "Set its state to `draining` and delete it when its leases have run out."


class TooManyWebhooks(Conflict):
    """There may be no more."""

    error_id = "too_many_webhooks"
    title = "There are as many webhooks as there may be"
    advice = "Remove one that is not needed: DELETE /v1/webhooks/{id}."


class CallerNumberTaken(Conflict):
    """The phone means something else on the number."""

    error_id = "caller_number_taken"
    title = "That phone means something else on this number already"
    advice = "Let them call from another phone."


class NoNumberToCall(Conflict):
    """The participant has no proxy number."""

    error_id = "no_number_to_call"
    title = "The participant has no proxy number in the session"
    advice = "They are reachable in the app only: open a session with a phone of theirs."


class TooManyCallerNumbers(Conflict):
    """There may be no more at once."""

    error_id = "too_many_caller_numbers"
    title = "The participant has as many declared phones as there may be"
    advice = "Withdraw one first, or wait until one was used."


class CannotNow(Conflict):
    """The call cannot be begun or handed over at this moment; `reason` says why."""

    error_id = "cannot_now"
    title = "That call cannot be made now"
    advice = "See `reason`: it may pass, or another way may be open."


class CallElsewhere(Conflict):
    """The call is on a node that another process controls."""

    error_id = "call_elsewhere"
    title = "The call is on another node"
    advice = "Send the request to the process that runs the role `controller` on that node."

    def __init__(self, node: str) -> None:
        """`node`: its public name."""
        super().__init__(f"It is on {node}. {self.advice}", reason=node)


class NoNodeHere(Conflict):
    """This process controls no node."""

    error_id = "no_node_here"
    title = "This process controls no node"
    advice = "Send the request to a process that runs the roles `controller` and `api`."


class LastAdminKey(Conflict):
    """Without it nobody could administer."""

    error_id = "last_admin_key"
    title = "This is the last admin key"
    advice = "Create another admin key first."


class IdempotencyInFlight(Conflict):
    """The first request with this key is still at work."""

    error_id = "idempotency_in_flight"
    title = "A request with this Idempotency-Key is at work"
    advice = "Wait a second and send the same request again."

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


class VersionMoved(Conflict):
    """The record was corrected by somebody else meanwhile."""

    error_id = "version_moved"
    title = "The record has another version by now"
    advice = "Read the call again, and correct the version that you see."


class NothingToCorrect(Conflict):
    """The record says so already."""

    error_id = "nothing_to_correct"
    title = "The record says that already"
    advice = "Give at least one field that differs from the record."


class CorrectionRefused(Conflict):
    """What is known of the call speaks against it."""

    error_id = "correction_refused"
    title = "What is known of the call speaks against it"
    advice = "A call can be `answered` only if it was: `answered_at` says so."


class RotationUnderWay(Conflict):
    """One rotation after the other."""

    error_id = "rotation_under_way"
    title = "The vault's key is being rotated already"
    advice = "Wait until GET /v1/vault says that the rotation is done, or what it waits for."


class VaultFixed(Conflict):
    """The keys are from no file that this process may change."""

    error_id = "vault_fixed"
    title = "The vault's key file cannot be changed from here"
    advice = "Give the process write access to vault.key and its folder."


class SeveralPeople(Conflict):
    """A phone of several users says of none of them that it is to be erased."""

    error_id = "several_people"
    title = "Several users have this phone"
    advice = "Ask for each of the users by id; the dry run names them."
