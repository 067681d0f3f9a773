"""The cache: one writer at a time, whole or absent, nobody else's."""

import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from maskline.toolbox import cache
from maskline.toolbox.errors import BusyError, CacheError

# Holds the lock with a half-made build, says so, and waits to be killed.
HOLDER = textwrap.dedent("""
    import sys
    from pathlib import Path
    from maskline.toolbox import cache
    folder = Path(sys.argv[1])
    with cache.locked(folder, "box"), cache.build_folder(folder, "box") as build:
        (build / "half").write_text("made")
        print("holding", flush=True)
        sys.stdin.read()
""")


@pytest.fixture
def holder(tmp_path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "holding\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    with process:
        process.send_signal(signal.SIGKILL)
        process.wait(10)


def test_a_second_process_waits_and_gives_up_at_its_deadline(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    said: list[str] = []
    with (
        pytest.raises(BusyError, match="another set-up has held"),
        cache.locked(tmp_path, "box", timeout_s=0.5, say=said.append),
    ):
        pytest.fail("the lock was given to two")
    kill(holder)
    assert said == ["waiting for another set-up to end"]


def test_a_killed_holder_leaves_neither_a_lock_nor_its_build(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    assert list(tmp_path.glob(".build-box-*/half"))
    kill(holder)
    with cache.locked(tmp_path, "box", timeout_s=5), cache.build_folder(tmp_path, "box") as build:
        assert list(tmp_path.glob(".build-*")) == [build]
        assert list(build.iterdir()) == []
    assert not list(tmp_path.glob(".build-*"))


def test_the_lock_is_handed_on(tmp_path: Path) -> None:
    inside = 0
    most = 0

    def work() -> None:
        nonlocal inside, most
        with cache.locked(tmp_path, "box", timeout_s=20):
            inside += 1
            most = max(most, inside)
            inside -= 1

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most == 1


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def half_a_build() -> None:
        with cache.build_folder(tmp_path, "box") as build:
            (build / "half").write_text("made", "utf-8")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half_a_build()
    assert list(tmp_path.iterdir()) == []


def test_publish_replaces_what_was_there(tmp_path: Path) -> None:
    final = tmp_path / "box"
    for text in ("old", "new"):
        with cache.build_folder(tmp_path, "box") as build:
            (build / "root").mkdir()
            (build / "root" / "file").write_text(text, "utf-8")
            cache.publish(build / "root", final)
        assert (final / "file").read_text("utf-8") == text
    assert list(tmp_path.iterdir()) == [final]


@pytest.mark.parametrize("mode", [0o777, 0o775])
def test_a_cache_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(CacheError, match="may be written by other users"):
        cache.open_cache(folder)


def test_a_cache_that_cannot_be_made_says_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CacheError, match=r"cannot write .*: set MASKLINE_CACHE"):
        cache.open_cache(tmp_path / "file" / "cache")


def test_too_little_room_is_said_before_anything_is_fetched(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match=r"MB free and \d+ are needed"):
        cache.check_space(tmp_path, 10**9)
