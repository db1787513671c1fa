"""Operators report and export what tenants used, and can say where each number comes from."""

import csv
import datetime as dt
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from members import AsMember, MakePatient, MakeTenant
from usage_days import LATER, ONE_DAY, SOON, Count, Days, DaysOf, MakeOlder, today

from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.entitlements.limits import Limit
from trially.tenancy.lifecycle.plans.assigning import TenantChange, change_tenant
from trially.usage.days import Month

RunCommand = Callable[..., Any]


@pytest.fixture
def used(make_tenant: MakeTenant, count: Count) -> Callable[[Tier], Tenant]:
    """Return a new tenant whose present day is counted as if it had ended."""

    def used(tier: Tier = Tier.POOLED_ROWS, member: Any = None) -> Tenant:
        tenant = make_tenant(tier)
        count(tenant, today(tenant).ended_at + LATER)
        return tenant

    return used


def lines_of(run_command: RunCommand, tenant: Tenant, *options: str) -> dict[str, Any]:
    """Return a tenant's lines of the report, by meter."""
    month = str(Month.of(today(tenant).date))
    found = run_command("usage", "report", "--month", month, "--json", *options)
    assert found.exit_code == 0, found.output
    lines = json.loads(found.stdout)
    return {each["meter"]: each for each in lines if each["tenant_id"] == str(tenant.id)}


def test_the_report_has_each_tenant(
    run_command: RunCommand,
    make_tenant: MakeTenant,
    as_member: AsMember,
    make_patient: MakePatient,
    count: Count,
    tier: Tier,
) -> None:
    one, other = make_tenant(tier), make_tenant(tier)
    make_patient(as_member(one))
    for each in (one, other):
        count(each, today(one).ended_at + LATER)

    all_lines = lines_of(run_command, one)
    own_lines = lines_of(run_command, one, "--tenant", one.slug)

    assert all_lines == own_lines
    assert all_lines["patients"]["quantity"] == 1
    assert all_lines["patients"]["tenant"] == one.slug
    assert lines_of(run_command, other)["patients"]["quantity"] == 0
    assert lines_of(run_command, other, "--tenant", one.slug) == {}


