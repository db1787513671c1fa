"""Authentication of requests: the tests that need one tenant."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from members import Member

from trially.auth.members.managing import remove_member
from trially.auth.refusals import no_access
from trially.auth.roles import Role
from trially.http.problems import Forbidden
from trially.state import state_of
from trially.tenancy.context import tenant_context


def test_all_refusals_are_alike(app: Flask) -> None:
    with app.app_context():
        assert isinstance(no_access(), Forbidden)
        assert no_access().detail == no_access().detail


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_read_in_any_case(app: Flask, shared_member: Member, scheme: str) -> None:
    answer = app.test_client().get(
        "/api/v1/me", headers={"Authorization": f"{scheme} {shared_member.token}"}
    )

    assert answer.status_code == 200


def test_a_role_is_of_one_tenant(
    app: Flask, make_tenant: Callable[..., Any], as_member: Callable[..., Any]
) -> None:
    viewer = as_member(make_tenant(), Role.VIEWER)
    as_member(make_tenant(), Role.OWNER)

    assert viewer.get("/me").json["role"] == "viewer"
    assert viewer.post("/sites", json={"name": "Main"}).status_code == 403


def test_roles_in_a_token_are_ignored(app: Flask, shared_member: Member) -> None:
    tenant = shared_member.tenant
    issue = state_of(app).dev_issuer.issue_token
    token = issue(subject="stranger", tenant=tenant.slug, role="owner", scope="patients:read")

    answer = app.test_client().get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == 403


def test_a_removed_member_is_refused_once_the_cache_expires(
    app: Flask, tenant: Any, as_member: Callable[..., Any]
) -> None:
    member = as_member(tenant)
    assert member.get("/me").status_code == 200

    with app.app_context(), tenant_context(tenant.slug):
        remove_member(member.subject)
    state_of(app).identities.forget(lambda _identity: True)

    assert member.get("/me").status_code == 403
