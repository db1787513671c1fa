"""A copy of a tenant is a tenant of its own, and is not billed for the days of the other one."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from members import AsMember, MakePatient, MakeTenant
from usage_days import ONE_DAY, SOON, Count, DaysOf, MakeOlder, today

from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle.listing import get_tenant

RunCommand = Callable[..., Any]


@pytest.fixture
def counted(
    make_tenant: MakeTenant,
    as_member: AsMember,
    make_patient: MakePatient,
    make_older: MakeOlder,
    count: Count,
) -> Tenant:
    """A tenant with a patient, whose yesterday is counted."""
    tenant = make_tenant(Tier.POOLED_ROWS)
    make_patient(as_member(tenant))
    make_older(tenant, 1)
    count(tenant, dt.datetime.now(dt.UTC))
    return tenant


def test_a_clone(
    app: Flask,
    run_command: RunCommand,
    counted: Tenant,
    count: Count,
    days_of: DaysOf,
    copies_of: DaysOf,
) -> None:
    slug = f"{counted.slug}-clone"

    run(run_command, "tenants", "clone", counted.slug, slug)

    assert_counted_from_today(tenant_of(app, slug), count, days_of, copies_of)


def test_a_tenant_restored_as_a_new_one(
    app: Flask,
    run_command: RunCommand,
    counted: Tenant,
    count: Count,
    days_of: DaysOf,
    copies_of: DaysOf,
) -> None:
    before, slug = days_of(counted), f"{counted.slug}-restored"
    [archive] = json.loads(run(run_command, "tenants", "backup", counted.slug, "--json"))

    run(run_command, "tenants", "restore", archive["archive"], "--as", slug)

    assert_counted_from_today(tenant_of(app, slug), count, days_of, copies_of)
    assert days_of(counted) == before


def assert_counted_from_today(
    tenant: Tenant, count: Count, days_of: DaysOf, copies_of: DaysOf
) -> None:
    day = today(tenant)
    assert days_of(tenant) == {}

    assert count(tenant, day.ended_at + SOON) == [day.date]

    assert copies_of(tenant)[day.date, "patients"]["quantity"] == 1
    assert (day.date - ONE_DAY, "patients") not in copies_of(tenant)


def tenant_of(app: Flask, slug: str) -> Tenant:
    with app.app_context():
        return get_tenant(slug)


def run(run_command: RunCommand, *arguments: str) -> str:
    result = run_command(*arguments)
    assert result.exit_code == 0, result.output
    return str(result.stdout)
