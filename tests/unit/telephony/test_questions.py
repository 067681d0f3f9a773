"""A prompt becomes variables and a Redirect, and what was asked comes back whole."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking.model import Language, Phone
from masking.plan import Asked, Heard, Prompt, Question, Went
from telephony.carry_out import actions_for, read_asked, write_asked
from telephony.errors import PlanUnusable

CHANNEL = "PJSIP/carrier-a-00000001"
PROMPT = Prompt(
    asked=Asked(Question.PIN, 2),
    digits_min=6,
    digits_max=6,
    attempts=3,
    language=Language.RU,
    number_in=Phone("+74951110001"),
    heard=Heard(Question.PIN, 1, Went.WRONG),
)


def variables(prompt: Prompt) -> dict[str, str]:
    setvar, redirect = actions_for(CHANNEL, prompt)
    assert ("Context", "prompt") in redirect.headers
    headers = dict(setvar.headers)
    names = headers["Variable"].removeprefix("ARRAY(").removesuffix(")").split(",")
    return dict(zip(names, headers["Value"].split(","), strict=True))


def test_a_prompt_says_what_is_played_and_how_many_digits_end_it() -> None:
    told = variables(PROMPT)

    assert (told["M_SAY"], told["M_FIRST"]) == ("ask-pin", "wrong-digits")
    assert (told["M_MOST"], told["M_LANG"]) == ("6", "ru")
    assert told["M_PROMPT"] == (
        "kind=pin;n=2;most=3;session=;in=+74951110001;asked=pin;try=1;went=wrong"
    )
    assert read_asked(told["M_ASKED"]) == PROMPT.asked


def test_the_first_question_has_nothing_before_it() -> None:
    assert variables(replace(PROMPT, heard=None))["M_FIRST"] == ""


@pytest.mark.parametrize("most", [0, 21])
def test_a_question_for_no_or_too_many_digits_is_not_asked(most: int) -> None:
    with pytest.raises(PlanUnusable):
        actions_for(CHANNEL, replace(PROMPT, digits_max=most))


@given(
    st.builds(
        Asked,
        st.sampled_from(Question),
        st.integers(1, 99),
        st.text("0123456789", max_size=20),
        st.sampled_from(("", "ses_0abc")),
        st.sampled_from(("", "lst_0abc")),
    )
)
def test_what_was_asked_comes_back_as_it_was(asked: Asked) -> None:
    assert read_asked(write_asked(asked)) == asked


@given(st.text(max_size=60))
def test_anything_else_was_never_asked(text: str) -> None:
    asked = read_asked(text)

    assert asked is None or write_asked(asked) == text
