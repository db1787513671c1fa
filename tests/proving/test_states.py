"""Each tenant is held, broken or not proven; a broken or outdated one spoils no other's proof."""

import json
from contextlib import contextmanager
from dataclasses import replace

import pytest
from proofs import ALL
from sqlalchemy import make_url

from trially.proving import running
from trially.proving.attempts import Attempt, Outcome
from trially.proving.reports import State, states_of
from trially.state import state_of
from trially.tenancy.catalog import PlacementRecord, Server
from trially.tenancy.catalog_sessions import catalog_transaction

NEIGHBOURS = {"one": "two", "two": "one"}


def states(result):
    report = json.loads(result.stdout)["report"]
    return {tenant["slug"]: tenant["state"] for tenant in report["tenants"]}


def reasons(result):
    report = json.loads(result.stdout)["report"]
    return {tenant["slug"]: tenant["reason"] for tenant in report["tenants"]}


def all_but(*slugs):
    fleet = ("dedicated-one", "dedicated-two", "pooled-one", "pooled-two", "schema-one")
    return {slug: "held" for slug in (*fleet, "schema-two") if slug not in slugs}


@contextmanager
def renamed_database(fleet, slug):
    database = fleet.database(slug)
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
    fleet.administer(end, database)
    fleet.administer(f"ALTER DATABASE {database} RENAME TO {database}_away")
    try:
        yield database
    finally:
        fleet.administer(f"ALTER DATABASE {database}_away RENAME TO {database}")


def test_a_missing_database_spoils_no_other_proof(fleet):
    with renamed_database(fleet, "dedicated-two") as database:
        result = fleet.run("tenants", "prove", *ALL)

    assert result.exit_code == 1
    assert states(result) == all_but("dedicated-two") | {"dedicated-two": "not proven"}
    assert reasons(result)["dedicated-two"] == f"placement: the database {database} is missing"
    assert f"the database {database} is missing" in result.stderr
    assert "dedicated-two: not proven." in result.stderr.splitlines()


def test_a_missing_shared_database_concerns_its_tenants_only(fleet):
    with renamed_database(fleet, "pooled-one"):
        result = fleet.run("tenants", "prove", *ALL)

    missing = {"pooled-one": "not proven", "pooled-two": "not proven"}
    assert states(result) == all_but(*missing) | missing


@pytest.mark.parametrize("slug", ["dedicated-one", "schema-two"])
def test_an_outdated_tenant_spoils_no_other_proof(fleet, hole, slug):
    schema = fleet.tenants[slug].placement.schema
    hole(
        f"CREATE TABLE {schema}.kept AS TABLE {schema}.alembic_version;"
        f"UPDATE {schema}.alembic_version SET version_num = '0001'",
        f"UPDATE {schema}.alembic_version SET version_num = kept.version_num FROM {schema}.kept;"
        f"DROP TABLE {schema}.kept",
        slug,
    )

    result = fleet.run("tenants", "prove", *ALL)

    assert result.exit_code == 1
    assert states(result) == all_but(slug) | {slug: "not proven"}
    assert f"the schema {schema} is at 0001, not at " in reasons(result)[slug]


def test_a_missing_schema_or_table_spoils_no_other_proof(fleet, hole):
    schema = fleet.tenants["schema-one"].placement.schema
    table = fleet.tenants["dedicated-one"].placement.schema
    hole(
        f"ALTER SCHEMA {schema} RENAME TO away",
        f"ALTER SCHEMA away RENAME TO {schema}",
        "schema-one",
    )
    hole(
        f"ALTER TABLE {table}.clinical_fact RENAME TO away",
        f"ALTER TABLE {table}.away RENAME TO clinical_fact",
        "dedicated-one",
    )

    result = fleet.run("tenants", "prove", *ALL)

    broken = {"schema-one": "not proven", "dedicated-one": "not proven"}
    assert states(result) == all_but(*broken) | broken
    assert "has no table clinical_fact" in reasons(result)["dedicated-one"]
    assert f"the schema {schema} is missing" in reasons(result)["schema-one"]


def test_a_guard_that_knows_another_epoch_spoils_no_other_proof(fleet, hole):
    hole(
        "UPDATE trially.placement SET epoch = epoch + 1 WHERE tenant_id = '{pooled_one.tenant_id}'",
        "UPDATE trially.placement SET epoch = epoch - 1 WHERE tenant_id = '{pooled_one.tenant_id}'",
        "pooled-one",
    )

    result = fleet.run("tenants", "prove", *ALL)

    assert states(result) == all_but("pooled-one") | {"pooled-one": "not proven"}


def test_a_server_that_is_down_concerns_its_tenants_only(fleet):
    slug, app = "dedicated-two", fleet.app
    url = state_of(app).servers["default"].admin_url.render_as_string(hide_password=False)
    away = make_url(url).update_query_dict({"host": "127.0.0.1", "port": "1"})
    with app.app_context(), catalog_transaction() as session:
        server = Server(name="down", url=away.render_as_string(hide_password=False))
        session.add(server)
        session.flush()
        record = session.get(PlacementRecord, fleet.tenants[slug].placement.id)
        home, record.server_id = record.server_id, server.id
    try:
        result = fleet.run("tenants", "prove", *ALL)
    finally:
        with app.app_context(), catalog_transaction() as session:
            session.get(PlacementRecord, fleet.tenants[slug].placement.id).server_id = home
            session.delete(session.get(Server, server.id))

    assert states(result) == all_but(slug) | {slug: "not proven"}
    assert "the server down does not answer" in reasons(result)[slug]


def test_a_broken_attacker_is_named_instead_of_its_target(fleet, monkeypatch):
    def fail(target, attacker):
        if attacker.slug == "schema-two":
            raise RuntimeError
        yield target.held("nothing", attacker, "nothing")

    monkeypatch.setattr(running, "ATTACKS_AS_TENANT", (fail,))
    monkeypatch.setattr(running, "FAILURES", (RuntimeError,))

    result = fleet.run("tenants", "prove", "schema-one", *ALL)

    assert states(result) == {"schema-one": "held", "schema-two": "not proven"}


def test_at_the_time_limit_the_rest_is_not_proven(fleet):
    with fleet.app.app_context():
        plan = running.make_plan((), 1, 1)
        attempts = [attempt for step in running.prove(plan, -1) for attempt in step]
        attempts += [attempt for _, sweep in plan.sweeps for attempt in sweep.attempts]

    assert {each.state for each in states_of(plan, attempts)} == {State.NOT_PROVEN}
    assert {running.OUT_OF_TIME} == {attempt.wall for attempt in attempts}


def test_a_breach_outweighs_what_was_not_proven(fleet):
    with fleet.app.app_context():
        plan = running.make_plan(["pooled-one"], 1, 1)
    doubtful = Attempt("pooled-one", None, "first", Outcome.INCONCLUSIVE, "unknown")
    breached = replace(doubtful, path="second", outcome=Outcome.BREACHED, wall="open")

    for attempts in ([doubtful, breached], [breached, doubtful]):
        [state] = states_of(plan, attempts)
        assert (state.state, state.reason) == (State.BROKEN, "second: open")


def test_the_report_says_what_was_covered(fleet):
    result = fleet.run("tenants", "prove", *ALL)

    report = json.loads(result.stdout)["report"]
    assert report["states"] == {"held": 6, "broken": 0, "not proven": 0}
    assert {sweep["pairs"] for sweep in report["sweeps"]} == {0, 2}
    assert sum(sweep["tenants"] for sweep in report["sweeps"]) == 6
    for sweep in report["sweeps"]:
        assert all(path["held"] > 0 for path in sweep["paths"].values())
