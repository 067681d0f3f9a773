"""What the tests need besides the toolbox: database server, Redis, browser, TURN relay, SIP client.

Installs packages where we are root on a machine with apt; else says in one line which are missing.
Never used by `make run`.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from maskline.toolbox import pjsua2
from maskline.toolbox.cache import Progress, quiet
from maskline.toolbox.errors import CommandError, ToolboxError
from maskline.toolbox.process import run
from maskline.toolbox.settings import ToolboxSettings

APT_TIMEOUT_S = 1200.0
# RUNLEVEL: packages of servers must not start one; the tests start their own, on their own ports.
APT_ENV = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
POSTGRESQL_FOLDER = Path("/usr/lib/postgresql")


def missing_programs() -> list[str]:
    """Packages of servers that tests start themselves, and of the browser."""
    missing = []
    if shutil.which("initdb") is None and not any(POSTGRESQL_FOLDER.glob("*/bin/initdb")):
        missing.append("postgresql")
    if shutil.which("redis-server") is None:
        missing.append("redis-server")
    if shutil.which("chromium") is None:
        missing.append("chromium")
    if shutil.which("turnserver") is None:
        missing.append("coturn")
    return missing


def ensure_testkit(settings: ToolboxSettings, say: Progress = quiet) -> list[str]:
    """Installs and builds what is missing; returns the packages that still are."""
    have_pjsua2 = pjsua2.find_pjsua2(settings) is not None

    def missing() -> list[str]:
        return missing_programs() + ([] if have_pjsua2 else pjsua2.missing_packages())

    wanted = missing()
    if wanted and os.geteuid() == 0 and shutil.which("apt-get") is not None:
        say(f"installing for the tests: {' '.join(wanted)}")
        _apt_install(wanted)
        wanted = missing()
    if wanted:
        line = " ".join(wanted)
        say(f"skipping the tests that need missing packages: sudo apt-get install {line}")
    if not have_pjsua2 and not pjsua2.missing_packages():
        pjsua2.ensure_pjsua2(settings, say)
    return wanted


def _apt_install(packages: list[str]) -> None:
    install = ["apt-get", "-q", "-y", "--no-install-recommends", "install", *packages]
    try:
        run(install, env=APT_ENV, timeout_s=APT_TIMEOUT_S)
    except CommandError:
        # The machine's lists are often absent or old: fetch them and try once more.
        try:
            run(["apt-get", "-q", "update"], env=APT_ENV, timeout_s=APT_TIMEOUT_S)
            run(install, env=APT_ENV, timeout_s=APT_TIMEOUT_S)
        except CommandError as error:
            line = " ".join(packages)
            raise ToolboxError(f"{error}: install by hand: apt-get install {line}") from error
