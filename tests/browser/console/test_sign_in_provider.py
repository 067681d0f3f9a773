"""The way in through the organisation's own provider, which is a real one, as staff takes it."""

from __future__ import annotations

from tests.support.call_centre import CallCentre
from tests.support.console_window import StaffWindow


async def _at_the_provider(window: StaffWindow, who: str) -> None:
    """Say there who one is, and that the console may know."""
    page = window.page
    await page.locator("input[name=login]").fill(who)
    await page.locator("input[name=password]").fill("anything")
    await page.locator("button[type=submit]").click()
    await page.locator("input[name=prompt][value=consent]").wait_for(state="attached")
    await page.locator("button[type=submit]").click()


async def test_a_member_of_a_group_comes_in_with_its_role(centre: CallCentre) -> None:
    window = await centre.room.open(locale="en-GB")
    page = window.page
    await window.go("/console/calls?outcome=missed")
    await page.get_by_role("link", name="Sign in with Acme").click()
    await page.locator("input[name=login]").wait_for()
    assert not page.url.startswith(window.base)
    await _at_the_provider(window, "vera.leads")
    await page.wait_for_url(f"{window.base}/console/calls?outcome=missed")
    me = page.locator("nav .me")
    assert "vera of leads" in await me.inner_text()
    assert "Supervisor" in await me.inner_text()
    assert await page.get_by_role("link", name="Audit").count() == 1
    assert await page.get_by_role("link", name="Accounts").count() == 0

    # Nothing here asks for a password that nobody has here.
    await window.go("/console/account")
    assert await page.locator("input[type=password]").count() == 0
    assert await window.faults(centre.axe) == []

    # Another tab of theirs comes in by one click: the provider knows them.
    await page.context.clear_cookies(name="maskline_console")
    await window.go("/console/calls")
    await page.get_by_role("link", name="Sign in with Acme").click()
    await page.wait_for_url(f"{window.base}/console/calls")

    # Who signs out is asked there as well, and is then known at neither.
    await page.get_by_role("button", name="Sign out").click()
    await page.locator("button[name=logout][value=yes]").click()
    await page.wait_for_url("**/console/sign-in")
    await page.get_by_role("button", name="Sign in", exact=True).wait_for()
    await window.go("/console/calls")
    await page.get_by_role("link", name="Sign in with Acme").click()
    await page.locator("input[name=login]").wait_for()
    assert not page.url.startswith(window.base)


async def test_who_has_no_role_there_is_told_so_and_stays_out(centre: CallCentre) -> None:
    window = await centre.room.open(locale="en-GB")
    page = window.page
    await window.go("/console/sign-in")
    await page.get_by_role("link", name="Sign in with Acme").click()
    await _at_the_provider(window, "nora.kitchen")
    await page.wait_for_url("**/console/sign-in/provider/back?**")
    assert "Your organisation gives you no role here." in await window.text()
    assert await window.faults(centre.axe) == []
    await window.picture(centre.screens / "provider-no-role-en.png")
    await page.get_by_role("link", name="Back to sign-in").click()
    await page.wait_for_url("**/console/sign-in")
    await window.go("/console/calls")
    await page.locator("input[name=password]").wait_for()


async def test_who_changes_their_mind_at_the_provider_can_try_again(centre: CallCentre) -> None:
    window = await centre.room.open(locale="ru-RU")
    page = window.page
    await window.go("/console/sign-in")
    await page.get_by_role("link", name="Войти через Acme").click()
    await page.get_by_role("link", name="Cancel").click()
    await page.wait_for_url("**/console/sign-in/provider/back?**")
    assert "Вход через вашу организацию не удался." in await window.text()
    await page.get_by_role("link", name="Ко входу").click()
    await page.wait_for_url("**/console/sign-in")
