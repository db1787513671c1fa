"""PgBouncer with deploy/'s settings: caps on connections, authentication, and the reset."""

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from secrets import token_urlsafe
from uuid import uuid4

import psycopg2
import pytest
from flask import Flask
from poolers import Pooler, run_as_account_of, running_pooler, wait_until
from populated_tenants import PopulatedTenant
from sqlalchemy import URL, text
from tenant_databases import access_of, ask
from test_injected_sql import CLEAN, changed_session, state_on_return

from trially import create_app
from trially.config import ROOT, Settings
from trially.database.connecting import connect
from trially.database.session import db
from trially.embedded_postgres.cluster import find_binaries
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.servers.connections import execute
from trially.tenancy.servers.scram import scram_verifier

PROGRAMS = find_binaries()
CAP = 2
THREADS = 8
ASKING_ROLE = "trially_pooler"
ITS_PASSWORD = token_urlsafe(32)
FIND_ROLE = "SELECT role, verifier FROM trially_pooler.find_role(%s)"


def test_a_login_role_cannot_exceed_its_cap(
    app: Flask, settings: Settings, attacker: PopulatedTenant
) -> None:
    caps = ("default_pool_size", "max_user_connections", "max_db_connections")
    with running_pooler(app, None, **dict.fromkeys(caps, str(CAP))) as pooler:
        capped = create_app(replace(settings, pooler_url=pooler.url))
        login = access_of(app).role_url(*[attacker.tenant.placement.database] * 2).username

        def ask_slowly(_number: int) -> int:
            with capped.app_context(), tenant_context(str(attacker.tenant.id)):
                db.session.execute(text("SELECT pg_sleep(0.05)"))
                counting = text(
                    "SELECT count(*) FROM pg_stat_activity WHERE usename = session_user"
                )
                return int(db.session.scalar(counting) or 0)

        with ThreadPoolExecutor(THREADS) as pool:
            seen = list(pool.map(ask_slowly, range(THREADS * 2)))
        servers = [row for row in pooler.show("SERVERS") if row["user"] == login]

    assert len(seen) == THREADS * 2
    assert len(servers) == CAP
    assert max(seen) >= CAP


def test_without_the_reset_the_session_stays_changed(
    app: Flask, settings: Settings, attacker: PopulatedTenant, victim: PopulatedTenant, tier: Tier
) -> None:
    comes_next = attacker if tier is Tier.DEDICATED_DATABASE else victim
    with running_pooler(app, server_reset_query_always="0", default_pool_size="1") as pooler:
        careless = create_app(replace(settings, pooler_url=pooler.url))

        with changed_session(careless, attacker.tenant) as pid:
            assert state_on_return(careless, comes_next.tenant, pid) != CLEAN


def test_the_pooler_accepts_no_other_startup_parameter(
    pooler: Pooler, attacker: PopulatedTenant, app: Flask
) -> None:
    pooler.learn_roles()
    place = attacker.tenant.placement
    url = pooler.url.set(
        username=place.database,
        password=access_of(app).role_password(place.database),
        database=place.database,
    )

    with closing(connect(url)) as raw:
        assert execute(raw, "SELECT 1") == [(1,)]
    with pytest.raises(psycopg2.OperationalError, match="unsupported startup parameter"):
        connect(url.set(query={"options": "-c search_path=pg_catalog"}))


def test_connections_that_the_server_closed_are_replaced(
    app: Flask, pooled_app: Flask, pooler: Pooler, attacker: PopulatedTenant
) -> None:
    pooler.learn_roles()
    member = attacker.member.through(pooled_app)
    database = attacker.tenant.placement.database

    for _ in range(3):
        assert member.get("/sites").status_code == 200
        closing_them = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        assert ask(app, f"{closing_them} WHERE datname = %s AND usename = datname", database)
    assert member.post("/sites", json={"name": str(uuid4())}).status_code == 201


@pytest.fixture
def asking_role(app: Flask) -> Iterator[None]:
    """Run deploy/pgbouncer.sql on the server."""
    verifier = f"'{scram_verifier(ITS_PASSWORD)}'"
    script = (ROOT / "deploy" / "pgbouncer.sql").read_text().replace(":password", verifier)
    with access_of(app).administer("postgres") as raw:
        execute(raw, script)
    yield
    with access_of(app).administer("postgres") as raw:
        execute(raw, f"DROP SCHEMA {ASKING_ROLE} CASCADE; DROP OWNED BY {ASKING_ROLE}")
        execute(raw, f"DROP ROLE {ASKING_ROLE}")


