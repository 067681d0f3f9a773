"""Ways to ask the console's pages directly, as any role, without a browser.

`Desk(house)` is somebody at a desk: `await Desk.of(house, StaffRole.AGENT)` is signed in already.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from typing import Self
from urllib.parse import urlencode

from api.console import session
from api.console.session import COOKIE
from masking import ids
from masking.staff import StaffRole
from storage import staff
from storage.staff import Account
from storage.staff_sessions import Stage
from tests.contract.api.house import House, Reply

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Shown:
    """A page as it was answered."""

    reply: Reply

    @property
    def status(self) -> int:
        return self.reply.status

    @property
    def html(self) -> str:
        return self.reply.body.decode("utf-8")

    @property
    def words(self) -> str:
        """What a reader sees, without tags, with single spaces."""
        return " ".join(" ".join(_words(self.html)).split())

    @property
    def location(self) -> str:
        """Where it sends the browser."""
        return self.reply.headers["Location"]

    def links(self) -> list[str]:
        """Every address in it that a click goes to."""
        return [unescape(one) for one in re.findall(r'<a\b[^>]*?href="([^"]*)"', self.html)]


@dataclass
class Desk:
    """A browser at which somebody works; `account` is None for nobody."""

    house: House
    account: Account | None = None
    token: str = ""
    cookies: dict[str, str] = field(default_factory=dict)

    @classmethod
    async def of(
        cls,
        house: House,
        role: StaffRole,
        *,
        language: str = "en",
        login: str | None = None,
        stage: Stage = Stage.IN,
    ) -> Self:
        """Somebody of this role, signed in by the shortest way: no password is hashed."""
        now = house.clock()
        name = login or f"{role.value}-{house.services.entropy(3).hex()}"
        account = Account(
            id=ids.staff_id(now, house.services.entropy(10)),
            login=name,
            name=name.title(),
            role=role,
            language=language,
            time_zone="Europe/Moscow",
        )
        await house.db.write(lambda conn: staff.add(conn, account, password_hash=None, now=now))
        desk = cls(house, account)
        await desk.sign_in(stage)
        return desk

    async def sign_in(self, stage: Stage = Stage.IN) -> None:
        """Give this desk a session of its account."""
        account = self.account
        assert account is not None
        opened = await self.house.db.write(
            lambda conn: session.open_session(
                conn,
                self.house.services,
                account,
                stage,
                self.house.clock(),
                session.Where("Firefox, Linux", "127.0.0.1"),
            )
        )
        self.token = opened.token
        self.cookies[COOKIE] = opened.token

    @property
    def csrf(self) -> str:
        """What this desk's forms carry."""
        return session.csrf_of(self.token)

    async def get(self, path: str, *, partial: bool = False, **headers: str) -> Shown:
        """Ask for a page; nothing is followed."""
        return await self._ask("GET", path, None, partial, headers)

    async def post(
        self,
        path: str,
        form: Mapping[str, str | list[str]] | None = None,
        *,
        partial: bool = False,
        csrf: str | None = None,
        headers: Mapping[str, str] | None = None,
        **more: str,
    ) -> Shown:
        """Send a form as one of our pages would; `csrf` in place of the right one."""
        fields = {"csrf": self.csrf if csrf is None else csrf, **(form or {})}
        sent = urlencode(fields, doseq=True).encode()
        own = {"Origin": f"http://127.0.0.1:{self.house.port}", "Sec-Fetch-Site": "same-origin"}
        return await self._ask(
            "POST", path, sent, partial, {"Content-Type": FORM, **own, **(headers or {}), **more}
        )

    async def _ask(
        self, method: str, path: str, raw: bytes | None, partial: bool, headers: Mapping[str, str]
    ) -> Shown:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if partial:
            sent["HX-Request"] = "true"
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        reply = await self.house.ask(method, path, role=None, headers=sent, raw=raw, follow=False)
        for given in reply.headers.getall("Set-Cookie", []):  # type: ignore[attr-defined]
            self._keep(given)
        return Shown(reply)

    def _keep(self, given: str) -> None:
        name, _, value = given.partition(";")[0].partition("=")
        if value and value != '""':
            self.cookies[name] = value
        else:
            self.cookies.pop(name, None)
        if name == COOKIE:
            self.token = self.cookies.get(COOKIE, "")


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._mute = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._mute += tag in ("script", "style", "title")

    def handle_endtag(self, tag: str) -> None:
        self._mute -= tag in ("script", "style", "title")

    def handle_data(self, data: str) -> None:
        if not self._mute:
            self.found.append(data)


def _words(html: str) -> Iterator[str]:
    reader = _Reader()
    reader.feed(html)
    yield from reader.found
