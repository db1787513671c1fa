"""A report shows each way in which a patient's data were used, a support visit included."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from members import AsMember, MakePatient, MakeTenant

from trially.auditing.alerts.evaluating import evaluate
from trially.auth.roles import PhiLevel, Role
from trially.auth.support import grants
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.operators.persons import Person


def enter(app: Flask, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Grant an operator access to a tenant, and return the headers of the operator's requests."""

    def be(name: str) -> None:
        monkeypatch.setattr(grants, "current_person", lambda: Person(name, "here"))

    with app.app_context():
        be("jo")
        requested = grants.request_grant(
            tenant.slug,
            "ops|7",
            issuer=state_of(app).dev_issuer.url,
            reason="The import stops.",
            ticket="T-1",
            role=Role.VIEWER,
            phi_level=PhiLevel.FULL,
            duration=dt.timedelta(hours=1),
        )
        be("kim")
        grants.approve_grant(requested.id)
    token = state_of(app).dev_issuer.issue_token(subject="ops|7", tenant="")
    return {"Authorization": f"Bearer {token}", "X-Tenant-ID": tenant.slug}


def test_a_report_shows_each_means(
    app: Flask,
    make_tenant: MakeTenant,
    as_member: AsMember,
    make_patient: MakePatient,
    run_command: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    owner = as_member(tenant, Role.OWNER)
    patient_id = make_patient(owner)["id"]
    owner.get("/patients")
    owner.get("/audit", headers={"Accept": "text/csv"})
    run_command("audit", "list", tenant.slug, "--patient", patient_id)
    headers = enter(app, tenant, monkeypatch)
    visit = app.test_client().get(f"/api/v1/patients/{patient_id}", headers=headers)
    app.test_client().get("/api/v1/studies", headers=headers)

    lines = owner.get(f"/patients/{patient_id}/disclosures").json["data"]
    with app.app_context(), tenant_context(tenant.slug):
        alerts = list(evaluate())

    assert visit.status_code == 200, visit.text
    ways = {each["how"]: each["who"] for each in lines}
    assert {
        "Your record was created or added to",
        "Your record was shown in a list",
        "Your record was part of an export",
        "Your record was shown, during a support visit",
    } <= set(ways)
    assert "ops|7" in ways["Your record was shown, during a support visit"]
    [alert] = [each for each in alerts if each["rule"] == "support_access"]
    assert alert["count"] == 2  # requests that show no patients are recorded too
    assert "ops|7" in alert["operator"]
