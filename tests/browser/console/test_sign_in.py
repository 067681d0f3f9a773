"""The way in, as somebody takes it on their first day and after: password, code, hold-ups."""

from __future__ import annotations

import time

import pyotp
import segno

from masking.staff import StaffRole
from tests.support.call_centre import ADMIN, OWN_PASSWORD, CallCentre, Colleague
from tests.support.console_window import NARROW, StaffWindow

NEWCOMER = Colleague("newcomer", "Nina", StaffRole.AGENT, "browser")
SHUT_OUT = Colleague("shut-out", "Zoya", StaffRole.SUPERVISOR)
FREE = 5  # failures at an account that hold nobody up


async def test_a_first_day(centre: CallCentre) -> None:
    await centre.hire(NEWCOMER)
    first = centre.first_passwords[NEWCOMER.login]
    window = await centre.room.open(locale="en-GB")
    page = window.page

    # Where one wanted to go is where one gets, through a password of one's own.
    await window.go("/console/calls?outcome=missed")
    await window.enter(NEWCOMER.login, "not it")
    await page.locator("#refused").wait_for()
    assert "maskline_console" not in {one.get("name") for one in await window.context.cookies()}
    await window.enter(NEWCOMER.login, first)
    await page.locator("input[name=again]").wait_for()
    assert await window.faults(centre.axe) == []
    await window.own_password(first)
    await page.locator("[aria-invalid]").wait_for()
    assert "Choose another one than you were given." in await window.text()
    await window.own_password(OWN_PASSWORD)
    await page.wait_for_url("**/console/calls?outcome=missed")

    # A second factor, and the codes for a day without the phone.
    secret, codes = await _set_a_second_factor_up(centre, window)
    await page.locator("main a.button.main").click()

    # Out, and the way back shows nothing.
    await page.locator("form[action='/console/sign-out'] button").click()
    await page.wait_for_url("**/console/sign-in")
    await page.go_back()
    assert await page.locator("#calls").count() == 0
    await window.go("/console/calls")
    await window.enter(NEWCOMER.login, OWN_PASSWORD)
    await window.code("000000")
    await page.get_by_text("The code is not right").wait_for()
    assert await window.faults(centre.axe) == []
    await window.code(pyotp.TOTP(secret).at(int(time.time()) + 30))
    await page.locator("#calls").wait_for()

    await _without_the_phone(centre, codes)


async def _set_a_second_factor_up(centre: CallCentre, window: StaffWindow) -> tuple[str, list[str]]:
    """By the picture or the same text; the secret, and the recovery codes that are shown."""
    page = window.page
    await window.go("/console/account")
    await page.get_by_role("link", name="Set up").click()
    secret = (await page.locator("main code").first.inner_text()).replace(" ", "")
    told = pyotp.TOTP(secret).provisioning_uri(name=NEWCOMER.login, issuer_name="Maskline")
    drawn = segno.make(told, error="m").svg_data_uri(scale=5, border=3, light="#fff")
    assert await page.locator("img.qr").get_attribute("src") == drawn
    assert await page.locator("img.qr").evaluate("(one) => one.naturalWidth") > 100
    assert await window.faults(centre.axe) == []
    await window.picture(centre.screens / "second-factor-en.png")
    await window.code(pyotp.TOTP(secret).now())
    await page.locator(".codes li").first.wait_for()
    codes = await page.locator(".codes li").all_inner_texts()
    assert len(set(codes)) == 10
    assert await window.faults(centre.axe) == []
    return secret, codes


async def _without_the_phone(centre: CallCentre, codes: list[str]) -> None:
    """A recovery code, as somebody reads it off paper; it serves once.

    Nobody chose a language so far, and pages have the browser's.
    """
    lost = await centre.room.open(locale="ru-RU", size=NARROW)
    page = lost.page
    await lost.go("/console/account")
    await lost.enter(NEWCOMER.login, OWN_PASSWORD)
    await lost.code(codes[0].upper().replace("-", " "))
    await page.wait_for_url("**/console/account")
    assert "Осталось 9 резервных кодов." in await lost.text()
    assert await lost.fits()
    await lost.picture(centre.screens / "account-ru-390.png")
    await page.locator("select[name=language]").select_option("en")
    await page.get_by_role("button", name="Сохранить").click()
    await page.get_by_text("Saved.").wait_for()
    await page.locator("header summary").click()
    await page.get_by_role("button", name="Sign out", exact=True).click()
    await lost.enter(NEWCOMER.login, OWN_PASSWORD)
    await lost.code(codes[0])
    await page.get_by_text("The code is not right, or was used already.").wait_for()
    await lost.code(codes[1])
    await page.wait_for_url(lambda url: "sign-in" not in url)


