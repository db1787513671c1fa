"""An archive is written from any tier and restored into any other, with the same rows."""

import dataclasses
from pathlib import Path
from uuid import uuid4

import pytest
from flask import Flask

from trially.tenancy.archives.backups import BackupOptions, back_up
from trially.tenancy.archives.loading import NOT_LOADED
from trially.tenancy.archives.restoring import RestoreOptions, restore_as, verify_before
from trially.tenancy.catalog import Tier

TIERS = [Tier.DEDICATED_DATABASE, Tier.OWN_SCHEMA, Tier.POOLED_ROWS]


@pytest.fixture
def options(tmp_path: Path) -> BackupOptions:
    return BackupOptions(place=tmp_path.as_uri())


@pytest.mark.parametrize("target", TIERS)
@pytest.mark.parametrize("source", TIERS)
def test_an_archive_of_each_tier_is_restored_in_each(
    app: Flask, make_member, options, source: Tier, target: Tier
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
    for table in manifest.tables:
        if table.name not in NOT_LOADED:
            assert dataclasses.replace(table, parts=0) == dataclasses.replace(
                after[table.name], parts=0
            )
    assert {t.name: t.rows for t in manifest.tables}["patient"] == 3
    assert member.get("/patients").json["data"] == before
    assert len(neighbour.get("/patients").json["data"]) == 3
