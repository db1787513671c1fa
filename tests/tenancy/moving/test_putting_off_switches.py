"""A switch is put off as long as requests would wait too long for it."""

from contextlib import ExitStack
from dataclasses import replace

import pytest
from flask import Flask
from members import MakePatient, Member
from moved_tenants import DEDICATED, OPTIONS, assert_unmoved, at, placements_of
from sqlalchemy import select

from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.lifecycle.moving import rehearsing
from trially.tenancy.lifecycle.moving.catching_up import ALWAYS_IN_PAUSE
from trially.tenancy.lifecycle.moving.errors import BusyTenantError
from trially.tenancy.lifecycle.moving.moves import move_tenant
from trially.tenancy.lifecycle.moving.progress import MoveProgress, progressed
from trially.tenancy.lifecycle.moving.sides import side_of


def test_a_long_transaction_of_the_tenant_puts_off_the_switch_and_no_request_fails(
    app: Flask, member: Member
) -> None:
    record = placements_of(app, member.tenant.id)[0]
    with app.app_context():
        side = side_of(record)
    with app.app_context(), side.administered() as raw, raw.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_lock_shared(uuid_hash_extended(%s, 0))", [str(member.tenant.id)]
        )
        with pytest.raises(BusyTenantError, match=r"lasts longer|has run for"):
            move_tenant(
                member.tenant.slug,
                DEDICATED,
                None,
                replace(OPTIONS, max_pause=1, give_up_seconds=5),
            )
    assert_unmoved(app, member)


def test_a_command_that_holds_the_tenants_row_puts_off_the_switch(
    app: Flask, member: Member
) -> None:
    held = ExitStack()

    def hold() -> None:
        session = held.enter_context(catalog_transaction())
        session.execute(select(Tenant).where(Tenant.id == member.tenant.id).with_for_update())

    def release(progress: MoveProgress) -> None:
        if progress.waited_for:
            held.close()

    with app.app_context(), at("catch_up", hold), held, progressed.connected_to(release):
        operation = move_tenant(member.tenant.slug, DEDICATED, None, OPTIONS)

    assert operation.parameters["result"]["attempts"] > 1
    assert placements_of(app, member.tenant.id)[0].tier == DEDICATED


def test_writes_that_would_take_the_whole_pause_put_off_the_switch_before_anybody_waits(
    app: Flask, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsing, "LARGEST_SHARE", 0)
    phases: list[str] = []

    def note(progress: MoveProgress) -> None:
        phases.append(progress.phase)

    with (
        app.app_context(),
        progressed.connected_to(note),
        pytest.raises(BusyTenantError, match="writes of a switch take"),
    ):
        move_tenant(member.tenant.slug, DEDICATED, None, replace(OPTIONS, give_up_seconds=1))

    assert "catch_up" in phases
    assert "lock" not in phases
    assert_unmoved(app, member)


def test_a_long_pause_takes_in_what_a_busy_tenant_has_just_written(
    app: Flask, member: Member, make_patient: MakePatient
) -> None:
    def write(mrns: range) -> None:
        for number in mrns:
            make_patient(member, mrn=f"{number}")

    with (
        app.app_context(),
        at("catch_up", lambda: write(range(1000, 1020))),
        at("lock", lambda: write(range(2000, 2060))),
    ):
        operation = move_tenant(member.tenant.slug, DEDICATED, None, replace(OPTIONS, max_pause=30))

    result = operation.parameters["result"]
    assert result["applied_rows"] > ALWAYS_IN_PAUSE
    assert result["attempts"] == 1