async def test_the_way_in_is_for_everybody(centre: CallCentre) -> None:
    window = await centre.room.open()
    wrong: list[str] = []
    for language in ("en", "ru"):
        await window.context.set_extra_http_headers({"Accept-Language": language})
        await window.go("/console/sign-in")
        await window.enter("nobody", "nothing")
        await window.page.locator("#refused").wait_for()
        wrong += await window.pictures(centre.screens, f"sign-in-{language}")
        wrong += await window.barriers(centre.axe)
    assert not wrong, "\n".join(wrong)


async def test_an_administrator_adds_locks_and_lets_in_again(centre: CallCentre) -> None:
    """All of it by keyboard, on a phone's width: accounts are where one goes in a hurry."""
    admin = await centre.window(ADMIN, size=NARROW)
    page = admin.page
    centre.first_passwords[SHUT_OUT.login] = await _add_by_keyboard(centre, admin)
    owner = await centre.window(SHUT_OUT, locale="en-GB")
    await owner.go("/console/complaints")
    await page.get_by_role("button", name="Lock", exact=True).focus()
    await page.keyboard.press("Enter")
    await page.locator("main .badge.bad").wait_for()
    await owner.page.reload()
    await owner.page.get_by_text("Your session has ended.").wait_for()
    await owner.refused(SHUT_OUT.login, OWN_PASSWORD, 403)

    await page.get_by_role("button", name="Unlock").focus()
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Lock", exact=True).wait_for()
    await owner.enter(SHUT_OUT.login, OWN_PASSWORD)
    await owner.page.wait_for_url("**/console/complaints")

    # Strangers guess: they hold each other up, and not whom this browser knows.
    await owner.page.get_by_role("button", name="Sign out").click()
    stranger = await centre.room.open()
    await _guess_until_held(centre, stranger)
    await owner.enter(SHUT_OUT.login, OWN_PASSWORD)
    await owner.page.locator("nav .me").wait_for()

    # An administrator sees it, and lets everybody try again.
    held = page.get_by_text("attempts are held up until")
    await page.reload()
    await held.wait_for()
    assert await admin.faults(centre.axe) == []
    await admin.picture(centre.screens / "account-held-390.png")
    await page.get_by_role("button", name="Let them try again").click()
    await held.wait_for(state="detached")
    await stranger.enter(SHUT_OUT.login, OWN_PASSWORD)
    await stranger.page.locator("nav .me").wait_for()


async def _add_by_keyboard(centre: CallCentre, admin: StaffWindow) -> str:
    """The first password that is shown."""
    page = admin.page
    await admin.go("/console/accounts")
    await page.get_by_role("button", name="Add an account").focus()
    await page.keyboard.press("Enter")
    await page.locator("dialog[open]").wait_for()
    await page.keyboard.press("Escape")
    await page.locator("dialog[open]").wait_for(state="detached")
    await page.keyboard.press("Enter")
    await page.locator("dialog[open]").wait_for()
    for typed in (SHUT_OUT.login, SHUT_OUT.name, "Super"):
        await page.keyboard.type(typed)
        await page.keyboard.press("Tab")
    assert await admin.faults(centre.axe) == []
    assert await admin.fits()
    await admin.picture(centre.screens / "account-new-390.png", full=False)
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    first = await page.locator("[data-first-password]").inner_text()
    assert await admin.fits()
    await admin.picture(centre.screens / "account-first-390.png", full=False)
    await page.get_by_role("link", name="Handed over").click()
    await page.wait_for_url("**/console/accounts/stf_*")
    return first


async def _guess_until_held(centre: CallCentre, stranger: StaffWindow) -> None:
    await stranger.context.set_extra_http_headers({"Accept-Language": "en"})
    await stranger.go("/console/sign-in")
    for _ in range(FREE + 1):
        await stranger.refused(SHUT_OUT.login, "a guess", 403)
    await stranger.refused(SHUT_OUT.login, OWN_PASSWORD, 429)
    told = stranger.page.locator("#refused")
    assert await told.inner_text() == "Too many attempts. Try again in 1 minute."
    assert await stranger.page.locator("input[name=login]").input_value() == SHUT_OUT.login
    await stranger.context.set_extra_http_headers({"Accept-Language": "ru"})
    await stranger.refused(SHUT_OUT.login, OWN_PASSWORD, 429)
    assert await told.inner_text() == "Слишком много попыток. Повторите через 1 минуту."
