"""Tables that change during a move, or that differ from those of a former placement."""

from collections.abc import Callable

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
from tenant_databases import ask

from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle.moving.errors import DifferentTablesError
from trially.tenancy.lifecycle.moving.moves import (
    BlockedMoveError,
    check_move_back,
    move_back,
    move_tenant,
)


def test_a_column_that_is_added_during_the_move_stops_it(
    app: Flask, make_member: Callable[[Tier], Member]
) -> None:
    member = make_member(DEDICATED)
    source = placements_of(app, member.tenant.id)[0]

    def migrate() -> None:
        run_at(app, source, "ALTER TABLE patient ADD COLUMN later text DEFAULT 'x'")
        run_at(app, source, "UPDATE patient SET later = 'y'")

    with app.app_context(), at("catch_up", migrate), pytest.raises(DifferentTablesError):
        move_tenant(member.tenant.slug, SCHEMA, None, OPTIONS)

    run_at(app, source, "ALTER TABLE patient DROP COLUMN later")
    assert_unmoved(app, member, DEDICATED)


def test_a_revision_that_changes_during_the_move_stops_it(
    app: Flask, make_member: Callable[[Tier], Member]
) -> None:
    member = make_member(DEDICATED)
    source = placements_of(app, member.tenant.id)[0]
    [(revision,)] = ask(
        app, "SELECT version_num FROM tenant.alembic_version", database=source.database
    )

    with (
        app.app_context(),
        at("drain", lambda: run_at(app, source, "UPDATE alembic_version SET version_num = '9999'")),
        pytest.raises(DifferentTablesError, match="revision 9999"),
    ):
        move_tenant(member.tenant.slug, SCHEMA, None, OPTIONS)

    run_at(app, source, f"UPDATE alembic_version SET version_num = '{revision}'")
    assert_unmoved(app, member, DEDICATED)


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("CREATE INDEX by_hand ON site (name)", "drift"),
        ("UPDATE alembic_version SET version_num = '0001'", "different_revisions"),
    ],
)
def test_a_tenant_does_not_move_back_to_tables_that_differ(
    app: Flask, make_member: Callable[[Tier], Member], statement: str, code: str
) -> None:
    member = make_member(DEDICATED)
    with app.app_context():
        move_tenant(member.tenant.slug, SCHEMA, None, OPTIONS)
        assert check_move_back(member.tenant.slug).blockers == []
        run_at(app, target_of(app, member), statement)
        [blocker] = check_move_back(member.tenant.slug).blockers
        with pytest.raises(BlockedMoveError):
            move_back(member.tenant.slug, OPTIONS)

    assert blocker.code == code
    assert member.get("/patients").status_code == 200
