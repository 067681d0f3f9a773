"""Two processes never have the same place, and one that has ended gives its own back."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.places import Places

_CLAIM = (
    "import sys; from tests.support.places import Places;"
    "print(Places(sys.argv[1], range(3), most=3).take(), flush=True); sys.stdin.read()"
)


@pytest.fixture
def kind(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of this test's own."""
    return f"test-{tmp_path_factory.mktemp('kind').name}-{id(tmp_path_factory)}"


def test_they_are_handed_out_in_turn_and_those_in_use_are_passed_over(kind: str) -> None:
    places = Places(kind, range(5), most=3)
    assert [places.take() for _ in range(4)] == [0, 1, 2, 0]
    assert places.take(lambda place: place != 1) == 2
    with pytest.raises(AssertionError, match="is left"):
        places.take(lambda place: place > 2)


def test_another_process_has_others_until_it_ends(kind: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _CLAIM, kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "0\n"
        assert Places(kind, range(3), most=1).take() == 1
        other.stdin.close()
        assert other.wait(30) == 0
    assert Places(kind, range(1), most=1).take() == 0
