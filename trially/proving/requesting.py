"""Request a tenant's rows from the API, as a member of another tenant.

The requests name rows that the tenant has, of which only the ids are read. If such a request
reached its row, it would change nothing, because it names a version that no row has.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextvars import Context
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from flask import Flask, current_app, request
from sqlalchemy import select
from werkzeug.routing import Rule

from trially.audit.model import AuditRecord
from trially.audit.working import working
from trially.auth.members.identities import Identity
from trially.auth.members.model import Member
from trially.auth.named_tenants import TENANT_HEADER
from trially.auth.permissions import Permission
from trially.auth.roles import PhiLevel, Role
from trially.database.model import TenantModel
from trially.database.rows import table_of
from trially.database.session import db
from trially.http.answering import call_view
from trially.http.contract import contract_of
from trially.http.fields import EXAMPLE
from trially.http.masking import show_identifiers
from trially.jobs.model import Job
from trially.proving.attempts import Attempt, Party, Target
from trially.request_state import request_state
from trially.resources.resource import RESOURCES
from trially.state import app_state
from trially.tenancy.catalog_choices import TenantStatus
from trially.tenancy.context import current_tenant, enter_tenant, tenant_context

API = re.compile(r"/api/")
METHODS = ("GET", "PATCH", "DELETE")
NO_VERSION = '"999999999999999999"'
"""An ETag that no row has."""

SHARED_NAMES = frozenset(
    {"alert_rule", "issuer_id", "organisation_id", "resource_type", "scim_schema"}
)
"""Arguments that name no row of a tenant.

Several tenants may be in one organisation. Issuers of tenants are rows of the catalog.
"""

PARTS = {"version": "1", "other_version": "1", "field": "birth_date"}
"""Arguments that name a part of a row, such as its first version or one of its fields."""

ERRORS_START = 400
NOT_FOUND = 404
REVEALING_STATUSES = frozenset({409, 412, 428})
"""Error statuses that are returned only if the row was found."""

REFUSAL_STATUSES = frozenset({401, 403})
OTHER_TENANT = "API: another tenant's header"
_REMEDY = "Add the condition of_current_tenant() to every statement of the view {}."

WITH_TOKEN = "with a token of the built-in issuer"  # noqa: S105
WITHOUT_TOKEN = "without a token check, with an owner's identity"  # noqa: S105
_BODIES = {"PATCH": b"{}"}


@dataclass(frozen=True)
class Answer:
    """The response of the API."""

    status: int
    body: bytes


Send = Callable[[str, str, Mapping[str, str]], Answer]


@dataclass(frozen=True)
class Caller:
    """A member of a tenant, and a function that sends requests as this member."""

    authentication: str
    """How the member is authenticated; part of the report."""

    send: Send

    allowed: "Caller | None" = None
    """Who asks again where this member's role or the tenant's plan does not allow a request."""

    def ask(self, method: str, path: str, headers: Mapping[str, str]) -> tuple[Answer, str]:
        """Send a request. Return the answer, and how the caller was authenticated.

        A refusal comes before the view, so it does not show which rows the view would reach.
        """
        answer = self.send(method, path, headers)
        if answer.status in REFUSAL_STATUSES and self.allowed is not None:
            return self.allowed.ask(method, path, headers)
        return answer, self.authentication


def request_as_tenant(target: Target, attacker: Party) -> Iterator[Attempt]:
    """Request each list, and one row of each kind by its id with every method of the API."""
    if target.tenant.status != TenantStatus.ACTIVE:
        yield target.not_applicable("API", attacker, "the tenant is suspended")
        return
    caller, ids = caller_of(attacker), _ids_of(target)
    for rule in routes_of_lists():
        yield _list(target, attacker, caller, rule, ids)
    for rule in routes_by_id():
        for method in sorted(set(METHODS) & (rule.methods or set())):
            yield _request(target, attacker, caller, rule, method, ids)
    if caller.authentication == WITH_TOKEN:
        answer = caller.send("GET", "/api/v1/me", {TENANT_HEADER: target.slug})
        if answer.status in REFUSAL_STATUSES:
            yield target.held(
                OTHER_TENANT, attacker, f"{answer.status}: the token determines the tenant"
            )
        else:
            yield _judge(target, attacker, WITH_TOKEN, OTHER_TENANT, "the request cycle", answer)


def routes_of_lists() -> list[Rule]:
    """Return the GET routes without arguments, which list rows of the tenant."""
    return [
        rule
        for rule in current_app.url_map.iter_rules()
        if _is_of_tenants(rule) and not rule.arguments and "GET" in (rule.methods or set())
    ]


def routes_by_id() -> list[Rule]:
    """Return the routes with arguments, which name one row of a tenant."""
    return [
        rule for rule in current_app.url_map.iter_rules() if _is_of_tenants(rule) and rule.arguments
    ]


def _is_of_tenants(rule: Rule) -> bool:
    """Return whether a route needs a token of a tenant.

    A public one shows all callers the same, and the platform API takes other tokens.
    """
    permission = current_app.view_functions[rule.endpoint].__dict__["permission"]
    return bool(API.match(rule.rule)) and isinstance(permission, Permission)


def caller_of(attacker: Party) -> Caller:
    """Return a caller with a token of the built-in issuer, or without a token if there is none."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    issuer = app_state().dev_issuer
    subject = _member_of(attacker, issuer.recorded_as) if issuer else None
    without_token = Caller(WITHOUT_TOKEN, _without_token(app, attacker))
    if issuer is None or subject is None:
        return without_token
    token = issuer.issue_token(
        subject=subject, tenant=str(attacker.tenant.id), lifetime_seconds=300
    )
    return Caller(WITH_TOKEN, _with_token(app, token), allowed=without_token)


