"""A suspended tenant stays suspended when it moves."""

import pytest
from flask import Flask
from members import Member
from moved_tenants import DEDICATED, OPTIONS, SCHEMA, at, placements_of

from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle.moving.moves import move_tenant
from trially.tenancy.lifecycle.status import resume_tenant, suspend_tenant


@pytest.mark.parametrize("there", [DEDICATED, SCHEMA])
def test_a_suspended_tenant_moves_and_stays_suspended(
    app: Flask, member: Member, there: Tier
) -> None:
    with app.app_context():
        suspend_tenant(member.tenant.slug)
        move_tenant(member.tenant.slug, there, None, OPTIONS)

    assert member.get("/patients").status_code == 403
    with app.app_context():
        resume_tenant(member.tenant.slug)
    assert len(member.get("/patients").json["data"]) == 3


@pytest.mark.parametrize("step", ["copy", "catch_up"])
def test_a_tenant_can_be_suspended_while_it_moves(app: Flask, member: Member, step: str) -> None:
    with app.app_context(), at(step, lambda: suspend_tenant(member.tenant.slug)):
        move_tenant(member.tenant.slug, DEDICATED, None, OPTIONS)

    assert placements_of(app, member.tenant.id)[0].tier == DEDICATED
    assert member.get("/patients").status_code == 403