def test_the_pooler_can_read_verifiers_of_tenants_only(
    app: Flask, attacker: PopulatedTenant, asking_role: None
) -> None:
    login = attacker.tenant.placement.database
    url = access_of(app).admin_url.set(username=ASKING_ROLE, password=ITS_PASSWORD)

    with closing(connect(url.set(database="postgres"))) as raw:
        rows = {
            name: execute(raw, FIND_ROLE, name)
            for name in (login, "trially_catalog_reader", "postgres", "trially_catalog_owner")
        }
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            execute(raw, "SELECT * FROM pg_authid")
    for database in (login, "trially_catalog", "template1"):
        with pytest.raises(psycopg2.OperationalError, match="permission denied"):
            connect(url.set(database=database))
    verifiers = dict(ask(app, "SELECT rolname, rolpassword FROM pg_authid WHERE rolcanlogin"))

    assert rows[login] == [(login, verifiers[login])]
    assert rows["trially_catalog_reader"][0][1].startswith("SCRAM-SHA-256$")
    assert rows["postgres"] == rows["trially_catalog_owner"] == []


def test_the_users_file_is_written_from_the_server(
    app: Flask, attacker: PopulatedTenant, asking_role: None
) -> None:
    place = attacker.tenant.placement
    if place.tier != Tier.DEDICATED_DATABASE:
        return
    server = access_of(app).admin_url.query
    conninfo = f"host={server['host']} port={server['port']} dbname=postgres user={ASKING_ROLE}"

    with running_pooler(app, {}) as pooler:
        users, pidfile = pooler.folder / "users", pooler.folder / "pid"
        pidfile.write_text(str(pooler.process.pid))

        def write_users(password: str) -> int:
            command = [ROOT / "deploy" / "pgbouncer-users", users, pidfile, conninfo]
            return subprocess.run(
                [str(word) for word in command],
                env={"PATH": f"{PROGRAMS}:/usr/bin:/bin", "PGPASSWORD": password},
                check=False,
                **run_as_account_of(pooler.folder),
            ).returncode

        url = pooler.url.set(
            username=place.role,
            password=access_of(app).role_password(place.role),
            database=place.database,
        )
        with pytest.raises(psycopg2.OperationalError):
            connect(url)
        before = users.read_text()
        assert write_users("wrong") != 0
        assert users.read_text() == before
        assert write_users(ITS_PASSWORD) == 0
        assert users.stat().st_mode & 0o777 == 0o600
        wait_until(lambda: can_connect(url))
        written = users.stat().st_ino
        assert write_users(ITS_PASSWORD) == 0
        assert users.stat().st_ino == written  # not replaced without need


def can_connect(url: URL) -> bool:
    with suppress(psycopg2.OperationalError), closing(connect(url)) as raw:
        return execute(raw, "SELECT 1") == [(1,)]
    return False


def test_a_database_that_was_away_is_tried_again_soon(
    app: Flask, attacker: PopulatedTenant, pooler: Pooler
) -> None:
    place = attacker.tenant.placement
    if place.tier != Tier.DEDICATED_DATABASE:
        return
    pooler.learn_roles()
    url = pooler.url.set(
        username=place.role,
        password=access_of(app).role_password(place.role),
        database=place.database,
    )
    ask(app, f"ALTER ROLE {place.role} NOLOGIN")
    try:
        ask(
            app,
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s",
            place.role,
        )
        assert not can_connect(url)
    finally:
        ask(app, f"ALTER ROLE {place.role} LOGIN")
    # PgBouncer's own default is 15 seconds; `wait_until` waits for 10.
    wait_until(lambda: can_connect(url))


def test_a_role_logs_in_through_auth_query(
    app: Flask, attacker: PopulatedTenant, asking_role: None
) -> None:
    """Debian 12's PgBouncer runs auth_query in the client's database; it has no `auth_dbname`."""
    place = attacker.tenant.placement
    if place.tier != Tier.DEDICATED_DATABASE:
        return
    script = (ROOT / "deploy" / "pgbouncer.sql").read_text()
    with access_of(app).administer(place.database) as raw:
        execute(raw, script[script.index("CREATE SCHEMA") :])
        execute(raw, f"GRANT CONNECT ON DATABASE {place.database} TO {ASKING_ROLE}")
    asking = {"auth_user": ASKING_ROLE, "auth_query": FIND_ROLE.replace("%s", "$1")}
    try:
        with running_pooler(app, {ASKING_ROLE: ITS_PASSWORD}, **asking) as pooler:
            url = pooler.url.set(
                username=place.role,
                password=access_of(app).role_password(place.role),
                database=place.database,
            )
            with closing(connect(url)) as raw:
                assert execute(raw, "SELECT current_user") == [(place.role,)]
            with pytest.raises(psycopg2.OperationalError):
                connect(url.set(password="wrong"))
    finally:
        with access_of(app).administer(place.database) as raw:
            execute(raw, f"DROP SCHEMA {ASKING_ROLE} CASCADE")
            execute(raw, f"REVOKE CONNECT ON DATABASE {place.database} FROM {ASKING_ROLE}")
