"""Sessions, leases and ids as values."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import is_dataclass, replace
from datetime import timedelta

import pytest

import masking
from masking.ids import call_id, session_id
from masking.model import Role, SessionState
from masking.trunks import TrunkAuth
from tests.unit.masking.given import ANNA, BUYER, NOW, PETR, SELLER, a_session, an_offer

DAY = timedelta(days=1)
MS = timedelta(milliseconds=1)


def dataclasses_of_the_domain() -> Iterator[type]:
    for module in pkgutil.iter_modules(masking.__path__, "masking."):
        for one in vars(importlib.import_module(module.name)).values():
            if isinstance(one, type) and is_dataclass(one) and one.__module__ == module.name:
                yield one


def test_every_value_is_frozen_and_slotted_but_the_counters_of_load() -> None:
    loose = {
        one.__name__
        for one in dataclasses_of_the_domain()
        if not one.__dataclass_params__.frozen  # type: ignore[attr-defined]
    }

    assert loose == {"_Load", "_Held"}
    assert all("__slots__" in vars(one) for one in dataclasses_of_the_domain())


def test_a_session_is_open_until_the_moment_it_expires() -> None:
    assert a_session().state(NOW + DAY - MS) is SessionState.OPEN
    assert a_session().state(NOW + DAY) is SessionState.EXPIRED


def test_a_session_that_was_closed_stays_closed_after_its_expiry() -> None:
    session = replace(a_session(), closed_at=NOW)

    assert session.state(NOW - MS) is SessionState.OPEN
    assert session.state(NOW) is SessionState.CLOSED
    assert session.state(NOW + DAY) is SessionState.CLOSED


def test_participants_are_found_by_role() -> None:
    session = a_session()

    assert session.participant(Role.BUYER) == BUYER
    assert session.other(Role.BUYER) == SELLER
    assert session.other(Role.SELLER) == BUYER
    with pytest.raises(KeyError):
        session.participant(Role.COURIER)
    with pytest.raises(KeyError):
        session.other(Role.COURIER)
    assert session.lease(Role.COURIER) is None


def test_nothing_shows_a_phone_or_a_password() -> None:
    shown = repr(a_session()) + repr(an_offer()) + repr(TrunkAuth(password="geheim"))

    assert ANNA[1:] not in shown
    assert PETR[1:] not in shown
    assert "geheim" not in shown


def test_session_ids_sort_by_time_and_need_ten_bytes_of_entropy() -> None:
    ids = [session_id(NOW + n * MS, bytes([255 - n] * 10)) for n in range(3)]

    assert ids == sorted(ids)
    assert all(one.startswith("ses_") and len(one) == 30 for one in ids)
    with pytest.raises(ValueError, match="10 bytes"):
        session_id(NOW, b"short")


def test_call_ids_depend_on_node_and_channel_alone() -> None:
    assert call_id("n1", "n1-1.1") == call_id("n1", "n1-1.1")
    assert len({call_id("n1", "1.1"), call_id("n2", "1.1"), call_id("n1", "1.2")}) == 3
    assert call_id("n1", "n1-1700000000.1").startswith("cal_")
