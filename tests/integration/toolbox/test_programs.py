"""What was unpacked runs: Asterisk serves, SIPp, espeak-ng and sox answer."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from maskline.toolbox import (
    AsteriskInstall,
    Toolbox,
    ToolboxSettings,
    ensure_toolbox,
    find_toolbox,
)
from maskline.toolbox.asterisk import NEEDED_MODULES, OLDEST, from_toolbox
from maskline.toolbox.errors import DamagedError

START_DEADLINE_S = 30.0
MODULES = ("app_dial", "chan_pjsip", "pbx_config", "res_pjsip", "res_pjsip_session")
DEPENDENCIES = (
    *("res_sorcery_config", "res_sorcery_memory", "res_sorcery_astdb", "res_pjproject"),
    *("res_rtp_asterisk", "bridge_simple", "codec_alaw", "format_gsm"),
)


@pytest.fixture(scope="module")
def settings() -> ToolboxSettings:
    return ToolboxSettings.from_env(os.environ)


@pytest.fixture(scope="module")
def toolbox(settings: ToolboxSettings) -> Toolbox:
    return ensure_toolbox(settings)


@pytest.fixture(scope="module")
def asterisk(toolbox: Toolbox) -> AsteriskInstall:
    return from_toolbox(toolbox)


@pytest.fixture
def folder() -> Iterator[Path]:
    # Short, since the path of a Unix socket ends at 108 bytes.
    with tempfile.TemporaryDirectory(prefix="mk-") as name:
        yield Path(name)


def configure(folder: Path, asterisk: AsteriskInstall) -> Path:
    """The least that a private Asterisk needs."""
    own = ("astetcdir", "astvarlibdir", "astdbdir", "astspooldir", "astrundir", "astlogdir")
    lines = ["[directories]", *(f"{key} => {folder}" for key in own)]
    lines += [f"astmoddir => {asterisk.modules_dir}", f"astdatadir => {asterisk.data_dir}"]
    (folder / "asterisk.conf").write_text("\n".join(lines) + "\n", "utf-8")
    loads = [f"load = {name}.so" for name in (*DEPENDENCIES, *MODULES)]
    text = "\n".join(["[modules]", "autoload = no", *loads]) + "\n"
    (folder / "modules.conf").write_text(text, "utf-8")
    (folder / "pjsip.conf").write_text("", "utf-8")
    (folder / "extensions.conf").write_text("", "utf-8")
    (folder / "logger.conf").write_text("[general]\n[logfiles]\nmessages = error\n", "utf-8")
    return folder / "asterisk.conf"


def test_asterisk_serves_from_the_folder_and_stops(folder: Path, asterisk: AsteriskInstall) -> None:
    config = configure(folder, asterisk)
    server = subprocess.Popen(
        [*asterisk.argv, "-f", "-C", str(config)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def console(command: str) -> str:
        done = subprocess.run(
            [*asterisk.argv, "-C", str(config), "-rx", command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        return done.stdout

    try:
        deadline_s = time.monotonic() + START_DEADLINE_S
        while "fully booted" not in console("core waitfullybooted"):
            assert server.poll() is None, "Asterisk ended while it started"
            assert time.monotonic() < deadline_s, "Asterisk did not start in time"
            time.sleep(0.1)
        loaded = console("module show")
        assert all(f"{name}.so" in loaded for name in MODULES)
        assert asterisk.version.text in console("core show version")
        console("core stop now")
        assert server.wait(20) == 0
    finally:
        if server.poll() is None:
            server.kill()
            server.wait(10)


def test_asterisk_is_new_enough_and_complete(asterisk: AsteriskInstall) -> None:
    assert asterisk.version.major >= OLDEST
    lacking = [n for n in NEEDED_MODULES if not (asterisk.modules_dir / f"{n}.so").is_file()]
    assert lacking == []
    assert (asterisk.data_dir / "documentation" / "core-en_US.xml").is_file()


@pytest.mark.parametrize("language", ["en", "ru"])
def test_core_sounds_are_found_by_language(asterisk: AsteriskInstall, language: str) -> None:
    folder = asterisk.sounds_dir / language
    assert (folder / "digits" / "1.gsm").stat().st_size > 0
    assert (folder / "vm-goodbye.gsm").stat().st_size > 0


def test_sipp_answers(toolbox: Toolbox) -> None:
    command = toolbox.command("sipp")
    # SIPp's -v ends with 99, as its manual page has it.
    done = subprocess.run(
        [*command.argv, "-v"], capture_output=True, text=True, timeout=20, check=False
    )
    assert done.stdout.strip().startswith("SIPp v3.")


def test_sox_and_espeak_ng_answer(toolbox: Toolbox) -> None:
    assert "SoX" in toolbox.command("sox").run("--version", timeout_s=20)
    assert "eSpeak NG" in toolbox.command("espeak-ng").run("--version", timeout_s=20)


def test_every_unpacked_file_is_as_the_manifest_says(
    settings: ToolboxSettings, toolbox: Toolbox
) -> None:
    assert find_toolbox(settings, full=True) == toolbox
    assert {"asterisk", "asterisk-modules", "sip-tester"} <= set(toolbox.manifest.packages)


def test_a_file_that_vanished_is_noticed(tmp_path: Path, toolbox: Toolbox) -> None:
    copy = tmp_path / "cache" / toolbox.root.name
    copy.mkdir(parents=True)
    (copy / "manifest.json").write_bytes((toolbox.root / "manifest.json").read_bytes())
    (copy / "usr").symlink_to(toolbox.root / "usr")
    elsewhere = ToolboxSettings(tmp_path / "cache")
    assert find_toolbox(elsewhere) is not None
    (copy / "usr").unlink()
    with pytest.raises(DamagedError, match="run make setup"):
        find_toolbox(elsewhere)


def test_a_second_installation_is_a_look(toolbox: Toolbox) -> None:
    before = _laid_down(toolbox)
    done = subprocess.run(
        [sys.executable, "-m", "maskline.toolbox", "install"],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == ""
    assert _laid_down(toolbox) == before, "unpacked again"


def _laid_down(toolbox: Toolbox) -> dict[Path, tuple[int, int]]:
    """Every file of the toolbox: which one it is, and since when."""
    files = ((path, path.lstat()) for path in toolbox.root.rglob("*"))
    return {path: (one.st_ino, one.st_ctime_ns) for path, one in files}
