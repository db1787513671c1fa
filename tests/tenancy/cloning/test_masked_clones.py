"""A masked clone has no identifier, no text and no date of its source, in any tier."""

import os
import subprocess

import pytest
from flask import Flask
from installed_postgres import installed_binaries
from members import MakeTenant

from tests.tenancy.cloning.marked_rows import DAY, MarkedRows
from trially.config import current_settings
from trially.embedded_postgres.server import find_binaries
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.cloning.clones import CloneOptions, clone_tenant
from trially.tenancy.lifecycle.moving.sides import side_of
from trially.tenancy.lifecycle.moving.tables import read_tables
from trially.tenancy.servers.preparing import owner_role


def dump(tenant: Tenant) -> str:
    """Return all values of all rows of a tenant, as COPY writes them."""
    side = side_of(tenant.placement)
    lines: list[str] = []
    with side.reading() as session:
        for name in read_tables(side):
            statement = f"SELECT t::text FROM {side.schema}.{name} t WHERE tenant_id = %s"
            lines += [f"{name} {text}" for (text,) in session.run(statement, str(tenant.id))]
    return "\n".join(lines)


def pg_dump(tenant: Tenant) -> str:
    """Return what pg_dump writes of a tenant: its schema, and in shared tables its rows only."""
    side = side_of(tenant.placement)
    url = side.access.administrator_url(side.database).set(drivername="postgresql")
    done = subprocess.run(
        [
            (installed_binaries() or find_binaries()) / "pg_dump",
            *("--dbname", url.render_as_string(hide_password=False), "--schema", side.schema),
            *("--enable-row-security", "--role", owner_role(current_settings())),
        ],
        env={**os.environ, "PGOPTIONS": f"-c trially.tenant_id={tenant.id}"},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout


@pytest.fixture
def marked(app: Flask, make_tenant: MakeTenant, tier: Tier) -> MarkedRows:
    with app.app_context():
        rows = MarkedRows(make_tenant(tier))
        rows.insert()
    return rows


def test_a_masked_clone_has_nothing_that_identifies(app: Flask, marked: MarkedRows) -> None:
    with app.app_context():
        source = dump(marked.tenant)
        clone = clone_tenant(marked.tenant.slug, f"{marked.tenant.slug}-masked", CloneOptions(True))
        written = dump(clone) + pg_dump(clone)

    assert len(marked.markers) > 300
    assert [marker for marker in marked.markers if marker not in source] == []
    found = sorted(marker for marker in marked.markers if marker in written)
    assert found == []
    assert str(marked.tenant.id) not in written
    assert str(DAY) not in written
    for table in ("patient", "clinical_fact", "document", "patient_name", "site", "study"):
        assert f"\n{table} (" in f"\n{written}"


def test_an_unmasked_clone_has_all_of_it(app: Flask, marked: MarkedRows) -> None:
    with app.app_context():
        clone = clone_tenant(marked.tenant.slug, f"{marked.tenant.slug}-copy", CloneOptions())
        source, written = dump(marked.tenant), dump(clone)

    before, after = str(marked.tenant.id), str(clone.id)
    of_source = {line.replace(before, after) for line in source.splitlines()}
    never = (
        "audit_",
        "job",
        "member",
        "bulk_export",
        "idempotency_key",
        "canary",
        "person_erasure",
        "study_document",
        "match",
        "organisation_consent",
        "quota_use",
        "daily_usage",
        "team_member",
        "tenant_",
        "api_key",
        "invitation",
        "webhook_",
        "provisioning_setting",
        "scim_",
    )
    expected = {line for line in of_source if not line.startswith(never) or "rule" in line[:20]}
    assert set(written.splitlines()) == expected
    assert "clinical_fact" in written
