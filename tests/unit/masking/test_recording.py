"""Whether a call is recorded: a table of what the pool says and who has consented."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking.load import TrunkLoads
from masking.model import Pool, ProxyNumber, Session
from masking.plan import Plan
from masking.recording import NotRecorded, Taping, taping
from masking.routing import decide
from masking.rules import PoolRules, RecordingMode, RecordingNotice, RecordingRules
from tests.unit.masking.given import NOW, POOL, a_session, an_offer, facts_for_buyer

NEVER, CONSENT, ALWAYS = RecordingMode
BOTH, BUYER_ALONE, SELLER_ALONE, NOBODY = (
    (True, True),
    (True, False),
    (False, True),
    (False, False),
)


def pool(mode: RecordingMode, name: str = "default") -> Pool:
    rules = PoolRules(recording=RecordingRules(mode, announcement=RecordingNotice.QUALITY))
    return replace(POOL, name=name, rules=rules)


def session(
    consents: tuple[bool, bool], *, of: str = "default", numbers: tuple[str, str] = ("", "")
) -> Session:
    """In pool `of`; `numbers`: the pools of the two proxy numbers, "" for the same."""
    made = a_session()
    buyer, seller = made.participants
    participants = (
        replace(buyer, recording_consent=consents[0]),
        replace(seller, recording_consent=consents[1]),
    )
    leases = tuple(
        replace(lease, number=moved(lease.number, other or of))
        for lease, other in zip(made.leases, numbers, strict=True)
    )
    return replace(made, pool=of, participants=participants, leases=leases)


def moved(number: ProxyNumber, to: str) -> ProxyNumber:
    return replace(number, pool=to)


@pytest.mark.parametrize("consents", [BOTH, BUYER_ALONE, SELLER_ALONE, NOBODY])
@pytest.mark.parametrize("mode", list(RecordingMode))
def test_never_means_never_always_always_and_consent_both(
    mode: RecordingMode, consents: tuple[bool, bool]
) -> None:
    found = taping(pool(mode), session(consents))
    if mode is NEVER:
        assert found is None
        return
    assert found is not None
    assert (found.asked, found.notice) == (mode, RecordingNotice.QUALITY)
    assert found.record is (mode is ALWAYS or consents == BOTH)
    assert found.why_not is (None if found.record else NotRecorded.NO_CONSENT)


@pytest.mark.parametrize(
    ("of", "numbers"),
    [
        pytest.param("other", ("default", "default"), id="the session is of another pool"),
        pytest.param("default", ("other", ""), id="the buyer's number"),
        pytest.param("default", ("", "other"), id="the seller's number"),
    ],
)
def test_always_speaks_for_one_pool_alone(of: str, numbers: tuple[str, str]) -> None:
    for consents in (BUYER_ALONE, SELLER_ALONE, NOBODY):
        found = taping(pool(ALWAYS), session(consents, of=of, numbers=numbers))
        assert found is not None
        assert found.why_not is NotRecorded.NO_CONSENT
    agreed = taping(pool(ALWAYS), session(BOTH, of=of, numbers=numbers))
    assert agreed is not None
    assert agreed.record


def test_a_session_of_apps_alone_has_no_numbers_that_could_be_of_another_pool() -> None:
    found = taping(pool(ALWAYS), replace(session(NOBODY), leases=()))
    assert found is not None
    assert found.record


def test_without_a_session_nobody_could_have_consented() -> None:
    assert taping(pool(NEVER), None) is None
    always, consent = taping(pool(ALWAYS), None), taping(pool(CONSENT), None)
    assert always == Taping(ALWAYS, RecordingNotice.QUALITY)
    assert consent == Taping(CONSENT, RecordingNotice.QUALITY, NotRecorded.NO_CONSENT)


@given(
    st.sampled_from(RecordingMode),
    st.tuples(st.booleans(), st.booleans()),
    st.sampled_from(["default", "other"]),
    st.tuples(*[st.sampled_from(["", "default", "other"])] * 2),
)
def test_whoever_has_not_consented_is_recorded_only_where_one_pool_says_always(
    mode: RecordingMode, consents: tuple[bool, bool], of: str, numbers: tuple[str, str]
) -> None:
    given_session = session(consents, of=of, numbers=numbers)
    found = taping(pool(mode), given_session)
    if found is not None and found.record and not all(consents):
        pools = {given_session.pool, *(one.number.pool for one in given_session.leases)}
        assert (found.asked, pools) == (ALWAYS, {"default"})


def test_the_plan_says_it_and_names_the_call() -> None:
    facts = replace(facts_for_buyer(session(BOTH)), pool=pool(CONSENT))
    plan = decide(an_offer(), facts, TrunkLoads(), NOW)
    assert isinstance(plan, Plan)
    assert plan.taping == Taping(CONSENT, RecordingNotice.QUALITY)
    assert plan.call_id == "cal_1"
    plain = decide(an_offer(), facts_for_buyer(session(BOTH)), TrunkLoads(), NOW)
    assert isinstance(plain, Plan)
    assert plain.taping is None
