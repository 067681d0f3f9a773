"""The calls that ingestion is measured by: answered, unanswered and busy ones in turn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from masking.model import Card, Listing, Participant, Phone, Pool, Role, Session
from storage import numbers
from storage.schema import participants, sessions
from storage.session_rows import participant_rows, session_row
from storage.vault import Vault

NODE = "nbench0000000"
START_S = 1_700_000_000
SESSIONS = 1_000
_CALLS_PER_S = 60
_LEG = (
    "codec=alaw;ssrc=982603275;themssrc=3359556752;lp=3;txjitter=0.001250;rxcount=3150;"
    "rxjitter=0.002000;txcount=3148;rlp=0;rtt=0.020500;txmes=88.4;rxmes=91.2"
)
_PLAN = "caller=buyer;callee=seller;in=+74951110001;out=+74951110002;lang=ru"


def rows_together(count: int) -> bytes:
    """Each call's rows one after the other."""
    return b"".join(row for n in range(count) for _, row in _call(n))


def rows_mixed(count: int, first: int = 0, sessions: int = SESSIONS) -> bytes:
    """All rows in order of time, of the calls from number `first` on."""
    calls = range(first, first + count)
    return b"".join(row for _, row in sorted(pair for n in calls for pair in _call(n, sessions)))


def _call(n: int, sessions: int = SESSIONS) -> list[tuple[int, bytes]]:
    begin = START_S * 1_000_000 + n * 1_000_000 // _CALLS_PER_S
    caller = f"{NODE}-{begin // 1_000_000}.{2 * n}"
    callee = f"{NODE}-{begin // 1_000_000}.{2 * n + 1}"
    rows: list[tuple[int, bytes]] = []

    def add(at_s: float, name: str, channel: str = caller, extra: str = "") -> None:
        at = begin + int(at_s * 1e6)
        event = name if name in ("ANSWER", "LINKEDID_END") else "USER_DEFINED"
        said = f"{name};{extra}" if extra else ""
        text = (
            f'{{"eventtime":"{at // 1_000_000}.{at % 1_000_000:06d}","eventenum":"{event}",'
            f'"userdeftype":"{said}","uniqueid":"{channel}","linkedid":"{caller}",'
            f'"channame":"PJSIP/carrier-a-{n:08x}"}}\n'
        )
        rows.append((at, text.encode()))

    add(0, "OFFER", extra="trunk=carrier-a;called=+74951110001")
    add(0.012, "PLAN", extra=f"session=ses_{n % sessions:026d};{_PLAN}")
    add(0.02, "ATTEMPT", extra="n=1;channel=gsm;trunk=carrier-b")
    match n % 3:
        case 0:
            over, status = 34.5, "ANSWER;cause=16;sip=200;ring_ms=1500;talk_ms=30000"
            add(4.5, "ANSWER", callee)
            add(4.501, "ANSWER", caller)
        case 1:
            over, status = 20.0, "NOANSWER;cause=19;sip=180;ring_ms=1500;talk_ms=0"
        case _:
            over, status = 3.0, "BUSY;cause=17;sip=486;ring_ms=;talk_ms=0"
    add(over, "LEG", callee, f"side=callee;trunk=carrier-b;{_LEG}")
    end = f"n=1;status={status};dial_ms={int(over * 1000) - 20};progress_ms="
    add(over + 0.001, "ATTEMPT_END", extra=end)
    add(over + 0.002, "END", extra="by=callee;cause=16")
    add(over + 0.003, "LEG", caller, f"side=caller;trunk=carrier-a;{_LEG}")
    add(over + 0.004, "LINKEDID_END")
    return rows


def add_sessions(
    conn: Connection,
    vault: Vault,
    phones: tuple[Phone, Phone],
    which: range = range(SESSIONS),
) -> None:
    """The sessions of the calls."""
    at = datetime.fromtimestamp(START_S, UTC)
    if which.start == 0:
        numbers.put_pool(conn, Pool("default"), at)
    made = [
        Session(
            id=f"ses_{n:026d}",
            conversation_id=f"chat-{n}",
            pool="default",
            participants=(
                Participant(Role.BUYER, f"u-{n}-b", phones[0], Card("Anna", 4.9)),
                Participant(Role.SELLER, f"u-{n}-s", phones[1], Card("Petr", 4.7)),
            ),
            created_at=at,
            expires_at=at + timedelta(days=1),
            listing=Listing("L-42", "Lada Vesta 2019"),
        )
        for n in which
    ]
    conn.execute(sessions.insert(), [session_row(one) for one in made])
    conn.execute(
        participants.insert(), [row for one in made for row in participant_rows(one, vault)]
    )
