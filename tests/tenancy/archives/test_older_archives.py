"""An archive of an older revision is migrated when it is restored, in every tier."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from members import AsMember, Member

from trially.tenancy.archives.backups import BackupOptions, back_up
from trially.tenancy.archives.model import Archive
from trially.tenancy.archives.replacing import replace_with
from trially.tenancy.archives.restoring import RestoreOptions, restore_as, verify_before
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle.listing import get_tenant
from trially.tenancy.schema.revision_files import TENANT_LINEAGE, revisions_of

REVISIONS = sorted(revisions_of(TENANT_LINEAGE))
HEAD, BEFORE, LONG_BEFORE = REVISIONS[-1], REVISIONS[-2], REVISIONS[-5]
MakeMember = Callable[[Tier], Member]


@pytest.fixture
def archive_at(
    app: Flask, run_command: Callable[..., Any], tmp_path: Path
) -> Callable[[Member, str], Archive]:
    """Archive a tenant at an older revision, and migrate it again."""

    def archive(member: Member, revision: str) -> Archive:
        slug = member.tenant.slug
        down = run_command("tenants", "downgrade", slug, "--to", revision, "--yes")
        assert down.exit_code == 0, down.output
        try:
            with app.app_context():
                return back_up(slug, BackupOptions(place=tmp_path.as_uri()))
        finally:
            assert run_command("tenants", "migrate", slug).exit_code == 0

    return archive


@pytest.mark.parametrize("revision", [BEFORE, LONG_BEFORE])
@pytest.mark.parametrize("tier", [Tier.DEDICATED_DATABASE, Tier.OWN_SCHEMA, Tier.POOLED_ROWS])
def test_an_older_archive_is_restored_in_each_tier(
    app: Flask,
    make_member: MakeMember,
    as_member: AsMember,
    archive_at: Callable[[Member, str], Archive],
    tier: Tier,
    revision: str,
) -> None:
    member = make_member(Tier.OWN_SCHEMA)
    archive = archive_at(member, revision)
    slug = f"older-{uuid4().hex[:8]}"
    with app.app_context():
        manifest = verify_before(archive.url)
        assert manifest.revision == archive.revision == revision
        tenant = restore_as(archive.url, slug, manifest, RestoreOptions(tier=tier))
        restored = get_tenant(slug)

    assert restored.placement.tier == tier
    assert restored.placement.revision == HEAD
    expected = member.get("/patients").json["data"]
    found = as_member(tenant).get("/patients").json["data"]
    assert {each["id"] for each in found} == {each["id"] for each in expected}
    assert {each["mrn"] for each in found} == {each["mrn"] for each in expected}


def test_an_older_archive_replaces_the_rows_of_its_tenant(
    app: Flask,
    make_member: MakeMember,
    make_patient: Callable[..., dict[str, Any]],
    archive_at: Callable[[Member, str], Archive],
    tmp_path: Path,
) -> None:
    member = make_member(Tier.DEDICATED_DATABASE)
    archive = archive_at(member, BEFORE)
    kept = {each["id"] for each in member.get("/patients").json["data"]}
    make_patient(member)
    with app.app_context():
        manifest, place = verify_before(archive.url), BackupOptions(tmp_path.as_uri())
        replace_with(archive.url, member.tenant.slug, manifest, RestoreOptions(), place)
        placement = get_tenant(member.tenant.slug).placement

    assert placement.revision == HEAD
    assert {each["id"] for each in member.get("/patients").json["data"]} == kept
