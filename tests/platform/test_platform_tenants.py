"""Tenants through the platform API: created, changed, suspended, moved, erased."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, url_for
from members import AsMember, MakePatient, MakeTenant
from platform_clients import Operator, carry_out_all
from platform_rules import API_OF_PLATFORM, is_platform

from trially.http.contract import contract_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier

Work = Callable[[], int]


def test_a_tenant_is_created_changed_and_suspended(
    admin: Operator, work: Callable[[], int]
) -> None:
    body = {"slug": "northwind", "name": "Northwind", "tier": "pooled_rows", "owner": "nora"}

    answer = admin.post("/tenants", json=body)

    queued = answer.json
    assert (answer.status_code, queued["state"], queued["kind"]) == (
        202,
        "queued",
        "tenant.create",
    )
    assert admin.get("/tenants/northwind").status_code == 404
    assert work() == 1
    done = admin.operation(answer)
    assert done["state"] == "done", done
    assert done["result"]["tier"] == "pooled_rows"
    assert done["lifecycle"]["kind"] == "provision"
    shown = admin.get("/tenants/northwind")
    assert (shown.json["status"], shown.json["members"]) == ("active", 1)

    changed = admin.patch(
        "/tenants/northwind",
        {
            "name": "Northwind Research",
            "plan": "free",
            "overrides": {"patients": {"most": 700, "reason": "Pilot"}},
        },
        headers={"If-Match": shown.headers["ETag"]},
    )
    work()
    assert admin.operation(changed)["state"] == "done"
    tenant = admin.get("/tenants/northwind").json
    assert (tenant["name"], tenant["plan"]) == ("Northwind Research", "free")
    assert {"name": "patients", "most": 700} in tenant["limits"]
    [override] = tenant["overrides"]
    assert (override["name"], override["value"], override["reason"]) == ("patients", 700, "Pilot")

    suspended = admin.post("/tenants/northwind/suspend")
    work()
    assert admin.operation(suspended)["result"]["status"] == "suspended"
    assert admin.get("/tenants/northwind").json["status"] == "suspended"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"slug": "Not A Slug"}, "/slug"),
        ({"slug": "admin"}, "/slug"),
        ({"name": ""}, "/name"),
        ({"name": "Line\nbreak"}, "/name"),
        ({"plan": "there-is-none"}, "/plan"),
        ({"server": "there-is-none"}, "/server"),
        ({"tier": "there-is-none"}, "/tier"),
        ({"region": "there-is-none"}, "/region"),
        ({"time_zone": "There/Is_None"}, "/time_zone"),
        ({"unknown": 1}, "/unknown"),
    ],
)
def test_what_cannot_be_created_is_refused_at_once(
    admin: Operator, change: dict[str, Any], pointer: str
) -> None:
    answer = admin.post("/tenants", json={"slug": "refused", "name": "Refused", **change})

    assert (answer.status_code, answer.json["code"]) == (422, "validation_failed")
    assert [each["pointer"] for each in answer.json["errors"]] == [pointer]


def test_a_tier_that_the_plan_does_not_allow_is_refused_at_once(
    admin: Operator, tenant: Tenant
) -> None:
    admin.done(admin.post("/plans", json={"name": "narrow", "tiers": ["pooled_rows"]}))
    path = f"/tenants/{tenant.slug}"
    admin.done(admin.patch(path, {"plan": "narrow"}))
    try:
        new = {"slug": "refused", "name": "Refused", "plan": "narrow"}
        answers = [
            admin.post("/tenants", json={**new, "tier": "own_schema"}),
            admin.post(f"{path}/move", json={"tier": "own_schema"}),
        ]
    finally:
        admin.done(admin.patch(path, {"plan": tenant.plan}))
        admin.done(admin.delete("/plans/narrow"))

    for answer in answers:
        assert answer.status_code == 422, answer.text
        assert answer.json["errors"] == [
            {
                "pointer": "/tier",
                "detail": "The plan narrow does not allow it, but pooled_rows.",
            }
        ]


@pytest.mark.parametrize(
    "overrides",
    [
        {"there-is-none": {"most": 1, "reason": "x"}},
        {"patients": {"is_on": True, "reason": "x"}},
        {"exports": {"most": 1, "reason": "x"}},
        {"patients": {"most": 1}},
        {"patients": {"most": -1, "reason": "x"}},
        {"patients": {"most": 1.5, "reason": "x"}},
        {"patients": {"most": 1, "reason": "x", "until": "yesterday"}},
        {"patients": {"most": 1, "reason": "x", "until": "2020-01-01T00:00:00Z"}},
    ],
)
def test_an_exception_that_is_none_is_refused(
    admin: Operator, tenant: Tenant, overrides: dict[str, Any]
) -> None:
    answer = admin.patch(f"/tenants/{tenant.slug}", {"overrides": overrides})

    assert answer.status_code == 422, answer.text


def test_an_exception_is_removed_by_null(admin: Operator, tenant: Tenant) -> None:
    path, until = f"/tenants/{tenant.slug}", "2099-01-01T00:00:00Z"
    overrides = {
        "members": {"most": 3, "reason": "Trial", "until": until},
        "exports": {"is_on": False, "reason": "Not signed yet"},
    }
    admin.done(admin.patch(path, {"overrides": overrides}))
    assert [each["name"] for each in admin.get(path).json["overrides"]] == ["exports", "members"]
    assert "exports" not in admin.get(path).json["features"]

    result = admin.done(admin.patch(path, {"overrides": {"exports": None}}))

    assert "exports" in result["tenant"]["features"]
    [left] = admin.get(path).json["overrides"]
    assert (left["name"], left["until"]) == ("members", until)


def test_an_erasure_is_ordered_and_cancelled(admin: Operator, tenant: Tenant) -> None:
    path = f"/tenants/{tenant.slug}"
    body = {"after_days": 10, "reason": "The contract has ended"}
    admin.done(admin.post(f"{path}/delete-request", json=body))
    shown = admin.get(path).json
    assert (shown["status"], shown["erase_after"] is None) == ("suspended", False)
    refused = admin.post(f"{path}/resume")
    carry_out_all(admin.app)
    assert admin.operation(refused)["error"]["code"] == "erasure_ordered"

    admin.done(admin.delete(f"{path}/delete-request"))

    shown = admin.get(path).json
    assert (shown["status"], shown["erase_after"]) == ("active", None)


def test_a_tenant_moves_and_moves_back(
    admin: Operator, make_tenant: MakeTenant, as_member: AsMember, make_patient: MakePatient
) -> None:
    tenant = make_tenant(Tier("pooled_rows"))
    make_patient(as_member(tenant))
    path = f"/tenants/{tenant.slug}"

    unhurried = {"max_pause_ms": 30_000}

    moved = admin.done(admin.post(f"{path}/move", json={"tier": "own_schema", **unhurried}))

    assert (moved["from"], moved["to"]) == ("pooled_rows on default", "own_schema on default")
    assert moved["result"]["pause_ms"] >= 0
    assert admin.get(path).json["tier"] == "own_schema"
    placements = admin.get(f"/placements?tenant={tenant.slug}").json["data"]
    shown = {(each["tier"], each["is_active"], bool(each["kept_until"])) for each in placements}
    assert shown == {("own_schema", True, False), ("pooled_rows", False, True)}
    admin.done(admin.post(f"{path}/move-back", json=unhurried))
    assert admin.get(path).json["tier"] == "pooled_rows"


def test_a_move_that_is_blocked_says_why(admin: Operator, tenant: Tenant) -> None:
    asked = admin.post(f"/tenants/{tenant.slug}/move-back", json={})
    carry_out_all(admin.app)

    assert admin.operation(asked)["error"]["code"] == "nothing_kept"
    assert admin.post(f"/tenants/{tenant.slug}/move", json={}).status_code == 422


def test_tenants_are_listed_in_pages_and_filtered(admin: Operator, make_tenant: MakeTenant) -> None:
    slugs = [f"paged-{number}" for number in range(3)]
    for slug in slugs:
        make_tenant(Tier("pooled_rows"), slug=slug, name="Paged Research")
    found, cursor = [], ""
    for _ in slugs:
        page = admin.get(f"/tenants?text=paged&limit=1{cursor}").json
        found += [each["slug"] for each in page["data"]]
        cursor = f"&cursor={page['page']['next']}"

    assert found == slugs
    assert page["page"] == {"next": None, "has_more": False}
    assert admin.get("/tenants?text=paged&tier=own_schema").json["data"] == []
    assert admin.get("/tenants?text=paged&status=active&plan=standard").json["data"] != []
    assert admin.get("/tenants?unknown=1").status_code == 400
    assert admin.get("/tenants?limit=1000").status_code == 400
    assert admin.get("/tenants/there-is-none").json["code"] == "not_found"


def test_an_answer_has_exactly_what_its_schema_says(
    admin: Operator, tenant: Tenant, app: Flask
) -> None:
    """Answers are rendered from rows: the schema only describes them."""
    admin.done(admin.post(f"/tenants/{tenant.slug}/resume"))
    arguments = {
        "slug": tenant.slug,
        "plan": "standard",
        "server": "default",
        "operation_id": admin.get("/operations").json["data"][0]["id"],
    }
    checked = 0
    for rule in app.url_map.iter_rules():
        if not is_platform(rule) or "GET" not in (rule.methods or set()):
            continue
        if not rule.arguments <= arguments.keys():
            continue
        with app.test_request_context():
            path = url_for(rule.endpoint, **{name: arguments[name] for name in rule.arguments})
        query = {"month": "2026-11"} if path.endswith("/usage") else {}
        answer = admin.get(path.removeprefix(API_OF_PLATFORM), query_string=query)
        assert answer.status_code == 200, (path, answer.text)
        schema = contract_of(app.view_functions[rule.endpoint]).result
        assert schema is not None
        items = answer.json["data"] if "page" in answer.json else [answer.json]
        for item in items:
            assert set(item) == set(schema.fields), path
            checked += 1
    assert checked > 10
