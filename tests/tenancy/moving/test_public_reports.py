"""Faults that users of other tools met when they moved tables, each as a case of ours.

The model in `test_move_model.py` covers their orders of steps: Vitess 16563 (the position was read
before the writes had ended) and Vitess 17326 (a failure in the switch left no writable side).
"""

import time
from collections.abc import Callable
from threading import Thread

import psycopg2
import pytest
from flask import Flask
from members import Member
from moved_tenants import at, contents, left_behind, placements_of, writable_sides
from tenant_databases import as_tenant, ask, placement_of

from trially.tenancy.administered import administered_placement
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.lifecycle.moving.moves import MoveOptions, move_back, move_tenant
from trially.tenancy.lifecycle.moving.sides import side_of
from trially.tenancy.servers.connections import execute

OPTIONS = MoveOptions(max_pause=5, give_up_seconds=30)
DEDICATED, SCHEMA = Tier.DEDICATED_DATABASE, Tier.OWN_SCHEMA


@pytest.fixture
def member(make_member: Callable[[Tier], Member]) -> Member:
    """A member of a tenant with a database of its own and three patients."""
    return make_member(DEDICATED)


def test_timeouts_of_the_server_do_not_end_a_long_copy(app: Flask, member: Member) -> None:
    """PgDog 914: a session that was idle in a transaction was ended during the copy."""
    database = placements_of(app, member.tenant.id)[0].database
    for setting in ("idle_in_transaction_session_timeout", "statement_timeout"):
        ask(app, f"ALTER DATABASE {database} SET {setting} = '200ms'")

    with app.app_context(), at("copy", lambda: time.sleep(0.6)):
        move_tenant(member.tenant.slug, SCHEMA, None, OPTIONS)

    assert placements_of(app, member.tenant.id)[0].tier == SCHEMA


def test_a_target_that_is_lost_in_the_copy_gets_all_tables(
    app: Flask, member: Member, without_delay: int
) -> None:
    """PgDog 894: tables were left out, because the target was restarted during the copy."""

    def lose_target() -> None:
        database = placements_of(app, member.tenant.id)[1].database
        ask(
            app,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
            " AND application_name = 'trially-move'",
            database,
        )

    with app.app_context(), at("copy", lose_target):
        move_tenant(member.tenant.slug, SCHEMA, None, OPTIONS)

    active, former = placements_of(app, member.tenant.id)
    assert active.tier == SCHEMA
    assert contents(app, active) == contents(app, former)
    assert left_behind(app, member.tenant.id) == []
    assert len(member.get("/patients").json["data"]) == 3


def test_a_transaction_that_is_open_at_the_switch_moves_too(app: Flask, member: Member) -> None:
    """Vitess 9525 and 9400: a transaction that began before the switch committed after it."""
    source = placements_of(app, member.tenant.id)[0]
    patient = member.get("/patients").json["data"][0]["id"]
    with as_tenant(app, member.tenant) as raw:

        def begin() -> None:  # after the slot, which waits for transactions that have written
            execute(raw, placement_of(app, member.tenant).opening)
            execute(raw, "UPDATE patient SET phone = 'open' WHERE id = %s", patient)

        committing = Thread(target=lambda: (time.sleep(0.3), execute(raw, "COMMIT")))
        with app.app_context(), at("copy", begin), at("catch_up", committing.start):
            move_tenant(member.tenant.slug, SCHEMA, None, OPTIONS)
            committing.join()
            active, former = placements_of(app, member.tenant.id)
            assert former.id == source.id
            assert contents(app, active) == contents(app, former)
            assert member.get(f"/patients/{patient}").json["phone"] == "open"
            move_back(member.tenant.slug, OPTIONS)

    assert [each.id for each in writable_sides(app, member.tenant.id)] == [source.id]
    assert member.get(f"/patients/{patient}").json["phone"] == "open"


def test_no_role_writes_to_a_source_that_was_left(app: Flask, member: Member) -> None:
    """pg_easy_replicate 164: only one role was made to read, and the others went on writing."""
    before = placement_of(app, member.tenant)
    with app.app_context():
        of_operators = administered_placement(before)
        with as_tenant(app, member.tenant) as raw:
            move_tenant(member.tenant.slug, SCHEMA, None, OPTIONS)
            with pytest.raises(psycopg2.Error) as refused:
                execute(raw, before.opening)
            assert refused.value.pgcode == "TR001"
        former = placements_of(app, member.tenant.id)[1]
        with side_of(former).administered() as raw, pytest.raises(psycopg2.Error) as refused:
            execute(raw, of_operators.opening)
        assert refused.value.pgcode == "TR001"


def test_an_update_that_leaves_a_large_value_alone_keeps_it(app: Flask, member: Member) -> None:
    """PgDog 758 and 940: WAL does not have large values that an update did not change."""
    patient = member.get("/patients").json["data"][0]["id"]
    source = placements_of(app, member.tenant.id)[0]
    with app.app_context(), side_of(source).writing() as session:
        session.run(
            "UPDATE patient SET address = jsonb_build_object('text',"
            " (SELECT string_agg(gen_random_uuid()::text, '') FROM generate_series(1, 300)))"
        )

    def change() -> None:
        answer = member.patch(f"/patients/{patient}", json={"phone": "+1 555 0100"})
        assert answer.status_code == 200

    with app.app_context(), at("catch_up", change):
        move_tenant(member.tenant.slug, SCHEMA, None, OPTIONS)

    active, former = placements_of(app, member.tenant.id)
    assert contents(app, active) == contents(app, former)
