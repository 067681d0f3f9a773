# ruff: noqa: ANN401 (what the API answers is JSON)
"""People with native apps beside a scene's mobile phones, and what must not get to another's.

Every app has an address, a device name and an ICE-less SDP of its own: the search afterwards finds
whatever of one side reached the other.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.app_phone import AppPhone
from tests.support.maskline import eventually, user_id
from tests.support.planted import Haystack, phone_spellings
from tests.support.scene import Scene
from tests.support.wiretap import token

_hosts = itertools.count(0)


@dataclass
class Owned:
    """An app and whose it is."""

    phone: str  # of the user
    app: AppPhone
    device: str


@dataclass
class NativeApps:
    """The apps of one test."""

    scene: Scene
    stack: AsyncExitStack
    owned: list[Owned] = field(default_factory=list)

    async def credentials(self, phone: str, **more: Any) -> Any:
        """What the platform gets for a device of the person with this phone."""
        path = f"/v1/users/{user_id(phone)}/app-credentials"
        return await self.scene.maskline.ask("POST", path, {"transport": "sip", **more})

    async def open(self, phone: str, *, register: bool = True, **more: Any) -> AppPhone:
        """An app of theirs, and registered; `more` as `AppPhone.open`."""
        return await self._open(phone, await self.credentials(phone), register=register, **more)

    async def _open(self, phone: str, given: Any, *, register: bool, **more: Any) -> AppPhone:
        device = token("Pixel")
        address = self.scene.maskline.sip_address
        opened = AppPhone.open(
            given,
            (address[0], address[1]),
            host=f"127.0.6.{1 + next(_hosts) % 250}",
            user_agent=device,
            **more,
        )
        app = await self.stack.enter_async_context(opened)
        self.owned.append(Owned(phone, app, device))
        if register:
            await self.register(app)
        return app

    async def again(self, app: AppPhone, **more: Any) -> AppPhone:
        """The same device of theirs at another address, after `app` has gone; registered."""
        mine = next(one for one in self.owned if one.app is app)
        return await self._open(mine.phone, app.credentials, register=True, **more)

    async def register(self, app: AppPhone) -> None:
        """Register it, and wait until it is known to be there."""
        assert await app.register() == 200
        phone = next(one.phone for one in self.owned if one.app is app)
        path = f"/v1/users/{user_id(phone)}/app-credentials"
        username = app.credentials.username

        def there(page: Any) -> bool:
            return username in [one["username"] for one in page["items"] if one["registered"]]

        await eventually(lambda: self.scene.maskline.ask("GET", path), there)

    def given_away(self) -> list[str]:
        """What of one person the app of another one was told."""
        return sorted(set(self._given_away()))

    def _given_away(self) -> Iterator[str]:
        for mine in self.owned:
            hay = Haystack(mine.app.everything())
            for phone in self.scene.people - {mine.phone}:
                yield from (f"a phone: {how}" for how in phone_spellings(phone, hay))
                if user_id(phone) in hay.texts[0]:
                    yield "a user id"
            others = [one for one in self.owned if one.phone != mine.phone]
            words = {one.device.lower(): "a device" for one in others}
            words |= {one.app.credentials.username: "a user name" for one in others}
            yield from (what for word, what in words.items() for text in hay.texts if word in text)
            for host in (self.scene.carrier.host, *(one.app.host for one in others)):
                if any(re.search(rf"(?<![\d.]){re.escape(host)}(?![\d.])", t) for t in hay.texts):
                    yield f"an address: {host}"


@asynccontextmanager
async def native_apps(scene: Scene) -> AsyncIterator[NativeApps]:
    """Apps for one test; afterwards nobody was given away to an app."""
    async with AsyncExitStack() as stack:
        apps = NativeApps(scene, stack)
        yield apps
        assert apps.given_away() == []
        for one in apps.owned:
            one.app.end()  # all of them at once
