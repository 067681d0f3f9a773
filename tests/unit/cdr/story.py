"""A model of calls: stories drawn by chance, told as rows by Asterisk, with what a record must say.

What is expected is written down in the words of the glossary as the story is told, never taken from
the code under test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import strategies as st

from tests.unit.cdr.calls import at_us, line
from tests.unit.cdr.scenario import NODE

CALLER = f"{NODE}-1700000000.1"
FAILED_LEG = f"{NODE}-1700000000.99"
CLICKED = f"{NODE}-1700000000.c0a1b2c3d"
APP = "app_00000000000000000000000001"
REFUSALS = {
    "blocked": "blocked",
    "quiet_hours": "blocked",
    "pair_an_hour": "blocked",
    "in_app_off": "blocked",
    "cooling": "failed",
    "no_trunk": "failed",
    "callee_unreachable": "unreachable",
}


@dataclass
class Taped:
    """What is to be known of recording a call."""

    asked: str
    caller_ms: int | None = None
    callee_ms: int | None = None
    started_ms: int | None = None
    ended_ms: int | None = None
    reason: str | None = "not_answered"


@dataclass
class Story:
    """Rows as they stand in the file, and what is to be known of the call afterwards."""

    rows: list[tuple[int, bytes]] = field(default_factory=list)
    linked_id: str = CALLER
    outcome: str = ""
    ended_by: str | None = None
    reason: str | None = None
    came_by: str = ""
    session: bool = False
    rang: bool = False
    ring_ms: int = 0
    answered_ms: int | None = None
    ended_ms: int = 0
    talk_ms: int = 0
    steps: list[tuple[str, str | None]] = field(default_factory=list)  # channel, waking
    prompts: list[tuple[str, int, str | None]] = field(default_factory=list)
    handovers: list[tuple[str, str]] = field(default_factory=list)  # side, result
    legs: dict[str, int] = field(default_factory=lambda: {"caller": 0, "callee": 0})
    taped: Taped | None = None


class _Teller:
    """Tells a story; no two things happen in the same millisecond."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.story = Story()
        self.now_ms = 0
        self.legs = 1
        self.holds = {"caller": CALLER, "callee": ""}  # who stands for a side now
        self.looked_for = False  # the callee should have rung and could not
        self.recording: set[str] = set()  # legs that are being recorded

    def wait(self, most_ms: int = 20_000) -> int:
        self.now_ms += self.draw(st.integers(1, most_ms))
        return self.now_ms

    def row(self, name: str, said: str = "", channel: str = "", linked: str = "") -> None:
        self.now_ms += 1
        linked = linked or self.story.linked_id
        at = at_us(0) + self.now_ms * 1000
        self.story.rows.append((at, line(at, name, channel or linked, linked, said)))

    def leg(self, side: str, *, joined: bool = False) -> str:
        self.story.legs[side] += 1
        call = f"call={self.story.linked_id};" if joined else ""
        return f"{call}side={side};app={APP};codec=opus;lp=1;rxcount=50"

    def new_leg(self) -> str:
        self.legs += 1
        return f"{NODE}-1700000001.{self.legs}"

    def tell(self) -> Story:
        story = self.story
        story.came_by = self.draw(st.sampled_from(["gsm", "app", "click"]))
        if story.came_by == "click":
            story.linked_id = self.holds["caller"] = CLICKED
            if not self.draw(st.booleans()):
                return self.unreached()
            self.row("CLICK", "session=ses_1;caller=buyer;channel=gsm;trunk=a")
            self.row("CLICK_END", "status=ANSWER")
        offer = f"app={APP};called=ses_1" if story.came_by == "app" else "trunk=a;called=+7495"
        self.row("OFFER", offer)
        told = self.ask() if story.came_by == "gsm" else ""
        if told is None:
            return story
        if self.draw(st.integers(0, 5)) == 0:
            return self.refuse(self.draw(st.sampled_from(sorted(REFUSALS))), told)
        story.session = True
        asked = f"{self.ask_to_record()}{told}"
        self.row("PLAN", f"session=ses_1;caller=buyer;callee=seller;in=;out=+7495{asked}")
        return self.dial()

    def ask_to_record(self) -> str:
        asked = self.draw(st.sampled_from([None, "never", "consent", "always", "always"]))
        if asked in (None, "never"):
            return "" if asked is None else ";record=never"
        self.story.taped = Taped(str(asked))
        if self.draw(st.integers(0, 3)):
            return f";record={asked}"
        self.story.taped.reason = "no_consent"
        return f";record={asked};unrecorded=no_consent"

    def announce(self) -> str | None:
        """Both hear that they are recorded, or do not; who left, if somebody did."""
        taped = self.story.taped
        if taped is None or taped.reason == "no_consent":
            return None
        sides = self.draw(st.permutations(["caller", "callee"]))
        how = self.draw(st.sampled_from(["whole", "whole", "whole", "left", "failed"]))
        heard = {side: self.draw(st.integers(0, 5000)) for side in sides}
        taped.caller_ms, taped.callee_ms = heard["caller"], heard["callee"]
        went = {"whole": "SUCCESS", "left": "LEFT", "failed": "FAILED"}[how]
        self.wait()
        first, second = sides
        self.row("ANNOUNCED", f"side={first};ms={heard[first]};went={went}")
        other = "SUCCESS" if went == "FAILED" else went
        self.row("ANNOUNCED", f"side={second};ms={heard[second]};went={other}")
        match how:
            case "left":
                taped.reason = f"{first}_left"
                return first
            case "failed":
                taped.reason = "announcement_failed"
            case _:
                self.record(self.story.linked_id)
        return None

    def record(self, leg: str) -> None:
        """From now on a file is written on that leg."""
        taped = self.story.taped
        assert taped is not None
        joined = leg != self.story.linked_id
        self.row("RECORDING", f"call={self.story.linked_id}" if joined else "", leg, self.of(leg))
        self.recording.add(leg)
        if taped.started_ms is None:
            taped.started_ms, taped.reason = self.now_ms, None

    def of(self, leg: str) -> str:
        return leg if leg != self.story.linked_id else ""

    def recorded_to_here(self, leg: str) -> None:
        """The leg hangs up: its file is closed."""
        if leg not in self.recording:
            return
        self.recording.remove(leg)
        joined = leg != self.story.linked_id
        said = f"call={self.story.linked_id}" if joined else ""
        self.row("RECORDING_END", said, leg, self.of(leg))
        if self.story.taped is not None:
            self.story.taped.ended_ms = self.now_ms

    def unreached(self) -> Story:
        story = self.story
        self.wait()
        call = f"call={story.linked_id};"
        said = f"{call}session=ses_1;caller=buyer;channel=app"
        self.row("CLICK", said, FAILED_LEG, FAILED_LEG)
        self.row("CLICK_END", f"{call}status=NOANSWER;cause=19", FAILED_LEG, FAILED_LEG)
        self.row("END", f"{call}by=system;cause=19", FAILED_LEG, FAILED_LEG)
        story.ended_ms, story.session = self.now_ms, True
        story.outcome, story.reason, story.ended_by = "cancelled", "caller_unreached", "system"
        return story

    def ask(self) -> str | None:
        """Questions; what the next row says of the last one. None: the call ended there."""
        story, told = self.story, ""
        for n in range(1, self.draw(st.integers(0, 3)) + 1):
            self.row("PROMPT", f"kind=pin;n={n};most=3;session=;in=+7495{told}")
            self.wait()
            went = self.draw(st.sampled_from(["ok", "wrong", "none", None]))
            story.prompts.append(("pin", n, went))
            if went is None:
                self.over("caller", "cancelled")
                return None
            told = f";asked=pin;try={n};went={went}"
            if went == "ok":
                return told
        if told:
            self.refuse("wrong_pin", told)
            return None
        return told

    def refuse(self, reason: str, told: str) -> Story:
        self.story.session = reason != "wrong_pin"
        of = "session=ses_1;caller=buyer" if self.story.session else "session=;caller="
        self.row("REFUSE", f"reason={reason};cause=21;announce=;{of};in={told}")
        self.story.reason = reason
        return self.over("system", REFUSALS.get(reason, "failed"))

    def dial(self) -> Story:
        for n in range(1, self.draw(st.integers(1, 4)) + 1):
            channel = self.draw(st.sampled_from(["app", "gsm"]))
            if channel == "app" and self.draw(st.booleans()):
                ended = self.wake(n)
            else:
                via = "devices=2" if channel == "app" else "trunk=b"
                self.row("ATTEMPT", f"n={n};channel={channel};{via}")
                self.story.steps.append((channel, None))
                ended = self.step(n, channel)
            if ended:
                return self.story
        seen = self.story.rang, self.looked_for
        outcome = {(False, False): "failed", (False, True): "unreachable"}.get(seen, "missed")
        return self.over("system", outcome)

    def wake(self, n: int) -> bool:
        self.row("ATTEMPT", f"n={n};channel=app;wake=1")
        self.wait()
        how = self.draw(st.sampled_from(["woken", "timeout", "refused", "given_up"]))
        self.story.steps.append(("app", how))
        match how:
            case "woken":
                self.row("WOKE", f"n={n};after_ms=7;devices=1")
                return self.step(n, "app")
            case "given_up":  # the figures are of a Dial before, or of none
                stale = self.draw(st.sampled_from(["", "NOANSWER", "CHANUNAVAIL"]))
                self.row("ATTEMPT_END", f"n={n};status={stale};ring_ms=5;dial_ms=50")
                self.over("caller", "missed")
                return True
            case _:
                self.row("ATTEMPT_END", f"n={n};wake={how}")
                self.looked_for = True
                return False

    def step(self, n: int, channel: str) -> bool:
        """A Dial; whether the call ended with it."""
        story, began_ms = self.story, self.now_ms
        ring_ms = self.draw(st.none() | st.integers(1, 5000))
        if ring_ms is not None:
            self.now_ms += ring_ms
            story.rang = True
        self.wait()
        how = self.draw(
            st.sampled_from(
                [*["answer"] * 4, "out", "busy", "declined", "away", "trunk", "given_up"]
            )
        )
        status, sip, cause = {
            "answer": ("ANSWER", "200", "16"),
            "out": ("NOANSWER", "", "0"),
            "busy": ("BUSY", "486", "17"),
            "declined": ("CHANUNAVAIL", "603", "21"),
            "away": ("NOANSWER", "480", "19"),
            "trunk": ("CONGESTION", "503", "34"),
            "given_up": ("CANCEL", "", "127"),
        }[how]
        callee = self.new_leg()
        if how == "answer":
            self.row("ANSWER", channel=callee)
            story.answered_ms, self.holds["callee"] = self.now_ms, callee
        rung_until_ms = self.now_ms + (how != "answer")  # the row after it says so
        if ring_ms is not None:
            story.ring_ms += rung_until_ms - began_ms - ring_ms
        figures = f"n={n};status={status};sip={sip};cause={cause};progress_ms="
        figures += f";ring_ms={'' if ring_ms is None else ring_ms}"
        if how == "answer":
            self.talk(figures, began_ms)
            return True
        dialled = "" if how == "given_up" else f";dial_ms={self.now_ms - began_ms}"
        self.row("ATTEMPT_END", figures + dialled)
        match how:
            case "busy" | "declined":
                self.over("callee", how)
            case "given_up":
                self.over("caller", "missed" if story.rang or self.looked_for else "cancelled")
            case _:
                silent_app = channel == "app" and ring_ms is None
                self.looked_for |= how == "away" or silent_app
                return False
        return True

    def talk(self, figures: str, began_ms: int) -> None:
        """They talk, and go over to other legs meanwhile."""
        story, done = self.story, 0

        def close() -> str:
            talked = self.now_ms + 1 - (story.answered_ms or 0)
            return f"{figures};dial_ms={self.now_ms + 1 - began_ms};talk_ms={talked}"

        left = self.announce()
        for _ in range(self.draw(st.integers(0, 3)) if left is None else 0):
            done += self.hand_over(close)
        self.wait()
        by = left or self.draw(st.sampled_from(["caller", "callee"]))
        self.gone("callee", self.holds["callee"])
        if self.holds["caller"] == story.linked_id:
            self.row("ATTEMPT_END", close())
            story.talk_ms = self.now_ms - (story.answered_ms or 0)
            self.over(by, "answered")
        else:
            self.gone("caller", self.holds["caller"], by)
            self.row("LINKEDID_END")
            story.outcome, story.ended_by = "answered", by
        if done:
            story.talk_ms = story.ended_ms - (story.answered_ms or 0)

    def hand_over(self, close: Callable[[], str]) -> bool:
        """A try to move a side to another leg; whether it was done."""
        story = self.story
        self.wait()
        side = self.draw(st.sampled_from(["caller", "callee"]))
        result = self.draw(st.sampled_from(["done", "unanswered", "gone"]))
        story.handovers.append((side, result))
        said = f"call={story.linked_id};id=h{len(story.handovers)};side={side};from=app;to=gsm;"
        said += "why=request;asked_ms=1700000000000;trunk=b;app=;"
        if self.draw(st.booleans()):  # another leg is rung for it as well
            self.legs += 1
            odd = f"{FAILED_LEG}{self.legs}"
            self.row("HANDOVER", f"{said}result=busy;sip=486;cause=17", odd, odd)
        if result == "unanswered":
            self.legs += 1
            odd = f"{FAILED_LEG}{self.legs}"
            self.row("HANDOVER", f"{said}result=unanswered", odd, odd)
            return False
        leg, old = self.new_leg(), self.holds[side]
        self.row("ANSWER", channel=leg, linked=leg)
        if self.recording:
            self.record(leg)
        self.row("HANDOVER", f"{said}result=done", leg, leg)
        if result == "gone":
            self.row("HANDOVER", f"{said}result=gone", leg, leg)
            self.row("LEG", self.leg(side, joined=True), leg, leg)
            story.legs[side] -= 1  # it never was one of the call's
            if side == "caller":
                self.row("END", f"call={story.linked_id};by=system;cause=16", leg, leg)
            self.recorded_to_here(leg)
            self.row("LINKEDID_END", channel=leg, linked=leg)
            return False
        self.row("LINKEDID_END", channel=leg, linked=leg)
        self.holds[side] = leg
        if old == story.linked_id:
            self.row("ATTEMPT_END", close())
            self.row("END", "by=callee;cause=16")
        self.gone(side, old)
        return True

    def gone(self, side: str, leg: str, by: str = "callee") -> None:
        """A leg hangs up; one that joined names the call, and says for the caller who ended it."""
        first = leg == self.story.linked_id
        joined = not first and (side == "caller" or self.joined(leg))
        self.row("LEG", self.leg(side, joined=joined), leg, leg if joined else "")
        if joined and side == "caller":
            self.row("END", f"call={self.story.linked_id};by={by};cause=16", leg, leg)
            self.story.ended_ms = self.now_ms
        self.recorded_to_here(leg)

    def joined(self, leg: str) -> bool:
        """Whether the leg came by a handover."""
        return any(b"HANDOVER" in raw and leg.encode() in raw for _, raw in self.story.rows)

    def over(self, by: str, outcome: str) -> Story:
        self.row("END", f"by={by};cause=16")
        story = self.story
        story.ended_ms, story.outcome, story.ended_by = self.now_ms, outcome, by
        self.row("LEG", self.leg("caller"))
        self.recorded_to_here(story.linked_id)
        self.row("LINKEDID_END")
        return story


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Any call."""
    return _Teller(draw).tell()
