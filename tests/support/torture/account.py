# ruff: noqa: ANN401 (what the API answers is JSON)
"""What was kept, held against what SIPp saw. Says every difference; an empty list is a good run."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.maskline import Session
from tests.support.torture.callers import Seen
from tests.support.torture.plan import What
from tests.support.torture.pulse import Pulse

NEAR_MS = 100  # SIPp and Maskline agree on how long they talked
DIED = "node_died"


@dataclass
class Kept:
    """Everything that Maskline kept or told."""

    records: list[Any]
    history: dict[str, list[Any]]  # by conversation
    logs: dict[str, list[Any]]  # by user
    webhooks: list[Any]  # as they came, repetitions included

    @classmethod
    def webhooks_of(cls, file: Path) -> list[Any]:
        """What a receiver kept that was killed at any moment: its last line may be torn."""
        found = []
        for line in file.read_text().splitlines() if file.exists() else ():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found


@dataclass
class Account:
    """The comparison; `problems` once it was made."""

    seen: Mapping[str, Seen]  # by caller
    sessions: Mapping[str, Session]  # by caller
    kept: Kept
    pulse: Pulse = field(default_factory=Pulse)
    struck: Sequence[What] = ()  # the blows that fell
    apart_ms: list[int] = field(default_factory=list)  # of every call both saw whole
    stalled: int = 0  # more such calls, over which the machine stood still: not compared

    def problems(self) -> list[str]:
        """One line each; names calls by their numbers of ours."""
        by_number: dict[str, list[Any]] = defaultdict(list)
        for record in self.kept.records:
            by_number[str(record["number_in"])].append(record)
        dialled = {session.buyer_dials for session in self.sessions.values()}
        found = [
            f"{record['call_id']}: of no call that was placed ({record['reason']})"
            for number, records in by_number.items()
            if number not in dialled
            for record in records
        ]
        told = self._told()
        for caller, session in self.sessions.items():
            seen = self.seen.get(caller, Seen())
            records = by_number[session.buyer_dials]
            found.extend(
                f"{session.buyer_dials} saw {seen}: {problem}"
                for problem in self._of_call(seen, session, records, told)
            )
        return found

    def _of_call(
        self, seen: Seen, session: Session, records: Sequence[Any], told: Mapping[str, Counter[str]]
    ) -> Iterator[str]:
        if seen.anything and len(records) != 1:
            yield f"{len(records)} records"
        if len(records) > 1:
            yield "recorded twice"
        for record in records:
            yield from self._of_record(seen, session, record, told[record["call_id"]])

    def _of_record(
        self, seen: Seen, session: Session, record: Any, told: Counter[str]
    ) -> Iterator[str]:
        what = f"{record['outcome']}/{record['reason']}"
        entries = self.kept.history[session.conversation_id]
        log = self.kept.logs[session.seller_id]
        if told["call.ended"] != 1:
            yield f"{told['call.ended']} effective call.ended of {what}"
        if record["session_id"] is None:
            if record["reason"] not in ("no_controller", DIED):
                yield f"without a session: {what}"
            if seen.answered:
                yield "answered, though nobody decided"
            return
        if record["session_id"] != session.id:
            yield "of another session"
        if [one["call_id"] for one in entries] != [record["call_id"]]:
            yield f"{len(entries)} history entries of {what}"
        missed = [one for one in log if one["outcome"] == "missed"]
        if told["call.missed"] != len(missed):
            yield f"{told['call.missed']} effective call.missed of {what}"
        if record["outcome"] == "missed" and [one["call_id"] for one in log] != [record["call_id"]]:
            yield f"{len(log)} call-log entries of {what}"
        yield from self._of_talk(seen, record)

    def _of_talk(self, seen: Seen, record: Any) -> Iterator[str]:
        answered = record["outcome"] == "answered"
        if seen.answered and not answered:
            yield f"answered, but recorded as {record['outcome']}/{record['reason']}"
        if record["reason"] == DIED or not answered or seen.talk_ms is None:
            return
        if self.pulse.stood_still(*seen.between_s):
            self.stalled += 1
            return
        apart_ms = round(1000 * record["talk_s"]) - seen.talk_ms
        self.apart_ms.append(apart_ms)
        if abs(apart_ms) > NEAR_MS:
            yield f"talked {record['talk_s']} s, {apart_ms:+} ms to SIPp's"

    def _told(self) -> Mapping[str, Counter[str]]:
        """How many webhooks with ids of their own there were of each call and type."""
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for event in {one["id"]: one["event"] for one in self.kept.webhooks}.values():
            found[event["data"]["call_id"]][event["type"]] += 1
        return found
