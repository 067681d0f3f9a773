"""The floor of the call benchmark: the Asterisk that Maskline runs, with a bare `Dial` in it.

Same program, modules, trunks and SIP settings; no controller, no AMI, no event file.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from maskline.demo.sipp import is_bound
from maskline.toolbox import AsteriskInstall

DIALPLAN = """[from-trunk]
exten => _+XXXXXXXXXXX,1,Dial(PJSIP/${EXTEN}@callees,40)
 same => n,Hangup()
"""


@asynccontextmanager
async def bare_asterisk(
    install: AsteriskInstall, like: Path, root: Path, sip: tuple[str, int], rtp: tuple[int, int]
) -> AsyncIterator[int]:
    """Run it on a copy of the node folder `like` below `root`; yields its pid."""
    shutil.copytree(like / "conf", root / "conf")
    shutil.copytree(like / "share", root / "share", symlinks=True)
    for name in ("run", "log", "spool", "var"):
        (root / name).mkdir()
    for path in (root / "conf").iterdir():
        path.write_text(path.read_text().replace(str(like), str(root)))
    conf = root / "conf"
    _set(conf / "asterisk.conf", astrundir=str(root / "run"))
    _set(conf / "rtp.conf", rtpstart=str(rtp[0]), rtpend=str(rtp[1]))
    _set(conf / "pjsip.conf", bind=f"{sip[0]}:{sip[1]}")
    (conf / "manager.conf").write_text("[general]\nenabled = no\n")
    (conf / "cel.conf").write_text("[general]\nenable = no\n")
    (conf / "extensions.conf").write_text(DIALPLAN)
    trunks = (conf / "pjsip_trunks.conf").read_text()
    # The hangup handler, too, belongs to Maskline's dialplan.
    (conf / "pjsip_trunks.conf").write_text(re.sub(r"(?m)^set_var.*\n", "", trunks))
    with (root / "log" / "stdout").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *install.argv, "-f", "-C", str(conf / "asterisk.conf"),
            stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        async with asyncio.timeout(30):
            while not is_bound(*sip):
                await asyncio.sleep(0.05)
            await asyncio.sleep(2)  # the dialplan is loaded after the transports
        yield process.pid
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _set(path: Path, **values: str) -> None:
    """Give every `key = value` or `key => value` line of `path` the new value."""
    text = path.read_text()
    for key, value in values.items():
        text, count = re.subn(rf"(?m)^{key}( =>? ).*$", rf"{key}\g<1>{value}", text)
        if not count:
            raise RuntimeError(f"{path.name} has no {key}")
    path.write_text(text)
