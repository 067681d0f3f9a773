"""The out_of_session hook: what is sent, which answers make sense, and when it counts as silent."""

from __future__ import annotations

import asyncio
import json

import pytest

from api.outbound import ReceiverSilent, Reply
from masking.known import Answer, Why
from masking.model import Listing, Phone
from masking.rules import HookRules
from maskline.hook import MOST_ASKED, SILENT, Asking, HookAnswer, PlatformHook, read_answer

RULES = HookRules("https://platform.example/hook", deadline_ms=700)
ASKING = Asking(
    call_id="cal_1",
    why=Why.LISTING_CALLER,
    number=Phone("+74951110001"),
    caller_ref="abc",
    listing=Listing("L-1", "Лада"),
)
SESSION = "ses_" + "0" * 26


def hook(status: int = 200, body: object = None, *, whole: bool = True) -> PlatformHook:
    async def post(url: str, secret: str, name: str, sent: bytes, deadline_s: float) -> Reply:
        assert (url, secret, name) == (RULES.url, "whsec_x", "cal_1.listing_caller")
        assert deadline_s == 0.7
        return Reply(status, json.dumps(body).encode(), whole)

    return PlatformHook(post)


async def test_what_is_asked_says_who_is_called_and_never_the_callers_phone() -> None:
    asked = json.loads(ASKING.body())

    assert asked["event"] == "out_of_session"
    assert (asked["reason"], asked["number"]) == ("listing_caller", "+74951110001")
    assert asked["listing"] == {"id": "L-1", "title": "Лада"}
    assert "caller" not in asked


async def test_an_answer_is_taken() -> None:
    answer = await hook(body={"action": "continue", "conversation_id": "chat-9"}).ask(
        RULES, "whsec_x", ASKING
    )

    assert answer == HookAnswer(Answer.CONTINUE, conversation_id="chat-9")


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "refuse",
        {"action": "ring"},
        {"action": "connect"},
        {"action": "connect", "session_id": SESSION, "session": {}},
        {"action": "connect", "session_id": "ses_'; drop"},
        {"action": "connect", "session": "x"},
        {"action": "continue", "conversation_id": "a b\n"},
    ],
)
def test_what_makes_no_sense_is_no_answer(body: object) -> None:
    assert read_answer(json.dumps(body).encode()) is None


@pytest.mark.parametrize("raw", [b"", b"\xff", b"{", b"[" * 10_000])
def test_what_is_not_json_is_no_answer(raw: bytes) -> None:
    assert read_answer(raw) is None


@pytest.mark.parametrize("status", [199, 204 + 96, 302, 404, 500])
async def test_another_status_is_silence(status: int) -> None:
    assert await hook(status, {"action": "refuse"}).ask(RULES, "whsec_x", ASKING) == SILENT


async def test_an_answer_that_was_too_long_is_silence() -> None:
    answer = await hook(body={"action": "refuse"}, whole=False).ask(RULES, "whsec_x", ASKING)

    assert answer == SILENT


async def test_no_answer_in_time_and_no_secret_are_silence() -> None:
    async def post(*_: object) -> Reply:
        raise ReceiverSilent

    assert await PlatformHook(post).ask(RULES, "whsec_x", ASKING) == SILENT
    assert await hook(body={"action": "refuse"}).ask(RULES, None, ASKING) == SILENT


async def test_so_many_are_asked_about_at_once_and_no_more() -> None:
    go_on = asyncio.Event()

    async def post(*_: object) -> Reply:
        await go_on.wait()
        return Reply(200, b'{"action":"refuse"}', whole=True)

    asked = PlatformHook(post)
    waiting = [asyncio.create_task(asked.ask(RULES, "whsec_x", ASKING)) for _ in range(MOST_ASKED)]
    await asyncio.sleep(0)
    assert await asked.ask(RULES, "whsec_x", ASKING) == SILENT
    go_on.set()
    assert {one.answer for one in await asyncio.gather(*waiting)} == {Answer.REFUSE}
    assert (await asked.ask(RULES, "whsec_x", ASKING)).answer is Answer.REFUSE
