"""The platform is asked whom a stranger means, signed and in time, and never learns their phone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from maskline.demo import Call
from tests.support.maskline import eventually, free_tcp_port, session_body
from tests.support.scene import LANGUAGES, Scene

EACH_LANGUAGE = pytest.mark.parametrize("language", LANGUAGES)


@pytest.fixture(autouse=True)
def _as_before(scene: Scene) -> Iterator[None]:
    yield
    scene.platform.answer = lambda _asked: {"action": "continue"}
    scene.platform.delay_s, scene.platform.status = 0.0, 200
    scene.platform.received.clear()


@EACH_LANGUAGE
async def test_it_connects_a_stranger_who_keeps_the_number_dialled(
    scene: Scene, language: str
) -> None:
    pool = await scene.pool(language, numbers=3, hook=scene.hook())
    stranger, seller = scene.person(), scene.person()
    number = pool.numbers[1]
    body = session_body(stranger, seller, pool=pool.name)
    body["participants"][0]["phone"] = "caller"
    scene.platform.answer = lambda _asked: {"action": "connect", "session": body}

    talk = await scene.reach(number, stranger, seller)
    shown = talk.leg.seen_caller
    await talk.end()

    [asked] = scene.platform.asked
    assert asked["event"] == "out_of_session"
    assert (asked["reason"], asked["number"]) == ("unknown_caller", number)
    assert asked["caller_ref"]
    # From now on they are a pair like any other, and nobody is asked.
    await (await scene.reach(number, stranger, seller)).end()
    back = await scene.reach(shown, seller, stranger)
    assert back.leg.seen_caller == number
    await back.end()
    assert len(scene.platform.asked) == 1
    history = await eventually(
        lambda: scene.maskline.history(body["conversation_id"]), lambda found: len(found) == 3
    )
    assert [one["outcome"] for one in history] == ["answered"] * 3


@EACH_LANGUAGE
async def test_it_connects_to_a_session_that_is_there(scene: Scene, language: str) -> None:
    pool = await scene.pool(language, numbers=1, hook=scene.hook())
    session, _ = await scene.session(pool)
    scene.platform.answer = lambda _asked: {
        "action": "connect",
        "session_id": session.id,
        "user_id": session.buyer_id,
    }
    talk = await scene.reach(pool.numbers[0], scene.person(), session.seller)
    assert talk.leg.seen_caller == session.seller_dials
    await talk.end()
    withheld = await scene.reach(pool.numbers[0], None, session.seller)
    await withheld.end()
    assert [one["reason"] for one in scene.platform.asked] == ["unknown_caller", "withheld_caller"]
    assert scene.platform.asked[1]["caller_ref"] is None


@EACH_LANGUAGE
async def test_it_refuses(scene: Scene, language: str) -> None:
    pool = await scene.pool(language, numbers=1, hook=scene.hook())
    session, _ = await scene.session(pool)
    scene.platform.answer = lambda _asked: {"action": "refuse"}
    call = await scene.dial(pool.numbers[0], scene.person())
    await scene.refused(call, language, "not-in-service")
    assert len(scene.platform.asked) == 1
    await (await scene.reach(session.buyer_dials, session.buyer, session.seller)).end()
    assert len(scene.platform.asked) == 1, "of those we know nobody is asked"


@EACH_LANGUAGE
@pytest.mark.parametrize("how", ["dead", "silent", "wrong", "failing"])
async def test_without_an_answer_a_closed_pool_tells_the_caller_to_try_again(
    scene: Scene, language: str, how: str
) -> None:
    call = await _unanswered(scene, language, how, "closed")
    await scene.refused(call, language, "try-again")


@pytest.mark.parametrize("how", ["dead", "silent", "wrong", "failing"])
async def test_without_an_answer_an_open_pool_goes_on_by_its_rules(scene: Scene, how: str) -> None:
    call = await _unanswered(scene, "en", how, "open")
    await scene.refused(call, "en", "not-in-service")


async def test_a_late_caller_is_connected_to_another_session(scene: Scene) -> None:
    pool = await scene.pool("ru", numbers=2, hook=scene.hook(), strangers={"late": "ask"})
    old, _ = await scene.session(pool)
    await scene.ask("DELETE", f"/v1/sessions/{old.id}")
    new, _ = await scene.session(pool, old.buyer)
    scene.platform.answer = lambda _asked: {
        "action": "connect",
        "session_id": new.id,
        "user_id": new.buyer_id,
    }
    await (await scene.reach(old.buyer_dials, old.buyer, new.seller)).end()
    [asked] = scene.platform.asked
    assert (asked["reason"], asked["session_id"]) == ("cooling", old.id)

    # The seller is late as well, and nobody is named to take the old buyer's place.
    scene.platform.answer = lambda _asked: {"action": "continue"}
    call = await scene.dial(old.seller_dials, old.seller)
    await scene.refused(call, "ru", "no-longer-serves")
    assert [one["reason"] for one in scene.platform.asked] == ["cooling"] * 2


async def _unanswered(scene: Scene, language: str, how: str, on_failure: str) -> Call:
    """A stranger's call while the platform is `how`."""
    rules = scene.hook(deadline_ms=500, on_failure=on_failure)
    match how:
        case "dead":
            rules["url"] = f"http://127.0.0.1:{free_tcp_port()}/hook"
        case "silent":
            scene.platform.delay_s = 1.5
        case "wrong":
            scene.platform.answer = lambda _asked: '{"action": "connect"}'
        case _:
            scene.platform.status = 500
    pool = await scene.pool(language, numbers=1, hook=rules)
    await scene.session(pool)
    call = await scene.dial(pool.numbers[0], scene.person())
    began = asyncio.get_running_loop().time()
    await call.until(lambda one: one.has_sound)
    assert asyncio.get_running_loop().time() - began < 3, "the deadline is kept"
    return call
