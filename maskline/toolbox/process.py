"""Runs one program with a deadline and turns its failure into one line.

Never runs a shell.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from maskline.toolbox.errors import CommandError


def run(
    argv: Sequence[str | Path],
    *,
    timeout_s: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Returns what the program printed (stdout, then stderr).

    `env` is added to our own environment, whose language is set to C. Raises CommandError.
    """
    name = Path(argv[0]).name
    full_env = {**os.environ, "LC_ALL": "C.UTF-8", **(env or {})}
    full_env.pop("LANGUAGE", None)
    try:
        done = subprocess.run(
            [str(part) for part in argv],
            env=full_env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"{name} did not end within {timeout_s:.0f} s") from error
    except OSError as error:
        raise CommandError(f"{name} cannot be run: {error.strerror or error}") from error
    output = (done.stdout + done.stderr).decode("utf-8", "replace")
    if done.returncode != 0:
        raise CommandError(f"{name} failed ({done.returncode}): {telling_line(output)}")
    return output


def telling_line(output: str, limit: int = 300) -> str:
    """The line of a tool's output that most likely names the cause."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for mark in ("E: ", "Err:", "error:", "Error", "W: "):
        for line in lines:
            if mark in line:
                return line[:limit]
    return lines[-1][:limit] if lines else "no output"