def _with_token(app: Flask, token: str) -> Send:
    def send(method: str, path: str, headers: Mapping[str, str]) -> Answer:
        authorised = {**headers, "Authorization": f"Bearer {token}"}
        response = app.test_client().open(
            path, method=method, headers=authorised, data=_BODIES.get(method)
        )
        return Answer(response.status_code, response.get_data())

    return _in_own_context(send)


def _without_token(app: Flask, attacker: Party) -> Send:
    with tenant_context(str(attacker.tenant.id)), working():
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

    def send(method: str, path: str, headers: Mapping[str, str]) -> Answer:
        with app.test_request_context(
            path, method=method, headers=dict(headers), data=_BODIES.get(method)
        ):
            enter_tenant(entry)
            request_state().identity = owner
            show_identifiers(is_shown=True)
            try:
                view = app.view_functions[request.endpoint or ""]
                response = call_view(view, request.view_args or {})
            except Exception as error:  # noqa: BLE001
                response = app.make_response(app.handle_user_exception(error))
            finally:
                db.session.rollback()
            return Answer(response.status_code, response.get_data())

    return _in_own_context(send)


def _in_own_context(send: Send) -> Send:
    """Run requests in a context of their own. Otherwise they would share the command's."""
    return lambda *args: Context().run(send, *args)


def _member_of(attacker: Party, issuer: str) -> str | None:
    """Return the subject of a member of this issuer with full rights, or None."""
    with tenant_context(str(attacker.tenant.id)), working():
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
    """Return one id of each kind of row that the tenant has, by the name of the argument."""
    with tenant_context(str(target.tenant.id)), working():
        ids = {
            argument: db.session.scalar(
                select(table_of(model).c.id)
                .where(table_of(model).c.tenant_id == target.tenant.id)
                .limit(1)
            )
            for argument, model in _models_by_argument().items()
        }
    return {argument: str(row_id) for argument, row_id in ids.items() if row_id is not None}


def _models_by_argument() -> dict[str, type[TenantModel]]:
    """Return the models whose rows routes show, by the name of the argument with the id."""
    models: dict[str, type[TenantModel]] = {each.id_argument: each.model for each in RESOURCES}
    return models | {"audit_record_id": AuditRecord, "export_id": Job}


def _list(
    target: Target, attacker: Party, caller: Caller, rule: Rule, ids: Mapping[str, str]
) -> Attempt:
    path = f"API: GET {rule.rule}"
    answer, authentication = caller.ask("GET", rule.rule + _required_query(rule), {})
    if answer.status >= ERRORS_START:
        return target.inconclusive(path, attacker, f"unexpected status {answer.status}")
    if any(each.encode() in answer.body for each in (*ids.values(), str(target.tenant.id))):
        return target.breached(
            path, attacker, "the list contained a row of the tenant", _REMEDY.format(rule.endpoint)
        )
    return target.held(path, attacker, f"only the attacker's rows, {authentication}")


def _request(
    target: Target, attacker: Party, caller: Caller, rule: Rule, method: str, ids: Mapping[str, str]
) -> Attempt:
    path = f"API: {method} {rule.rule}"
    values = {**PARTS, **ids}
    missing = sorted(rule.arguments - values.keys())
    if missing:
        return target.not_applicable(path, attacker, _why_no_id(missing[0]))
    arguments = {argument: values[argument] for argument in rule.arguments}
    url = current_app.url_map.bind("").build(rule.endpoint, arguments, method)
    url += _required_query(rule)
    headers = {"If-Match": NO_VERSION}
    if method == "PATCH":
        headers["Content-Type"] = "application/merge-patch+json"
    elif method == "GET":
        headers = {}
    answer, authentication = caller.ask(method, url, headers)
    return _judge(target, attacker, authentication, path, rule.endpoint, answer)


def _required_query(rule: Rule) -> str:
    """Return the query parameters without which the route answers 400, with their examples."""
    schema = contract_of(current_app.view_functions[rule.endpoint]).query
    fields = schema.fields if schema else {}
    required = {name: field.metadata[EXAMPLE] for name, field in fields.items() if field.required}
    return f"?{urlencode(required)}" if required else ""


def _why_no_id(argument: str) -> str:
    if argument in SHARED_NAMES:
        return f"{argument} names no row of a tenant"
    is_known = argument in _models_by_argument()
    return "the tenant has no row" if is_known else f"{argument} is unknown"


def _judge(
    target: Target, attacker: Party, authentication: str, path: str, endpoint: str, answer: Answer
) -> Attempt:
    if answer.status == NOT_FOUND:
        return target.held(path, attacker, f"404, {authentication}")
    if answer.status in REVEALING_STATUSES or answer.status < ERRORS_START:
        what = f"{answer.status}, the row was found, {authentication}"
        return target.breached(path, attacker, what, _REMEDY.format(endpoint))
    return target.inconclusive(
        path, attacker, f"unexpected status {answer.status}, {authentication}"
    )
