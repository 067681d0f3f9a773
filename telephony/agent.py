"""What the node's keeper asks of Asterisk: are you there, take the trunks, hang up.

Has a login of its own. Carries no call and hears no event but FullyBooted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from masking.trunks import Trunk
from telephony.ami import (
    Action,
    ActionRefused,
    AmiError,
    Client,
    ConnectionLost,
    Limits,
    Login,
    connect,
)
from telephony.app_config import AOR_CACHE, AUTH_CACHE, CACHES, STRANGER
from telephony.app_rows import is_app
from telephony.errors import TrunksNotTaken
from telephony.layout import Identity
from telephony.render import AGENT_USER
from telephony.trunks import unasked

__all__ = ["Agent", "open_agent"]

_CAUSE_OUT_OF_ORDER = 38
_POLL_S = 0.05
# A channel is gone when its CANCEL is sent. A 487 that nobody acknowledges is sent again by the
# carrier for 32 s, and its switch counts the call for as long (RFC 3261, 17.2.1).
_PARTING_S = 1.0
_CONTACTS = "registrar/contact"  # where Asterisk's own database keeps them
_AT_ONCE = 500
_MOST_CONTACTS = 1_000_000


async def open_agent(identity: Identity, *, deadline_s: float, limits: Limits) -> Agent:
    """Log in and wait until Asterisk has booted; tries again until `deadline_s`.

    Raises the last AmiError, AuthenticationRefused at once.
    """
    login = Login(
        host="127.0.0.1",
        port=identity.ami.port,
        username=AGENT_USER,
        secret=identity.ami.agent_secret,
        systemname=identity.name,
    )
    loop = asyncio.get_running_loop()
    until_s = loop.time() + deadline_s
    while True:
        try:
            client = await connect(login, limits=limits)
            try:
                await client.wait_fully_booted(deadline_s=max(until_s - loop.time(), _POLL_S))
            except BaseException:
                await client.aclose()
                raise
            return Agent(client)
        except AmiError as error:
            if getattr(error, "error_id", "") == "ami_authentication_refused":
                raise
            if loop.time() >= until_s:
                raise
        await asyncio.sleep(_POLL_S)


class Agent:
    """A login of the keeper, for as long as it asks: each that stays costs every call CPU."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def aclose(self) -> None:
        """Log out."""
        await self._client.aclose()

    async def take_trunks(
        self, now: Mapping[str, Trunk], before: Mapping[str, Trunk], *, deadline_s: float
    ) -> None:
        """Have Asterisk read its trunks anew, and wait until it knows those of `now` and no others.

        What it keeps of those and of `before` in its cache is dropped once it has read them. A
        carrier that is elsewhere now is asked at once whether it is there, and not when its turn
        comes. Calls that are up keep what they have. Raises TrunksNotTaken.
        """
        moved = [
            name
            for name, trunk in now.items()
            if trunk.options_interval_s and before.get(name, trunk) != trunk
        ]
        try:
            async with asyncio.timeout(deadline_s):
                await self._client.action(
                    "Reload", {"Module": "res_pjsip.so"}, deadline_s=deadline_s
                )
                while await self._endpoints() != now.keys():
                    await asyncio.sleep(_POLL_S)
                await self._forget(sorted(now.keys() | before.keys()), deadline_s)
                await self._tell(
                    [Action("PJSIPQualify", (("Endpoint", name),)) for name in moved], deadline_s
                )
        except TimeoutError as error:
            raise TrunksNotTaken(f"Asterisk did not take them within {deadline_s:g} s") from error
        except AmiError as error:
            raise TrunksNotTaken(str(error)) from error

    async def _endpoints(self) -> frozenset[str]:
        try:
            entries = await self._client.list_action("PJSIPShowEndpoints", deadline_s=10)
        except ConnectionLost:
            raise
        except AmiError:
            # Asterisk refuses the list where there is no endpoint at all.
            return frozenset()
        names = (entry.get("ObjectName") for entry in entries if entry.name == "EndpointList")
        return frozenset(name for name in names if name and name != STRANGER)

    async def take_lookups(self, *, deadline_s: float) -> None:
        """Have Asterisk read anew whom it asks for apps. Raises AmiError."""
        await self._client.action("Reload", {"Module": "extconfig"}, deadline_s=deadline_s)

    async def take_hep(self, *, deadline_s: float) -> None:
        """Have Asterisk read anew where it says what it sends and receives. Raises AmiError."""
        await self._client.action("Reload", {"Module": "res_hep.so"}, deadline_s=deadline_s)

    async def read_certificate(self, *, deadline_s: float) -> None:
        """Have Asterisk's web server read its certificate anew. Raises AmiError."""
        await self._client.action("Reload", {"Module": "http"}, deadline_s=deadline_s)

    async def app_contacts(self, *, deadline_s: float) -> tuple[str, ...]:
        """The ids of all contacts of apps. Raises AmiError."""
        try:
            entries = await self._client.list_action(
                "PJSIPShowContacts", deadline_s=deadline_s, max_items=_MOST_CONTACTS
            )
        except ActionRefused:
            return ()  # so it says where there is none
        names = (entry.get("ObjectName") or "" for entry in entries if entry.name == "ContactList")
        return tuple(name for name in names if is_app(name.partition(";@")[0]))

    async def forget_all_apps(self, *, deadline_s: float) -> None:
        """Have Asterisk ask for every app anew. Raises AmiError."""
        actions = [Action("SorceryMemoryCacheExpire", (("Cache", cache),)) for cache in CACHES]
        await self._client.actions(actions, deadline_s=deadline_s)

    async def forget_apps(
        self, usernames: Sequence[str], contacts: Sequence[str], *, deadline_s: float
    ) -> None:
        """Have Asterisk ask for these anew, and drop these contacts. Raises AmiError.

        What it does not know it refuses to forget, and that is as good.
        """
        await self._forget(usernames, deadline_s)
        await self._tell(
            [Action("DBDel", (("Family", _CONTACTS), ("Key", contact))) for contact in contacts],
            deadline_s,
        )

    async def _forget(self, names: Sequence[str], deadline_s: float) -> None:
        """Drop what is cached under these names; what else a trunk has is named after it."""
        wanted = [(cache, name) for name in names for cache in CACHES]
        for trunk in (name for name in names if not is_app(name)):
            wanted += [(AUTH_CACHE, f"{trunk}-auth"), (AOR_CACHE, unasked(trunk))]
        actions = [
            Action("SorceryMemoryCacheExpireObject", (("Cache", cache), ("Object", name)))
            for cache, name in wanted
        ]
        await self._tell(actions, deadline_s)

    async def _tell(self, actions: Sequence[Action], deadline_s: float) -> None:
        for begin in range(0, len(actions), _AT_ONCE):
            await self._client.actions(actions[begin : begin + _AT_ONCE], deadline_s=deadline_s)

    async def hang_up_all(self, *, deadline_s: float) -> bool:
        """End every call and wait until no channel is left; whether that came to pass.

        Each call's last rows are written before its channel goes. What the carriers answer comes
        after that.
        """
        any_up = False
        try:
            async with asyncio.timeout(deadline_s):
                while callers := await self._channels():
                    any_up = True
                    self._client.post([a for name, ours in callers for a in _end(name, ours)])
                    await asyncio.sleep(_POLL_S)
        except (TimeoutError, AmiError):
            return False
        if any_up:
            await asyncio.sleep(_PARTING_S)
        return True

    async def _channels(self) -> list[tuple[str, bool]]:
        found = await self._client.list_action("CoreShowChannels", deadline_s=10)
        return [
            (name, event.get("Uniqueid") == event.get("Linkedid"))
            for event in found
            if event.name == "CoreShowChannel" and (name := event.get("Channel"))
        ]


def _end(channel: str, is_caller: bool) -> list[Action]:  # noqa: FBT001 - private, one use
    """A callee's channel goes with its caller's."""
    if not is_caller:
        return []
    return [
        Action("Setvar", (("Channel", channel), ("Variable", "M_BY"), ("Value", "system"))),
        Action("Hangup", (("Channel", channel), ("Cause", str(_CAUSE_OUT_OF_ORDER)))),
    ]
