"""What the models take, held against those who have to live with it."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from api.schemas.apps import CredentialOut
from api.schemas.patterns import CREDENTIAL, HOST, IDENTIFIER, NAME, PHONE, TEXT, USERNAME
from api.schemas.trunks import TrunkIn
from api.table import ROUTES
from api.trunks import trunk_from
from telephony.trunks import CODECS, check, render

digest = st.fixed_dictionaries(
    {
        "type": st.just("digest"),
        "username": st.from_regex(USERNAME, fullmatch=True),
        "password": st.from_regex(CREDENTIAL, fullmatch=True),
        "register": st.booleans(),
    }
)
trunks = st.fixed_dictionaries(
    {
        "name": st.from_regex(NAME, fullmatch=True),
        "host": st.sampled_from(["127.0.0.2", "sip.example.org", "a-b.c", "::1", "2001:db8::1"]),
        "auth": st.just({"type": "ip"}) | digest,
        "codecs": st.lists(st.sampled_from(sorted(CODECS)), min_size=1, max_size=6, unique=True),
        "port": st.integers(1, 65_535),
    }
)


@given(trunks)
def test_every_trunk_that_is_taken_can_be_written_for_asterisk(
    given_trunk: dict[str, object],
) -> None:
    """One that could not would keep all the others from being applied."""
    sent = TrunkIn.model_validate(given_trunk)

    trunk = trunk_from(sent.name, sent)

    check(trunk)
    render([trunk])


@given(st.text(max_size=20))
def test_the_patterns_mean_the_whole_text(text: str) -> None:
    for pattern in (PHONE, IDENTIFIER, NAME, HOST, USERNAME, CREDENTIAL):
        if re.fullmatch(pattern, text):
            assert text.isascii()
            assert text.isprintable()
            assert " " not in text
    if re.fullmatch(TEXT, text):
        assert not re.search(r"[\r\n\x00\u2028\u202e]", text)


def test_no_model_that_goes_out_has_a_place_for_a_phone() -> None:
    for route in ROUTES:
        if isinstance(route.answers, type):
            described = route.answers.model_json_schema(mode="serialization")
            models = [described, *described.get("$defs", {}).values()]
            names = {name for model in models for name in model.get("properties", ())}
            ours = {"password"} if route.answers is CredentialOut else set[str]()
            assert {name for name in names if "phone" in name or "password" in name} == ours
