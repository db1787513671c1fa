"""A clone that holds its snapshot for too long is stopped, with the alarm of a backup."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from members import MakeTenant

from trially.tenancy.catalog_choices import Tier
from trially.tenancy.cloning.clones import CloneOptions, clone_tenant
from trially.tenancy.lifecycle.held_snapshots import LongSnapshotError
from trially.tenancy.lifecycle.moving.sides import side_of
from trially.tenancy.lifecycle.operations import unfinished_operations


@pytest.mark.parametrize("masked", [False, True])
def test_a_long_snapshot_stops_a_clone_and_leaves_nothing(
    app: Flask,
    run_command: Callable[..., Any],
    make_tenant: MakeTenant,
    caplog: pytest.LogCaptureFixture,
    masked: bool,
) -> None:
    source = make_tenant(Tier.DEDICATED_DATABASE)
    slug = f"long-{source.id.hex[-8:]}"
    options = CloneOptions(masked=masked, longest_seconds=0.2)
    with app.app_context(), side_of(source.placement).administered() as raw:
        raw.cursor().execute("BEGIN; LOCK TABLE tenant.site IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(LongSnapshotError, match="vacuum"):
            clone_tenant(source.slug, slug, options)
        raw.cursor().execute("ROLLBACK")

        assert not [each for each in unfinished_operations() if each.tenant_slug == slug]
    [alarm] = [each for each in caplog.records if "held too long" in each.message]
    assert (alarm.levelname, f"The clone of {source.slug} " in alarm.message) == ("CRITICAL", True)
    assert run_command("tenants", "show", slug).exit_code == 1
    again = run_command(
        "tenants", "clone", source.slug, slug, *(["--masked"] if masked else []), "--json"
    )
    assert again.exit_code == 0, again.output
