"""What every test may ask for."""

import pytest
from hypothesis import settings

pytest_plugins = ["tests.support.postgres", "tests.support.databases"]

# How long one example takes says more of the machine than of the code; a test has its own limit.
settings.register_profile("maskline", deadline=None)
settings.load_profile("maskline")

_FIXED_ADDRESSES = "tests/integration/telephony"  # its carriers have fixed ones: one run at a time


@pytest.hookimpl(tryfirst=True)  # the groups have to be there when the workers' plugin reads them
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file in one worker: they share what its fixtures set up."""
    for item in items:
        file = item.nodeid.partition("::")[0]
        group = _FIXED_ADDRESSES if file.startswith(_FIXED_ADDRESSES) else file
        item.add_marker(pytest.mark.xdist_group(group))
