"""Request a tenant's rows from the API, as a member of another tenant.

The requests name rows that the tenant has, of which only the ids are read. If such a request
reached its row, it would change nothing, because it names a version that no row has.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

import orjson
from flask import current_app
from sqlalchemy import select
from werkzeug.routing import Rule

from trially.audit.model import AuditRecord
from trially.audit.working import working
from trially.auth.named_tenants import TENANT_HEADER
from trially.auth.permissions import Permission
from trially.database.model import TenantModel
from trially.database.rows import table_of
from trially.database.session import db
from trially.http.contract import MERGE_PATCH_TYPE, Contract, contract_of
from trially.http.examples import example_of_body
from trially.http.fields import EXAMPLE
from trially.jobs.model import Job
from trially.proving.attempts import Attempt, Party, Target
from trially.proving.callers import REFUSAL_STATUSES, WITH_TOKEN, Answer, Caller, caller_of
from trially.resources.resource import RESOURCES
from trially.tenancy.catalog_choices import TenantStatus
from trially.tenancy.context import tenant_context

API = re.compile(r"/api/")
METHODS = ("GET", "PATCH", "PUT", "DELETE")
NO_VERSION = '"999999999999999999"'
"""An ETag that no row has."""

SHARED_NAMES = frozenset(
    {"alert_rule", "issuer_id", "organisation_id", "resource_type", "scim_schema"}
)
"""Arguments that name no row of a tenant.

Several tenants may be in one organisation. Issuers of tenants are rows of the catalog.
"""

MOST_CANDIDATES = 100
"""Of so many rows of each kind, one is chosen whose id the attacker's tenant does not have."""

PARTS = {"version": "1", "other_version": "1", "field": "birth_date"}
"""Arguments that name a part of a row, such as its first version or one of its fields."""

ERRORS_START = 400
NOT_FOUND = 404
REVEALING_STATUSES = frozenset({409, 412, 428})
"""Error statuses that are returned only if the row was found."""

OTHER_TENANT = "API: another tenant's header"
_REMEDY = "Add the condition of_current_tenant() to every statement of the view {}."


def request_as_tenant(target: Target, attacker: Party) -> Iterator[Attempt]:
    """Request each list, and one row of each kind by its id with every method of the API."""
    if target.tenant.status != TenantStatus.ACTIVE:
        yield target.not_applicable("API", attacker, "the tenant is suspended")
        return
    caller, rows = caller_of(attacker), _rows_of(target, attacker)
    for rule in routes_of_lists():
        yield _list(target, attacker, caller, rule, rows)
    for rule in routes_by_id():
        for method in sorted(set(METHODS) & (rule.methods or set())):
            yield _request(target, attacker, caller, rule, method, rows)
    if caller.authentication == WITH_TOKEN:
        answer = caller.send("GET", "/api/v1/me", {TENANT_HEADER: target.slug}, b"")
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


@dataclass(frozen=True)
class Rows:
    """Rows of the attacked tenant, by the name of the argument with the id."""

    ids: Mapping[str, str]
    """The id of one row of each kind. The attacker's tenant has no row with this id."""

    shared: frozenset[str]
    """The kinds of which the attacker's tenant has the same ids, as a clone has."""


def _rows_of(target: Target, attacker: Party) -> Rows:
    candidates = _read_ids(target, {})
    own = _read_ids(attacker, candidates)
    foreign = {
        name: [each for each in ids if each not in own[name]] for name, ids in candidates.items()
    }
    return Rows(
        {name: str(ids[0]) for name, ids in foreign.items() if ids},
        frozenset(name for name, ids in candidates.items() if ids and not foreign[name]),
    )


def _read_ids(party: Party | Target, among: Mapping[str, Sequence[UUID]]) -> dict[str, list[UUID]]:
    """Return some ids of rows of a tenant, or those `among` some, by the name of the argument."""
    found = {}
    with tenant_context(str(party.tenant.id)), working():
        for argument, model in _models_by_argument().items():
            table = table_of(model).c
            statement = select(table.id).where(table.tenant_id == party.tenant.id)
            if among:
                statement = statement.where(table.id.in_(among[argument]))
            found[argument] = list(db.session.scalars(statement.limit(MOST_CANDIDATES)))
    return found


def _models_by_argument() -> dict[str, type[TenantModel]]:
    """Return the models whose rows routes show, by the name of the argument with the id."""
    models: dict[str, type[TenantModel]] = {each.id_argument: each.model for each in RESOURCES}
    return models | {"audit_record_id": AuditRecord, "export_id": Job}


def _list(target: Target, attacker: Party, caller: Caller, rule: Rule, rows: Rows) -> Attempt:
    path = f"API: GET {rule.rule}"
    answer, authentication = caller.ask("GET", rule.rule + _required_query(rule), {})
    if answer.status >= ERRORS_START:
        return target.inconclusive(path, attacker, f"unexpected status {answer.status}")
    if any(each.encode() in answer.body for each in (*rows.ids.values(), str(target.tenant.id))):
        return target.breached(
            path, attacker, "the list contained a row of the tenant", _REMEDY.format(rule.endpoint)
        )
    return target.held(path, attacker, f"only the attacker's rows, {authentication}")


def _request(
    target: Target, attacker: Party, caller: Caller, rule: Rule, method: str, rows: Rows
) -> Attempt:
    path = f"API: {method} {rule.rule}"
    values = {**PARTS, **rows.ids}
    missing = sorted(rule.arguments - values.keys())
    if missing:
        return target.not_applicable(path, attacker, _why_no_id(missing[0], rows))
    arguments = {argument: values[argument] for argument in rule.arguments}
    url = current_app.url_map.bind("").build(rule.endpoint, arguments, method)
    url += _required_query(rule)
    contract = contract_of(current_app.view_functions[rule.endpoint])
    if method == "GET":
        answer, authentication = caller.ask(method, url, {})
    else:
        # What names no version would change the row that it reaches: it is rolled back.
        by = caller if contract.matches_versions else caller.rolled_back
        headers, body = {"If-Match": NO_VERSION}, b""
        if method in ("PATCH", "PUT"):
            headers["Content-Type"], body = contract.body_types[0], _body_of(contract)
        answer, authentication = by.ask(method, url, headers, body)
    return _judge(target, attacker, authentication, path, rule.endpoint, answer)


def _body_of(contract: Contract) -> bytes:
    """Return a body that a view accepts, so that it looks for the row."""
    [media_type, *_] = contract.body_types
    if media_type == MERGE_PATCH_TYPE:
        return b"{}"
    if contract.body is not None:
        return orjson.dumps(example_of_body(contract.body))
    return orjson.dumps(contract.streams[media_type].get("example"))


def _required_query(rule: Rule) -> str:
    """Return the query parameters without which the route answers 400, with their examples."""
    schema = contract_of(current_app.view_functions[rule.endpoint]).query
    fields = schema.fields if schema else {}
    required = {name: field.metadata[EXAMPLE] for name, field in fields.items() if field.required}
    return f"?{urlencode(required)}" if required else ""


def _why_no_id(argument: str, rows: Rows) -> str:
    if argument in rows.shared:
        return "the attacker's tenant has rows with the same ids"
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
