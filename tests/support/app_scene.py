# ruff: noqa: ANN401 (what the API answers is JSON)
"""Two people of a marketplace with web apps and mobile phones, around a whole Maskline.

What reached a page is searched after every test for anything of the other side.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from maskline.demo import Answer, Call, CallSpec, Carrier
from maskline.demo.spec import PATIENCE_S
from tests.support.lossy_relay import LossyRelay
from tests.support.maskline import Maskline, Session, eventually, phones, session_body, user_id
from tests.support.network import Network
from tests.support.planted import Haystack, phone_spellings
from tests.support.platform import Platform
from tests.support.quiet import make_quiet
from tests.support.turn_server import TurnServer
from tests.support.web_app import WebApp, WebApps

BUYER_HZ, SELLER_HZ, STRANGER_HZ = 450, 700, 1000


@dataclass
class Person:
    """A participant: a phone, and any number of apps."""

    role: str
    phone: str
    tone_hz: int
    apps: list[WebApp] = field(default_factory=list)

    @property
    def user_id(self) -> str:
        """At the platform."""
        return user_id(self.phone)

    def secrets(self, own: str) -> set[str]:
        """All that the other side must not find; `own` is what their apps said of themselves."""
        found: set[str] = set()
        for app in self.apps:
            for given in app.given:
                found |= {given["username"], given["password"], given["token"]}
        # Of SDP: ICE's names and passwords, keys' fingerprints, streams, ports of candidates.
        for pattern in (
            r"a=ice-ufrag:(\S{4,})",
            r"a=ice-pwd:(\S+)",
            r"a=fingerprint:\S+ (\S+)",
            r"a=msid:(\S+) ?\S*",
            r"cname:(\S+)",
            r"a=candidate:\S+ \d+ udp \d+ (\S+ \d+)",
        ):
            found |= set(re.findall(pattern, own))
        # Of SIP: the instance, the contact's made-up user, and tags.
        found |= set(re.findall(r"urn:uuid:([0-9a-f-]{36})", own))
        found |= set(re.findall(r"Contact: <sips?:([0-9a-z]{6,})@", own))
        found |= set(re.findall(r"([0-9a-z]{8,}\.invalid)", own))
        return found


@dataclass
class Over:
    """A credential of which it is known that it is over."""

    given: Mapping[str, Any]
    asked: int = 0

    async def again(self) -> Mapping[str, Any]:
        """A platform that gives the same one every time."""
        self.asked += 1
        return self.given


@dataclass
class AppScene:
    """One for all tests; `begin`, `check` and `end` enclose a test."""

    maskline: Maskline
    carrier: Carrier
    platform: Platform
    web_apps: WebApps
    turn: TurnServer | None = None  # not where coturn is not installed
    buyer: Person = field(init=False)
    seller: Person = field(init=False)
    over: Over = field(init=False)
    others: list[Person] = field(default_factory=list)
    relays: list[LossyRelay] = field(default_factory=list)
    networks: list[Network] = field(default_factory=list)
    _phones: Iterator[str] = field(default_factory=phones)
    _pools: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _begun: int = 0

    @property
    def url(self) -> str:
        """Of the API."""
        return f"http://{self.maskline.http}"

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request of the platform's."""
        return await self.maskline.ask(method, path, body)

    async def make_ready(self) -> None:
        """A trunk with numbers."""
        await self.maskline.add_trunk("carrier", self.carrier.host, self.carrier.port, max_cps=100)
        await self.maskline.add_numbers("carrier", "+74951110001", "+74951110002")
        given = await self.ask("POST", "/v1/users/u-late/app-credentials", {"ttl_s": 60})
        self.over = Over(given)

    async def pool(self, **rules: Any) -> str:
        """A pool of the test's own, with two numbers."""
        count = next(self._pools)
        name = f"apps-{count}"
        await self.ask("PUT", f"/v1/pools/{name}", rules)
        numbers = [f"+7495222{count:03d}{n}" for n in (1, 2)]
        await self.maskline.add_numbers("carrier", *numbers, pool=name)
        return name

    async def session(self, **more: Any) -> Session:
        """A session of the two."""
        more = {"channel_policy": "app_then_gsm", **more}
        body = session_body(self.buyer.phone, self.seller.phone, **more)
        body["participants"][0]["rating"] = 4.9
        answer = await self.ask("POST", "/v1/sessions", body)
        return Session.of(answer, self.buyer.phone, self.seller.phone)

    async def app(
        self,
        person: Person,
        *,
        relay: LossyRelay | None = None,
        last_event_id: str | None = None,
        turn: str | None = None,
        turn_at: str | None = None,
        network: Network | None = None,
        reconnect_s: float | None = None,
        **more: Any,
    ) -> WebApp:
        """One more device of `person`, with the app open.

        `turn`: media go through the TURN server and no other way, reached by `udp`, `tcp` or `tls`;
        `turn_at`: at this HOST:PORT instead of its own.
        `network`: all of it goes through there. `reconnect_s`: its patience with a lost one.
        """

        async def credentials(_reason: str) -> Mapping[str, Any]:
            path = f"/v1/users/{person.user_id}/app-credentials"
            made: Mapping[str, Any] = await self.ask("POST", path, more)
            if network is not None:
                made = await network.credentials(made)
            return {**made, "ice_servers": list(_reached_by(made["ice_servers"], turn, turn_at))}

        name = f"{person.role}-{len(person.apps) + 1}"
        if network is not None:
            relay = network.relay
        app = await self.web_apps.open(name, person.tone_hz, credentials, relay)
        person.apps.append(app)
        await app.start(
            self.url if network is None else await network.through(self.url),
            last_event_id=last_event_id,
            ice_policy="all" if turn is None else "relay",
            reconnect_s=reconnect_s,
        )
        await app.ready()
        await self.known(person, app)
        return app

    async def known(self, person: Person, app: WebApp) -> None:
        """Until Maskline knows that it is registered, and no other of the apps before it."""
        path = f"/v1/users/{person.user_id}/app-credentials"

        def there(page: Any) -> bool:
            names = {one["username"] for one in page["items"] if one["registered"]}
            before = {given["username"] for given in app.given[:-1]}
            return app.given[-1]["username"] in names and not before & names

        await eventually(lambda: self.ask("GET", path), there)

    async def pair(self) -> tuple[WebApp, WebApp]:
        """An app of the buyer's and one of the seller's."""
        buyer, seller = await asyncio.gather(self.app(self.buyer), self.app(self.seller))
        return buyer, seller

    async def talk(self, caller: WebApp, callee: WebApp, session: Session) -> None:
        """A call that is up, and heard."""
        await caller.call(session.id)
        await callee.rings()
        await callee.answer()
        await asyncio.gather(caller.up(), callee.up())
        await asyncio.gather(caller.hear(callee.tone_hz), callee.hear(caller.tone_hz))

    def network(self) -> Network:
        """One for an app to have of its own."""
        network = Network()
        self.networks.append(network)
        return network

    def poor_network(self, loss: float) -> LossyRelay:
        """One for an app to go through."""
        relay = LossyRelay(loss)
        self.relays.append(relay)
        return relay

    async def pushed(self) -> Any:
        """What the platform's push hook was told for the seller, once it was."""

        async def asked() -> list[Any]:
            return [one for one in self.platform.asked if one["event"] == "app.wake"]

        found = await eventually(
            asked, lambda told: any(one["user_id"] == self.seller.user_id for one in told)
        )
        return found[-1]

    async def stranger(self) -> Person:
        """Somebody else with an app."""
        person = Person("stranger", next(self._phones), STRANGER_HZ)
        self.others.append(person)
        await self.app(person)
        return person

    async def session_with(self, buyer: Person, **more: Any) -> Session:
        """A session of somebody else with the seller."""
        body = session_body(buyer.phone, self.seller.phone, **more)
        answer = await self.ask("POST", "/v1/sessions", body)
        return Session.of(answer, buyer.phone, self.seller.phone)

    async def choose(self, person: Person, **switches: Any) -> None:
        """How `person` wants to be reached."""
        await self.ask("PUT", f"/v1/users/{person.user_id}/reachability", switches)

    async def credential_that_is_over(self) -> Over:
        """One that was given at the beginning, for a minute."""
        until = datetime.fromisoformat(self.over.given["expires_at"])
        await asyncio.sleep(max(0.0, (until - datetime.now(UTC)).total_seconds() + 0.5))
        # As an app with a wrong clock has it: it does not know.
        return Over({**self.over.given, "expires_at": "2199-01-01T00:00:00Z"})

    async def records(self, session: Session, count: int = 1) -> list[Any]:
        """The session's call records, each once."""
        return await self.maskline.recorded(session, count)

    async def dial(self, number: str, person: Person) -> Call:
        """`person` dials on their mobile."""
        spec = CallSpec(number=number, from_=person.phone, tone_hz=person.tone_hz)
        return await self.carrier.dial(spec)

    async def mobile(self, person: Person, timeout_s: float = PATIENCE_S) -> Call:
        """The call that reached `person`'s mobile."""
        leg = await self.carrier.incoming(timeout_s)
        assert leg.dialled == person.phone
        return leg

    def nobody_rung(self) -> None:
        """No mobile rings or rang that was not expected to."""
        assert self.carrier.incoming_waiting == 0

    # -- around a test ---------------------------------------------------------------------------

    def begin(self) -> None:
        """Two new people, whose mobiles answer."""
        self.buyer = Person("buyer", next(self._phones), BUYER_HZ)
        self.seller = Person("seller", next(self._phones), SELLER_HZ)
        for one in (self.buyer, self.seller):
            answer = Answer(ring_ms=100, tone_hz=one.tone_hz)
            self.carrier.on_invite(answer, number=one.phone)
        self.others = []
        self._begun = len(self.carrier.calls)

    async def check(self) -> None:
        """Nothing of one side is in anything that the other side's apps and phones received."""
        people = (self.buyer, self.seller, *self.others)
        for one, other in itertools.permutations(people, 2):
            own = "\n".join([await app.own() for app in other.apps])
            secrets = other.secrets(own)
            assert len(secrets) >= 5 * len(other.apps), "there is something to search for"
            for app in one.apps:
                assert app.errors == [], app.name
                received = await app.received()
                assert app.given[-1]["username"] in received, "the search reaches what came in"
                hay = Haystack(received.encode())
                assert list(phone_spellings(other.phone, hay)) == [], app.name
                assert {secret for secret in secrets if secret in received} == set(), app.name
            for call in self.carrier.calls[self._begun :]:
                if _owner(call) != one.phone:
                    continue
                hay = Haystack(call.received_bytes)
                assert list(phone_spellings(other.phone, hay)) == []
                found = {one for one in secrets if one.encode() in call.received_bytes}
                assert found == set()
        # Pushes and webhooks are passed on to apps.
        hay = Haystack(self.platform.bytes)
        for one in people:
            assert list(phone_spellings(one.phone, hay)) == []

    async def end(self, *, failed: str | None) -> None:
        """Everything is closed and hung up, whatever the test left."""
        try:
            await self.web_apps.close_all(failed=failed)
            relays, self.relays = self.relays, []
            for relay in relays:
                await relay.__aexit__()
            networks, self.networks = self.networks, []
            for network in networks:
                await network.__aexit__()
        finally:
            await make_quiet(self.maskline, self.carrier)

    async def missed(self, person: Person, count: int = 1) -> list[Any]:
        """Entries of `person`'s call log that are missed, as soon as there are `count`."""
        found = await eventually(
            lambda: self.maskline.call_log(person.user_id),
            lambda log: len([one for one in log if one["outcome"] == "missed"]) >= count,
        )
        return [one for one in found if one["outcome"] == "missed"]


def _reached_by(servers: list[Any], way: str | None, at: str | None) -> Iterator[Any]:
    """The TURN servers that are reached by `way`; without it none, for nothing is waited for."""
    start, end = ("turns:", "tcp") if way == "tls" else ("turn:", way)
    for server in servers:
        urls = [url for url in server["urls"] if url.startswith(start) and url.endswith(f"={end}")]
        if at is not None:
            urls = [f"{start}{at}?transport={end}" for _ in urls]
        if urls:
            yield {**server, "urls": urls}


def _owner(call: Call) -> str:
    """The phone of whoever has this end of a call."""
    return call.invite.user("from") if call.is_caller else call.invite.user()
