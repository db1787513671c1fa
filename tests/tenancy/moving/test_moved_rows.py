"""The rows of a move: all that are the tenant's, as they were, and no others."""

from dataclasses import replace

from flask import Flask
from members import AsMember, MakePatient, MakeTenant, Member
from moved_tenants import DEDICATED, OPTIONS, POOLED, at, contents, placements_of, run_at

from trially.tenancy.lifecycle.moving.moves import move_tenant
from trially.tenancy.lifecycle.moving.settling import settle


def test_rows_of_every_kind_arrive_as_they_were(app: Flask, member: Member) -> None:
    """Large values that an update does not touch, deleted rows, and bytes that COPY escapes."""
    first, second, third = (each["id"] for each in member.get("/patients").json["data"])
    large = "\\ \t \n é " * 3000
    source = placements_of(app, member.tenant.id)[0]
    run_at(
        app,
        source,
        f"UPDATE patient SET address = jsonb_build_object('text', $x${large}$x$)"
        f" WHERE tenant_id = '{member.tenant.id}'",
    )

    def change() -> None:
        run_at(app, source, f"UPDATE patient SET phone = E'a\\\\b\\tc\\nd' WHERE id = '{first}'")
        run_at(app, source, f"UPDATE patient SET given_name = NULL WHERE id = '{second}'")
        assert member.delete(f"/patients/{third}").status_code == 204

    with app.app_context(), at("catch_up", change):
        move_tenant(member.tenant.slug, DEDICATED, None, OPTIONS)

    active, former = placements_of(app, member.tenant.id)
    assert contents(app, active) == contents(app, former)
    assert first in contents(app, active)["patient"]
    assert third not in contents(app, active)["patient"]


def test_other_tenants_of_the_pool_keep_their_rows(
    app: Flask,
    member: Member,
    make_tenant: MakeTenant,
    as_member: AsMember,
    make_patient: MakePatient,
) -> None:
    neighbour = as_member(make_tenant(POOLED))
    make_patient(neighbour)
    record = placements_of(app, neighbour.tenant.id)[0]
    before = contents(app, record)
    with app.app_context():
        move_tenant(member.tenant.slug, DEDICATED, None, replace(OPTIONS, keep_seconds=0))
        settle(member.tenant.id)

    assert contents(app, record) == before
    assert len(neighbour.get("/patients").json["data"]) == 1
