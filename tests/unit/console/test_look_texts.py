"""Whatever the look-up pages may have to say has its words: no value is without a text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final, get_args

import pytest

from api.console.look_inspect import shown_of
from api.console.render import SOURCES, texts_of
from api.schemas.webhooks import Event, Receiver
from masking.inspection import Finding
from masking.known import RoutingFacts, Why
from masking.model import ChannelPolicy, Language, LeaseState, NumberState, Role, SessionState
from masking.outcome import EndedBy, Outcome
from masking.plan import Announcement, Channel, Question, Refusal, RefusalReason
from masking.rules import Exhausted, RecordingMode, Sticky, Stranger
from storage.complaints import Kind
from storage.complaints import State as ComplaintState
from storage.deliveries import State
from tests.support.storage import NOW

ENUMS: Final[tuple[tuple[str, type[StrEnum]], ...]] = (
    ("look.role", Role),
    ("look.outcome", Outcome),
    ("look.channel", Channel),
    ("look.policy", ChannelPolicy),
    ("look.lease", LeaseState),
    ("look.session.state", SessionState),
    ("look.number.state", NumberState),
    ("look.exhausted", Exhausted),
    ("look.sticky", Sticky),
    ("look.stranger", Stranger),
    ("look.recording", RecordingMode),
    ("look.delivery", State),
    ("look.complaint.kinds", Kind),
    ("look.complaint.state", ComplaintState),
    ("look.why", RefusalReason),
    ("look.hears", Announcement),
    ("look.asks", Question),
    ("look.platform", Why),
)
_USED: Final = re.compile(r"""\bt\(\s*["']([a-z0-9_.]+)["']\s*[,)]""")


def missing(keys: Iterable[str]) -> list[str]:
    return [key for key in keys for texts in texts_of().values() if key not in texts]


@pytest.mark.parametrize(("prefix", "values"), ENUMS, ids=[prefix for prefix, _ in ENUMS])
def test_every_value_has_its_words(prefix: str, values: type[StrEnum]) -> None:
    assert not missing(f"{prefix}.{one.value}" for one in values)


def test_the_rest_of_what_is_put_together_has_its_words() -> None:
    states = get_args(Receiver.model_fields["state"].annotation)
    errors = ("timed_out", "unreachable", "tls_refused", "address_refused", "url_refused")

    assert not missing(f"look.event.{one}" for one in get_args(Event))
    assert not missing(f"look.receiver.{one}" for one in states)
    assert not missing(f"look.receiver_words.{one}" for one in states)
    assert not missing(f"look.try.{one}" for one in (*errors, "internal", None))
    assert not missing(
        f"look.complaint.side.{one.value}" for one in (EndedBy.CALLER, EndedBy.CALLEE)
    )


def test_every_text_that_a_template_names_is_there() -> None:
    used = {
        key
        for file in (SOURCES / "templates" / "look").glob("*.html")
        for key in _USED.findall(file.read_text("utf-8"))
    }

    assert len(used) > 100
    assert not missing(sorted(used))


@pytest.mark.parametrize("reason", list(RefusalReason))
def test_every_refusal_is_explained(reason: RefusalReason) -> None:
    refusal = Refusal(reason, Announcement.TRY_AGAIN, 21, Language.EN)

    shown = shown_of(Finding(refusal, RoutingFacts()), NOW, NOW, 0)

    assert (shown.tone, shown.decision.key) == ("bad", "refuse")
    assert [one.key for one in shown.reasons] == ["number_unknown", "hears"]
    assert not missing(f"look.reason.{one.key}" for one in shown.reasons)
