"""The OpenAPI document and the copy of it that is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from api import openapi
from api.errors import every
from api.table import ROUTES

KEPT = Path(__file__).parents[3] / "docs" / "openapi.json"


def test_the_kept_copy_is_in_step() -> None:
    assert openapi.main(["--check", str(KEPT)]) == 0


def test_a_copy_out_of_step_is_found_and_mended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "openapi.json"
    assert openapi.main(["--check", str(copy)]) == 1
    copy.write_text("{}\n")
    assert openapi.main(["--check", str(copy)]) == 1
    assert "--write" in capsys.readouterr().err

    assert openapi.main(["--write", str(copy)]) == 0
    assert openapi.main(["--check", str(copy)]) == 0


def test_every_operation_has_its_own_name() -> None:
    names = [route.name for route in ROUTES]

    assert len(set(names)) == len(names)


def test_every_error_has_its_own_id_and_says_what_to_do() -> None:
    errors = every()

    assert len({error.error_id for error in errors}) == len(errors)
    for error in errors:
        assert 400 <= error.status < 600
        assert error.title
        assert error.advice or error.error_id == "body_too_large"


def test_every_reference_leads_somewhere() -> None:
    document = openapi.document()

    def walk(value: object) -> None:
        match value:
            case {"$ref": str(ref)}:
                here = document
                for step in ref.removeprefix("#/").split("/"):
                    here = here[step]
            case dict():
                for inner in value.values():
                    walk(inner)
            case list():
                for inner in value:
                    walk(inner)
            case _:
                pass

    walk(document)
