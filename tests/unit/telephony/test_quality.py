"""How legs are listened to: what is asked, of whom and how often, and what is told of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from masking.call import State
from masking.model import Role
from masking.quality_course import Way, read
from masking.quality_window import Sound
from telephony.ami import AmiError, NodeLink
from telephony.live import LiveCall, Side, leg_of
from telephony.quality import SLICES, TURN, Heard, QualityWatch
from tests.unit.ami.fake import SYSTEMNAME, FakeAsterisk, Request, fake_asterisk, response, until
from tests.unit.telephony.line import Line

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
APP = leg_of("PJSIP/app_" + "a" * 26 + "-00000001", f"{SYSTEMNAME}-1.1")
APP_2 = leg_of("PJSIP/app_" + "b" * 26 + "-00000002", f"{SYSTEMNAME}-1.2")
PHONE = leg_of("PJSIP/carrier-a-00000003", f"{SYSTEMNAME}-1.3")
OTHER_PHONE = leg_of("PJSIP/carrier-a-00000004", f"{SYSTEMNAME}-1.4")
CALL = LiveCall(
    call_id="cal_1",
    linked_id=APP.unique_id,
    channel=APP.channel,
    progress=State.UP,
    since=NOW,
    trunk_in="",
    caller=Role.BUYER,
    callee=Role.SELLER,
    caller_leg=APP,
    callee_leg=PHONE,
)
EVERY_S = 2.0
BEGAN_MS = 1_793_534_400_000


@dataclass
class Scene:
    """Calls, and an Asterisk that has figures of their legs."""

    fake: FakeAsterisk
    calls: tuple[LiveCall, ...] = (CALL,)
    lines: dict[str, Line] = field(
        default_factory=lambda: {
            APP.channel: Line(),
            APP_2.channel: Line(),
            PHONE.channel: Line("alaw"),
            OTHER_PHONE.channel: Line("alaw"),
        }
    )
    heard: list[Heard] = field(default_factory=list)
    now_s: float = 0.0
    watch: QualityWatch = field(init=False)
    link: NodeLink = field(init=False)

    def __post_init__(self) -> None:
        async def nothing(_: object) -> None: ...

        self.link = NodeLink(events=self.fake.login(), on_connected=nothing)
        self.fake.answer = self.answer
        self.watch = QualityWatch(
            self,
            heard=self.heard.append,
            clock_s=lambda: self.now_s,
            wall_ms=lambda: BEGAN_MS + round(self.now_s * 1000),
            every_s=0.01,
        )

    def answer(self, request: Request) -> None:
        if request["Action"] != "Getvar":
            request.peer.send(response(request.id))
            return
        line = self.lines.get(request["Channel"])
        if line is None:
            request.peer.send(response(request.id, "Error", Message="No such channel"))
            return
        values = {"CHANNEL(audioreadformat)": line.codec, "M_QUALITY": line.kept}
        value = values.get(request["Variable"]) or line.figures()
        request.peer.send(response(request.id, Variable=request["Variable"], Value=value))

    def live_calls(self) -> tuple[LiveCall, ...]:
        return self.calls

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        run = asyncio.create_task(self.link.run())
        try:
            await self.link.wait_up(deadline_s=5)
            yield
        finally:
            run.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await run

    async def listen(self, times: int = 1) -> None:
        for _ in range(times):
            self.now_s += EVERY_S
            for line in self.lines.values():
                line.tick()
            await self.watch.listen()

    async def listen_to_phones(self, times: int = 1) -> None:
        """A second each time."""
        for _ in range(times):
            self.now_s += 1.0
            for line in self.lines.values():
                line.tick()
            await self.watch.listen_to_phones()

    def asked(self, variable: str) -> list[str]:
        asked = [one for one in self.fake.received if one["Action"] == "Getvar"]
        return [one["Channel"] for one in asked if variable in one["Variable"]]

    @property
    def kept(self) -> list[tuple[str, str]]:
        kept = [one for one in self.fake.received if one["Action"] == "Setvar"]
        return [(one["Channel"], one["Value"]) for one in kept]


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with fake_asterisk() as fake:
        made = Scene(fake)
        async with made.connected():
            await made.watch.listen()
            assert fake.names() == [], "a call that has just begun is left alone"
            yield made


PHONES = replace(CALL, channel=OTHER_PHONE.channel, caller_leg=OTHER_PHONE)


async def test_a_call_that_is_not_up_is_not_asked_after(scene: Scene) -> None:
    scene.calls = (
        replace(CALL, progress=State.RINGING),
        replace(PHONES, progress=State.RINGING),
        replace(CALL, caller_leg=None, callee_leg=None),
    )
    await scene.listen(5)
    await scene.listen_to_phones(11)
    assert scene.fake.names() == []


async def test_a_call_between_phones_is_asked_after_once_in_five_seconds(scene: Scene) -> None:
    scene.calls = (PHONES,)
    await scene.listen_to_phones(SLICES)
    await scene.listen(5)
    assert scene.fake.names() == [], "its first seconds cost nothing"
    await scene.listen_to_phones(3 * SLICES)
    assert scene.asked("rtcp") == [OTHER_PHONE.channel, PHONE.channel] * 3
    assert scene.asked("audioreadformat") == [OTHER_PHONE.channel, PHONE.channel]
    assert scene.asked("M_QUALITY") == [], "it is new: nobody kept anything"


async def test_calls_between_phones_are_spread_over_the_seconds(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telephony.quality.MOST_OF_SLICE", 2)
    scene.calls = tuple(replace(PHONES, call_id=f"cal_{n}", callee_leg=None) for n in range(14))
    asked = []
    for _ in range(21):
        before = len(scene.asked("rtcp"))
        await scene.listen_to_phones()
        asked.append(len(scene.asked("rtcp")) - before)
    assert max(asked) <= 1, "one leg stands for all of these"
    assert scene.watch.counters.samples == 2 * 14, "each of them has had its turn, every 7 s by now"


async def test_others_have_their_turn_while_much_is_scored(scene: Scene) -> None:
    """An offer that comes then is not to wait for a hundred legs."""
    scene.calls = tuple(replace(CALL, call_id=f"cal_{n}") for n in range(4 * TURN))
    await scene.listen()
    listening = asyncio.create_task(scene.listen())
    longest, before = 0, scene.watch.counters.samples
    scored = before
    while not listening.done():
        await asyncio.sleep(0)
        samples = scene.watch.counters.samples
        longest, before = max(longest, samples - before), samples
    await listening
    assert before - scored == 2 * len(scene.calls)
    assert longest <= 2 * TURN


async def test_a_phones_course_is_kept_both_ways_and_nobody_is_told(scene: Scene) -> None:
    scene.calls = (PHONES,)
    for line in scene.lines.values():
        line.report_every = 5
    await scene.listen_to_phones(4 * SLICES)
    scene.lines[OTHER_PHONE.channel].lost = 0.4
    await scene.listen_to_phones(4 * SLICES)
    await until(lambda: len(scene.kept) >= 12)
    assert scene.heard == []
    facts = last_kept(scene, OTHER_PHONE.channel)
    assert (facts["side"], facts["call"]) == ("caller", CALL.linked_id)
    assert float(facts["mos_min"]) < 2.5
    came, went = read(facts["came"]), read(facts["went"])
    assert came is not None
    assert went is not None
    assert (came.way, went.way) == (Way.FROM, Way.TO)
    assert came.every_ms == went.every_ms == 1000
    poor = [one is not None and one < 26 for one in came.points]
    assert poor[:10] == [False] * 10
    assert poor[15:] == [True] * len(poor[15:])
    assert len(poor) >= 25
    assert all(one is not None and one > 25 for one in went.points)
    well = last_kept(scene, PHONE.channel)
    assert float(well["mos_min"]) > 4


async def test_a_carrier_that_reports_nothing_leaves_the_other_way_unknown(scene: Scene) -> None:
    scene.calls = (PHONES,)
    scene.lines[PHONE.channel].reports = False
    await scene.listen_to_phones(5 * SLICES)
    await until(lambda: len(scene.kept) >= 6)
    assert "went" not in last_kept(scene, PHONE.channel)
    assert {"came", "went"} <= last_kept(scene, OTHER_PHONE.channel).keys()


async def test_who_comes_after_another_goes_on_with_what_was_kept(scene: Scene) -> None:
    """The controller was restarted in the middle of the call."""
    early = BEGAN_MS - 600_000
    for channel in (OTHER_PHONE.channel, PHONE.channel):
        scene.lines[channel].kept = (
            f"call={CALL.linked_id};side=caller;mos_min=1.90;mos_avg=3.00;poor_ms=7000"
            f";offered=2;windows=10;came=from.{early}.5000.yy55"
        )
    up_since = datetime.fromtimestamp(BEGAN_MS / 1000, UTC) - timedelta(seconds=700)
    scene.calls = (replace(PHONES, up_since=up_since),)
    await scene.listen_to_phones(5 * SLICES)
    await until(lambda: len(scene.kept) >= 6)
    facts = last_kept(scene, PHONE.channel)
    assert facts["mos_min"] == "1.90"
    assert 3 < float(facts["mos_avg"]) < 4
    assert (facts["poor_ms"], facts["offered"]) == ("7000", "2")
    course = read(facts["came"])
    assert course is not None
    assert (course.began_ms, course.points[:5]) == (early, (34, 34, 5, 5, None))


def last_kept(scene: Scene, channel: str) -> dict[str, str]:
    """The summary that stands on a channel."""
    rows = [row for of, row in scene.kept if of == channel]
    return dict(pair.split("=") for pair in rows[-1].split(";"))


async def test_both_legs_are_asked_for_figures_and_once_for_their_codec(scene: Scene) -> None:
    await scene.listen(3)
    assert scene.asked("rtcp") == [APP.channel, PHONE.channel] * 3
    assert scene.asked("audioreadformat") == [APP.channel, PHONE.channel]
    assert scene.watch.counters.samples == 6


async def test_a_leg_that_turns_poor_is_told_once_and_when_it_is_good_again(scene: Scene) -> None:
    await scene.listen(6)
    scene.lines[APP.channel].lost = 0.4
    await scene.listen(10)
    [one] = scene.heard
    assert (one.side, one.role, one.change.sound) == (Side.CALLER, Role.BUYER, Sound.POOR)
    assert one.change.measured.rtt_ms == pytest.approx(50, abs=0.1)
    scene.lines[APP.channel].lost = 0.0
    await scene.listen(12)
    assert [one.change.sound for one in scene.heard] == [Sound.POOR, Sound.GOOD]
    assert scene.watch.counters.poor == 1


async def test_the_summary_is_kept_on_the_channel(scene: Scene) -> None:
    await scene.listen(6)
    scene.lines[APP.channel].silent = True
    await scene.listen(5)
    [poor] = scene.heard
    scene.watch.offered(poor)
    scene.watch.offered(replace(poor, call=replace(CALL, caller_leg=APP_2)))
    scene.watch.offered(replace(poor, call=replace(CALL, caller_leg=None)))
    await scene.listen(5)
    await until(lambda: len(scene.kept) >= 12)
    assert {channel for channel, _ in scene.kept} == {APP.channel, PHONE.channel}
    facts = last_kept(scene, APP.channel)
    assert (facts["call"], facts["side"]) == (CALL.linked_id, "caller")
    assert float(facts["mos_min"]) < 2
    assert int(facts["poor_ms"]) >= 8000
    course = read(facts["came"])
    assert course is not None
    assert BEGAN_MS < course.began_ms < BEGAN_MS + 20_000
    assert min(one for one in course.scores if one is not None) <= 1.1, "not a packet came"
    assert facts["offered"] == "1"


async def test_of_two_apps_only_the_one_whose_network_loses_is_poor(scene: Scene) -> None:
    """The far end of the other leg misses what never came, and reports it."""
    scene.calls = (replace(CALL, callee_leg=APP_2),)
    await scene.listen(6)
    scene.lines[APP.channel].lost = 0.4
    scene.lines[APP_2.channel].far_lost = 0.4
    await scene.listen(10)
    assert [(one.side, one.change.sound) for one in scene.heard] == [(Side.CALLER, Sound.POOR)]


async def test_what_is_transcoded_has_no_gaps_of_the_other_leg(scene: Scene) -> None:
    await scene.listen(6)
    scene.lines[PHONE.channel].lost = 0.4
    scene.lines[APP.channel].far_lost = 0.4
    await scene.listen(10)
    assert [one.side for one in scene.heard] == [Side.CALLER]


async def test_a_leg_that_ends_is_forgotten(scene: Scene) -> None:
    await scene.listen(2)
    scene.calls = ()
    await scene.listen()
    scene.calls = (CALL,)
    await scene.listen(2)
    assert scene.asked("audioreadformat").count(APP.channel) == 2


async def test_a_channel_that_is_gone_says_nothing(scene: Scene) -> None:
    del scene.lines[APP.channel]
    await scene.listen(3)
    assert scene.watch.counters.unread == 3
    assert scene.watch.counters.samples == 3
    assert scene.heard == []


async def test_many_calls_take_turns(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telephony.quality.MOST_CALLS", 1)
    scene.calls = (CALL, replace(CALL, call_id="cal_2", caller_leg=APP_2, callee_leg=None))
    await scene.listen()
    await scene.listen()
    assert {APP.channel, APP_2.channel} <= set(scene.asked("rtcp"))


async def test_a_node_that_does_not_answer_is_asked_again(scene: Scene) -> None:
    scene.fake.cut_at = "Getvar"
    with pytest.raises(AmiError):
        await scene.watch.listen()
    run = asyncio.create_task(scene.watch.run())
    try:
        await until(lambda: scene.watch.counters.failed > 1)
        scene.fake.cut_at = None
        await until(lambda: scene.watch.counters.samples > 0)
    finally:
        run.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await run


async def test_an_unknown_codec_is_taken_for_the_usual_one(scene: Scene) -> None:
    scene.lines[APP.channel].codec = "speex"
    scene.lines[PHONE.channel].codec = "g729"
    await scene.listen(8)
    assert scene.watch.counters.samples == 16