def test_what_the_plan_includes_and_what_exceeds_it(
    app: Flask,
    run_command: RunCommand,
    make_tenant: MakeTenant,
    as_member: AsMember,
    make_patient: MakePatient,
    count: Count,
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    member = as_member(tenant)
    make_patient(member)
    make_patient(member)
    with app.app_context():
        change = TenantChange(limits={Limit.PATIENTS: 1}, reason="A test")
        change_tenant(tenant.slug, change)
    count(tenant, today(tenant).ended_at + LATER)

    lines = lines_of(run_command, tenant)

    assert (lines["patients"]["included"], lines["patients"]["overage"]) == (1, 1)
    assert (lines["requests"]["included"], lines["requests"]["overage"]) == (None, None)


def test_csv(run_command: RunCommand, used: Callable[..., Tenant]) -> None:
    tenant = used()
    month = str(Month.of(today(tenant).date))

    printed = run_command("usage", "report", "--month", month, "--tenant", tenant.slug, "--csv")

    rows = list(csv.DictReader(io.StringIO(printed.stdout)))
    assert [row["meter"] for row in rows][:2] == ["patients", "matches"]
    assert rows[0].keys() == lines_of(run_command, tenant)["patients"].keys()


def test_every_number_can_be_explained(
    run_command: RunCommand,
    make_tenant: MakeTenant,
    as_member: AsMember,
    make_patient: MakePatient,
    count: Count,
    tier: Tier,
) -> None:
    tenant = make_tenant(tier)
    member = as_member(tenant)
    make_patient(member)
    day = today(tenant)
    count(tenant, day.ended_at + LATER)

    explained = lines_of(run_command, tenant, "--tenant", tenant.slug, "--explain")

    [patients] = explained["patients"]["days"]
    assert "FROM patient" in explained["patients"]["query"]
    assert (patients["quantity"], patients["counts_now"]) == (1, 1)
    assert patients["parameters"].keys() == {"tenant_id", "ended_at"}
    [members] = explained["active_members"]["days"]
    assert members["ids"] == [member.get("/me").json["id"]]
    assert members["counts_now"] == 1
    assert explained["requests"]["database"] == "catalog"
    month = str(Month.of(day.date))
    text = run_command("usage", "report", "--month", month, "--tenant", tenant.slug, "--explain")
    assert f"{tenant.slug} patients, in the tenant:" in text.stdout


def test_days_that_are_not_counted(
    run_command: RunCommand, make_tenant: MakeTenant, make_older: MakeOlder
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    make_older(tenant, 1)
    yesterday = today(tenant).date - ONE_DAY

    printed = run_command(
        *("usage", "report", "--month", str(Month.of(yesterday)), "--tenant", tenant.slug)
    )

    assert f"{tenant.slug}: 1 day not counted ({yesterday})." in printed.stderr


def test_events_are_the_same_each_time(
    run_command: RunCommand, used: Callable[..., Tenant], count: Count
) -> None:
    tenant, other = used(), used()
    day = today(tenant)
    month = str(Month.of(day.date))
    command = ("usage", "export", "--month", month, "--tenant", tenant.slug)

    first = run_command(*command, "--format", "cloudevents").stdout
    count(tenant, day.ended_at + 2 * LATER)
    second = run_command(*command).stdout

    assert first == second
    assert str(other.id) not in first
    events = [json.loads(line) for line in first.splitlines()]
    assert len({event["id"] for event in events}) == len(events) == 8
    [patients] = [event for event in events if event["type"] == "ai.trially.usage.patients"]
    assert patients["specversion"] == "1.0"
    assert patients["id"] == f"{tenant.id}/{day.date}/patients"
    assert patients["subject"] == str(tenant.id)
    assert dt.datetime.fromisoformat(patients["time"]) == day.ended_at
    assert patients["data"]["value"] == 0
    assert json.loads(run_command(*command, "--json").stdout) == events
    of_tenant = ("usage", "export", "--tenant", tenant.slug)
    assert run_command(*of_tenant, "--day", str(day.date)).stdout == first
    assert run_command(*of_tenant, "--day", f"{month}-01").stdout == (
        first if day.date.day == 1 else ""
    )
    assert run_command(*command, "--day", str(day.date)).exit_code == 2


def test_an_erased_tenants_months_stay(
    run_command: RunCommand,
    make_tenant: MakeTenant,
    as_member: AsMember,
    make_patient: MakePatient,
    count: Count,
    copies_of: DaysOf,
) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)
    make_patient(as_member(tenant))
    count(tenant, today(tenant).ended_at + SOON)
    before: Days = copies_of(tenant)

    erased = run_command("tenants", "erase", tenant.slug, "--now", "--yes", tenant.slug)

    assert erased.exit_code == 0, erased.output
    assert copies_of(tenant) == before
    lines = lines_of(run_command, tenant, "--tenant", str(tenant.id))
    assert lines["patients"]["quantity"] == 1
    assert lines["patients"]["tenant"] == "(erased)"
    assert tenant.slug not in json.dumps(lines)
    explained = lines_of(run_command, tenant, "--tenant", str(tenant.id), "--explain")
    assert "ids" not in explained["active_members"]["days"][0]


def test_a_tenant_or_month_without_usage(run_command: RunCommand, make_tenant: MakeTenant) -> None:
    tenant = make_tenant(Tier.POOLED_ROWS)

    unknown = run_command("usage", "report", "--month", "2026-11", "--tenant", "no-such-tenant")
    empty = run_command("usage", "report", "--month", "2020-01", "--tenant", tenant.slug)
    wrong = run_command("usage", "report", "--month", "2026-13")

    assert "no-such-tenant" in unknown.stderr
    assert f"Nothing is counted of {tenant.slug} in 2020-01." in empty.stderr
    assert "'2026-13' is no month." in wrong.stderr
    assert {unknown.exit_code, empty.exit_code, wrong.exit_code} <= {1, 2}
