"""The route `/me`."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Flask

from trially.auth.roles import ROLE_PERMISSIONS, PhiLevel, Role
from trially.state import state_of
from trially.tenancy.entitlements.features import Feature
from trially.tenancy.entitlements.limits import Limit


def test_callers_see_themselves_and_their_tenant(
    app: Flask, tenant: Any, as_member: Callable[..., Any]
) -> None:
    member = as_member(tenant, Role.AUDITOR)

    me = member.get("/me").json

    assert me == {
        "id": me["id"],
        "issuer": state_of(app).dev_issuer.url,
        "subject": member.subject,
        "display_name": None,
        "role": "auditor",
        "phi_level": "none",
        "site_ids": None,
        "permissions": sorted(ROLE_PERMISSIONS[Role.AUDITOR]),
        "tenant": {
            "id": str(tenant.id),
            "slug": tenant.slug,
            "name": tenant.name,
            "kind": tenant.kind,
            "time_zone": "UTC",
        },
        "plan": {
            "name": "standard",
            "features": sorted(Feature),
            "limits": [
                {"name": limit, "most": None, "used": None, "most_of_caller": None}
                for limit in Limit
            ],
        },
    }


def test_a_token_may_name_the_tenant_by_its_id(
    app: Flask, tenant: Any, as_member: Callable[..., Any]
) -> None:
    member = as_member(tenant)
    token = state_of(app).dev_issuer.issue_token(subject=member.subject, tenant=str(tenant.id))

    answer = app.test_client().get("/api/v1/me", headers={"Authorization": f"bearer {token}"})

    assert answer.json == member.get("/me").json


def test_callers_see_what_they_are_restricted_to(
    tenant: Any, as_member: Callable[..., Any]
) -> None:
    site = as_member(tenant).post("/sites", json={"name": "Main"}).json["id"]
    member = as_member(tenant, Role.RECRUITER, phi_level=PhiLevel.LIMITED, site_ids=[UUID(site)])

    me = member.get("/me").json

    assert (me["phi_level"], me["site_ids"]) == ("limited", [site])
    assert "patients:write" in me["permissions"]
    assert "imports:read" not in me["permissions"]
