"""SIPp with scenarios of a few lines, as carriers of the node's own tests."""

from __future__ import annotations

import asyncio
import itertools
import os
from dataclasses import dataclass
from pathlib import Path

from maskline.demo.sipp import is_bound
from maskline.toolbox import ToolboxSettings, find_sipp

_SDP = """v=0
o=carrier 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio 6000 RTP/AVP 8
a=rtpmap:8 PCMA/8000
"""
_ECHOED = "[last_Via:]\n[last_From:]\n[last_To:]%s\n[last_Call-ID:]\n[last_CSeq:]\n"
_numbers = itertools.count(1)


def sipp_argv() -> tuple[str, ...]:
    return find_sipp(ToolboxSettings.from_env(os.environ)).argv


def _send(message: str, attributes: str = "") -> str:
    return f"<send{attributes}><![CDATA[\n{message}\n]]></send>\n"


def answer(status: str, *, sdp: bool = False, tag: bool = True) -> str:
    body = f"Content-Type: application/sdp\nContent-Length: [len]\n\n{_SDP}"
    head = _ECHOED % (";tag=t[call_number]" if tag else "")
    retrans = ' retrans="500"' if sdp and status.startswith("2") else ""
    rest = body if sdp else "Content-Length: 0\n"
    contact = "Contact: <sip:c@[local_ip]:[local_port]>\n"
    return _send(f"SIP/2.0 {status}\n{head}{contact}{rest}", retrans)


def expect(request: str, *, optional: bool = False) -> str:
    return f'<recv request="{request}"{_optional(optional=optional)}/>\n'


def expect_status(status: int, *, optional: bool = False) -> str:
    return f'<recv response="{status}"{_optional(optional=optional)}/>\n'


def _optional(*, optional: bool) -> str:
    return ' optional="true"' if optional else ""


def pause(ms: int) -> str:
    return f'<pause milliseconds="{ms}"/>\n'


def request(
    method: str, cseq: int, *, to: str = "[last_To:]", sdp: bool = False, head: str = ""
) -> str:
    caller = "%(caller)s"
    body = f"Content-Type: application/sdp\nContent-Length: [len]\n\n{_SDP}"
    return _send(
        f"{method} sip:[service]@[remote_ip]:[remote_port] SIP/2.0\n"
        "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n"
        f"From: {caller};tag=f[call_number]\n{to}\nCall-ID: [call_id]\nCSeq: {cseq} {method}\n"
        "Contact: <sip:c@[local_ip]:[local_port]>\nMax-Forwards: 70\n"
        f"{head}{body if sdp else 'Content-Length: 0'}\n",
        ' retrans="500"' if method != "ACK" else "",
    )


TO = "To: <sip:[service]@[remote_ip]>"
PROVISIONAL = "".join(expect_status(code, optional=True) for code in (100, 180, 183))


def invite(head: str = "") -> str:
    return request("INVITE", 1, to=TO, sdp=True, head=head) + PROVISIONAL


def calls_and_talks(ms: int, head: str = "") -> str:
    """A caller who hangs up `ms` after the answer."""
    return (
        invite(head)
        + expect_status(200)
        + request("ACK", 1)
        + pause(ms)
        + request("BYE", 2)
        + expect_status(200)
    )


def calls_until_bye(head: str = "") -> str:
    """A caller who talks until the other side hangs up."""
    return (
        invite(head)
        + expect_status(200)
        + request("ACK", 1)
        + expect("BYE")
        + answer("200 OK", tag=False)
    )


def calls_in_vain(status: int, head: str = "") -> str:
    """A caller who is refused with `status`."""
    return invite(head) + expect_status(status) + request("ACK", 1)


def cancels_while_ringing(after_ms: int) -> str:
    """A caller who gives up `after_ms` after it rang."""
    cancel = request("CANCEL", 1, to=TO).replace("[branch]", "[branch-4]")
    return (
        request("INVITE", 1, to=TO, sdp=True)
        + expect_status(100, optional=True)
        + expect_status(180)
        + pause(after_ms)
        + cancel
        + expect_status(200)
        + expect_status(487)
        + request("ACK", 1).replace("[branch]", "[branch-7]")
    )


