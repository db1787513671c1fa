"""The log of a tenant that moved to a younger cluster, whose transaction ids are lower."""

from uuid import UUID

import pytest
from flask import Flask
from members import AsMember, MakeTenant
from moves import switch, switch_to_copy
from tenant_databases import access_of, ask
from uuid_utils.compat import uuid7

from trially.audit import indexing
from trially.audit.finding import find_record_ids
from trially.audit.recording import note
from trially.audit.sealer import seal_tenant
from trially.audit.subjects import pack
from trially.audit.working import working
from trially.database.session import db, transaction
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.servers.connections import execute

OLD_CLUSTER = 10**12
"""How much higher the transaction ids of the cluster of before are."""

PATIENT = 7


@pytest.fixture
def moved(app: Flask, make_tenant: MakeTenant, tier: Tier) -> tuple[Tenant, list[UUID]]:
    """A tenant that has moved, and the ids of its records of before."""
    tenant = make_tenant(tier)
    ids = write_records(app, tenant, 3, OLD_CLUSTER)
    switch(app, tenant)
    return tenant, ids


def write_records(app: Flask, tenant: Tenant, number: int, offset: int = 0) -> list[UUID]:
    """Add records of the current epoch whose transaction ids are higher by an offset."""
    ids = [uuid7() for _ in range(number)]
    with app.app_context(), tenant_context(tenant.slug) as entry:
        for id_ in ids:
            db.session.connection().exec_driver_sql(
                "INSERT INTO audit_record (tenant_id, id, form_id, epoch, outcome, subjects,"
                " transaction_id) VALUES (%s, %s, %s, %s, 200, %s,"
                " pg_current_xact_id()::text::bigint + %s)",
                (tenant.id, id_, UUID(int=1), entry.placement.epoch, pack([PATIENT]), offset),
            )
            db.session.commit()
    return ids


def found_in(app: Flask, tenant: Tenant) -> list[UUID]:
    with app.app_context(), tenant_context(tenant.slug):
        return find_record_ids(PATIENT)


def sealed_by(app: Flask, tenant: Tenant) -> int:
    with app.app_context():
        return seal_tenant(tenant.slug).records


def test_records_of_before_are_sealed_without_any_record_since(
    app: Flask, moved: tuple[Tenant, list[UUID]]
) -> None:
    tenant, _ = moved

    assert sealed_by(app, tenant) == 3


def test_records_of_before_and_since_are_one_chain(
    app: Flask, moved: tuple[Tenant, list[UUID]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "RECORDS_OF_LEVEL", (3, 1000))
    tenant, ids = moved
    ids += write_records(app, tenant, 2)
    assert found_in(app, tenant) == ids[::-1]  # all of them in the tail

    assert sealed_by(app, tenant) == 5
    ids += write_records(app, tenant, 1)

    assert found_in(app, tenant) == ids[::-1]
    assert sealed_by(app, tenant) == 1
    with app.app_context(), tenant_context(tenant.slug):
        order = db.session.connection().exec_driver_sql(
            "SELECT last[1] FROM audit_seal WHERE tenant_id = %s ORDER BY number", (tenant.id,)
        )
        assert [epoch for (epoch,) in order] == ["2", "2"]


def test_a_form_that_the_place_of_before_had_is_stored_at_the_new_one(
    app: Flask, make_tenant: MakeTenant, as_member: AsMember
) -> None:
    """A move that was rolled back may have left a place without the newest rows."""
    member = as_member(make_tenant(Tier.DEDICATED_DATABASE))
    assert member.get("/patients").status_code == 200
    copy = switch_to_copy(app, member.tenant)
    with access_of(app).administer(copy) as raw:
        execute(raw, "SET session_replication_role = replica; DELETE FROM tenant.audit_form")

    assert member.get("/patients").status_code == 200

    routes = [route for (route,) in ask(app, "SELECT route FROM tenant.audit_form", database=copy)]
    assert routes == ["GET /api/v1/patients"]


def test_what_was_noted_before_the_transaction_was_opened_is_recorded(
    app: Flask, make_tenant: MakeTenant, tier: Tier
) -> None:
    tenant = make_tenant(tier)
    with app.app_context(), tenant_context(tenant.slug), working():
        with transaction():
            note(part="before")
        note(part="after")
        switch(app, tenant)
        with transaction():
            pass

        parts = db.session.connection().exec_driver_sql(
            "SELECT epoch, details->>'part' FROM audit_record WHERE tenant_id = %s ORDER BY epoch",
            (tenant.id,),
        )
        assert [tuple(each) for each in parts] == [(1, "before"), (2, "after")]


def test_a_sealer_that_has_an_old_entry_follows_the_tenant(
    app: Flask, make_tenant: MakeTenant, tier: Tier
) -> None:
    tenant = make_tenant(tier)
    write_records(app, tenant, 3)
    moved: list[object] = []

    def move(_seal: object) -> None:
        moved.append(switch(app, tenant))

    with app.app_context():
        sealed = seal_tenant(tenant.slug, report=move)

    assert (sealed.records, len(moved)) == (3, 1)
