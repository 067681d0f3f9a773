"""The push hook: what the platform is told, and what counts as having been taken on."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from api.outbound import OutboundError, ReceiverSilent, Reply
from masking.model import Card, Role
from masking.plan import CallerCard
from masking.rules import PushRules
from maskline import push
from maskline.push import Push, PushHook

RULES = PushRules("https://shop.example/push", deadline_ms=1500)
PUSH = Push(
    "u-2",
    CallerCard("cal_1", "ses_1", "chat-1", Role.BUYER, Card("Anna")),
    datetime(2026, 11, 2, 9, tzinfo=UTC),
    25,
)


class Platform:
    """Answers as it is told, and keeps what it got."""

    def __init__(self, answer: int | OutboundError = 204) -> None:
        self.answer = answer
        self.got: list[tuple[str, str, str, bytes, float]] = []

    async def post(self, url: str, secret: str, name: str, body: bytes, deadline_s: float) -> Reply:
        self.got.append((url, secret, name, body, deadline_s))
        if isinstance(self.answer, OutboundError):
            raise self.answer
        return Reply(self.answer, b"", whole=True)


async def test_the_card_is_sent_signed_under_the_calls_id() -> None:
    platform = Platform()

    assert await PushHook(platform.post).send(RULES, "whsec_x", PUSH) is True

    ((url, secret, name, body, deadline_s),) = platform.got
    assert (url, secret, name, deadline_s) == (RULES.url, "whsec_x", "cal_1", 1.5)
    told = json.loads(body)
    assert (told["event"], told["user_id"], told["ring_s"]) == ("app.wake", "u-2", 25)
    assert (told["call_id"], told["session_id"]) == ("cal_1", "ses_1")
    assert told["expires_at"] == "2026-11-02T09:00:00.000+00:00"
    assert told["card"]["name"] == "Anna"


@pytest.mark.parametrize("answer", [199, 301, 404, 410, 500, ReceiverSilent()], ids=str)
async def test_anything_but_a_2xx_in_time_means_that_nobody_waits(
    answer: int | OutboundError,
) -> None:
    assert await PushHook(Platform(answer).post).send(RULES, "whsec_x", PUSH) is False


async def test_without_a_secret_nothing_is_sent() -> None:
    platform = Platform()

    assert await PushHook(platform.post).send(RULES, None, PUSH) is False
    assert platform.got == []


async def test_a_slow_platform_holds_up_so_many_pushes_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(push, "MOST_PUSHED", 0)

    assert await PushHook(Platform().post).send(RULES, "whsec_x", PUSH) is False
