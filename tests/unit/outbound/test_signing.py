"""Signatures, held against the vector of the standard's own libraries."""

from __future__ import annotations

import pytest

from api.outbound import new_secret, sign, signature_headers
from api.outbound.signing import SecretUnusable

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'


def test_the_vector_of_the_standards_libraries() -> None:
    made = sign(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, BODY)
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_each_secret_signs() -> None:
    other = new_secret(b"o" * 32)
    headers = signature_headers((SECRET, other), "evt_1", 1, BODY)
    assert headers["webhook-id"] == "evt_1"
    assert headers["webhook-timestamp"] == "1"
    assert headers["webhook-signature"].split(" ") == [
        sign(SECRET, "evt_1", 1, BODY),
        sign(other, "evt_1", 1, BODY),
    ]


@pytest.mark.parametrize("secret", ["whsec_", "whsec_c2hvcnQ=", "whsec_not base64", "whsec_é"])
def test_a_secret_that_is_none_is_refused(secret: str) -> None:
    with pytest.raises(SecretUnusable) as refused:
        sign(secret, "evt_1", 1, BODY)
    assert secret == "whsec_" or secret not in str(refused.value)


def test_secrets_have_the_standards_size() -> None:
    with pytest.raises(SecretUnusable):
        new_secret(b"x" * 16)
