"""Puts the console together: carries a request to its page, and every error to one that is shown.

The order is fixed: session, right, origin, form, token; only then does a page's handler see it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from re import Pattern
from re import compile as pattern
from typing import Final
from urllib.parse import parse_qsl, quote, urlsplit

from aiohttp import hdrs, web

from api import static
from api.console import assets, oidc, oidc_out, session
from api.console.errors import ConsoleProblem
from api.console.page import PRESENTER, REQUEST_ID, WAY, Guest, Page, Presenter, Visit, Way
from api.console.render import HEADERS, problem, see, texts_of
from api.console.session import GUEST_COOKIE, Caller, SignedIn
from api.console.sign_in import DOORS, Door
from api.console.table import PAGES
from api.errors import ApiError, BodyTooLarge
from api.judging import judge
from api.language import accepted
from api.routing import Running
from api.services import Services
from storage import audit, staff
from storage.audit import Entry
from storage.staff import Account

SIGN_IN: Final = "/console/sign-in"
_MOST_FIELDS: Final = 2000
Serve = Callable[[web.Request], Awaitable[web.StreamResponse]]
Fields = Mapping[str, list[str]]


def add(app: web.Application, services: Services, running: Running) -> None:
    """Serve the console."""
    kit = _Kit(services, running)
    if services.settings.oidc is not None:
        running.console.provider = oidc.Provider(services.settings.oidc)
        running.console.provider_name = services.settings.oidc.name
    for page in PAGES:
        _route(app, page.method, page.path, kit.page(page))
    for door in (*DOORS, *oidc.DOORS, *oidc_out.DOORS):
        _route(app, door.method, door.path, kit.door(door))
    app.router.add_get(assets.ROOT + "{version}/{name:.+}", kit.asset)
    app.router.add_get("/console", _to_home)
    app.router.add_route("*", "/console/{rest:.*}", kit.nothing())


def _route(app: web.Application, method: str, path: str, serve: Serve) -> None:
    app.router.add_route(method, path, serve)
    if method == "GET":
        app.router.add_route("HEAD", path, serve)


async def _to_home(_: web.Request) -> web.StreamResponse:
    return see("/console/")


@dataclass(frozen=True, slots=True)
class _Kit:
    services: Services
    running: Running

    def page(self, page: Page) -> Serve:
        """`page` as aiohttp serves it."""
        way = Way(page.method, page.path)
        parameters = {name: pattern(allowed) for name, allowed in page.parameters.items()}

        async def serve(request: web.Request) -> web.StreamResponse:
            request[WAY] = way
            by = session.caller(request, self.services.settings)
            found = await session.who(request, self.services, by)
            if found is None or found.session.stage.value not in page.stages:
                return self._to_sign_in(request, found, by)
            visit = self._visit(request, found, by, {})
            request[PRESENTER] = Presenter(partial(problem, visit))
            try:
                return await self._enter(request, page, visit, parameters, by)
            except Exception as error:  # noqa: BLE001 (every error becomes a page)
                return self._problem(request, visit, error)

        return serve

    async def _enter(
        self,
        request: web.Request,
        page: Page,
        visit: Visit,
        parameters: Mapping[str, Pattern[str]],
        by: Caller,
    ) -> web.StreamResponse:
        path = dict(request.match_info)
        for name, allowed in parameters.items():
            if not allowed.fullmatch(path[name]):
                raise ConsoleProblem(404, "problem.nothing_here")
        if page.right is not None and not visit.may(page.right):
            await self._remember(page, visit, path)
            raise ConsoleProblem(403, "problem.not_allowed")
        form: Fields = {}
        if page.method == "POST":
            session.require_own(request, by)
            form = await read_form(request, self.services.settings.max_body_bytes)
            session.require_token(request, form, visit.csrf)
        return await page.handler(replace(visit, path=path, form=form))

    def door(self, door: Door) -> Serve:
        """A page of the way in, which needs no session."""
        way = Way(door.method, door.path)

        async def serve(request: web.Request) -> web.StreamResponse:
            request[WAY] = way
            by = session.caller(request, self.services.settings)
            token = session.cookie(request, GUEST_COOKIE, secure=by.secure)
            fresh = token or session.new_token(self.services.entropy)
            guest = self._guest(request, by, fresh, {})
            request[PRESENTER] = Presenter(partial(problem, guest))
            try:
                if door.method == "POST":
                    session.require_own(request, by)
                    form = await read_form(request, self.services.settings.max_body_bytes)
                    session.require_token(request, form, session.csrf_of(token))
                    guest = self._guest(request, by, fresh, form)
                response = await door.handler(guest, request)
            except Exception as error:  # noqa: BLE001 (every error becomes a page)
                response = self._problem(request, guest, error)
            if not token:
                session.set_cookie(response, GUEST_COOKIE, fresh, secure=by.secure, max_age_s=None)
            return response

        return serve

    def nothing(self) -> Serve:
        """What is at no path of ours."""
        way = Way("*", "/console/…")

        async def serve(request: web.Request) -> web.StreamResponse:
            request[WAY] = way
            by = session.caller(request, self.services.settings)
            found = await session.who(request, self.services, by)
            if found is None:
                return self._to_sign_in(request, None, by)
            visit = self._visit(request, found, by, {})
            return self._problem(request, visit, ConsoleProblem(404, "problem.nothing_here"))

        return serve

    async def asset(self, request: web.Request) -> web.StreamResponse:
        """A file of the build; an old version's address gives today's, which is not kept."""
        console = self.running.console.assets
        request[WAY] = Way("GET", assets.ROOT + "…")
        file = console.files.get(request.match_info["name"])
        if file is None:
            return web.Response(status=404)
        current = request.match_info["version"] == console.version
        headers: dict[str, str] = {
            hdrs.CACHE_CONTROL: static.FOREVER if current else static.ASK_AGAIN,
            hdrs.ETAG: f'"{file.sha256}"',
            hdrs.VARY: "Accept-Encoding",
        }
        if f'"{file.sha256}"' in request.headers.get(hdrs.IF_NONE_MATCH, ""):
            return web.Response(status=304, headers=headers)
        return static.sent(request, file, headers)

    def _to_sign_in(
        self, request: web.Request, found: SignedIn | None, by: Caller
    ) -> web.StreamResponse:
        """Send a browser without a session to where it gets one, and from there back."""
        unattended = session.unattended(request)
        if found is not None and found.session.stage.value != "in" and not unattended:
            return see(f"{SIGN_IN}/{found.session.stage.value}")
        if request.headers.get("HX-Request") == "true":
            way = _way_in(request.headers.get("HX-Current-URL", ""))
            return web.Response(status=401, headers={"HX-Redirect": way, **HEADERS})
        if unattended:
            return web.Response(status=401, headers=HEADERS)
        if request.method not in ("GET", "HEAD"):
            return see(_way_in(request.headers.get("Referer", "")))
        return see(_way_in(request.raw_path))

    def _visit(self, request: web.Request, found: SignedIn, by: Caller, form: Fields) -> Visit:
        return Visit(
            services=self.services,
            running=self.running,
            now=_whole_ms(self.services.clock()),
            account=found.account,
            session=found.session,
            texts=texts_of()[_language(request, found.account)],
            csrf=session.csrf_of(found.token),
            address=request.rel_url.raw_path,
            path={},
            query=_gathered(request.query.items()),
            form=form,
            partial=request.headers.get("HX-Request") == "true",
            secure=by.secure,
            peer=by.peer,
            last_event_id=request.headers.get("Last-Event-ID"),
            range=request.headers.get("Range"),
            if_range=request.headers.get("If-Range"),
        )

    def _guest(self, request: web.Request, by: Caller, token: str, form: Fields) -> Guest:
        language = accepted(request.headers.get("Accept-Language")).value
        return Guest(
            services=self.services,
            running=self.running,
            now=_whole_ms(self.services.clock()),
            language=language,
            texts=texts_of()[language],
            csrf=session.csrf_of(token),
            address=request.rel_url.raw_path,
            query=_gathered(request.query.items()),
            form=form,
            partial=request.headers.get("HX-Request") == "true",
            secure=by.secure,
            peer=by.peer,
            origin=by.origin,
        )

    def _problem(
        self, request: web.Request, visit: Visit | Guest, error: Exception
    ) -> web.StreamResponse:
        request_id = request.get(REQUEST_ID, "")
        known: ConsoleProblem | ApiError
        if isinstance(error, ConsoleProblem):
            known = error
            self.running.metrics.refusals.add(error.error_id)
        else:
            known = judge(error, request_id, self.running.metrics)
        return problem(visit, known, request_id)

    async def _remember(self, page: Page, visit: Visit, path: Mapping[str, str]) -> None:
        """Keep in the audit log that the role may not do this, where that is worth keeping."""
        if page.refusal is None:
            return
        entry = Entry(
            at=visit.now,
            actor=visit.actor(),
            action=page.refusal,
            object_kind=page.refusal.value.partition(".")[0],
            object_id=path.get("id") if "id" in page.parameters else None,
            refused=True,
            facts={"role": visit.account.role.value},
        )
        await self.services.db.write(lambda conn: audit.append(conn, entry))


async def read_form(request: web.Request, at_most: int) -> Fields:
    """The fields of a form (urlencoded). Raises ConsoleProblem, BodyTooLarge."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise ConsoleProblem(415, "problem.no_form")
    if (request.content_length or 0) > at_most:
        raise BodyTooLarge
    sent = bytearray()
    while chunk := await request.content.readany():
        sent += chunk
        if len(sent) > at_most:
            raise BodyTooLarge
    try:
        pairs = parse_qsl(
            sent.decode("utf-8"),
            keep_blank_values=True,
            max_num_fields=_MOST_FIELDS,
            errors="strict",
        )
    except ValueError:
        raise ConsoleProblem(400, "problem.no_form") from None
    return _gathered(pairs)


def _way_in(wanted: str) -> str:
    """The address of the way in that leads on to `wanted`, a page of ours."""
    try:
        asked = urlsplit(wanted)
    except ValueError:
        return SIGN_IN
    to = asked.path + (f"?{asked.query}" if asked.query else "")
    if asked.path.startswith(SIGN_IN):  # halfway in, and it took too long
        to = dict(parse_qsl(asked.query)).get("to", "")
    to = session.own_path(to)
    return SIGN_IN if to == session.FRONT else f"{SIGN_IN}?to={quote(to, safe='')}"


def _gathered(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _language(request: web.Request, account: Account) -> str:
    """That they chose; until they do, the one that their browser asks for."""
    if account.language != staff.AS_BROWSER:
        return account.language
    return accepted(request.headers.get("Accept-Language")).value


def _whole_ms(at: datetime) -> datetime:
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
