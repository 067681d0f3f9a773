"""A call's ladder and the search in its headers: whole, in order, and without anybody's phone."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest

from masking.outcome import Outcome
from masking.plan import Channel
from masking.staff import StaffRole
from maskline.ladder_part import row_of
from storage import audit, sip_messages
from storage.audit import Action
from storage.columns import to_ms
from telephony.hep.codec import Endpoint
from telephony.hep.dialogs import Exchange, Leg, Message
from tests.contract.api.house import BUYER, PROXY, SELLER, House
from tests.contract.api.recorded import keep, record
from tests.support.console import Desk

Seat = Callable[[StaffRole], Awaitable[Desk]]
CALL = "cal_" + "0" * 26
NODE, CARRIER = Endpoint(bytes((10, 0, 0, 1)), 5060), Endpoint(bytes((203, 0, 113, 7)), 5060)
PHONE_OF_APP = Endpoint(bytes((198, 51, 100, 23)), 40_000)
EVIL = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'


def sip(first: str, method: str, *more: str) -> bytes:
    lines = (
        first,
        "Via: SIP/2.0/UDP 203.0.113.7:5060;branch=z9hG4bK-1",
        f'From: "Ivan {EVIL}" <sip:{BUYER}@203.0.113.7>;tag=abc',
        f"To: <sip:{PROXY}@10.0.0.1>",
        "Call-ID: leg-a@203.0.113.7",
        f"CSeq: 1 {method}",
        *more,
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def heard(house: House) -> None:
    """A call of two legs: a carrier's, and an app's that is busy."""
    at_us = int(house.clock().timestamp() * 1_000_000)
    spelt = f"8 ({BUYER[2:5]}) {BUYER[5:8]}-{BUYER[8:10]}-{BUYER[10:]}"
    carrier = (
        Message(
            at_us, False, sip(f"INVITE sip:{PROXY}@10.0.0.1 SIP/2.0", "INVITE", f"X-Cli: {spelt}")
        ),
        Message(at_us + 1_000, True, sip("SIP/2.0 100 Trying", "INVITE")),
        Message(
            at_us + 9_000_000,
            True,
            sip("SIP/2.0 486 Busy Here", "INVITE", "Reason: Q.850;cause=17"),
        ),
    )
    app = (
        Message(
            at_us + 2_000,
            True,
            sip(
                "INVITE sip:x@198.51.100.23 SIP/2.0",
                "INVITE",
                "X-Maskline-Card: eyJuYW1l",
                f"P-Called: {SELLER}",
            ),
        ),
        Message(
            at_us + 8_000_000, False, sip("SIP/2.0 486 Busy", "INVITE", "User-Agent: JsSIP 3.10")
        ),
    )
    rows = [
        row_of(house.services.vault, one)
        for one in (
            Exchange(
                Leg(CALL, Channel.GSM, "carrier-a"), 0, b"leg-a@203.0.113.7", NODE, CARRIER, carrier
            ),
            Exchange(Leg(CALL, Channel.APP), 1, b"leg-b", NODE, PHONE_OF_APP, app),
        )
    ]
    assert all(rows)
    await house.db.write(lambda conn: sip_messages.add(conn, [row for row in rows if row]))


async def test_the_ladder_has_every_message_in_order_and_nobody_s_phone(
    lite: House, desk: Seat
) -> None:
    await lite.furnish()
    await heard(lite)
    someone = await desk(StaffRole.SUPERVISOR)

    page = await someone.get(f"/console/calls/{CALL}/sip")

    assert page.status == 200
    drawn = re.findall(r'<text class="sip-what \w+"[^>]*>(.*?)</text>', page.html)
    titles = [re.sub(r"<[^>]*>", "", one) for one in drawn]
    assert titles == ["INVITE", "100 Trying", "INVITE", "486 Busy", "486 Busy Here"]
    assert [
        one for one in ("carrier-a", "Maskline", "App") if f">{one}</text>" not in page.html
    ] == []
    for phone in (BUYER, SELLER):
        assert phone[2:] not in re.sub(r"\D", "", page.words), "nor with anything between"
    assert PROXY in page.html, "our own numbers may be seen"
    assert "203.0.113.7" in page.html
    assert "198.51.100.23" not in page.html, "a person's address is theirs"
    assert "eyJuYW1l" not in page.html
    assert "Ivan" not in page.html, "nor anybody's name"
    assert "<script>alert" not in page.html
    assert "<img src=x" not in page.html
    seen = await lite.db.read(lambda conn: audit.page(conn, audit.Filter(action=Action.SIP_VIEWED)))
    assert [one.entry.object_id for one in seen.items] == [CALL]


async def test_a_call_without_messages_says_so_and_a_fragment_is_no_page(
    lite: House, desk: Seat
) -> None:
    someone = await desk(StaffRole.OPERATOR)
    page = await someone.get(f"/console/calls/{CALL}/sip", partial=True)
    assert page.status == 200
    assert "No SIP messages" in page.words
    assert "<html" not in page.html


@pytest.mark.parametrize(
    ("form", "hits"),
    [
        ({"status": "486"}, 2),
        ({"status": "4"}, 2),
        ({"status": "500"}, 0),
        ({"method": "INVITE"}, 2),
        ({"method": "BYE"}, 0),
        ({"header": "user-agent"}, 1),
        ({"header": "User-Agent", "value": "jssip 3"}, 1),
        ({"header": "Reason", "value": "jssip"}, 0),
        ({"value": "cause=17"}, 1),
        ({"value": "198.51.100.23"}, 0),
        ({"value": "Ivan"}, 0),
        ({"sip": "leg-b"}, 1),
        ({"sip": "leg-"}, 0),
        ({"status": "486", "method": "INVITE", "value": "100%_"}, 0),
    ],
)
async def test_calls_are_found_by_what_their_headers_say(
    lite: House, desk: Seat, form: dict[str, str], hits: int
) -> None:
    await lite.furnish()
    await heard(lite)
    someone = await desk(StaffRole.OPERATOR)
    page = await someone.post("/console/sip", {"period": "24h", **form})
    assert page.status == 200
    assert page.html.count(f'href="/console/calls/{CALL}/sip"') == hits


@pytest.mark.parametrize("value", [BUYER, BUYER[2:], "8 (916) 123-45-67"])
async def test_a_phone_is_not_searched_for_here(lite: House, desk: Seat, value: str) -> None:
    someone = await desk(StaffRole.OPERATOR)
    page = await someone.post("/console/sip", {"period": "24h", "value": value})
    assert page.status == 422
    assert BUYER[2:] not in page.html


async def test_agents_see_none_of_it(lite: House, desk: Seat) -> None:
    await heard(lite)
    agent = await desk(StaffRole.AGENT)
    assert (await agent.get(f"/console/calls/{CALL}/sip")).status == 403
    assert (await agent.get("/console/sip")).status == 403


@pytest.mark.parametrize("heard_its_end", [True, False])
async def test_a_leg_whose_end_was_not_heard_is_said_to_have_a_gap(
    lite: House, desk: Seat, heard_its_end: bool
) -> None:
    """The controller was restarted while the call was up."""
    call = record(1, None, Outcome.ANSWERED)
    await keep(lite, call)
    lite.clock.advance(hours=1)
    at_us = to_ms(call.offered_at) * 1000
    said = [
        Message(at_us, False, sip(f"INVITE sip:{PROXY}@10.0.0.1 SIP/2.0", "INVITE")),
        Message(at_us + 3_000_000, True, sip("SIP/2.0 200 OK", "INVITE")),
        Message(at_us + 3_050_000, False, sip(f"ACK sip:{PROXY}@10.0.0.1 SIP/2.0", "ACK")),
    ]
    if heard_its_end:
        said.append(Message(at_us + 9_000_000, False, sip("BYE sip:x@10.0.0.1 SIP/2.0", "BYE")))
    leg = Leg(call.call_id, Channel.GSM, "carrier-a")
    row = row_of(lite.services.vault, Exchange(leg, 0, b"leg-a", NODE, CARRIER, tuple(said)))
    assert row is not None
    await lite.db.write(lambda conn: sip_messages.add(conn, [row]))

    page = await (await desk(StaffRole.SUPERVISOR)).get(f"/console/calls/{call.call_id}/sip")

    assert ("no message of this leg was heard between" in page.words) is not heard_its_end
    assert ("carrier-a: no message" in page.words) is not heard_its_end
