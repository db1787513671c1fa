"""Plans, servers, migrations, the doctor, backups and usage through the platform API."""

import datetime as dt
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import UUID

import pytest
from flask import Flask
from members import MakeTenant
from platform_clients import Operator, carry_out_all
from sqlalchemy import insert, update

from trially.tenancy.archives.finding import find_archive
from trially.tenancy.archives.reading import verify_archive
from trially.tenancy.catalog import PlacementRecord, Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.operators.model import PlatformRole
from trially.usage.meters import Meter
from trially.usage.model import DailyUsageCopy


def test_a_plan_is_created_changed_and_deleted(admin: Operator) -> None:
    admin.done(admin.post("/plans", json={"name": "clinic", "like": "free"}))
    shown = admin.get("/plans/clinic")
    assert (shown.json["tenants"], shown.json["limits"]["patients"]) == (0, 500)

    change = {"limits": {"patients": None, "members": 9}, "features": {"exports": True}}
    seen = {"headers": {"If-Match": shown.headers["ETag"]}}
    admin.done(admin.patch("/plans/clinic", change, **seen))

    changed = admin.get("/plans/clinic").json
    assert (changed["limits"]["patients"], changed["limits"]["members"]) == (None, 9)
    assert changed["features"] == ["exports"]
    assert admin.patch("/plans/clinic", {}, **seen).json["code"] == "version_conflict"
    assert admin.post("/plans", json={"name": "clinic"}).json["code"] == "already_exists"
    assert admin.post("/plans", json={"name": "x", "like": "none"}).status_code == 422
    names = [each["name"] for each in admin.get("/plans?limit=200").json["data"]]
    assert names == sorted(names)
    assert "clinic" in names
    admin.done(admin.delete("/plans/clinic"))
    assert admin.get("/plans/clinic").status_code == 404


@pytest.mark.usefixtures("tenant")
def test_a_plan_of_tenants_is_not_deleted(admin: Operator) -> None:
    answer = admin.delete("/plans/standard")

    assert (answer.status_code, answer.json["code"]) == (409, "still_referenced")


def test_a_server_is_drained_and_resumed(admin: Operator, tenant: Tenant) -> None:
    admin.done(admin.post("/servers/default/drain", json={}))
    try:
        shown = admin.get("/servers/default").json
        assert (shown["state"], shown["tenants"] > 0) == ("draining", True)
        placed = admin.post("/tenants", json={"slug": "not-placed", "name": "Not placed"})
        carry_out_all(admin.app)
        assert admin.operation(placed)["error"]["code"] == "no_fitting_server"
    finally:
        admin.done(admin.post("/servers/default/resume"))
    [server] = admin.get("/servers").json["data"]
    assert server == admin.get("/servers/default").json
    assert server["state"] == "active"
    assert admin.get("/servers/none").status_code == 404
    assert admin.get(f"/tenants/{tenant.slug}").json["server"] == "default"


def test_placements_are_filtered(app: Flask, admin: Operator, make_tenant: MakeTenant) -> None:
    tenant = make_tenant(Tier("pooled_rows"))
    path = f"/placements?tenant={tenant.slug}"
    [placement] = admin.get(path).json["data"]
    assert (placement["revision_state"], placement["quarantine"]) == ("current", None)
    assert placement["tenant_id"] == str(tenant.id)
    with app.app_context(), catalog_transaction() as session:
        session.execute(
            update(PlacementRecord)
            .where(PlacementRecord.tenant_id == tenant.id)
            .values(quarantine="It failed.")
        )

    assert admin.get(f"{path}&is_quarantined=false").json["data"] == []
    [quarantined] = admin.get(f"{path}&is_quarantined=true&is_active=true").json["data"]
    assert quarantined["quarantine"] == "It failed."
    assert admin.get("/revisions").json["quarantined"] >= 1
    assert admin.get(f"{path}%00").status_code == 400


def test_named_tenants_are_migrated_and_the_ledger_shows_it(
    admin: Operator, tenant: Tenant
) -> None:
    result = admin.done(admin.post("/migrations", json={"tenants": [tenant.slug]}))

    assert (result["state"], result["migrated"], result["at_target"]) == ("done", 0, 1)
    [newest] = admin.get("/migrations?limit=1").json["data"]
    run = admin.get(f"/migrations/{newest['id']}").json
    assert (run["state"], run["at_target"], run["unmigrated"]) == ("done", 1, [])
    unknown = admin.post("/migrations", json={"tenants": ["there-is-none"]})
    carry_out_all(admin.app)
    assert admin.operation(unknown)["error"]["code"] == "not_atenant"
    assert admin.post("/migrations", json={"stop_at_failures": "all"}).status_code == 422


