"""What a dialled number means for the one who dials it, and what is asked where it means nothing.

A number means different things to different callers, and to one caller several: a conversation of
theirs, another one after an extension, a listing that shows it. Where more than one meaning is
possible the caller is asked and never guessed for: the person reached is the one that was promised.
Pure, and total over whatever digits were typed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from masking import listing
from masking.known import (
    LINK_REFUSALS,
    Answer,
    AskPlatform,
    CountWrong,
    Deed,
    Enrol,
    ForgetWrong,
    Held,
    OpenLink,
    RoutingFacts,
    UseUp,
    Why,
)
from masking.listing import Link, ListingNumber
from masking.meanings import Ask, Dialled, Divert, Meaning, Reach, Tell
from masking.model import LeaseState, Pool, SessionState
from masking.plan import Asked, Heard, Question, RefusalReason, Went
from masking.rules import Late, PinRules, Stranger

MOST_DIGITS = 12
QUESTIONS = 3  # times that an extension or a choice is asked for in one call
WITHHELD_PATIENCE = 10
"""So many times as many wrong PINs before all withheld callers of a trunk are locked out."""


def meaning(dialled: Dialled, facts: RoutingFacts, now: datetime) -> Meaning:
    """What `dialled` means by what is known. Facts that do not belong to it mean nothing."""
    pool = facts.pool or Pool(dialled.number.pool)
    return _Sense(dialled, _own(dialled, facts), pool, now).find()


def plain(dialled: Dialled, facts: RoutingFacts, now: datetime) -> Held | None:
    """The lease, where the number means that one and nothing else: nearly every call."""
    if dialled.asked is not None or facts.shown is not None or facts.shares:
        return None
    if len(facts.held) != 1 or facts.told is not None:
        return None
    (held,) = facts.held
    if held.lease.extension or held.once or not held.live(now):
        return None
    return held if _is_of(held, dialled) else None


def _own(dialled: Dialled, facts: RoutingFacts) -> RoutingFacts:
    """The facts without those that are not of this very caller on this very number."""
    over = facts.over
    return replace(
        facts,
        held=tuple(held for held in facts.held if _is_of(held, dialled)),
        over=over if over is not None and _is_of(over, dialled) else None,
    )


def _is_of(held: Held, dialled: Dialled) -> bool:
    holder = held.holder
    if holder is None or dialled.caller is None or held.lease.number.id != dialled.number.id:
        return False
    # Of an enrolled phone only the look-up knows whose it is; one's own stands in the session.
    known_by = holder.phone if held.slot == 0 else held.phone
    return dialled.caller == known_by and held.phone in (None, dialled.caller)


@dataclass(frozen=True, slots=True)
class _Sense:
    """One offer with all that it is judged by."""

    dialled: Dialled
    facts: RoutingFacts
    pool: Pool
    now: datetime

    def find(self) -> Meaning:
        """The meaning."""
        told = self.facts.told
        if told is not None and told.answer is Answer.CONNECT:
            return self._connected(told.reached)
        asked = self.dialled.asked
        if asked is None:
            return self._first()
        match asked.question:
            case Question.PIN:
                return self._by_pin(asked)
            case Question.EXTENSION:
                return self._by_extension(asked)
            case Question.WHICH | Question.LISTING:
                return self._by_choice(asked)
            case never:
                assert_never(never)

    # -- nothing typed yet -----------------------------------------------------------------------

    def _first(self) -> Meaning:
        if self.dialled.caller is None:
            return self._withheld()
        held = [one for one in self.facts.held if one.active(self.now)]
        live = [one for one in held if one.live(self.now)]
        if self.facts.shares or (live and any(one.lease.extension for one in held)):
            return self._ask(Asked(Question.EXTENSION))
        if not live and held and self._shown("") is None:
            # Late for several conversations: nobody can tell for which.
            return self._late(held[0]) if len(held) == 1 else Tell(RefusalReason.COOLING)
        return self._at("")

    def _at(self, extension: str, heard: Heard | None = None) -> Meaning:
        """The place's meaning for this caller; of what is not theirs, what strangers get."""
        mine, shown = self._meanings(extension)
        if mine is not None and shown is not None:
            return self._ask(self._choice(extension, mine, shown), heard)
        if shown is not None:
            return self._to_listing(shown, extension, heard)
        if mine is not None:
            return self._to(mine, heard) if mine.live(self.now) else self._late(mine, heard)
        return self._unknown()

    def _meanings(self, extension: str) -> tuple[Held | None, ListingNumber | None]:
        """The caller's lease on the place, and the listing that it shows, if that is another."""
        here = (one for one in self.facts.held if one.lease.extension == extension)
        mine = next((one for one in here if one.active(self.now)), None)
        shown = self._shown(extension)
        if mine is not None and shown is not None and mine.live(self.now):
            return mine, None if _leads_to(mine, shown) else shown
        return mine, shown

    def _shown(self, extension: str) -> ListingNumber | None:
        found, rest = self.facts.shown, self.pool.rules.listings.rest
        if found is None or found.shown is None or not listing.reached(found, rest, self.now):
            return None
        place = (found.shown.number.id, found.shown.extension)
        if place != (self.dialled.number.id, extension):
            return None
        own = found.callee.phone is not None and found.callee.phone == self.dialled.caller
        return None if own else found

    def _choice(self, extension: str, mine: Held, shown: ListingNumber) -> Asked:
        question = Question.WHICH if mine.live(self.now) else Question.LISTING
        return Asked(question, 1, extension, mine.session.id, shown.id)

    # -- strangers -------------------------------------------------------------------------------

    def _unknown(self) -> Meaning:
        if (enquiry := self._enquiry(AskPlatform(Why.UNKNOWN_CALLER))) is not None:
            return enquiry
        rule = self.pool.rules.strangers.unknown
        # A phone that was enrolled for a session is a stranger's again when that is over.
        gone = [one for one in self.facts.held if one.slot == 0 and not one.active(self.now)]
        last = max(gone, key=lambda one: one.lease.reserved_until, default=None)
        over = last or self.facts.over
        if over is not None and rule is Stranger.ANNOUNCE:
            return Tell(_end_of(over, self.now), over)
        return self._stranger(rule, RefusalReason.UNKNOWN_CALLER)

    def _withheld(self) -> Meaning:
        if (enquiry := self._enquiry(AskPlatform(Why.WITHHELD_CALLER))) is not None:
            return enquiry
        rule = self.pool.rules.strangers.withheld
        return self._stranger(rule, RefusalReason.WITHHELD_CALLER)

    def _stranger(self, rule: Stranger, reason: RefusalReason) -> Meaning:
        match rule:
            case Stranger.ANNOUNCE:
                return Tell(reason)
            case Stranger.PIN:
                if self._locked():
                    return Tell(RefusalReason.PIN_LOCKED)
                return self._ask(Asked(Question.PIN))
            case Stranger.STATIC:
                static = self.facts.static
                return Tell(reason) if static is None else Divert(static)
            case never:
                assert_never(never)

    def _late(self, mine: Held, heard: Heard | None = None) -> Meaning:
        told = self.facts.told
        ask = self.pool.rules.hook is not None and self.pool.rules.strangers.late is Late.ASK
        if ask and told is None:
            return AskPlatform(Why.COOLING, held=mine)
        # Unless it named another session: nobody is rung for what is over, and the caller is told.
        return Tell(_end_of(mine, self.now), mine, heard)

    def _enquiry(self, wanted: AskPlatform) -> Meaning | None:
        """What the platform is asked, or refuses by saying nothing; None: on with the rules."""
        hook, told = self.pool.rules.hook, self.facts.told
        if hook is None:
            return None
        if told is None:
            return wanted
        if told.answer is Answer.REFUSE:
            return Tell(RefusalReason.PLATFORM_REFUSED)
        if told.answer is Answer.SILENT and not hook.fail_open:
            return Tell(RefusalReason.PLATFORM_SILENT)
        return None

    def _connected(self, reached: Held | None) -> Meaning:
        if reached is None or reached.holder is None or not reached.open(self.now):
            return Tell(RefusalReason.PLATFORM_SILENT)
        if self._is_caller(reached):
            return Tell(RefusalReason.PLATFORM_SILENT)
        return Reach(reached)

    # -- listings --------------------------------------------------------------------------------

    def _to_listing(self, shown: ListingNumber, extension: str, heard: Heard | None) -> Meaning:
        if self.dialled.caller is None:  # cannot be called back
            return Tell(RefusalReason.WITHHELD_CALLER, heard=heard)
        link, told = self.facts.link, self.facts.told
        if isinstance(link, Link):
            held = Held(link.lease, link.session, self.dialled.caller)
            holder = held.holder
            own = holder is not None and holder.phone == self.dialled.caller
            if own and held.live(self.now) and _leads_to(held, shown):
                return Reach(held, heard)
            return Tell(RefusalReason.UNKNOWN_CALLER, heard=heard)
        if link is not None:
            return Tell(LINK_REFUSALS[link], heard=heard)
        wanted = AskPlatform(Why.LISTING_CALLER, listing=shown)
        if (enquiry := self._enquiry(wanted)) is not None:
            return enquiry
        return OpenLink(shown, extension, None if told is None else told.conversation_id)

    # -- digits ----------------------------------------------------------------------------------

    def _by_pin(self, asked: Asked) -> Meaning:
        strangers, pin = self.pool.rules.strangers, self.pool.rules.strangers.pin
        withheld = self.dialled.caller is None
        rule = strangers.withheld if withheld else strangers.unknown
        if rule is not Stranger.PIN:  # changed meanwhile
            return self._first()
        digits = self.dialled.digits or ""
        if self._locked():
            return Tell(RefusalReason.PIN_LOCKED, heard=_heard(asked, digits))
        if not digits:
            return self._again(asked, RefusalReason.WRONG_PIN, pin.attempts)
        match = self._match(digits)
        if match is None:
            return self._wrong_pin(asked, pin)
        heard = Heard(asked.question, asked.attempt, Went.OK)
        forget: tuple[Deed, ...] = () if withheld else (ForgetWrong(),)
        if not match.live(self.now):
            return Tell(_end_of(match, self.now), match, heard, forget)
        enrol = pin.enrol and not withheld
        lease = match.lease
        learn: tuple[Deed, ...] = (Enrol(lease.session_id, lease.role),) if enrol else ()
        return Reach(match, heard, learn, forget)

    def _match(self, digits: str) -> Held | None:
        """Whose PIN it is. One's own call to oneself is no match."""
        match = self.facts.by_pin
        if match is None or match.holder is None:
            return None
        if (match.lease.pin, match.lease.number.id) != (digits, self.dialled.number.id):
            return None
        return None if not match.active(self.now) or self._is_caller(match) else match

    def _is_caller(self, held: Held) -> bool:
        """Whether the one who would be rung is the caller."""
        caller = self.dialled.caller
        return caller is not None and held.session.other(held.lease.role).phone == caller

    def _wrong_pin(self, asked: Asked, pin: PinRules) -> Meaning:
        tries, limit = self.facts.tries, pin.attempts
        if self.dialled.caller is None:
            limit *= WITHHELD_PATIENCE
        # A row of wrong ones that ended as long ago as a lock-out takes has served its time.
        stale = tries.at is None or tries.at + pin.lock_out <= self.now
        failed = 1 if stale else tries.failed + 1
        if failed >= limit:
            deed = CountWrong(failed, self.now + pin.lock_out)
            return Tell(RefusalReason.PIN_LOCKED, heard=_heard(asked, "?"), deeds=(deed,))
        again = self._again(asked, RefusalReason.WRONG_PIN, pin.attempts, typed=True)
        return replace(again, deeds=(CountWrong(failed, None),))

    def _locked(self) -> bool:
        until = self.facts.tries.locked_until
        return until is not None and self.now < until

    def _by_extension(self, asked: Asked) -> Meaning:
        digits = self.dialled.digits or ""
        heard = Heard(asked.question, asked.attempt, Went.OK)
        mine, shown = self._meanings(digits)
        if digits and (mine is not None or shown is not None):
            return self._at(digits, heard)
        if not digits and mine is not None and shown is None and mine.live(self.now):
            # The number alone was promised to lead there, and leads nowhere else.
            return self._to(mine, _heard(asked, digits))
        return self._again(asked, RefusalReason.WRONG_EXTENSION, QUESTIONS, typed=bool(digits))

    def _by_choice(self, asked: Asked) -> Meaning:
        mine, _ = self._meanings(asked.extension)
        heard = Heard(asked.question, asked.attempt, Went.OK)
        to_listing, to_mine = ("1", None) if asked.question is Question.LISTING else ("2", "1")
        digits = self.dialled.digits or ""
        if digits == to_listing:
            # Also where the lease that gave way to it, by this answer, is the caller's by now.
            wanted = self._shown(asked.extension)
            if wanted is not None and wanted.id == asked.listing_number_id:
                return self._to_listing(wanted, asked.extension, heard)
        elif digits == to_mine:
            if mine is not None and mine.session.id == asked.session_id:
                live = mine.live(self.now)
                return self._to(mine, heard) if live else self._late(mine, heard)
        else:
            typed = bool(digits)
            return self._again(asked, RefusalReason.NOTHING_CHOSEN, QUESTIONS, typed=typed)
        # What was offered is there no more: nobody else takes its place.
        return Tell(RefusalReason.NOTHING_CHOSEN, heard=_heard(asked, digits))

    def _to(self, held: Held, heard: Heard | None) -> Reach:
        lease = held.lease
        use: tuple[Deed, ...] = ()
        if held.once:
            use = (UseUp(lease.session_id, lease.role, held.slot),)
        return Reach(held, heard, with_plan=use)

    # -- questions -------------------------------------------------------------------------------

    def _again(
        self, asked: Asked, reason: RefusalReason, attempts: int, *, typed: bool = False
    ) -> Ask | Tell:
        """The same question once more, or the end of asking."""
        heard = _heard(asked, "?" if typed else "")
        if asked.attempt >= attempts:
            return Tell(reason, heard=heard)
        return self._ask(replace(asked, attempt=asked.attempt + 1), heard)

    def _ask(self, asked: Asked, heard: Heard | None = None) -> Ask:
        rules = self.pool.rules
        match asked.question:
            case Question.PIN:
                pin = rules.strangers.pin
                longest = max(pin.length, self.facts.longest_pin)
                return Ask(asked, pin.length, longest, pin.attempts, heard)
            case Question.EXTENSION:
                lengths = [len(one.lease.extension) for one in self.facts.held]
                if self.facts.shares:
                    lengths.append(rules.listings.extension_length)
                known = [length for length in lengths if length]
                most = max(known, default=MOST_DIGITS)
                return Ask(asked, min(known, default=1), most, QUESTIONS, heard)
            case Question.WHICH | Question.LISTING:
                return Ask(asked, 1, 1, QUESTIONS, heard)
            case never:
                assert_never(never)


def _leads_to(held: Held, shown: ListingNumber) -> bool:
    """Whether the lease is already what a new caller of the listing would get."""
    if held.session.listing_number_id == shown.id:
        return True
    return listing.same_conversation(shown, held.session, held.lease.role)


def _heard(asked: Asked, digits: str) -> Heard:
    """How a question went that brought nobody."""
    return Heard(asked.question, asked.attempt, Went.WRONG if digits else Went.NONE)


def _end_of(held: Held, now: datetime) -> RefusalReason:
    """How what carries no calls ended: `cooling` while its place is reserved."""
    if held.lease.state(now) is LeaseState.COOLING:
        return RefusalReason.COOLING
    if held.session.state(now) is SessionState.CLOSED:
        return RefusalReason.SESSION_CLOSED
    return RefusalReason.SESSION_EXPIRED
