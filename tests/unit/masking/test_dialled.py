"""A number that is dialled, whatever comes together there: who was promised is rung, or nobody."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from masking import lifecycle
from masking.known import Answer, Held, RoutingFacts, Told, Tries
from masking.listing import Link, LinkRefusal
from masking.load import TrunkLoads
from masking.model import Phone, Role
from masking.plan import Asked, Plan, Question
from masking.routing import decide
from masking.rules import EndingRules, Late, Stranger
from tests.unit.masking.dialled import (
    DESK,
    HOOK,
    OLGA,
    STRANGER,
    WEEK,
    R,
    a_link,
    a_listing,
    dialled_by,
    facts,
    pool,
    refused,
    rings,
    ruled,
    typed,
    with_extension,
)
from tests.unit.masking.given import ANNA, NOW, ONE, PETR, TWO, a_session, an_offer, held


def test_a_warning_before_the_limit_is_the_pools() -> None:
    warned = pool(ending=EndingRules(warn_before_s=20))

    plan = ruled(facts(held(a_session()), pool=warned), an_offer()).decision

    assert isinstance(plan, Plan)
    assert plan.warn_before_s == 20


class TestWhatIsNotTheCallers:
    """Whatever the store says, a lease means nothing to who does not hold it."""

    def test_a_lease_of_somebody_else(self) -> None:
        known = facts(held(a_session()))

        assert refused(known, an_offer(caller=STRANGER)).reason is R.UNKNOWN_CALLER

    def test_a_lease_on_another_number(self) -> None:
        mine = held(a_session())
        elsewhere = replace(mine, lease=replace(mine.lease, number=TWO))

        assert refused(facts(elsewhere), an_offer()).reason is R.UNKNOWN_CALLER

    def test_a_lease_that_was_looked_up_for_another_phone(self) -> None:
        mine = replace(held(a_session()), phone=OLGA)

        assert refused(facts(mine), an_offer()).reason is R.UNKNOWN_CALLER

    def test_a_lease_of_another_session(self) -> None:
        mine = held(a_session())
        torn = replace(mine, lease=replace(mine.lease, session_id="ses_9"))

        assert refused(facts(torn), an_offer()).reason is R.UNKNOWN_CALLER

    def test_who_hides_the_number_is_not_one_who_has_none(self) -> None:
        """A participant without a phone calls from the app; nobody else is taken for them."""
        session = a_session()
        buyer, seller = session.participants
        phoneless = replace(session, participants=(replace(buyer, phone=None), seller))

        for one in (held(phoneless), replace(held(phoneless), slot=1)):
            assert refused(facts(one), an_offer(caller=None)).reason is R.WITHHELD_CALLER

    def test_the_end_of_a_conversation_that_was_another_callers(self) -> None:
        closed = lifecycle.close(a_session(), cool_down=WEEK, now=NOW - 2 * WEEK)

        own = refused(facts(over=held(closed)), an_offer())
        other = refused(facts(over=held(closed)), an_offer(caller=STRANGER))

        assert (own.reason, other.reason) == (R.SESSION_CLOSED, R.UNKNOWN_CALLER)


def test_what_was_typed_leads_where_it_says_though_the_caller_has_a_lease() -> None:
    """Who was asked for a PIN and typed one means its conversation, not another of theirs."""
    theirs = replace(with_extension("", STRANGER), phone=None)
    theirs = replace(theirs, lease=replace(theirs.lease, extension="", pin="123456"))
    known = facts(held(a_session()), pool=pool(unknown=Stranger.PIN), by_pin=theirs)

    assert rings(known, typed("123456", Question.PIN, caller=ANNA)) == {STRANGER}
    assert rings(known, an_offer()) == {PETR}


def test_what_the_platform_answered_goes_before_a_lease() -> None:
    connect = Told(Answer.CONNECT, replace(with_extension("", STRANGER), phone=None))
    known = facts(held(a_session()), pool=pool(hook=HOOK), told=connect)

    assert rings(known, an_offer()) == {STRANGER}


def test_a_number_whose_pool_is_gone_has_the_rules_of_a_new_one() -> None:
    known = facts(pool=None)

    assert refused(known, an_offer(caller=STRANGER)).reason is R.UNKNOWN_CALLER
    assert refused(known, an_offer(caller=None)).reason is R.WITHHELD_CALLER


_phones = st.sampled_from((ANNA, PETR, OLGA, STRANGER))
_digits = st.none() | st.text("0123456789", max_size=8) | st.sampled_from(("1", "2", "345"))
_questions = st.none() | st.builds(
    Asked,
    st.sampled_from(Question),
    st.integers(1, 9),
    st.sampled_from(("", "345")),
    st.sampled_from(("ses_1", "ses_2")),
    st.sampled_from(("lst_1", "lst_2")),
)
_sessions = st.sampled_from(
    (a_session(), lifecycle.close(a_session(), cool_down=WEEK, now=NOW), a_link(a_listing())[0])
)
_held = st.builds(
    lambda session, phone, slot, extension, pin, role, blocked: replace(
        held(session, role),
        phone=phone,
        slot=slot,
        blocked=blocked,
        lease=replace(held(session, role).lease, extension=extension, pin=pin, number=ONE),
    ),
    _sessions,
    _phones | st.none(),
    st.integers(0, 2),
    st.sampled_from(("", "345")),
    st.sampled_from((None, "123456")),
    st.sampled_from((Role.BUYER, Role.SELLER)),
    st.booleans(),
)
_pools = st.builds(
    pool,
    unknown=st.sampled_from(Stranger),
    withheld=st.sampled_from(Stranger),
    late=st.sampled_from(Late),
    hook=st.none() | st.just(HOOK) | st.just(replace(HOOK, fail_open=True)),
)
_facts = st.builds(
    facts,
    _held,
    _held,
    number=st.sampled_from((ONE, TWO, None)),
    pool=_pools,
    over=st.none() | _held,
    shown=st.none() | st.builds(a_listing, _phones, st.sampled_from(("", "345"))),
    shares=st.booleans(),
    by_pin=st.none() | _held,
    tries=st.builds(Tries, st.integers(0, 40), st.just(NOW), st.sampled_from((None, NOW + WEEK))),
    static=st.none() | st.just(DESK),
    told=st.none() | st.builds(Told, st.sampled_from(Answer), st.none() | _held),
    link=st.none()
    | st.sampled_from(LinkRefusal)
    | st.just(a_link(a_listing())[1])
    | st.just(a_link(a_listing(), callee=DESK)[1]),
)


@given(known=_facts, caller=_phones | st.none(), asked=_questions, digits=_digits)
def test_nobody_is_rung_but_the_one_that_was_promised(
    known: RoutingFacts, caller: Phone | None, asked: Asked | None, digits: str | None
) -> None:
    offer = replace(an_offer(caller=caller), asked=asked, digits=digits)

    decision = decide(offer, known, TrunkLoads(), NOW)

    if not isinstance(decision, Plan):
        return
    (callee,) = dialled_by(decision)
    assert callee != caller, "nobody rings themselves"
    promised = {known.static} if _static(known, caller) else set()
    for one in known.held:
        if _mine(one, caller) and one.live(NOW) and not one.blocked:
            promised.add(one.session.other(one.lease.role).phone)
    pin = known.by_pin
    by_pin = asked is not None and asked.question is Question.PIN and bool(digits)
    if by_pin and pin is not None and pin.lease.pin == digits and pin.live(NOW) and not pin.blocked:
        promised.add(pin.session.other(pin.lease.role).phone)
    told = known.told
    if told is not None and told.answer is Answer.CONNECT and told.reached is not None:
        promised.add(told.reached.session.other(told.reached.lease.role).phone)
    if isinstance(known.link, Link) and known.shown is not None:
        promised.add(known.link.session.participants[1].phone)
    assert callee in promised


def _mine(one: Held, caller: Phone | None) -> bool:
    whose = one.session.participant(one.lease.role).phone if one.slot == 0 else one.phone
    return caller is not None and whose == caller


def _static(known: RoutingFacts, caller: Phone | None) -> bool:
    assert known.pool is not None
    strangers = known.pool.rules.strangers
    return (strangers.withheld if caller is None else strangers.unknown) is Stranger.STATIC
