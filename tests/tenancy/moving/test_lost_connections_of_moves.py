"""A mover whose connections are lost begins again, until the switch."""

import psycopg2
import pytest
from flask import Flask
from members import Member
from moved_tenants import (
    DEDICATED,
    OPTIONS,
    assert_unmoved,
    at,
    contents,
    end_mover,
    left_behind,
    placements_of,
    writable_sides,
)

from trially.tenancy.lifecycle.moving.moves import move_tenant
from trially.tenancy.lifecycle.moving.progress import MoveProgress, progressed


@pytest.mark.parametrize("step", ["copy", "catch_up", "drain", "compare"])
def test_a_move_whose_connections_are_lost_before_the_switch_begins_again(
    app: Flask, member: Member, without_delay: int, step: str
) -> None:
    with app.app_context(), at(step, lambda: end_mover(app)):
        operation = move_tenant(member.tenant.slug, DEDICATED, None, OPTIONS)

    active, former = placements_of(app, member.tenant.id)
    assert active.tier == DEDICATED
    assert operation.attempts == 1
    assert contents(app, active) == contents(app, former)
    assert [each.id for each in writable_sides(app, member.tenant.id)] == [active.id]
    assert left_behind(app, member.tenant.id) == []
    assert len(member.get("/patients").json["data"]) == 3


def test_a_move_whose_connections_are_lost_again_and_again_ends(
    app: Flask, member: Member, without_delay: int
) -> None:
    begun = []

    def end(progress: MoveProgress) -> None:
        if progress.phase == "catch_up":
            begun.append(progress)
            end_mover(app)

    with app.app_context(), progressed.connected_to(end), pytest.raises(psycopg2.Error):
        move_tenant(member.tenant.slug, DEDICATED, None, OPTIONS)

    assert len(set(map(id, begun))) == 1 + without_delay
    assert_unmoved(app, member)


def test_a_move_that_loses_its_connections_behind_the_fence_is_undone(
    app: Flask, member: Member, without_delay: int
) -> None:
    with (
        app.app_context(),
        at("open", lambda: end_mover(app)),
        pytest.raises(psycopg2.Error),
    ):
        move_tenant(member.tenant.slug, DEDICATED, None, OPTIONS)

    assert_unmoved(app, member)