def test_a_named_tenant_is_backed_up(app: Flask, admin: Operator, tenant: Tenant) -> None:
    result = admin.done(admin.post("/backups", json={"tenants": [tenant.slug]}))

    [archive] = admin.get(f"/backups?tenant={tenant.slug}").json["data"]
    assert result == {"tenants": 1, "archives": [archive["id"]]}
    with app.app_context():
        url = find_archive(UUID(archive["id"])).url
        with Path(unquote(urlsplit(url).path)).open("rb") as file:
            assert verify_archive(file).rows == archive["rows"]
    assert admin.get("/backups?tenant=there-is-none").json["data"] == []


def test_an_installation_is_examined_and_kept_up(own_app: Flask) -> None:
    operator = Operator(own_app)
    with own_app.app_context():
        create_tenant("kept", "Kept", tier=Tier("pooled_rows"))
    assert operator.get("/doctor").json["examined_at"] is None

    operator.done(operator.post("/doctor"))
    migrated = operator.done(operator.post("/migrations", json={}))
    backed_up = operator.done(operator.post("/backups", json={}))
    newer = operator.done(operator.post("/backups", json={"unless_newer_hours": 1}))

    found = operator.get("/doctor").json
    assert found["checks"] > 20
    assert found["errors"] == sum(each["level"] == "error" for each in found["findings"])
    assert migrated["state"] == "done"
    assert (backed_up["tenants"], newer["tenants"]) == (1, 0)
    mixed = {"tenants": ["kept"], "unless_newer_hours": 1}
    assert operator.post("/backups", json=mixed).status_code == 422


def test_moves_are_advised_and_not_made(own_app: Flask) -> None:
    operator = Operator(own_app)
    with own_app.app_context():
        tenant = create_tenant("crowded", "Crowded", tier=Tier("own_schema"))
        with catalog_transaction() as session:
            session.execute(update(Tenant).where(Tenant.id == tenant.id).values(plan="free"))
    assert operator.get("/advice").json["advised_at"] is None

    operator.done(operator.post("/advice"))

    found = operator.get("/advice").json
    [move] = found["moves"]
    assert (move["tenant"], move["rule"]) == ("crowded", "tier_not_in_plan")
    assert move["command"] == "flask tenants move crowded --to-tier pooled_rows"
    assert (found["refused"], found["unplaced"], found["has_more"]) == ([], [], False)
    assert "their load is not known: crowded" in found["missing"][0]
    assert operator.get("/tenants/crowded").json["tier"] == "own_schema"
    assert Operator(own_app, role=PlatformRole.VIEWER).post("/advice").status_code == 403


def test_usage_of_a_month_is_listed(app: Flask, admin: Operator, make_tenant: MakeTenant) -> None:
    tenants = [make_tenant(Tier("pooled_rows")) for _ in range(2)]
    moment = dt.datetime(2025, 3, 2, tzinfo=dt.UTC)
    common = {"meter": Meter.PATIENTS, "included": 10, "plan": "free", "quality": "exact"}
    with app.app_context(), catalog_transaction() as session:
        for tenant in tenants:
            for day, quantity in ((1, 8), (2, 12)):
                row = {"tenant_id": tenant.id, "day": dt.date(2025, 3, day), "quantity": quantity}
                values = {**row, **common, "ended_at": moment, "counted_at": moment}
                session.execute(insert(DailyUsageCopy).values(values))
    listed, cursor = [], ""
    for _ in tenants:
        page = admin.get(f"/usage?month=2025-03&limit=1{cursor}").json
        listed += page["data"]
        cursor = f"&cursor={page['page']['next']}"

    assert [each["tenant"] for each in listed] == sorted(each.slug for each in tenants)
    [meter] = listed[0]["meters"]
    assert (meter["quantity"], meter["overage"], meter["days"]) == (12, 2, 2)
    one = admin.get(f"/usage?month=2025-03&tenant={tenants[1].slug}").json["data"]
    assert [each["tenant"] for each in one] == [tenants[1].slug]
    assert admin.get(f"/usage?month=2024-03&tenant={tenants[1].slug}").json["data"] == []
    assert admin.get("/usage?month=2025-03&tenant=there-is-none").status_code == 404
    assert admin.get("/usage").status_code == 400
