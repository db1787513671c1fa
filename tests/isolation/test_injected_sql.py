"""SQL that an attacker runs in the application's session, with its login role."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from attacks import INJECTED
from flask import Flask
from populated_tenants import PopulatedTenant
from psycopg2 import errors, sql
from psycopg2.extensions import connection
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tenant_databases import access_of, ask, placement_of
from walls import DIRECT, POOLER, Attack, Wall, wall_of_error

from trially.database.connecting import connect
from trially.database.session import db
from trially.errors import OperatorError
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.servers.connections import execute

OPAQUE = re.compile(r"[ts]_[0-9a-f]{12}")
CUSTOMERS = "SELECT slug FROM catalog.tenant UNION SELECT name FROM catalog.tenant"
EVERYONE_SEES = """
SELECT string_agg(name, ' ') FROM (
    SELECT datname FROM pg_database UNION SELECT rolname FROM pg_roles
    UNION SELECT nspname FROM pg_namespace
    WHERE nspname NOT IN ('tenant', 'trially', 'blank', 'information_schema')
    UNION SELECT description FROM pg_shdescription WHERE objoid >= 16384
    UNION SELECT description FROM pg_description WHERE objoid >= 16384
) AS names (name)
"""
AND_STATE_LEFT = """
COMMIT;
SET statement_timeout = '7s'; SET search_path = pg_catalog; SET default_transaction_read_only = on;
SELECT set_config('trially.tenant_id', '{attacker}', false);
PREPARE left_behind AS SELECT 1; DECLARE left_open CURSOR WITH HOLD FOR SELECT 1;
LISTEN left_behind; SELECT pg_advisory_lock(7); SELECT pg_backend_pid()
"""
STATE = """
SELECT current_setting('statement_timeout') = '7s',
    current_setting('default_transaction_read_only') = 'on',
    (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND objid = 7),
    (SELECT count(*) FROM pg_prepared_statements),
    (SELECT count(*) FROM pg_cursors WHERE is_holdable),
    (SELECT count(*) FROM pg_listening_channels()), pg_backend_pid()
"""
CLEAN = (False, False, 0, 0, 0, 0)
MOST_TRIES = 50


@pytest.fixture(scope="module")
def names(app: Flask, attacker: PopulatedTenant, victim: PopulatedTenant) -> dict[str, object]:
    """The placeholders in the attacks' SQL, with their values."""
    our, their = attacker.tenant.placement, victim.tenant.placement
    with access_of(app).administer(their.database) as raw:
        execute(raw, sql.SQL("ANALYZE {}.site").format(sql.Identifier(their.schema)))
        kept = "SELECT 1 FROM pg_stats WHERE histogram_bounds::text LIKE %s"
        assert execute(raw, kept, f"%{victim.tenant.slug}%")
    return {
        "attacker": attacker.tenant.id,
        "victim": victim.tenant.id,
        "canary": victim.tenant.slug,
        "schema": our.schema,
        "their_schema": their.schema,
        "their_database": their.database,
        "role": our.role,
        "their_role": their.role,
        "login": placement_of(app, attacker.tenant).url.username,
        "their_login": placement_of(app, victim.tenant).url.username,
        "their_site": victim.ids["site_id"],
    }


@pytest.fixture(scope="module", autouse=True)
def nothing_changes(victim: PopulatedTenant, dump: Callable[[Any], Any]) -> Iterator[None]:
    """Check at the end that the other tenant's rows have not changed."""
    before = dump(victim)
    yield
    assert dump(victim) == before


@pytest.fixture
def inject(
    serving_app: Flask, attacker: PopulatedTenant, names: dict[str, object]
) -> Callable[..., object]:
    """Run SQL in the attacker's session and roll back; return the last value."""

    def run(statement: str, **more: object) -> object:
        with serving_app.app_context(), tenant_context(str(attacker.tenant.id)):
            result: Any = db.session.execute(text(statement.format(**names, **more)))
            return result.scalar() if result.returns_rows else True

    return run


@pytest.fixture
def their_session(app: Flask, victim: PopulatedTenant) -> Iterator[connection]:
    """A connection of the other tenant; its last statement contains a patient's name."""
    with closing(connect(placement_of(app, victim.tenant).url)) as raw:
        execute(raw, "SELECT 'Jane SECRET Roe'")
        yield raw


@pytest.mark.parametrize("attack", INJECTED, ids=lambda attack: attack.name)
def test_what_is_injected(
    victim: PopulatedTenant,
    inject: Callable[..., object],
    hiding_wall: Wall,
    record_wall: Callable[..., None],
    way: str,
    attack: Attack,
) -> None:
    try:
        has_succeeded = inject(attack.sql)
    except (DBAPIError, RuntimeError, OperatorError) as error:
        wall = wall_of_error(error, victim.tenant.placement.schema)
    else:
        wall = Wall.LIMIT if has_succeeded else attack.hides or hiding_wall

    record_wall(attack.name, wall, way)


