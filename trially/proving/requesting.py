"""Ask the API for what is a tenant's, as a member of another tenant.

What is asked for is there already: an id of the tenant's own, of which nothing but the id is read.
No request could change it if it were reached: it names a version that no row has.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextvars import Context
from dataclasses import dataclass
from uuid import UUID

from flask import Flask, current_app, request
from sqlalchemy import select
from werkzeug.routing import Rule

from trially.auth.identity import TENANT_HEADER
from trially.auth.members.identities import Identity
from trially.auth.members.model import Member
from trially.auth.permissions import PhiLevel, Role
from trially.database.rows import table_of
from trially.database.session import db
from trially.http.contract import call_view
from trially.http.masking import show_identifiers
from trially.proving.attempts import Attempt, Party, Target
from trially.resources.resource import RESOURCES
from trially.state import app_state, request_state
from trially.tenancy.catalog import TenantStatus
from trially.tenancy.context import current_tenant, enter_tenant, tenant_context

API = re.compile(r"/api/")
METHODS = ("GET", "PATCH", "DELETE")
NO_VERSION = '"999999999999999999"'
ERRORS_START = 400
NOT_THERE = 404
SEEN = frozenset({409, 412, 428})
"""Statuses that are answered of what is there, and only then."""

REFUSED = frozenset({401, 403})
OTHER_TENANT = "API: another tenant's header"
_REMEDY = "Hold the statements of {} to the current tenant, as of_current_tenant() does."

WITH_TOKEN = "with a token of the built-in issuer"  # noqa: S105
BELOW_TOKEN = "below the check of the token, with an owner's identity"  # noqa: S105
_BODIES = {"PATCH": b"{}"}


@dataclass(frozen=True)
class Answer:
    """What the API answered."""

    status: int
    body: bytes


Send = Callable[[str, str, Mapping[str, str]], Answer]


@dataclass(frozen=True)
class Caller:
    """How requests are sent as a member of a tenant."""

    way: str
    send: Send


def request_as_tenant(target: Target, attacker: Party) -> Iterator[Attempt]:
    """Ask for one thing of each kind, in every way that the API has, and in lists."""
    if target.tenant.status != TenantStatus.ACTIVE:
        yield target.not_applicable("API", attacker, "the tenant is suspended")
        return
    caller, ids = caller_of(attacker), _ids_of(target)
    for rule in routes_of_lists():
        yield _list(target, attacker, caller, rule, ids)
    for rule in routes_by_id():
        for method in sorted(set(METHODS) & (rule.methods or set())):
            yield _request(target, attacker, caller, rule, method, ids)
    if caller.way == WITH_TOKEN:
        answer = caller.send("GET", "/api/v1/me", {TENANT_HEADER: target.slug})
        if answer.status in REFUSED:
            yield target.held(OTHER_TENANT, attacker, f"{answer.status}: the token decides")
        else:
            yield _judge(target, attacker, caller, OTHER_TENANT, "the request cycle", answer)


def routes_of_lists() -> list[Rule]:
    """Return the routes that name nothing, and answer with what the tenant has."""
    return [
        rule
        for rule in current_app.url_map.iter_rules()
        if API.match(rule.rule) and not rule.arguments and "GET" in (rule.methods or set())
    ]


def routes_by_id() -> list[Rule]:
    """Return the routes that name one thing of a tenant."""
    return [
        rule
        for rule in current_app.url_map.iter_rules()
        if API.match(rule.rule) and len(rule.arguments) == 1
    ]


def caller_of(attacker: Party) -> Caller:
    """Send requests with a token if there is an issuer to sign one, else below its check."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    issuer = app_state().dev_issuer
    subject = _member_of(attacker, issuer.url) if issuer else None
    if issuer is None or subject is None:
        return Caller(BELOW_TOKEN, _below_token(app, attacker))
    token = issuer.issue_token(
        subject=subject, tenant=str(attacker.tenant.id), lifetime_seconds=300
    )
    return Caller(WITH_TOKEN, _with_token(app, token))


def _with_token(app: Flask, token: str) -> Send:
    def answer(method: str, path: str, headers: Mapping[str, str]) -> Answer:
        authorised = {**headers, "Authorization": f"Bearer {token}"}
        answered = app.test_client().open(
            path, method=method, headers=authorised, data=_BODIES.get(method)
        )
        return Answer(answered.status_code, answered.get_data())

    return _in_own_context(answer)


