"""When a session ends: after a call, at its hard end, by another time to live."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from masking import lifecycle
from masking.errors import BeyondHardExpiry, HardTtlOutOfRange
from masking.model import Session, SessionState, TtlFrom
from tests.unit.masking.given import DRAFT, NOW, a_session

DAY = timedelta(days=1)
WEEK = timedelta(days=7)
MS = timedelta(milliseconds=1)


class TestACallThatEnds:
    """It may begin the time to live anew; it never shortens it, nor goes beyond the hard end."""

    FROM_CALLS = replace(DRAFT, ttl_from=TtlFrom.LAST_CALL)

    def test_is_noted_and_begins_the_time_to_live_anew(self) -> None:
        at = NOW + timedelta(hours=5)
        before = a_session(self.FROM_CALLS)

        after = lifecycle.call_ended(before, at, answered=True, cool_down=WEEK)

        assert after == replace(
            before,
            last_call_at=at,
            expires_at=at + DAY,
            leases=tuple(
                replace(lease, expires_at=at + DAY, reserved_until=at + DAY + WEEK)
                for lease in before.leases
            ),
        )

    @pytest.mark.parametrize(
        ("session", "answered"),
        [
            (a_session(replace(DRAFT, ttl_from=TtlFrom.LAST_CALL)), False),
            (a_session(), True),  # its time counts from its creation
            (
                lifecycle.close(
                    a_session(replace(DRAFT, ttl_from=TtlFrom.LAST_CALL)), cool_down=WEEK, now=NOW
                ),
                True,
            ),
        ],
        ids=["unanswered", "from creation", "closed"],
    )
    def test_is_only_noted(self, session: Session, answered: bool) -> None:
        at = NOW + timedelta(hours=5)

        after = lifecycle.call_ended(session, at, answered=answered, cool_down=WEEK)

        assert after == replace(session, last_call_at=at)

    def test_of_two_the_later_counts_whichever_is_noted_first(self) -> None:
        early, late = NOW + timedelta(hours=1), NOW + timedelta(hours=2)
        session = a_session(self.FROM_CALLS)
        for at in (late, early):
            session = lifecycle.call_ended(session, at, answered=True, cool_down=WEEK)

        assert (session.last_call_at, session.expires_at) == (late, late + DAY)

    @pytest.mark.parametrize(("hours", "lives"), [(5, 29), (6, 30), (7, 30), (29, 30)])
    def test_moves_no_end_beyond_the_hard_one(self, hours: int, lives: int) -> None:
        session = a_session(replace(self.FROM_CALLS, hard_ttl=timedelta(hours=30)))
        at = NOW + timedelta(hours=hours)

        after = lifecycle.call_ended(session, at, answered=True, cool_down=WEEK)

        assert after.expires_at == NOW + timedelta(hours=lives)
        assert {lease.expires_at for lease in after.leases} == {after.expires_at}

    def test_revives_a_session_that_expired_while_it_was_up(self) -> None:
        at = NOW + DAY + timedelta(minutes=10)

        after = lifecycle.call_ended(a_session(self.FROM_CALLS), at, answered=True, cool_down=WEEK)

        assert after.state(at) is SessionState.OPEN


class TestAHardEnd:
    def test_counts_from_the_creation(self) -> None:
        session = a_session(replace(DRAFT, hard_ttl=timedelta(days=3)))

        assert session.hard_expires_at == NOW + timedelta(days=3)
        assert a_session().hard_expires_at is None

    @pytest.mark.parametrize("hard", [DAY - MS, lifecycle.MAX_TTL + MS])
    def test_outside_its_bounds_is_refused(self, hard: timedelta) -> None:
        with pytest.raises(HardTtlOutOfRange) as refused:
            lifecycle.check(replace(DRAFT, hard_ttl=hard))
        assert refused.value.field == "hard_ttl_s"

    @pytest.mark.parametrize("hard", [DAY, lifecycle.MAX_TTL])
    def test_at_its_bounds_is_fine(self, hard: timedelta) -> None:
        assert lifecycle.check(replace(DRAFT, hard_ttl=hard)) == DRAFT.participants

    def test_may_be_reached_by_an_extension_but_not_passed(self) -> None:
        session = a_session(replace(DRAFT, hard_ttl=timedelta(days=3)))
        hard = NOW + timedelta(days=3)

        assert lifecycle.extend(session, hard, cool_down=WEEK, now=NOW).expires_at == hard
        with pytest.raises(BeyondHardExpiry):
            lifecycle.extend(session, hard + MS, cool_down=WEEK, now=NOW)


class TestAnotherTimeToLive:
    def test_leaves_the_end_as_it_is(self) -> None:
        session = a_session()

        after = lifecycle.extend(
            session, None, cool_down=WEEK, now=NOW, ttl=2 * DAY, ttl_from=TtlFrom.LAST_CALL
        )

        assert after == replace(session, ttl=2 * DAY, ttl_from=TtlFrom.LAST_CALL)

    def test_that_is_not_said_stays(self) -> None:
        session = a_session(replace(DRAFT, ttl_from=TtlFrom.LAST_CALL))

        assert lifecycle.extend(session, None, cool_down=WEEK, now=NOW) == session
