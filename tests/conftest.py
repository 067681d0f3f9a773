"""What every test may ask for."""

from hypothesis import settings

pytest_plugins = ["tests.support.postgres", "tests.support.databases", "tests.support.verdict"]

# How long one example takes says more of the machine than of the code; a test has its own limit.
settings.register_profile("maskline", deadline=None)
settings.load_profile("maskline")
