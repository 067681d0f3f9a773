"""What each side heard stands on a call's page: as lines, and in words with times."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from cdr.model import Leg, Quality, Stream
from masking.outcome import EndedBy, Outcome
from masking.quality_course import Course, Way
from masking.staff import StaffRole
from storage.columns import to_ms
from tests.contract.api.house import House
from tests.contract.api.recorded import keep, record
from tests.support.console import Desk, Shown

Seat = Callable[[StaffRole], Awaitable[Desk]]
WELL, BAD = 34, 12
LOSSY = Stream(packets=3000, lost=120, jitter_ms=1.0, mes=60.0, mos=3.1)
CLEAR = Stream(packets=3000, lost=0, jitter_ms=1.0, mes=88.0, mos=4.3)


async def shown(
    house: House,
    *,
    buyer_from: tuple[int | None, ...] = (),
    buyer_to: tuple[int | None, ...] = (),
    seller_from: tuple[int | None, ...] = (),
    seller_to: tuple[int | None, ...] = (),
    received: Stream = LOSSY,
    language: str = "en",
) -> Shown:
    """The page of a call whose courses begin 7 s after it was offered, with points of 5 s."""
    await house.furnish()
    session_id = (await house.open_session())["id"]
    call = record(1, session_id, Outcome.ANSWERED)
    began = to_ms(call.offered_at) + 7000

    def of(side: EndedBy, **ways: tuple[int | None, ...]) -> Quality:
        courses = tuple(
            Course(began, 5000, points, Way(way.strip("_")))
            for way, points in ways.items()
            if points
        )
        return Quality(side, 2.2, 4.0, 20_000, 0, courses)

    call = replace(
        call,
        quality=(
            of(EndedBy.CALLER, from_=buyer_from, to=buyer_to),
            of(EndedBy.CALLEE, from_=seller_from, to=seller_to),
        ),
        legs=(
            Leg(EndedBy.CALLER, "carrier-a", "alaw", 12.5, received, CLEAR),
            Leg(EndedBy.CALLEE, "carrier-a", "alaw", 12.5, CLEAR, received),
        ),
    )
    await keep(house, call)
    agent = await Desk.of(house, StaffRole.AGENT, language=language)
    page = await agent.get(f"/console/calls/{call.call_id}")
    assert page.status == 200, page.words
    return page


FALL = (WELL, *[BAD] * 4, WELL, WELL)


async def test_gaps_are_told_once_with_their_time_and_the_way_they_came(lite: House) -> None:
    """The seller reports them as well: they are the buyer's line all the same."""
    page = await shown(
        lite,
        buyer_from=FALL,
        buyer_to=(WELL,) * 7,
        seller_from=(WELL,) * 7,
        seller_to=(WELL, WELL, *[BAD] * 4, WELL),
    )
    sentence = (
        "The seller heard gaps from about 0:12 to 0:32: "
        "sound was lost on the way from the other side to us."
    )
    assert page.words.count(sentence) == 1
    assert page.words.count("heard gaps") == 1
    assert "The buyer heard the other side well all the time." in page.words
    assert "The seller heard (MOS over the call)" in page.words
    assert page.html.count('class="way-from"') == 2
    assert page.html.count('class="way-to"') == 2


async def test_what_was_lost_on_the_way_to_a_side_is_told_as_that(lite: House) -> None:
    page = await shown(lite, buyer_from=(WELL,) * 7, seller_to=FALL)
    assert "The seller heard gaps from about 0:12 to 0:32" in page.words
    assert "sound was lost on the way from us to them" in page.words


async def test_a_side_that_reports_nothing_is_said_to_be_unknown(lite: House) -> None:
    page = await shown(lite, buyer_from=(WELL,) * 7)
    assert "The other side came to us well all the time." in page.words
    assert "that side sends no reports (RTCP)" in page.words
    assert "heard the other side well" not in page.words


async def test_what_was_bad_without_loss_were_no_gaps(lite: House) -> None:
    page = await shown(lite, buyer_from=FALL, seller_to=(WELL,) * 7, received=CLEAR)
    assert "The seller heard badly from about 0:12 to 0:32" in page.words
    assert "gaps" not in page.words


async def test_of_many_falls_the_first_are_told_and_the_others_counted(lite: House) -> None:
    page = await shown(lite, buyer_from=(WELL, BAD) * 7, seller_to=(WELL,) * 14)
    assert page.words.count("The seller heard gaps from") == 5
    assert "The seller heard badly 2 more times." in page.words


async def test_it_is_told_in_russian_too(lite: House) -> None:
    page = await shown(lite, buyer_from=FALL, seller_to=FALL, language="ru")
    assert "Продавец: пропуски в звуке примерно с 0:12 до 0:32" in page.words
