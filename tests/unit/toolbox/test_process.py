"""Programs that fail, hang or are absent end in one line."""

import sys
import time
from pathlib import Path

import pytest

from maskline.toolbox.errors import CommandError
from maskline.toolbox.process import run, telling_line


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_output_of_both_streams_is_returned() -> None:
    output = run(python("import sys; print('out'); print('err', file=sys.stderr)"), timeout_s=30)
    assert output.split() == ["out", "err"]


def test_failure_names_the_telling_line() -> None:
    code = "import sys; print('Reading…'); print('E: no room'); print('bye'); sys.exit(100)"
    with pytest.raises(CommandError, match=r"failed \(100\): E: no room$"):
        run(python(code), timeout_s=30)


def test_a_program_that_hangs_is_ended_at_its_deadline() -> None:
    begun = time.monotonic()
    with pytest.raises(CommandError, match="did not end within 1 s"):
        run(python("import time; time.sleep(60)"), timeout_s=1)
    assert time.monotonic() - begun < 30


def test_an_absent_program_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be run: No such file"):
        run([tmp_path / "absent"], timeout_s=5)


def test_the_language_of_messages_is_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "ru_RU.UTF-8")
    monkeypatch.setenv("LANGUAGE", "ru")
    code = "import os; print(os.environ['LC_ALL'], 'LANGUAGE' in os.environ)"
    assert run(python(code), timeout_s=30).split() == ["C.UTF-8", "False"]


def test_nothing_ever_waits_for_the_terminal() -> None:
    assert run(python("import sys; print(len(sys.stdin.read()))"), timeout_s=30).strip() == "0"


def test_a_long_line_is_cut() -> None:
    assert len(telling_line("E: " + "x" * 1000)) == 300
    assert telling_line("\n \n") == "no output"
