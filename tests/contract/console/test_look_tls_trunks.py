"""Trunks over TLS in the console: what goes together, and what this node can do."""

from __future__ import annotations

import pytest

from masking.staff import StaffRole
from storage.audit import Action
from tests.contract.api.house import House
from tests.contract.console.look import Seat, kept, sent
from tests.contract.console.test_look_carriers import ADD, MOVED, TRUNK

SEALED = {"transport": "tls", "port": "5061", "media_encryption": "sdes"}


async def test_a_trunk_over_tls_is_added_and_shown(lite: House, desk: Seat) -> None:
    operator = await desk(StaffRole.OPERATOR)

    done, _ = await sent(operator, ADD, TRUNK | SEALED)
    page = await operator.get(done.location)

    made = (await lite.ask("GET", "/v1/trunks/carrier-c")).json()
    assert (made["transport"], made["media_encryption"]) == ("tls", "sdes")
    assert "encrypted, never in clear (SRTP)" in page.words
    await sent(operator, "/console/trunks/carrier-c/carrier", MOVED)
    assert (await lite.ask("GET", "/v1/trunks/carrier-c")).json()["media_encryption"] == "none"
    entry = (await kept(lite, Action.TRUNK_CHANGED))[0]
    assert entry.facts["media_encryption"] == "sdes → none"


WITHOUT_LOG_IN = {"auth": "ip", "username": "", "password": ""}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"media_encryption": "sdes"}, "Encrypted audio needs TLS"),
        ({"media_encryption": "zrtp"}, "Choose how the audio travels"),
        (WITHOUT_LOG_IN | {"transport": "tls", "inbound": "on"}, "takes no TLS connections"),
    ],
)
async def test_what_cannot_be_over_tls_is_told_at_its_field(
    lite: House, desk: Seat, change: dict[str, str], words: str
) -> None:
    operator = await desk(StaffRole.OPERATOR)
    wrong, _ = await sent(operator, ADD, TRUNK | change)
    assert wrong.status == 422
    assert words in wrong.words
    assert wrong.html.count('aria-invalid="true"') == 1

    await sent(operator, ADD, TRUNK | WITHOUT_LOG_IN | {"inbound": "on"})
    moved = MOVED | WITHOUT_LOG_IN | change
    wrong, _ = await sent(operator, "/console/trunks/carrier-c/carrier", moved)
    assert wrong.status == 422
    assert words in wrong.words
    assert (await lite.ask("GET", "/v1/trunks/carrier-c")).json()["transport"] == "tcp"


async def test_a_trunk_is_not_opened_where_its_calls_have_no_door(lite: House, desk: Seat) -> None:
    operator = await desk(StaffRole.OPERATOR)
    await sent(operator, ADD, TRUNK | WITHOUT_LOG_IN | SEALED)

    wrong, _ = await sent(operator, "/console/trunks/carrier-c/change/open", {})

    assert wrong.status == 409
    assert "takes no TLS connections" in wrong.words
    assert (await lite.ask("GET", "/v1/trunks/carrier-c")).json()["inbound"] is False
    drained, _ = await sent(operator, "/console/trunks/carrier-c/change/drain", {})
    assert drained.status == 303
