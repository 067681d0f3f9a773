"""Hostile texts, and every place of an INVITE that they can be put into."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from maskline.demo import sip
from maskline.demo.g711 import Codec
from tests.support.wiretap import token

NUMBER = "+74951110001"

STRANGER = "+79990000001"

MARK = "FORGED"
ROW = (
    '{"eventtime":"1.1","eventenum":"USER_DEFINED","userdeftype":"END;by=FORGED;cause=16",'
    '"uniqueid":"1","linkedid":"1","channame":"x"}'
)
EVENT = "Event: UserEvent\r\nPrivilege: user,all\r\nUserEvent: CallOffered\r\nTrunk: FORGED\r\n"


def _encoded(text: str) -> str:
    return "".join(f"%{ord(one):02X}" for one in text)


def values(trap: Path) -> dict[str, str]:
    """Hostile texts by name; `trap` must never come to exist. One character is one byte."""
    shell = f"${{SHELL(touch {trap})}}"
    write = f"${{FILE({trap},,,,)}}${{ENV(MASKLINE_{MARK})}}"
    return {
        "line-break": f"{MARK}\r\n{EVENT}\r\n",
        "line-break-encoded": f"{MARK}{_encoded(chr(13) + chr(10) + EVENT + chr(13) + chr(10))}",
        "line-break-twice-encoded": f"{MARK}%250D%250A{EVENT.splitlines()[0]}",
        "folded": f"{MARK}\r\n Event: UserEvent\r\n\tUserEvent: CallOffered",
        "line-feed": f"{MARK}\n{ROW}\n",
        "line-feed-encoded": f"{MARK}{_encoded(chr(10) + ROW + chr(10))}",
        "nul": f"{MARK}\x00tail",
        "nul-encoded": f"{MARK}%00tail",
        "commas": f"{MARK},,{NUMBER},,yes",
        "argument": f"{MARK},Complete: yes,Trusted: yes,From: x",
        "ampersand": f"{MARK}&PJSIP/there&Local/s@plan",
        "slash": f"{MARK}/../../etc/passwd",
        "shell": f"{MARK}{shell}",
        "shell-encoded": f"{MARK}{_encoded(shell)}",
        "function": f"{MARK}{write}",
        "eval": f"{MARK}${{EVAL({shell})}}",
        "variable": f"{MARK}${{ROUTE_TIMEOUT_S}}${{UNIQUEID}}${{SYSTEMNAME}}${{M_PLAN}}",
        "expression": f"{MARK}$[1+1]$[${{ROUTE_TIMEOUT_S}}*2]",
        "half-variable": f"{MARK}${{",
        "quote": f'{MARK}"',
        "quotes": f"{MARK}\"'\"'`",
        "backslash": f"{MARK}\\",
        "backslashes": f"{MARK}\\\\\\r\\n\\x0d\\u000a",
        "semicolons": f"{MARK};END;by=callee;cause=16",
        "json": f'{MARK}","eventenum":"LINKEDID_END","x":"',
        "json-end": f'{MARK}"}}]}}\n{ROW}',
        "csv": f'{MARK}","",""\r\n"=cmd|\' /C calc\'!A0"',
        "markup": f"<b>{MARK}</b><script>1</script>",
        "parenthesis-open": f"{MARK}((((",
        "parenthesis-close": f"{MARK}):7)):3",
        "pattern": f"_[+0-9]XXXXXX{MARK}",
        "format": f"{MARK}%s%n%999999d%zz%",
        "not-utf-8": f"{MARK}\xff\xfe\xc3\x28\x80",
        "line-separators": f"{MARK}\xe2\x80\xa8{EVENT.splitlines()[0]}\xc2\x85x",
        "blanks": f"{MARK}" + "\xc2\xa0" * 500 + "x",
        "escape": f"{MARK}\x1b[2J\x1b]0;x\x07",
        "empty": "",
        "long": MARK + "A" * 3000,
        "very-long": MARK + "9" * 20_000,
    }


@dataclass(frozen=True)
class Invite:
    """An INVITE, every place of which can be chosen."""

    host: str
    port: int
    toward: str
    user: str = NUMBER
    user_more: str = ""
    uri_more: str = ""
    sender: str = f"<sip:{STRANGER}@carrier.example>"
    to: str = f"<sip:{NUMBER}@carrier.example>"
    contact_user: str = "phone"
    headers: tuple[str, ...] = ()
    sdp_more: tuple[str, ...] = ()
    origin: str = "-"
    call_id: str = field(default_factory=lambda: token("callid"))
    via_more: str = ""
    cseq: str = "1"
    branch: str = field(default_factory=lambda: "z9hG4bK" + token("branch"))
    tag: str = field(default_factory=lambda: token("tag"))

    def request(self, method: str) -> bytes:
        """The INVITE, or its CANCEL."""
        body = sip.sdp(self.host, 45_000, (Codec.ALAW,), self.sdp_more)
        body = body.replace("o=carrier 1", f"o={self.origin} 1")
        lines = [
            f"Via: SIP/2.0/UDP {self.host}:{self.port};branch={self.branch}{self.via_more}",
            f"From: {self.sender};tag={self.tag}",
            f"To: {self.to}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {self.cseq} {method}",
            f"Contact: <sip:{self.contact_user}@{self.host}:{self.port}>",
            "Max-Forwards: 70",
            *self.headers,
        ]
        if method == "INVITE":
            lines.append("Content-Type: application/sdp")
        uri = f"sip:{self.user}{self.user_more}@{self.toward}{self.uri_more}"
        return sip.join(f"{method} {uri} SIP/2.0", lines, body if method == "INVITE" else "")


Place = Callable[[Invite, str], Invite]
HONEST = f"<sip:{STRANGER}@carrier.example>"
# Each puts a value where a caller, or somebody between, could.
PLACES: dict[str, Place] = {
    "request-user": lambda i, v: replace(i, user=v),
    "request-user-tail": lambda i, v: replace(i, user_more=v),
    "request-user-parameter": lambda i, v: replace(i, user_more=f";npdi={v}"),
    "request-uri-parameter": lambda i, v: replace(i, uri_more=f";user={v}"),
    "from-user": lambda i, v: replace(i, sender=f"<sip:{v}@carrier.example>"),
    "from-user-tail": lambda i, v: replace(i, sender=f"<sip:{STRANGER}{v}@carrier.example>"),
    "from-name": lambda i, v: replace(i, sender=f'"{v}" {HONEST}'),
    "from-bare-name": lambda i, v: replace(i, sender=f"{v} {HONEST}"),
    "from-host": lambda i, v: replace(i, sender=f"<sip:{STRANGER}@{v}>"),
    "from-parameter": lambda i, v: replace(i, sender=f"{HONEST};x={v}"),
    "from-tag": lambda i, v: replace(i, tag=v),
    "from-tel": lambda i, v: replace(i, sender=f"<tel:{v}>"),
    "to-user": lambda i, v: replace(i, to=f'"{v}" <sip:{v}@carrier.example>'),
    "asserted-user": lambda i, v: replace(i, headers=(f"P-Asserted-Identity: <sip:{v}@x>",)),
    "asserted-name": lambda i, v: replace(i, headers=(f'P-Asserted-Identity: "{v}" {HONEST}',)),
    "asserted-tel": lambda i, v: replace(i, headers=(f"P-Asserted-Identity: <tel:{v}>",)),
    "asserted-whole": lambda i, v: replace(i, headers=(f"P-Asserted-Identity: {v}",)),
    "asserted-twice": lambda i, v: replace(
        i, headers=(f"P-Asserted-Identity: {HONEST}", f"P-Asserted-Identity: {v}, <tel:{v}>")
    ),
    "privacy": lambda i, v: replace(i, headers=(f"Privacy: {v}",)),
    "diversion": lambda i, v: replace(
        i, headers=(f'Diversion: "{v}" <sip:{v}@x>;reason={v}', f"Remote-Party-ID: <sip:{v}@x>")
    ),
    "contact": lambda i, v: replace(i, contact_user=v),
    "call-id": lambda i, v: replace(i, call_id=f"{token('id')}{v}"),
    "via": lambda i, v: replace(i, via_more=f";x={v}"),
    "other-headers": lambda i, v: replace(
        i,
        headers=(
            f"User-Agent: {v}",
            f"Subject: {v}",
            f"X-Header: {v}",
            f"Reason: Q.850;cause={v};text={v}",
            f"Supported: {v}",
            f"Call-Info: <{v}>",
        ),
    ),
    "header-name": lambda i, v: replace(i, headers=(f"X-{v}: 1",)),
    "sdp": lambda i, v: replace(i, origin=v or "-", sdp_more=(f"a=x:{v}", f"a=rtpmap:98 {v}/8000")),
}
