"""Anna, who did everything that leaves something of her here, and where it can be found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, LargeBinary, select

from cdr import notices
from cdr import people as parties
from masking.model import Phone, Role
from masking.outcome import EndedBy, Outcome
from storage import call_notes, call_tags, complaints, outbox, recordings
from storage.call_notes import By, Disposition
from storage.call_tags import Tag
from storage.recordings import Made, pending_row
from storage.schema import metadata
from tests.contract.api.house import House, session
from tests.contract.api.recorded import keep, record

ANNA, PETR, OLGA = "+79161110001", "+79262220002", "+79033330003"
MARKS = (
    *("Annabella-Q", "anna-device-q", "anna-fact-q", "anna-reason-q", "u-anna-q"),
    *("anna-note-q", "anna-tag-q", "anna-complaint-q", "anna-decision-q"),
)


def people(buyer: str = "u-anna-q", seller: str = "u-petr") -> list[dict[str, Any]]:
    first, second = session()["participants"]
    card = {"user_id": buyer, "phone": ANNA, "name": "Annabella-Q", "facts": {"k": "anna-fact-q"}}
    return [first | card, second | {"user_id": seller, "phone": PETR, "name": "Petr"}]


async def lived(house: House) -> dict[str, Any]:
    """Anna does everything that leaves something of her here; the session it began with."""
    await house.furnish("+74951110001", "+74951110002", "+74951110003")
    opened = await house.ask(
        "POST",
        "/v1/sessions",
        session(participants=people()),
        role="platform",
        headers={"Idempotency-Key": "anna-1"},
    )
    assert opened.status == 201, opened.body
    made: dict[str, Any] = opened.json()
    # She sells, too.
    shown = {
        "listing": {"id": "L-9", "title": "Sofa of Annabella-Q"},
        "seller": {"user_id": "u-anna-q", "phone": ANNA, "name": "Annabella-Q"},
        "pool": "default",
        "ttl_s": 86_400,
    }
    assert (await house.ask("POST", "/v1/listing-numbers", shown)).status == 201
    sold = session(
        conversation_id="chat-sold",
        listing={"id": "L-9", "title": "Sofa of Annabella-Q"},
        participants=[
            {"role": "buyer", "user_id": "u-olga", "phone": OLGA, "name": "Olga"},
            {"role": "seller", "user_id": "u-anna-q", "phone": ANNA, "name": "Annabella-Q"},
        ],
    )
    selling = (await house.ask("POST", "/v1/sessions", sold)).json()
    await house.credential("u-anna-q", device="anna-device-q")
    body = {"user_id": "u-anna-q", "blocked_user_id": "u-olga", "reason": "anna-reason-q"}
    assert (await house.ask("POST", "/v1/blocks", body)).status == 201
    other = {"user_id": "u-petr", "blocked_user_id": "u-anna-q", "reason": "spam"}
    assert (await house.ask("POST", "/v1/blocks", other)).status == 201
    await house.ask(
        "PUT",
        "/v1/users/u-anna-q/reachability",
        {"in_app_calls": True, "timezone": "Europe/Moscow"},
        role="platform",
    )
    sealed = house.services.vault.seal(Phone(ANNA))
    index = house.services.vault.index(Phone(ANNA))
    stranger = record(
        3,
        None,
        Outcome.FAILED,
        caller_role=None,
        callee_role=None,
        caller_sealed=sealed,
        caller_index=index,
        attempts=(),
        legs=(),
    )
    await keep(
        house,
        record(1, made["id"], Outcome.ANSWERED),
        record(2, made["id"], Outcome.MISSED, caller_role=Role.SELLER, callee_role=Role.BUYER),
        stranger,
        record(4, selling["id"], Outcome.MISSED),
    )
    rated = {"user_id": "u-anna-q", "stars": 2, "issues": ["echo"]}
    call = record(1, made["id"], Outcome.ANSWERED).call_id
    assert (await house.ask("POST", f"/v1/calls/{call}/rating", rated)).status < 300

    def more(conn: Connection) -> None:
        known = parties.parties_of(conn, {made["id"], selling["id"]})
        for one in (
            record(1, made["id"], Outcome.ANSWERED),
            record(2, made["id"], Outcome.MISSED, caller_role=Role.SELLER, callee_role=Role.BUYER),
            record(4, selling["id"], Outcome.MISSED),
        ):
            outbox.owe_all(conn, tuple(notices.notices_of(one, known[one.session_id or ""])))
        now = house.clock()
        row = pending_row(
            call_id=call,
            node="n1",
            session_id=made["id"],
            conversation_id="chat-81",
            delete_at=None,
            now=now,
        )
        recordings.keep(conn, [row])
        made_ = Made("a/b.msk", b"k" * 32, 10, 20, b"d" * 32, 1000)
        assert recordings.made(conn, house.services.vault, call, made_, now)
        by = By("stf_1", "Desk", now)
        assert call_notes.add(conn, call, "anna-note-q: nobody called", None, by)
        assert call_notes.add(conn, call, "anna-note-q is right", EndedBy.CALLER, by)
        assert call_notes.add(conn, call, "petr-note-q is wrong", EndedBy.CALLEE, by)
        assert call_notes.dispose(conn, call, Disposition.RESOLVED, by)
        assert call_tags.add(conn, call, Tag("anna-tag-q", now, by.id, by.name))
        complaint = complaints.add(
            conn, call, EndedBy.CALLER, complaints.Kind.ABUSE, "anna-complaint-q", by
        )
        assert complaint is not None
        why = "anna-decision-q"
        assert complaints.decide(conn, complaint, complaints.State.UPHELD, why, by, seen=0)

    await house.db.write(more)
    return made


async def erased(house: House, path: str = "/v1/users/u-anna-q/erasure") -> dict[str, Any]:
    reply = await house.ask("POST", path, role="platform")
    assert reply.status == 202, reply.body
    done: dict[str, Any] = reply.json()
    return done


async def everything(house: House) -> Iterator[tuple[str, bytes]]:
    """Every value of every column of every table, as bytes, with where it stands."""

    def read(conn: Connection) -> list[tuple[str, bytes]]:
        found = []
        for table in metadata.sorted_tables:
            for row in conn.execute(select(table)):
                for column, value in zip(table.c, row, strict=True):
                    raw = value if isinstance(column.type, LargeBinary) else None
                    text = json.dumps(value, default=str, ensure_ascii=False).encode()
                    found.append((f"{table.name}.{column.name}", raw or text))
        return found

    return iter(await house.db.read(read))


async def found(house: House, *needles: bytes) -> set[str]:
    return {
        where for where, value in await everything(house) if any(one in value for one in needles)
    }


def needles(house: House) -> tuple[bytes, ...]:
    vault = house.services.vault
    texts = [one.encode() for one in (*MARKS, ANNA, ANNA[1:], ANNA[2:])]
    return (*texts, vault.index(Phone(ANNA)), vault.index(Phone(ANNA)).hex().encode())
