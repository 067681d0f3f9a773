"""Calls that are over, kept with their places in the ledger as the ingester keeps them."""

from __future__ import annotations

from sqlalchemy import Connection

from cdr import analytics as counting
from cdr import ledger_rows, records
from cdr.model import CallRecord
from storage import analytics
from storage.analytics import Tally
from tests.contract.api.house import House

DAY_S = 86_400


async def keep(house: House, *kept: CallRecord) -> None:
    """Write the records, of one node and one day, and count them."""
    vault = house.services.vault

    def work(conn: Connection) -> None:
        rows = [records.row_of(one, one.ended_at, None) for one in kept]
        day = int(kept[-1].ended_at.timestamp()) // DAY_S
        sealed = ledger_rows.sealed(vault, rows)
        records.insert(conn, ledger_rows.place(conn, kept[0].node, day, sealed))
        tally = Tally()
        for one in kept:
            counting.count_new(tally, one, None)
        analytics.add(conn, tally)

    await house.db.write(work)
