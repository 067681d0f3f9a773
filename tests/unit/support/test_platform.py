"""The tests' platform takes what Standard Webhooks signed, and nothing else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time

import pytest

from tests.support.platform import SECRET, fault

BODY = b'{"event":"out_of_session"}'


def _signed(body: bytes = BODY, at: int | None = None) -> dict[str, str]:
    moment = str(int(time.time()) if at is None else at)
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    digest = hmac.new(key, b"msg_1." + moment.encode() + b"." + body, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(digest).decode()
    return {"Webhook-Id": "msg_1", "Webhook-Timestamp": moment, "Webhook-Signature": signature}


def test_a_right_signature_is_taken_beside_others() -> None:
    headers = _signed()
    assert fault(headers, BODY, [SECRET]) is None
    headers["Webhook-Signature"] = "v1,AAAA " + headers["Webhook-Signature"]
    assert fault(headers, BODY, ["whsec_" + base64.b64encode(bytes(32)).decode(), SECRET]) is None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"Webhook-Id": "msg_2"}, "no signature fits"),
        ({"Webhook-Signature": "v1,AAAA"}, "no signature fits"),
        ({"Webhook-Timestamp": "1"}, "its time is not now"),
        ({"Webhook-Timestamp": "soon"}, "its time is not now"),
    ],
)
def test_what_was_changed_on_the_way_is_refused(change: dict[str, str], why: str) -> None:
    assert fault(_signed() | change, BODY, [SECRET]) == why


def test_another_body_an_old_message_and_another_secret_are_refused() -> None:
    assert fault(_signed(), BODY + b" ", [SECRET]) == "no signature fits"
    assert fault(_signed(at=int(time.time()) - 3600), BODY, [SECRET]) == "its time is not now"
    other = "whsec_" + base64.b64encode(bytes(32)).decode()
    assert fault(_signed(), BODY, [other]) == "no signature fits"
    assert fault({}, BODY, [SECRET]) is not None
