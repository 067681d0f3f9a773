"""Lets a fixture know how its test went: what a failed one left undone is no second failure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

_FAILED: Final = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Keep it with the test."""
    report = yield
    if call.when != "teardown" and report.failed:  # type: ignore[attr-defined]
        item.stash[_FAILED] = True
    return report


def has_failed(request: pytest.FixtureRequest) -> bool:
    """Whether the test that asked for the fixture has failed; asked when it is torn down."""
    return bool(request.node.stash.get(_FAILED, False))
