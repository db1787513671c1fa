"""Fixtures of organisations and of the tenants that share counts with them."""

import datetime as dt
import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from flask import Flask
from members import AsMember, MakeTenant
from shared_patients import (
    AddPatients,
    Analyst,
    Count,
    MakeNetwork,
    MakeOlder,
    Network,
    OwnerOf,
    RunJobs,
    accept,
)
from sqlalchemy import insert, text
from uuid_utils.compat import uuid7

from trially.analytics.publishing import share_counts
from trially.audit.working import working
from trially.auth.organisations.commands import mint_token
from trially.auth.roles import Role
from trially.database.changes import note_derived
from trially.database.rows import table_of
from trially.database.session import db, transaction
from trially.jobs.worker import Worker
from trially.recruiting.patients.model import Patient
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.context import tenant_context
from trially.tenancy.organisations.managing import create_organisation, invite_tenant

_numbers = itertools.count(1)


@pytest.fixture
def tenant(make_tenant: MakeTenant) -> Tenant:
    """A new tenant without data, which takes little time to create."""
    return make_tenant(Tier.POOLED_ROWS)


@pytest.fixture(scope="session")
def add_patients(app: Flask) -> AddPatients:
    """Insert patients into a tenant's database, and return their ids."""

    def add(tenant: Tenant, number: int, **values: Any) -> Sequence[str]:
        rows = [
            {
                "id": uuid7(),
                "tenant_id": tenant.id,
                "mrn": f"shared-{next(_numbers)}",
                "source_id": f"shared-{next(_numbers)}",
                "sex": "female",
                "birth_date": dt.date(1960, 5, 17),
                **values,
            }
            for _ in range(number)
        ]
        with app.app_context(), tenant_context(str(tenant.id)), transaction():
            db.session.execute(insert(table_of(Patient)), rows)
            note_derived("patient")
        return [str(row["id"]) for row in rows]

    return add


@pytest.fixture(scope="session")
def owner_of(as_member: AsMember) -> OwnerOf:
    """Return a client of an owner of a tenant."""
    return lambda tenant: as_member(tenant, Role.OWNER)


@pytest.fixture
def run_jobs(app: Flask) -> RunJobs:
    """Run all jobs that are due, and return their number."""
    return lambda: Worker(app, threads=1).run_due()


@pytest.fixture
def count(app: Flask) -> Count:
    """Count a tenant if that is due, and return what was counted."""

    def count(tenant: Tenant) -> Sequence[str]:
        with app.app_context(), tenant_context(str(tenant.id)), working():
            return [each.about for each in share_counts()]

    return count


@pytest.fixture
def make_older(app: Flask) -> MakeOlder:
    """Move a tenant's counts, and its patients, eight days into the past."""

    def make_older(tenant: Tenant) -> None:
        by = {"id": tenant.id, "by": dt.timedelta(days=8)}
        with app.app_context(), control_engine().begin() as catalog:
            catalog.execute(
                text("UPDATE shared_count SET counted_at = counted_at - :by WHERE tenant_id = :id"),
                by,
            )
            catalog.execute(
                text(
                    "UPDATE organisation_tenant SET joined_at = joined_at - :by"
                    " WHERE tenant_id = :id"
                ),
                by,
            )
        with app.app_context(), tenant_context(str(tenant.id)), transaction():
            db.session.execute(
                text("UPDATE patient SET created_at = created_at - :by WHERE tenant_id = :id"), by
            )
            note_derived("patient")

    return make_older


@pytest.fixture
def make_network(app: Flask, owner_of: OwnerOf, count: Count) -> MakeNetwork:
    """Make an organisation that tenants have joined, and that has one analyst."""

    def make(*tenants: Tenant) -> Network:
        short_name = f"network-{next(_numbers)}"
        with app.app_context():
            organisation = create_organisation(short_name, f"Network {short_name}")
            for tenant in tenants:
                invite_tenant(short_name, tenant.id)
            analyst = Analyst(app, mint_token(short_name, f"analyst@{short_name}"))
        for tenant in tenants:
            answer = accept(owner_of(tenant), str(organisation.id))
            assert answer.status_code == 200, answer.text
            count(tenant)
        return Network(str(organisation.id), short_name, analyst)

    return make
