"""The platform API and the API of tenants share no token, no role and no database."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import psycopg2.errors
import pytest
from flask import Flask, url_for
from members import AsMember
from platform_clients import Operator
from platform_rules import API_OF_PLATFORM, is_organisations, is_platform
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from werkzeug.routing import Rule

from trially.auth.platform.commands import mint_token
from trially.auth.platform.permissions import ROLES, PlatformPermission, requires_platform
from trially.auth.platform.verifying import platform_audience
from trially.auth.roles import PhiLevel, Role
from trially.config import current_settings
from trially.database.planes import PlatformRequestError, platform_request
from trially.database.session import db
from trially.http.answering import json_response
from trially.http.disclosures import DisclosingViewError, refuse_patients_in
from trially.recruiting.patients.routes import show_patient
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.context import administered_tenant, tenant_context
from trially.tenancy.operators.managing import add_operator, remove_operator
from trially.tenancy.operators.model import PlatformRole
from trially.tenancy.servers.access import server_access

NAMES = dict.fromkeys(("slug", "plan", "server", "organisation"), "there-is-none")


def routes(app: Flask, *, of_platform: bool) -> Iterator[tuple[Rule, str, str]]:
    """Yield each route of operators or tenants that needs a token, with a path and each method."""
    for rule in app.url_map.iter_rules():
        permission = app.view_functions[rule.endpoint].__dict__["permission"]
        if permission is None or is_organisations(rule) or is_platform(rule) is not of_platform:
            continue
        with app.test_request_context():
            arguments = {
                each: 1 if "version" in each else NAMES.get(each, uuid4())
                for each in rule.arguments
            }
            path = url_for(rule.endpoint, **arguments)
        for method in sorted((rule.methods or set()) - {"OPTIONS"}):
            yield rule, path, method


def test_no_route_of_the_platform_takes_a_token_of_a_tenant(
    app: Flask, as_member: AsMember, tenant: Tenant
) -> None:
    owner = as_member(tenant, Role.OWNER, phi_level=PhiLevel.FULL)
    headers = {"Authorization": f"Bearer {owner.token}", "If-Match": "*"}
    client, tried = app.test_client(), 0

    for rule, path, method in routes(app, of_platform=True):
        for prefix in ("", f"/{tenant.slug}"):
            answer = client.open(prefix + path, method=method, headers=headers)
            tried += 1
            assert answer.status_code == 401, (rule, method)
            challenge = 'Bearer realm="trially-platform", error="invalid_token"'
            assert answer.headers["WWW-Authenticate"] == challenge
            if method != "HEAD":
                assert answer.json["code"] == "invalid_token"
    assert tried > 60


def test_no_route_of_tenants_takes_a_token_of_the_platform(
    app: Flask, tenant: Tenant, admin: Operator
) -> None:
    headers = {"Authorization": f"Bearer {admin.token}", "If-Match": "*"}
    client, tried = app.test_client(), 0

    for rule, path, method in routes(app, of_platform=False):
        for named in ({}, {"X-Tenant-ID": tenant.slug}):
            answer = client.open(path, method=method, headers={**headers, **named})
            tried += 1
            assert answer.status_code == 401, (rule, method)
            challenge = 'Bearer realm="trially", error="invalid_token"'
            assert answer.headers["WWW-Authenticate"] == challenge
    assert tried > 200


def test_a_token_for_both_is_one_for_neither(
    app: Flask, as_member: AsMember, tenant: Tenant
) -> None:
    owner = as_member(tenant, Role.OWNER)
    issuer = state_of(app).dev_issuer
    assert issuer is not None
    with app.app_context():
        both: Any = [issuer.audience, platform_audience(current_settings())]
        add_operator(issuer.recorded_as, owner.subject, PlatformRole.ADMIN)
    raw = issuer.issue_token(subject=owner.subject, tenant=tenant.slug, audience=both)
    headers = {"Authorization": f"Bearer {raw}"}

    answers = [
        app.test_client().get(path, headers=headers)
        for path in ("/api/v1/me", f"{API_OF_PLATFORM}/me")
    ]

    assert [answer.status_code for answer in answers] == [401, 401]
    assert {answer.json["reason"] for answer in answers} == {"two_audiences"}


def test_a_holder_who_is_no_operator_is_refused_everywhere(app: Flask) -> None:
    issuer = state_of(app).dev_issuer
    assert issuer is not None
    with app.app_context():
        audience = platform_audience(current_settings())
    raw = issuer.issue_token(subject="stranger", tenant=None, audience=audience)
    client, headers = app.test_client(), {"Authorization": f"Bearer {raw}", "If-Match": "*"}

    for rule, path, method in routes(app, of_platform=True):
        answer = client.open(path, method=method, headers=headers)
        assert answer.status_code == 403, (rule, method)
        challenge = 'Bearer realm="trially-platform", error="insufficient_scope"'
        assert answer.headers["WWW-Authenticate"] == challenge
        assert method == "HEAD" or answer.json["code"] == "not_an_operator"


@pytest.mark.parametrize("role", list(PlatformRole))
def test_each_role_reaches_its_routes_and_no_others(
    app: Flask, operator_of: Callable[[PlatformRole], Operator], role: PlatformRole
) -> None:
    operator, allowed = operator_of(role), set()

    for rule, path, method in routes(app, of_platform=True):
        permission = app.view_functions[rule.endpoint].__dict__["permission"]
        # Nothing is named that exists, and no body is sent, so nothing happens.
        headers = {"If-Match": "*", "Content-Type": "text/plain"}
        if method not in {"GET", "HEAD"} and not rule.arguments:
            headers["Idempotency-Key"] = "not allowed"  # It has a space: the answer is 400.
        answer = operator.request(
            method, path.removeprefix(API_OF_PLATFORM), data=b"x", headers=headers
        )
        if permission in ROLES[role]:
            assert answer.status_code in {200, 400, 404, 415}, (rule, method, answer.text)
            allowed.add(permission)
        else:
            assert answer.status_code == 403, (rule, method)
            if method != "HEAD":
                assert answer.json["code"] == "missing_permission"

    assert allowed == ROLES[role]


def test_each_permission_belongs_to_a_route(app: Flask) -> None:
    views = app.view_functions
    used = {
        views[rule.endpoint].__dict__["permission"] for rule, _, _ in routes(app, of_platform=True)
    }

    assert used == set(PlatformPermission)


def test_an_operator_who_was_removed_is_shut_out(app: Flask) -> None:
    with app.app_context():
        raw = mint_token(PlatformRole.VIEWER)
        issuer = state_of(app).dev_issuer
        assert issuer is not None
        headers = {"Authorization": f"Bearer {raw}"}
        client = app.test_client()
        assert client.get(f"{API_OF_PLATFORM}/me", headers=headers).status_code == 200
        remove_operator(issuer.recorded_as, PlatformRole.VIEWER)
    state_of(app).platform_callers.forget(lambda _: True)

    assert client.get(f"{API_OF_PLATFORM}/me", headers=headers).status_code == 403


@pytest.mark.parametrize("choice", ["path", "header"])
def test_a_request_to_the_platform_names_no_tenant(
    app: Flask, admin: Operator, tenant: Tenant, choice: str
) -> None:
    headers = {"Authorization": f"Bearer {admin.token}"}
    if choice == "path":
        answer = app.test_client().get(f"/{tenant.slug}{API_OF_PLATFORM}/me", headers=headers)
        assert answer.status_code == 404
    else:
        answer = admin.get("/me", headers={"X-Tenant-ID": tenant.slug})
        assert answer.status_code == 400


def test_a_request_to_the_platform_reaches_no_tenant(app: Flask, tenant: Tenant) -> None:
    with app.app_context(), platform_request():
        with pytest.raises(PlatformRequestError), tenant_context(tenant.slug):
            db.session.execute(text("SELECT 1 FROM patient"))
        with pytest.raises(PlatformRequestError), administered_tenant(tenant.slug):
            db.session.execute(text("SELECT 1 FROM patient"))
        with pytest.raises(PlatformRequestError), server_access().administer() as raw:
            raw.cursor().execute("SELECT 1")
        database = tenant.placement.database
        with pytest.raises(PlatformRequestError), server_access().administer(database) as raw:
            raw.cursor().execute("SELECT 1")


def test_a_request_to_the_platform_cannot_write_the_catalog(app: Flask, tenant: Tenant) -> None:
    with app.app_context(), platform_request():
        for statement in (
            "UPDATE tenant SET name = 'changed'",
            "DELETE FROM platform_operator",
            "INSERT INTO platform_operator (issuer, subject, role) VALUES ('i', 's', 'r')",
            "UPDATE platform_task SET state = 'done'",
            "INSERT INTO platform_task (id, kind, state) VALUES (gen_random_uuid(), 'k', 'done')",
            "SELECT sealed FROM server_password",
            "SELECT details FROM operator_action",
        ):
            with pytest.raises(ProgrammingError) as refused, catalog_transaction() as session:
                session.execute(text(statement))
            assert isinstance(refused.value.orig, psycopg2.errors.InsufficientPrivilege), statement


def test_a_view_that_enters_a_tenant_fails(
    app: Flask, admin: Operator, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    @requires_platform(PlatformPermission.PLATFORM_READ)
    def careless() -> Any:
        with tenant_context(tenant.slug):
            return json_response(db.session.scalar(text("SELECT count(*) FROM patient")))

    monkeypatch.setitem(app.view_functions, "platform.show_caller", careless)

    answer = admin.get("/me")

    assert (answer.status_code, answer.json["code"]) == (500, "internal_error")


def test_a_view_about_patients_cannot_be_one_of_the_platform() -> None:
    permission = show_patient.__dict__["permission"]

    with pytest.raises(DisclosingViewError, match="has fields about patients"):
        refuse_patients_in({"patients.show": show_patient}, {permission})
