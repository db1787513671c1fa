"""Roles, permissions and the marks of views."""

from collections.abc import Callable
from typing import Any

import pytest
from examples import PUBLIC_VIEWS, ids_of_nothing
from flask import Blueprint, Flask, Response, url_for
from platform_rules import is_of_no_tenant

import trially
from trially import api, openapi
from trially.auth.permissions import (
    Permission,
    UnguardedViewError,
    public,
    refuse_unguarded_views,
    requires,
)
from trially.auth.roles import ROLE_PERMISSIONS, PhiLevel, Role
from trially.config import Settings
from trially.tenancy.catalog import Tenant


@pytest.fixture(scope="module")
def shared_tenant(make_tenant: Callable[..., Tenant]) -> Tenant:
    return make_tenant()


def test_every_role_has_its_permissions() -> None:
    assert set(ROLE_PERMISSIONS) == set(Role)
    assert ROLE_PERMISSIONS[Role.OWNER] == set(Permission)
    of_owners = {
        Permission.ALERT_RULES_WRITE,
        Permission.COUNTS_SHARE,
        Permission.ISSUERS_WRITE,
        Permission.MEMBERS_PROVISION,
        Permission.PROVISIONING_WRITE,
    }
    assert ROLE_PERMISSIONS[Role.ADMIN] == set(Permission) - of_owners
    for permissions in ROLE_PERMISSIONS.values():
        assert Permission.ME_READ in permissions


def test_dangerous_permissions_are_of_few_roles() -> None:
    def who(permission: Permission) -> set[Role]:
        return {role for role in Role if permission in ROLE_PERMISSIONS[role]}

    assert who(Permission.AUDIT_READ) == {Role.OWNER, Role.ADMIN, Role.AUDITOR}
    assert who(Permission.ALERTS_ACKNOWLEDGE) == {Role.OWNER, Role.ADMIN, Role.AUDITOR}
    assert who(Permission.ALERT_RULES_WRITE) == {Role.OWNER}
    assert who(Permission.COUNTS_SHARE) == {Role.OWNER}
    assert who(Permission.ISSUERS_WRITE) == {Role.OWNER}
    assert who(Permission.PROVISIONING_WRITE) == {Role.OWNER}
    assert who(Permission.MEMBERS_READ) == {Role.OWNER, Role.ADMIN, Role.AUDITOR}
    assert who(Permission.MEMBERS_WRITE) == {Role.OWNER, Role.ADMIN}
    assert who(Permission.PATIENTS_COUNT) == set(Role)
    assert who(Permission.PATIENTS_DELETE) == {Role.OWNER, Role.ADMIN}
    assert who(Permission.PATIENTS_READ) == set(Role) - {Role.AUDITOR}
    assert who(Permission.PATIENTS_WRITE) == set(Role) - {Role.AUDITOR, Role.VIEWER}
    assert who(Permission.IMPORTS_WRITE) == {Role.OWNER, Role.ADMIN, Role.COORDINATOR}


def test_marks_set_the_permission_of_a_view() -> None:
    @requires(Permission.PATIENTS_READ)
    def guarded() -> None: ...

    @public
    def open_to_all() -> None: ...

    refuse_unguarded_views({"a": guarded, "b": open_to_all})
    assert guarded.__dict__["permission"] is Permission.PATIENTS_READ
    assert open_to_all.__dict__["permission"] is None


def test_a_view_without_a_mark_is_refused() -> None:
    app = Flask("tiny", static_folder=None)
    app.get("/")(lambda: Response("open"))

    with pytest.raises(UnguardedViewError, match="has neither @requires nor @public"):
        refuse_unguarded_views(app.view_functions)


def test_an_app_with_a_view_without_a_mark_does_not_start(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        openapi, "init_app", lambda app, *_, **__: app.get("/open")(lambda: Response("open"))
    )

    with pytest.raises(UnguardedViewError):
        trially.create_app(settings)


def test_a_route_without_a_mark_is_refused_before_anything_reads_its_mark(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgetful = Blueprint("forgetful", __name__, url_prefix="/forgetful")
    forgetful.get("")(lambda: Response("open"))
    monkeypatch.setattr(api, "find_blueprints", lambda _rooms: iter([forgetful]))

    with pytest.raises(UnguardedViewError, match="has neither @requires nor @public"):
        trially.create_app(settings)


@pytest.mark.parametrize("role", list(Role))
def test_each_role_reaches_its_routes_and_no_others(
    app: Flask, as_member: Callable[..., Any], shared_tenant: Tenant, role: Role
) -> None:
    member = as_member(shared_tenant, role, phi_level=PhiLevel.FULL)
    tried = 0

    for rule in app.url_map.iter_rules():
        if (
            not rule.rule.startswith("/api/")
            or rule.endpoint in PUBLIC_VIEWS
            or is_of_no_tenant(rule)
        ):
            continue
        with app.test_request_context():
            path = url_for(rule.endpoint, **ids_of_nothing(rule.arguments))
        permission = app.view_functions[rule.endpoint].__dict__["permission"]
        for method in (rule.methods or set()) - {"OPTIONS"}:
            answer = member.request(method, path)
            tried += 1
            if permission in ROLE_PERMISSIONS[role]:
                assert answer.status_code in {200, 400, 404, 409, 415, 428}, (method, path)
            else:
                assert answer.status_code == 403, (method, path)
                if method != "HEAD":
                    assert (
                        answer.json["detail"] == f"This request needs the permission {permission}."
                    )

    assert tried > 20
