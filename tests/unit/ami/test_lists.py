"""Actions whose answer is a list: whole and bounded, or an error."""

from __future__ import annotations

import pytest

from telephony.ami import (
    ActionRefused,
    Client,
    ListCancelled,
    ListIncomplete,
    ListTooLong,
    Monitor,
    Rejection,
)
from tests.unit.ami.fake import FakeAsterisk, Request, event, item, response


def listing(*parts: bytes) -> list[bytes]:
    return list(parts)


@pytest.mark.parametrize("end", ["cancelled", "Cancelled"])
async def test_a_cancelled_list_is_no_list(fake: FakeAsterisk, client: Client, end: str) -> None:
    def answer(r: Request) -> None:
        r.peer.send(response(r.id, EventList="start"))
        r.peer.send(item(r.id, "CoreShowChannel", Channel="a"))
        r.peer.send(item(r.id, "CoreShowChannelsComplete", EventList=end))

    fake.answer = answer
    with pytest.raises(ListCancelled):
        await client.list_action("CoreShowChannels", deadline_s=5)


async def test_a_list_is_its_items_in_order_and_unsolicited_events_pass_by(
    fake: FakeAsterisk, client: Client
) -> None:
    def answer(r: Request) -> None:
        r.peer.send(response(r.id, EventList="start", Message="Channels will follow"))
        r.peer.send(item(r.id, "CoreShowChannel", Channel="a"))
        r.peer.send(event("Hangup", Channel="z", ActionID=r.id))
        r.peer.send(item(r.id, "CoreShowChannel", Channel="b"))
        r.peer.send(item(r.id, "CoreShowChannelsComplete", EventList="Complete", ListItems="2"))

    fake.answer = answer
    hangups = client.subscribe(["Hangup"], name="test")
    items = await client.list_action("CoreShowChannels", deadline_s=5)
    assert [entry.get("Channel") for entry in items] == ["a", "b"]
    assert (await anext(hangups)).get("Channel") == "z"


async def test_an_empty_list_is_empty(fake: FakeAsterisk, client: Client) -> None:
    def answer(r: Request) -> None:
        r.peer.send(response(r.id, EventList="start"))
        r.peer.send(item(r.id, "BridgeListComplete", EventList="Complete", ListItems="0"))

    fake.answer = answer
    assert await client.list_action("BridgeList", deadline_s=5) == []


async def test_a_refused_list_raises(fake: FakeAsterisk, client: Client) -> None:
    fake.answer = lambda r: r.peer.send(response(r.id, "Error", Message="No such bridge"))
    with pytest.raises(ActionRefused):
        await client.list_action("BridgeInfo", deadline_s=5)


async def test_a_list_with_entries_missing_is_no_list(fake: FakeAsterisk, client: Client) -> None:
    def answer(r: Request) -> None:
        r.peer.send(response(r.id, EventList="start"))
        r.peer.send(item(r.id, "X", Channel="a"))
        r.peer.send(item(r.id, "XComplete", EventList="Complete", ListItems="2"))

    fake.answer = answer
    with pytest.raises(ListIncomplete):
        await client.list_action("X", deadline_s=5)


async def test_a_list_is_bounded(fake: FakeAsterisk, client: Client) -> None:
    def answer(r: Request) -> None:
        r.peer.send(response(r.id, EventList="start"))
        for _ in range(5):
            r.peer.send(item(r.id, "X", Channel="a"))

    fake.answer = answer
    with pytest.raises(ListTooLong):
        await client.list_action("X", deadline_s=5, max_items=4)


async def test_an_end_smuggled_into_an_item_does_not_end_the_list(
    fake: FakeAsterisk, client: Client
) -> None:
    def answer(r: Request) -> None:
        r.peer.send(response(r.id, EventList="start"))
        r.peer.send(item(r.id, "X", Num="1\r\nEventList: Complete", Channel="a"))
        r.peer.send(item(r.id, "X", Channel="b"))
        r.peer.send(item(r.id, "XComplete", EventList="Complete", ListItems="2"))

    fake.answer = answer
    items = await client.list_action("X", deadline_s=5)
    assert [entry.get("Channel") for entry in items] == ["a", "b"]


async def test_items_with_their_id_last_are_believed_only_where_asked_for(
    fake: FakeAsterisk, client: Client, monitor: Monitor
) -> None:
    def answer(r: Request) -> None:
        r.peer.send(response(r.id))
        r.peer.send(f"Event: DBGetResponse\r\nVal: x\r\nActionID: {r.id}\r\n\r\n".encode())
        r.peer.send(item(r.id, "DBGetComplete", EventList="Complete", ListItems="1"))

    fake.answer = answer
    with pytest.raises(ListIncomplete):
        await client.list_action("DBGet", deadline_s=5)
    assert monitor.counters.rejected[Rejection.FORGED] == 1
    (entry,) = await client.list_action("DBGet", deadline_s=5, trailing_ids=True)
    assert entry.get("Val") == "x"
