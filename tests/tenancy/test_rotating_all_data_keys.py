"""`flask keys rotate-data --all` is killed at each step."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from killed_programs import run_killed
from members import MakeTenant
from sqlalchemy import select, update

from trially.config import Settings
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.data_keys import data_key_of_version
from trially.tenancy.data_keys.model import TenantKey

RunCommand = Callable[..., Any]


def versions_of(app: Flask, tenants: list[Tenant]) -> dict[UUID, list[int]]:
    """Return the versions of each tenant's data key, all of which can be unwrapped."""
    found = {}
    with app.app_context():
        for each in tenants:
            state_of(app).data_keys.forget(each.id)
            with catalog_transaction() as session:
                query = select(TenantKey.version).where(TenantKey.tenant_id == each.id)
                versions = list(session.scalars(query.order_by(TenantKey.version)))
            secrets = {data_key_of_version(each.id, version).secret for version in versions}
            assert len(secrets) == len(versions)
            found[each.id] = versions
    return found


def make_old(app: Flask, tenants: list[Tenant]) -> None:
    with app.app_context(), catalog_transaction() as session:
        ids = [each.id for each in tenants]
        rows = session.scalars(select(TenantKey.created_at).where(TenantKey.tenant_id.in_(ids)))
        before = min(rows).replace(year=2025)
        session.execute(
            update(TenantKey).where(TenantKey.tenant_id.in_(ids)).values(created_at=before)
        )


@pytest.mark.parametrize("moment", ["wrapped", "inserted", "committed"])
def test_a_killed_rotation_of_all_keys_is_continued(
    app: Flask,
    run_command: RunCommand,
    make_tenant: MakeTenant,
    settings: Settings,
    moment: str,
) -> None:
    tenants = [make_tenant(Tier.POOLED_ROWS) for _ in range(3)]
    run_command("keys", "rotate-data", "--all")  # Those of other tests.
    make_old(app, tenants)

    program = Path(__file__).with_name("killed_data_rotation.py")
    run_killed(program, [moment], settings, seconds=120)

    rotated = sum(len(each) == 2 for each in versions_of(app, tenants).values())
    assert rotated == (2 if moment == "committed" else 1)
    again = run_command("keys", "rotate-data", "--all", "--json")
    assert again.exit_code == 0, again.output
    ours = {each.slug for each in tenants}
    done = [each for each in json.loads(again.stdout)["rotated"] if each["tenant"] in ours]
    assert len(done) == len(tenants) - rotated
    assert list(versions_of(app, tenants).values()) == [[1, 2]] * len(tenants)
