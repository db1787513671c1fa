"""The route that lists members."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Flask

from trially.auth.roles import PhiLevel, Role
from trially.state import state_of


def test_members_are_listed_with_what_each_may_see(
    app: Flask, tenant: Any, as_member: Callable[..., Any]
) -> None:
    admin = as_member(tenant)
    sites = [admin.post("/sites", json={"name": name}).json["id"] for name in ("A", "B")]
    as_member(tenant, Role.VIEWER, phi_level=PhiLevel.NONE, site_ids=[UUID(one) for one in sites])
    as_member(tenant, Role.RECRUITER, site_ids=[])

    first, second, third = admin.get("/members").json["data"]

    assert first == {
        "id": admin.get("/me").json["id"],
        "issuer": state_of(app).dev_issuer.url,
        "subject": admin.subject,
        "display_name": None,
        "email": None,
        "role": "admin",
        "phi_level": "full",
        "site_ids": None,
        "created_at": first["created_at"],
        "etag": '"1"',
    }
    assert (second["role"], second["phi_level"]) == ("viewer", "none")
    assert sorted(second["site_ids"]) == sorted(sites)
    assert (third["phi_level"], third["site_ids"]) == ("full", [])
