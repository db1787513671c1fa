"""Features and limits as members see them, and how soon every process knows a change."""

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from members import MakePatient, Member
from openapi_documents import operations

from trially import create_app
from trially.config import Settings
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.entitlements.features import Feature
from trially.tenancy.entitlements.limits import Limit
from trially.tenancy.lifecycle.plans.assigning import TenantChange, change_tenant

STUDY_ID = "01a21c13-991d-76b5-aa4f-3914243aba96"
VIEWS = {
    Feature.BRANDING: ("PATCH", "/settings/branding"),
    Feature.EXPORTS: ("POST", "/exports"),
    Feature.FHIR: ("GET", "/fhir/ResearchStudy"),
    Feature.MATCHING: ("GET", f"/studies/{STUDY_ID}/matches"),
    Feature.REGISTRY_IMPORTS: ("POST", "/studies/import"),
    Feature.VALUE_SETS: ("POST", "/valuesets"),
}
NOT_IN_PRO = (Feature.BRANDING, Feature.FHIR)


def change(app: Flask, member: Member, **values: Any) -> None:
    with app.app_context():
        change_tenant(member.tenant.slug, TenantChange(**values))


@pytest.mark.parametrize("name", Feature)
def test_a_view_whose_feature_the_plan_lacks_is_refused(
    app: Flask, shared_member: Member, name: Feature
) -> None:
    change(app, shared_member, plan="free")
    method, path = VIEWS[name]

    refused = shared_member.request(method, path)

    assert refused.status_code == 403, refused.json
    assert refused.json["code"] == "feature_not_in_plan"
    assert (refused.json["feature"], refused.json["plan"]) == (name, "free")
    having = {"enterprise", "standard"} | ({"pro"} if name not in NOT_IN_PRO else set())
    assert having <= set(refused.json["plans"])
    assert f"lacks the feature {name}. It is part of enterprise," in refused.json["detail"]

    change(app, shared_member, features={name: True}, reason="A pilot")
    assert shared_member.request(method, path).json.get("code") != "feature_not_in_plan"
    change(app, shared_member, removed=[name])
    assert shared_member.request(method, path).status_code == 403


def test_the_openapi_document_names_the_feature_of_each_operation(app: Flask) -> None:
    document = app.test_client().get("/openapi.json").json
    found = [each for _, _, each in operations(document) if "x-feature" in each]

    assert {operation["x-feature"] for operation in found} == set(Feature)
    for operation in found:
        assert f"Needs the feature `{operation['x-feature']}`" in operation["description"]


def test_me_shows_features_and_limits_with_their_use(
    app: Flask, member: Member, make_patient: MakePatient
) -> None:
    change(app, member, plan="pro")
    change(app, member, limits={Limit.PATIENTS: 7, Limit.STUDIES: None}, reason="A pilot")
    make_patient(member)

    plan = member.get("/me").json["plan"]

    assert plan["name"] == "pro"
    assert plan["features"] == ["exports", "matching", "registry_imports", "value_sets"]
    limits = {each["name"]: (each["most"], each["used"]) for each in plan["limits"]}
    assert set(limits) == set(Limit)
    assert limits["patients"] == (7, 1)
    assert limits["studies"] == (None, None)
    assert limits["requests_per_minute"] == (6000, None)


def test_each_process_knows_a_change_once_its_entry_is_renewed(
    settings: Settings, app: Flask, member: Member
) -> None:
    workers = [create_app(replace(settings, placement_max_age_seconds=age)) for age in (0.05, 0.1)]
    clients = [member.through(worker) for worker in workers]
    _, path = VIEWS[Feature.FHIR]
    assert [client.get(path).status_code for client in clients] == [200, 200]

    change(app, member, features={Feature.FHIR: False}, reason="A test")
    time.sleep(0.11)
    assert [client.get(path).status_code for client in clients] == [403, 403]

    change(app, member, removed=[Feature.FHIR])
    time.sleep(0.11)
    assert [client.get(path).status_code for client in clients] == [200, 200]


def test_an_exception_ends_by_itself(settings: Settings, app: Flask, member: Member) -> None:
    worker = member.through(create_app(replace(settings, placement_max_age_seconds=0.05)))
    until = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1)
    change(app, member, features={Feature.FHIR: False}, reason="A test", until=until)
    _, path = VIEWS[Feature.FHIR]
    assert worker.get(path).status_code == 403

    time.sleep(1.1)

    assert worker.get(path).status_code == 200


def test_a_tenant_sees_nothing_of_the_plan_of_another(
    app: Flask, member_in: Callable[[Tier], Member], tier: Tier
) -> None:
    ours, theirs = member_in(tier), member_in(tier)
    change(app, ours, plan="free", limits={Limit.PATIENTS: 3}, reason="For them alone")

    assert ours.get("/me").json["plan"]["name"] == "free"
    assert theirs.get("/me").json["plan"]["name"] == "standard"
    assert theirs.get("/fhir/ResearchStudy").status_code == 200
    assert "For them alone" not in ours.get("/me").text
