"""Every page of the console, in both languages and themes, wide and narrow: what each must be.

Pictures of all of it are in build/screens/ afterwards.
"""

from __future__ import annotations

import pytest

from tests.support.call_centre import ADMIN, ADMIN_RU, CallCentre, Colleague
from tests.support.console_pages import places, unseen
from tests.support.console_steps import steps
from tests.support.console_window import NARROW, THEMES, WAYS, WIDE, Way

# In which ways pages are looked at that nobody spends the day on.
SELDOM: dict[Colleague, tuple[Way, ...]] = {
    ADMIN: (("light", WIDE), ("light", NARROW)),
    ADMIN_RU: (("dark", NARROW),),
}


@pytest.mark.timeout(480)
@pytest.mark.parametrize("who", [ADMIN, ADMIN_RU], ids=lambda one: str(one.language))
async def test_it_is_for_everybody_and_nothing_planted_runs(
    centre: CallCentre, who: Colleague
) -> None:
    window = await centre.window(who)
    wrong: list[str] = []
    seen: set[str] = set()
    await window.go("/console/accounts")
    account = window.page.locator("main a[href^='/console/accounts/stf_']").last
    story = centre.scene.story
    done = steps(story.buyer_dials, story.buyer)
    for place in places(centre.scene, await account.get_attribute("href") or ""):
        seen.add(place.template)
        await window.look(theme="light", size=WIDE)
        answer = await window.go(place.address)
        if answer.status != place.status:
            wrong.append(f"{place.name}: {answer.status}")
            continue
        wrong += [f"{place.name}: planted: {one}" for one in await window.planted()]
        name = f"{place.name}-{who.language}"
        wrong += await window.pictures(centre.screens, name, WAYS if place.often else SELDOM[who])
        if who is ADMIN or place.often:
            # Colours are the same in every language.
            themes = THEMES if who is ADMIN else THEMES[:1]
            found = await window.barriers(centre.axe, themes)
            wrong += [f"{name}, {one}" for one in found]
        for step in done.get(place.name, ()):
            ways = step.ways or SELDOM[who][:1]
            await window.look(theme=ways[0][0], size=ways[0][1])
            await step.does(window.page)
            wrong += [f"{name}-{step.name}: planted: {one}" for one in await window.planted()]
            wrong += await window.pictures(
                centre.screens, f"{place.name}-{step.name}-{who.language}", ways
            )
            if who is ADMIN:
                found = await window.faults(centre.axe, within=step.within)
                wrong += [f"{name}-{step.name}, {one}" for one in found]
        await window.page.emulate_media(media="null")
    assert not wrong, "\n".join(wrong)
    assert unseen(seen) == set()
