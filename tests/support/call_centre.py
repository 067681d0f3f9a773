"""The people of a call centre: who they are, how they sign in, and what they were shown in all."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from playwright.async_api import StorageState

from masking.staff import StaffRole
from tests.support.console_scene import PLANT, ConsoleScene
from tests.support.console_window import Staffroom, StaffWindow
from tests.support.leaks import WATCH
from tests.support.maskline import Session


@dataclass(frozen=True)
class Colleague:
    """Somebody with an account."""

    login: str
    name: str
    role: StaffRole
    language: str = "en"


AGENT: Final = Colleague("agent", "Alla", StaffRole.AGENT)
SUPERVISOR: Final = Colleague("supervisor", "Sonya", StaffRole.SUPERVISOR)
OPERATOR: Final = Colleague("operator", f"Oleg {PLANT}", StaffRole.OPERATOR)
ADMIN: Final = Colleague("admin", "Arkady", StaffRole.ADMIN)
AGENT_RU: Final = Colleague("agent-ru", "Алла", StaffRole.AGENT, "ru")
ADMIN_RU: Final = Colleague("admin-ru", "Аркадий", StaffRole.ADMIN, "ru")
OWN_PASSWORD: Final = "a quiet Sunday in Novgorod"
STAFF: Final = (AGENT, SUPERVISOR, OPERATOR, ADMIN, AGENT_RU, ADMIN_RU)
BY_ROLE: Final = {one.role: one for one in (AGENT, SUPERVISOR, OPERATOR, ADMIN)}


@dataclass
class CallCentre:
    """One Maskline with its records, its staff and their browser."""

    scene: ConsoleScene
    room: Staffroom
    screens: Path
    axe: str = field(repr=False)  # axe-core's script
    first_passwords: dict[str, str] = field(default_factory=dict)
    _own: set[str] = field(default_factory=set)  # logins with a password of their own
    _states: dict[str, StorageState] = field(default_factory=dict)

    async def hire(self, who: Colleague) -> None:
        """Make the account, as an operator does."""
        code, out, err = await self.scene.stage.maskline.run(
            *("staff", "add", who.login, "--name", who.name),
            *("--role", who.role.value, "--language", who.language),
        )
        assert code == 0, err
        self.first_passwords[who.login] = out.strip()

    async def enter(self, window: StaffWindow, who: Colleague) -> None:
        """By the page of the way in that `window` shows; their own password follows the first."""
        if who.login in self._own:
            await window.enter(who.login, OWN_PASSWORD)
            return
        await window.enter(who.login, self.first_passwords[who.login])
        await window.page.locator("input[name=again]").wait_for()
        await window.own_password(OWN_PASSWORD)
        self._own.add(who.login)

    async def window(self, who: Colleague, **more: Any) -> StaffWindow:  # noqa: ANN401 (Playwright's)
        """A window in which they are signed in already: the first time by the page."""
        if who.login not in self._states:
            first = await self.room.open()
            await first.go("/console")
            await self.enter(first, who)
            await first.page.wait_for_url(lambda url: "sign-in" not in url)
            self._states[who.login] = await first.context.storage_state()
            await first.leave()
        return await self.room.open(storage_state=self._states[who.login], **more)

    async def talked(self) -> Session:
        """Two new people who have just spoken."""
        stage = self.scene.stage
        session, _ = await stage.session(self.scene.open)
        talk = await stage.reach(session.buyer_dials, session.buyer, session.seller)
        await talk.end()
        await stage.maskline.recorded(session, 1)
        return session

    async def deeds(self, action: str, object_id: str) -> list[str]:
        """What staff did to something, as the audit log says; the newest first."""
        found = await self.scene.stage.maskline.ask("GET", "/v1/audit", action=action)
        theirs = [one["facts"] for one in found["items"] if one["object_id"] == object_id]
        return [facts["what"] for facts in theirs if "what" in facts]  # else it was refused

    def search(self) -> None:
        """Every byte that was served so far is for the search of phones at the end."""
        for window in self.room.windows:
            for url, what in window.served:
                # What somebody with the right revealed, with a reason, is the one thing shown.
                if "/reveal/" not in url:
                    WATCH.hear("pages of the console", what)
            WATCH.hear("streams of the console", "\n".join(window.streamed))
            WATCH.hear("addresses of the console", "\n".join(window.asked))
            WATCH.hear("a browser's console", "\n".join(window.said))
