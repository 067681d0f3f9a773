"""Attempts to sign in that failed, and until when another one is not looked at.

Counted three ways: by account, by a device that signed in there before, by address. Keys are keyed
hashes: what was typed for a login may be anything, a password too. Every hold ends by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, delete, select, tuple_, update

from storage.dialect import insert_for
from storage.schema import staff_attempts
from storage.staff import Account
from storage.vault import Vault

_A: Final = staff_attempts.c
FORGOTTEN: Final = timedelta(hours=24)  # after the last failure


class Kind(StrEnum):
    """What failures are counted of."""

    ACCOUNT = "account"  # from devices that never signed in to it
    DEVICE = "device"  # that has: others cannot use it up
    ADDRESS = "address"
    CODE = "code"  # the second factor, of an account


@dataclass(frozen=True, slots=True)
class Rule:
    """So many failures are free; each further one holds twice as long as the one before."""

    free: int
    first: timedelta
    longest: timedelta
    leak: timedelta | None = None  # one failure is forgotten so often; else all of them in a day

    def hold(self, failures: int) -> timedelta | None:
        """How long after so many failures; None: not at all."""
        beyond = failures - self.free
        if beyond <= 0:
            return None
        doublings: int = 1 << min(beyond - 1, 20)
        return min(self.longest, self.first * doublings)


RULES: Final = {
    Kind.ACCOUNT: Rule(5, timedelta(seconds=30), timedelta(minutes=15)),
    Kind.DEVICE: Rule(5, timedelta(seconds=30), timedelta(minutes=15)),
    # Many may sit behind one address, and some of them mistype every day.
    Kind.ADDRESS: Rule(20, timedelta(seconds=30), timedelta(minutes=15), leak=timedelta(minutes=2)),
    Kind.CODE: Rule(4, timedelta(seconds=30), timedelta(minutes=30)),
}


@dataclass(frozen=True, slots=True)
class Counter:
    """Of whom failures are counted."""

    kind: Kind
    key: bytes


def counter(vault: Vault, kind: Kind, of: str) -> Counter:
    """The counter of that login, device or address; of an account's codes, by its id."""
    return Counter(kind, vault.digest(f"staff {kind.value}\0{of}".encode()))


def of_account(vault: Vault, account: Account) -> tuple[Counter, ...]:
    """What holds up whoever tries an account from a device that it does not know."""
    return (
        counter(vault, Kind.ACCOUNT, account.login),
        counter(vault, Kind.CODE, account.id),
    )


def held_until(conn: Connection, counters: Iterable[Counter], now: datetime) -> datetime | None:
    """Until when an attempt that these count is not looked at; None: it is."""
    found = None
    for one in counters:
        query = select(_A.locked_until).where(_A.kind == one.kind.value, _A.key == one.key)
        until = conn.execute(query).scalar_one_or_none()
        if until is not None and until > now and (found is None or until > found):
            found = until
    return found


def failed(conn: Connection, counters: Iterable[Counter], now: datetime) -> datetime | None:
    """Count a failure; until when that holds up."""
    latest = None
    for one in counters:
        query = select(_A.failures, _A.at).where(_A.kind == one.kind.value, _A.key == one.key)
        row = conn.execute(query.with_for_update()).first()
        fresh = row is None or row.at + FORGOTTEN < now
        before = 0 if row is None or fresh else row.failures
        rule = RULES[one.kind]
        if row is not None and rule.leak is not None:
            before = max(0, before - (now - row.at) // rule.leak)
        failures = before + 1
        hold = rule.hold(failures)
        until = None if hold is None else now + hold
        values = {"failures": failures, "at": now, "locked_until": until}
        statement = insert_for(conn, staff_attempts).on_conflict_do_update(
            index_elements=[_A.kind, _A.key], set_=values
        )
        conn.execute(statement, {"kind": one.kind.value, "key": one.key, **values})
        if until is not None and (latest is None or until > latest):
            latest = until
    return latest


def forget_account(conn: Connection, vault: Vault, account: Account) -> None:
    """Let attempts at an account be looked at again; devices' own counts end by themselves."""
    forget(conn, of_account(vault, account))


def forget(conn: Connection, counters: Iterable[Counter]) -> None:
    """It went well: these begin anew."""
    for one in counters:
        conn.execute(delete(staff_attempts).where(_A.kind == one.kind.value, _A.key == one.key))


def forgive(conn: Connection, one: Counter) -> None:
    """Take the last failure back: it was none."""
    which = (_A.kind == one.kind.value) & (_A.key == one.key) & (_A.failures > 0)
    values = {"failures": _A.failures - 1, "locked_until": None}
    conn.execute(update(staff_attempts).where(which).values(values))


def sweep(conn: Connection, now: datetime, *, at_most: int) -> int:
    """Let go of what no longer counts; how many they were."""
    old = select(_A.kind, _A.key).where(_A.at < now - FORGOTTEN).limit(at_most)
    which = tuple_(_A.kind, _A.key).in_(old)
    return conn.execute(delete(staff_attempts).where(which)).rowcount