@pytest.mark.parametrize("prefix", ["", "RESET ROLE;"])
def test_the_others_statements(
    inject: Callable[..., object],
    their_session: connection,
    record_wall: Callable[..., None],
    way: str,
    prefix: str,
) -> None:
    name = f"{'resets its role and ' if prefix else ''}reads the other tenant's statements"
    query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%SECRET%' AND pid = {pid}"

    is_seen = inject(prefix + query, pid=their_session.info.backend_pid)

    record_wall(name, Wall.LIMIT if is_seen else Wall.PRIVILEGES, way)


@pytest.mark.parametrize("prefix", ["", "RESET ROLE;"])
def test_the_others_connections(
    inject: Callable[..., object],
    victim: PopulatedTenant,
    their_session: connection,
    record_wall: Callable[..., None],
    way: str,
    prefix: str,
) -> None:
    name = f"{'resets its role and ' if prefix else ''}ends the other tenant's connection"
    try:
        pid = their_session.info.backend_pid
        has_ended = inject(prefix + "SELECT pg_terminate_backend({pid}, 5000)", pid=pid)
    except DBAPIError as error:
        record_wall(name, wall_of_error(error), way)
        assert execute(their_session, "SELECT 1") == [(1,)]
    else:
        assert has_ended
        record_wall(name, Wall.LIMIT, way)
    assert victim.member.get("/sites").status_code == 200


@pytest.mark.parametrize(
    ("name", "statement"),
    [
        (
            "takes the other tenant's advisory lock",
            "SELECT pg_advisory_xact_lock(uuid_hash_extended('{victim}', 0))",
        ),
        (
            "locks the other tenant's table",
            "LOCK TABLE {their_schema}.site IN ACCESS EXCLUSIVE MODE",
        ),
    ],
)
def test_disruptions(
    app: Flask,
    serving_app: Flask,
    attacker: PopulatedTenant,
    victim: PopulatedTenant,
    names: dict[str, object],
    their_session: connection,
    record_wall: Callable[..., None],
    way: str,
    name: str,
    statement: str,
) -> None:
    their_opening = placement_of(app, victim.tenant).opening
    execute(their_session, "SET lock_timeout = '200ms'")

    with serving_app.app_context(), tenant_context(str(attacker.tenant.id)):
        try:
            db.session.execute(text(statement.format(**names)))
            execute(their_session, their_opening + "SELECT count(*) FROM site")
        except errors.LockNotAvailable:
            wall = Wall.LIMIT
        except DBAPIError as error:
            wall = wall_of_error(error, victim.tenant.placement.schema)
        else:
            wall = Wall.OWN_DATABASE
        db.session.rollback()
        execute(their_session, "ROLLBACK")

    record_wall(name, wall, way)
    assert victim.member.get("/sites").status_code == 200


def test_names_in_the_system_catalogs(
    app: Flask,
    inject: Callable[..., object],
    attacker: PopulatedTenant,
    victim: PopulatedTenant,
    record_wall: Callable[..., None],
    way: str,
) -> None:
    visible = set(str(inject(EVERYONE_SEES)).split())
    customers = {name for (name,) in ask(app, CUSTOMERS, database="trially_catalog")}
    places = {
        name
        for place in (attacker.tenant.placement, victim.tenant.placement)
        for name in (place.database, place.role)
    }

    assert {attacker.tenant.slug, victim.tenant.slug} <= customers
    assert visible & customers == set()
    assert places <= visible
    assert all(OPAQUE.fullmatch(place) for place in places)
    record_wall("looks for customers' names in the system catalogs", Wall.OPAQUE, way)


@contextmanager
def changed_session(serving_app: Flask, tenant: Tenant) -> Iterator[int]:
    """Commit and leave the session changed; yield the backend's process id."""
    with serving_app.app_context(), tenant_context(str(tenant.id)):
        left = db.session.execute(text(AND_STATE_LEFT.format(attacker=tenant.id)))
        yield int(left.scalar_one())


def state_on_return(serving_app: Flask, tenant: Tenant, pid: int) -> tuple[Any, ...]:
    """Open transactions until one gets the same backend, and return its session state."""
    for _ in range(MOST_TRIES):
        with serving_app.app_context(), tenant_context(str(tenant.id)):
            *state, backend = db.session.execute(text(STATE)).one()
        if backend == pid:
            return tuple(state)
    raise AssertionError(f"No transaction got the backend {pid} again.")


def test_what_is_left_on_a_connection(
    serving_app: Flask,
    attacker: PopulatedTenant,
    victim: PopulatedTenant,
    tier: Tier,
    record_wall: Callable[..., None],
    way: str,
) -> None:
    comes_next = attacker if tier is Tier.DEDICATED_DATABASE else victim

    with changed_session(serving_app, attacker.tenant) as pid:
        # Injected SQL ended the transaction, so the pooler may give the backend away at once.
        state = state_on_return(serving_app, comes_next.tenant, pid) if way == POOLER else None
    state = state or state_on_return(serving_app, comes_next.tenant, pid)

    assert state == CLEAN
    record_wall(
        "commits and leaves the session changed",
        Wall.CLEANING if way == DIRECT else Wall.RESET,
        way,
    )