def _below_token(app: Flask, attacker: Party) -> Send:
    with tenant_context(str(attacker.tenant.id)):
        entry = current_tenant()
    owner = Identity(
        member_id=UUID(int=0),
        tenant_id=entry.tenant_id,
        issuer="",
        subject="",
        display_name=None,
        role=Role.OWNER,
        phi_level=PhiLevel.FULL,
        site_ids=None,
    )

    def answer(method: str, path: str, headers: Mapping[str, str]) -> Answer:
        with app.test_request_context(
            path, method=method, headers=dict(headers), data=_BODIES.get(method)
        ):
            enter_tenant(entry)
            request_state().identity = owner
            show_identifiers(is_shown=True)
            try:
                view = app.view_functions[request.endpoint or ""]
                answered = call_view(view, request.view_args or {})
            except Exception as error:  # noqa: BLE001
                answered = app.make_response(app.handle_user_exception(error))
            finally:
                db.session.rollback()
            return Answer(answered.status_code, answered.get_data())

    return _in_own_context(answer)


def _in_own_context(answer: Send) -> Send:
    """Have requests answered in contexts of their own: else they shared the command's."""
    return lambda *asked: Context().run(answer, *asked)


def _member_of(attacker: Party, issuer: str) -> str | None:
    """Return the subject of a member who may change things, if there is one of this issuer."""
    with tenant_context(str(attacker.tenant.id)):
        return db.session.scalar(
            select(Member.subject)
            .where(
                Member.tenant_id == attacker.tenant.id,
                Member.issuer == issuer,
                Member.role.in_((Role.OWNER, Role.ADMIN)),
                Member.phi_level == PhiLevel.FULL,
                Member.has_all_sites,
            )
            .order_by(Member.created_at)
            .limit(1)
        )


def _ids_of(target: Target) -> dict[str, str]:
    """Return an id of each kind that the tenant has some of."""
    with tenant_context(str(target.tenant.id)):
        found = {
            resource.id_argument: db.session.scalar(
                select(table_of(resource.model).c.id)
                .where(table_of(resource.model).c.tenant_id == target.tenant.id)
                .limit(1)
            )
            for resource in RESOURCES
        }
    return {argument: str(row_id) for argument, row_id in found.items() if row_id is not None}


def _list(
    target: Target, attacker: Party, caller: Caller, rule: Rule, ids: Mapping[str, str]
) -> Attempt:
    path = f"API: GET {rule.rule}"
    answer = caller.send("GET", rule.rule, {})
    if answer.status >= ERRORS_START:
        return target.unproved(path, attacker, f"answered {answer.status}")
    if any(each.encode() in answer.body for each in (*ids.values(), str(target.tenant.id))):
        return target.reached(path, attacker, "it was listed", _REMEDY.format(rule.endpoint))
    return target.held(path, attacker, f"its own only, {caller.way}")


def _request(
    target: Target, attacker: Party, caller: Caller, rule: Rule, method: str, ids: Mapping[str, str]
) -> Attempt:
    path = f"API: {method} {rule.rule}"
    [argument] = rule.arguments
    if argument not in ids:
        arguments = {resource.id_argument for resource in RESOURCES}
        reason = "the tenant has none" if argument in arguments else f"{argument} is not known"
        return target.not_applicable(path, attacker, reason)
    url = current_app.url_map.bind("").build(rule.endpoint, {argument: UUID(ids[argument])}, method)
    headers = {"If-Match": NO_VERSION}
    if method == "PATCH":
        headers["Content-Type"] = "application/merge-patch+json"
    elif method == "GET":
        headers = {}
    answer = caller.send(method, url, headers)
    return _judge(target, attacker, caller, path, rule.endpoint, answer)


def _judge(
    target: Target, attacker: Party, caller: Caller, path: str, endpoint: str, answer: Answer
) -> Attempt:
    if answer.status == NOT_THERE:
        return target.held(path, attacker, f"404, {caller.way}")
    if answer.status in SEEN or answer.status < ERRORS_START:
        what = f"{answer.status}, it was seen, {caller.way}"
        return target.reached(path, attacker, what, _REMEDY.format(endpoint))
    return target.unproved(path, attacker, f"answered {answer.status}, {caller.way}")
