"""No answer, no row and no line of the log of the platform API has anything of a patient."""

import json

import pytest
from flask import Flask, url_for
from members import AsMember, MakePatient, MakeTenant
from platform_clients import Operator, carry_out_all
from platform_rules import API_OF_PLATFORM, is_platform
from sqlalchemy import text

from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.organisations.managing import create_organisation, invite_tenant

CANARY = "Zzyzxcanary"


def test_every_answer_and_every_task_is_free_of_patients(
    app: Flask,
    admin: Operator,
    make_tenant: MakeTenant,
    as_member: AsMember,
    make_patient: MakePatient,
    tier: Tier,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tenant = make_tenant(tier)
    member = as_member(tenant)
    patient = make_patient(
        member, mrn=f"{CANARY}-1", given_name=CANARY, family_name=CANARY, email=f"{CANARY}@x.test"
    )
    canaries = (CANARY, patient["id"], "1960-05-17")
    path = f"/tenants/{tenant.slug}"
    asked = [
        admin.post(f"{path}/suspend"),
        admin.post(f"{path}/resume"),
        admin.patch(path, {"overrides": {"patients": {"most": 0, "reason": "Too many"}}}),
        admin.post("/backups", json={"tenants": [tenant.slug]}),
        admin.post("/migrations", json={"tenants": [tenant.slug]}),
        admin.post("/advice"),
        admin.post(f"{path}/move-back", json={}),
        admin.post(f"{path}/delete-request", json={"reason": "The contract has ended"}),
        admin.delete(f"{path}/delete-request"),
    ]
    carry_out_all(app)
    texts = [answer.text for answer in asked]
    texts += [json.dumps(admin.operation(answer)) for answer in asked]
    texts += _all_answers(app, admin, tenant.slug, f"network-of-{tenant.slug}")
    with app.app_context(), control_engine().connect() as catalog:
        for table in ("platform_task", "operation", "operator_action"):
            texts += catalog.scalars(text(f"SELECT to_jsonb({table})::text FROM {table}"))

    assert len(texts) > 40
    for each in [*texts, caplog.text]:
        for canary in canaries:
            assert canary not in each


def _all_answers(app: Flask, admin: Operator, slug: str, organisation: str) -> list[str]:
    """Return the answers of each GET, and of each error that names what was sent."""
    operations = admin.get("/operations?limit=200").json["data"]
    run = admin.get("/migrations?limit=1").json["data"][0]["id"]
    with app.app_context():
        create_organisation(organisation, "A network")
        invite_tenant(organisation, get_tenant(slug).id)
    named = {"slug": slug, "plan": "standard", "server": "default", "run_id": run}
    named["organisation"] = organisation
    texts = []
    for rule in app.url_map.iter_rules():
        if not is_platform(rule) or "GET" not in (rule.methods or set()):
            continue
        for operation in operations if "operation_id" in rule.arguments else operations[:1]:
            known = {**named, "operation_id": operation["id"]}
            with app.test_request_context():
                path = url_for(rule.endpoint, **{name: known[name] for name in rule.arguments})
            query = {"month": "2026-11"} if path.endswith("/usage") else {}
            answer = admin.get(path.removeprefix(API_OF_PLATFORM), query_string=query)
            assert answer.status_code == 200, answer.text
            texts.append(answer.text)
    return texts
