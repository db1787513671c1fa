"""An archive is written from any tier and restored into any other, with the same rows."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from members import MakePatient, Member

from trially.audit.verification import verify_log
from trially.audit.working import working
from trially.auditing.entries import Reading
from trially.tenancy.archives.backups import BackupOptions, back_up
from trially.tenancy.archives.loading import NOT_LOADED
from trially.tenancy.archives.replacing import replace_with
from trially.tenancy.archives.restoring import RestoreOptions, restore_as, verify_before
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import administered_tenant
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.lifecycle.moving.sides import side_of

TIERS = [Tier.DEDICATED_DATABASE, Tier.OWN_SCHEMA, Tier.POOLED_ROWS]


MakeMember = Callable[[Tier], Member]


@pytest.fixture
def options(tmp_path: Path) -> BackupOptions:
    return BackupOptions(place=tmp_path.as_uri())


@pytest.mark.parametrize("target", TIERS)
@pytest.mark.parametrize("source", TIERS)
def test_an_archive_of_each_tier_is_restored_in_each(
    app: Flask,
    run_command: Callable[..., Any],
    make_member: MakeMember,
    options: BackupOptions,
    source: Tier,
    target: Tier,
) -> None:
    member, neighbour = make_member(source), make_member(source)
    before = member.get("/patients").json["data"]
    with app.app_context():
        archive = back_up(member.tenant.slug, options)
        manifest = verify_before(archive.url)
        slug = f"restored-{uuid4().hex[:8]}"
        restored = restore_as(archive.url, slug, manifest, RestoreOptions(tier=target))
        again = back_up(slug, options)
        after = {t.name: t for t in verify_before(again.url).tables}

    assert restored.placement.tier == target
    compared = run_command("tenants", "diff", slug)
    assert compared.exit_code == 0, compared.output
    for table in manifest.tables:
        if table.name not in NOT_LOADED:
            assert dataclasses.replace(table, parts=0) == dataclasses.replace(
                after[table.name], parts=0
            )
    assert {t.name: t.rows for t in manifest.tables}["patient"] == 3
    assert member.get("/patients").json["data"] == before
    assert len(neighbour.get("/patients").json["data"]) == 3


def audit_numbers(app: Flask, member: Member) -> list[int]:
    with app.app_context():
        side = side_of(get_tenant(member.tenant.slug).placement)
        with side.reading() as session:
            return [number for (number,) in session.run("SELECT audit_number FROM patient")]


@pytest.mark.parametrize("tier", TIERS)
def test_an_archive_replaces_the_rows_of_its_tenant(
    app: Flask,
    make_member: MakeMember,
    make_patient: MakePatient,
    options: BackupOptions,
    tier: Tier,
) -> None:
    member, neighbour = make_member(tier), make_member(tier)
    slug = member.tenant.slug
    with app.app_context():
        archive = back_up(slug, options)
    kept = {each["id"] for each in member.get("/patients").json["data"]}
    later = make_patient(member)["id"]
    numbers = audit_numbers(app, member)
    with app.app_context():
        manifest = verify_before(archive.url)
        before = replace_with(archive.url, slug, manifest, RestoreOptions(), options)

    assert {each["id"] for each in member.get("/patients").json["data"]} == kept
    assert member.get(f"/patients/{later}").status_code == 404
    assert len(neighbour.get("/patients").json["data"]) == 3
    make_patient(member)
    assert max(audit_numbers(app, member)) > max(numbers)
    with app.app_context(), administered_tenant(slug):
        assert verify_log().is_intact
    with app.app_context(), administered_tenant(slug), working():
        audited = {each["action"] for each in Reading([]).stream()}
    assert "create" in audited
    with app.app_context():
        manifest = verify_before(before.url)
        replace_with(before.url, slug, manifest, RestoreOptions(), options)
        assert get_tenant(slug).placement.tier == tier
    assert {each["id"] for each in member.get("/patients").json["data"]} == kept | {later}


@pytest.mark.parametrize("tier", TIERS)
def test_an_erased_person_does_not_come_back_and_a_deleted_patient_does(
    app: Flask,
    make_member: MakeMember,
    options: BackupOptions,
    tier: Tier,
) -> None:
    member = make_member(tier)
    erased, deleted, _ = (each["id"] for each in member.get("/patients").json["data"])
    with app.app_context():
        archive = back_up(member.tenant.slug, options)
    asked = member.post(f"/patients/{erased}/erasure", json={"reason": "request"})
    assert asked.status_code == 200
    assert member.delete(f"/patients/{deleted}").status_code == 204
    with app.app_context():
        slug = f"restored-{uuid4().hex[:8]}"
        restore_as(archive.url, slug, verify_before(archive.url), RestoreOptions())
        with side_of(get_tenant(slug).placement).reading() as session:
            found = {str(patient_id) for (patient_id,) in session.run("SELECT id FROM patient")}

    assert len(found) == 2
    assert deleted in found
    assert erased not in found
