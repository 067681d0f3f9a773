"""The SIP messages of calls: kept sealed, found by what may be searched, let go after some days.

Whoever reads them gets whole messages with people's phones: what of that is shown is decided by
`masking.sip_text`, never here. A phone cannot be searched for: none is in what is searched.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    and_,
    case,
    delete,
    select,
    true,
    tuple_,
    type_coerce,
)

from masking.plan import Channel
from storage import json_text
from storage.errors import SealBroken
from storage.prepared import PreparedInsert
from storage.schema import sip_messages
from storage.vault import Vault

MOST_ROWS: Final = 500  # of one call that are read
EXAMINED: Final = 2_000  # rows that are looked at in one round
PATIENCE_S: Final = 0.15  # another round is begun until then
# What every message says: compressed away. Rows name the dictionary, so that it can be changed.
_DICTIONARIES: Final = {
    1: (
        b'{"ours":"theirs":"messages":[[true,false,"SIP/2.0 183 Session Progress\\r\\n487 Request '
        b"Terminated\\r\\n481 Call Leg/Transaction Does Not Exist\\r\\n486 Busy Here\\r\\n401 "
        b"Unauthorized\\r\\n404 Not Found\\r\\n408 Request Timeout\\r\\n503 Service Unavailable"
        b'\\r\\nReason: Q.850;cause=16;text=\\"Normal Clearing\\"\\r\\nSIP/2.0 180 Ringing\\r\\n'
        b"SIP/2.0 100 Trying\\r\\nSIP/2.0 200 OK\\r\\nCANCEL sip:BYE sip:ACK sip:INVITE sip:+7"
        b";transport=ws SIP/2.0\\r\\nSession-Expires: 1800\\r\\nMin-SE: 90\\r\\nSupported: 100rel, "
        b"timer, replaces, norefersub, histinfo\\r\\nAllow: OPTIONS, REGISTER, SUBSCRIBE, NOTIFY, "
        b"PUBLISH, INVITE, ACK, BYE, CANCEL, UPDATE, PRACK, INFO\\r\\nUser-Agent: maskline\\r\\n"
        b"Server: maskline\\r\\nP-Asserted-Identity: Max-Forwards: 70\\r\\nContent-Type: "
        b"application/sdp\\r\\nContent-Length:     0\\r\\n\\r\\nv=0\\r\\no=- IN IP4 127.0.0.1\\r\\n"
        b"s=-\\r\\nc=IN IP4 \\r\\n"
        b"t=0 0\\r\\nm=audio RTP/AVP 8 0 101\\r\\na=rtpmap:8 PCMA/8000\\r\\n"
        b"a=rtpmap:0 PCMU/8000\\r\\na=rtpmap:101 telephone-event/8000\\r\\na=fmtp:101 0-16\\r\\n"
        b"a=ptime:20\\r\\na=maxptime:140\\r\\na=sendrecv\\r\\nVia: SIP/2.0/UDP ;rport;branch="
        b";received=\\r\\nFrom: <sip:>;tag=\\r\\nTo: <sip:>\\r\\nContact: <sip:>\\r\\nCall-ID: "
        b"\\r\\nCSeq: 1 INVITE\\r\\n"
    )
}
_NEWEST: Final = 1
_ROWS: Final = PreparedInsert(sip_messages, numbered="id")
Sealed = Row[Any]
"""A row, as `of_call` reads it."""


@dataclass(frozen=True, slots=True)
class Said:
    """A message: when (microseconds since 1970), whether the node sent it, and all of it."""

    at_us: int
    sent: bool
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Talk:
    """What one dialog of a call said. `ours`, `theirs`: HOST:PORT of the node and the other end."""

    call_id: str
    leg: int  # dialogs of the call in their order, from 0
    channel: Channel
    trunk: str | None
    ours: str
    theirs: str = field(repr=False)
    messages: tuple[Said, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is searched for; None and "" ask for nothing. Texts as `masking.sip_text` has them."""

    since: datetime
    until: datetime
    method: str = ""
    status: str = ""  # 486, or its beginning
    header: str = ""  # its name
    value: str = ""  # stands in that header's value, or in any
    sip_call_id: str = field(default="", repr=False)  # whole


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that was found: a call, and what of it fits."""

    call_id: str
    leg: int
    at: datetime
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hits:
    """The newest first. `resume`: where the search stopped though there may be more."""

    items: tuple[Hit, ...]
    resume: tuple[int, int] | None = None


def row(
    vault: Vault, talk: Talk, sip_call_id: bytes, searched: str, at: datetime
) -> dict[str, Any]:
    """A row to `add`; may be made outside of any transaction. `at`: of the first message."""
    said = [[one.at_us, one.sent, one.text] for one in talk.messages]
    plain = json_text.dumps({"ours": talk.ours, "theirs": talk.theirs, "messages": said})
    squeeze = zlib.compressobj(level=1, wbits=-13, memLevel=6, zdict=_DICTIONARIES[_NEWEST])
    packed = squeeze.compress(plain.encode("utf-8", "replace")) + squeeze.flush()
    return {
        "call_id": talk.call_id,
        "leg": talk.leg,
        "channel": talk.channel.value,
        "trunk": talk.trunk,
        "dialog_digest": vault.digest(sip_call_id),
        "at": at,
        "messages": len(talk.messages),
        "searched": searched.replace("\0", ""),  # which PostgreSQL takes in no text
        "messages_sealed": vault.seal_sip(bytes((_NEWEST,)) + packed),
    }


def add(conn: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Keep what `row` made."""
    _ROWS.insert(conn, rows)