def rings(ms: int = 20) -> str:
    return expect("INVITE") + answer("180 Ringing") + pause(ms)


def answers(ring_ms: int = 20) -> str:
    """A callee who answers and talks until the other side hangs up."""
    return (
        rings(ring_ms)
        + answer("200 OK", sdp=True)
        + expect("ACK")
        + expect("BYE")
        + answer("200 OK", tag=False)
    )


def answers_then_hangs_up(talk_ms: int) -> str:
    """A callee who ends the call."""
    offered = (
        '<recv request="INVITE" rrs="true"><action>\n'
        '<ereg regexp=".*" search_in="hdr" header="From:" assign_to="caller"/>\n'
        '<ereg regexp=".*" search_in="hdr" header="To:" assign_to="callee"/>\n'
        "</action></recv>\n"
    )
    bye = (
        "BYE [next_url] SIP/2.0\nVia: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n"
        "From:[$callee];tag=t[call_number]\nTo:[$caller]\nCall-ID: [call_id]\nCSeq: 1 BYE\n"
        "Max-Forwards: 70\nContent-Length: 0\n"
    )
    return (
        offered
        + answer("180 Ringing")
        + answer("200 OK", sdp=True)
        + expect("ACK")
        + pause(talk_ms)
        + _send(bye, ' retrans="500"')
        + expect_status(200)
    )


def refuses(status: str) -> str:
    return rings() + answer(status) + expect("ACK")


def never_answers() -> str:
    """Rings until the other side cancels."""
    return (
        expect("INVITE")
        + answer("180 Ringing")
        + expect("CANCEL")
        + answer("200 OK", tag=False)
        + answer("487 Request Terminated").replace("[last_CSeq:]", "CSeq: [cseq] INVITE")
        + expect("ACK")
    )


@dataclass
class Sipp:
    """One SIPp process."""

    process: asyncio.subprocess.Process
    output: Path
    messages: Path

    async def done(self, *, deadline_s: float = 20.0) -> int:
        """Wait for its end; its exit code, 0 where all calls went as the scenario says."""
        try:
            async with asyncio.timeout(deadline_s):
                return await self.process.wait()
        finally:
            await self.kill()

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    def said(self) -> str:
        return self.messages.read_text(errors="replace") if self.messages.exists() else ""


async def sipp(
    scenario: str,
    folder: Path,
    *,
    host: str,
    port: int = 5060,
    to: tuple[str, int] | None = None,
    number: str = "+74951110001",
    caller: str = '"Anna" <sip:+79161234567@[local_ip]>',
    calls: int = 1,
    rate: int = 10,
) -> Sipp:
    """Start SIPp; as a caller where `to` is given, else as a callee."""
    name = f"sipp-{next(_numbers)}"
    file = folder / f"{name}.xml"
    text = scenario.replace("%(caller)s", caller)
    head = '<?xml version="1.0" encoding="ISO-8859-1" ?>'
    file.write_text(f'{head}\n<scenario name="{name}">\n{text}</scenario>\n')
    output, messages = folder / f"{name}.out", folder / f"{name}.msg"
    target = [f"{to[0]}:{to[1]}"] if to else []
    with output.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            *sipp_argv(),
            *target,
            *("-sf", str(file), "-i", host, "-p", str(port), "-s", number, "-nostdin"),
            *("-m", str(calls), "-r", str(rate), "-trace_msg", "-message_file", str(messages)),
            *(
                "-timeout",
                "40",
                "-timeout_error",
                "-trace_err",
                "-error_file",
                f"{folder}/{name}.err",
            ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            cwd=folder,
        )
    # A packet that comes before it listens is a refusal of the machine, not of the scenario.
    async with asyncio.timeout(10):
        while not is_bound(host, port) and process.returncode is None:
            await asyncio.sleep(0.01)
    return Sipp(process, output, messages)
