"""Rules of alerts: what each finds, once, in its own tenant only."""

import datetime as dt
import logging
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from members import AsMember, MakePatient, MakeTenant, Member
from moves import switch
from tenant_databases import access_of
from two_tenants import Clinic

from trially.auditing.alerts.evaluating import evaluate
from trially.auditing.alerts.rules import RULES, RuleName
from trially.auth.roles import Role
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.servers.connections import execute

Evaluate = Callable[[Member], list[dict[str, Any]]]


@pytest.fixture
def find(app: Flask) -> Evaluate:
    def run(member: Member) -> list[dict[str, Any]]:
        with app.app_context(), tenant_context(member.tenant.slug):
            return list(evaluate())

    return run


@pytest.fixture
def pooled(make_tenant: MakeTenant, as_member: AsMember) -> Member:
    """The owner of a new tenant of the tier whose tables all tenants share."""
    return as_member(make_tenant(Tier.POOLED_ROWS), Role.OWNER, display_name="Olga Owner")


def limit(owner: Member, rule: RuleName, **limits: Any) -> None:
    path = f"/audit/alert-rules/{rule}"
    assert owner.patch(path, json=limits).status_code == 200


def test_an_alert_is_of_its_tenant_only(clinic: Clinic, neighbour: Clinic, find: Evaluate) -> None:
    for each in (clinic, neighbour):
        limit(each.owner, RuleName.BULK_READS, threshold=0)
    first, again = find(clinic.owner), find(clinic.owner)
    theirs = find(neighbour.owner)

    mine = {each["id"] for each in clinic.owner.get("/audit/alerts").json["data"]}
    assert {str(each["id"]) for each in first} == mine
    assert again == []
    assert RuleName.BULK_READS in {each["rule"] for each in first}
    assert mine.isdisjoint({str(each["id"]) for each in theirs})
    foreign = f"/audit/alerts/{theirs[0]['id']}"
    assert clinic.owner.get(foreign).status_code == 404
    assert clinic.owner.patch(foreign, json={"is_acknowledged": True}).status_code == 404


def test_bulk_reads_count_different_patients(
    pooled: Member, make_patient: MakePatient, find: Evaluate
) -> None:
    limit(pooled, RuleName.BULK_READS, threshold=2)
    patients = [make_patient(pooled)["id"] for _ in range(3)]
    for _ in range(3):
        pooled.get(f"/patients/{patients[0]}")
        pooled.get(f"/patients/{patients[1]}")
    few = find(pooled)
    pooled.get(f"/patients/{patients[2]}")
    [alert] = find(pooled)

    assert few == []
    assert (alert["rule"], alert["count"], alert["threshold"]) == ("bulk_reads", 3, 2)
    # The same person goes on: the alert grows, and there is no other one.
    make_patient(pooled)
    pooled.get("/patients")
    assert find(pooled) == []
    [shown] = pooled.get("/audit/alerts").json["data"]
    assert shown["count"] == 4


def test_own_and_colleagues_records(
    pooled: Member, as_member: AsMember, make_patient: MakePatient, find: Evaluate
) -> None:
    as_member(pooled.tenant, Role.VIEWER, email="vic@clinic.example")
    own = make_patient(pooled, given_name="Olga", family_name="OWNER")
    colleague = make_patient(pooled, email="Vic@clinic.example")
    other = make_patient(pooled)
    pooled.get("/patients")
    created = find(pooled)
    for patient in (own, colleague, other):
        pooled.get(f"/patients/{patient['id']}/records")

    opened = {each["rule"] for each in find(pooled)}

    assert created == []  # a list, and new records, open none
    assert opened == {"own_record", "colleagues_record"}


def test_after_hours_are_in_the_tenants_time_zone(
    pooled: Member, make_patient: MakePatient, find: Evaluate, run_command: Callable[..., Any]
) -> None:
    patient = make_patient(pooled)["id"]
    zone = dt.timezone(dt.timedelta(hours=14))  # Pacific/Kiritimati
    run_command("tenants", "set", pooled.tenant.slug, "--time-zone", "Pacific/Kiritimati")
    hour = dt.datetime.now(zone).hour
    limit(
        pooled,
        RuleName.AFTER_HOURS,
        threshold=0,
        opens_at=f"{hour:02}:00:00",
        closes_at="23:59:59",
    )
    pooled.get(f"/patients/{patient}")
    within = find(pooled)
    limit(pooled, RuleName.AFTER_HOURS, opens_at="00:00:00", closes_at="00:00:00")
    pooled.get(f"/patients/{patient}")

    assert within == []
    assert [each["rule"] for each in find(pooled)] == ["after_hours"]


