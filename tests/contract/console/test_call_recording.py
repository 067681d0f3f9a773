"""A recording on a call's page: heard for a reason by who may, remembered before any sound."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cdr.opus_file import encode
from cdr.recording_files import RecordingFiles
from masking.recording_states import RecordingDeletion
from masking.staff import StaffRole
from storage import audit, recordings
from storage.audit import Action, Kept
from tests.contract.api import heard
from tests.contract.api.conftest import run
from tests.contract.api.house import START, House
from tests.support.console import Desk, Shown
from tests.support.recordings import talk


@pytest.fixture
def files(tmp_path: Path) -> RecordingFiles:
    return heard.folder(tmp_path)


@pytest.fixture
async def lite(migrated_sqlite: str, files: RecordingFiles) -> AsyncIterator[House]:
    async for running in run(migrated_sqlite, recordings=files):
        yield running


@pytest.fixture
async def call(lite: House, files: RecordingFiles, tmp_path: Path) -> str:
    """A call of two seconds that was recorded."""
    sound = talk(tmp_path / "a.wav")
    return await heard.a_recording(lite, files, lambda writer: encode(sound, writer))


async def played(house: House) -> tuple[Kept, ...]:
    wanted = audit.Filter(action=Action.RECORDING_PLAYED)
    return (await house.db.read(lambda conn: audit.page(conn, wanted))).items


async def opened(desk: Desk, call: str, reason: str = "ticket 4711") -> Shown:
    return await desk.post(f"/console/calls/{call}/recording", {"reason": reason}, partial=True)


def address(page: Shown, what: str) -> str:
    found = re.search(rf'"(/console/calls/[^"]*/{what})"', page.html)
    assert found is not None, page.html
    return found[1]


async def test_with_a_reason_it_is_heard_whole_or_in_part_and_remembered_once(
    lite: House, call: str
) -> None:
    chief = await Desk.of(lite, StaffRole.SUPERVISOR)

    player = await opened(chief, call)
    whole = await chief.get(address(player, "audio"))
    part = await chief.get(address(player, "audio"), Range="bytes=4-9")

    assert whole.status == 200
    assert whole.reply.body[:4] == b"OggS"
    assert whole.reply.headers["Content-Type"] == "audio/ogg"
    assert (part.status, part.reply.body) == (206, whole.reply.body[4:10])
    for reply in (player, whole, part):
        assert "no-store" in reply.reply.headers["Cache-Control"]
    (entry,) = await played(lite)
    assert (entry.entry.object_id, entry.entry.reason) == (call, "ticket 4711")
    assert entry.entry.facts == {"from_byte": 0, "bytes": len(whole.reply.body)}


async def test_both_sides_are_drawn_apart(lite: House, call: str) -> None:
    chief = await Desk.of(lite, StaffRole.SUPERVISOR)
    player = await opened(chief, call)

    drawn = await chief.get(address(player, "wave"), partial=True)

    caller, callee = re.findall(r'class="wave [a-z]+" d="([^"]+)"', drawn.html)
    assert caller != callee
    assert "Loudness over time: The caller" in drawn.html


async def test_without_a_script_the_page_itself_holds_the_player(lite: House, call: str) -> None:
    chief = await Desk.of(lite, StaffRole.SUPERVISOR)

    page = await chief.post(f"/console/calls/{call}/recording", {"reason": "ticket"})

    assert page.status == 200
    assert (await chief.get(address(page, "audio"))).status == 200


@pytest.mark.parametrize("reason", ["", "no", "x" * 501])
async def test_without_a_reason_nothing_is_heard(lite: House, call: str, reason: str) -> None:
    refused = await opened(await Desk.of(lite, StaffRole.SUPERVISOR), call, reason)

    assert refused.status == 422
    assert await played(lite) == ()


@pytest.mark.parametrize("role", [StaffRole.AGENT, StaffRole.OPERATOR])
async def test_who_may_not_hear_is_refused_and_remembered(
    lite: House, call: str, role: StaffRole
) -> None:
    somebody = await Desk.of(lite, role)

    page = await somebody.get(f"/console/calls/{call}")
    refused = await opened(somebody, call)

    assert "Your role cannot listen to recordings" in page.words
    assert refused.status == 403
    (entry,) = await played(lite)
    assert entry.entry.refused


async def test_the_permission_is_one_person_s_and_ends(lite: House, call: str) -> None:
    chief, other = [await Desk.of(lite, StaffRole.SUPERVISOR) for _ in range(2)]
    sound = address(await opened(chief, call), "audio")

    assert (await other.get(sound)).status == 403
    assert (await chief.get(sound.replace(call, "cal_" + "0" * 26))).status == 403
    assert (await chief.get(sound[:-8] + "AA/audio")).status == 403
    lite.clock.advance(minutes=31)
    assert (await chief.get(sound)).status in (303, 403)


async def test_a_deleted_recording_is_heard_no_more_and_the_page_says_why(
    lite: House, call: str
) -> None:
    chief = await Desk.of(lite, StaffRole.SUPERVISOR)
    player = await opened(chief, call)
    await lite.db.write(
        lambda conn: recordings.delete(conn, call, RecordingDeletion.REQUEST, START)
    )

    assert (await chief.get(address(player, "audio"))).status == 410
    assert (await chief.get(address(player, "wave"))).status == 410
    page = await chief.get(f"/console/calls/{call}")
    assert "/recording" not in page.html


async def test_a_damaged_file_is_told_and_not_remembered_as_heard(
    lite: House, call: str, tmp_path: Path
) -> None:
    (file,) = (one for one in (tmp_path / "recordings").rglob("cal_*") if one.is_file())
    content = bytearray(file.read_bytes())
    content[40] ^= 1
    file.write_bytes(content)

    refused = await opened(await Desk.of(lite, StaffRole.SUPERVISOR), call)

    assert refused.status == 500
    assert await played(lite) == ()
