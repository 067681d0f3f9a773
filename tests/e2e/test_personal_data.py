"""On a Maskline in use: its vault's key is rotated, a person exported and erased, by command."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator

from maskline.demo import Answer, Carrier
from storage.vault import read_keys
from tests.support.maskline import Maskline, eventually

_TONE_HZ = 700


async def test_keys_are_rotated_and_a_person_erased_while_calls_are_made(
    shared: Maskline, carrier: Carrier, phone: Iterator[str]
) -> None:
    session = await shared.open_session(next(phone), next(phone))
    carrier.on_invite(Answer(ring_ms=100, tone_hz=_TONE_HZ), number=session.seller)

    async def talk() -> None:
        call = await carrier.call(session.buyer_dials, from_=session.buyer, tone_hz=450)
        leg = await carrier.incoming()
        assert leg.dialled == session.seller
        await asyncio.gather(call.wait_up(), leg.wait_up())
        await call.hang_up()
        await leg.wait_ended()

    code, out, err = await shared.run("keys", "rotate", "--no-wait")
    assert (code, err) == (0, "key 2 is made\n")
    assert "keys status" in out
    await eventually(lambda: shared.ask("GET", "/v1/vault"), lambda found: found["seals_with"] == 2)
    assert set(read_keys(shared.data / "vault.key").sealing) == {1, 2}
    await talk()  # a phone sealed with the old key is dialled
    assert (await shared.recorded(session))[0]["outcome"] == "answered"
    code, out, err = await shared.run("keys", "status")
    assert code == 0, err
    assert out.startswith("seals with key 2, opens with 1, 2")

    code, out, err = await shared.run("person", "export", "--user", session.buyer_id)
    assert code == 0, err
    exported = json.loads(out)
    assert [one["outcome"] for one in exported["calls"]] == ["answered"]
    assert exported["sessions"][0]["other_side"]["name"] == "Petr"
    assert session.seller_id not in out

    code, out, _ = await shared.run("person", "erase", "--user", session.buyer_id)
    assert code == 0
    assert re.search(r"sessions_open +1", out)
    assert "nothing was changed" in out
    assert len(await shared.call_log(session.buyer_id)) == 1
    code, out, err = await shared.run("person", "erase", "--user", session.buyer_id, "--yes")
    assert code == 0, err
    assert re.search(r"erased at .*: receipt era_", out)
    assert re.search(r"left +0", out)
    assert await shared.call_log(session.buyer_id) == []
    [kept] = await shared.call_log(session.seller_id)
    assert kept["card"]["erased"]["en"] == "Deleted user"