def test_many_refusals(
    pooled: Member, as_member: AsMember, find: Evaluate, caplog: pytest.LogCaptureFixture
) -> None:
    viewer = as_member(pooled.tenant, Role.AUDITOR)
    for _ in range(RULES[RuleName.MANY_REFUSALS].threshold + 1):
        viewer.get("/patients")
    with caplog.at_level(logging.WARNING):
        [alert] = find(pooled)

    assert alert["rule"] == "many_refusals"
    assert str(alert["id"]) in caplog.text


def test_an_alert_is_acknowledged_by_others(
    pooled: Member, as_member: AsMember, make_patient: MakePatient, find: Evaluate
) -> None:
    auditor = as_member(pooled.tenant, Role.AUDITOR)
    limit(pooled, RuleName.BULK_READS, threshold=0)
    pooled.get(f"/patients/{make_patient(pooled)['id']}")
    [alert] = find(pooled)
    path, done = f"/audit/alerts/{alert['id']}", {"is_acknowledged": True, "note": "Fine."}

    refused = pooled.patch(path, json=done)
    answer = auditor.patch(path, json=done)

    assert (refused.status_code, refused.json["code"]) == (403, "own_alert")
    assert answer.json["acknowledged_by"] == auditor.subject
    assert pooled.get("/audit/alerts?is_acknowledged=false").json["data"] == []
    pooled.get(f"/patients/{make_patient(pooled)['id']}")
    assert [each["rule"] for each in find(pooled)] == ["bulk_reads"]


def test_rules_are_changed_by_owners_only(pooled: Member, as_member: AsMember) -> None:
    path = "/audit/alert-rules/bulk_reads"
    admin = as_member(pooled.tenant, Role.ADMIN)
    default = pooled.get(path).json

    assert admin.patch(path, json={"threshold": 1}).status_code == 403
    changed = pooled.patch(path, json={"threshold": 1, "is_enabled": False})
    assert changed.json == default | {"threshold": 1, "is_enabled": False, "etag": '"1"'}
    stale = pooled.patch(path, json={"threshold": 2}, headers={"If-Match": '"0"'})
    assert stale.status_code == 412
    restored = pooled.patch(path, json={"threshold": None, "is_enabled": None})
    assert restored.json == default | {"etag": '"2"'}
    [record] = pooled.get("/audit?limit=1").json["data"]
    assert record["changes"][0]["values"]["threshold"] == [1, None]
    listed = pooled.get("/audit/alert-rules").json["data"]
    assert [each["name"] for each in listed] == list(RULES)
    assert pooled.get("/audit/alert-rules/unknown").status_code == 404


def test_records_are_evaluated_in_steps(
    pooled: Member, make_patient: MakePatient, find: Evaluate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trially.auditing.alerts.evaluating.STEP", 1)
    limit(pooled, RuleName.BULK_READS, threshold=1)
    for _ in range(2):
        pooled.get(f"/patients/{make_patient(pooled)['id']}")

    [alert] = find(pooled)

    assert alert["count"] == 2


def test_records_of_a_cluster_with_higher_transaction_ids_are_evaluated(
    app: Flask,
    make_tenant: MakeTenant,
    as_member: AsMember,
    make_patient: MakePatient,
    find: Evaluate,
    tier: Tier,
) -> None:
    """The tenant has moved to a younger cluster since, and nothing was recorded there yet."""
    owner = as_member(make_tenant(tier), Role.OWNER)
    limit(owner, RuleName.BULK_READS, threshold=2)
    for _ in range(3):
        owner.get(f"/patients/{make_patient(owner)['id']}")
    table = f"{owner.tenant.placement.schema}.audit_record"
    with access_of(app).administer(owner.tenant.placement.database) as raw:
        execute(raw, "SET session_replication_role = replica")
        change = f"UPDATE {table} SET transaction_id = transaction_id + %s WHERE tenant_id = %s"
        execute(raw, change, 10**12, str(owner.tenant.id))

    switch(app, owner.tenant)
    counts = {each["rule"]: each["count"] for each in find(owner)}
    assert find(owner) == []
    owner.get(f"/patients/{make_patient(owner)['id']}")
    find(owner)

    [shown] = [
        each
        for each in owner.get("/audit/alerts").json["data"]
        if each["rule"] == RuleName.BULK_READS
    ]
    assert counts[RuleName.BULK_READS] == 3
    assert shown["count"] == 4