def of_call(conn: Connection, call_id: str, at_most: int = MOST_ROWS) -> list[Sealed]:
    """What is kept of a call, sealed; to be opened by `opened`, outside of the transaction."""
    row_ = sip_messages.c
    query = select(sip_messages).where(row_.call_id == call_id).order_by(row_.id).limit(at_most)
    return list(conn.execute(query).all())


def opened(vault: Vault, found: Sealed) -> Talk:
    """What a row of `of_call` holds. Raises SealBroken."""
    packed = vault.open_sip(found.messages_sealed)
    try:
        widen = zlib.decompressobj(wbits=-13, zdict=_DICTIONARIES[packed[0]])
        plain = json.loads(widen.decompress(packed[1:]))
    except (zlib.error, KeyError, IndexError, ValueError):
        raise SealBroken from None
    return Talk(
        call_id=found.call_id,
        leg=found.leg,
        channel=Channel(found.channel),
        trunk=found.trunk,
        ours=plain["ours"],
        theirs=plain["theirs"],
        messages=tuple(Said(*one) for one in plain["messages"]),
    )


def forget(conn: Connection, call_ids: Collection[str]) -> int:
    """Delete what is kept of these calls; how many rows."""
    gone = delete(sip_messages).where(sip_messages.c.call_id.in_(sorted(call_ids)))
    return conn.execute(gone).rowcount


def old(conn: Connection, before: datetime, _: str, at_most: int) -> tuple[int, str | None, int]:
    """Delete some of what was said before then: a work of `storage.retention`."""
    row_ = sip_messages.c
    query = select(row_.id).where(row_.at < before).order_by(row_.at, row_.id).limit(at_most)
    ids = list(conn.scalars(query))
    if ids:
        conn.execute(delete(sip_messages).where(row_.id.in_(ids)))
    return len(ids), None, len(ids)


def search(
    conn: Connection,
    wanted: Wanted,
    digest: bytes | None,
    *,
    limit: int,
    after: tuple[int, int] | None = None,
) -> Hits:
    """The newest that fit, in a bounded time. `digest`: the vault's, of a Call-ID to be found."""
    found: list[Hit] = []
    began_s = perf_counter()
    while True:
        rows = _round(conn, wanted, digest, after)
        for one in rows:
            after = (one.at_ms, one.id)
            if one.fits and (lines := fitting(one.searched, wanted)) is not None:
                found.append(Hit(one.call_id, one.leg, one.at, lines))
                if len(found) == limit:
                    return Hits(tuple(found), after)
        if len(rows) < EXAMINED:
            return Hits(tuple(found))
        if perf_counter() - began_s > PATIENCE_S:
            return Hits(tuple(found), after)


def _round(
    conn: Connection, wanted: Wanted, digest: bytes | None, after: tuple[int, int] | None
) -> Sequence[Row[Any]]:
    row_ = sip_messages.c
    at_ms = type_coerce(row_.at, BigInteger)
    fits = _like(wanted)
    query = (
        select(
            row_.id,
            row_.at,
            at_ms.label("at_ms"),
            row_.call_id,
            row_.leg,
            fits.label("fits"),
            case((fits, row_.searched), else_="").label("searched"),
        )
        .where(row_.at >= wanted.since, row_.at < wanted.until)
        .order_by(row_.at.desc(), row_.id.desc())
        .limit(EXAMINED)
    )
    if digest is not None:
        query = query.where(row_.dialog_digest == digest)
    if after is not None:
        query = query.where(tuple_(at_ms, row_.id) < tuple_(*after))
    return conn.execute(query).all()


def _like(wanted: Wanted) -> ColumnElement[bool]:
    """What narrows the search; `fitting` then looks line by line."""
    text = sip_messages.c.searched
    parts: list[ColumnElement[bool]] = [true()]
    if wanted.method:
        parts.append(text.contains(f"\n:request: {wanted.method.lower()}\n", autoescape=True))
    if wanted.status:
        parts.append(text.contains(f"\n:status: {wanted.status.lower()}", autoescape=True))
    if wanted.header:
        parts.append(text.contains(f"\n{wanted.header.lower()}: ", autoescape=True))
    if wanted.value:
        parts.append(text.contains(wanted.value.lower(), autoescape=True))
    return and_(*parts)


def fitting(searched: str, wanted: Wanted) -> tuple[str, ...] | None:
    """The lines that were asked for; None: not all of it is there."""
    lines = searched.strip("\n").split("\n")
    hits: list[str] = []
    for asked, fits in (
        (wanted.method, lambda one: one == f":request: {wanted.method.lower()}"),
        (wanted.status, lambda one: one.startswith(f":status: {wanted.status.lower()}")),
        (wanted.header or wanted.value, lambda one: _is_header(one, wanted)),
    ):
        if not asked:
            continue
        matching = [one for one in lines if fits(one)]
        if not matching:
            return None
        hits += matching
    return tuple(hits[:_MOST_LINES])


_MOST_LINES: Final = 6


def _is_header(line: str, wanted: Wanted) -> bool:
    name, _, value = line.partition(": ")
    return (
        not line.startswith(":")
        and (not wanted.header or name == wanted.header.lower())
        and wanted.value.lower() in value
    )
