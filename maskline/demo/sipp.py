"""One SIPp process: its scenario filled in, its bounds, its end.

Bounded in calls and in time by SIPp itself, and ended by its pid by us. It talks to nothing but the
wire of its carrier.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from maskline.demo.errors import SippFailed
from maskline.demo.spec import PATIENCE_S

FAILURES = (
    *(300, 301, 302, 305, 380),
    *(400, 403, 404, 405, 406, 408, 410, 415, 420, 421, 422, 423, 480, 481, 482, 483, 484, 485),
    *(486, 487, 488, 489, 491, 493),
    *(500, 501, 502, 503, 504, 505, 513, 580, 600, 603, 604, 606, 607, 608),
)
PROVISIONAL = (100, 180, 181, 182, 183, 199)
IN_DIALOG = {
    "INVITE": "reinvite",
    **dict.fromkeys(("UPDATE", "INFO", "OPTIONS", "MESSAGE", "NOTIFY", "REFER", "PRACK"), "fine"),
}
# Below carriers, SIPp's other sockets (6000, 8888 and on) and what the kernel gives to anyone.
_PORTS = range(2_000, 5_000)
_turns = itertools.count(secrets.randbelow(len(_PORTS)))
_CSEQ = '<action><ereg regexp="[0-9]+" search_in="hdr" header="CSeq:" assign_to="cseq"/></action>'


@dataclass(frozen=True, slots=True)
class SippJob:
    """What one process is to do."""

    scenario: str  # "caller" or "callee"
    words: Mapping[str, str]  # for the places between two @
    local: tuple[str, int]
    wire: tuple[str, int]
    calls: int = 1
    rate: float = 10.0  # calls a second, of a caller
    limit_s: int = 180
    call_id: str | None = None  # of a caller; %u becomes the number of the call
    fields: Sequence[Sequence[str]] = ()  # one row a call, for [field0] …


@dataclass(slots=True)
class Sipp:
    """A running process."""

    job: SippJob
    folder: Path
    process: asyncio.subprocess.Process = field(repr=False)

    @classmethod
    async def start(cls, command: Sequence[str], job: SippJob, folder: Path) -> Sipp:
        """Write the scenario below `folder` and start."""
        folder.mkdir(parents=True, exist_ok=True)
        scenario = folder / "scenario.xml"
        scenario.write_text(render(job.scenario, job.words), encoding="latin-1")
        argv = [*command, *_arguments(job, scenario, folder)]
        with (folder / "stderr.log").open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                *argv,
                cwd=folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=errors,
            )
        return cls(job, folder, process)

    async def listening(self, timeout_s: float = PATIENCE_S) -> None:
        """Wait until its UDP port is open. Raises SippFailed when it ended, or TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while not is_bound(*self.job.local):
                if self.process.returncode is not None:
                    raise SippFailed(self.complaint())
                await asyncio.sleep(0.003)

    async def end(self) -> None:
        """End it, gently for a second."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.terminate()
            try:
                async with asyncio.timeout(1.0):
                    await self.process.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    self.process.kill()
                await self.process.wait()

    def complaint(self) -> str:
        """What SIPp wrote about its failure, the last lines of it."""
        texts = [path.read_text("latin-1") for path in sorted(self.folder.glob("*.log"))]
        return "\n".join(texts).strip()[-2000:]


def render(name: str, words: Mapping[str, str]) -> str:
    """The scenario `name` with its shared pieces and `words` set in."""
    text = _resource(f"{name}.xml")
    shared = _resource("shared.xml")
    text = text.replace("<!--replies-->", _between(shared, "replies", "goodbye"))
    text = text.replace("<!--goodbye-->", _between(shared, "goodbye", "end"))
    after = "failed" if words.get("username", "") == "" else "challenged"
    challenges = (_receive(f'response="{code}" auth="true"', after, _CSEQ) for code in (401, 407))
    text = text.replace("<!--challenges-->", "".join(challenges))
    for place in ("dialling", "proven", "cancelling"):
        text = text.replace(
            f"<!--provisional:{place}-->",
            "".join(_receive(f'response="{code}"', place, _CSEQ) for code in PROVISIONAL),
        )
    text = text.replace(
        "<!--failures:failed-->",
        "".join(_receive(f'response="{code}"', "failed", _CSEQ) for code in FAILURES),
    )
    text = text.replace(
        "<!--in-dialog-->",
        "".join(_receive(f'request="{method}"', to) for method, to in IN_DIALOG.items()),
    )
    # No call passes the end: SIPp wants a label to jump to.
    text = text.replace("</scenario>", '<label id="end"/>\n</scenario>')
    lines = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("@") and stripped.endswith("@") and not words.get(stripped[1:-1]):
            continue  # nothing to say: an empty line would end the headers
        lines.append(line)
    text = "\n".join(lines)
    for word, value in words.items():
        text = text.replace(f"@{word}@", value.replace("\r\n", "\n"))
    return text


BRACKET = "\x01"  # stands for "[", which SIPp cannot be told to leave alone


def literal(text: str) -> str:
    """`text` for a scenario, with nothing in it that SIPp takes for a keyword; see `unveil`."""
    return text.replace("[", BRACKET)


def unveil(data: bytes) -> bytes:
    """What SIPp sent, with the brackets back in their places."""
    return data.replace(BRACKET.encode(), b"[")


def is_bound(host: str, port: int) -> bool:
    """Whether some process of this machine has UDP `host`:`port` open (or 0.0.0.0:`port`)."""
    ours = {f"{_hex(address)}:{port:04X}" for address in (host, "0.0.0.0")}  # noqa: S104  (compared, never bound)
    with Path("/proc/net/udp").open() as table:
        return any(line.split()[1] in ours for line in table)


def free_port(host: str) -> int:
    """A UDP port of `host` that is free, and stays so until SIPp has started. Raises SippFailed.

    Below those that the kernel gives to whoever asks for any, and of its own for each time: between
    this look and SIPp's own binding a second passes on a busy machine, and others take ports then.
    """
    for _ in _PORTS:
        port = _PORTS[next(_turns) % len(_PORTS)]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((host, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                return port
    raise SippFailed(f"no UDP port of {host} is free between {_PORTS[0]} and {_PORTS[-1]}")


def _hex(address: str) -> str:
    return socket.inet_aton(address)[::-1].hex().upper()


def _receive(what: str, to: str, action: str = "") -> str:
    return f'  <recv {what} optional="true" next="{to}">{action}</recv>\n'


def _between(text: str, first: str, last: str) -> str:
    return text.partition(f"<!--{first}-->")[2].partition(f"<!--{last}-->")[0]


def _resource(name: str) -> str:
    return (files("maskline.demo") / "scenarios" / name).read_text("utf-8")


def _arguments(job: SippJob, scenario: Path, folder: Path) -> list[str]:
    host, port = job.local
    arguments = ["-sf", str(scenario), "-i", host, "-p", str(port), "-m", str(job.calls)]
    arguments += ["-nostdin", "-nd", "-timeout", f"{job.limit_s}s", "-max_retrans", "7"]
    arguments += [
        "-trace_err",
        "-error_file",
        str(folder / "errors.log"),
        "-error_overwrite",
        "true",
    ]
    arguments += ["-skip_rlimit", "-ci", host]
    if job.scenario == "caller":
        arguments += ["-r", f"{job.rate:g}", "-l", str(job.calls)]
        arguments += ["-cid_str", job.call_id or "%u-%p@%s"]
        if job.fields:
            rows = folder / "fields.csv"
            lines = ["SEQUENTIAL", *(";".join(row) for row in job.fields)]
            rows.write_text("\n".join(lines) + "\n", "latin-1")
            arguments += ["-inf", str(rows)]
        arguments.append(f"{job.wire[0]}:{job.wire[1]}")
    return arguments
