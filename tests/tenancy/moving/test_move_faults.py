"""What can go wrong in a move, and what stays right."""

from dataclasses import replace

import pytest
from flask import Flask
from members import Member
from moved_tenants import (
    DEDICATED,
    OPTIONS,
    SCHEMA,
    assert_unmoved,
    at,
    placements_of,
    run_at,
    target_of,
)

from trially.tenancy.lifecycle.moving.errors import MismatchError
from trially.tenancy.lifecycle.moving.moves import BlockedMoveError, move_tenant
from trially.tenancy.lifecycle.operations import all_operations


def test_a_row_that_changed_at_the_target_stops_the_move_and_is_named(
    app: Flask, member: Member
) -> None:
    patient = member.get("/patients").json["data"][0]["id"]

    def damage() -> None:
        run_at(
            app,
            target_of(app, member),
            f"UPDATE patient SET family_name = 'Changed' WHERE id = '{patient}'",
        )

    with (
        app.app_context(),
        at("lock", lambda: member.patch(f"/patients/{patient}", json={"phone": "+1 555 0100"})),
        at("compare", damage),
        pytest.raises(MismatchError, match=f"patient differ.*{patient}"),
    ):
        move_tenant(member.tenant.slug, DEDICATED, None, OPTIONS)

    assert_unmoved(app, member)


@pytest.mark.parametrize("step", ["copy", "catch_up", "lock", "drain", "compare", "fence"])
def test_an_abort_before_the_switch_leaves_the_tenant_as_it_was(
    app: Flask, member: Member, step: str
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with app.app_context(), at(step, interrupt), pytest.raises(KeyboardInterrupt):
        move_tenant(member.tenant.slug, DEDICATED, None, OPTIONS)

    assert_unmoved(app, member)


def test_a_failure_behind_the_fence_serves_the_source_again_at_a_new_epoch(
    app: Flask, member: Member
) -> None:
    before = placements_of(app, member.tenant.id)[0].epoch

    def fail() -> None:
        raise RuntimeError("The target is gone.")

    with app.app_context(), at("switch", fail), pytest.raises(RuntimeError):
        move_tenant(member.tenant.slug, DEDICATED, None, OPTIONS)

    assert_unmoved(app, member)
    assert placements_of(app, member.tenant.id)[0].epoch == before + 2


def test_a_tenant_is_moved_by_one_operation_at_a_time(app: Flask, member: Member) -> None:
    def move_meanwhile() -> None:
        with pytest.raises(BlockedMoveError, match="is running"):
            move_tenant(member.tenant.slug, SCHEMA, None, OPTIONS)

    with app.app_context(), at("copy", move_meanwhile):
        move_tenant(member.tenant.slug, DEDICATED, None, OPTIONS)
    with app.app_context(), pytest.raises(BlockedMoveError, match="already"):
        move_tenant(member.tenant.slug, DEDICATED, None, OPTIONS)
    with app.app_context():
        assert [each.state for each in all_operations() if each.tenant_id == member.tenant.id][
            :1
        ] == ["done"]


def test_a_copy_that_would_retain_too_much_wal_does_not_begin(app: Flask, member: Member) -> None:
    options = replace(OPTIONS, max_wal_bytes=1)
    with app.app_context(), pytest.raises(BlockedMoveError, match="--max-wal"):
        move_tenant(member.tenant.slug, DEDICATED, None, options)
    assert len(placements_of(app, member.tenant.id)) == 1
