"""What README, quick start and the pages for developers tell people to type works as it stands."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from pathlib import Path

import pytest

from tests.support.maskline import Maskline

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("page", ["README.md", "docs/quick-start.md", "docs/in-app-calls.md"])
async def test_every_request_of_the_page_is_answered(own: Maskline, page: str) -> None:
    await own.start()
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    script = "\n".join(block for block in blocks if re.search(r"\bask\b", block))
    assert script.count("ask ") >= 5
    script = script.replace("127.0.0.1:8080", own.http).replace(
        "data/admin.key", f"{own.data}/admin.key"
    )

    assert "maskline up" not in script
    shell = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", script),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await shell.communicate()

    assert (shell.returncode, err.decode()) == (0, "")
    answers = [json.loads(line) for line in out.decode().splitlines() if line]
    assert len(answers) == len(re.findall(r"^ask ", script, re.MULTILINE))
    refused = [answer for answer in answers if "error_id" in answer]
    assert refused == []
    assert await own.stop() == 0
