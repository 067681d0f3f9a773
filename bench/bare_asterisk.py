"""The floor of the call benchmark: the same Asterisk with a bare `Dial` in it, and nothing of ours.

Same program, trunks and machine; no controller, no AMI, no event file, no SIP ladder. As for the
rest, either Maskline's own settings (the fewest modules, messages declined, short timers:
`Bare.TUNED`) or the ones that come with Asterisk (its sample configuration: `Bare.STOCK`).
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from maskline.demo.sipp import is_bound
from maskline.toolbox import AsteriskInstall

DIALPLAN = """[from-trunk]
exten => _+XXXXXXXXXXX,1,Dial(PJSIP/${EXTEN}@callees,40)
 same => n,Hangup()
"""
MANAGER = "[general]\nenabled = no\n"


@dataclass(frozen=True, slots=True)
class Apps:
    """What a bare Asterisk knows of apps."""

    sections: str  # of pjsip.conf: their endpoints
    dialplan: str = ""
    manager: str = MANAGER  # manager.conf


SAMPLES = Path("conf") / "samples"


class Bare(Enum):
    """Whose settings a bare Asterisk has."""

    TUNED = "tuned"
    STOCK = "stock"


@asynccontextmanager
async def bare_asterisk(
    install: AsteriskInstall,
    like: Path,
    root: Path,
    sip: tuple[str, int],
    rtp: tuple[int, int],
    kind: Bare = Bare.TUNED,
    apps: Apps | None = None,
) -> AsyncIterator[int]:
    """Run it below `root`, with the trunks of the node folder `like`; yields its pid.

    Without `apps` it can do nothing of what apps need.
    """
    conf = root / "conf"
    shutil.copytree(like / "conf", conf)
    shutil.copytree(like / "share", root / "share", symlinks=True)
    for name in ("run", "log", "spool", "var"):
        (root / name).mkdir()
    for path in conf.iterdir():
        path.write_text(path.read_text().replace(str(like), str(root)))
    _set(conf / "asterisk.conf", astrundir=str(root / "run"))
    _set(conf / "pjsip.conf", bind=f"{sip[0]}:{sip[1]}")
    match kind:
        case Bare.TUNED:
            (conf / "manager.conf").write_text(MANAGER if apps is None else apps.manager)
            (conf / "cel.conf").write_text("[general]\nenable = no\n")
            (conf / "hep.conf").write_text("[general]\nenabled = no\n")
        case Bare.STOCK:
            _as_it_comes(conf, install)
    _set(conf / "rtp.conf", rtpstart=str(rtp[0]), rtpend=str(rtp[1]))
    if kind is Bare.TUNED:
        _without_look_ups(conf, apps)
    (conf / "extensions.conf").write_text(DIALPLAN + (apps.dialplan if apps else ""))
    trunks = (conf / "pjsip_trunks.conf").read_text()
    # The variables are for Maskline's dialplan.
    (conf / "pjsip_trunks.conf").write_text(re.sub(r"(?m)^set_var.*\n", "", trunks))
    with (root / "log" / "stdout").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *install.argv, "-f", "-C", str(conf / "asterisk.conf"),
            stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        async with asyncio.timeout(60):
            while not is_bound(*sip):
                await asyncio.sleep(0.05)
            await asyncio.sleep(4)  # the dialplan is loaded after the transports
        yield process.pid
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _without_look_ups(conf: Path, apps: Apps | None) -> None:
    """All that it knows of apps stands in a file, and where there is none ICE is off as well."""
    for name in ("sorcery.conf", "extconfig.conf"):
        (conf / name).unlink()
    (conf / "http.conf").write_text("[general]\nenabled = no\n")
    if apps is None:
        _set(conf / "rtp.conf", icesupport="no")
    else:
        (conf / "pjsip_apps.conf").write_text(apps.sections)
        with (conf / "pjsip.conf").open("a") as file:
            file.write("\n#include pjsip_apps.conf\n")


def _as_it_comes(conf: Path, install: AsteriskInstall) -> None:
    """Asterisk's own samples instead of every file but folders, trunks and a transport for them."""
    transport = re.search(
        r"(?ms)^\[transport-udp\]\n.*?(?=^\[|\Z)", (conf / "pjsip.conf").read_text()
    )
    if transport is None:
        raise RuntimeError("pjsip.conf has no transport-udp")
    folders = re.search(
        r"(?ms)^\[directories\]\n.*?(?=^\[|\Z)", (conf / "asterisk.conf").read_text()
    )
    if folders is None:
        raise RuntimeError("asterisk.conf has no directories")
    kept = {"pjsip_trunks.conf"}
    for path in conf.iterdir():
        if path.name not in kept:
            path.unlink()
    for sample in (install.data_dir / SAMPLES).glob("*.conf.sample"):
        shutil.copyfile(sample, conf / sample.name.removesuffix(".sample"))
    (conf / "asterisk.conf").write_text(folders[0])
    with (conf / "pjsip.conf").open("a") as file:
        file.write(f"\n{transport[0]}\n#include pjsip_trunks.conf\n")


def _set(path: Path, **values: str) -> None:
    """Give every `key = value` or `key => value` line of `path` the new value."""
    text = path.read_text()
    for key, value in values.items():
        text, count = re.subn(rf"(?m)^{key}(\s*=>?\s*).*$", rf"{key}\g<1>{value}", text)
        if not count:
            raise RuntimeError(f"{path.name} has no {key}")
    path.write_text(text)
